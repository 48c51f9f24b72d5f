//! Which worker serves a room, and what happens to rooms, peers and their sockets: pure.
//!
//! Inputs say what happened, outputs say what to do; `now` comes with the input. This file holds
//! the three doors and routes between the machines, one file each: [`placement`] (which worker),
//! `placing` (a room on its way there), `joining` (a socket or an offer on its way into a room), `streaming`
//! (one at a time), `signalling` (an open session), `adoption` (one that another coordinator held), `fleet` and `death` (which workers live), `evacuation` (rooms that have to leave their
//! worker), `gateways` (which of them live), `jobs` (which gateway does what), `handover` (jobs that need
//! another gateway), `broadcasts` (rooms as streams), `readings` (what comes through of components), `steering` (what operators want), `sweep` (what the leader tidies up), `edits` (peer records), `requests` and `removal` (the management API).
//! Two are machines of their own: the [`chronicle`] (what is told to servers, with `notice`) and the
//! [`outbox`] (webhooks on their way).

#![warn(missing_docs)]

mod adoption;
mod broadcasts;
pub mod chronicle;
mod close;
mod component_requests;
mod components;
mod death;
mod edits;
mod effects;
mod evacuation;
mod fleet;
mod gateways;
mod handover;
mod history;
mod input;
mod jobs;
mod joining;
mod notice;
pub mod outbox;
mod output;
pub mod placement;
mod placing;
mod purge;
mod readings;
mod records;
mod registry;
mod removal;
mod requests;
mod reservation;
mod room_edits;
mod sessions;
mod shelf;
mod signalling;
mod stats;
mod steering;
mod streaming;
mod subscriptions;
mod sweep;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use velella_model::component::{IngestState, JobKind};
use velella_model::record::Connection;
use velella_model::wire::announce::WorkerState;
use velella_model::{CoordinatorId, PeerId, RoomId};

pub use crate::close::Close;
pub use crate::component_requests::COMPONENTS_MAX;
pub use crate::components::ComponentView;
pub use crate::fleet::Fleet;
pub use crate::history::{HistoryView, SAMPLE_EVERY, SAMPLES_MAX, Tick, Totals, WorkerHistory};
pub use crate::input::{
    Arrival, CommandOutcome, Door, Entry, Fact, FleetFact, HistoryQuery, Input, Noun, OpId, Pass, PeerEdit, PeerSpec,
    Request, Revision, RoomPatch, RoomQuery, Said, Ticket, WriteOutcome,
};
pub use crate::notice::{Hook, Notice, Peer as PeerTold, Publisher, Told, Track as TrackTold};
pub use crate::output::{Denial, Expect, GatewayView, Output, Reply, RoomView, Suspect, WorkerView};
pub use crate::registry::{FORGET_AFTER, Heard, Registry, SUSPECT_AFTER, WORKERS_MAX};
pub use crate::stats::Stats;
pub use crate::subscriptions::SUBSCRIPTIONS_MAX;

use crate::edits::Edits;
use crate::effects::{CommandStep, Parked, WriteStep};
use crate::evacuation::Evacuation;
use crate::gateways::Gateways;
use crate::handover::Giving;
use crate::history::History;
use crate::placing::Placing;
use crate::purge::Purge;
use crate::records::{News, Records};
use crate::sessions::{Sessions, Site};
use crate::sweep::Sweep;

/// How long a peer that nobody asked for stays listed without a connection: it may come again at once.
pub(crate) const PASSING_PURGE_S: u32 = 10;

/// The machine.
#[derive(Debug)]
pub struct Coordinator {
    id: CoordinatorId,
    region: String,
    registry: Registry,
    fleet: Fleet,
    records: Records,
    sessions: Sessions,
    placings: BTreeMap<RoomId, Placing>,
    edits: Edits,
    purge: Purge,
    evacuation: Evacuation,
    gateways: Gateways,
    handover: Evacuation,
    giving: Giving,
    sweep: Sweep,
    /// This coordinator tidies up for all.
    leads: bool,
    history: History,
    /// Peers being written, per room: they count for the room's limit.
    adding: BTreeMap<RoomId, usize>,
    /// The same of components.
    adding_components: BTreeMap<RoomId, usize>,
    writes: BTreeMap<OpId, WriteStep>,
    commands: BTreeMap<OpId, CommandStep>,
    loads: BTreeMap<OpId, Parked>,
    next_op: u64,
    outputs: VecDeque<Output>,
    stats: Stats,
}

/// Why a coordinator wants to be woken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reason {
    /// Rooms have to leave their worker.
    Evacuate,
    /// Components need another gateway.
    HandOver,
    /// A worker was silent for so long that it is suspect.
    ProbeWorker,
    /// The same of a gateway.
    ProbeGateway,
    /// Connections without sockets are looked for.
    Sweep,
    /// A worker was silent for so long that it is forgotten.
    ForgetWorker,
    /// A session's next attempt to open is due, or its patience ends.
    OpenSession,
    /// A write that the store refused is due again.
    RetryEdit,
    /// A room or peer was unused for as long as its spec says.
    Purge,
    /// The history wants a sample.
    SampleHistory,
}

impl Coordinator {
    /// A coordinator that knows nothing yet; `region` is preferred for new rooms, empty for none.
    pub fn new(id: CoordinatorId, region: String) -> Self {
        Self {
            id,
            region,
            registry: Registry::default(),
            fleet: Fleet::new(),
            records: Records::new(),
            sessions: Sessions::default(),
            placings: BTreeMap::new(),
            edits: Edits::default(),
            purge: Purge::default(),
            evacuation: Evacuation::default(),
            gateways: Gateways::new(),
            handover: Evacuation::default(),
            giving: Giving::new(),
            sweep: Sweep::default(),
            leads: false,
            history: History::default(),
            adding: BTreeMap::new(),
            adding_components: BTreeMap::new(),
            writes: BTreeMap::new(),
            commands: BTreeMap::new(),
            loads: BTreeMap::new(),
            next_op: 0,
            outputs: VecDeque::new(),
            stats: Stats::default(),
        }
    }

    /// Takes what happened. Drain `poll_output` afterwards.
    pub fn handle_input(&mut self, input: Input, now: Instant) {
        match input {
            Input::Announced(announce) => self.announced(announce, now),
            Input::Holds(holding) => self.held_by(holding, now),
            Input::GatewayAnnounced(announce) => self.gateway_announced(announce, now),
            Input::IngestsReported(report) => self.records.components.heard(report, now),
            Input::Probed { whom, incarnation, dead } => self.probed(whom, incarnation, dead),
            Input::Leads(leads) => self.lead(leads, now),
            Input::Listed { noun: noun @ (Noun::Workers | Noun::Cordons | Noun::Coordinators), entries, revision } => {
                self.fleet.listed(noun, entries, revision);
                self.evacuation.wake(now);
            }
            Input::Listed { noun: Noun::Gateways, entries, revision } => {
                self.gateways.listed(entries, revision, now);
                self.handover.wake(now);
            }
            Input::Changed(Entry { fact: Fact::Gateway(id, record), revision }) => {
                self.gateways.watched(id, record, revision, now);
                self.handover.wake(now);
            }
            Input::Changed(Entry { fact: Fact::Fleet(fact), revision }) => {
                if self.fleet.watched(fact, revision) {
                    self.evacuation.wake(now);
                }
            }
            Input::Listed { noun, entries, revision } => {
                self.sweep.begin(now);
                for news in self.records.listed(noun, entries, revision) {
                    self.react(news, now);
                }
            }
            Input::Changed(entry) => {
                if let Some(news) = self.records.watched(entry) {
                    self.react(news, now);
                }
            }
            Input::Requested { ticket, request } => self.requested(ticket, request, false, now),
            Input::Written { op, outcome } => self.written(op, outcome, now),
            Input::Loaded { op, entries } => self.loaded(op, entries, now),
            Input::Answered { op, outcome } => self.command_answered(op, outcome, now),
            Input::Arrived(arrival) => self.arrived(arrival, false, now),
            Input::SocketClosed { session } => self.leave(&session, now),
            Input::PeerSaid { session, said } => self.peer_said(&session, said, now),
            Input::Signalled(message) => self.signalled(message, now),
            Input::SignalFailed { session } => {
                self.stats.signal_gaps += 1;
                self.close(&session, Close::SignalLost, now);
            }
            Input::Timeout => self.timed_out(now),
        }
    }

    /// What to do next; `None` until something happens again.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// When to send [`Input::Timeout`], and why.
    pub fn poll_timeout(&self) -> Option<(Instant, Reason)> {
        let timers = [
            (self.evacuation.next(), Reason::Evacuate),
            (self.handover.next(), Reason::HandOver),
            (self.registry.next_probe(), Reason::ProbeWorker),
            (self.gateways.next(), Reason::ProbeGateway),
            (self.sweep.next(), Reason::Sweep),
            (self.registry.next_forget(), Reason::ForgetWorker),
            (self.sessions.next_due(), Reason::OpenSession),
            (self.edits.next_retry(), Reason::RetryEdit),
            (self.purge.next(), Reason::Purge),
            (self.history.next(), Reason::SampleHistory),
        ];
        timers.into_iter().filter_map(|(at, reason)| Some((at?, reason))).min()
    }

    /// The workers as this coordinator sees them.
    pub fn workers(&self, now: Instant) -> Vec<WorkerView> {
        self.registry.views(&self.fleet, |worker| self.records.placed_at(worker), now)
    }

    /// How many gateways take jobs.
    pub fn gateways_ready(&self, now: Instant) -> usize {
        self.gateways.ready(now)
    }

    /// How many components there are of each kind and state.
    pub fn components(&self) -> BTreeMap<(JobKind, IngestState), u64> {
        self.records.components.count()
    }

    /// What was counted so far.
    pub fn stats(&self) -> Stats {
        Stats {
            sessions: self.sessions.len() as u64,
            sessions_opening: self.sessions.opening() as u64,
            workers: self.registry.len() as u64,
            rooms: self.records.rooms_len() as u64,
            peers: self.records.peers_len() as u64,
            leads: self.leads,
            ..self.stats
        }
    }

    fn announced(&mut self, announce: velella_model::wire::announce::Announce, now: Instant) {
        let worker = announce.worker.clone();
        self.history.begin(now);
        if announce.state == WorkerState::Draining {
            self.evacuation.wake(now);
        }
        match self.registry.hear(announce, now) {
            Heard::Renewed => {}
            Heard::Stale | Heard::TooMany => self.stats.announcements_ignored += 1,
            Heard::Restarted { before } => {
                tracing::warn!(%worker, "a worker restarted; its sessions join again");
                for session in self.sessions.at(&worker, before) {
                    self.close(&session, Close::WorkerRestarted, now);
                }
            }
        }
    }

    fn lead(&mut self, leads: bool, now: Instant) {
        if std::mem::replace(&mut self.leads, leads) == leads {
            return;
        }
        tracing::info!(coordinator = %self.id, leads, "leadership changed");
        self.sweep.lead(leads, now);
        self.evacuation.wake(now);
        self.handover.wake(now);
    }

    fn timed_out(&mut self, now: Instant) {
        self.probe_silent(now);
        self.registry.forget_silent(now);
        self.evacuate(now);
        self.probe_silent_gateways(now);
        self.hand_over(now);
        self.sweep_connections(now);
        if self.history.is_due(now) {
            let totals = self.totals(now);
            self.stats.history_skipped += self.history.sample(totals, self.registry.loads(now), now);
        }
        self.retry_opening(now);
        for (room, peer) in self.edits.take_due(now) {
            self.flush_edit(&room, &peer, now);
        }
        for (room, peer) in self.purge.take_due_peers(now) {
            self.stats.purged += 1;
            self.purge_peer(room, peer);
        }
        for room in self.purge.take_due_rooms(now) {
            self.stats.purged += 1;
            self.remove_room(room, None);
        }
    }

    pub(crate) fn totals(&self, now: Instant) -> Totals {
        Totals {
            rooms: self.records.rooms_len() as u64,
            peers: self.records.peers_len() as u64,
            peers_connected: self.records.connected(),
            workers: self.registry.len() as u64,
            workers_ready: self.registry.ready(now) as u64,
        }
    }

    /// Everything that follows from a change of the records, whoever made it.
    fn react(&mut self, news: News, now: Instant) {
        let room = match news {
            News::RoomGone(room, record) => return self.room_gone(&room, &record, now),
            News::RoomPut(room, _) => {
                self.room_stands(&room, now);
                room
            }
            News::PeerPut(room, peer, _) => {
                self.peer_stands(&room, &peer, now);
                room
            }
            News::PeerGone(room, peer, _) => {
                self.peer_gone(&room, &peer, now);
                room
            }
            News::Component(key) => return self.component_stands(&key, now),
        };
        self.schedule_room_purge(&room, now);
    }

    /// Sessions of another placement than the record's are over: the room moved, perhaps away and back.
    fn room_stands(&mut self, room: &RoomId, now: Instant) {
        let Some(record) = self.records.room(room) else { return };
        let here = Site::of(&record.placement);
        self.registry.record(&here.worker, room, record.spec.room_type, now);
        // Whoever placed it may not have known what is known here.
        self.wake_for(room, now);
        let members: Vec<PeerId> = self.records.members(room).map(|(peer, _)| peer.clone()).collect();
        members.iter().for_each(|peer| self.schedule_peer_purge(room, peer, now));
        for session in self.sessions.of_room(room) {
            let elsewhere = self.sessions.get(&session).and_then(|s| s.site()).is_some_and(|site| *site != here);
            if elsewhere {
                self.close(&session, Close::WorkerRestarted, now);
            }
        }
        self.open_waiting(room, now);
    }

    /// A session whose claim was overwritten is over: the peer came by another socket.
    fn peer_stands(&mut self, room: &RoomId, peer: &PeerId, now: Instant) {
        let Some(record) = self.records.peer(room, peer) else { return };
        let present = record.connection.clone();
        let (series, kicked) = (record.token_series, record.kicked.clone());
        self.schedule_peer_purge(room, peer, now);
        for session in self.sessions.of_peer(room, peer) {
            let revoked = self.sessions.get(&session).is_some_and(|session| session.pass.token_series < series);
            if let Some(why) = &kicked {
                self.close(&session, Close::PeerRemoved(Some(why.as_str().into())), now);
            } else if revoked {
                self.close(&session, Close::TokenRevoked, now);
            } else {
                self.tell_worker_of(&session, now);
            }
        }
        let Some(Connection { session: present, coordinator, .. }) = present else { return };
        for session in self.sessions.of_peer(room, peer) {
            let claimed = self.sessions.get(&session).is_some_and(|session| session.claimed);
            if claimed && session == present && coordinator != self.id {
                self.abandon(&session);
            } else if claimed && session != present {
                self.stats.takeovers += 1;
                self.close(&session, Close::TakenOver, now);
            }
        }
    }

    fn schedule_room_purge(&mut self, room: &RoomId, now: Instant) {
        let purge_s = self.records.room(room).and_then(|record| record.spec.peerless_purge_s);
        let purge_s = purge_s.filter(|_| !self.records.is_in_use(room));
        self.purge.room(room, now, purge_s.map(|s| Duration::from_secs(s.into())));
    }

    fn schedule_peer_purge(&mut self, room: &RoomId, peer: &PeerId, now: Instant) {
        let purge_s = self.records.room(room).and_then(|record| record.spec.peer_purge_s);
        let record = self.records.peer(room, peer);
        let passing = record.is_some_and(|record| record.passing).then_some(PASSING_PURGE_S);
        let connected = record.is_some_and(|record| record.connection.is_some());
        let purge_s = passing.or(purge_s).filter(|_| !connected);
        self.purge.peer(room, peer, now, purge_s.map(|s| Duration::from_secs(s.into())));
    }
}
