//! Things that happen to streams, one at a time.

use std::time::Duration;

use super::parse::{Playlist, parse};
use super::world::{World, settings};
use crate::*;

#[test]
fn a_stream_begins_with_the_first_key_frame_and_can_be_had_with_the_first_segment() {
    let mut world = World::broadcast(settings());
    world.run(2_000);
    let early = world.packager.playlist("high", Directives::default(), world.now(), world.now());
    assert_eq!(early, Answer::Refused { refusal: Refusal::NotFound, max_age: Duration::from_secs(1) });

    world.run(4_000);
    assert!(world.outputs.contains(&Output::BecomePlayable));
    let high = see(&world, "high");
    assert_eq!((high.msn, high.segments[0].dsn), (1, 0));
    assert_eq!(high.segments[0].map.as_deref(), Some("1/high/init.0.mp4"));
}

#[test]
fn segments_end_at_key_frames_that_were_requested_in_all_renditions_at_once() {
    let mut world = World::broadcast(settings());
    world.run(20_000);
    for name in ["high", "low", "opus", "aac"] {
        let playlist = see(&world, name);
        for segment in playlist.complete() {
            assert!((2_900_000..=3_600_000).contains(&segment.duration), "{name}: {}", segment.duration);
            let high = see(&world, "high");
            let of_high = high.segments[usize::try_from(segment.msn - high.msn).unwrap()].date_ms;
            assert!((segment.date_ms - of_high).abs() <= 60, "{name}: {} ms", segment.date_ms - of_high);
        }
    }
    assert_eq!(world.packager.stats().forced_or_lost(), 0);
    assert!(world.viewers.values().all(|viewer| viewer.hints.1 == 0 && viewer.hints.0 > 20));
}

#[test]
fn sound_alone_is_cut_into_segments_as_well() {
    let mut world = World::new(settings());
    world.audio("opus", 20_000, 48_000);
    world.run(20_000);
    let durations: Vec<u64> = see(&world, "opus").complete().map(|segment| segment.duration).collect();
    assert_eq!(durations, [3_000_000; 6]);
}

#[test]
fn a_source_that_is_silent_for_a_while_is_a_gap_and_comes_back_with_a_key_frame() {
    let mut world = World::broadcast(settings());
    world.run(10_000);
    world.sources[1].silent_until = world.time + 9_000_000;
    world.run(20_000);

    let low = see(&world, "low");
    let gaps: Vec<u64> = low.complete().filter(|segment| segment.gap).map(|segment| segment.msn).collect();
    assert!(!gaps.is_empty() && gaps.len() <= 3, "{gaps:?}");
    assert!(!low.complete().next_back().unwrap().gap);
    assert!(see(&world, "high").complete().all(|segment| !segment.gap));
    assert!(low.segments.iter().all(|segment| segment.dsn == 0));
}

#[test]
fn when_everything_is_silent_playlists_go_on_with_gaps() {
    let mut world = World::broadcast(settings());
    world.run(10_000);
    for source in &mut world.sources {
        source.silent_until = i64::MAX;
    }
    world.run(30_000);
    let high = see(&world, "high");
    assert!(high.complete().next_back().unwrap().gap);
    assert!(high.segments.iter().map(|segment| segment.duration).sum::<u64>() > 29_000_000);
}

#[test]
fn a_change_of_size_is_a_discontinuity_of_all_renditions_and_a_new_init_segment_of_one() {
    let mut world = World::broadcast(settings());
    world.run(9_800);
    world.configure(0, 640);
    world.run(6_000);

    let high = see(&world, "high");
    let changed = high.segments.iter().find(|segment| segment.discontinuity).unwrap();
    assert_eq!(changed.map.as_deref(), Some("1/high/init.1.mp4"));
    for name in ["low", "opus", "aac"] {
        let other = see(&world, name);
        let there = other.segments.iter().find(|segment| segment.discontinuity).unwrap();
        assert_eq!((there.msn, there.dsn), (changed.msn, 1));
        assert_eq!(there.map, other.segments[0].map);
    }
    assert_eq!(world.packager.stats().discontinuities, 1);
}

#[test]
fn a_track_that_changes_its_size_every_second_keeps_its_playlist_legal() {
    let mut world = World::broadcast(settings());
    world.run(5_000);
    for round in 0..20 {
        world.configure(1, 100 + round);
        world.run(1_000);
    }
    world.run(10_000);
    assert!((15..=20).contains(&world.packager.stats().discontinuities));
}

#[test]
fn key_frames_that_never_come_leave_a_gap_where_they_are_promised() {
    let mut world = World::broadcast(settings());
    world.run(9_000);
    world.sources[0].obeys = false;
    world.sources[0].key_interval = 10_000_000;
    world.sources[0].key_at = None;
    world.run(30_000);
    let high = see(&world, "high");
    assert!(high.independent);
    assert!(
        high.segments.iter().any(|segment| segment.parts.iter().any(|part| part.gap)) || high.complete().any(|s| s.gap)
    );
}

#[test]
fn key_frames_that_never_come_lose_nothing_where_they_are_not_promised() {
    let mut world = World::new(Settings { key_frames: KeyFrames::Unasked, ..settings() });
    world.video("high", 40_000, 1_000_000);
    world.audio("opus", 20_000, 48_000);
    world.sources[0].obeys = false;
    world.sources[0].key_interval = 10_000_000;
    world.run(40_000);
    let stats = world.packager.stats();
    assert_eq!((stats.gap_parts, stats.undecodable, stats.key_frame_requests), (0, 0, 0));
    assert!(!see(&world, "high").independent);
}

#[test]
fn one_picture_a_second_never_makes_a_part_too_long() {
    let mut world = World::new(settings());
    world.video("slow", 1_000_000, 100_000);
    world.run(30_000);
    let slow = see(&world, "slow");
    assert!(slow.complete().count() >= 6);
    assert!(slow.complete().all(|segment| !segment.gap));
}

#[test]
fn a_picture_that_is_held_ends_with_its_segment() {
    let part_target = Duration::from_millis(467);
    let mut world = World::new(Settings { key_frames: KeyFrames::Unasked, part_target, ..settings() });
    world.video("high", 33_333, 1_000_000);
    world.run(4_310);
    world.sources[0].silent_until = world.sources[0].next + 600_000;
    world.run(10_000);
    assert!(see(&world, "high").complete().count() >= 3);
}

#[test]
fn a_clock_that_jumps_is_put_right_behind_a_discontinuity() {
    let mut world = World::broadcast(settings());
    world.run(10_000);
    world.sources[2].skew = 36_000_000_000;
    world.run(20_000);
    let stats = world.packager.stats();
    assert_eq!((stats.rebased, stats.discontinuities), (1, 1));
    assert!(see(&world, "opus").complete().next_back().is_some_and(|segment| !segment.gap));

    world.sources[2].skew = -5_000_000;
    world.run(20_000);
    assert_eq!(world.packager.stats().rebased, 2);
    assert!(see(&world, "opus").complete().next_back().is_some_and(|segment| !segment.gap));
}

#[test]
fn another_gateway_goes_on_where_one_died() {
    let mut world = World::broadcast(settings());
    world.run(14_200);
    let before = see(&world, "high");
    world.die(5_300);
    world.run(20_000);

    let after = see(&world, "high");
    let back = after.segments.iter().find(|segment| segment.discontinuity).unwrap();
    assert!(back.msn > before.segments.last().unwrap().msn && back.dsn == 1);
    // The same init segment is in effect: nothing about it changed.
    assert_eq!(back.map, before.segments[0].map);
    assert!(back.uri.as_deref().unwrap().starts_with("2/high/"));
    assert_eq!(world.packager.stats().discontinuities, 1);
}

#[test]
fn a_snapshot_from_long_ago_and_one_of_the_same_epoch_are_refused() {
    let mut world = World::broadcast(settings());
    world.run(10_000);
    let snapshot = world.packager.snapshot().unwrap();
    let write: WriteFragment = |_, _, _| None;
    let wall = WallTime(super::world::NOON + 3_600_000_000);
    let late = Packager::resume(snapshot.clone(), 2, write, wall, world.now());
    assert_eq!(late.unwrap_err(), ResumeError::Late);
    assert_eq!(Packager::resume(snapshot, 1, write, wall, world.now()).unwrap_err(), ResumeError::Epoch);
}

#[test]
fn a_rendition_that_comes_later_has_gaps_for_its_past() {
    let mut world = World::broadcast(settings());
    world.run(12_000);
    world.audio("guest", 20_000, 48_000);
    world.run(8_000);
    let (guest, high) = (see(&world, "guest"), see(&world, "high"));
    assert_eq!(guest.msn, high.msn);
    assert!(guest.segments[0].gap && !guest.complete().next_back().unwrap().gap);
    assert_eq!(high.reports.len(), 4);
}

#[test]
fn an_event_lists_everything_and_ends() {
    let mut world = World::broadcast(Settings { window: Window::Event, ..settings() });
    world.run(60_000);
    world.input(Input::Ended);
    let high = see(&world, "high");
    assert_eq!((high.msn, high.kind.as_deref(), high.ended), (1, Some("EVENT"), true));
    assert!(high.hints.is_empty());

    let recorded = parse(&world.packager.recorded("high").unwrap());
    assert_eq!((recorded.kind.as_deref(), recorded.part_target, recorded.ended), (Some("VOD"), None, true));
    let all = |playlist: &Playlist| playlist.segments.iter().map(|segment| segment.duration).collect::<Vec<_>>();
    assert_eq!(all(&recorded), all(&high));
    assert_eq!(world.packager.poll_timeout(), None);
}

#[test]
fn without_low_latency_playlists_show_no_parts() {
    let mut world = World::broadcast(Settings { low_latency: false, ..settings() });
    world.run(20_000);
    let high = see(&world, "high");
    assert!(high.hints.is_empty() && high.reports.is_empty() && high.part_target.is_none());
    assert!(!high.control.contains("PART"));
}

#[test]
fn memory_is_bounded_by_leaving_out_what_is_new_when_nothing_old_may_go() {
    let bytes_max = 2_000_000;
    let mut world = World::broadcast(Settings { bytes_max, ..settings() });
    world.watched = false;
    world.run(60_000);
    let stats = world.packager.stats();
    assert!(stats.over_budget > 0 && stats.held_bytes <= bytes_max + bytes_max / 8, "{stats:?}");
    assert!(see(&world, "high").complete().any(|segment| segment.gap));
}

#[test]
fn old_bytes_of_an_event_go_where_they_were_kept() {
    let mut world = World::broadcast(Settings { window: Window::Event, bytes_max: 8_000_000, ..settings() });
    world.watched = false;
    world.run(60_000);
    let stats = world.packager.stats();
    assert!(stats.evicted > 0 && stats.over_budget == 0, "{stats:?}");
    let address = address::Address::parse("1/high/1.m4s").unwrap();
    assert_eq!(world.packager.media(address, world.now(), world.now()), Answer::Elsewhere);
}

impl Stats {
    fn forced_or_lost(&self) -> u64 {
        self.gap_parts + self.late + self.astray + self.undecodable + self.over_budget + self.unwritable + self.stalls
    }
}

fn see(world: &World, name: &str) -> Playlist {
    parse(&world.text(name))
}
