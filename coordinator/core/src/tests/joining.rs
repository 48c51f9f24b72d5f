//! Sockets on their way into a room.

use std::collections::BTreeMap;
use std::time::Duration;

use velella_model::record::{Connection, PeerKind};
use velella_model::wire::command::{Order, Refusal};
use velella_model::wire::signal::{PeerEvent, ServerEvent, SessionEvent};
use velella_model::{CoordinatorId, Incarnation, Json, PeerId};

use super::world::{Seen, World, room_p};
use crate::sessions::{HELD_EVENTS_MAX, OPEN_PATIENCE, OPEN_RETRY};
use crate::testing::{dead, peer, room, session, worker};
use crate::*;

#[test]
fn a_valid_token_is_welcomed_and_connect_opens_the_session_with_enveloped_metadata() {
    let mut world = World::with_peer();
    world.authenticate("s1");
    assert_eq!(world.take(), [Seen::Welcome(session("s1"), velella_model::RoomType::Conference)]);
    world.say("s1", Said::Connect(Json::parse(r#"{"n":1}"#).unwrap()));
    let (_, to, _, Order::OpenSession { session: open }) = world.command() else { panic!("open") };
    assert_eq!((to, open.peer), (worker("w1"), peer("p")));
    assert_eq!(open.metadata.value(), serde_json::json!({"peer": {"n": 1}, "server": {"s": 2}}));
}

#[test]
fn a_token_for_nothing_is_told_what_is_missing() {
    let mut world = World::with_peer();
    for (in_room, close) in [("r", Close::PeerNotFound), ("other", Close::RoomNotFound)] {
        let id = session("s1");
        world.input(Input::Arrived(Arrival {
            session: id.clone(),
            room: room(in_room),
            peer: peer("ghost"),
            kind: PeerKind::Webrtc,
            pass: Pass::default(),
            door: Door::Socket,
        }));
        assert_eq!(world.take(), [Seen::Closed(id, close)]);
    }
}

#[test]
fn a_room_that_only_the_store_knows_yet_is_read_before_a_socket_is_refused() {
    let mut world = World::new(&["w1"]);
    world.put(Fact::Room(room("r"), Some(testing::room_record("w1"))));
    world.put(Fact::Peer(room("r"), peer("p"), Some(testing::peer_record())));
    world.authenticate("s1");
    assert!(matches!(world.take()[..], [Seen::Welcome(..)]));
}

#[test]
fn a_second_socket_of_a_peer_keeps_the_first_one_out() {
    let mut world = World::with_session();
    world.authenticate("s2");
    let seen = world.take();
    assert_eq!(seen[0], Seen::Closed(session("s1"), Close::TakenOver));
    assert!(matches!(&seen[1], Seen::Command(_, _, _, Order::CloseSession { session: s }) if *s == session("s1")));
    assert_eq!(Close::TakenOver.reason(), "invalid token");
    world.say("s2", Said::Connect(Json::null()));
    assert_eq!(present(&world), Some(session("s2")));
}

#[test]
fn a_placement_that_its_worker_knows_as_over_is_replaced_by_a_newer_one() {
    let mut world = World::with_peer();
    world.obedient = false;
    world.join("s1");
    let (op, _, _, Order::OpenSession { session: open }) = world.command() else { panic!("open") };
    world.answer(op, CommandOutcome::Refused(Refusal::StaleGeneration));
    let (op, to, _, Order::AssignRoom { assignment }) = world.command() else { panic!("assign") };
    assert_eq!(to, worker("w1"));
    assert!(assignment.generation > open.assignment.generation);
    world.answer(op, CommandOutcome::Done);
    let (.., Order::OpenSession { session: again }) = world.command() else { panic!("open again") };
    assert_eq!(again.assignment, assignment);
}

#[test]
fn a_takeover_at_another_replica_closes_the_socket_here() {
    let mut world = World::with_session();
    let (r, p) = room_p();
    let mut record = world.core.records.peer(&r, &p).unwrap().clone();
    let elsewhere = CoordinatorId::parse("c2").unwrap();
    record.connection =
        Some(Connection { coordinator: elsewhere, session: session("s9"), joined: true, offered: false });
    world.written_by_another(Fact::Peer(r, p, Some(record)));
    assert_eq!(world.take()[0], Seen::Closed(session("s1"), Close::TakenOver));
    assert_eq!(present(&world), Some(session("s9")), "leaving does not touch the newer connection");
}

#[test]
fn the_first_event_may_overtake_the_answer_to_open_session() {
    let mut world = World::with_peer();
    world.obedient = false;
    world.join("s1");
    let (op, ..) = world.command();
    let event = ServerEvent::Connected { endpoint: peer("p"), endpoints: BTreeMap::new() };
    world.signal("s1", 0, SessionEvent::ToPeer { event: event.clone() });
    assert_eq!(world.take(), [Seen::ToSocket(session("s1"), event)]);
    world.say("s1", Said::Event(PeerEvent::RenegotiateTracks));
    assert!(matches!(world.take()[..], [Seen::Signal(..)]));
    world.answer(op, CommandOutcome::Done);
    assert_eq!(world.take(), []);
}

#[test]
fn what_a_peer_says_before_its_session_is_open_is_held_and_numbered_from_zero() {
    let mut world = World::with_peer();
    world.obedient = false;
    world.join("s1");
    let (op, ..) = world.command();
    world.say("s1", Said::Event(PeerEvent::RenegotiateTracks));
    assert_eq!(world.take(), []);
    world.answer(op, CommandOutcome::Done);
    let [Seen::Signal(_, message)] = &world.take()[..] else { panic!("one signal") };
    assert_eq!((message.seq, &message.event), (0, &PeerEvent::RenegotiateTracks));
}

#[test]
fn a_peer_that_says_too_much_too_early_is_closed() {
    let mut world = World::with_peer();
    world.obedient = false;
    world.join("s1");
    world.take();
    for _ in 0..=HELD_EVENTS_MAX {
        world.say("s1", Said::Event(PeerEvent::RenegotiateTracks));
    }
    assert_eq!(world.take()[0], Seen::Closed(session("s1"), Close::TooMuchHeld));
}

#[test]
fn a_room_whose_worker_is_gone_moves_before_the_session_opens() {
    let mut world = World::with_peer();
    world.boot("w2", 1);
    world.obedient = false;
    world.join("s1");
    let (op, to, ..) = world.command();
    assert_eq!(to, worker("w1"));
    world.answer(op, CommandOutcome::NoResponders);
    assert_eq!(world.take(), [Seen::Probe(Suspect::Worker(worker("w1")))], "it may only be cut off from the bus");
    world.input(Input::Probed { whom: Suspect::Worker(worker("w1")), incarnation: Incarnation(1), dead: true });
    world.written_by_another(dead("w1"));
    world.pass(Duration::ZERO);
    let (op, to, _, Order::AssignRoom { .. }) = world.command() else { panic!("assignment") };
    assert_eq!(to, worker("w2"));
    world.answer(op, CommandOutcome::Done);
    let (_, to, _, Order::OpenSession { .. }) = world.command() else { panic!("open") };
    assert_eq!(to, worker("w2"));
}

#[test]
fn a_room_whose_worker_restarted_is_placed_again_and_its_sessions_join_again() {
    let mut world = World::with_session();
    world.boot("w1", 2);
    assert_eq!(world.take()[0], Seen::Closed(session("s1"), Close::WorkerRestarted));
    world.join("s2");
    let boots = world.take().into_iter().filter_map(Seen::into_command).map(|(_, _, incarnation, _)| incarnation.0);
    assert_eq!(boots.collect::<Vec<_>>(), [2, 2], "assignment and session");
}

#[test]
fn a_worker_that_does_not_answer_is_asked_again_until_patience_ends() {
    let mut world = World::with_peer();
    world.obedient = false;
    world.join("s1");
    let (op, ..) = world.command();
    world.answer(op, CommandOutcome::TimedOut);
    world.pass(OPEN_RETRY);
    let (op, _, _, Order::OpenSession { .. }) = world.command() else { panic!("a second try") };
    world.answer(op, CommandOutcome::Refused(Refusal::Full));
    world.pass(OPEN_RETRY);
    let _unanswered = world.command();
    world.pass(OPEN_PATIENCE);
    assert!(world.take().contains(&Seen::Closed(session("s1"), Close::NoWorker)));
}

#[test]
fn a_store_that_fails_for_a_while_delays_the_join() {
    let mut world = World::with_peer();
    world.store_down = true;
    world.join("s1");
    assert!(matches!(world.take()[..], [Seen::Welcome(..)]));
    world.store_down = false;
    world.pass(Duration::from_secs(1));
    assert!(matches!(world.command(), (_, _, _, Order::OpenSession { .. })));
}

#[test]
fn a_full_room_lets_nobody_else_connect() {
    let mut world = World::with_session();
    world.request(super::world::add_peer("r", "q"));
    let mut record = world.core.records.room(&room("r")).unwrap().clone();
    record.spec.peers_max = Some(1);
    world.written_by_another(Fact::Room(room("r"), Some(record)));
    world.take();
    world.input(Input::Arrived(Arrival {
        session: session("s2"),
        room: room("r"),
        peer: peer("q"),
        kind: PeerKind::Webrtc,
        pass: Pass::default(),
        door: Door::Socket,
    }));
    assert_eq!(world.take(), [Seen::Closed(session("s2"), Close::PeersLimit)]);
    world.authenticate("s3");
    assert!(world.take().contains(&Seen::Closed(session("s1"), Close::TakenOver)), "the peer itself may return");
}

fn present(world: &World) -> Option<velella_model::SessionId> {
    let (r, p): (_, PeerId) = room_p();
    Some(world.core.records.peer(&r, &p)?.connection.as_ref()?.session.clone())
}
