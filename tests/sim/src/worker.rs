//! A worker: the real ledger and tenure, and the shell around them imitated.

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::time::Duration;

use velella_coordinator_core::{Fact, FleetFact};
use velella_model::record::WorkerRecord;
use velella_model::wire::announce::{ANNOUNCE_INTERVAL_MS, Announce, Capacity, Load, WorkerState};
use velella_model::wire::command::{Command, CommandReply, Holder, OpenSession, Order, Refusal};
use velella_model::wire::holding::{HOLDING_INTERVAL_MS, Holding};
use velella_model::wire::signal::{CloseReason, ServerEvent, SessionEvent, ToHolder};
use velella_model::{Generation, Incarnation, PeerId, RoomId, SessionId, WorkerId, key};
use velella_store::tenure::Standing;
use velella_worker_core::{Ledger, Routed};

use crate::bugs::Bug;
use crate::bus::Publish;
use crate::ctx::Ctx;
use crate::keeping::Keeping;
use crate::mail::{Mail, Timer};
use crate::net::{Hub, Lane, Node};
use crate::oracle;
use crate::queue::Event;
use crate::store::{Answer, Call, Leased};

/// Rooms that one worker takes: enough for all, so that one worker alone can serve them.
const ROOMS_MAX: u32 = 100;

/// Wait before the store is asked again about a room.
const AUDIT_RETRY: Duration = Duration::from_millis(500);

/// When a call to the store counts as unanswered.
const STORE_TIMEOUT: Duration = Duration::from_secs(5);

pub(crate) struct Worker {
    index: usize,
    boot: u32,
    process: Option<Process>,
}

struct Process {
    node: Node,
    boot: u32,
    worker: WorkerId,
    incarnation: Incarnation,
    ledger: Ledger,
    keeping: Keeping,
    audited: u64,
    audit: Option<Audit>,
    sessions: BTreeMap<SessionId, Served>,
    announced: u64,
    draining: bool,
}

/// Rooms that are looked after for one claim.
struct Audit {
    claim: u64,
    left: VecDeque<(RoomId, Generation)>,
    call: Option<u64>,
    superseded: Vec<(RoomId, Generation)>,
}

struct Served {
    room: RoomId,
    peer: PeerId,
    coordinator: usize,
    said: u64,
}

/// Where the TCP port of a worker would be; its number tells whose it is.
pub(crate) fn probe_port(index: usize) -> SocketAddr {
    let port = u16::try_from(index).unwrap_or(0);
    SocketAddr::from(([127, 0, 0, 1], port))
}

pub(crate) fn worker_id(index: usize) -> WorkerId {
    WorkerId::parse(&format!("w{index}")).expect("letters and digits")
}

impl Worker {
    pub(crate) fn new(index: usize) -> Self {
        Self { index, boot: 0, process: None }
    }

    pub(crate) fn start(&mut self, ctx: &mut Ctx) {
        if self.process.is_some() {
            return;
        }
        self.boot += 1;
        let (node, worker, incarnation) = (Node::Worker(self.index), worker_id(self.index), Incarnation(ctx.id()));
        let fact = FleetFact::Worker(worker.clone(), Some(WorkerRecord { incarnation }));
        let capacity = Capacity { load_permille_max: 800, rooms_max: ROOMS_MAX, sessions_max: 1_000 };
        let mut process = Process {
            node,
            boot: self.boot,
            incarnation,
            ledger: Ledger::new(incarnation, capacity, 2),
            keeping: Keeping::new(0, Leased { key: key::worker(&worker), fact: Some(Fact::Fleet(fact)) }, ctx),
            worker,
            audited: 0,
            audit: None,
            sessions: BTreeMap::new(),
            announced: 0,
            draining: false,
        };
        ctx.tell(|| format!("{node:?} starts as {incarnation:?}"));
        ctx.net.up.insert(node, self.boot);
        process.keeping.go_on(node, self.boot, ctx);
        ctx.remind(node, self.boot, ctx.now, Timer::Announce);
        ctx.remind(node, self.boot, ctx.now, Timer::Hold);
        self.process = Some(process);
    }

    /// Ends the process; `politely` gives its key back.
    pub(crate) fn stop(&mut self, politely: bool, ctx: &mut Ctx) {
        let Some(process) = self.process.take() else { return };
        let (node, boot) = (process.node, process.boot);
        ctx.tell(|| format!("{node:?} ends, politely: {politely}"));
        if let Some(lease) = process.keeping.lease().filter(|_| politely) {
            let at = ctx.net.arrival(node, Lane::To(Hub::Store), ctx.now, &mut ctx.dice);
            ctx.queue.at(at, Event::AtStore { from: node, boot, id: 0, call: Box::new(Call::Revoke(lease)) });
        }
        ctx.oracle.held.remove(&(process.worker, process.incarnation));
        ctx.net.up.remove(&node);
        ctx.net.paused.remove(&node);
    }

    pub(crate) fn take(&mut self, mail: Mail, ctx: &mut Ctx) {
        let Some(process) = &mut self.process else { return };
        process.take(mail, ctx);
        let boot = (process.worker.clone(), process.incarnation);
        let held = process.rooms().collect();
        ctx.oracle.held.insert(boot, held);
    }

    /// Its rooms shall go elsewhere.
    pub(crate) fn drain(&mut self) {
        if let Some(process) = &mut self.process {
            process.ledger.drain();
            process.draining = true;
        }
    }

    /// It was told to end, and has not ended yet.
    pub(crate) fn is_draining(&self) -> bool {
        self.process.as_ref().is_some_and(|process| process.draining)
    }

    pub(crate) fn incarnation(&self) -> Option<Incarnation> {
        self.process.as_ref().map(|process| process.incarnation)
    }

    /// Whether it serves this session.
    pub(crate) fn serves(&self, session: &SessionId) -> bool {
        self.process.as_ref().is_some_and(|process| process.sessions.contains_key(session))
    }

    pub(crate) fn rooms(&self) -> Vec<(RoomId, Generation)> {
        self.process.iter().flat_map(Process::rooms).collect()
    }
}

impl Process {
    fn take(&mut self, mail: Mail, ctx: &mut Ctx) {
        match mail {
            Mail::Stored(id, answer) => self.stored(id, Some(*answer), ctx),
            Mail::StoreLate(id) => self.stored(id, None, ctx),
            Mail::Timer(Timer::Keep(_)) => self.keeping.go_on(self.node, self.boot, ctx),
            Mail::Timer(Timer::Audit) => self.look_after_next(ctx),
            Mail::Timer(Timer::Announce) => self.announce(ctx),
            Mail::Timer(Timer::Hold) => self.tell_holding(ctx),
            Mail::Ordered { from, boot, id, command } => self.ordered((from, boot, id), *command, ctx),
            Mail::Signal
            | Mail::Timer(Timer::Core(_) | Timer::Follow(_) | Timer::Observe)
            | Mail::Changed(..)
            | Mail::WatchLost(..)
            | Mail::Announced(_)
            | Mail::GatewayAnnounced(_)
            | Mail::Holds(_)
            | Mail::Signalled(_)
            | Mail::Answered(..)
            | Mail::BusLate(_)
            | Mail::Asked(..)
            | Mail::SocketOpened { .. }
            | Mail::SocketSaysConnect(_)
            | Mail::SocketClosed(_) => {}
        }
    }

    fn stored(&mut self, id: u64, answer: Option<Answer>, ctx: &mut Ctx) {
        let before = self.keeping.standing();
        if self.keeping.answered(id, answer.as_ref(), (self.node, self.boot), ctx) {
            if self.keeping.standing() != before {
                self.tenure_changed(ctx);
            }
        } else if self.audit.as_ref().is_some_and(|audit| audit.call == Some(id)) {
            self.audit_answered(answer, ctx);
        }
    }

    fn tenure_changed(&mut self, ctx: &mut Ctx) {
        match self.keeping.standing() {
            Standing::Held { .. } if ctx.has(Bug::NoFence) => {
                self.ledger.admit_until(Some(ctx.instant() + Duration::from_secs(1_000)));
            }
            Standing::Held { claim, until } if claim == self.audited || ctx.has(Bug::NoAudit) => {
                self.ledger.admit_until(Some(until));
                let rooms: Vec<_> = self.rooms().collect();
                oracle::opens(&(self.worker.clone(), self.incarnation), &rooms, ctx);
            }
            Standing::Held { claim, .. } => {
                let left = self.rooms().collect();
                self.audit = Some(Audit { claim, left, call: None, superseded: Vec::new() });
                self.look_after_next(ctx);
            }
            Standing::Out | Standing::Taken if ctx.has(Bug::NoFence) => {}
            Standing::Out | Standing::Taken => self.ledger.admit_until(None),
        }
    }

    fn rooms(&self) -> impl Iterator<Item = (RoomId, Generation)> {
        self.ledger.rooms().map(|(room, generation)| (room.clone(), generation))
    }

    fn look_after_next(&mut self, ctx: &mut Ctx) {
        let Some(audit) = self.audit.as_mut().filter(|audit| audit.call.is_none()) else { return };
        if let Some((room, _)) = audit.left.front() {
            audit.call = Some(ctx.ask(self.node, self.boot, Call::Room(room.clone()), STORE_TIMEOUT));
            return;
        }
        let Some(audit) = self.audit.take() else { return };
        for (room, generation) in audit.superseded {
            ctx.tell(|| format!("{:?} finds {room} elsewhere", self.node));
            if let Some(routed) = self.ledger.superseded(room, generation) {
                self.carry_out(routed, ctx);
            }
        }
        self.audited = audit.claim;
        self.tenure_changed(ctx);
    }

    fn audit_answered(&mut self, answer: Option<Answer>, ctx: &mut Ctx) {
        let Some(audit) = &mut self.audit else { return };
        audit.call = None;
        let Some(Answer::Room(record)) = answer else {
            return ctx.remind(self.node, self.boot, ctx.now + AUDIT_RETRY, Timer::Audit);
        };
        let placement = record.map(|record| record.placement);
        let here = placement.is_some_and(|p| p.worker == self.worker && p.incarnation == self.incarnation);
        if let Some(room) = audit.left.pop_front()
            && !here
        {
            audit.superseded.push(room);
        }
        self.look_after_next(ctx);
    }

    fn announce(&mut self, ctx: &mut Ctx) {
        ctx.remind(self.node, self.boot, ctx.now + Duration::from_millis(ANNOUNCE_INTERVAL_MS), Timer::Announce);
        let state = self.ledger.state(ctx.instant());
        if state == WorkerState::Starting || (state == WorkerState::Fenced && ctx.has(Bug::Shy)) {
            return;
        }
        let (generation, assigned_total) = self.ledger.newest();
        let (rooms, sessions) = self.ledger.held();
        self.announced += 1;
        let Node::Worker(index) = self.node else { return };
        let announce = Announce {
            worker: self.worker.clone(),
            incarnation: self.incarnation,
            seq: self.announced,
            state,
            region: String::new(),
            labels: BTreeMap::new(),
            version: String::new(),
            endpoints: Vec::new(),
            probe: Some(probe_port(index)),
            capacity: self.ledger.capacity(),
            load: Load { rooms, sessions, cpu_permille: 10 * rooms, ..Load::default() },
            assigned_total,
            generation,
        };
        ctx.publish(self.node, Publish::Announce(announce));
    }

    fn tell_holding(&self, ctx: &mut Ctx) {
        ctx.remind(self.node, self.boot, ctx.now + Duration::from_millis(HOLDING_INTERVAL_MS), Timer::Hold);
        if ctx.has(Bug::NoCloses) || ctx.has(Bug::Unmoved) {
            return;
        }
        let rooms = self.rooms().collect();
        let holding = Holding { worker: self.worker.clone(), incarnation: self.incarnation, rooms };
        ctx.publish(self.node, Publish::Holding(holding));
    }

    fn ordered(&mut self, (from, boot, id): (Node, u32, u64), command: Command, ctx: &mut Ctx) {
        if (ctx.has(Bug::NoCloses) || ctx.has(Bug::Unmoved)) && matches!(command.order, Order::CloseRoom { .. }) {
            return;
        }
        let admits = match &command.order {
            Order::AssignRoom { assignment } => Some(assignment.clone()),
            Order::OpenSession { session } => Some(session.assignment.clone()),
            Order::CloseRoom { .. } | Order::CloseSession { .. } | Order::AdoptSession { .. } | Order::Ping => None,
        };
        let order = ctx.trace.is_some().then(|| short(&command.order));
        let reply = match self.ledger.handle_command(command, ctx.instant()) {
            Ok(routed) => {
                if let Some(assignment) = admits {
                    let boot = (self.worker.clone(), self.incarnation);
                    oracle::admitted(&boot, &assignment.room, assignment.generation, ctx);
                }
                self.carry_out(routed, ctx);
                CommandReply::Done
            }
            Err(Refusal::WrongIncarnation) if self.ledger.is_fenced(ctx.instant()) => return,
            Err(reason) => CommandReply::Refused { reason },
        };
        if let Some(order) = order {
            ctx.tell(|| format!("{:?} ({:?}) takes from {from:?}: {order} → {reply:?}", self.node, self.incarnation));
        }
        ctx.publish(self.node, Publish::Reply { to: from, boot, id, reply });
    }

    fn carry_out(&mut self, routed: Routed, ctx: &mut Ctx) {
        match routed {
            // Nobody comes with an offer here.
            Routed::Nothing | Routed::AssignRoom(..) | Routed::AdoptSession(..) => {}
            Routed::OpenSession(_, session) => self.open(session, ctx),
            Routed::CloseSession(_, session) => self.close(&session, CloseReason::Asked, ctx),
            Routed::CloseRoom(_, room) => {
                let inside = self.sessions.iter().filter(|(_, served)| served.room == room);
                let inside: Vec<SessionId> = inside.map(|(session, _)| session.clone()).collect();
                inside.iter().for_each(|session| self.close(session, CloseReason::RoomClosed, ctx));
            }
        }
    }

    fn open(&mut self, open: OpenSession, ctx: &mut Ctx) {
        let OpenSession { assignment, session, peer, holder, .. } = open;
        let room = assignment.room;
        let older = self.sessions.iter().filter(|(_, served)| served.room == room && served.peer == peer);
        let older: Vec<SessionId> = older.map(|(session, _)| session.clone()).collect();
        older.iter().for_each(|session| self.close(session, CloseReason::TakenOver, ctx));
        let index = match &holder {
            Holder::Coordinator { coordinator } => coordinator.as_str().trim_start_matches('c').split('.').next(),
            Holder::Gateway { .. } => None,
        };
        let coordinator = index.and_then(|index| index.parse().ok()).unwrap_or(usize::MAX);
        self.sessions.insert(session.clone(), Served { room, peer: peer.clone(), coordinator, said: 0 });
        let event = ServerEvent::Connected { endpoint: peer, endpoints: BTreeMap::new() };
        self.say(&session, SessionEvent::ToPeer { event }, ctx);
    }

    fn close(&mut self, session: &SessionId, reason: CloseReason, ctx: &mut Ctx) {
        self.say(session, SessionEvent::Closed { reason }, ctx);
        self.sessions.remove(session);
        self.ledger.session_closed(session);
    }

    fn say(&mut self, session: &SessionId, event: SessionEvent, ctx: &mut Ctx) {
        let Some(served) = self.sessions.get_mut(session) else { return };
        let message = ToHolder { session: session.clone(), seq: served.said, event };
        served.said += 1;
        if !ctx.has(Bug::Mute) {
            ctx.publish(self.node, Publish::ToHolder(served.coordinator, message));
        }
    }
}

fn short(order: &Order) -> String {
    match order {
        Order::AssignRoom { assignment } => {
            format!("assign {} generation {}", assignment.room, assignment.generation.0)
        }
        Order::OpenSession { session } => {
            let (room, generation) = (&session.assignment.room, session.assignment.generation.0);
            format!("open session {} of {room}/{} generation {generation}", session.session, session.peer)
        }
        Order::CloseRoom { room, generation } => format!("close {room} generation {}", generation.0),
        Order::CloseSession { session } => format!("close session {session}"),
        Order::AdoptSession { session, .. } => format!("adopt session {session}"),
        Order::Ping => "ping".into(),
    }
}
