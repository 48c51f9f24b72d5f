//! The sockets and offers of this coordinator and how far each session has come:
//! authenticated → `connect` said → open at a worker.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::{Duration, Instant};

use velella_model::record::{Placement, Subscriptions};
use velella_model::wire::signal::PeerEvent;
use velella_model::{Generation, Incarnation, Json, PeerId, RoomId, SessionId, WorkerId};

use crate::input::{Arrival, Door, Pass};

/// How long `connected` is held back while a worker is sought. Shorter than the patience of a
/// person, longer than a failover.
pub(crate) const OPEN_PATIENCE: Duration = Duration::from_secs(10);

/// Wait between attempts to open a session.
pub(crate) const OPEN_RETRY: Duration = Duration::from_millis(300);

/// Events of a peer that are held until its session is open; one more closes the socket.
pub(crate) const HELD_EVENTS_MAX: usize = 64;

/// One transport connection of a peer, and its socket or its offer.
#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) room: RoomId,
    pub(crate) peer: PeerId,
    /// The store names this session as the peer's connection.
    pub(crate) claimed: bool,
    /// Another coordinator opened it: the worker has it already.
    pub(crate) adopted: bool,
    pub(crate) state: State,
    /// What its token allows.
    pub(crate) pass: Pass,
    pub(crate) door: Door,
    /// What the peer last said about itself, not enveloped.
    pub(crate) metadata: Json,
    /// What its worker was last told of its record; `None` before it was asked to open.
    pub(crate) told: Option<Told>,
    /// Number of the next signal of the worker.
    pub(crate) next_heard: u64,
}

/// The parts of a peer record that its worker must know.
#[derive(Debug)]
pub(crate) struct Told {
    pub(crate) server_metadata: Json,
    pub(crate) subscriptions: Subscriptions,
}

impl Told {
    pub(crate) fn nothing() -> Self {
        Self { server_metadata: Json::null(), subscriptions: Subscriptions::default() }
    }
}

#[derive(Debug)]
pub(crate) enum State {
    /// `connect` has not come.
    Quiet,
    /// `connect` came; waits for its claim, for the room's placement, or for the worker.
    Opening(Opening),
    /// The worker serves it.
    Open(Open),
}

#[derive(Debug)]
pub(crate) struct Opening {
    /// As the peer said, not enveloped.
    pub(crate) metadata: Json,
    pub(crate) deadline: Instant,
    pub(crate) retry_at: Option<Instant>,
    /// Whom `OpenSession` was sent to and has not been answered by.
    pub(crate) asked: Option<Site>,
    pub(crate) held: VecDeque<PeerEvent>,
}

#[derive(Debug)]
pub(crate) struct Open {
    pub(crate) site: Site,
    /// Number of the next signal to the worker.
    pub(crate) next_said: u64,
}

/// Where a session is: at one boot of a worker, under one placement of its room. A room that left and came
/// back is another placement: what its sessions were told of their end may have been lost.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Site {
    pub(crate) worker: WorkerId,
    pub(crate) incarnation: Incarnation,
    pub(crate) generation: Generation,
}

impl Site {
    pub(crate) fn of(placement: &Placement) -> Self {
        let Placement { worker, incarnation, generation, .. } = placement;
        Self { worker: worker.clone(), incarnation: *incarnation, generation: *generation }
    }
}

impl Session {
    pub(crate) fn opening(&mut self) -> Option<&mut Opening> {
        match &mut self.state {
            State::Opening(opening) => Some(opening),
            State::Quiet | State::Open(_) => None,
        }
    }

    /// Where a worker may hold it.
    pub(crate) fn site(&self) -> Option<&Site> {
        match &self.state {
            State::Quiet => None,
            State::Opening(opening) => opening.asked.as_ref(),
            State::Open(open) => Some(&open.site),
        }
    }
}

/// All sessions of this coordinator.
#[derive(Debug, Default)]
pub(crate) struct Sessions {
    sessions: BTreeMap<SessionId, Session>,
    by_room: BTreeMap<RoomId, BTreeSet<SessionId>>,
    /// Those that wait to open; few, and the only ones with timers.
    opening: BTreeSet<SessionId>,
}

impl Sessions {
    pub(crate) fn arrive(&mut self, arrival: Arrival) {
        let Arrival { session: id, room, peer, pass, door, .. } = arrival;
        self.by_room.entry(room.clone()).or_default().insert(id.clone());
        let session = Session {
            room,
            peer,
            claimed: false,
            adopted: false,
            state: State::Quiet,
            pass,
            door,
            metadata: Json::null(),
            told: None,
            next_heard: 0,
        };
        self.sessions.insert(id, session);
    }

    pub(crate) fn leave(&mut self, id: &SessionId) -> Option<Session> {
        let session = self.sessions.remove(id)?;
        self.opening.remove(id);
        if let Some(ids) = self.by_room.get_mut(&session.room) {
            ids.remove(id);
            if ids.is_empty() {
                self.by_room.remove(&session.room);
            }
        }
        Some(session)
    }

    /// The peer said `connect`; false if it did before.
    pub(crate) fn connect(&mut self, id: &SessionId, metadata: Json, deadline: Instant) -> bool {
        let Some(session) = self.sessions.get_mut(id) else { return false };
        if !matches!(session.state, State::Quiet) {
            return false;
        }
        let held = VecDeque::new();
        session.metadata = metadata.clone();
        session.state = State::Opening(Opening { metadata, deadline, retry_at: None, asked: None, held });
        self.opening.insert(id.clone())
    }

    /// The worker that was asked has it; returns what the peer said meanwhile.
    pub(crate) fn opened(&mut self, id: &SessionId) -> VecDeque<PeerEvent> {
        let Some(session) = self.sessions.get_mut(id) else { return VecDeque::new() };
        let Some(opening) = session.opening() else { return VecDeque::new() };
        let Some(site) = opening.asked.take() else { return VecDeque::new() };
        let held = std::mem::take(&mut opening.held);
        session.state = State::Open(Open { site, next_said: 0 });
        self.opening.remove(id);
        held
    }

    pub(crate) fn get(&self, id: &SessionId) -> Option<&Session> {
        self.sessions.get(id)
    }

    pub(crate) fn get_mut(&mut self, id: &SessionId) -> Option<&mut Session> {
        self.sessions.get_mut(id)
    }

    pub(crate) fn of_room(&self, room: &RoomId) -> Vec<SessionId> {
        self.by_room.get(room).into_iter().flatten().cloned().collect()
    }

    pub(crate) fn has_any_in(&self, room: &RoomId) -> bool {
        self.by_room.contains_key(room)
    }

    pub(crate) fn of_peer(&self, room: &RoomId, peer: &PeerId) -> Vec<SessionId> {
        let of_peer = |id: &SessionId| self.get(id).is_some_and(|s| s.peer == *peer);
        self.of_room(room).into_iter().filter(of_peer).collect()
    }

    /// Sessions that one boot of a worker holds or was asked to hold.
    pub(crate) fn at(&self, worker: &WorkerId, incarnation: Incarnation) -> Vec<SessionId> {
        let is_there = |site: &Site| site.worker == *worker && site.incarnation == incarnation;
        self.sessions.iter().filter(|(_, s)| s.site().is_some_and(is_there)).map(|(id, _)| id.clone()).collect()
    }

    /// Sessions of a room that wait to open.
    pub(crate) fn opening_in(&self, room: &RoomId) -> Vec<SessionId> {
        self.of_room(room).into_iter().filter(|id| self.opening.contains(id)).collect()
    }

    /// Sessions whose next attempt or whose deadline is due.
    pub(crate) fn due(&self, now: Instant) -> Vec<SessionId> {
        let due = |id: &&SessionId| self.wakes_at(id).is_some_and(|at| at <= now);
        self.opening.iter().filter(due).cloned().collect()
    }

    pub(crate) fn next_due(&self) -> Option<Instant> {
        self.opening.iter().filter_map(|id| self.wakes_at(id)).min()
    }

    fn wakes_at(&self, id: &SessionId) -> Option<Instant> {
        match &self.get(id)?.state {
            State::Opening(opening) => Some(opening.retry_at.map_or(opening.deadline, |at| at.min(opening.deadline))),
            State::Quiet | State::Open(_) => None,
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.sessions.len()
    }

    pub(crate) fn opening(&self) -> usize {
        self.opening.len()
    }
}
