//! Which ingests a gateway has to run, from what the store says of components and rooms.
//!
//! Level-triggered: there are no commands that could be lost. Whoever reads the store knows what to do, also
//! after it was away.

use std::collections::{BTreeMap, BTreeSet};

use velella_model::component::{ComponentRecord, Job};
use velella_model::record::{RoomRecord, Subscriptions};
use velella_model::{ComponentId, GatewayId, Generation, Incarnation, PeerId, RoomId};

/// What the store says, as far as it matters here.
#[derive(Debug)]
pub struct Board {
    gateway: GatewayId,
    incarnation: Incarnation,
    components: BTreeMap<RoomId, BTreeMap<ComponentId, Task>>,
    rooms: BTreeMap<RoomId, RoomRecord>,
    /// Only connected ones, and only rooms with some.
    peers: BTreeMap<RoomId, BTreeSet<PeerId>>,
}

/// A component as it stands in the store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Task {
    /// What was asked for.
    pub record: ComponentRecord,
    /// The revision that asked for it.
    pub generation: Generation,
}

/// What follows from a change of the store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// Do this from now on, instead of what was done for the component before.
    Start(RoomId, ComponentId, Box<Task>),
    /// What is done for the component goes on, and receives of others.
    Subscribed(RoomId, ComponentId, Option<Subscriptions>),
    /// Nothing is to be done for the component any more.
    Stop(RoomId, ComponentId),
    /// The room of some ingests lives elsewhere.
    Moved(RoomId),
    /// The first peer of a room came, or the last one left.
    Peopled(RoomId),
}

impl Board {
    /// Of this boot of a gateway.
    #[must_use]
    pub fn new(gateway: GatewayId, incarnation: Incarnation) -> Self {
        Self { gateway, incarnation, components: BTreeMap::new(), rooms: BTreeMap::new(), peers: BTreeMap::new() }
    }

    /// Where a room lives.
    #[must_use]
    pub fn room(&self, room: &RoomId) -> Option<&RoomRecord> {
        self.rooms.get(room)
    }

    /// A component as it stands.
    #[must_use]
    pub fn task(&self, room: &RoomId, component: &ComponentId) -> Option<&Task> {
        self.components.get(room)?.get(component)
    }

    /// Whether somebody is connected to a room.
    #[must_use]
    pub fn is_peopled(&self, room: &RoomId) -> bool {
        self.peers.contains_key(room)
    }

    /// Every connected peer, with its room.
    pub fn peers(&self) -> impl Iterator<Item = (&RoomId, &PeerId)> {
        self.peers.iter().flat_map(|(room, peers)| peers.iter().map(move |peer| (room, peer)))
    }

    /// Every room.
    pub fn rooms(&self) -> impl Iterator<Item = &RoomId> {
        self.rooms.keys()
    }

    /// Every component, with its room.
    pub fn tasks(&self) -> impl Iterator<Item = (&RoomId, &ComponentId, &Task)> {
        self.components.iter().flat_map(|(room, tasks)| tasks.iter().map(move |(id, task)| (room, id, task)))
    }

    /// A component's record changed; `None` when it was deleted.
    pub fn component(&mut self, room: RoomId, id: ComponentId, task: Option<Task>) -> Option<Change> {
        let tasks = self.components.entry(room.clone()).or_default();
        let before = match &task {
            Some(task) => tasks.insert(id.clone(), task.clone()),
            None => tasks.remove(&id),
        };
        if tasks.is_empty() {
            self.components.remove(&room);
        }
        match (before, task) {
            (Some(before), Some(task)) if self.is_ours(&task) && is_resubscribed(&before.record, &task.record) => {
                Some(Change::Subscribed(room, id, task.record.subscriptions))
            }
            (before, Some(task)) if self.is_ours(&task) => {
                (before.as_ref() != Some(&task)).then(|| Change::Start(room, id, Box::new(task)))
            }
            // What is published to us has no job, and goes on while nothing else is asked for.
            (Some(before), Some(task)) if before.record == task.record => None,
            (Some(_), _) => Some(Change::Stop(room, id)),
            (None, _) => None,
        }
    }

    fn is_ours(&self, Task { record, .. }: &Task) -> bool {
        let is_us = |job: &Job| job.gateway == self.gateway && job.incarnation == self.incarnation;
        record.job.as_ref().is_some_and(is_us)
    }

    /// A peer is connected, or not.
    pub fn peer(&mut self, room: RoomId, peer: PeerId, connected: bool) -> Option<Change> {
        let was_peopled = self.is_peopled(&room);
        if connected {
            self.peers.entry(room.clone()).or_default().insert(peer);
        } else if let Some(peers) = self.peers.get_mut(&room) {
            peers.remove(&peer);
            if peers.is_empty() {
                self.peers.remove(&room);
            }
        }
        (was_peopled != self.is_peopled(&room)).then_some(Change::Peopled(room))
    }

    /// A room's record changed; `None` when it was deleted.
    pub fn placed(&mut self, room: RoomId, record: Option<RoomRecord>) -> Option<Change> {
        let before = match &record {
            Some(record) => self.rooms.insert(room.clone(), record.clone()),
            None => self.rooms.remove(&room),
        };
        let home = |record: &RoomRecord| {
            let placement = &record.placement;
            (placement.worker.clone(), placement.incarnation, placement.generation)
        };
        (before.as_ref().map(home) != record.as_ref().map(home)).then_some(Change::Moved(room))
    }
}

/// Whether nothing but whom it receives of is another.
fn is_resubscribed(before: &ComponentRecord, after: &ComponentRecord) -> bool {
    before.subscriptions != after.subscriptions
        && *before == ComponentRecord { subscriptions: before.subscriptions.clone(), ..after.clone() }
}

#[cfg(test)]
mod tests {
    use velella_model::Json;
    use velella_model::component::{ComponentSpec, FileSpec};

    use super::*;

    #[test]
    fn what_names_this_boot_is_started_and_stopped() {
        let mut board = board();
        assert_eq!(put(&mut board, 5, Some(("g", 1))), Some(Change::Start(room(), door(), task(5, Some(("g", 1))))));
        assert_eq!(put(&mut board, 5, Some(("g", 1))), None, "told twice");
        assert_eq!(put(&mut board, 9, Some(("other", 1))), Some(Change::Stop(room(), door())));
        assert_eq!(put(&mut board, 12, Some(("g", 2))), Some(Change::Stop(room(), door())), "a later boot of ours");
        assert!(matches!(put(&mut board, 14, Some(("g", 1))), Some(Change::Start(..))));
        assert_eq!(board.component(room(), door(), None), Some(Change::Stop(room(), door())));
        assert_eq!(board.component(room(), door(), None), None);
        assert_eq!(board.tasks().count(), 0);
    }

    #[test]
    fn what_others_do_is_known_and_not_done() {
        let mut board = board();
        assert_eq!(put(&mut board, 5, None), None);
        assert_eq!(put(&mut board, 6, None), None, "written again as it was");
        assert!(board.task(&room(), &door()).is_some());
    }

    #[test]
    fn whoever_is_to_receive_of_others_is_told_and_goes_on() {
        let mut board = board();
        let chosen = Some(Subscriptions { peers: [PeerId::parse("a").unwrap()].into(), tracks: [].into() });
        let mut put = |revision, boot, subscriptions: &Option<Subscriptions>| {
            let mut task = *task(revision, Some(("g", boot)));
            task.record.subscriptions.clone_from(subscriptions);
            board.component(room(), door(), Some(task))
        };
        assert!(matches!(put(5, 1, &None), Some(Change::Start(..))));
        assert_eq!(put(6, 1, &chosen), Some(Change::Subscribed(room(), door(), chosen.clone())));
        assert_eq!(put(7, 2, &None), Some(Change::Stop(room(), door())));
        assert!(matches!(put(8, 1, &chosen), Some(Change::Start(..))), "it is given back, and begins anew");
    }

    #[test]
    fn a_room_is_peopled_from_its_first_peer_to_its_last() {
        let mut board = board();
        let peer = |id: &str| PeerId::parse(id).unwrap();
        assert_eq!(board.peer(room(), peer("a"), false), None);
        assert_eq!(board.peer(room(), peer("a"), true), Some(Change::Peopled(room())));
        assert_eq!(board.peer(room(), peer("b"), true), None);
        assert_eq!(board.peer(room(), peer("a"), false), None);
        assert_eq!(board.peer(room(), peer("b"), false), Some(Change::Peopled(room())));
        assert!(!board.is_peopled(&room()));
    }

    fn board() -> Board {
        Board::new(gateway("g"), Incarnation(1))
    }

    fn put(board: &mut Board, revision: u64, job: Option<(&str, u64)>) -> Option<Change> {
        board.component(room(), door(), Some(*task(revision, job)))
    }

    fn task(revision: u64, job: Option<(&str, u64)>) -> Box<Task> {
        let spec = ComponentSpec::File(FileSpec { path: "a.h264".into(), framerate: None });
        let job = job.map(|(id, boot)| Job { gateway: gateway(id), incarnation: Incarnation(boot) });
        let record = ComponentRecord { spec, metadata: Json::null(), transcode: false, subscriptions: None, job };
        Box::new(Task { record, generation: Generation(revision) })
    }

    fn gateway(id: &str) -> GatewayId {
        GatewayId::parse(id).unwrap()
    }

    fn room() -> RoomId {
        RoomId::parse("r").unwrap()
    }

    fn door() -> ComponentId {
        ComponentId::parse("door").unwrap()
    }
}
