//! Which commands a worker accepts, and on which shard a room lives.
//!
//! The worker's half of fencing: a command for an earlier boot or an older placement is refused, a
//! repeated one changes nothing, and nobody is let in while others may think this worker gone.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use velella_model::wire::announce::{Capacity, WorkerState};
use velella_model::wire::command::{Assignment, Command, Holder, OpenSession, Order, Refusal};
use velella_model::{Generation, Incarnation, PeerId, RoomId, SessionId};

/// Closed rooms whose generations are remembered; the oldest goes for a new one. A message of a closed
/// placement that is older than so many closings would have to be minutes late.
const LEFT_MAX: usize = 8_192;

/// Index of a shard.
type ShardIndex = usize;

/// An accepted command with the shards that carry it out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Routed {
    /// Hold the room on this shard.
    AssignRoom(ShardIndex, Assignment),
    /// Open the session on this shard.
    OpenSession(ShardIndex, OpenSession),
    /// Let somebody else speak for the session.
    AdoptSession(ShardIndex, SessionId, Holder),
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
    draining: bool,
    /// Until when it surely counts as alive; `None` before its first claim, and after a lost one.
    admits_until: Option<Instant>,
    /// It counted as alive once.
    claimed: bool,
    shards: Vec<u32>,
    rooms: BTreeMap<RoomId, Held>,
    left: Left,
    sessions: BTreeMap<SessionId, Open>,
    /// The newest session of each component.
    jobs: BTreeMap<Component, (Generation, SessionId)>,
    newest: Generation,
    assigned_total: u64,
}

/// A component, as its room sees it.
type Component = (RoomId, PeerId);

/// A session that was opened.
#[derive(Debug)]
struct Open {
    shard: ShardIndex,
    /// Whose job it does.
    component: Option<Component>,
}

#[derive(Debug)]
struct Held {
    generation: Generation,
    shard: ShardIndex,
}

/// Generations that were closed here, so that a late command of theirs does not bring the room back.
#[derive(Debug, Default)]
struct Left {
    rooms: BTreeMap<RoomId, Generation>,
    by_age: VecDeque<RoomId>,
}

impl Left {
    fn leave(&mut self, room: RoomId, generation: Generation) {
        if let Some(left) = self.rooms.get_mut(&room) {
            *left = generation.max(*left);
            return;
        }
        if self.by_age.len() >= LEFT_MAX
            && let Some(oldest) = self.by_age.pop_front()
        {
            self.rooms.remove(&oldest);
        }
        self.by_age.push_back(room.clone());
        self.rooms.insert(room, generation);
    }

    fn is_over(&self, room: &RoomId, generation: Generation) -> bool {
        self.rooms.get(room).is_some_and(|left| generation <= *left)
    }
}

impl Ledger {
    /// An empty worker with `shards` shards, which lets nobody in before [`Ledger::admit_until`].
    pub fn new(incarnation: Incarnation, capacity: Capacity, shards: usize) -> Self {
        Self {
            incarnation,
            capacity,
            draining: false,
            admits_until: None,
            claimed: false,
            shards: vec![0; shards.max(1)],
            rooms: BTreeMap::new(),
            left: Left::default(),
            sessions: BTreeMap::new(),
            jobs: BTreeMap::new(),
            newest: Generation(0),
            assigned_total: 0,
        }
    }

    /// Judges a command and books what it changes.
    pub fn handle_command(&mut self, command: Command, now: Instant) -> Result<Routed, Refusal> {
        if command.incarnation != self.incarnation {
            return Err(Refusal::WrongIncarnation);
        }
        if matches!(command.order, Order::AssignRoom { .. } | Order::OpenSession { .. }) && self.is_fenced(now) {
            return Err(Refusal::Fenced);
        }
        match command.order {
            Order::AssignRoom { assignment } => {
                self.hold(&assignment).map(|shard| Routed::AssignRoom(shard, assignment))
            }
            Order::OpenSession { session } => self.open(session),
            Order::CloseSession { session } => Ok(match self.sessions.get(&session) {
                Some(open) => Routed::CloseSession(open.shard, session),
                None => Routed::Nothing,
            }),
            Order::AdoptSession { session, holder } => match self.sessions.get(&session) {
                Some(open) => Ok(Routed::AdoptSession(open.shard, session, holder)),
                None => Err(Refusal::NoSession),
            },
            Order::CloseRoom { room, generation } => self.close_room(room, generation),
            Order::Ping => Ok(Routed::Nothing),
        }
    }

    /// Counts as alive until then; `None` when it no longer does.
    pub fn admit_until(&mut self, until: Option<Instant>) {
        self.admits_until = until;
        self.claimed |= until.is_some();
    }

    /// Whether others may think it gone.
    pub fn is_fenced(&self, now: Instant) -> bool {
        self.admits_until.is_none_or(|until| until <= now)
    }

    /// How long it surely counts as alive, unless it loses its key; zero when it lets nobody in.
    pub fn admits_for(&self, now: Instant) -> Duration {
        self.admits_until.map_or(Duration::ZERO, |until| until.saturating_duration_since(now))
    }

    /// What it holds, with the generations of the assignments.
    pub fn rooms(&self) -> impl Iterator<Item = (&RoomId, Generation)> {
        self.rooms.iter().map(|(room, held)| (room, held.generation))
    }

    /// A room that is elsewhere by now, or nowhere: `None` when it was assigned anew meanwhile.
    pub fn superseded(&mut self, room: RoomId, generation: Generation) -> Option<Routed> {
        self.close_room(room, generation).ok()
    }

    /// Where a session lives.
    pub fn shard_of(&self, session: &SessionId) -> Option<usize> {
        self.sessions.get(session).map(|open| open.shard)
    }

    /// A shard closed a session.
    pub fn session_closed(&mut self, session: &SessionId) {
        let Some(Open { shard, component }) = self.sessions.remove(session) else { return };
        if let Some(count) = self.shards.get_mut(shard) {
            *count = count.saturating_sub(1);
        }
        if let Some(component) = component
            && self.jobs.get(&component).is_some_and(|(_, newest)| newest == session)
        {
            self.jobs.remove(&component);
        }
    }

    /// Takes no new rooms from now on.
    pub fn drain(&mut self) {
        self.draining = true;
    }

    /// Readiness for work.
    pub fn state(&self, now: Instant) -> WorkerState {
        match (self.is_fenced(now), self.draining) {
            (true, _) if !self.claimed => WorkerState::Starting,
            (true, false) => WorkerState::Fenced,
            (_, true) => WorkerState::Draining,
            (false, false) => WorkerState::Ready,
        }
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
        if self.left.is_over(&assignment.room, assignment.generation) {
            return Err(Refusal::StaleGeneration);
        }
        if self.draining {
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
        let component = session.job.map(|_| (session.assignment.room.clone(), session.peer.clone()));
        let newest = component.as_ref().and_then(|component| self.jobs.get(component));
        if newest.is_some_and(|(newest, _)| session.job < Some(*newest)) {
            return Err(Refusal::StaleGeneration);
        }
        let shard = self.hold(&session.assignment)?;
        if let (Some(component), Some(job)) = (&component, session.job) {
            self.jobs.insert(component.clone(), (job, session.session.clone()));
        }
        if self.sessions.insert(session.session.clone(), Open { shard, component }).is_some() {
            return Ok(Routed::Nothing);
        }
        if let Some(count) = self.shards.get_mut(shard) {
            *count += 1;
        }
        Ok(Routed::OpenSession(shard, session))
    }

    fn close_room(&mut self, room: RoomId, generation: Generation) -> Result<Routed, Refusal> {
        let shard = match self.rooms.get(&room) {
            Some(held) if generation < held.generation => return Err(Refusal::StaleGeneration),
            Some(held) => Some(held.shard),
            None => None,
        };
        self.left.leave(room.clone(), generation);
        let Some(shard) = shard else { return Ok(Routed::Nothing) };
        self.rooms.remove(&room);
        Ok(Routed::CloseRoom(shard, room))
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
    use velella_model::{CoordinatorId, GatewayId, Json, RoomType, VideoCodec};

    use super::*;

    const BOOT: Incarnation = Incarnation(7);

    fn ledger(rooms_max: u32) -> Ledger {
        let mut ledger = Ledger::new(BOOT, Capacity { load_permille_max: 800, rooms_max, sessions_max: 2 }, 2);
        ledger.admit_until(Some(start() + Duration::from_secs(4)));
        ledger
    }

    #[expect(clippy::disallowed_methods, reason = "tests need some instant to count from")]
    fn start() -> Instant {
        static START: std::sync::LazyLock<Instant> = std::sync::LazyLock::new(Instant::now);
        *START
    }

    fn order(ledger: &mut Ledger, order: Order) -> Result<Routed, Refusal> {
        ledger.handle_command(Command { incarnation: BOOT, order }, start())
    }

    fn close(room: &str, generation: u64) -> Order {
        Order::CloseRoom { room: RoomId::parse(room).unwrap(), generation: Generation(generation) }
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
        order(ledger, Order::AssignRoom { assignment: assignment(room, generation) })
    }

    fn open(ledger: &mut Ledger, session: &str, room: &str, generation: u64) -> Result<Routed, Refusal> {
        order(ledger, Order::OpenSession { session: session_in(session, room, generation) })
    }

    /// A session of the only component of "r", for a job.
    fn play(ledger: &mut Ledger, session: &str, job: u64) -> Result<Routed, Refusal> {
        let holder = GatewayId::parse("g").unwrap().into();
        let session = OpenSession { holder, job: Some(Generation(job)), ..session_in(session, "r", 1) };
        order(ledger, Order::OpenSession { session })
    }

    fn session_in(session: &str, room: &str, generation: u64) -> OpenSession {
        OpenSession {
            assignment: assignment(room, generation),
            session: SessionId::parse(session).unwrap(),
            peer: PeerId::parse("p").unwrap(),
            holder: CoordinatorId::parse("c").unwrap().into(),
            metadata: Json::null(),
            subscribe_mode: SubscribeMode::Auto,
            subscriptions: Default::default(),
            rights: Default::default(),
            client: Default::default(),
            job: Default::default(),
        }
    }

    #[test]
    fn a_command_for_an_earlier_boot_is_refused() {
        let order = Order::AssignRoom { assignment: assignment("r", 1) };
        let command = Command { incarnation: Incarnation(6), order };
        assert_eq!(ledger(9).handle_command(command, start()), Err(Refusal::WrongIncarnation));
    }

    #[test]
    fn an_older_generation_is_refused_and_a_repeated_one_changes_nothing() {
        let mut ledger = ledger(9);
        assert!(assign(&mut ledger, "r", 5).is_ok());
        assert!(assign(&mut ledger, "r", 5).is_ok());
        assert_eq!(ledger.held().0, 1);
        assert_eq!(assign(&mut ledger, "r", 4), Err(Refusal::StaleGeneration));
        assert_eq!(open(&mut ledger, "s", "r", 4), Err(Refusal::StaleGeneration));
        assert_eq!(order(&mut ledger, close("r", 4)), Err(Refusal::StaleGeneration));
    }

    #[test]
    fn a_late_command_does_not_bring_a_closed_room_back() {
        let mut ledger = ledger(9);
        assert!(assign(&mut ledger, "r", 5).is_ok());
        assert!(matches!(order(&mut ledger, close("r", 5)), Ok(Routed::CloseRoom(..))));
        assert_eq!(open(&mut ledger, "s", "r", 5), Err(Refusal::StaleGeneration));
        assert!(assign(&mut ledger, "r", 6).is_ok(), "it may return under a newer generation");
        assert_eq!(order(&mut ledger, close("q", 3)), Ok(Routed::Nothing));
        assert_eq!(assign(&mut ledger, "q", 3), Err(Refusal::StaleGeneration), "even if it was never here");
    }

    #[test]
    fn a_gateway_that_missed_that_another_does_its_job_is_refused() {
        let mut ledger = ledger(9);
        assert!(play(&mut ledger, "1", 5).is_ok());
        assert!(play(&mut ledger, "2", 5).is_ok(), "once more, by itself or by a publisher that takes over");
        ledger.session_closed(&SessionId::parse("1").unwrap());
        assert!(play(&mut ledger, "3", 8).is_ok());
        ledger.session_closed(&SessionId::parse("2").unwrap());
        assert_eq!(play(&mut ledger, "4", 5), Err(Refusal::StaleGeneration));
        ledger.session_closed(&SessionId::parse("3").unwrap());
        assert!(play(&mut ledger, "4", 5).is_ok(), "there is nobody whom it could push away");
    }

    #[test]
    fn a_worker_whose_lease_may_have_run_out_keeps_what_it_has_and_lets_nobody_in() {
        let mut ledger = ledger(9);
        assert!(assign(&mut ledger, "r", 1).is_ok());
        let late = start() + Duration::from_secs(4);
        let assign = Order::AssignRoom { assignment: assignment("r", 1) };
        let command = |order: Order| Command { incarnation: BOOT, order };
        assert_eq!(ledger.handle_command(command(assign.clone()), late), Err(Refusal::Fenced));
        assert_eq!((ledger.state(late), ledger.held().0), (WorkerState::Fenced, 1));
        ledger.admit_until(Some(late + Duration::from_secs(4)));
        assert!(ledger.handle_command(command(assign), late).is_ok());
        assert!(ledger.handle_command(command(close("r", 1)), late + Duration::from_secs(9)).is_ok());
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
        ledger.drain();
        assert_eq!(ledger.state(start()), WorkerState::Draining);
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
