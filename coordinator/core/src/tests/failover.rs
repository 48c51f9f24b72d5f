//! Workers and coordinators that die, and what the others do about it.

use std::time::Duration;

use velella_model::record::{Connection, CoordinatorRecord, PeerRecord, RoomSpec};
use velella_model::wire::command::Order;
use velella_model::wire::holding::{HOLDING_INTERVAL_MS, Holding};
use velella_model::{CoordinatorId, Generation, Incarnation};

use super::world::{Seen, World};
use crate::evacuation::{EVACUATE_EVERY, EVACUATE_ROOMS, NOBODY_RETRY};
use crate::fleet::KEY_GRACE;
use crate::registry::SUSPECT_AFTER;
use crate::sweep::SWEEP_EVERY;
use crate::testing::{alive, announce, dead, peer, peer_record, room, room_record, session, worker};
use crate::*;

#[test]
fn a_silent_worker_is_probed_and_its_key_deleted_only_when_it_is_proven_dead() {
    let mut world = World::new(&["w1"]);
    world.pass(SUSPECT_AFTER);
    assert_eq!(world.take(), [Seen::Probe(Suspect::Worker(worker("w1")))]);
    let probed = |dead| Input::Probed { whom: Suspect::Worker(worker("w1")), incarnation: Incarnation(1), dead };
    world.input(probed(false));
    assert_eq!(world.core.stats().workers_declared_dead, 0);
    world.input(probed(true));
    let key = world.store.get(&velella_model::key::worker(&worker("w1"))).unwrap();
    assert_eq!(key.fact, dead("w1"));
}

#[test]
fn a_proof_about_an_earlier_boot_counts_for_nothing() {
    let mut world = World::new(&["w1"]);
    world.boot("w1", 2);
    world.input(Input::Probed { whom: Suspect::Worker(worker("w1")), incarnation: Incarnation(1), dead: true });
    assert_eq!(world.core.stats().workers_declared_dead, 0);
}

#[test]
fn a_call_moves_at_once_when_its_worker_dies_whoever_leads() {
    let mut world = World::with_session();
    world.boot("w2", 1);
    world.die("w1");
    world.pass(Duration::ZERO);
    let seen = world.take();
    assert!(seen.contains(&Seen::Closed(session("s1"), Close::WorkerRestarted)), "its client returns");
    assert_eq!(world.place_of("r").0, worker("w2"));
}

#[test]
fn no_room_moves_when_a_store_that_nobody_reached_returns_and_its_workers_claim_their_keys_again() {
    let mut world = World::with_session();
    world.input(Input::Leads(true));
    world.boot("w2", 1);
    let beat = SUSPECT_AFTER / 2;
    for seq in 2..7 {
        ["w1", "w2"].iter().for_each(|id| world.input(Input::Announced(announce(id, 1, seq))));
        if seq == 2 {
            ["w1", "w2"].iter().for_each(|id| world.written_by_another(dead(id)));
        }
        world.pass(beat);
    }
    ["w1", "w2"].iter().for_each(|id| world.written_by_another(alive(id, 1)));
    world.pass(KEY_GRACE);
    assert_eq!(world.core.stats().rooms_moved, 0);
    assert!(!world.take().iter().any(|seen| matches!(seen, Seen::Closed(..))));
}

#[test]
fn a_worker_that_has_lost_the_store_for_itself_loses_its_rooms_though_it_announces_itself() {
    let mut world = World::with_session();
    world.boot("w2", 1);
    world.written_by_another(dead("w1"));
    let (beat, mut passed) = (SUSPECT_AFTER / 2, Duration::ZERO);
    while passed < KEY_GRACE {
        assert_eq!(world.place_of("r").0, worker("w1"), "after {passed:?}");
        world.pass(beat);
        passed += beat;
        let seq = 1 + u64::try_from(passed.as_millis()).unwrap();
        ["w1", "w2"].iter().for_each(|id| world.input(Input::Announced(announce(id, 1, seq))));
    }
    world.pass(Duration::ZERO);
    assert_eq!(world.place_of("r").0, worker("w2"));
}

#[test]
fn a_session_ends_when_its_room_left_its_worker_and_came_back_unseen() {
    let mut world = World::with_session();
    let (at, generation) = world.place_of("r");
    let mut back = room_record(at.as_str());
    back.placement.generation = Generation(generation + 2);
    world.written_by_another(Fact::Room(room("r"), Some(back)));
    assert!(world.take().contains(&Seen::Closed(session("s1"), Close::WorkerRestarted)), "the worker closed it");
}

#[test]
fn a_worker_that_comes_back_takes_the_rooms_of_its_former_boot_if_it_is_the_only_one() {
    let mut world = World::with_peer();
    world.input(Input::Leads(true));
    world.die("w1");
    world.boot("w1", 2);
    world.pass(Duration::ZERO);
    let placement = |entry: &Entry| {
        if let Fact::Room(_, Some(room)) = &entry.fact { Some(room.placement.incarnation) } else { None }
    };
    let placed = world.store.get(&velella_model::key::room(&room("r"))).and_then(placement);
    assert_eq!(placed, Some(Incarnation(2)));
}

#[test]
fn empty_rooms_of_a_dead_worker_are_moved_by_the_leader() {
    let mut world = World::with_peer();
    world.boot("w2", 1);
    world.die("w1");
    world.pass(Duration::from_millis(500));
    assert_eq!(world.place_of("r").0, worker("w1"), "nobody waits for it here");
    world.input(Input::Leads(true));
    world.pass(Duration::ZERO);
    assert_eq!(world.place_of("r").0, worker("w2"));
}

#[test]
fn many_rooms_move_in_handfuls_the_fullest_first() {
    let mut world = World::new(&["w1"]);
    world.input(Input::Leads(true));
    for n in 0..EVACUATE_ROOMS + 1 {
        world.request(Request::CreateRoom { room: room(&format!("r{n:02}")), spec: RoomSpec::default(), reuse: false });
    }
    let last = format!("r{EVACUATE_ROOMS:02}");
    world.written_by_another(Fact::Peer(room(&last), peer("p"), Some(connected("c9", "s9"))));
    world.written_by_another(Fact::Fleet(FleetFact::Coordinator(id("c9"), Some(CoordinatorRecord {}))));
    world.boot("w2", 1);
    world.take();
    world.die("w1");
    world.pass(Duration::ZERO);
    assert_eq!(world.place_of(&last).0, worker("w2"), "somebody is in it");
    let moved = |world: &mut World| {
        (0..=EVACUATE_ROOMS).filter(|n| world.place_of(&format!("r{n:02}")).0 == worker("w2")).count()
    };
    assert_eq!(moved(&mut world), EVACUATE_ROOMS);
    world.pass(EVACUATE_EVERY);
    assert_eq!(moved(&mut world), EVACUATE_ROOMS + 1);
}

#[test]
fn a_room_that_nobody_can_take_is_tried_again() {
    let mut world = World::with_session();
    world.die("w1");
    world.pass(Duration::ZERO);
    assert_eq!(world.place_of("r").0, worker("w1"));
    world.pass(NOBODY_RETRY / 2);
    world.boot("w2", 1);
    world.pass(NOBODY_RETRY / 2);
    assert_eq!(world.place_of("r").0, worker("w2"));
}

#[test]
fn nothing_moves_while_the_keys_stand_however_silent_everybody_is() {
    let mut world = World::with_session();
    world.input(Input::Leads(true));
    world.pass(Duration::from_secs(60));
    assert_eq!(world.place_of("r").0, worker("w1"));
    assert_eq!(world.core.stats().rooms_moved, 0);
}

#[test]
fn a_worker_that_was_declared_dead_gets_no_rooms_though_it_still_announces_itself() {
    let mut world = World::new(&["w1"]);
    world.written_by_another(dead("w1"));
    world.input(Input::Announced(announce("w1", 1, 2)));
    let ticket = world.request(Request::CreateRoom { room: room("r"), spec: RoomSpec::default(), reuse: false });
    assert!(matches!(world.reply(ticket), Reply::Denied(Denial::NoWorker(_))));
}

#[test]
fn peers_of_a_dead_coordinator_are_disconnected_unless_they_return() {
    let mut world = World::with_peer();
    world.input(Input::Listed { noun: Noun::Coordinators, entries: Vec::new(), revision: Revision(1) });
    world.input(Input::Leads(true));
    world.written_by_another(Fact::Peer(room("r"), peer("p"), Some(connected("c2", "s2"))));
    world.pass(SWEEP_EVERY);
    assert!(connection(&mut world).is_some(), "seen once: the watch may lag");
    world.pass(SWEEP_EVERY);
    assert_eq!(connection(&mut world), None);
    world.join("s3");
    world.pass(SWEEP_EVERY * 3);
    assert!(connection(&mut world).is_some(), "its socket is here");
}

#[test]
fn connections_of_a_former_boot_of_this_coordinator_end_whoever_leads() {
    let mut world = World::with_peer();
    world.input(Input::Listed { noun: Noun::Peers, entries: Vec::new(), revision: Revision(0) });
    world.written_by_another(Fact::Peer(room("r"), peer("p"), Some(connected("c1", "before"))));
    world.pass(SWEEP_EVERY);
    assert!(connection(&mut world).is_some(), "seen once");
    world.pass(SWEEP_EVERY);
    assert_eq!(connection(&mut world), None);
}

#[test]
fn a_room_that_a_worker_holds_in_vain_is_closed_there() {
    let mut world = World::new(&["w1"]);
    world.input(Input::Leads(true));
    let holds = || {
        Input::Holds(Holding {
            worker: worker("w1"),
            incarnation: Incarnation(1),
            rooms: vec![(room("gone"), Generation(3))],
        })
    };
    world.input(holds());
    assert_eq!(world.take(), [], "seen once: it may be new");
    world.input(holds());
    assert_eq!(world.take(), [], "the same message twice tells no more");
    world.pass(Duration::from_millis(HOLDING_INTERVAL_MS));
    world.take();
    world.input(holds());
    let (_, to, _, order) = world.command();
    assert_eq!((to, order), (worker("w1"), Order::CloseRoom { room: room("gone"), generation: Generation(3) }));
}

fn connection(world: &mut World) -> Option<Connection> {
    let ticket = world.request(Request::ShowPeer { room: room("r"), peer: peer("p") });
    let Reply::Peer(_, record) = world.reply(ticket) else { panic!("a peer") };
    record.connection
}

fn connected(coordinator: &str, at: &str) -> PeerRecord {
    let connection = Connection { coordinator: id(coordinator), session: session(at), joined: true, offered: false };
    PeerRecord { connection: Some(connection), ..peer_record() }
}

fn id(text: &str) -> CoordinatorId {
    CoordinatorId::parse(text).unwrap()
}
