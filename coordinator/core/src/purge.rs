//! Rooms and peers that are removed after being unused for as long as their spec says.

use std::collections::BTreeMap;
use std::time::Instant;

use velella_model::{PeerId, RoomId};

/// Since when rooms are empty and peers are disconnected, for those that are purged at all.
#[derive(Debug, Default)]
pub(crate) struct Purge {
    rooms: BTreeMap<RoomId, Instant>,
    peers: BTreeMap<(RoomId, PeerId), Instant>,
}

impl Purge {
    /// The room is empty and is to be removed at `at`, or is in use (`None`).
    pub(crate) fn room(&mut self, room: &RoomId, at: Option<Instant>) {
        match at {
            Some(at) => {
                self.rooms.entry(room.clone()).or_insert(at);
            }
            None => self.forget_room(room),
        }
    }

    /// The peer is disconnected and is to be removed at `at`, or is connected (`None`).
    pub(crate) fn peer(&mut self, room: &RoomId, peer: &PeerId, at: Option<Instant>) {
        match at {
            Some(at) => {
                self.peers.entry((room.clone(), peer.clone())).or_insert(at);
            }
            None => self.forget_peer(room, peer),
        }
    }

    pub(crate) fn forget_room(&mut self, room: &RoomId) {
        self.rooms.remove(room);
    }

    pub(crate) fn forget_peer(&mut self, room: &RoomId, peer: &PeerId) {
        self.peers.remove(&(room.clone(), peer.clone()));
    }

    pub(crate) fn take_due_rooms(&mut self, now: Instant) -> Vec<RoomId> {
        take_due(&mut self.rooms, now)
    }

    pub(crate) fn take_due_peers(&mut self, now: Instant) -> Vec<(RoomId, PeerId)> {
        take_due(&mut self.peers, now)
    }

    pub(crate) fn next(&self) -> Option<Instant> {
        self.rooms.values().chain(self.peers.values()).min().copied()
    }
}

fn take_due<K: Ord + Clone>(timers: &mut BTreeMap<K, Instant>, now: Instant) -> Vec<K> {
    let due: Vec<K> = timers.iter().filter(|(_, at)| **at <= now).map(|(key, _)| key.clone()).collect();
    timers.retain(|_, at| *at > now);
    due
}
