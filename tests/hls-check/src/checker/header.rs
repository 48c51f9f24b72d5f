//! What one playlist says of itself: S3, S4, S13 (hints), S14 (dates and hints), S17 (dates), S18.

use std::time::Duration;

use super::history::History;
use crate::playlist::{HintKind, MediaPlaylist, ServerControl};
use crate::rule::{Finding, Rule, Scene};

/// The version of delta updates; a playlist that offers them may say so in its full form too.
const VERSION_OF_DELTAS: u64 = 9;

pub(super) fn check(scene: &mut Scene<'_>, playlist: &MediaPlaylist, others: &[&History]) {
    check_version(scene, playlist);
    if let Some(control) = &playlist.control {
        check_control(scene, playlist, control);
    } else if playlist.part_target.is_some() {
        scene.must(Rule::S3, false, || "EXT-X-PART-INF needs EXT-X-SERVER-CONTROL");
    }
    for other in others.iter().filter_map(|other| other.playlist()) {
        let same = playlist.control == other.control && playlist.target_duration == other.target_duration;
        scene.must(Rule::S4, same, || {
            let sentence = "server control or target duration is not as in another rendition".to_owned();
            Finding::between(sentence, &other.head, &playlist.head)
        });
        let dated = |playlist: &MediaPlaylist| playlist.segments.iter().any(|segment| segment.date.is_some());
        let comparable = !playlist.segments.is_empty() && !other.segments.is_empty() && playlist.skip.is_none();
        scene.must(
            Rule::S17,
            !comparable || dated(playlist) == dated(other),
            || "EXT-X-PROGRAM-DATE-TIME stands in one rendition and not in another",
        );
    }
    check_low_latency(scene, playlist);
}

fn check_version(scene: &mut Scene<'_>, playlist: &MediaPlaylist) {
    let (version, needed) = (playlist.version, playlist.version_needed);
    scene.must(Rule::S18, version >= needed, || {
        format!("version {version} lacks what stands in it: {needed} is needed")
    });
    let wanted = if playlist.can_skip_until().is_some() { needed.max(VERSION_OF_DELTAS) } else { needed };
    scene.should(Rule::S18, version <= wanted, || format!("version {version} where {wanted} is enough"));
}

fn check_control(scene: &mut Scene<'_>, playlist: &MediaPlaylist, control: &ServerControl) {
    let target = playlist.target_duration;
    let shown = |sentence: String| Finding::shown(sentence, &playlist.head);
    if let Some(boundary) = control.can_skip_until {
        let enough = boundary >= target * 6;
        scene
            .must(Rule::S3, enough, || shown(format!("CAN-SKIP-UNTIL {boundary:?} is less than six target durations")));
    }
    let allowed = !control.can_skip_date_ranges || control.can_skip_until.is_some();
    scene.must(Rule::S3, allowed, || shown("CAN-SKIP-DATERANGES needs CAN-SKIP-UNTIL".to_owned()));
    if let Some(back) = control.hold_back {
        scene.must(Rule::S3, back >= target * 3, || {
            shown(format!("HOLD-BACK {back:?} is less than three target durations"))
        });
    }
    let Some(part_target) = playlist.part_target else { return };
    let back = control.part_hold_back;
    scene.must(Rule::S3, back.is_some(), || shown("EXT-X-PART-INF needs PART-HOLD-BACK".to_owned()));
    let back = back.unwrap_or(Duration::MAX);
    scene.must(Rule::S3, back >= part_target * 2, || {
        shown(format!("PART-HOLD-BACK {back:?} is less than two part targets"))
    });
    scene.should(Rule::S3, back >= part_target * 3, || {
        shown(format!("PART-HOLD-BACK {back:?} is less than three part targets"))
    });
}

/// What the low-latency profile wants of each playlist, and hints of each that has some.
fn check_low_latency(scene: &mut Scene<'_>, playlist: &MediaPlaylist) {
    let count = |kind: HintKind| playlist.hints.iter().filter(|hint| hint.kind == kind).count();
    if !playlist.hints.is_empty() {
        let unique = count(HintKind::Part) <= 1 && count(HintKind::Map) <= 1;
        scene.should(Rule::S13, unique, || "two hints of the same type");
    }
    if playlist.part_target.is_none() {
        return;
    }
    let first = playlist.segments.first();
    let dated = playlist.skip.is_some() || first.is_none_or(|segment| segment.date.is_some());
    scene.must(Rule::S14, dated, || "the first segment has no EXT-X-PROGRAM-DATE-TIME");
    let hinted = playlist.end_list || count(HintKind::Part) > 0;
    scene.must(Rule::S14, hinted, || Finding::shown("no hint names the next part".to_owned(), &playlist.open.text));
}
