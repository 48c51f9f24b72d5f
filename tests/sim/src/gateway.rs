//! A gateway: the real board and tenure, and the shell around them imitated. It runs what names its boot.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::time::Duration;

use velella_coordinator_core::{Entry, Fact, Noun};
use velella_gateway_core::{Board, Change, Task};
use velella_model::component::{GatewayRecord, JobKind};
use velella_model::wire::announce::{ANNOUNCE_INTERVAL_MS, GatewayAnnounce, GatewayState};
use velella_model::wire::command::CommandReply;
use velella_model::{ComponentId, GatewayId, Generation, Incarnation, RoomId, key};
use velella_store::tenure::Standing;

use crate::bugs::Bug;
use crate::bus::Publish;
use crate::ctx::Ctx;
use crate::keeping::Keeping;
use crate::mail::{Mail, Timer};
use crate::net::{Hub, Lane, Node};
use crate::queue::Event;
use crate::store::{self, Answer, Call, Leased};

/// Enough for all cameras, so that one gateway alone can run them.
const CAPACITY_PERMILLE: u32 = 10_000;

/// Cost of a camera.
const CAMERA_PERMILLE: u32 = 30;

/// As in the real shell.
const STORE_TIMEOUT: Duration = Duration::from_secs(5);
const FOLLOW_RETRY: Duration = Duration::from_millis(500);

/// Which component of which room.
pub(crate) type Place = (RoomId, ComponentId);

pub(crate) struct Gateway {
    index: usize,
    boot: u32,
    process: Option<Process>,
}

struct Process {
    node: Node,
    boot: u32,
    gateway: GatewayId,
    incarnation: Incarnation,
    board: Board,
    keeping: Keeping,
    /// The call for a listing and a watch, and the watch.
    follows: Option<u64>,
    watch: Option<u64>,
    runs: BTreeSet<Place>,
    claimed: bool,
    announced: u64,
    draining: bool,
}

pub(crate) fn gateway_id(index: usize) -> GatewayId {
    GatewayId::parse(&format!("g{index}")).expect("letters and digits")
}

/// Where the TCP port of a gateway would be; its number tells whose it is.
pub(crate) fn probe_port(index: usize) -> SocketAddr {
    let port = u16::try_from(index).unwrap_or(0);
    SocketAddr::from(([127, 0, 0, 2], port))
}

impl Gateway {
    pub(crate) fn new(index: usize) -> Self {
        Self { index, boot: 0, process: None }
    }

    pub(crate) fn start(&mut self, ctx: &mut Ctx) {
        if self.process.is_some() {
            return;
        }
        self.boot += 1;
        let (node, boot, gateway, incarnation) =
            (Node::Gateway(self.index), self.boot, gateway_id(self.index), Incarnation(ctx.id()));
        let fact = Fact::Gateway(gateway.clone(), Some(GatewayRecord { incarnation }));
        let mut process = Process {
            node,
            boot,
            board: Board::new(gateway.clone(), incarnation),
            keeping: Keeping::new(0, Leased { key: key::gateway(&gateway), fact: Some(fact) }, ctx),
            gateway,
            incarnation,
            follows: None,
            watch: None,
            runs: BTreeSet::new(),
            claimed: false,
            announced: 0,
            draining: false,
        };
        ctx.tell(|| format!("{node:?} starts as {incarnation:?}"));
        ctx.net.up.insert(node, boot);
        process.keeping.go_on(node, boot, ctx);
        process.follow(ctx);
        ctx.remind(node, boot, ctx.now, Timer::Announce);
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
        ctx.net.up.remove(&node);
        ctx.net.paused.remove(&node);
        store::forget_watches(node, ctx);
    }

    pub(crate) fn take(&mut self, mail: Mail, ctx: &mut Ctx) {
        if let Some(process) = &mut self.process {
            process.take(mail, ctx);
        }
    }

    /// Its jobs shall go elsewhere.
    pub(crate) fn drain(&mut self) {
        if let Some(process) = &mut self.process {
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

    /// What it runs.
    pub(crate) fn runs(&self) -> impl Iterator<Item = &Place> {
        self.process.iter().flat_map(|process| &process.runs)
    }
}

impl Process {
    fn take(&mut self, mail: Mail, ctx: &mut Ctx) {
        match mail {
            Mail::Stored(id, answer) => self.stored(id, Some(*answer), ctx),
            Mail::StoreLate(id) => self.stored(id, None, ctx),
            Mail::Changed(watch, entry) if self.watch == Some(watch) => self.changed(*entry, ctx),
            Mail::WatchLost(_, watch) if self.watch == Some(watch) => self.follow(ctx),
            Mail::Timer(Timer::Keep(_)) => self.keeping.go_on(self.node, self.boot, ctx),
            Mail::Timer(Timer::Follow(_)) => self.follow(ctx),
            Mail::Timer(Timer::Announce) => self.announce(ctx),
            Mail::Ordered { from, boot, id, .. } => {
                ctx.publish(self.node, Publish::Reply { to: from, boot, id, reply: CommandReply::Done });
            }
            Mail::Changed(..)
            | Mail::WatchLost(..)
            | Mail::Signal
            | Mail::Timer(Timer::Core(_) | Timer::Observe | Timer::Hold | Timer::Audit)
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

    fn follow(&mut self, ctx: &mut Ctx) {
        self.watch = None;
        self.follows = Some(ctx.ask(self.node, self.boot, Call::Follow(Noun::Components), STORE_TIMEOUT));
    }

    fn stored(&mut self, id: u64, answer: Option<Answer>, ctx: &mut Ctx) {
        if self.keeping.answered(id, answer.as_ref(), (self.node, self.boot), ctx) || self.follows != Some(id) {
            return;
        }
        self.follows = None;
        let Some(Answer::Listed { noun, watch, entries, .. }) = answer else {
            return ctx.remind(self.node, self.boot, ctx.now + FOLLOW_RETRY, Timer::Follow(Noun::Components));
        };
        self.watch = (noun == Noun::Components).then_some(watch);
        let listed: BTreeSet<Place> = entries.iter().filter_map(|entry| place(&entry.fact)).collect();
        let known = self.board.tasks().map(|(room, id, _)| (room.clone(), id.clone()));
        let gone: Vec<Place> = known.filter(|place| !listed.contains(place)).collect();
        for (room, component) in gone {
            self.stands(room, component, None, ctx);
        }
        entries.into_iter().for_each(|entry| self.changed(entry, ctx));
    }

    fn changed(&mut self, Entry { fact, revision }: Entry, ctx: &mut Ctx) {
        if let Fact::Component(room, component, record) = fact {
            let task = record.map(|record| Task { record, generation: Generation(revision.0) });
            self.stands(room, component, task, ctx);
        }
    }

    fn stands(&mut self, room: RoomId, component: ComponentId, task: Option<Task>, ctx: &mut Ctx) {
        match self.board.component(room, component, task) {
            Some(Change::Start(room, component, _)) => {
                ctx.tell(|| format!("{:?} runs {room}/{component}", self.node));
                self.runs.insert((room, component));
            }
            Some(Change::Stop(..)) if ctx.has(Bug::Unstopped) => {}
            Some(Change::Stop(room, component)) => {
                ctx.tell(|| format!("{:?} stops {room}/{component}", self.node));
                self.runs.remove(&(room, component));
            }
            Some(Change::Moved(_) | Change::Peopled(_) | Change::Subscribed(..)) | None => {}
        }
    }

    fn announce(&mut self, ctx: &mut Ctx) {
        ctx.remind(self.node, self.boot, ctx.now + Duration::from_millis(ANNOUNCE_INTERVAL_MS), Timer::Announce);
        let held = matches!(self.keeping.standing(), Standing::Held { until, .. } if ctx.instant() < until);
        self.claimed |= held;
        let state = match (held, self.draining) {
            (false, _) if !self.claimed => return,
            (false, _) => GatewayState::Fenced,
            (true, true) => GatewayState::Draining,
            (true, false) => GatewayState::Ready,
        };
        self.announced += 1;
        let Node::Gateway(index) = self.node else { return };
        let announce = GatewayAnnounce {
            gateway: self.gateway.clone(),
            incarnation: self.incarnation,
            seq: self.announced,
            state,
            region: String::new(),
            version: String::new(),
            probe: Some(probe_port(index)),
            offers: BTreeMap::from([(JobKind::File, CAMERA_PERMILLE)]),
            listens: BTreeMap::new(),
            transcoder: None,
            listens_encrypted: BTreeMap::new(),
            serves: None,
            capacity_permille: CAPACITY_PERMILLE,
            load_permille: 0,
            jobs: u32::try_from(self.runs.len()).unwrap_or(u32::MAX),
        };
        ctx.publish(self.node, Publish::GatewayAnnounce(announce));
    }
}

fn place(fact: &Fact) -> Option<Place> {
    if let Fact::Component(room, component, Some(_)) = fact { Some((room.clone(), component.clone())) } else { None }
}
