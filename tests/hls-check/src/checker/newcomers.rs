//! What must be true of each segment and part when it appears: S1 (durations), S2, S8, S9, S14, S17 (numbers).

use std::time::Duration;

use super::CLOCK_SLACK;
use super::history::{History, KnownSegment, News};
use super::ms;
use crate::playlist::{MediaPlaylist, Part};
use crate::rule::{Finding, Rule, Scene};

/// What a decimal of three places may lose, for each part of a segment and for the segment itself.
const ROUNDING: Duration = Duration::from_millis(1);

/// How much of the part target an ordinary part lasts at least, in percent (section 4.4.4.9).
const PART_PERCENT_MIN: u32 = 85;

pub(super) fn check(scene: &mut Scene<'_>, history: &History, news: &News, others: &[&History]) {
    let Some(playlist) = history.playlist() else { return };
    for msn in &news.segments {
        let Some(known) = history.segments.get(msn) else { continue };
        let before = msn.checked_sub(1).and_then(|before| history.segments.get(&before));
        check_segment(scene, playlist, *msn, known);
        if let Some(before) = before {
            check_transition(scene, *msn, before, known);
        }
        for other in others {
            check_numbers(scene, *msn, known, other);
        }
        check_short_parts(scene, history, playlist, *msn);
    }
    for (msn, index) in &news.parts {
        let (Some(known), Some(target)) = (history.parts.get(&(*msn, *index)), playlist.part_target) else { continue };
        let duration = known.part.duration;
        scene.must(Rule::S2, duration <= target, || {
            format!("part {index} of segment {msn} lasts {}, the part target is {}", ms(duration), ms(target))
        });
    }
}

fn check_segment(scene: &mut Scene<'_>, playlist: &MediaPlaylist, msn: u64, known: &KnownSegment) {
    let segment = &known.segment;
    let shown = |sentence: String| Finding::shown(sentence, &segment.text);
    let rounded = (segment.duration + Duration::from_millis(500)).as_secs();
    scene.must(Rule::S1, rounded <= playlist.target_duration.as_secs(), || {
        shown(format!("segment {msn} lasts {} and is longer than the target duration", ms(segment.duration)))
    });
    scene.must(Rule::S8, segment.late_tags.is_empty(), || {
        shown(format!("{} stands behind a part of segment {msn}", segment.late_tags.join(", ")))
    });
    if segment.parts.is_empty() {
        return;
    }
    if segment.gap {
        let marked = segment.parts.iter().all(|part| part.gap);
        scene.must(Rule::S9, marked, || shown(format!("segment {msn} is a gap and a part of it is not")));
    }
    // Joining late, the first parts of the oldest segments have left.
    let stripped = known.seen.not_before.is_none();
    let independent =
        stripped || playlist.independent_segments || segment.parts.iter().any(|part| part.independent || part.gap);
    scene.should(Rule::S14, independent, || shown(format!("no part of segment {msn} is independent")));
}

/// From one segment to the next.
fn check_transition(scene: &mut Scene<'_>, msn: u64, before: &KnownSegment, known: &KnownSegment) {
    let (old, new) = (&before.segment, &known.segment);
    let shown = |sentence: String| Finding::between(sentence, &old.text, &new.text);
    let marked = new.discontinuity || old.map == new.map;
    scene.must(Rule::S8, marked, || shown(format!("segment {msn} has another EXT-X-MAP without EXT-X-DISCONTINUITY")));
    let (Some(was), Some(is)) = (before.date, new.date) else { return };
    let hole_ns = is.since(was.plus(old.duration));
    scene.must(Rule::S9, hole_ns > -1_000_000_000, || {
        shown(format!("segment {msn} begins {} ms before the one ahead of it ends", -hole_ns / 1_000_000))
    });
    let small = hole_ns <= i128::try_from(CLOCK_SLACK.as_nanos()).unwrap_or(0);
    scene.should(Rule::S9, small || new.discontinuity, || {
        shown(format!("{} ms are missing ahead of segment {msn}, without gap", hole_ns / 1_000_000))
    });
}

/// The sum of a segment's parts, and their least duration; known when all of its parts were seen.
fn check_short_parts(scene: &mut Scene<'_>, history: &History, playlist: &MediaPlaylist, msn: u64) {
    let (Some(target), Some(known)) = (playlist.part_target, history.segments.get(&msn)) else { return };
    let parts: Vec<&Part> = history.parts.range((msn, 0)..(msn + 1, 0)).map(|(_, known)| &known.part).collect();
    // Joining late, the first parts of the oldest segments were not seen.
    if known.seen.not_before.is_none() || parts.is_empty() {
        return;
    }
    let sum: Duration = parts.iter().map(|part| part.duration).sum();
    let rounding = ROUNDING * (u32::try_from(parts.len()).unwrap_or(u32::MAX).saturating_add(1));
    scene.must(Rule::S2, sum.abs_diff(known.segment.duration) <= rounding, || {
        let sentence = format!("segment {msn} lasts {}, its parts {}", ms(known.segment.duration), ms(sum));
        Finding::shown(sentence, &known.segment.text)
    });
    let least = target * PART_PERCENT_MIN / 100;
    for (index, pair) in parts.windows(2).enumerate() {
        let [part, next] = pair else { continue };
        let excused = part.independent || part.gap || next.gap;
        scene.must(Rule::S2, excused || part.duration + ROUNDING >= least, || {
            let sentence =
                format!("part {index} of segment {msn} lasts {}, less than 85 % of the part target", ms(part.duration));
            Finding::shown(sentence, &known.segment.text)
        });
    }
}

/// What plays at the same time has the same discontinuity sequence number.
fn check_numbers(scene: &mut Scene<'_>, msn: u64, known: &KnownSegment, other: &History) {
    let Some(middle) = known.date.map(|date| date.plus(known.segment.duration / 2)) else { return };
    let covers = |other: &&KnownSegment| {
        other.date.is_some_and(|date| date <= middle && middle < date.plus(other.segment.duration))
    };
    let Some(same_time) = other.segments.values().rev().find(covers) else { return };
    scene.must(Rule::S17, same_time.dsn == known.dsn, || {
        let sentence = format!(
            "segment {msn} has discontinuity sequence number {}, and {} in {}",
            known.dsn, same_time.dsn, other.url
        );
        Finding::between(sentence, &same_time.segment.text, &known.segment.text)
    });
}
