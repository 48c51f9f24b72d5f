//! How a server follows delivery directives: S11 (blocking reload), S12 (delta updates).

use std::time::Duration;

use super::history::History;
use super::ms;
use super::state::State;
use crate::observation::{Directives, Response};
use crate::playlist::{MediaPlaylist, Progress};
use crate::rule::{Finding, Rule, Scene};

/// Where a request stands to what the server has.
enum Ask {
    /// So far ahead that it should be refused.
    TooFar,
    /// Ahead or there.
    Near,
    /// Too far as long as its segment grew; it is complete, and was perhaps not when the request came.
    Overtaken,
}

pub(super) fn check_blocking(
    scene: &mut Scene<'_>,
    history: &History,
    directives: Directives,
    state: &State,
    response: &Response,
    playlist: Option<&MediaPlaylist>,
) {
    let Some(latest) = history.playlist().filter(|latest| latest.can_block_reload()) else { return };
    let status = response.status;
    let progress = playlist.map_or_else(|| latest.progress(), |playlist| playlist.progress().max(latest.progress()));
    match (directives.msn, directives.part) {
        _ if history.ended.is_some_and(|ended| ended <= state.sent) => {
            let asked = directives.msn.is_some() || directives.part.is_some();
            let ignored = response.is_ok() && !state.deferred;
            scene.must(Rule::S11, !asked || ignored, || "directives are to be ignored after EXT-X-ENDLIST");
        }
        // It ended while the request waited.
        _ if latest.end_list || playlist.is_some_and(|playlist| playlist.end_list) => {}
        (None, Some(_)) => {
            scene.must(Rule::S11, status == 400, || format!("_HLS_part without _HLS_msn was answered with {status}"));
        }
        (None, None) => {}
        (Some(msn), part) => match ask(latest, history, progress, msn, part) {
            Ask::Overtaken if status == 400 => {}
            Ask::TooFar => {
                scene.should(Rule::S11, status == 400, || format!("a request far ahead was answered with {status}"));
            }
            Ask::Near | Ask::Overtaken => check_answer(scene, history, (msn, part), state, response, playlist),
        },
    }
}

fn ask(latest: &MediaPlaylist, history: &History, progress: Progress, msn: u64, part: Option<u64>) -> Ask {
    let parts = usize::try_from(part.unwrap_or(0)).unwrap_or(usize::MAX);
    let is_beyond = |known: usize| parts >= known.saturating_add(advance_part_limit(latest));
    // The last whole segment is the one ahead of the open one.
    if msn > progress.open_msn + 1 || msn == progress.open_msn && is_beyond(progress.parts) {
        Ask::TooFar
    } else if msn + 1 == progress.open_msn && is_beyond(history.parts_of(msn)) {
        Ask::Overtaken
    } else {
        Ask::Near
    }
}

/// How many parts ahead of the last one may be asked for.
fn advance_part_limit(playlist: &MediaPlaylist) -> usize {
    let target_ms = playlist.part_target.map_or(1000, |target| target.as_millis());
    if (1..1000).contains(&target_ms) { usize::try_from(3000_u128.div_ceil(target_ms)).unwrap_or(3) } else { 3 }
}

fn check_answer(
    scene: &mut Scene<'_>,
    history: &History,
    (msn, part): (u64, Option<u64>),
    state: &State,
    response: &Response,
    playlist: Option<&MediaPlaylist>,
) {
    let Some(latest) = history.playlist() else { return };
    let waited = state.received.saturating_sub(state.sent);
    let slack = state.received.saturating_sub(state.not_before);
    let too_long = waited > latest.target_duration * 3 + if state.deferred { slack } else { Duration::ZERO };
    scene.should(Rule::S11, !too_long || response.status == 503, || {
        format!("after {} of blocking the answer is {} instead of 503", ms(waited), response.status)
    });
    let allowed = response.is_ok() || response.status == 503;
    scene.must(Rule::S11, allowed, || format!("a request for what comes next was answered with {}", response.status));
    let Some(playlist) = playlist else { return };
    let wanted = wanted(history, playlist, msn, part);
    scene.must(Rule::S11, playlist.progress() >= wanted, || {
        let sentence = format!("the answer came {} after the request, before what was asked for", ms(waited));
        Finding::shown(sentence, &playlist.open.text)
    });
    if let Some(since) = published(history, wanted).filter(|_| state.deferred) {
        let late = state.received.saturating_sub(since.max(state.sent));
        scene.should(Rule::S11, late <= slack * 2, || {
            format!("it was published for {} when the blocked request was answered", ms(late))
        });
    }
}

/// How far the playlist must have come. A part beyond the last one of its segment is the first one of the next.
fn wanted(history: &History, playlist: &MediaPlaylist, msn: u64, part: Option<u64>) -> Progress {
    let Some(part) = part.and_then(|part| usize::try_from(part).ok()) else {
        return Progress { open_msn: msn + 1, parts: 0 };
    };
    let listed = playlist.numbered().find(|(other, _, _)| *other == msn).map(|(_, _, segment)| segment.parts.len());
    let count = listed.unwrap_or(0).max(history.parts_of(msn));
    let is_whole = playlist.progress().open_msn > msn;
    if is_whole && count > 0 && part >= count {
        Progress { open_msn: msn + 1, parts: 1 }
    } else {
        Progress { open_msn: msn, parts: part + 1 }
    }
}

/// When another answer had shown it already.
fn published(history: &History, wanted: Progress) -> Option<Duration> {
    match wanted.parts.checked_sub(1) {
        Some(index) => history.parts.get(&(wanted.open_msn, index)).map(|known| known.seen.by),
        None => history.segments.get(&wanted.open_msn.checked_sub(1)?).map(|known| known.seen.by),
    }
}

pub(super) fn check_delta(scene: &mut Scene<'_>, directives: Directives, playlist: &MediaPlaylist) {
    if playlist.skip.is_none() {
        let offered = playlist.can_skip_until().filter(|_| directives.skip && !playlist.end_list);
        if let Some(boundary) = offered {
            let first = playlist.segments.first().map_or(Duration::ZERO, |segment| segment.duration);
            let whole: Duration = playlist.segments.iter().map(|segment| segment.duration).sum();
            let can_skip = whole.saturating_sub(first) > boundary;
            scene.must(Rule::S12, !can_skip, || "_HLS_skip was not followed, though segments can be skipped");
        }
        return;
    }
    scene.must(Rule::S12, directives.skip, || "a delta update came without _HLS_skip");
    let Some(boundary) = playlist.can_skip_until() else {
        return scene.must(Rule::S12, false, || "a delta update came without CAN-SKIP-UNTIL");
    };
    scene.must(Rule::S12, !playlist.end_list, || "a delta update came with EXT-X-ENDLIST");
    let left = playlist.duration();
    scene.must(Rule::S12, left >= boundary, || {
        Finding::shown(format!("{} are left, the skip boundary is {}", ms(left), ms(boundary)), &playlist.head)
    });
}
