//! A coordinator: the real core and tenures, and the shell around them imitated.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use velella_coordinator_core::{
    Arrival, CommandOutcome, Coordinator as Core, Door, Fact, FleetFact, Input, Noun, OpId, Output, Pass, Said,
    Suspect, Ticket, WorkerView, WriteOutcome,
};
use velella_model::record::{CoordinatorRecord, PeerKind};
use velella_model::wire::command::{Command, Order};
use velella_model::wire::signal::ServerEvent;
use velella_model::{CoordinatorId, Incarnation, Json, SessionId, WorkerId, key};
use velella_store::tenure::Standing;

use crate::bugs::Bug;
use crate::bus::Publish;
use crate::ctx::Ctx;
use crate::gateway;
use crate::keeping::Keeping;
use crate::mail::{Mail, PeerMail, Timer};
use crate::net::Node;
use crate::queue::Event;
use crate::store::{Answer, Call, Leased};
use crate::worker::probe_port;

/// As in the real shell.
const COMMAND_TIMEOUT: Duration = Duration::from_secs(2);
const PROBE_TIMEOUT: Duration = Duration::from_millis(300);
const STORE_TIMEOUT: Duration = Duration::from_secs(5);
const FOLLOW_RETRY: Duration = Duration::from_millis(500);
const OBSERVE_INTERVAL: Duration = Duration::from_secs(1);

const NOUNS: [Noun; 8] = [
    Noun::Workers,
    Noun::Cordons,
    Noun::Coordinators,
    Noun::Gateways,
    Noun::Rooms,
    Noun::Peers,
    Noun::Components,
    Noun::Ingests,
];

/// Between a socket and its peer.
const SOCKET_DELAY: Duration = Duration::from_millis(5);

pub(crate) struct Coordinator {
    index: usize,
    boot: u32,
    process: Option<Process>,
}

struct Process {
    node: Node,
    boot: u32,
    core: Core,
    presence: Keeping,
    leadership: Keeping,
    calls: BTreeMap<u64, Pending>,
    watches: BTreeMap<Noun, u64>,
    sockets: BTreeMap<SessionId, usize>,
    wakes_at: Option<Duration>,
}

/// Who waits for an answer.
#[derive(Clone, Debug)]
enum Pending {
    Write(OpId),
    Load(OpId),
    Follow(Noun),
    Command(OpId),
    /// Of a process that is at the address where it is said to be, as far as there is one.
    Probe {
        whom: Suspect,
        incarnation: Incarnation,
        node: Option<Node>,
    },
}

/// As deployed, each boot has a name of its own.
fn coordinator_id(index: usize, boot: u32) -> CoordinatorId {
    CoordinatorId::parse(&format!("c{index}.{boot}")).expect("letters and digits")
}

fn index_of(worker: &WorkerId) -> usize {
    worker.as_str().trim_start_matches('w').parse().unwrap_or(usize::MAX)
}

/// Who is suspected, and where its port is.
fn node_of(suspect: &Suspect) -> (Node, SocketAddr) {
    match suspect {
        Suspect::Worker(worker) => {
            let index = index_of(worker);
            (Node::Worker(index), probe_port(index))
        }
        Suspect::Gateway(gateway) => {
            let index = gateway.as_str().trim_start_matches('g').parse().unwrap_or(usize::MAX);
            (Node::Gateway(index), gateway::probe_port(index))
        }
    }
}

impl Coordinator {
    pub(crate) fn new(index: usize) -> Self {
        Self { index, boot: 0, process: None }
    }

    pub(crate) fn start(&mut self, ctx: &mut Ctx) {
        if self.process.is_some() {
            return;
        }
        self.boot += 1;
        let (node, boot, id) = (Node::Coordinator(self.index), self.boot, coordinator_id(self.index, self.boot));
        let fact = FleetFact::Coordinator(id.clone(), Some(CoordinatorRecord {}));
        let mut process = Process {
            node,
            boot,
            presence: Keeping::new(0, Leased { key: key::coordinator(&id), fact: Some(Fact::Fleet(fact)) }, ctx),
            leadership: Keeping::new(1, Leased { key: key::LEADER.into(), fact: None }, ctx),
            core: Core::new(id, String::new()),
            calls: BTreeMap::new(),
            watches: BTreeMap::new(),
            sockets: BTreeMap::new(),
            wakes_at: None,
        };
        ctx.tell(|| format!("{node:?} starts"));
        ctx.net.up.insert(node, boot);
        process.presence.go_on(node, boot, ctx);
        process.leadership.go_on(node, boot, ctx);
        NOUNS.iter().for_each(|noun| process.follow(*noun, ctx));
        ctx.remind(node, boot, ctx.now + OBSERVE_INTERVAL, Timer::Observe);
        self.process = Some(process);
    }

    pub(crate) fn stop(&mut self, ctx: &mut Ctx) {
        let Some(process) = self.process.take() else { return };
        ctx.tell(|| format!("{:?} dies", process.node));
        for (session, peer) in process.sockets {
            ctx.after(SOCKET_DELAY, Event::Peer(peer, PeerMail::Closed(session, None)));
        }
        ctx.net.up.remove(&process.node);
        ctx.net.paused.remove(&process.node);
        crate::store::forget_watches(process.node, ctx);
    }

    pub(crate) fn take(&mut self, mail: Mail, ctx: &mut Ctx) {
        if let Some(process) = &mut self.process {
            process.take(mail, ctx);
            process.wake_in_time(ctx);
        }
    }

    pub(crate) fn workers(&self, ctx: &Ctx) -> Vec<WorkerView> {
        self.process.as_ref().map(|process| process.core.workers(ctx.instant())).unwrap_or_default()
    }

    pub(crate) fn gateways_ready(&self, ctx: &Ctx) -> usize {
        self.process.as_ref().map(|process| process.core.gateways_ready(ctx.instant())).unwrap_or_default()
    }

    pub(crate) fn stats(&self) -> Option<velella_coordinator_core::Stats> {
        self.process.as_ref().map(|process| process.core.stats())
    }
}

impl Process {
    fn take(&mut self, mail: Mail, ctx: &mut Ctx) {
        match mail {
            Mail::Stored(id, answer) => self.stored(id, Some(*answer), ctx),
            Mail::StoreLate(id) => self.stored(id, None, ctx),
            Mail::Changed(watch, entry) => {
                if self.watches.values().any(|known| *known == watch) {
                    self.input(Input::Changed(*entry), ctx);
                }
            }
            Mail::WatchLost(noun, watch) => {
                if self.watches.get(&noun) == Some(&watch) {
                    self.watches.remove(&noun);
                    self.follow(noun, ctx);
                }
            }
            Mail::Announced(announce) => self.input(Input::Announced(*announce), ctx),
            Mail::GatewayAnnounced(announce) => self.input(Input::GatewayAnnounced(*announce), ctx),
            Mail::Holds(holding) => self.input(Input::Holds(holding), ctx),
            Mail::Signalled(message) => self.input(Input::Signalled(*message), ctx),
            Mail::Answered(id, outcome) => self.answered(id, outcome, ctx),
            Mail::BusLate(id) => self.answered(id, CommandOutcome::TimedOut, ctx),
            Mail::Asked(ticket, request) => {
                self.input(Input::Requested { ticket: Ticket(ticket), request: *request }, ctx);
            }
            Mail::SocketOpened { socket, session, room, peer } => {
                self.sockets.insert(session.clone(), socket);
                let (kind, pass) = (PeerKind::Webrtc, Pass::default());
                self.input(Input::Arrived(Arrival { session, room, peer, kind, pass, door: Door::Socket }), ctx);
            }
            Mail::SocketSaysConnect(session) => {
                let said = Said::Connect(Json::parse("{}").expect("an object"));
                self.input(Input::PeerSaid { session, said }, ctx);
            }
            Mail::SocketClosed(session) => {
                if self.sockets.remove(&session).is_some() {
                    self.input(Input::SocketClosed { session }, ctx);
                }
            }
            Mail::Timer(timer) => self.remembered(timer, ctx),
            Mail::Ordered { .. } | Mail::Signal => {}
        }
    }

    fn remembered(&mut self, timer: Timer, ctx: &mut Ctx) {
        match timer {
            Timer::Core(at) => {
                if self.wakes_at == Some(at) {
                    self.wakes_at = None;
                }
                let due = self.core.poll_timeout().is_some_and(|(at, _)| at <= ctx.instant());
                if due {
                    self.input(Input::Timeout, ctx);
                }
            }
            Timer::Keep(0) => self.presence.go_on(self.node, self.boot, ctx),
            Timer::Keep(_) => self.leadership.go_on(self.node, self.boot, ctx),
            Timer::Follow(noun) => self.follow(noun, ctx),
            Timer::Observe => {
                ctx.remind(self.node, self.boot, ctx.now + OBSERVE_INTERVAL, Timer::Observe);
                self.tell_leadership(ctx);
            }
            Timer::Announce | Timer::Hold | Timer::Audit => {}
        }
    }

    fn tell_leadership(&mut self, ctx: &mut Ctx) {
        let held = matches!(self.leadership.standing(), Standing::Held { until, .. } if ctx.instant() < until);
        self.input(Input::Leads(held && !ctx.has(Bug::NoLeader)), ctx);
    }

    fn follow(&mut self, noun: Noun, ctx: &mut Ctx) {
        let id = ctx.ask(self.node, self.boot, Call::Follow(noun), STORE_TIMEOUT);
        self.calls.insert(id, Pending::Follow(noun));
    }

    fn stored(&mut self, id: u64, answer: Option<Answer>, ctx: &mut Ctx) {
        let whose = (self.node, self.boot);
        if self.presence.answered(id, answer.as_ref(), whose, ctx) {
            return;
        }
        let before = self.leadership.standing();
        if self.leadership.answered(id, answer.as_ref(), whose, ctx) {
            if self.leadership.standing() != before {
                self.tell_leadership(ctx);
            }
            return;
        }
        let input = match (self.calls.remove(&id), answer) {
            (Some(Pending::Write(op)), Some(Answer::Written(outcome))) => Input::Written { op, outcome },
            (Some(Pending::Write(op)), _) => Input::Written { op, outcome: WriteOutcome::Failed },
            (Some(Pending::Load(op)), Some(Answer::Loaded(entries))) => Input::Loaded { op, entries: Some(entries) },
            (Some(Pending::Load(op)), _) => Input::Loaded { op, entries: None },
            (Some(Pending::Follow(noun)), Some(Answer::Listed { watch, entries, revision, .. })) => {
                self.watches.insert(noun, watch);
                Input::Listed { noun, entries, revision }
            }
            (Some(Pending::Follow(noun)), _) => {
                return ctx.remind(self.node, self.boot, ctx.now + FOLLOW_RETRY, Timer::Follow(noun));
            }
            (Some(Pending::Command(_) | Pending::Probe { .. }) | None, _) => return,
        };
        self.input(input, ctx);
    }

    fn answered(&mut self, id: u64, outcome: CommandOutcome, ctx: &mut Ctx) {
        match self.calls.remove(&id) {
            Some(Pending::Command(op)) => self.input(Input::Answered { op, outcome }, ctx),
            Some(Pending::Probe { whom, incarnation, node }) => {
                let refuses = node.is_some_and(|node| !ctx.net.up.contains_key(&node));
                let dead = outcome == CommandOutcome::NoResponders && refuses;
                self.input(Input::Probed { whom, incarnation, dead }, ctx);
            }
            Some(Pending::Write(_) | Pending::Load(_) | Pending::Follow(_)) | None => {}
        }
    }

    fn input(&mut self, input: Input, ctx: &mut Ctx) {
        self.core.handle_input(input, ctx.instant());
        while let Some(output) = self.core.poll_output() {
            self.execute(output, ctx);
        }
    }

    fn execute(&mut self, output: Output, ctx: &mut Ctx) {
        match output {
            Output::Write { op, fact, expect } => {
                let id = ctx.ask(self.node, self.boot, Call::Write(Box::new(fact), expect), STORE_TIMEOUT);
                self.calls.insert(id, Pending::Write(op));
            }
            Output::Load { op, room } => {
                let id = ctx.ask(self.node, self.boot, Call::Load(room), STORE_TIMEOUT);
                self.calls.insert(id, Pending::Load(op));
            }
            Output::Command { op, worker, incarnation, order } => {
                let command = Command { incarnation, order };
                self.request(Node::Worker(index_of(&worker)), command, Pending::Command(op), COMMAND_TIMEOUT, ctx);
            }
            Output::Probe { whom, incarnation, at } => {
                let (node, port) = node_of(&whom);
                let there = (at == Some(port)).then_some(node);
                let pending = Pending::Probe { whom, incarnation, node: there };
                self.request(node, Command { incarnation, order: Order::Ping }, pending, PROBE_TIMEOUT, ctx);
            }
            Output::Signal { worker, .. } => {
                ctx.publish(self.node, Publish::ToWorker(index_of(&worker)));
            }
            Output::Welcome { session, .. } => self.tell_peer(&session, PeerMail::Welcome(session.clone()), ctx),
            Output::ToSocket { session, event: ServerEvent::Connected { .. } } => {
                self.tell_peer(&session, PeerMail::Connected(session.clone()), ctx);
            }
            Output::ToSocket { .. } | Output::TrackTaken { .. } => {}
            // Nobody comes with an offer here.
            Output::Adopt { .. } | Output::Adopted { .. } => {}
            Output::CloseSocket { session, close } => {
                self.tell_peer(&session, PeerMail::Closed(session.clone(), Some(close)), ctx);
                self.sockets.remove(&session);
            }
            Output::Reply { ticket, reply } => {
                ctx.after(SOCKET_DELAY, Event::Replied(ticket.0, Some(Box::new(reply))));
            }
        }
    }

    fn request(&mut self, to: Node, command: Command, pending: Pending, timeout: Duration, ctx: &mut Ctx) {
        let id = ctx.id();
        self.calls.insert(id, pending);
        ctx.publish(self.node, Publish::Request { boot: self.boot, id, to, command });
        ctx.mail_in(self.node, self.boot, timeout, Mail::BusLate(id));
    }

    fn tell_peer(&self, session: &SessionId, mail: PeerMail, ctx: &mut Ctx) {
        if let Some(peer) = self.sockets.get(session) {
            ctx.after(SOCKET_DELAY, Event::Peer(*peer, mail));
        }
    }

    fn wake_in_time(&mut self, ctx: &mut Ctx) {
        let Some(at) = self.core.poll_timeout().map(|(at, _)| ctx.since_start(at).max(ctx.now)) else { return };
        if self.wakes_at.is_none_or(|wakes| at < wakes) {
            self.wakes_at = Some(at);
            ctx.remind(self.node, self.boot, at, Timer::Core(at));
        }
    }
}
