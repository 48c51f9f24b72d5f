//! What may change between two versions of a playlist: S1 (target duration), S5, S6 and S7 (when things leave), S8.

use std::time::Duration;

use super::history::{History, KnownSegment, Version};
use super::ms;
use crate::playlist::{Kind, MediaPlaylist, Segment};
use crate::rule::{Finding, Rule, Scene};

/// Compares an answer with all that is known. `rule` is the one under which a change of what was listed is told:
/// S5, or S12 when the answer was a delta update and is compared as what it stands for.
pub(super) fn check(scene: &mut Scene<'_>, history: &History, version: &Version, rule: Rule) {
    let playlist = &version.playlist;
    for (msn, dsn, segment) in playlist.numbered() {
        if let Some(known) = history.segments.get(&msn) {
            check_segment(scene, rule, msn, known, segment);
            scene.must(Rule::S8, known.dsn == dsn, || {
                let sentence = format!("segment {msn} had discontinuity sequence number {} and now {dsn}", known.dsn);
                Finding::between(sentence, &known.segment.text, &playlist.head)
            });
        }
    }
    check_parts(scene, rule, history, playlist);
    if let Some(latest) = history.latest() {
        check_header(scene, &latest.playlist, playlist);
        check_order(scene, latest, version);
        if playlist.progress() >= latest.playlist.progress() {
            check_removal(scene, history, &latest.playlist, playlist);
        }
    }
}

fn check_segment(scene: &mut Scene<'_>, rule: Rule, msn: u64, known: &KnownSegment, segment: &Segment) {
    let difference = segment.difference(&known.segment);
    scene.must(rule, difference.is_none(), || {
        let sentence = format!("{} of segment {msn} has changed", difference.unwrap_or_default());
        Finding::between(sentence, &known.segment.text, &segment.text)
    });
}

/// Parts stay as they were; the ones of a segment leave from its front.
fn check_parts(scene: &mut Scene<'_>, rule: Rule, history: &History, playlist: &MediaPlaylist) {
    for (place, part) in history.listed_parts(playlist) {
        let Some(known) = history.parts.get(&place) else { continue };
        scene.must(rule, known.part == *part, || {
            let sentence = format!("part {} of segment {} has changed", place.1, place.0);
            Finding::between(sentence, &format!("{:?}", known.part), &format!("{part:?}"))
        });
    }
    let open = playlist.progress();
    let known = history.parts_of(open.open_msn);
    let older = history.playlist().is_none_or(|latest| open < latest.progress());
    scene.must(rule, older || known <= open.parts, || {
        Finding::shown(
            format!("segment {} had {known} parts and now {}", open.open_msn, open.parts),
            &playlist.open.text,
        )
    });
}

fn check_header(scene: &mut Scene<'_>, before: &MediaPlaylist, now: &MediaPlaylist) {
    let shown = |sentence: &str| Finding::between(sentence.to_owned(), &before.head, &now.head);
    let same = before.target_duration == now.target_duration;
    scene.must(Rule::S1, same, || shown("EXT-X-TARGETDURATION has changed"));
    let pairs = [
        ("EXT-X-PART-INF", before.part_target == now.part_target),
        ("EXT-X-SERVER-CONTROL", before.control == now.control),
        ("EXT-X-PLAYLIST-TYPE", before.kind == now.kind),
        ("EXT-X-INDEPENDENT-SEGMENTS", before.independent_segments == now.independent_segments),
    ];
    for (name, same) in pairs {
        scene.must(Rule::S5, same, || shown(&format!("{name} has changed")));
    }
}

/// Time goes one way, for whoever asks after having had an answer.
fn check_order(scene: &mut Scene<'_>, latest: &Version, version: &Version) {
    if version.state.cached || version.state.not_before < latest.state.received {
        return;
    }
    let (before, now) = (&latest.playlist, &version.playlist);
    let shown = |sentence: String| Finding::between(sentence, &before.head, &now.head);
    scene.must(Rule::S5, now.progress() >= before.progress(), || {
        shown(format!("it was at {:?} and is back at {:?}", before.progress(), now.progress()))
    });
    scene.must(Rule::S5, now.media_sequence >= before.media_sequence, || {
        shown(format!("the media sequence went from {} back to {}", before.media_sequence, now.media_sequence))
    });
    let final_stays = !before.end_list || (now.end_list && now.progress() == before.progress());
    scene.must(Rule::S5, final_stays, || shown("it goes on after EXT-X-ENDLIST".to_owned()));
    if matches!(before.kind, Some(Kind::Event | Kind::Vod)) {
        let kept = now.media_sequence == before.media_sequence;
        scene.must(Rule::S5, kept, || shown("segments left a playlist whose type forbids it".to_owned()));
    }
}

fn check_removal(scene: &mut Scene<'_>, history: &History, before: &MediaPlaylist, now: &MediaPlaylist) {
    let target = now.target_duration;
    if now.media_sequence > before.media_sequence && !now.end_list {
        let left = now.duration();
        scene.must(Rule::S7, left >= target * 3, || {
            Finding::between(format!("segments were removed, and {} are left", ms(left)), &before.head, &now.head)
        });
    }
    let listed: Vec<_> = history.listed_parts(now).map(|(place, _)| place).collect();
    let first_listed = now.first_listed();
    for (place, known) in history.parts.range((first_listed, 0)..(now.progress().open_msn, 0)) {
        if known.removed || listed.contains(place) {
            continue;
        }
        let distance = distance(history, now, *place);
        scene.must(Rule::S6, distance >= target * 3, || {
            let text = now.segments.last().map_or("", |segment| &segment.text);
            Finding::shown(format!("a part has left {} before the end", ms(distance)), text)
        });
    }
    if let Some(place) = listed.first().filter(|place| place.0 < now.progress().open_msn) {
        let distance = distance(history, now, *place);
        // One more target duration, since playlists change with whole segments in mind.
        scene.should(Rule::S6, distance <= target * 4, || {
            Finding::from(format!("a part is still listed {} before the end", ms(distance)))
        });
    }
}

/// From the end of a part of a whole segment to the end of the playlist.
fn distance(history: &History, playlist: &MediaPlaylist, (msn, index): (u64, usize)) -> Duration {
    let later_parts = history.parts.range((msn, index + 1)..(msn + 1, 0)).map(|(_, known)| known.part.duration);
    let later_segments = playlist.numbered().filter(|(other, _, _)| *other > msn).map(|(_, _, s)| s.duration);
    later_parts.chain(later_segments).sum::<Duration>() + playlist.open.parts_duration()
}
