//! What the management API changes of peers and rooms that are in use.

use std::time::Duration;

use velella_model::record::{PeerKind, PeerRecord, RoomSpec, Subscriptions, TrackRecord};
use velella_model::wire::command::{OpenSession, Order, Rights, SubscribeMode};
use velella_model::wire::signal::{PeerEvent, SessionEvent};
use velella_model::{Json, MediaKind, RoomType, TrackId};

use super::world::{Seen, World, add_peer, room_p};
use crate::testing::{peer, room, session, worker};
use crate::*;

#[test]
fn a_manual_peer_is_subscribed_and_its_worker_is_told_the_whole_set() {
    let mut world = World::with_manual_peer();
    world.join("s1");
    assert_eq!(opened(&world.take()).subscriptions, Subscriptions::default());
    let ticket = world.request(edit(PeerEdit::Subscribe(peers(&["q"]))));
    let seen = world.take();
    assert_eq!(told(&seen), [subscriptions(&["q"])]);
    assert!(
        matches!(&seen[1], Seen::Reply(t, Reply::Peer(_, record)) if *t == ticket && record.subscriptions == peers(&["q"]))
    );
    world.request(edit(PeerEdit::Unsubscribe(peers(&["q", "unknown"]))));
    assert_eq!(told(&world.take()), [subscriptions(&[])]);
}

#[test]
fn what_is_asked_for_before_the_peer_comes_is_told_when_its_session_opens() {
    let mut world = World::with_manual_peer();
    world.request(edit(PeerEdit::Subscribe(peers(&["q"]))));
    world.join("s1");
    let seen = world.take();
    assert_eq!((opened(&seen).subscriptions, told(&seen)), (peers(&["q"]), vec![]));
}

#[test]
fn an_edit_at_another_replica_reaches_the_worker_from_here() {
    let mut world = World::with_manual_peer();
    world.join("s1");
    world.take();
    let record = world.record("p");
    let server_metadata = Json::parse(r#"{"role":"host"}"#).unwrap();
    let after = PeerRecord { subscriptions: peers(&["q"]), server_metadata, ..record };
    world.written_by_another(Fact::Peer(room("r"), peer("p"), Some(after)));
    let metadata = Json::parse(r#"{"peer":{"n":1},"server":{"role":"host"}}"#).unwrap();
    assert_eq!(told(&world.take()), [PeerEvent::UpdateEndpointMetadata { metadata }, subscriptions(&["q"])]);
}

#[test]
fn only_the_last_set_is_held_for_a_session_that_is_opening() {
    let mut world = World::with_manual_peer();
    world.obedient = false;
    world.join("s1");
    let (op, ..) = world.command();
    world.request(edit(PeerEdit::Subscribe(peers(&["q"]))));
    world.request(edit(PeerEdit::Subscribe(peers(&["p2"]))));
    world.take();
    world.answer(op, CommandOutcome::Done);
    assert_eq!(told(&world.take()), [subscriptions(&["p2", "q"])]);
}

#[test]
fn what_cannot_be_subscribed_to_is_told_apart() {
    let mut world = World::with_manual_peer();
    world.request(add_peer("r", "auto"));
    let table = [
        (edit(PeerEdit::Subscribe(peers(&["x"]))), Denial::OtherPeerNotFound(peer("x"))),
        (edit(PeerEdit::Subscribe(tracks(&["t"]))), Denial::TrackNotFound(track("t"))),
        (edit_of("auto", PeerEdit::Subscribe(peers(&["q"]))), Denial::NotManual),
        (edit_of("x", PeerEdit::RevokeTokens), Denial::PeerNotFound),
    ];
    for (request, denial) in table {
        let ticket = world.request(request);
        assert_eq!(world.reply(ticket), Reply::Denied(denial));
    }
}

#[test]
fn tracks_that_are_gone_make_place_for_new_ones() {
    let mut world = World::with_manual_peer();
    world.join("s1");
    let added =
        |id: &str| SessionEvent::TrackAdded { track: track(id), kind: MediaKind::Audio, metadata: Json::null() };
    world.signal("s1", 0, added("t1"));
    world.request(edit(PeerEdit::Subscribe(tracks(&["t1"]))));
    let gone = SessionEvent::TrackRemoved { track: track("t1"), kind: MediaKind::Audio, metadata: Json::null() };
    world.signal("s1", 1, gone);
    world.signal("s1", 2, added("t2"));
    world.request(edit(PeerEdit::Subscribe(tracks(&["t2"]))));
    let record = world.record("p");
    assert_eq!(record.subscriptions, tracks(&["t2"]));
    assert_eq!(record.tracks[&track("t2")], TrackRecord { kind: MediaKind::Audio, metadata: Json::null() });
}

#[test]
fn an_edit_of_a_peer_that_vanishes_meanwhile_is_answered() {
    let mut world = World::with_manual_peer();
    world.store.clear();
    let ticket = world.request(edit(PeerEdit::RevokeTokens));
    assert_eq!(world.reply(ticket), Reply::Denied(Denial::PeerNotFound));
}

#[test]
fn an_edit_that_the_store_never_takes_is_answered() {
    let mut world = World::with_manual_peer();
    world.store_down = true;
    let ticket = world.request(edit(PeerEdit::RevokeTokens));
    world.pass(Duration::from_secs(60));
    assert_eq!(world.reply(ticket), Reply::Denied(Denial::StoreDown));
}

#[test]
fn revoked_tokens_close_their_socket_and_let_nobody_in() {
    let mut world = World::with_session();
    world.request(edit(PeerEdit::RevokeTokens));
    assert_eq!(world.take()[0], Seen::Closed(session("s1"), Close::TokenRevoked));
    world.authenticate("s2");
    assert_eq!(world.take(), [Seen::Closed(session("s2"), Close::TokenRevoked)]);
    let (room, peer) = room_p();
    let pass = Pass { token_series: 1, ..Pass::default() };
    world.input(Input::Arrived(Arrival {
        session: session("s3"),
        room,
        peer,
        kind: PeerKind::Webrtc,
        pass,
        door: Door::Socket,
    }));
    assert_eq!(world.take(), [Seen::Welcome(session("s3"), RoomType::Conference)]);
}

#[test]
fn a_token_says_what_its_session_may_do() {
    let mut world = World::with_peer();
    let (room, peer) = room_p();
    let rights = Rights { publish: false, subscribe: true };
    let pass = Pass { rights, ..Pass::default() };
    world.input(Input::Arrived(Arrival {
        session: session("s1"),
        room,
        peer,
        kind: PeerKind::Webrtc,
        pass,
        door: Door::Socket,
    }));
    world.say("s1", Said::Connect(Json::null()));
    assert_eq!(opened(&world.take()).rights, rights);
}

#[test]
fn who_is_removed_for_a_reason_is_told_it_at_every_replica() {
    let mut world = World::with_session();
    let (room, peer) = room_p();
    let request = Request::DeletePeer { room: room.clone(), peer: peer.clone(), reason: Some("spam".into()) };
    let ticket = world.request(request);
    let seen = world.take();
    assert_eq!(seen[0], Seen::Closed(session("s1"), Close::PeerRemoved(Some("spam".into()))));
    assert_eq!(seen.last(), Some(&Seen::Reply(ticket, Reply::Done)));
    assert!(matches!(&world.store[&velella_model::key::peer(&room, &peer)].fact, Fact::Peer(_, _, None)));

    let mut world = World::with_session();
    let kicked = PeerRecord { kicked: Some("spam".into()), ..world.record("p") };
    world.written_by_another(Fact::Peer(room, peer, Some(kicked)));
    assert_eq!(world.take()[0], Seen::Closed(session("s1"), Close::PeerRemoved(Some("spam".into()))));
    world.authenticate("s2");
    assert_eq!(world.take(), [Seen::Closed(session("s2"), Close::PeerNotFound)]);
}

#[test]
fn a_room_is_patched_also_when_another_replica_was_faster() {
    let mut world = World::with_peer();
    let Fact::Room(_, Some(mut record)) = world.store[&velella_model::key::room(&room("r"))].fact.clone() else {
        panic!("no room")
    };
    record.spec.public = true;
    world.put(Fact::Room(room("r"), Some(record)));
    let patch = RoomPatch { peers_max: Some(Some(1)), ..RoomPatch::default() };
    let ticket = world.request(Request::EditRoom { room: room("r"), patch });
    let Reply::Room(view) = world.reply(ticket) else { panic!("no room") };
    assert_eq!((view.record.spec.public, view.record.spec.peers_max), (true, Some(1)));
    let ticket = world.request(Request::EditRoom { room: room("x"), patch: RoomPatch::default() });
    assert_eq!(world.reply(ticket), Reply::Denied(Denial::RoomNotFound));
}

#[test]
fn a_patched_purge_time_counts_from_when_the_room_became_empty() {
    let mut world = World::new(&["w1"]);
    let spec = RoomSpec { peerless_purge_s: Some(3600), ..RoomSpec::default() };
    world.request(Request::CreateRoom { room: room("r"), spec, reuse: false });
    world.pass(Duration::from_secs(30));
    let patch = RoomPatch { peerless_purge_s: Some(Some(60)), ..RoomPatch::default() };
    world.request(Request::EditRoom { room: room("r"), patch });
    world.pass(Duration::from_secs(29));
    assert_eq!(listed(&mut world, RoomQuery::default()), ["r"]);
    world.pass(Duration::from_secs(1));
    assert_eq!(listed(&mut world, RoomQuery::default()), [""; 0]);
}

#[test]
fn rooms_are_listed_by_what_is_asked_and_in_pages() {
    let mut world = World::with_session();
    for id in ["a1", "a2", "b"] {
        let room_type = if id == "b" { RoomType::AudioOnly } else { RoomType::Conference };
        let spec = RoomSpec { room_type, ..RoomSpec::default() };
        world.request(Request::CreateRoom { room: room(id), spec, reuse: false });
    }
    let all = RoomQuery::default();
    let table: [(RoomQuery, &[&str]); 7] = [
        (all.clone(), &["a1", "a2", "b", "r"]),
        (RoomQuery { id_prefix: "a".into(), ..all.clone() }, &["a1", "a2"]),
        (RoomQuery { types: vec![RoomType::AudioOnly], ..all.clone() }, &["b"]),
        (RoomQuery { in_use: Some(true), ..all.clone() }, &["r"]),
        (RoomQuery { in_use: Some(false), limit: Some(2), ..all.clone() }, &["a1", "a2"]),
        (RoomQuery { after: Some(room("a2")), limit: Some(1), ..all.clone() }, &["b"]),
        (RoomQuery { worker: Some(worker("w2")), ..all.clone() }, &[]),
    ];
    for (query, ids) in table {
        assert_eq!(listed(&mut world, query.clone()), ids, "{query:?}");
    }
    let ticket = world.request(Request::ListRooms { query: RoomQuery { limit: Some(3), ..all } });
    assert!(matches!(world.reply(ticket), Reply::Rooms { more: true, .. }));
}

#[test]
fn who_watches_a_livestream_does_not_fill_the_room() {
    let mut world = World::new(&["w1"]);
    let spec = RoomSpec { peers_max: Some(1), ..RoomSpec::default() };
    world.request(Request::CreateRoom { room: room("r"), spec, reuse: false });
    for (id, kind) in [("v1", PeerKind::Viewer), ("v2", PeerKind::Viewer), ("p", PeerKind::Webrtc)] {
        let Request::AddPeer { room, peer, spec } = add_peer("r", id) else { continue };
        let ticket = world.request(Request::AddPeer { room, peer, spec: PeerSpec { kind, ..spec } });
        assert!(matches!(world.reply(ticket), Reply::Peer(..)), "{id}");
    }
}

fn listed(world: &mut World, query: RoomQuery) -> Vec<String> {
    let ticket = world.request(Request::ListRooms { query });
    let Reply::Rooms { rooms, .. } = world.reply(ticket) else { panic!("no rooms") };
    rooms.into_iter().map(|view| view.room.into()).collect()
}

impl World {
    /// A room with the manual peer `p` and two more.
    fn with_manual_peer() -> Self {
        let mut world = Self::new(&["w1"]);
        world.request(Request::CreateRoom { room: room("r"), spec: RoomSpec::default(), reuse: false });
        let Request::AddPeer { room, peer, spec } = add_peer("r", "p") else { return world };
        let spec = PeerSpec { subscribe_mode: SubscribeMode::Manual, ..spec };
        world.request(Request::AddPeer { room, peer, spec });
        world.request(add_peer("r", "q"));
        world.request(add_peer("r", "p2"));
        world.take();
        world
    }

    fn record(&self, id: &str) -> PeerRecord {
        let entry = &self.store[&velella_model::key::peer(&room("r"), &peer(id))];
        let Fact::Peer(_, _, Some(record)) = entry.fact.clone() else { panic!("no peer") };
        record
    }
}

fn opened(seen: &[Seen]) -> OpenSession {
    let open = |seen: &Seen| {
        if let Seen::Command(_, _, _, Order::OpenSession { session }) = seen { Some(session.clone()) } else { None }
    };
    seen.iter().find_map(open).expect("a session is opened")
}

fn told(seen: &[Seen]) -> Vec<PeerEvent> {
    let event = |seen: &Seen| if let Seen::Signal(_, message) = seen { Some(message.event.clone()) } else { None };
    seen.iter().filter_map(event).collect()
}

fn edit(edit: PeerEdit) -> Request {
    edit_of("p", edit)
}

fn edit_of(id: &str, edit: PeerEdit) -> Request {
    Request::EditPeer { room: room("r"), peer: peer(id), edit }
}

fn peers(ids: &[&str]) -> Subscriptions {
    Subscriptions { peers: ids.iter().map(|id| peer(id)).collect(), ..Subscriptions::default() }
}

fn tracks(ids: &[&str]) -> Subscriptions {
    Subscriptions { tracks: ids.iter().map(|id| track(id)).collect(), ..Subscriptions::default() }
}

fn subscriptions(ids: &[&str]) -> PeerEvent {
    PeerEvent::SetSubscriptions { subscriptions: peers(ids) }
}

fn track(id: &str) -> TrackId {
    TrackId::parse(id).unwrap()
}
