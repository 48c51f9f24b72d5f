//! What the store holds, as far as this coordinator knows, with the indices that it needs.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;

use velella_model::record::{Connection, PeerRecord, RoomRecord};
use velella_model::{ComponentId, PeerId, RoomId, Shared, WorkerId};

use crate::components::{Components, Key};
use crate::input::{Entry, Fact, Noun, Revision, RoomQuery};
use crate::output::RoomView;
use crate::shelf::Shelf;

/// Rooms, peers and components.
#[derive(Debug)]
pub(crate) struct Records {
    pub(crate) components: Components,
    rooms: Shelf<RoomId, RoomRecord>,
    peers: Shelf<(RoomId, PeerId), PeerRecord>,
    members: BTreeMap<RoomId, BTreeSet<PeerId>>,
    placed: BTreeMap<WorkerId, BTreeSet<RoomId>>,
    /// How many peers are connected, anywhere in the cluster.
    connected: u64,
    /// All rooms were listed once, so one that is not known is not there.
    rooms_listed: bool,
}

/// A change of what is known, with what stood there before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum News {
    RoomPut(RoomId, Option<Shared<RoomRecord>>),
    RoomGone(RoomId, Shared<RoomRecord>),
    PeerPut(RoomId, PeerId, Option<Shared<PeerRecord>>),
    PeerGone(RoomId, PeerId, Option<Shared<PeerRecord>>),
    /// Of what was asked for, or of what its gateway says.
    Component(Key),
}

impl Records {
    pub(crate) fn new() -> Self {
        Self {
            components: Components::new(),
            rooms: Shelf::new(),
            peers: Shelf::new(),
            members: BTreeMap::new(),
            placed: BTreeMap::new(),
            connected: 0,
            rooms_listed: false,
        }
    }

    pub(crate) fn room(&self, room: &RoomId) -> Option<&RoomRecord> {
        self.rooms.get(room)
    }

    pub(crate) fn room_revision(&self, room: &RoomId) -> Option<Revision> {
        self.rooms.revision(room)
    }

    pub(crate) fn peer(&self, room: &RoomId, peer: &PeerId) -> Option<&PeerRecord> {
        self.peers.get(&(room.clone(), peer.clone()))
    }

    pub(crate) fn peer_revision(&self, room: &RoomId, peer: &PeerId) -> Option<Revision> {
        self.peers.revision(&(room.clone(), peer.clone()))
    }

    pub(crate) fn members<'a>(
        &'a self,
        room: &'a RoomId,
    ) -> impl Iterator<Item = (&'a PeerId, &'a Shared<PeerRecord>)> {
        // They stand side by side: one look for the first, not one for each.
        let first = self.members.get(room).and_then(BTreeSet::first).map(|peer| (room.clone(), peer.clone()));
        let from = first.map(|first| self.peers.range(Bound::Included(&first)));
        let of_room = move |key: &&(RoomId, PeerId)| key.0 == *room;
        from.into_iter().flatten().take_while(move |(key, _)| of_room(key)).map(|((_, peer), record)| (peer, record))
    }

    pub(crate) fn rooms_len(&self) -> usize {
        self.rooms.len()
    }

    pub(crate) fn peers_len(&self) -> usize {
        self.peers.len()
    }

    pub(crate) fn connected(&self) -> u64 {
        self.connected
    }

    /// Rooms that the records place at a worker.
    pub(crate) fn placed_at(&self, worker: &WorkerId) -> u32 {
        self.placed.get(worker).map_or(0, |rooms| u32::try_from(rooms.len()).unwrap_or(u32::MAX))
    }

    pub(crate) fn workers_with_rooms(&self) -> impl Iterator<Item = &WorkerId> {
        self.placed.keys()
    }

    pub(crate) fn rooms_at(&self, worker: &WorkerId) -> Vec<RoomId> {
        self.placed.get(worker).into_iter().flatten().cloned().collect()
    }

    /// How many peers of a room are connected.
    pub(crate) fn connected_in(&self, room: &RoomId) -> usize {
        self.members(room).filter(|(_, record)| record.connection.is_some()).count()
    }

    /// All connections of peers, anywhere in the cluster.
    pub(crate) fn connections(&self) -> impl Iterator<Item = (&RoomId, &PeerId, &Connection)> {
        let peers = self.peers.range(Bound::Unbounded);
        peers.filter_map(|((room, peer), record)| Some((room, peer, record.connection.as_ref()?)))
    }

    pub(crate) fn view(&self, room: &RoomId) -> Option<RoomView> {
        Some(self.view_of(room, &self.rooms.share(room)?))
    }

    /// Whether a peer or a component has this id.
    pub(crate) fn has_endpoint(&self, room: &RoomId, id: &PeerId) -> bool {
        let component = || ComponentId::parse(id.as_str()).ok().map(|component| (room.clone(), component));
        self.peer(room, id).is_some() || component().is_some_and(|key| self.components.get(&key).is_some())
    }

    /// Components whose rooms are not there, with the revisions of their records.
    pub(crate) fn abandoned_components(&self) -> Vec<(Key, Revision)> {
        let abandoned = |key: &&Key| self.rooms_listed && self.rooms.get(&key.0).is_none();
        let keys = self.components.keys().filter(abandoned);
        keys.filter_map(|key| Some((key.clone(), self.components.revision(key)?))).collect()
    }

    /// Whether somebody is connected.
    pub(crate) fn is_in_use(&self, room: &RoomId) -> bool {
        self.members(room).any(|(_, record)| record.connection.is_some())
    }

    /// The rooms that are asked for, and whether more follow.
    pub(crate) fn list(&self, query: &RoomQuery) -> (Vec<RoomView>, bool) {
        let wanted = |room: &RoomId, record: &RoomRecord| {
            room.as_str().starts_with(&query.id_prefix)
                && query.worker.as_ref().is_none_or(|worker| record.placement.worker == *worker)
                && (query.types.is_empty() || query.types.contains(&record.spec.room_type))
                && query.in_use.is_none_or(|in_use| self.is_in_use(room) == in_use)
        };
        let from = query.after.as_ref().map_or(Bound::Unbounded, Bound::Excluded);
        let mut found = self.rooms.range(from).filter(|(room, record)| wanted(room, record));
        let limit = query.limit.unwrap_or(usize::MAX);
        let rooms = found.by_ref().take(limit).map(|(room, record)| self.view_of(room, record)).collect();
        (rooms, found.next().is_some())
    }

    fn view_of(&self, room: &RoomId, record: &Shared<RoomRecord>) -> RoomView {
        let peers = self.members(room).map(|(id, record)| (id.clone(), record.clone())).collect();
        let components = self.components.of_room(room).collect();
        RoomView { room: room.clone(), record: record.clone(), peers, components }
    }

    /// Takes a step of the watch.
    pub(crate) fn watched(&mut self, entry: Entry) -> Option<News> {
        match &entry.fact {
            Fact::Component(..) | Fact::Ingest(..) => self.components.watched(entry).map(News::Component),
            Fact::Room(..) | Fact::Peer(..) | Fact::Gateway(..) | Fact::Fleet(_) => {
                self.take(entry, Shelf::watched, Shelf::watched)
            }
        }
    }

    /// Takes the outcome of an own write or read, which may overtake the watch.
    pub(crate) fn answered(&mut self, entry: Entry) -> Option<News> {
        match &entry.fact {
            Fact::Component(..) | Fact::Ingest(..) => self.components.answered(entry).map(News::Component),
            Fact::Room(..) | Fact::Peer(..) | Fact::Gateway(..) | Fact::Fleet(_) => {
                self.take(entry, Shelf::answered, Shelf::answered)
            }
        }
    }

    /// Takes a whole listing of one part.
    pub(crate) fn listed(&mut self, noun: Noun, entries: Vec<Entry>, revision: Revision) -> Vec<News> {
        let gone: Vec<Fact> = match noun {
            Noun::Rooms => {
                let keys: Vec<_> = entries.iter().filter_map(|e| e.fact.as_room()).collect();
                self.rooms.vanished(&keys, revision).into_iter().map(|room| Fact::Room(room, None)).collect()
            }
            Noun::Components | Noun::Ingests => self.components.vanished(noun, &entries, revision),
            Noun::Gateways | Noun::Workers | Noun::Cordons | Noun::Coordinators => Vec::new(),
            Noun::Peers => {
                let keys: Vec<_> = entries.iter().filter_map(|e| e.fact.as_peer()).collect();
                self.peers.vanished(&keys, revision).into_iter().map(|(r, p)| Fact::Peer(r, p, None)).collect()
            }
        };
        let gone = gone.into_iter().map(|fact| Entry { fact, revision });
        let news = gone.chain(entries).filter_map(|entry| self.watched(entry)).collect();
        match noun {
            Noun::Rooms => {
                self.rooms.pass(revision);
                self.rooms_listed = true;
            }
            Noun::Peers => self.peers.pass(revision),
            Noun::Components | Noun::Ingests => self.components.pass(noun, revision),
            Noun::Gateways | Noun::Workers | Noun::Cordons | Noun::Coordinators => {}
        }
        news
    }

    fn take(&mut self, entry: Entry, into_rooms: Take<RoomId, RoomRecord>, into_peers: TakePeer) -> Option<News> {
        let Entry { fact, revision } = entry;
        match fact {
            Fact::Room(room, record) => {
                let before = self.rooms.share(&room);
                let record = record.map(|record| record.read_at(revision.0));
                into_rooms(&mut self.rooms, &room, revision, record).then(|| self.index_room(room, before))?
            }
            Fact::Peer(room, peer, record) => {
                let key = (room, peer);
                let (connected, before) = (self.is_connected(&key), self.peers.share(&key));
                let news = into_peers(&mut self.peers, &key, revision, record);
                self.connected = self.connected + self.is_connected(&key) - connected;
                news.then(|| self.index_peer(key, before))
            }
            Fact::Component(..) | Fact::Ingest(..) | Fact::Gateway(..) | Fact::Fleet(_) => None,
        }
    }

    /// 1 or 0, to be counted.
    fn is_connected(&self, key: &(RoomId, PeerId)) -> u64 {
        self.peers.get(key).is_some_and(|record| record.connection.is_some()).into()
    }

    fn index_room(&mut self, room: RoomId, before: Option<Shared<RoomRecord>>) -> Option<News> {
        if let Some(rooms) = before.as_ref().and_then(|b| self.placed.get_mut(&b.placement.worker)) {
            rooms.remove(&room);
        }
        self.placed.retain(|_, rooms| !rooms.is_empty());
        let Some(record) = self.rooms.get(&room) else {
            return before.map(|before| News::RoomGone(room, before));
        };
        self.placed.entry(record.placement.worker.clone()).or_default().insert(room.clone());
        Some(News::RoomPut(room, before))
    }

    fn index_peer(&mut self, (room, peer): (RoomId, PeerId), before: Option<Shared<PeerRecord>>) -> News {
        if self.peer(&room, &peer).is_some() {
            self.members.entry(room.clone()).or_default().insert(peer.clone());
            return News::PeerPut(room, peer, before);
        }
        if let Some(members) = self.members.get_mut(&room) {
            members.remove(&peer);
            if members.is_empty() {
                self.members.remove(&room);
            }
        }
        News::PeerGone(room, peer, before)
    }
}

type Take<K, V> = fn(&mut Shelf<K, V>, &K, Revision, Option<V>) -> bool;
type TakePeer = Take<(RoomId, PeerId), PeerRecord>;

impl Fact {
    fn as_room(&self) -> Option<RoomId> {
        match self {
            Self::Room(room, _) => Some(room.clone()),
            Self::Peer(..) | Self::Component(..) | Self::Ingest(..) | Self::Gateway(..) | Self::Fleet(_) => None,
        }
    }

    fn as_peer(&self) -> Option<(RoomId, PeerId)> {
        match self {
            Self::Peer(room, peer, _) => Some((room.clone(), peer.clone())),
            Self::Room(..) | Self::Component(..) | Self::Ingest(..) | Self::Gateway(..) | Self::Fleet(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{peer, peer_record, room, room_record, worker};

    #[test]
    fn rooms_count_at_the_worker_that_holds_them_now() {
        let mut records = Records::new();
        records.watched(room_entry(1, Some("w1")));
        assert_eq!(records.placed_at(&worker("w1")), 1);
        records.watched(room_entry(2, Some("w2")));
        assert_eq!((records.placed_at(&worker("w1")), records.placed_at(&worker("w2"))), (0, 1));
        let news = records.watched(room_entry(3, None));
        assert!(matches!(news, Some(News::RoomGone(..))));
        assert_eq!(records.placed_at(&worker("w2")), 0);
    }

    #[test]
    fn a_listing_tells_what_changed_while_the_watch_was_lost() {
        let mut records = Records::new();
        records.watched(peer_entry("p1", 1));
        records.watched(peer_entry("p2", 2));
        let news = records.listed(Noun::Peers, vec![peer_entry("p2", 2), peer_entry("p3", 5)], Revision(6));
        let before = Some(peer_record().into());
        let expected = [News::PeerGone(room("r"), peer("p1"), before), News::PeerPut(room("r"), peer("p3"), None)];
        assert_eq!(news, expected);
        assert_eq!(records.members(&room("r")).count(), 2);
    }

    fn room_entry(revision: u64, at: Option<&str>) -> Entry {
        Entry { fact: Fact::Room(room("r"), at.map(room_record)), revision: Revision(revision) }
    }

    fn peer_entry(id: &str, revision: u64) -> Entry {
        Entry { fact: Fact::Peer(room("r"), peer(id), Some(peer_record())), revision: Revision(revision) }
    }
}
