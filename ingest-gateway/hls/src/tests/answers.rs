//! What requests get, by the draft's 6.2.5, 6.2.6 and appendix B.1.

use std::time::Duration;

use super::parse::parse;
use super::world::{World, settings};
use crate::address::Address;
use crate::*;

const TARGET: Duration = Duration::from_secs(4);

#[test]
fn a_request_for_what_is_listed_is_answered_at_once_and_may_be_kept() {
    let world = live();
    let (msn, part) = newest(&world);
    for (demand, max_age) in [
        (demand(None, None), TARGET / 2),
        (demand(Some(1), None), TARGET * 6),
        (demand(Some(msn - 1), None), TARGET * 6),
        (demand(Some(msn), Some(part)), TARGET * 6),
        // A part behind the last one is the first one of the next segment, which is there.
        (demand(Some(msn - 1), Some(99)), TARGET * 6),
    ] {
        let Answer::Ready { body, max_age: kept, urgency } = ask(&world, demand) else { panic!("{demand:?}") };
        assert_eq!((body, kept, urgency), (world.text("high"), max_age, 1));
    }
}

#[test]
fn a_request_for_what_comes_next_waits_and_is_answered_when_it_came() {
    let mut world = live();
    let (msn, part) = newest(&world);
    let asked_at = world.now();
    let until = asked_at + TARGET * 3;
    let next = demand(Some(msn), Some(part + 1));
    assert_eq!(ask(&world, next), Answer::Wait { until });
    // The segment, not a part of it.
    assert_eq!(ask(&world, demand(Some(msn), None)), Answer::Wait { until });
    assert_eq!(ask(&world, demand(Some(msn + 1), None)), Answer::Wait { until });

    world.run(1_000);
    let now = world.now();
    assert!(matches!(world.packager.playlist("high", next, asked_at, now), Answer::Ready { .. }));
}

#[test]
fn a_request_that_waited_for_three_target_durations_is_told_so() {
    let world = live();
    let (msn, _) = newest(&world);
    let answer = world.packager.playlist("high", demand(Some(msn), None), world.now(), world.now() + TARGET * 3);
    assert_eq!(answer, Answer::Refused { refusal: Refusal::Unavailable, max_age: Duration::ZERO });
    assert_eq!(Refusal::Unavailable.status(), 503);
}

#[test]
fn a_request_far_ahead_is_refused() {
    let world = live();
    let (msn, part) = newest(&world);
    let refused = Answer::Refused { refusal: Refusal::BadRequest, max_age: TARGET };
    // Parts of 0.5 s: six ahead.
    for (far, near) in [
        (demand(Some(msn + 2), None), demand(Some(msn + 1), None)),
        (demand(Some(msn + 2), Some(0)), demand(Some(msn + 1), Some(0))),
        (demand(Some(msn), Some(part + 7)), demand(Some(msn), Some(part + 6))),
        (demand(Some(u64::MAX), Some(u64::MAX - 1)), demand(Some(msn + 1), Some(5))),
    ] {
        assert_eq!(ask(&world, far), refused, "{far:?}");
        assert!(matches!(ask(&world, near), Answer::Wait { .. }), "{near:?}");
    }
}

#[test]
fn a_stream_that_is_over_ignores_directives() {
    let mut world = live();
    world.input(Input::Ended);
    let (msn, _) = newest(&world);
    let all = Directives { msn: Some(msn + 50), part: Some(3), skip: Some(Skip::Segments) };
    let Answer::Ready { body, .. } = ask(&world, all) else { panic!("no answer") };
    assert_eq!(body, world.text("high"));
    assert!(parse(&body).ended);
}

#[test]
fn unknown_renditions_are_not_found() {
    let world = live();
    let now = world.now();
    let plain = world.packager.playlist("higher", demand(None, None), now, now);
    assert_eq!(plain, Answer::Refused { refusal: Refusal::NotFound, max_age: TARGET });
    let blocking = world.packager.playlist("higher", demand(Some(1), None), now, now);
    assert_eq!(blocking, Answer::Refused { refusal: Refusal::NotFound, max_age: TARGET * 4 });
}

#[test]
fn a_part_that_was_hinted_is_waited_for_and_others_are_not_found() {
    let mut world = live();
    let high = parse(&world.text("high"));
    let hint = high.hint("PART").unwrap().to_owned();
    let asked_at = world.now();
    assert_eq!(fetch(&world, &hint), Answer::Wait { until: asked_at + TARGET * 3 });
    let (msn, part) = newest(&world);
    let unknown = Answer::Refused { refusal: Refusal::NotFound, max_age: Duration::ZERO };
    assert_eq!(fetch(&world, &format!("1/high/{msn}.{}.m4s", part + 2)), unknown);
    assert_eq!(fetch(&world, &format!("1/high/{}.m4s", msn + 1)), unknown);
    let never = Answer::Refused { refusal: Refusal::NotFound, max_age: TARGET };
    for path in [
        format!("2/high/{msn}.{part}.m4s"),
        "1/high/1.99.m4s".into(),
        "1/higher/1.m4s".into(),
        "1/high/init.9.mp4".into(),
    ] {
        assert_eq!(fetch(&world, &path), never, "{path}");
    }

    world.run(800);
    assert!(matches!(fetch(&world, &hint), Answer::Ready { .. }));
    assert!(matches!(fetch(&world, &format!("1/high/{msn}.m4s")), Answer::Ready { .. } | Answer::Refused { .. }));
}

#[test]
fn a_segment_that_grows_is_not_found_and_one_that_was_let_go_is_gone() {
    let mut world = live();
    let (msn, _) = newest(&world);
    assert!(matches!(fetch(&world, &format!("1/high/{msn}.m4s")), Answer::Refused { refusal: Refusal::NotFound, .. }));
    world.run(120_000);
    assert!(matches!(fetch(&world, "1/high/1.m4s"), Answer::Refused { refusal: Refusal::Gone, .. }));
    assert!(matches!(fetch(&world, "1/high/init.0.mp4"), Answer::Ready { .. }));
}

#[test]
fn sound_is_more_urgent_than_pictures_and_low_bitrates_more_than_high_ones() {
    let world = live();
    let urgency = |name: &str| match fetch(&world, &format!("1/{name}/1.m4s")) {
        Answer::Ready { urgency, .. } => urgency,
        other @ (Answer::Wait { .. } | Answer::Elsewhere | Answer::Refused { .. }) => panic!("{other:?}"),
    };
    assert_eq!(["opus", "aac", "low", "high"].map(urgency), [2, 2, 3, 4]);
}

fn live() -> World {
    let mut world = World::broadcast(settings());
    world.run(14_500);
    world
}

fn newest(world: &World) -> (u64, u64) {
    parse(&world.text("high")).last_part().unwrap()
}

fn demand(msn: Option<u64>, part: Option<u64>) -> Directives {
    Directives { msn, part, skip: None }
}

fn ask(world: &World, demand: Directives) -> Answer<String> {
    world.packager.playlist("high", demand, world.now(), world.now())
}

fn fetch(world: &World, path: &str) -> Answer<Vec<bytes::Bytes>> {
    world.packager.media(Address::parse(path).unwrap(), world.now(), world.now())
}
