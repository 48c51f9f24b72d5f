//! Open sessions.

use velella_model::wire::command::Order;
use velella_model::wire::signal::{CloseReason, PeerEvent, ServerEvent, SessionEvent};
use velella_model::{Json, MediaKind, TrackId};

use super::world::{Seen, World, room_p};
use crate::testing::session;
use crate::*;

#[test]
fn a_gap_in_the_workers_numbers_ends_the_session_so_that_the_client_returns() {
    let mut world = World::with_session();
    world.signal("s1", 0, to_peer());
    world.take();
    world.signal("s1", 2, to_peer());
    let seen = world.take();
    assert_eq!(seen[0], Seen::Closed(session("s1"), Close::SignalLost));
    assert_eq!(Close::SignalLost.code(), 1011);
    assert!(matches!(&seen[1], Seen::Command(_, _, _, Order::CloseSession { .. })));
}

#[test]
fn a_repeated_or_stray_signal_is_counted_and_ignored() {
    let mut world = World::with_session();
    world.signal("s1", 0, to_peer());
    world.take();
    world.signal("s1", 0, to_peer());
    world.signal("nobody", 0, to_peer());
    assert_eq!(world.take(), []);
    assert_eq!(world.core.stats().signals_stray, 2);
}

#[test]
fn tracks_and_metadata_reach_the_record_and_go_with_the_session() {
    let mut world = World::with_session();
    let (r, p) = room_p();
    world.signal("s1", 0, track_added("p:1"));
    world.signal("s1", 1, track_added("p:2"));
    let removed = SessionEvent::TrackRemoved { track: track("p:1"), kind: MediaKind::Video, metadata: Json::null() };
    world.signal("s1", 2, removed);
    let record = world.core.records.peer(&r, &p).unwrap();
    assert_eq!(record.tracks.keys().collect::<Vec<_>>(), [&track("p:2")]);
    assert_eq!(record.peer_metadata.as_str(), r#"{"n":1}"#);
    world.input(Input::SocketClosed { session: session("s1") });
    let record = world.core.records.peer(&r, &p).unwrap();
    assert_eq!((record.tracks.len(), &record.connection), (0, &None));
}

#[test]
fn new_metadata_is_enveloped_for_the_worker() {
    let mut world = World::with_session();
    world.say("s1", Said::Metadata(Json::parse("5").unwrap()));
    let [Seen::Signal(_, message)] = &world.take()[..] else { panic!("one signal") };
    let PeerEvent::UpdateEndpointMetadata { metadata } = &message.event else { panic!("metadata") };
    assert_eq!(metadata.value(), serde_json::json!({"peer": 5, "server": {"s": 2}}));
}

#[test]
fn a_peer_that_says_goodbye_leaves() {
    let mut world = World::with_session();
    world.say("s1", Said::Disconnect);
    let seen = world.take();
    assert_eq!(seen[0], Seen::Closed(session("s1"), Close::Left));
    assert!(matches!(&seen[1], Seen::Command(_, _, _, Order::CloseSession { .. })));
    world.input(Input::SocketClosed { session: session("s1") });
    assert_eq!(world.take(), [], "the socket's end is no news");
}

#[test]
fn a_session_that_the_worker_ended_comes_back() {
    for reason in [CloseReason::IceTimeout, CloseReason::Crashed, CloseReason::TakenOver] {
        let mut world = World::with_session();
        world.signal("s1", 0, SessionEvent::Closed { reason });
        assert_eq!(world.take()[0], Seen::Closed(session("s1"), Close::SessionEnded(reason)));
        assert_eq!(Close::SessionEnded(reason).code(), 1011);
    }
}

#[test]
fn a_signal_that_could_not_be_sent_ends_the_session() {
    let mut world = World::with_session();
    world.input(Input::SignalFailed { session: session("s1") });
    assert_eq!(world.take()[0], Seen::Closed(session("s1"), Close::SignalLost));
}

#[test]
fn a_lost_close_command_is_repeated_a_few_times() {
    let mut world = World::with_session();
    world.obedient = false;
    world.input(Input::SocketClosed { session: session("s1") });
    for _ in 0..3 {
        let (op, ..) = world.command();
        world.answer(op, CommandOutcome::TimedOut);
    }
    assert_eq!((world.take(), world.core.stats().commands_lost), (Vec::new(), 1));
}

fn to_peer() -> SessionEvent {
    SessionEvent::ToPeer { event: ServerEvent::OfferData { audio: 0, video: 0 } }
}

fn track_added(id: &str) -> SessionEvent {
    SessionEvent::TrackAdded { track: track(id), kind: MediaKind::Video, metadata: Json::null() }
}

fn track(id: &str) -> TrackId {
    TrackId::parse(id).unwrap()
}
