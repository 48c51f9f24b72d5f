//! Who comes with an offer instead of a socket: streamers and viewers of livestreams, and peers.

use std::time::Duration;

use velella_model::record::{Connection, PeerKind, PeerRecord, RoomRecord, RoomSpec, Scopes};
use velella_model::wire::command::{Client, Order, Rights, SubscribeMode};
use velella_model::wire::signal::{CloseReason, PeerEvent, ServerEvent, SessionEvent};
use velella_model::{CoordinatorId, Json, RoomType};

use super::world::{Seen, World};
use crate::notice::name;
use crate::testing::{peer, room, session, worker};
use crate::*;

const STREAMS: Rights = Rights { publish: true, subscribe: false };
const WATCHES: Rights = Rights { publish: false, subscribe: true };

/// With a livestream `r` at `w1`.
fn with_stream() -> World {
    let mut world = World::new(&["w1"]);
    let spec = RoomSpec { room_type: RoomType::Livestream, ..RoomSpec::default() };
    world.request(Request::CreateRoom { room: room("r"), spec, reuse: false });
    world.take();
    world.told.clear();
    world
}

fn arrival(id: &str, of: &str, kind: PeerKind) -> Arrival {
    let rights = if kind == PeerKind::Streamer { STREAMS } else { WATCHES };
    let pass = Pass { rights, newcomer: true, ..Pass::default() };
    Arrival { session: session(id), room: room("r"), peer: peer(of), kind, pass, door: Door::Offer }
}

fn come(world: &mut World, id: &str, of: &str, kind: PeerKind) {
    world.input(Input::Arrived(arrival(id, of, kind)));
}

fn record(world: &World, id: &str) -> Option<PeerRecord> {
    world.core.records.peer(&room("r"), &peer(id)).cloned()
}

fn told(world: &mut World) -> Vec<&'static str> {
    std::mem::take(&mut world.told).iter().map(|notice| name(&notice.told)).collect()
}

#[test]
fn a_streamer_nobody_asked_for_is_made_when_it_comes_and_opened_for_its_one_offer() {
    let mut world = with_stream();
    come(&mut world, "s1", "p", PeerKind::Streamer);
    let (_, to, _, Order::OpenSession { session: open }) = world.command() else { panic!("open") };
    assert_eq!((to, open.client, open.rights), (worker("w1"), Client::OneOffer, STREAMS));
    let made = record(&world, "p").unwrap();
    assert_eq!((made.kind, made.passing), (PeerKind::Streamer, true));
    assert_eq!(made.scopes, Scopes { rights: STREAMS, admin: false });
    assert_eq!(told(&mut world), ["Connected"]);
}

#[test]
fn its_offer_waits_for_the_worker_and_the_answer_comes_back() {
    let mut world = with_stream();
    world.obedient = false;
    come(&mut world, "s1", "p", PeerKind::Streamer);
    let (op, ..) = world.command();
    let offer = PeerEvent::SdpOffer { sdp: "v=0".into(), mid_to_track: [].into(), metadata: [].into() };
    world.say("s1", Said::Event(offer.clone()));
    assert_eq!(world.take(), []);
    world.answer(op, CommandOutcome::Done);
    let [Seen::Signal(_, message)] = &world.take()[..] else { panic!("one signal") };
    assert_eq!((message.seq, &message.event), (0, &offer));
    let answer = ServerEvent::SdpAnswer { sdp: "v=0".into(), mid_to_track: [].into() };
    world.signal("s1", 0, SessionEvent::ToPeer { event: answer.clone() });
    assert_eq!(world.take(), [Seen::ToSocket(session("s1"), answer)]);
}

#[test]
fn a_second_streamer_has_to_wait_until_the_first_is_gone() {
    let mut world = with_stream();
    come(&mut world, "s1", "p", PeerKind::Streamer);
    world.take();
    come(&mut world, "s2", "q", PeerKind::Streamer);
    assert_eq!(world.take(), [Seen::Closed(session("s2"), Close::StreamTaken)]);
    assert_eq!(record(&world, "q"), None);
    come(&mut world, "s3", "v", PeerKind::Viewer);
    assert!(matches!(world.command(), (_, _, _, Order::OpenSession { .. })), "viewers are as many as they are");

    world.input(Input::SocketClosed { session: session("s1") });
    come(&mut world, "s4", "q", PeerKind::Streamer);
    assert!(record(&world, "q").is_some());
}

#[test]
fn a_streamer_at_another_replica_keeps_others_out_here() {
    let mut world = with_stream();
    let mut elsewhere = PeerRecord::new(PeerKind::Streamer, Json::null(), SubscribeMode::Auto);
    let coordinator = CoordinatorId::parse("c2").unwrap();
    elsewhere.connection = Some(Connection { coordinator, session: session("s9"), joined: true, offered: false });
    world.written_by_another(Fact::Peer(room("r"), peer("p"), Some(elsewhere)));
    come(&mut world, "s2", "q", PeerKind::Streamer);
    assert_eq!(world.take(), [Seen::Closed(session("s2"), Close::StreamTaken)]);
}

#[test]
fn of_two_that_come_to_two_replicas_in_the_same_moment_one_is_let_in() {
    let mut world = with_stream();
    let known = PeerRecord::new(PeerKind::Streamer, Json::null(), SubscribeMode::Auto);
    world.written_by_another(Fact::Peer(room("r"), peer("p"), Some(known.clone())));
    // What the other replica has written; nothing of it is known here.
    let mut other = known;
    let coordinator = CoordinatorId::parse("c2").unwrap();
    other.connection = Some(Connection { coordinator, session: session("s9"), joined: true, offered: false });
    world.put(Fact::Peer(room("r"), peer("q"), Some(other.clone())));
    let claimed = world.core.records.room(&room("r")).unwrap().clone();
    let claimed = RoomRecord { streaming: Some(session("s9")), ..claimed };
    world.put(Fact::Room(room("r"), Some(claimed)));
    come(&mut world, "s1", "p", PeerKind::Streamer);
    let seen = [Seen::Welcome(session("s1"), RoomType::Livestream), Seen::Closed(session("s1"), Close::StreamTaken)];
    assert_eq!(world.take(), seen);
    assert_eq!(record(&world, "p").unwrap().connection, None);

    let gone = PeerRecord { connection: None, ..other };
    world.written_by_another(Fact::Peer(room("r"), peer("q"), Some(gone)));
    come(&mut world, "s2", "p", PeerKind::Streamer);
    assert!(matches!(world.command(), (_, _, _, Order::OpenSession { .. })), "a claim of nobody's connection is over");
    assert_eq!(world.core.records.room(&room("r")).unwrap().streaming, Some(session("s2")));
}

#[test]
fn a_streamer_whose_worker_died_comes_back_with_its_token_at_once() {
    let mut world = with_stream();
    come(&mut world, "s1", "p", PeerKind::Streamer);
    world.take();
    told(&mut world);
    come(&mut world, "s2", "p", PeerKind::Streamer);
    let seen = world.take();
    assert_eq!(seen[0], Seen::Closed(session("s1"), Close::TakenOver));
    let opened = |seen: &Seen| matches!(seen, Seen::Command(_, _, _, Order::OpenSession { session: open }) if open.session == session("s2"));
    assert!(seen.iter().any(opened), "{seen:?}");
    assert_eq!(told(&mut world), ["Disconnected", "Connected"]);
}

#[test]
fn who_came_unasked_is_listed_no_longer_soon_after_it_went() {
    let mut world = with_stream();
    come(&mut world, "s1", "v", PeerKind::Viewer);
    world.input(Input::SocketClosed { session: session("s1") });
    assert_eq!(record(&world, "v").unwrap().connection, None);
    world.pass(Duration::from_secs(5));
    come(&mut world, "s2", "v", PeerKind::Viewer);
    world.pass(Duration::from_secs(60));
    assert!(record(&world, "v").is_some(), "it came again");
    world.input(Input::SocketClosed { session: session("s2") });
    world.pass(Duration::from_secs(PASSING_PURGE_S.into()));
    assert_eq!(record(&world, "v"), None);
    assert_eq!(told(&mut world), ["Connected", "Disconnected", "Connected", "Disconnected"]);
}

#[test]
fn a_purge_does_not_reach_who_came_back_at_another_replica_meanwhile() {
    let mut world = with_stream();
    come(&mut world, "s1", "v", PeerKind::Viewer);
    world.input(Input::SocketClosed { session: session("s1") });
    let mut back = record(&world, "v").unwrap();
    let coordinator = CoordinatorId::parse("c2").unwrap();
    back.connection = Some(Connection { coordinator, session: session("s9"), joined: true, offered: false });
    let unseen = world.put(Fact::Peer(room("r"), peer("v"), Some(back)));
    world.pass(Duration::from_secs(PASSING_PURGE_S.into()));
    world.input(Input::Changed(unseen));
    assert_eq!(record(&world, "v").unwrap().connection.unwrap().session, session("s9"));
}

#[test]
fn a_token_of_somebody_who_was_removed_lets_nobody_in() {
    let mut world = with_stream();
    let pass = Pass { rights: STREAMS, ..Pass::default() };
    world.input(Input::Arrived(Arrival { pass, ..arrival("s1", "p", PeerKind::Streamer) }));
    assert_eq!(world.take(), [Seen::Closed(session("s1"), Close::PeerNotFound)]);
}

#[test]
fn a_room_that_is_gone_and_a_store_that_is_down_are_told_apart() {
    let mut world = with_stream();
    let elsewhere = Arrival { room: room("x"), ..arrival("s1", "p", PeerKind::Viewer) };
    world.input(Input::Arrived(elsewhere));
    assert_eq!(world.take(), [Seen::Closed(session("s1"), Close::RoomNotFound)]);
    world.store_down = true;
    come(&mut world, "s2", "p", PeerKind::Viewer);
    assert_eq!(world.take(), [Seen::Closed(session("s2"), Close::StoreDown)]);
}

#[test]
fn a_peer_may_come_with_an_offer_and_takes_over_from_its_socket() {
    let mut world = World::with_session();
    let arrival = Arrival {
        session: session("s2"),
        room: room("r"),
        peer: peer("p"),
        kind: PeerKind::Webrtc,
        pass: Pass { rights: STREAMS, ..Pass::default() },
        door: Door::Offer,
    };
    world.input(Input::Arrived(arrival));
    let seen = world.take();
    assert_eq!(seen[0], Seen::Closed(session("s1"), Close::TakenOver));
    let orders = seen.into_iter().filter_map(Seen::into_command).map(|(.., order)| order);
    let client =
        orders.filter_map(|order| if let Order::OpenSession { session } = order { Some(session.client) } else { None });
    assert_eq!(client.collect::<Vec<_>>(), [Client::OneOffer]);
}

#[test]
fn an_offer_that_cannot_be_used_ends_its_session() {
    let mut world = with_stream();
    come(&mut world, "s1", "p", PeerKind::Streamer);
    world.take();
    world.signal("s1", 0, SessionEvent::Closed { reason: CloseReason::BadSignal });
    assert_eq!(world.take()[0], Seen::Closed(session("s1"), Close::SessionEnded(CloseReason::BadSignal)));
    assert_eq!(record(&world, "p").unwrap().connection, None);
}
