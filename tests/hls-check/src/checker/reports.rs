//! Whether playlists say the truth of each other: S14 (rendition reports), S17 (all reach as far).

use url::Url;

use super::history::{History, Version};
use crate::playlist::{MediaPlaylist, Progress, RenditionReport};
use crate::rule::{Finding, Rule, Scene};

/// What a report claims: that its rendition has come at least so far.
fn claimed(report: &RenditionReport) -> Option<Progress> {
    let msn = report.last_msn?;
    Some(match report.last_part {
        Some(part) => Progress { open_msn: msn, parts: usize::try_from(part).unwrap_or(usize::MAX).saturating_add(1) },
        None => Progress { open_msn: msn + 1, parts: 0 },
    })
}

fn target(report: &RenditionReport, base: &Url) -> Option<Url> {
    let mut url = base.join(&report.uri).ok()?;
    url.set_fragment(None);
    Some(url)
}

/// Claims of an answer by the number of the rendition that they are about.
pub(super) fn claims(version: &Version, base: &Url, histories: &[History]) -> Vec<(usize, Progress)> {
    let find = |report: &RenditionReport| {
        let url = target(report, base)?;
        Some((histories.iter().position(|history| history.url == url)?, claimed(report)?))
    };
    version.playlist.reports.iter().filter_map(find).collect()
}

pub(super) fn check(
    scene: &mut Scene<'_>,
    history: &History,
    version: &Version,
    others: &[&History],
    all_are_known: bool,
) {
    let playlist = &version.playlist;
    check_own(scene, history, version);
    if playlist.part_target.is_none() {
        return check_ends(scene, history, version, others);
    }
    let reports: Vec<_> = playlist.reports.iter().map(|report| (report, target(report, &history.url))).collect();
    for (report, url) in &reports {
        let known = others.iter().find(|other| Some(&other.url) == url.as_ref());
        scene.must(Rule::S14, known.is_some() || !all_are_known, || {
            format!("{} is reported and is no rendition", report.uri)
        });
        scene.must(Rule::S14, claimed(report).is_some(), || format!("the report of {} has no LAST-MSN", report.uri));
        if let (Some(other), Some(claim)) = (known, claimed(report)) {
            check_freshness(scene, version, other, claim);
        }
    }
    for other in others.iter().filter(|_| all_are_known && !playlist.end_list) {
        let reported = reports.iter().any(|(_, url)| url.as_ref() == Some(&other.url));
        scene.must(Rule::S14, reported, || format!("no report of {}", other.url));
    }
    check_ends(scene, history, version, others);
}

/// Who asks for a playlist after another has reported it, gets at least what was reported.
fn check_own(scene: &mut Scene<'_>, history: &History, version: &Version) {
    let Some((at, claim)) = history.claimed else { return };
    if version.state.cached || version.state.not_before < at {
        return;
    }
    let progress = version.playlist.progress();
    scene.must(Rule::S14, progress >= claim, || {
        Finding::shown(
            format!("another rendition reports {claim:?} of this one, which is at {progress:?}"),
            &version.playlist.open.text,
        )
    });
}

/// A report is not older than one part target, which is how far renditions may be apart.
fn check_freshness(scene: &mut Scene<'_>, version: &Version, other: &History, claim: Progress) {
    let Some(part_target) = version.playlist.part_target else { return };
    let old = |by: &std::time::Duration| *by + part_target <= version.state.not_before;
    let listed = other.parts.iter().rev().find(|(_, known)| old(&known.seen.by)).map(|(place, _)| *place);
    let Some((msn, index)) = listed.filter(|_| !version.state.cached) else { return };
    let fresh = claim >= Progress { open_msn: msn, parts: index + 1 };
    scene.should(Rule::S14, fresh, || format!("the report of {} is older than a part target: {claim:?}", other.url));
}

/// All renditions end at the same time, give or take a target duration.
fn check_ends(scene: &mut Scene<'_>, history: &History, version: &Version, others: &[&History]) {
    let playlist = &version.playlist;
    let Some(end) = end(history, playlist) else { return };
    for other in others {
        let Some(latest) = other.latest().filter(|latest| latest.state.received <= version.state.not_before) else {
            continue;
        };
        let Some(their_end) = other.end(&latest.playlist).filter(|_| !version.state.cached) else { continue };
        let reaches = end.plus(playlist.target_duration) >= their_end;
        scene.must(Rule::S17, reaches, || format!("it ends more than a target duration before {}", other.url));
    }
}

/// Where an answer ends that is not learned yet: as its own last date says.
fn end(history: &History, playlist: &MediaPlaylist) -> Option<crate::playlist::WallClock> {
    let dated = playlist.segments.iter().rposition(|segment| segment.date.is_some());
    let Some(at) = dated else { return history.end(playlist) };
    let (_, tail) = playlist.segments.split_at(at);
    let lasting: std::time::Duration = tail.iter().map(|segment| segment.duration).sum();
    Some(tail.first()?.date?.plus(lasting).plus(playlist.open.parts_duration()))
}
