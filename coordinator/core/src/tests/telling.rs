//! Notifications, from what happens to sockets, rooms and the store.

use velella_model::record::RoomSpec;
use velella_model::wire::signal::{CloseReason, SessionEvent, Voice, VoiceChanged};
use velella_model::{Json, MediaKind, TrackId};

use super::world::World;
use crate::chronicle::Chronicle;
use crate::notice::name;
use crate::testing::{peer, peer_record, room, room_record};
use crate::*;

#[test]
fn the_whole_life_of_a_room_is_told_in_order() {
    let mut world = World::with_peer();
    assert_eq!(told(&mut world), ["RoomCreated", "Added"]);
    world.join("s1");
    assert_eq!(told(&mut world), ["Connected", "Metadata"]);
    world.signal("s1", 0, track("t"));
    world.signal("s1", 1, SessionEvent::ChannelAdded { channel: "chat".into() });
    assert_eq!(told(&mut world), ["TrackAdded", "ChannelAdded"]);
    world.request(Request::DeleteRoom { room: room("r") });
    assert_eq!(told(&mut world), ["TrackRemoved", "ChannelRemoved", "Disconnected", "Deleted", "RoomDeleted"]);
}

#[test]
fn a_second_socket_tells_a_leave_and_a_join() {
    let mut world = World::with_session();
    world.told.clear();
    world.join("s2");
    assert_eq!(told(&mut world), ["Disconnected", "Connected", "Metadata"]);
}

#[test]
fn a_session_that_a_bug_ended_crashed_before_it_disconnected() {
    let mut world = World::with_session();
    world.signal("s1", 0, track("t"));
    world.told.clear();
    world.signal("s1", 1, SessionEvent::Closed { reason: CloseReason::Crashed });
    assert_eq!(told(&mut world), ["Crashed", "TrackRemoved", "Disconnected"]);
    world.join("s2");
    world.told.clear();
    world.signal("s2", 0, SessionEvent::Closed { reason: CloseReason::IceTimeout });
    assert_eq!(told(&mut world), ["Disconnected"], "the old crash is forgotten");
}

#[test]
fn what_stood_in_the_store_before_the_start_is_no_news() {
    let mut world = World::unlisted(&["w1"]);
    world.chronicle = Chronicle::new();
    world.chronicle.listed(vec![a_peer("p", 2), a_room("r", 1)], Revision(3));
    assert_eq!(world.chronicle.poll_output(), None);
    world.written_by_another(a_room("r", 1).fact);
    assert_eq!(told(&mut world), [""; 0]);
}

#[test]
fn peers_that_stand_before_their_room_are_told_of_with_it() {
    let mut world = World::new(&["w1"]);
    world.written_by_another(a_peer("p", 2).fact);
    assert_eq!(told(&mut world), [""; 0]);
    world.written_by_another(a_room("r", 1).fact);
    assert_eq!(told(&mut world), ["RoomCreated", "Added"]);
}

#[test]
fn nothing_is_told_of_the_peers_of_a_room_that_is_gone() {
    let mut world = World::with_session();
    world.told.clear();
    world.written_by_another(Fact::Room(room("r"), None));
    assert_eq!(told(&mut world), ["Disconnected", "Deleted", "RoomDeleted"]);
    world.written_by_another(Fact::Peer(room("r"), peer("p"), None));
    assert_eq!(told(&mut world), [""; 0]);
}

#[test]
fn a_voice_is_told_of_when_its_track_is_known() {
    let mut world = World::with_session();
    world.told.clear();
    world.heard(voice(Voice::Speech));
    assert_eq!(told(&mut world), [""; 0]);
    world.signal("s1", 0, track("t"));
    world.heard(voice(Voice::Speech));
    assert_eq!(told(&mut world), ["TrackAdded", "VoiceChanged"]);
    world.heard(voice(Voice::Speech));
    assert_eq!(told(&mut world), [""; 0], "it is no news");
    world.heard(voice(Voice::Silence));
    assert_eq!(told(&mut world), ["VoiceChanged"]);
}

#[test]
fn a_track_that_ends_while_it_speaks_is_silent_before_it_is_gone() {
    let mut world = World::with_session();
    world.signal("s1", 0, track("t"));
    world.heard(voice(Voice::Speech));
    world.told.clear();
    world.signal("s1", 1, removed("t"));
    let [silence, removed] = &std::mem::take(&mut world.told)[..] else { panic!("two notices") };
    assert!(matches!(silence.told, Told::VoiceChanged(_, _, Voice::Silence)), "{silence:?}");
    assert_eq!(name(&removed.told), "TrackRemoved");
    world.heard(voice(Voice::Silence));
    assert_eq!(told(&mut world), [""; 0], "the worker's word comes too late");
}

#[test]
fn a_notice_carries_the_webhook_that_the_room_had_even_when_the_room_is_gone() {
    let mut world = World::new(&["w1"]);
    let url = Some("http://hook/".to_owned());
    let spec = RoomSpec { webhook_url: url.clone(), batch_webhook_notifications: true, ..RoomSpec::default() };
    world.request(Request::CreateRoom { room: room("r"), spec, reuse: false });
    world.request(Request::DeleteRoom { room: room("r") });
    let hooks: Vec<Hook> = world.told.into_iter().map(|notice| notice.hook).collect();
    let hook = Hook { url, batch: true };
    assert_eq!(hooks, [hook.clone(), hook]);
}

fn told(world: &mut World) -> Vec<&'static str> {
    std::mem::take(&mut world.told).iter().map(|notice| name(&notice.told)).collect()
}

fn voice(voice: Voice) -> VoiceChanged {
    VoiceChanged { room: room("r"), peer: peer("p"), track: TrackId::parse("t").unwrap(), voice }
}

fn track(id: &str) -> SessionEvent {
    let track = TrackId::parse(id).unwrap();
    SessionEvent::TrackAdded { track, kind: MediaKind::Audio, metadata: Json::null() }
}

fn removed(id: &str) -> SessionEvent {
    let track = TrackId::parse(id).unwrap();
    SessionEvent::TrackRemoved { track, kind: MediaKind::Audio, metadata: Json::null() }
}

fn a_room(id: &str, revision: u64) -> Entry {
    Entry { fact: Fact::Room(room(id), Some(room_record("w1"))), revision: Revision(revision) }
}

fn a_peer(id: &str, revision: u64) -> Entry {
    Entry { fact: Fact::Peer(room("r"), peer(id), Some(peer_record())), revision: Revision(revision) }
}
