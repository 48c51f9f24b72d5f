//! Segments, parts, inits and hinted things when they are fetched: S6, S7, S13 and the media rules.

use std::collections::BTreeMap;
use std::collections::hash_map::DefaultHasher;
use std::hash::Hasher;
use std::time::Duration;

use super::delivery;
use super::history::{HintAnswer, History};
use super::ms;
use crate::fragment::{self, Run, Tracks};
use crate::observation::{ObjectKind, Request, Response};
use crate::playlist::Segment;
use crate::rule::{Finding, Rule, Scene};

pub(super) fn check(
    scene: &mut Scene<'_>,
    history: &mut History,
    kind: ObjectKind,
    request: &Request,
    response: &Response,
    slack: Duration,
) {
    match kind {
        ObjectKind::Init => {
            scene.must(Rule::S7, response.is_ok(), || format!("an init segment was answered with {}", response.status));
            history.inits.insert(request.url.to_string(), fragment::tracks(&response.body));
        }
        ObjectKind::Segment { msn } => check_segment(scene, history, msn, request, response),
        ObjectKind::Part { msn, index } => check_part(scene, history, (msn, index), request, response),
        ObjectKind::Hint { msn, index } => check_hint(scene, history, (msn, index), request, response, slack),
    }
    let is_hint = matches!(kind, ObjectKind::Hint { .. });
    if let Some(playlist) = history.playlist().filter(|_| response.is_ok() || !is_hint) {
        delivery::check_object(scene, playlist, response);
    }
}

pub(super) fn check_nothing(scene: &mut Scene<'_>, response: &Response) {
    let status = response.status;
    scene.should(Rule::S13, matches!(status, 404 | 410), || {
        format!("something that was never named is answered with {status}")
    });
}

fn check_segment(scene: &mut Scene<'_>, history: &mut History, msn: u64, request: &Request, response: &Response) {
    let Some(known) = history.segments.get(&msn).filter(|known| !known.segment.gap) else { return };
    let listed = history.playlist().is_some_and(|playlist| playlist.media_sequence <= msn);
    let until = known.seen.not_before.map(|since| since + known.segment.duration + known.longest);
    if listed || until.is_some_and(|until| response.received <= until) {
        scene.must(Rule::S7, response.is_ok(), || {
            let when = if listed { "listed" } else { "still within its availability" };
            Finding::shown(
                format!("segment {msn} is {when} and answered with {}", response.status),
                &known.segment.text,
            )
        });
    }
    if !response.is_ok() {
        return;
    }
    let body = asked_bytes(request, response);
    let runs = fragment::runs(body, &tracks(history, &known.segment));
    check_whole(scene, history, msn, body, &runs);
    if !known.segment.discontinuity
        && let Some(before) = msn.checked_sub(1).and_then(|before| history.segments.get(&before))
    {
        check_continuity(scene, &before.runs, &runs, &tracks(history, &known.segment), &format!("segment {msn}"));
    }
    if let Some(known) = history.segments.get_mut(&msn) {
        known.runs = runs;
    }
}

fn check_part(
    scene: &mut Scene<'_>,
    history: &mut History,
    place: (u64, usize),
    request: &Request,
    response: &Response,
) {
    let Some(known) = history.parts.get(&place).filter(|known| !known.part.gap) else { return };
    let (msn, index) = place;
    let target = history.playlist().map_or(Duration::ZERO, |playlist| playlist.target_duration);
    if !known.removed || response.received <= known.listed_last + target * 3 {
        scene.must(Rule::S6, response.is_ok(), || {
            let when = if known.removed { "has just left the playlist" } else { "is listed" };
            format!("part {index} of segment {msn} {when} and is answered with {}", response.status)
        });
    }
    if !response.is_ok() {
        return;
    }
    let body = asked_bytes(request, response);
    let bytes = (body.len(), digest(body));
    let unchanged = known.bytes.is_none_or(|before| before == bytes);
    scene.must(Rule::M2, unchanged, || format!("the bytes of part {index} of segment {msn} have changed"));
    let hinted = history.hint(request.url.as_str(), 0).filter(|_| known.part.byte_range.is_none());
    if let Some(hinted) = hinted.filter(|hinted| hinted.status == 200) {
        let same = hinted.digest == bytes.1;
        scene.must(Rule::S13, same, || format!("part {index} of segment {msn} is not what its hint gave"));
    }
    let tracks = segment_of(history, msn).map(|segment| tracks(history, segment)).unwrap_or_default();
    let runs = fragment::runs(body, &tracks);
    if known.part.independent && !runs.is_empty() {
        let sync = runs.values().all(|run| run.begins_with_sync);
        scene.must(Rule::M3, sync, || format!("part {index} of segment {msn} does not begin with a sync sample"));
    }
    if let Some(before) = before(history, place) {
        check_continuity(scene, before, &runs, &tracks, &format!("part {index} of segment {msn}"));
    }
    if let Some(known) = history.parts.get_mut(&place) {
        (known.bytes, known.runs) = (Some(bytes), runs);
    }
}

fn check_hint(
    scene: &mut Scene<'_>,
    history: &mut History,
    (msn, index): (u64, usize),
    request: &Request,
    response: &Response,
    slack: Duration,
) {
    let status = response.status;
    let fine = response.is_ok() || matches!(status, 404 | 410 | 503);
    scene.should(Rule::S13, fine, || format!("a hinted resource was answered with {status}"));
    let trickle = response.received.saturating_sub(response.first_byte);
    // A range without end goes on with the parts that follow.
    let is_one_part = request.range.is_none_or(|(_, length)| length.is_some());
    scene.must(Rule::S13, !response.is_ok() || !is_one_part || trickle <= slack, || {
        format!("a hinted part took {} from its first byte to its last, instead of coming whole", ms(trickle))
    });
    let whole = request.range.is_none();
    let became = [(msn, index), (msn + 1, 0)].into_iter().find_map(|place| {
        let known = history.parts.get(&place)?;
        (history.url.join(&known.part.uri).ok()? == request.url).then_some(known)
    });
    if let Some(known) = became.filter(|known| !known.part.gap) {
        scene.must(Rule::S13, response.is_ok(), || format!("a hinted part was answered with {status}, and is listed"));
        let same = known.bytes.is_none_or(|(_, bytes)| bytes == digest(&response.body));
        scene.must(Rule::S13, !whole || !response.is_ok() || same, || "a hinted part is not what its hint gave");
    }
    let (url, start) = (request.url.to_string(), request.range.map_or(0, |(start, _)| start));
    history.remember_hint(HintAnswer { url, start, status, digest: digest(&response.body) });
}

/// A segment has the bytes of its parts, or at least their media.
fn check_whole(scene: &mut Scene<'_>, history: &History, msn: u64, body: &[u8], runs: &BTreeMap<u32, Run>) {
    let parts: Vec<_> = history.parts.range((msn, 0)..(msn + 1, 0)).map(|(_, known)| known).collect();
    let joined = history.segments.get(&msn).is_some_and(|known| known.seen.not_before.is_none());
    let Some(lengths) = parts.iter().map(|known| known.bytes).collect::<Option<Vec<_>>>() else { return };
    if joined || lengths.is_empty() {
        return;
    }
    let mut rest = body;
    let same = lengths.iter().all(|(length, bytes)| {
        let Some((part, tail)) = rest.split_at_checked(*length) else { return false };
        rest = tail;
        digest(part) == *bytes
    }) && rest.is_empty();
    scene.should(Rule::M2, same, || format!("segment {msn} is not the bytes of its parts, one after another"));
    for (id, run) in runs {
        let of_parts = parts.iter().filter_map(|known| known.runs.get(id));
        let start = of_parts.clone().map(|run| run.start).min();
        let duration: u64 = of_parts.map(|run| run.duration).sum();
        let same = start == Some(run.start) && duration == run.duration;
        scene.must(Rule::M2, same, || format!("segment {msn} and its parts do not have the same samples"));
    }
}

fn check_continuity(
    scene: &mut Scene<'_>,
    before: &BTreeMap<u32, Run>,
    runs: &BTreeMap<u32, Run>,
    tracks: &Tracks,
    what: &str,
) {
    for (id, run) in runs {
        scene.must(Rule::M1, run.continuous, || format!("track {id} has a jump within {what}"));
        let Some(before) = before.get(id) else { continue };
        let end = before.start + before.duration;
        // Rounding to a millisecond is what coarse sources do.
        let tolerance = tracks.get(id).map_or(1, |track| u64::from(track.timescale / 1000).max(1));
        scene.must(Rule::M1, end.abs_diff(run.start) <= tolerance, || {
            format!("track {id} goes on at {} in {what}, {end} was due", run.start)
        });
    }
}

/// What was fetched of the part right ahead of one, unless a discontinuity lies between.
fn before(history: &History, (msn, index): (u64, usize)) -> Option<&BTreeMap<u32, Run>> {
    let place = match index.checked_sub(1) {
        Some(before) => (msn, before),
        None if segment_of(history, msn)?.discontinuity => return None,
        None => {
            let before = msn.checked_sub(1)?;
            history.segments.get(&before)?;
            (before, history.parts_of(before).checked_sub(1)?)
        }
    };
    history.parts.get(&place).map(|known| &known.runs)
}

fn segment_of(history: &History, msn: u64) -> Option<&Segment> {
    let open = history.playlist().filter(|playlist| playlist.progress().open_msn == msn);
    history.segment(msn).or_else(|| open.map(|playlist| &playlist.open))
}

fn tracks(history: &History, segment: &Segment) -> Tracks {
    let url = segment.map.as_ref().and_then(|(_, uri)| history.url.join(uri).ok());
    url.and_then(|url| history.inits.get(url.as_str())).cloned().unwrap_or_default()
}

/// What was asked for, also when a server sent the whole resource instead of a range.
fn asked_bytes<'a>(request: &Request, response: &'a Response) -> &'a [u8] {
    let Some((start, length)) = request.range.filter(|_| response.status == 200) else { return &response.body };
    let tail = usize::try_from(start).ok().and_then(|start| response.body.get(start..)).unwrap_or_default();
    length.and_then(|length| tail.get(..usize::try_from(length).ok()?)).unwrap_or(tail)
}

/// Tells bytes apart; nobody chooses them to collide.
fn digest(bytes: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    hasher.write(bytes);
    hasher.finish()
}
