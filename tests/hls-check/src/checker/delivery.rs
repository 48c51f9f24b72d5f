//! What stands around a body: S14 (HTTP/2, priorities, gzip), S15 (lifetimes in caches).

use std::time::Duration;

use super::history::History;
use crate::observation::{Directives, Protocol, Response};
use crate::playlist::MediaPlaylist;
use crate::rule::{Rule, Scene};

/// Urgencies of RFC 9218 that the profile wants.
const PLAYLIST_URGENCY: std::ops::RangeInclusive<u8> = 1..=1;
const MEDIA_URGENCY: std::ops::RangeInclusive<u8> = 2..=6;

pub(super) fn check_playlist(scene: &mut Scene<'_>, history: &History, directives: Directives, response: &Response) {
    let Some(playlist) = history.playlist().filter(|playlist| playlist.part_target.is_some()) else { return };
    check_transport(scene, response, PLAYLIST_URGENCY);
    if response.is_ok() {
        let zipped = response.header("content-encoding").is_some_and(|encoding| encoding.contains("gzip"));
        scene.should(Rule::S14, zipped, || "the playlist is not compressed with gzip, though that was offered");
    }
    let target = playlist.target_duration;
    let lifetime = response.lifetime();
    if !response.is_ok() {
        let most = if directives.msn.is_some() { target * 4 } else { target };
        return check_error(scene, lifetime, most);
    }
    if playlist.end_list {
        return;
    }
    scene.should(Rule::S15, lifetime.is_some(), || "a playlist has no Cache-Control with max-age");
    let Some(lifetime) = lifetime else { return };
    if directives.msn.is_some() {
        let kept = lifetime >= target * 6;
        scene.should(Rule::S15, kept, || {
            format!("a blocking playlist may be kept {lifetime:?}, less than six target durations")
        });
    } else {
        // The header has whole seconds.
        let most = Duration::from_secs(target.as_secs().div_ceil(2));
        scene.should(Rule::S15, lifetime < target * 3, || {
            format!("a live playlist may be kept {lifetime:?}, which is stale")
        });
        scene.should(Rule::S15, lifetime <= most, || {
            format!("a live playlist may be kept {lifetime:?}, more than half a target duration")
        });
    }
}

/// A segment, part or init.
pub(super) fn check_object(scene: &mut Scene<'_>, playlist: &MediaPlaylist, response: &Response) {
    if playlist.part_target.is_none() {
        return;
    }
    check_transport(scene, response, MEDIA_URGENCY);
    let (target, lifetime) = (playlist.target_duration, response.lifetime());
    if response.is_ok() {
        let kept = lifetime.is_some_and(|lifetime| lifetime >= target * 6);
        scene.should(Rule::S15, kept, || format!("media may be kept {lifetime:?}, not six target durations"));
    } else {
        check_error(scene, lifetime, target);
    }
}

fn check_error(scene: &mut Scene<'_>, lifetime: Option<Duration>, most: Duration) {
    let Some(lifetime) = lifetime else { return };
    scene.should(Rule::S15, lifetime <= most, || format!("an error may be kept {lifetime:?}, longer than {most:?}"));
}

fn check_transport(scene: &mut Scene<'_>, response: &Response, urgencies: std::ops::RangeInclusive<u8>) {
    let modern = response.protocol != Protocol::Http1;
    scene.should(Rule::S14, modern, || "low latency over HTTP/1.1: clients fall back to regular latency");
    if modern && response.is_ok() {
        let urgency = response.header("priority").and_then(urgency);
        let fits = urgency.is_some_and(|urgency| urgencies.contains(&urgency));
        scene.should(Rule::S14, fits, || format!("the priority is {urgency:?}, not one of {urgencies:?}"));
    }
}

/// `u` of a `priority` header.
fn urgency(header: &str) -> Option<u8> {
    header.split(',').find_map(|member| member.trim().strip_prefix("u=")?.parse().ok())
}
