//! Rooms on their way to a worker.

use std::collections::BTreeMap;
use std::time::Duration;

use proptest::prelude::*;
use velella_model::record::{RoomSpec, Verdict};
use velella_model::wire::command::{Order, Refusal};
use velella_model::{Generation, WorkerId};

use super::world::{Seen, World};
use crate::testing::{room, worker};
use crate::*;

#[test]
fn a_room_is_written_assigned_and_then_answered() {
    let mut world = World::new(&["w1"]);
    let ticket = world.request(create("r"));
    let [Seen::Command(_, to, incarnation, Order::AssignRoom { assignment }), Seen::Reply(answered, reply)] =
        &world.take()[..]
    else {
        panic!("assignment, then reply")
    };
    assert_eq!((to, incarnation.0, &assignment.room), (&worker("w1"), 1, &room("r")));
    assert_eq!(*answered, ticket);
    let Reply::Room(view) = reply else { panic!("{reply:?}") };
    assert_eq!(view.record.placement.worker, worker("w1"));
    assert!(matches!(view.record.placement.candidates[0].verdict, Verdict::Scored { .. }));
}

#[test]
fn a_worker_that_refuses_is_left_out_and_the_generation_rises() {
    let mut world = World::new(&["w1", "w2"]);
    world.obedient = false;
    let ticket = world.request(create("r"));
    let (op, first, _, Order::AssignRoom { assignment: before }) = world.command() else { panic!("assignment") };
    world.answer(op, CommandOutcome::Refused(Refusal::Full));
    let (op, second, _, Order::AssignRoom { assignment: after }) = world.command() else { panic!("assignment") };
    assert_eq!((first, second), (worker("w1"), worker("w2")));
    assert!(after.generation > before.generation);
    world.answer(op, CommandOutcome::Done);
    assert!(matches!(world.reply(ticket), Reply::Room(view) if view.record.placement.worker == worker("w2")));
}

#[test]
fn a_worker_that_did_not_answer_closes_the_room_once_it_is_elsewhere() {
    let mut world = World::new(&["w1", "w2"]);
    world.obedient = false;
    world.request(create("r"));
    let (op, _, _, Order::AssignRoom { assignment: before }) = world.command() else { panic!("assignment") };
    world.answer(op, CommandOutcome::TimedOut);
    let [Seen::Command(_, at, _, closed), Seen::Command(_, next, _, Order::AssignRoom { .. })] = &world.take()[..]
    else {
        panic!("the old place is closed, the new one assigned")
    };
    assert_eq!((at, next), (&worker("w1"), &worker("w2")));
    assert_eq!(*closed, Order::CloseRoom { room: room("r"), generation: before.generation });
}

#[test]
fn a_room_that_moves_is_closed_where_it_was_before_anybody_else_has_it() {
    let mut world = World::with_peer();
    world.boot("w2", 1);
    world.obedient = false;
    world.request(Request::MoveRoom { room: room("r"), to: Some(worker("w2")) });
    let (op, at, _, Order::CloseRoom { .. }) = world.command() else { panic!("closed where it was") };
    assert_eq!(at, worker("w1"));
    world.answer(op, CommandOutcome::Done);
    let (op, at, _, Order::AssignRoom { .. }) = world.command() else { panic!("assignment") };
    assert_eq!(at, worker("w2"));
    world.answer(op, CommandOutcome::Done);
    assert!(!world.take().iter().any(|seen| matches!(seen, Seen::Command(..))), "it is closed already");
}

#[test]
fn a_worker_that_does_not_answer_holds_up_no_move_and_is_told_again() {
    let mut world = World::with_peer();
    world.boot("w2", 1);
    world.obedient = false;
    world.request(Request::MoveRoom { room: room("r"), to: Some(worker("w2")) });
    let (op, _, _, first) = world.command();
    world.answer(op, CommandOutcome::TimedOut);
    let (op, _, _, Order::AssignRoom { .. }) = world.command() else { panic!("assignment") };
    world.answer(op, CommandOutcome::Done);
    let (_, at, _, again) = world.command();
    assert_eq!((at, again), (worker("w1"), first));
}

#[test]
fn a_worker_that_did_not_answer_and_is_the_only_one_may_keep_the_room_that_the_store_places_there() {
    let mut world = World::with_peer();
    world.boot("w2", 1);
    world.obedient = false;
    world.request(Request::MoveRoom { room: room("r"), to: Some(worker("w2")) });
    let (op, _, _, Order::CloseRoom { .. }) = world.command() else { panic!("closed where it was") };
    world.answer(op, CommandOutcome::Done);
    let (op, _, _, Order::AssignRoom { .. }) = world.command() else { panic!("assignment") };
    world.answer(op, CommandOutcome::TimedOut);
    assert!(!world.take().iter().any(|seen| matches!(seen, Seen::Command(..))), "nobody is told to close it");
    assert_eq!(world.place_of("r").0, worker("w2"));
}

#[test]
fn after_three_refusals_the_room_is_withdrawn() {
    let mut world = World::new(&["w1", "w2", "w3", "w4"]);
    world.obedient = false;
    let ticket = world.request(create("r"));
    for _ in 0..2 {
        let (op, ..) = world.command();
        world.answer(op, CommandOutcome::NoResponders);
    }
    let (op, ..) = world.command();
    world.answer(op, CommandOutcome::NoResponders);
    assert!(matches!(world.reply(ticket), Reply::Denied(Denial::NoWorker(_))));
    let ticket = world.request(Request::ShowRoom { room: room("r") });
    assert_eq!(world.reply(ticket), Reply::Denied(Denial::RoomNotFound));
}

#[test]
fn nobody_there_is_a_denial_that_names_nobody() {
    let mut world = World::new(&[]);
    let ticket = world.request(create("r"));
    assert_eq!(world.reply(ticket), Reply::Denied(Denial::NoWorker(Vec::new())));
}

#[test]
fn a_store_that_is_down_denies_and_leaves_no_reservation() {
    let mut world = World::new(&["w1"]);
    world.store_down = true;
    let ticket = world.request(create("r"));
    assert_eq!(world.reply(ticket), Reply::Denied(Denial::StoreDown));
    let ticket = world.request(Request::ListWorkers);
    let Reply::Workers(workers) = world.reply(ticket) else { panic!("workers") };
    assert_eq!(workers[0].effective_load_permille, 0);
}

#[test]
fn rooms_that_are_only_expected_to_cost_something_fill_no_worker() {
    let mut world = World::new(&["w1"]);
    for n in 0..100 {
        let ticket = world.request(create(&format!("r{n}")));
        assert!(matches!(world.reply(ticket), Reply::Room(_)), "room {n} of a burst");
    }
    let ticket = world.request(Request::ListWorkers);
    let Reply::Workers(workers) = world.reply(ticket) else { panic!("workers") };
    assert_eq!(workers[0].effective_load_permille, 1_000, "more than it may have, were it real");
}

#[test]
fn a_room_that_was_made_though_the_store_did_not_say_so_moves_when_its_worker_died_meanwhile() {
    let mut world = World::new(&["w1", "w2"]);
    world.input(Input::Leads(true));
    world.silent_store = true;
    world.request(create("r"));
    world.silent_store = false;
    world.written_by_another(Fact::Room(room("r"), Some(testing::room_record("w1"))));
    world.die("w1");
    world.pass(Duration::ZERO);
    assert_eq!(world.place_of("r").0, worker("w1"), "it is on its way");
    world.input(Input::Written { op: OpId(1), outcome: WriteOutcome::Failed });
    world.pass(Duration::ZERO);
    assert_eq!(world.place_of("r").0, worker("w2"));
}

#[test]
fn a_taken_id_is_refused_unless_an_existing_room_will_do() {
    let mut world = World::with_peer();
    let ticket = world.request(create("r"));
    assert_eq!(world.reply(ticket), Reply::Denied(Denial::RoomExists));
    let ticket = world.request(Request::CreateRoom { room: room("r"), spec: RoomSpec::default(), reuse: true });
    assert!(matches!(world.reply(ticket), Reply::Room(view) if view.peers.len() == 1));
}

#[test]
fn a_room_that_another_replica_made_meanwhile_is_adopted() {
    let mut world = World::new(&["w1", "w2"]);
    world.put(Fact::Room(room("r"), Some(testing::room_record("w2"))));
    let ticket = world.request(Request::CreateRoom { room: room("r"), spec: RoomSpec::default(), reuse: true });
    assert!(matches!(world.reply(ticket), Reply::Room(view) if view.record.placement.worker == worker("w2")));
}

#[test]
fn a_new_room_that_another_replica_moves_at_once_is_made_all_the_same() {
    let mut world = World::new(&["w1", "w2"]);
    world.obedient = false;
    let ticket = world.request(create("r"));
    let (op, first, ..) = world.command();
    assert_eq!(first, worker("w1"));
    world.put(Fact::Room(room("r"), Some(testing::room_record("w2"))));
    world.answer(op, CommandOutcome::NoResponders);
    assert!(matches!(world.reply(ticket), Reply::Room(view) if view.record.placement.worker == worker("w2")));
}

#[test]
fn a_room_made_again_under_its_id_has_a_higher_generation_than_before() {
    let mut world = World::new(&["w1"]);
    world.request(create("r"));
    let before = generation(&mut world);
    world.request(Request::DeleteRoom { room: room("r") });
    world.input(Input::Changed(Entry { fact: Fact::Room(room("r"), None), revision: Revision(world.revision) }));
    world.request(create("r"));
    assert!(generation(&mut world) > before);
}

#[test]
fn a_room_that_a_lagging_coordinator_makes_again_has_a_higher_generation_than_before() {
    let mut world = World::unlisted(&["w1"]);
    world.revision = 70;
    let before = world.put(Fact::Room(room("r"), Some(testing::room_record("w1")))).revision;
    let deleted = world.put(Fact::Room(room("r"), None)).revision;
    world.request(create("r"));
    assert_eq!(generation(&mut world), Generation(deleted.0 + 1), "that of its write, not of what is known here");
    world.input(Input::Changed(Entry { fact: Fact::Room(room("r"), None), revision: deleted }));
    assert!(generation(&mut world) > Generation(before.0));
}

#[test]
fn an_edit_of_a_room_keeps_its_generation() {
    let mut world = World::with_peer();
    let before = generation(&mut world);
    let patch = RoomPatch { public: Some(true), ..RoomPatch::default() };
    world.request(Request::EditRoom { room: room("r"), patch });
    assert_eq!(generation(&mut world), before);
    let stored = world.store.get(&velella_model::key::room(&room("r"))).unwrap();
    assert!(matches!(&stored.fact, Fact::Room(_, Some(record)) if record.placement.generation == before));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn rooms_at_once_over_equal_workers_spread_within_one(workers in 1_u32..9, rooms in 1_u32..60) {
        let mut world = World::new(&[]);
        for n in 0..workers {
            world.boot(&format!("w{n}"), 1);
        }
        let mut held: BTreeMap<WorkerId, u32> = (0..workers).map(|n| (worker(&format!("w{n}")), 0)).collect();
        world.obedient = false;
        for n in 0..rooms {
            world.request(create(&format!("r{n}")));
            let (_, to, ..) = world.command();
            *held.get_mut(&to).unwrap() += 1;
        }
        let spread = held.values().max().unwrap() - held.values().min().unwrap();
        prop_assert!(spread <= 1, "{held:?}");
    }
}

fn generation(world: &mut World) -> Generation {
    world.take();
    let ticket = world.request(Request::ShowRoom { room: room("r") });
    let Reply::Room(view) = world.reply(ticket) else { panic!("a room") };
    view.record.placement.generation
}

fn create(id: &str) -> Request {
    Request::CreateRoom { room: room(id), spec: RoomSpec::default(), reuse: false }
}
