//! Store keys: the only place that spells them.

use crate::{PeerId, RoomId};

/// All rooms.
pub const ROOMS: &str = "velella/v1/rooms/";

/// All peers.
pub const PEERS: &str = "velella/v1/peers/";

/// One room's [`crate::record::RoomRecord`].
pub fn room(room: &RoomId) -> String {
    format!("{ROOMS}{room}")
}

/// All peers of one room.
pub fn peers_of(room: &RoomId) -> String {
    format!("{PEERS}{room}/")
}

/// One peer's [`crate::record::PeerRecord`].
pub fn peer(room: &RoomId, peer: &PeerId) -> String {
    format!("{PEERS}{room}/{peer}")
}

/// What a key names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Key {
    /// A room.
    Room(RoomId),
    /// A peer of a room.
    Peer(RoomId, PeerId),
}

/// Reads a key back; `None` for keys of other versions or programs.
pub fn parse(key: &str) -> Option<Key> {
    if let Some(room) = key.strip_prefix(ROOMS) {
        return RoomId::parse(room).ok().map(Key::Room);
    }
    let (room, peer) = key.strip_prefix(PEERS)?.split_once('/')?;
    Some(Key::Peer(RoomId::parse(room).ok()?, PeerId::parse(peer).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_read_back_what_they_name() {
        let (r, p) = (RoomId::parse("r-1").unwrap(), PeerId::parse("p:1").unwrap());
        assert_eq!(parse(&room(&r)), Some(Key::Room(r.clone())));
        assert_eq!(parse(&peer(&r, &p)), Some(Key::Peer(r, p)));
        assert_eq!(parse("other/v1/rooms/x"), None);
    }
}
