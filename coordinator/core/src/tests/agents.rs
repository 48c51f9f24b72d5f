//! Agents: who comes by their socket, how they join, and where their sound goes.

use velella_model::record::{AgentOutput, PeerKind, PeerRecord};
use velella_model::wire::agent::Encoding;
use velella_model::wire::command::{Client, Order};
use velella_model::wire::signal::{PeerEvent, SessionEvent};
use velella_model::{Json, MediaKind, TrackId};

use super::world::{Seen, World};
use crate::testing::{peer, peer_record, room, session, worker};
use crate::*;

const OUTPUT: Option<AgentOutput> = Some(AgentOutput { sample_rate_hz: 24_000 });

/// With an agent `p` in room `r`.
fn with_agent() -> World {
    let mut world = World::with_peer();
    let mut record = peer_record();
    (record.kind, record.agent_output) = (PeerKind::Agent, OUTPUT);
    world.written_by_another(Fact::Peer(room("r"), peer("p"), Some(record)));
    world.take();
    world
}

fn record(world: &World) -> PeerRecord {
    world.core.records.peer(&room("r"), &peer("p")).unwrap().clone()
}

fn track() -> TrackId {
    TrackId::parse("t").unwrap()
}

#[test]
fn an_agent_joins_by_coming() {
    let mut world = with_agent();
    world.authenticate_as("s1", PeerKind::Agent);
    let seen = world.take();
    assert!(matches!(seen[0], Seen::Welcome(..)));
    let Seen::Command(_, to, _, Order::OpenSession { session: open }) = &seen[1] else { panic!("{seen:?}") };
    assert_eq!((to, open.client), (&worker("w1"), Client::Agent { output: OUTPUT }));
    let record = record(&world);
    assert_eq!(record.peer_metadata.as_str(), "{}");
    assert!(record.connection.unwrap().joined);
}

#[test]
fn each_kind_of_peer_has_its_own_socket() {
    let mut world = with_agent();
    world.authenticate_as("s1", PeerKind::Webrtc);
    assert_eq!(world.take(), [Seen::Closed(session("s1"), Close::WrongSocket)]);
    let mut world = World::with_peer();
    world.authenticate_as("s1", PeerKind::Agent);
    assert_eq!(world.take(), [Seen::Closed(session("s1"), Close::WrongSocket)]);
    assert_eq!((Close::WrongSocket.code(), Close::WrongSocket.reason()), (1000, "invalid token"));
}

#[test]
fn its_socket_learns_where_the_sound_of_a_track_goes_once_it_is_taken_there() {
    let mut world = with_agent();
    world.authenticate_as("s1", PeerKind::Agent);
    world.take();
    let encoding = Encoding::Pcm16 { sample_rate_hz: 16_000, channels: 1 };
    let add = PeerEvent::AddTrack { track: track(), metadata: Json::null(), encoding };
    world.say("s1", Said::Event(add));
    assert!(matches!(world.take()[..], [Seen::Signal(..)]));

    let added = SessionEvent::TrackAdded { track: track(), kind: MediaKind::Audio, metadata: Json::null() };
    world.signal("s1", 0, added);
    assert_eq!(world.take(), [Seen::TrackTaken(session("s1"), track(), worker("w1"))]);
    assert!(record(&world).tracks.contains_key(&track()));
}
