//! Rooms and peers that are removed after being unused for as long as their spec says.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use velella_model::{PeerId, RoomId};

/// Since when rooms are empty and peers are disconnected, for those that are purged at all.
#[derive(Debug, Default)]
pub(crate) struct Purge {
    rooms: BTreeMap<RoomId, Timer>,
    peers: BTreeMap<(RoomId, PeerId), Timer>,
}

#[derive(Clone, Copy, Debug)]
struct Timer {
    since: Instant,
    after: Duration,
}

impl Timer {
    fn at(&self) -> Instant {
        self.since + self.after
    }
}

impl Purge {
    /// The room is empty and is to be removed `after` it became so, or is in use or stays (`None`).
    pub(crate) fn room(&mut self, room: &RoomId, now: Instant, after: Option<Duration>) {
        schedule(&mut self.rooms, room.clone(), now, after);
    }

    /// The peer is disconnected and is to be removed `after` it became so, or is connected or stays
    /// (`None`).
    pub(crate) fn peer(&mut self, room: &RoomId, peer: &PeerId, now: Instant, after: Option<Duration>) {
        schedule(&mut self.peers, (room.clone(), peer.clone()), now, after);
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
        self.rooms.values().chain(self.peers.values()).map(Timer::at).min()
    }
}

/// A timer that runs already keeps its beginning, with whatever length is wanted now.
fn schedule<K: Ord>(timers: &mut BTreeMap<K, Timer>, key: K, now: Instant, after: Option<Duration>) {
    match after {
        Some(after) => timers.entry(key).or_insert(Timer { since: now, after }).after = after,
        None => {
            timers.remove(&key);
        }
    }
}

fn take_due<K: Ord + Clone>(timers: &mut BTreeMap<K, Timer>, now: Instant) -> Vec<K> {
    let due: Vec<K> = timers.iter().filter(|(_, timer)| timer.at() <= now).map(|(key, _)| key.clone()).collect();
    timers.retain(|_, timer| timer.at() > now);
    due
}
