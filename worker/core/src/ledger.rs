//! Which commands a worker accepts, and on which shard a room lives.
//!
//! The worker's half of fencing: a command for an earlier boot or an older placement is refused, a
//! repeated one changes nothing.

use std::collections::BTreeMap;

use velella_model::wire::announce::{Capacity, WorkerState};
use velella_model::wire::command::{Assignment, Command, OpenSession, Order, Refusal};
use velella_model::{Generation, Incarnation, RoomId, SessionId};

/// Index of a shard.
type ShardIndex = usize;

/// An accepted command with the shards that carry it out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Routed {
    /// Hold the room on this shard.
    AssignRoom(ShardIndex, Assignment),
    /// Open the session on this shard.
    OpenSession(ShardIndex, OpenSession),
    /// Close the session.
    CloseSession(ShardIndex, SessionId),
    /// Close the room.
    CloseRoom(ShardIndex, RoomId),
    /// Nothing to do; answered as done.
    Nothing,
}

/// What the worker holds.
#[derive(Debug)]
pub struct Ledger {
    incarnation: Incarnation,
    capacity: Capacity,
    state: WorkerState,
    shards: Vec<u32>,
    rooms: BTreeMap<RoomId, Held>,
    sessions: BTreeMap<SessionId, (ShardIndex, RoomId)>,
    newest: Generation,
    assigned_total: u64,
}

#[derive(Debug)]
struct Held {
    generation: Generation,
    shard: ShardIndex,
}

impl Ledger {
    /// An empty worker with `shards` shards.
    pub fn new(incarnation: Incarnation, capacity: Capacity, shards: usize) -> Self {
        Self {
            incarnation,
            capacity,
            state: WorkerState::Ready,
            shards: vec![0; shards.max(1)],
            rooms: BTreeMap::new(),
            sessions: BTreeMap::new(),
            newest: Generation(0),
            assigned_total: 0,
        }
    }

    /// Judges a command and books what it changes.
    pub fn handle_command(&mut self, command: Command) -> Result<Routed, Refusal> {
        if command.incarnation != self.incarnation {
            return Err(Refusal::WrongIncarnation);
        }
        match command.order {
            Order::AssignRoom { assignment } => {
                self.hold(&assignment).map(|shard| Routed::AssignRoom(shard, assignment))
            }
            Order::OpenSession { session } => self.open(session),
            Order::CloseSession { session } => Ok(match self.sessions.get(&session) {
                Some((shard, _)) => Routed::CloseSession(*shard, session),
                None => Routed::Nothing,
            }),
            Order::CloseRoom { room, generation } => self.close_room(room, generation),
        }
    }

    /// Where a session lives.
    pub fn shard_of(&self, session: &SessionId) -> Option<usize> {
        self.sessions.get(session).map(|(shard, _)| *shard)
    }

    /// A shard closed a session.
    pub fn session_closed(&mut self, session: &SessionId) {
        if let Some((shard, _)) = self.sessions.remove(session)
            && let Some(count) = self.shards.get_mut(shard)
        {
            *count = count.saturating_sub(1);
        }
    }

    /// Takes no new rooms from now on, or takes them again.
    pub fn set_state(&mut self, state: WorkerState) {
        self.state = state;
    }

    /// Readiness for work.
    pub fn state(&self) -> WorkerState {
        self.state
    }

    /// Admission limits.
    pub fn capacity(&self) -> Capacity {
        self.capacity
    }

    /// Rooms and sessions held.
    pub fn held(&self) -> (u32, u32) {
        let count = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        (count(self.rooms.len()), count(self.sessions.len()))
    }

    /// Highest generation seen, and rooms assigned since boot.
    pub fn newest(&self) -> (Generation, u64) {
        (self.newest, self.assigned_total)
    }

    fn hold(&mut self, assignment: &Assignment) -> Result<ShardIndex, Refusal> {
        if let Some(held) = self.rooms.get_mut(&assignment.room) {
            if assignment.generation < held.generation {
                return Err(Refusal::StaleGeneration);
            }
            held.generation = assignment.generation;
            self.newest = self.newest.max(assignment.generation);
            return Ok(held.shard);
        }
        if self.state != WorkerState::Ready {
            return Err(Refusal::Draining);
        }
        if self.held().0 >= self.capacity.rooms_max {
            return Err(Refusal::Full);
        }
        let shard = self.emptiest_shard();
        self.rooms.insert(assignment.room.clone(), Held { generation: assignment.generation, shard });
        self.newest = self.newest.max(assignment.generation);
        self.assigned_total += 1;
        Ok(shard)
    }

    fn open(&mut self, session: OpenSession) -> Result<Routed, Refusal> {
        if self.held().1 >= self.capacity.sessions_max {
            return Err(Refusal::Full);
        }
        let shard = self.hold(&session.assignment)?;
        let room = session.assignment.room.clone();
        if self.sessions.insert(session.session.clone(), (shard, room)).is_some() {
            return Ok(Routed::Nothing);
        }
        if let Some(count) = self.shards.get_mut(shard) {
            *count += 1;
        }
        Ok(Routed::OpenSession(shard, session))
    }

    fn close_room(&mut self, room: RoomId, generation: Generation) -> Result<Routed, Refusal> {
        match self.rooms.get(&room) {
            None => Ok(Routed::Nothing),
            Some(held) if generation < held.generation => Err(Refusal::StaleGeneration),
            Some(held) => {
                let shard = held.shard;
                self.rooms.remove(&room);
                Ok(Routed::CloseRoom(shard, room))
            }
        }
    }

    fn emptiest_shard(&self) -> ShardIndex {
        let rooms_on = |shard| self.rooms.values().filter(|h| h.shard == shard).count();
        let shards = self.shards.iter().enumerate();
        shards.min_by_key(|(i, sessions)| (**sessions, rooms_on(*i))).map_or(0, |(i, _)| i)
    }
}

#[cfg(test)]
mod tests {
    use velella_model::wire::command::SubscribeMode;
    use velella_model::{CoordinatorId, Json, PeerId, RoomType, VideoCodec};

    use super::*;

    const BOOT: Incarnation = Incarnation(7);

    fn ledger(rooms_max: u32) -> Ledger {
        Ledger::new(BOOT, Capacity { load_permille_max: 800, rooms_max, sessions_max: 2 }, 2)
    }

    fn assignment(room: &str, generation: u64) -> Assignment {
        Assignment {
            room: RoomId::parse(room).unwrap(),
            generation: Generation(generation),
            room_type: RoomType::Conference,
            video_codec: VideoCodec::Vp8,
        }
    }

    fn assign(ledger: &mut Ledger, room: &str, generation: u64) -> Result<Routed, Refusal> {
        let order = Order::AssignRoom { assignment: assignment(room, generation) };
        ledger.handle_command(Command { incarnation: BOOT, order })
    }

    fn open(ledger: &mut Ledger, session: &str, room: &str, generation: u64) -> Result<Routed, Refusal> {
        let session = OpenSession {
            assignment: assignment(room, generation),
            session: SessionId::parse(session).unwrap(),
            peer: PeerId::parse("p").unwrap(),
            coordinator: CoordinatorId::parse("c").unwrap(),
            metadata: Json::null(),
            subscribe_mode: SubscribeMode::Auto,
            subscriptions: Default::default(),
            rights: Default::default(),
            client: Default::default(),
        };
        ledger.handle_command(Command { incarnation: BOOT, order: Order::OpenSession { session } })
    }

    #[test]
    fn a_command_for_an_earlier_boot_is_refused() {
        let order = Order::AssignRoom { assignment: assignment("r", 1) };
        let command = Command { incarnation: Incarnation(6), order };
        assert_eq!(ledger(9).handle_command(command), Err(Refusal::WrongIncarnation));
    }

    #[test]
    fn an_older_generation_is_refused_and_a_repeated_one_changes_nothing() {
        let mut ledger = ledger(9);
        assert!(assign(&mut ledger, "r", 5).is_ok());
        assert!(assign(&mut ledger, "r", 5).is_ok());
        assert_eq!(ledger.held().0, 1);
        assert_eq!(assign(&mut ledger, "r", 4), Err(Refusal::StaleGeneration));
        assert_eq!(open(&mut ledger, "s", "r", 4), Err(Refusal::StaleGeneration));
        let order = Order::CloseRoom { room: RoomId::parse("r").unwrap(), generation: Generation(4) };
        assert_eq!(ledger.handle_command(Command { incarnation: BOOT, order }), Err(Refusal::StaleGeneration));
    }

    #[test]
    fn a_full_worker_takes_no_room_and_no_session_but_keeps_what_it_has() {
        let mut ledger = ledger(1);
        assert!(assign(&mut ledger, "r", 1).is_ok());
        assert_eq!(assign(&mut ledger, "s", 1), Err(Refusal::Full));
        assert!(open(&mut ledger, "1", "r", 1).is_ok());
        assert!(open(&mut ledger, "2", "r", 1).is_ok());
        assert_eq!(open(&mut ledger, "3", "r", 1), Err(Refusal::Full));
        ledger.session_closed(&SessionId::parse("1").unwrap());
        assert!(open(&mut ledger, "3", "r", 1).is_ok());
    }

    #[test]
    fn a_draining_worker_serves_its_rooms_and_takes_no_others() {
        let mut ledger = ledger(9);
        assert!(assign(&mut ledger, "old", 1).is_ok());
        ledger.set_state(WorkerState::Draining);
        assert_eq!(assign(&mut ledger, "new", 1), Err(Refusal::Draining));
        assert!(open(&mut ledger, "1", "old", 1).is_ok());
    }

    #[test]
    fn rooms_spread_over_shards() {
        let mut ledger = ledger(9);
        let shards: Vec<_> = ["a", "b", "c", "d"]
            .map(|room| match assign(&mut ledger, room, 1) {
                Ok(Routed::AssignRoom(shard, _)) => shard,
                other => panic!("{other:?}"),
            })
            .into();
        assert_eq!(shards, [0, 1, 0, 1]);
    }
}
