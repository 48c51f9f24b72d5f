//! What operators ask of workers and rooms.

use std::time::Duration;

use velella_model::record::{Cordon, RoomSpec};
use velella_model::wire::announce::{Announce, WorkerState};
use velella_model::wire::command::Order;

use super::world::{Seen, World};
use crate::testing::{announce, room, session, worker};
use crate::*;

#[test]
fn a_cordoned_worker_keeps_its_rooms_and_gets_no_new_ones() {
    let mut world = World::with_session();
    world.input(Input::Leads(true));
    world.boot("w2", 1);
    cordon(&mut world, "w1", Some(Cordon { drain: false }));
    world.pass(Duration::from_millis(500));
    assert_eq!(world.place_of("r").0, worker("w1"));
    create(&mut world, "r2");
    assert_eq!(world.place_of("r2").0, worker("w2"));
    cordon(&mut world, "w1", None);
    cordon(&mut world, "w2", Some(Cordon { drain: false }));
    create(&mut world, "r3");
    assert_eq!(world.place_of("r3").0, worker("w1"));
}

#[test]
fn a_room_that_was_on_its_way_to_a_worker_when_that_was_drained_moves_on() {
    let mut world = World::with_peer();
    world.input(Input::Leads(true));
    world.boot("w2", 1);
    world.obedient = false;
    world.request(Request::MoveRoom { room: room("r"), to: Some(worker("w2")) });
    let (op, ..) = world.command();
    cordon(&mut world, "w2", Some(Cordon { drain: true }));
    world.pass(Duration::ZERO);
    world.obedient = true;
    world.answer(op, CommandOutcome::Done);
    world.pass(Duration::from_millis(100));
    assert_eq!(world.place_of("r").0, worker("w1"));
}

#[test]
fn a_drained_worker_gives_its_rooms_away_and_its_clients_return_elsewhere() {
    let mut world = World::with_session();
    world.input(Input::Leads(true));
    world.boot("w2", 1);
    let (_, before) = world.place_of("r");
    cordon(&mut world, "w1", Some(Cordon { drain: true }));
    world.pass(Duration::ZERO);
    let seen = world.take();
    assert!(seen.contains(&Seen::Closed(session("s1"), Close::WorkerRestarted)));
    let closed = |seen: &Seen| matches!(seen, Seen::Command(_, w, _, Order::CloseRoom { generation, .. }) if *w == worker("w1") && generation.0 == before);
    assert!(seen.iter().any(closed), "the old worker closes the generation that it holds");
    let (place, after) = world.place_of("r");
    assert!(place == worker("w2") && after > before);
}

#[test]
fn a_worker_that_says_it_drains_is_drained() {
    let mut world = World::with_session();
    world.input(Input::Leads(true));
    world.boot("w2", 1);
    world.input(Input::Announced(Announce { state: WorkerState::Draining, ..announce("w1", 1, 2) }));
    world.pass(Duration::ZERO);
    assert_eq!(world.place_of("r").0, worker("w2"));
}

#[test]
fn a_drain_that_has_nowhere_to_go_leaves_the_call_alone() {
    let mut world = World::with_session();
    world.input(Input::Leads(true));
    cordon(&mut world, "w1", Some(Cordon { drain: true }));
    world.take();
    world.pass(Duration::from_secs(5));
    assert!(!world.take().iter().any(|seen| matches!(seen, Seen::Closed(..))));
    assert_eq!(world.place_of("r").0, worker("w1"));
}

#[test]
fn a_room_moves_by_hand_to_the_worker_of_choice() {
    let mut world = World::with_session();
    world.boot("w2", 1);
    world.boot("w3", 1);
    let ticket = world.request(Request::MoveRoom { room: room("r"), to: Some(worker("w3")) });
    let Reply::Room(view) = world.reply(ticket) else { panic!("a room") };
    assert_eq!(view.record.placement.worker, worker("w3"));
    let ticket = world.request(Request::MoveRoom { room: room("r"), to: None });
    let Reply::Room(view) = world.reply(ticket) else { panic!("a room") };
    assert_ne!(view.record.placement.worker, worker("w3"), "anywhere else");
}

#[test]
fn a_move_that_cannot_be_is_denied_and_changes_nothing() {
    let mut world = World::with_session();
    let before = world.place_of("r");
    let ask = |world: &mut World, id: &str, to: Option<&str>| {
        let ticket = world.request(Request::MoveRoom { room: room(id), to: to.map(worker) });
        world.reply(ticket)
    };
    assert_eq!(ask(&mut world, "r", Some("w9")), Reply::Denied(Denial::WorkerNotFound));
    assert_eq!(ask(&mut world, "x", None), Reply::Denied(Denial::RoomNotFound));
    assert!(matches!(ask(&mut world, "r", None), Reply::Denied(Denial::NoWorker(_))));
    assert_eq!(world.place_of("r"), before);
    let ticket = world.request(Request::CordonWorker { worker: worker("w9"), cordon: None });
    assert_eq!(world.reply(ticket), Reply::Denied(Denial::WorkerNotFound));
}

fn cordon(world: &mut World, id: &str, cordon: Option<Cordon>) {
    let ticket = world.request(Request::CordonWorker { worker: worker(id), cordon });
    assert!(matches!(world.reply(ticket), Reply::Workers(_)));
}

fn create(world: &mut World, id: &str) {
    world.request(Request::CreateRoom { room: room(id), spec: RoomSpec::default(), reuse: false });
    world.take();
}
