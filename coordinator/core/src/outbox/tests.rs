//! Dialogues with the outbox: what is told, what is called, what came of it.

use super::*;
use crate::testing::{room, start};

#[test]
fn a_room_is_told_in_order_and_one_call_at_a_time() {
    let mut world = World::new();
    ["a", "b"].into_iter().for_each(|text| world.tell("r", text));
    assert_eq!(world.calls(), [call("r", 1, vec!["a"])]);
    world.called("r", true);
    assert_eq!(world.calls(), [call("r", 1, vec!["b"])]);
    world.called("r", true);
    assert_eq!((world.calls(), world.outbox.stats().delivered, world.outbox.rooms.len()), (vec![], 2, 0));
}

#[test]
fn a_failed_call_is_repeated_with_growing_waits_and_nothing_overtakes_it() {
    let mut world = World::new();
    world.tell("r", "a");
    world.calls();
    for (attempt, longest) in [(2, 500), (3, 1000), (4, 2000)] {
        world.called("r", false);
        world.tell("r", "later");
        assert_eq!(world.calls(), []);
        let due = world.outbox.poll_timeout().unwrap() - world.now;
        let longest = Duration::from_millis(longest);
        assert!(due >= longest / 2 && due <= longest, "{due:?}");
        world.pass(due);
        assert_eq!(world.calls(), [call("r", attempt, vec!["a"])]);
    }
    world.called("r", true);
    assert_eq!(world.calls(), [call("r", 1, vec!["later"])]);
}

#[test]
fn one_rooms_trouble_is_not_anothers() {
    let mut world = World::new();
    world.tell("hangs", "a");
    world.tell("works", "b");
    assert_eq!(world.calls().len(), 2);
    world.tell("works", "c");
    world.called("works", true);
    assert_eq!(world.calls(), [call("works", 1, vec!["c"])]);
}

#[test]
fn a_receiver_that_hangs_holds_a_bounded_number_of_calls() {
    let mut world = World::new();
    for n in 0..RECEIVER_CALLS_MAX + 5 {
        world.told(&format!("r{n}"), event("a", "http://hangs/x"));
    }
    assert_eq!(world.calls().len(), RECEIVER_CALLS_MAX);
    world.told("other", event("b", "http://works/x"));
    assert_eq!(world.calls(), [call("other", 1, vec!["b"])]);
    world.called("r0", false);
    assert_eq!(world.calls().len(), 1, "an ended call makes room for the next");
}

#[test]
fn batches_gather_for_a_moment_and_leave_out_what_may_not_be_in_one() {
    let mut world = World::new();
    for (text, batchable) in [("a", true), ("b", true), ("vad", false), ("c", true)] {
        world.told("r", Event { batch: true, batchable, ..event(text, "http://h/") });
    }
    assert_eq!(world.calls(), []);
    world.pass(BATCH_GATHER);
    let batch = world.outbox.poll_output().unwrap();
    assert_eq!((batch.batch, batch.events), (true, vec![(None, "a"), (None, "b")]));
    world.called("r", true);
    assert!(!world.outbox.poll_output().unwrap().batch);
    world.called("r", true);
    assert_eq!(world.calls(), [call("r", 1, vec!["c"])]);
}

#[test]
fn a_full_queue_loses_its_oldest_but_not_what_is_on_its_way() {
    let mut world = World::new();
    world.tell("r", "first");
    world.calls();
    for n in 1..=ROOM_EVENTS_MAX {
        world.tell("r", if n == 1 { "oldest" } else { "newer" });
    }
    assert_eq!(world.outbox.stats().overflowed, 1);
    world.called("r", true);
    assert_eq!(world.calls(), [call("r", 1, vec!["newer"])]);
}

#[test]
fn when_everything_is_full_the_longest_queue_loses() {
    let mut world = World::new();
    for n in 0..EVENTS_MAX {
        world.tell(&format!("r{}", n % (EVENTS_MAX / ROOM_EVENTS_MAX)), "x");
    }
    world.tell("modest", "y");
    let stats = world.outbox.stats();
    assert_eq!((stats.overflowed, stats.waiting), (1, EVENTS_MAX as u64));
    assert_eq!(world.outbox.rooms[&room("modest")].len(), 1);
}

#[test]
fn what_is_too_old_is_given_up_and_what_is_younger_is_still_tried() {
    let mut world = World::new();
    world.tell("r", "old");
    world.calls();
    world.pass(GIVE_UP_AFTER);
    world.tell("r", "young");
    world.called("r", false);
    assert_eq!((world.outbox.stats().given_up, world.outbox.stats().waiting), (1, 1));
    world.pass(RETRY_MAX);
    assert_eq!(world.calls(), [call("r", 2, vec!["young"])]);
    world.pass(GIVE_UP_AFTER);
    world.called("r", false);
    assert_eq!((world.outbox.rooms.len(), world.outbox.by_len.len(), world.outbox.bytes), (0, 0, 0));
}

#[test]
fn progress_ends_before_what_waits() {
    let mut world = World::new();
    for (id, revision) in [("slow", 3), ("slow", 4), ("quick", 5)] {
        world.told(id, numbered(revision));
    }
    world.calls();
    world.called("quick", true);
    world.called("slow", false);
    let progress = world.outbox.progress(Revision(7));
    assert_eq!(progress, Progress { through: Revision(7), behind: [(room("slow"), Revision(2))].into() });
    world.pass(RETRY_MAX);
    world.calls();
    world.called("slow", true);
    assert_eq!(world.outbox.progress(Revision(7)).behind[&room("slow")], Revision(3));
    world.outbox.clear();
    assert_eq!(world.outbox.progress(Revision(7)), Progress { through: Revision(7), behind: BTreeMap::new() });
    assert_eq!((world.outbox.stats().delivered, world.outbox.stats().waiting), (2, 0));
}

#[test]
fn what_waits_grows_old_and_is_given_up_also_for_those_who_follow() {
    let mut world = World::new();
    world.told("r", numbered(3));
    world.calls();
    world.pass(GIVE_UP_AFTER);
    assert_eq!(world.outbox.oldest_age(world.now), Some(GIVE_UP_AFTER));
    world.called("r", false);
    assert_eq!(world.outbox.oldest_age(world.now), None);
    assert!(world.outbox.progress(Revision(3)).has(&room("r"), Revision(3)));
}

struct World {
    outbox: Outbox<&'static str>,
    now: Instant,
}

impl World {
    fn new() -> Self {
        Self { outbox: Outbox::new(1), now: start() }
    }

    fn tell(&mut self, id: &str, text: &'static str) {
        self.told(id, event(text, &format!("http://{id}/hook")));
    }

    fn told(&mut self, id: &str, event: Event<&'static str>) {
        self.outbox.told(&room(id), event, self.now);
    }

    fn called(&mut self, id: &str, taken: bool) {
        self.outbox.called(&room(id), taken, self.now);
    }

    fn pass(&mut self, duration: Duration) {
        self.now += duration;
        self.outbox.timed_out(self.now);
    }

    /// Room, attempt and payloads of the calls to make.
    fn calls(&mut self) -> Vec<(String, u32, Vec<&'static str>)> {
        let mut calls = Vec::new();
        while let Some(call) = self.outbox.poll_output() {
            let payloads = call.events.into_iter().map(|(_, payload)| payload).collect();
            calls.push((call.room.to_string(), call.attempt, payloads));
        }
        calls
    }
}

fn call(room: &str, attempt: u32, payloads: Vec<&'static str>) -> (String, u32, Vec<&'static str>) {
    (room.to_owned(), attempt, payloads)
}

fn numbered(revision: u64) -> Event<&'static str> {
    Event { sequence: Some(Sequence::last_of(Revision(revision))), ..event("x", "http://h/") }
}

fn event(text: &'static str, url: &str) -> Event<&'static str> {
    let (url, payload) = (url.to_owned(), text);
    Event { sequence: None, url, batch: false, batchable: true, bytes: text.len(), payload }
}
