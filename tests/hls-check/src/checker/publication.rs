//! When new things come, and as what: S10, S13 (hints become parts).

use std::time::Duration;

use super::history::{History, News, Seen};
use super::ms;
use super::state::State;
use crate::playlist::{Hint, HintKind, Progress};
use crate::rule::{Rule, Scene};

/// The part that was hinted, with how far the playlist had come then.
pub(super) fn hinted(history: &History) -> Option<(Progress, Hint)> {
    let playlist = history.playlist()?;
    let hint = playlist.hints.iter().find(|hint| hint.kind == HintKind::Part)?;
    Some((playlist.progress(), hint.clone()))
}

pub(super) fn check(
    scene: &mut Scene<'_>,
    history: &mut History,
    news: &News,
    hinted: Option<&(Progress, Hint)>,
    state: &State,
) {
    check_hint(scene, history, news, hinted);
    let Some(playlist) = history.playlist() else { return };
    let (target, part_target) = (playlist.target_duration, playlist.part_target);
    for msn in &news.segments {
        let seen = |msn: &u64| history.segments.get(msn).map(|known| known.seen);
        let before = msn.checked_sub(1).and_then(|before| seen(&before));
        let (late, limit) = (lateness(before, seen(msn)), target + target / 2);
        scene.must(Rule::S10, late <= limit, || format!("segment {msn} came {} after the one ahead of it", ms(late)));
    }
    for place in &news.parts {
        let before = history.parts.range(..place).next_back().map(|(_, known)| known.seen);
        let late = lateness(before, history.parts.get(place).map(|known| known.seen));
        let limit = part_target.unwrap_or(Duration::MAX);
        scene.must(Rule::S10, late <= limit, || {
            format!("part {} of segment {} came {} after the one ahead of it", place.1, place.0, ms(late))
        });
    }
    if news.segments.is_empty() && !state.cached {
        check_stall(scene, history);
    }
}

/// How long it certainly took from one publication to the next.
fn lateness(before: Option<Seen>, seen: Option<Seen>) -> Duration {
    let (Some(before), Some(since)) = (before, seen.and_then(|seen| seen.not_before)) else { return Duration::ZERO };
    since.saturating_sub(before.by)
}

/// Nothing new where something is due; told once for each segment that is missing.
fn check_stall(scene: &mut Scene<'_>, history: &mut History) {
    let (Some(playlist), Some((_, newest))) = (history.playlist(), history.segments.last_key_value()) else { return };
    let silent = history.nothing_new_until.saturating_sub(newest.seen.by);
    let progress = Progress { parts: 0, ..playlist.progress() };
    let due = playlist.target_duration + playlist.target_duration / 2;
    if !playlist.end_list && silent > due && history.stalled_at != Some(progress) {
        history.stalled_at = Some(progress);
        scene.must(Rule::S10, false, || format!("no new segment for {}", ms(silent)));
    }
}

fn check_hint(scene: &mut Scene<'_>, history: &History, news: &News, hinted: Option<&(Progress, Hint)>) {
    let (Some((progress, hint)), Some(place)) = (hinted, news.parts.first()) else { return };
    let Some(part) = history.parts.get(place).map(|known| &known.part) else { return };
    let follows = *place == (progress.open_msn, progress.parts) || *place == (progress.open_msn + 1, 0);
    if !follows || part.gap {
        return;
    }
    let start = hint.start.unwrap_or(0);
    let same = part.uri == hint.uri && part.byte_range.is_none_or(|range| range.start == start);
    scene.should(Rule::S13, same, || format!("{} was hinted, and {} came", hint.uri, part.uri));
    let asked = history.url.join(&hint.uri).ok().and_then(|url| history.hint(url.as_str(), start));
    if let Some(asked) = asked.filter(|_| same) {
        let status = asked.status;
        scene.must(Rule::S13, matches!(status, 200 | 206), || {
            format!("{} was hinted, asked for and answered with {status}", hint.uri)
        });
    }
}
