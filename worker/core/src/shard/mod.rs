//! A shard: the rooms and sessions of one thread.
//!
//! This file holds the doors and the loop over what connections produce; the siblings hold what
//! happens in them: [`agents`] (their sound), [`members`] (open, close), [`signalling`] (what peers say),
//! [`subscriptions`] (who receives what), [`media`] (packets and keyframes), [`voices`] (who
//! speaks), [`messages`] (data channels).
//!
//! A batch of datagrams is taken first, then [`Shard::flush`] drains every connection that was
//! written to once: draining once per batch instead of once per packet halves its cost.

mod agents;
mod media;
mod members;
mod messages;
mod signalling;
mod subscriptions;
#[cfg(test)]
mod tests;
mod voices;

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use slab::Slab;
use str0m::{Event, IceConnectionState, Rtc};
use velella_model::record::AgentOutput;
use velella_model::wire::command::{Assignment, Holder, OpenSession};
use velella_model::wire::signal::{CloseReason, SessionEvent, ToHolder, ToWorker, VoiceChanged};
use velella_model::{RoomId, SessionId};

use crate::agent::{AgentNews, SpokenPacket};
use crate::demux::Demux;
use crate::room::{Room, RoomKey};
use crate::session::{Session, SessionKey};
use crate::stats::Stats;
use crate::timers::Timers;
use crate::transport::{Drained, Transport};

/// How often the shard looks after what has no event of its own: throttled keyframe requests,
/// encodings that stopped, lost connections.
const TICK: Duration = Duration::from_millis(50);
/// Earliest wake-up after the last: connections ask for times in the past when they have work.
const WAKE_PAUSE_MIN: Duration = Duration::from_millis(1);

/// What the worker tells a shard.
pub enum Input {
    /// Hold this room.
    AssignRoom(Assignment),
    /// Close this room with its sessions.
    CloseRoom(RoomId),
    /// A peer connects.
    OpenSession(Box<Admission>),
    /// Somebody else speaks for a session.
    AdoptSession(SessionId, Holder),
    /// A peer is gone.
    CloseSession(SessionId),
    /// A peer said something.
    Signal(ToWorker),
    /// An agent's voice made a sound.
    Spoken(SpokenPacket),
}

/// A new session and the way its client comes in.
pub struct Admission {
    /// What was asked for.
    pub session: OpenSession,
    /// How it is connected.
    pub entrance: Entrance,
}

/// The way a client comes in.
pub enum Entrance {
    /// By a connection of its own.
    Webrtc {
        /// Built off the media thread, candidates and credentials set.
        rtc: Box<Rtc>,
        /// Its local ICE user name fragment.
        ufrag: String,
    },
    /// Through its coordinator.
    Agent {
        /// What it hears; `None` when it only speaks.
        output: Option<AgentOutput>,
    },
}

/// A received datagram.
#[derive(Clone, Copy, Debug)]
pub struct Datagram<'a> {
    /// Who sent it.
    pub source: SocketAddr,
    /// The advertised address it was sent to.
    pub destination: SocketAddr,
    /// What it holds.
    pub contents: &'a [u8],
}

/// Whether a datagram found its session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Routing {
    /// It did.
    Taken,
    /// No session here talks from there; another shard may know it.
    Unknown,
}

/// What a shard wants done, besides sending datagrams.
#[derive(Debug, PartialEq, Eq)]
pub enum Output {
    /// Send this to the coordinator of a session. [`SessionEvent::Closed`] is a session's last.
    Signal(Holder, ToHolder),
    /// Tell all coordinators who speaks.
    Voice(VoiceChanged),
    /// Tell whoever turns the sound of agents into packets and back.
    Agent(AgentNews),
}

/// The rooms and sessions of one thread.
pub struct Shard {
    rooms: Slab<Room>,
    rooms_by_id: BTreeMap<RoomId, RoomKey>,
    sessions: Slab<Session>,
    sessions_by_id: BTreeMap<SessionId, SessionKey>,
    demux: Demux<SessionKey>,
    timers: Timers<SessionKey>,
    /// Written to since the last flush.
    dirty: Vec<SessionKey>,
    drained: Drained,
    outputs: VecDeque<Output>,
    next_tick: Instant,
    /// The session at work, so that a panic ends the right one.
    at_work: Option<SessionKey>,
    stats: Stats,
}

impl Shard {
    /// An empty shard.
    pub fn new(now: Instant) -> Self {
        Self {
            rooms: Slab::new(),
            rooms_by_id: BTreeMap::new(),
            sessions: Slab::new(),
            sessions_by_id: BTreeMap::new(),
            demux: Demux::new(),
            timers: Timers::new(),
            dirty: Vec::new(),
            drained: Drained::default(),
            outputs: VecDeque::new(),
            next_tick: now + TICK,
            at_work: None,
            stats: Stats::default(),
        }
    }

    /// Takes an order or a signal.
    pub fn handle_input(&mut self, input: Input, now: Instant) {
        self.guarded(|shard| match input {
            Input::AssignRoom(assignment) => {
                shard.assign_room(assignment);
            }
            Input::CloseRoom(room) => shard.close_room(&room, now),
            Input::OpenSession(admission) => shard.open_session(*admission, now),
            Input::AdoptSession(id, holder) => shard.adopt_session(&id, holder),
            Input::CloseSession(id) => {
                if let Some(key) = shard.sessions_by_id.get(&id).copied() {
                    shard.close_session(key, CloseReason::Asked, now);
                }
            }
            Input::Signal(signal) => shard.handle_signal(signal, now),
            Input::Spoken(packet) => shard.forward_spoken(packet, now),
        });
    }

    /// Takes one datagram of a batch; [`Self::flush`] ends the batch.
    pub fn handle_datagram(&mut self, datagram: Datagram<'_>, now: Instant) -> Routing {
        self.stats.datagrams_in += 1;
        self.stats.bytes_in += datagram.contents.len() as u64;
        let Some(key) = self.find_session(datagram, now) else { return Routing::Unknown };
        self.guarded(|shard| {
            shard.at_work = Some(key);
            let Datagram { source, destination, contents } = datagram;
            if let Some(session) = shard.sessions.get_mut(key.0) {
                session.heard_at = now;
            }
            shard.with_transport(key, now, |t, d| t.receive(now, source, destination, contents, d));
            shard.take_events(key, now);
        });
        Routing::Taken
    }

    /// Sends what was written, and wakes connections whose time has come.
    pub fn flush(&mut self, now: Instant) {
        self.guarded(|shard| {
            if now >= shard.next_tick {
                shard.next_tick = now + TICK;
                shard.tick(now);
            }
            loop {
                if let Some(key) = shard.dirty.pop() {
                    shard.drain(key, now);
                } else if let Some(key) = shard.timers.pop_due(now) {
                    shard.wake(key, now);
                } else {
                    break;
                }
            }
        });
    }

    /// Datagrams to send, in order, those for one subscriber side by side. The caller empties it.
    pub fn transmits(&mut self) -> &mut Vec<str0m::net::Transmit> {
        &mut self.drained.transmits
    }

    /// The next thing to do.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// When to call [`Self::flush`] at the latest.
    pub fn poll_timeout(&self, now: Instant) -> Instant {
        let next = self.timers.next().map_or(self.next_tick, |at| at.min(self.next_tick));
        next.max(now)
    }

    /// Counters and gauges.
    pub fn stats(&self) -> Stats {
        let count = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        Stats {
            rooms: count(self.rooms.len()),
            sessions: count(self.sessions.len()),
            tracks: count(self.rooms.iter().map(|(_, r)| r.tracks.len()).sum()),
            ..self.stats
        }
    }

    /// Lets a panic end the session at work and nothing else.
    fn guarded(&mut self, work: impl FnOnce(&mut Self)) {
        // What a panic can leave half done is the culprit's own session, which is removed, and the
        // rest of one batch, which is as if those packets were lost.
        self.at_work = None;
        if catch_unwind(AssertUnwindSafe(|| work(self))).is_err() {
            self.stats.crashes += 1;
            self.drained.events.clear();
            if let Some(key) = self.at_work.take() {
                let span = self.sessions.get(key.0).map_or_else(tracing::Span::none, |s| s.span.clone());
                tracing::error!(parent: &span, "a panic ended a session");
                self.bury_session(key, CloseReason::Crashed);
            }
        }
    }

    fn find_session(&mut self, datagram: Datagram<'_>, now: Instant) -> Option<SessionKey> {
        let Datagram { source, destination, contents } = datagram;
        if let Some(key) = self.demux.by_source(source) {
            return Some(key);
        }
        let key = self.demux.by_user_name(contents)?;
        let session = self.sessions.get(key.0)?;
        if !session.transport()?.accepts(now, source, destination, contents) {
            return None;
        }
        self.demux.learn(source, key);
        Some(key)
    }

    /// Works on one connection; an engine error ends its session.
    fn with_transport<R>(
        &mut self,
        key: SessionKey,
        now: Instant,
        work: impl FnOnce(&mut Transport, &mut Drained) -> Result<R, str0m::RtcError>,
    ) -> Option<R> {
        let session = self.sessions.get_mut(key.0)?;
        let transport = session.transport_mut()?;
        let before = self.at_work.replace(key);
        let result = work(transport, &mut self.drained);
        let deadline = transport.deadline();
        self.at_work = before;
        match result {
            Ok(value) => {
                let at = deadline.max(now + WAKE_PAUSE_MIN);
                session.scheduled = Some(self.timers.schedule(key, at, session.scheduled));
                Some(value)
            }
            Err(error) => {
                tracing::warn!(parent: &session.span, %error, "the engine gave up a session");
                self.stats.crashes += 1;
                self.bury_session(key, CloseReason::Crashed);
                None
            }
        }
    }

    fn drain(&mut self, key: SessionKey, now: Instant) {
        if let Some(session) = self.sessions.get_mut(key.0) {
            session.is_dirty = false;
            self.with_transport(key, now, |t, d| t.timeout(now, d));
            self.take_events(key, now);
        }
    }

    /// A timer surfaced: the session may have moved its deadline since.
    fn wake(&mut self, key: SessionKey, now: Instant) {
        let Some(session) = self.sessions.get_mut(key.0) else { return };
        session.scheduled = None;
        let Some(deadline) = session.transport().map(Transport::deadline) else { return };
        if deadline <= now {
            self.drain(key, now);
        } else {
            session.scheduled = Some(self.timers.schedule(key, deadline, None));
        }
    }

    /// Acts on what a connection produced.
    fn take_events(&mut self, key: SessionKey, now: Instant) {
        let mut events = std::mem::take(&mut self.drained.events);
        for event in events.drain(..) {
            self.handle_event(key, event, now);
        }
        self.drained.events = events;
        if self.sessions.get(key.0).and_then(Session::transport).is_some_and(|t| !t.is_alive()) {
            self.close_session(key, CloseReason::IceTimeout, now);
        }
    }

    fn handle_event(&mut self, key: SessionKey, event: Event, now: Instant) {
        #[expect(clippy::wildcard_enum_match_arm, reason = "the engine's enum is open; the rest concerns frame mode")]
        match event {
            Event::RtpPacket(packet) => self.forward_received(key, &packet, now),
            Event::KeyframeRequest(request) => self.subscriber_wants_keyframe(key, request.mid),
            Event::SenderFeedback(report) => {
                if let Some(session) = self.sessions.get_mut(key.0) {
                    session.clock.report(report.sender_info.ntp_time, report.received_at);
                }
            }
            Event::ChannelOpen(id, label) => self.channel_opened(key, id, &label),
            Event::ChannelData(data) => self.pass_message(key, &data),
            Event::ChannelClose(id) => self.channel_closed(key, id),
            Event::IceConnectionStateChange(state) => self.ice_changed(key, state, now),
            _ => {}
        }
    }

    fn ice_changed(&mut self, key: SessionKey, state: IceConnectionState, now: Instant) {
        if let Some(session) = self.sessions.get_mut(key.0) {
            tracing::debug!(parent: &session.span, ?state, "ice");
            session.ice_lost_at = (state == IceConnectionState::Disconnected).then_some(now);
        }
    }

    fn mark_dirty(&mut self, key: SessionKey) {
        if let Some(session) = self.sessions.get_mut(key.0)
            && !std::mem::replace(&mut session.is_dirty, true)
        {
            self.dirty.push(key);
        }
    }

    /// Sends an event of a session to its coordinator.
    fn emit(&mut self, key: SessionKey, event: SessionEvent) {
        if let Some(session) = self.sessions.get_mut(key.0) {
            let (holder, message) = session.address(event);
            self.outputs.push_back(Output::Signal(holder, message));
        }
    }
}
