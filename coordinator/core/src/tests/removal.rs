//! Rooms and peers on their way out.

use std::time::Duration;

use velella_model::record::RoomSpec;
use velella_model::wire::command::Order;

use super::world::{Seen, World, add_peer};
use crate::testing::{peer, room, session};
use crate::*;

#[test]
fn a_deleted_room_stops_its_sockets_peers_and_worker() {
    let mut world = World::with_session();
    let ticket = world.request(Request::DeleteRoom { room: room("r") });
    let seen = world.take();
    assert_eq!(seen[0], Seen::Closed(session("s1"), Close::RoomStopped));
    assert!(seen.iter().any(|s| matches!(s, Seen::Command(_, _, _, Order::CloseRoom { .. }))));
    assert!(seen.contains(&Seen::Reply(ticket, Reply::Done)));
    let stands = |entry: &&Entry| matches!(entry.fact, Fact::Room(_, Some(_)) | Fact::Peer(_, _, Some(_)));
    assert_eq!(world.store.values().find(stands), None);
}

#[test]
fn a_room_deleted_at_another_replica_stops_the_sockets_here() {
    let mut world = World::with_session();
    world.written_by_another(Fact::Room(room("r"), None));
    assert_eq!(world.take()[0], Seen::Closed(session("s1"), Close::RoomStopped));
}

#[test]
fn a_deleted_peer_loses_its_socket() {
    let mut world = World::with_session();
    let ticket = world.request(Request::DeletePeer { room: room("r"), peer: peer("p"), reason: None });
    let seen = world.take();
    assert_eq!(seen[0], Seen::Closed(session("s1"), Close::PeerRemoved(None)));
    assert!(seen.contains(&Seen::Reply(ticket, Reply::Done)));
    world.authenticate("s2");
    assert_eq!(world.take(), [Seen::Closed(session("s2"), Close::PeerNotFound)]);
}

#[test]
fn what_is_not_there_cannot_be_removed_or_added_to() {
    let mut world = World::with_peer();
    let table = [
        (Request::DeleteRoom { room: room("x") }, Denial::RoomNotFound),
        (Request::ShowRoom { room: room("x") }, Denial::RoomNotFound),
        (Request::DeletePeer { room: room("x"), peer: peer("p"), reason: None }, Denial::RoomNotFound),
        (Request::DeletePeer { room: room("r"), peer: peer("x"), reason: None }, Denial::PeerNotFound),
        (Request::ShowPeer { room: room("r"), peer: peer("x") }, Denial::PeerNotFound),
        (add_peer("x", "p"), Denial::RoomNotFound),
    ];
    for (request, denial) in table {
        let ticket = world.request(request);
        assert_eq!(world.reply(ticket), Reply::Denied(denial));
    }
}

#[test]
fn a_full_room_takes_no_more_peers() {
    let mut world = World::new(&["w1"]);
    let spec = RoomSpec { peers_max: Some(1), ..RoomSpec::default() };
    world.request(Request::CreateRoom { room: room("r"), spec, reuse: false });
    let ticket = world.request(add_peer("r", "p"));
    assert!(matches!(world.reply(ticket), Reply::Peer(..)));
    let ticket = world.request(add_peer("r", "q"));
    assert_eq!(world.reply(ticket), Reply::Denied(Denial::PeersLimit));
}

#[test]
fn unused_rooms_and_peers_are_purged_when_their_spec_says_so() {
    let mut world = World::new(&["w1"]);
    let spec = RoomSpec { peerless_purge_s: Some(60), peer_purge_s: Some(10), ..RoomSpec::default() };
    world.request(Request::CreateRoom { room: room("r"), spec, reuse: false });
    world.request(add_peer("r", "p"));
    world.request(add_peer("r", "gone"));
    world.join("s1");
    world.pass(Duration::from_secs(300));
    assert_eq!(peers(&mut world), Some(1), "the connected one stays, and the room with it");
    world.input(Input::SocketClosed { session: session("s1") });
    world.pass(Duration::from_secs(59));
    assert_eq!(peers(&mut world), Some(0));
    world.pass(Duration::from_secs(1));
    assert_eq!(peers(&mut world), None);
}

fn peers(world: &mut World) -> Option<usize> {
    world.take();
    let ticket = world.request(Request::ShowRoom { room: room("r") });
    let Reply::Room(view) = world.reply(ticket) else { return None };
    Some(view.peers.len())
}
