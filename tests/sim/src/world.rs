//! All of a cluster, and its time: one event after the other.

use std::collections::BTreeMap;
use std::time::Duration;

use velella_model::key;

use crate::bugs::Bug;
use crate::bus;
use crate::coordinator::Coordinator;
use crate::ctx::Ctx;
use crate::faults::Healing;
use crate::gateway::{Gateway, Place, gateway_id};
use crate::mail::Mail;
use crate::net::{Hub, Node};
use crate::oracle::{self, Kind, Violation};
use crate::queue::Event;
use crate::store;
use crate::users::Users;
use crate::worker::{Worker, worker_id};

/// Of so many seeds, one has a world in which only the store fails.
const ONLY_STORE_EVERY: u64 = 8;

/// As long as a worker needs from one attempt at a store that is away to the next.
const STARTS_WITHIN: Duration = Duration::from_secs(2);

/// When nothing breaks any more.
const QUIET_AT: Duration = Duration::from_secs(80);

/// How long after that all must be well: a lease, two sweeps of what workers hold, a peer's patience and
/// the ramp of a reservation, one after the other.
const WELL_AFTER: Duration = Duration::from_secs(50);

pub(crate) struct World {
    pub(crate) ctx: Ctx,
    pub(crate) coordinators: Vec<Coordinator>,
    pub(crate) workers: Vec<Worker>,
    pub(crate) gateways: Vec<Gateway>,
    /// Without gateways, which break by themselves.
    pub(crate) nodes: Vec<Node>,
    users: Users,
    /// What reaches paused processes.
    pub(crate) mailboxes: BTreeMap<Node, Vec<Event>>,
}

impl World {
    pub(crate) fn new(seed: u64, bug: Option<Bug>, traced: bool) -> Self {
        let mut ctx = Ctx::new(seed, bug, traced);
        ctx.oracle.nobody_dies = seed % ONLY_STORE_EVERY == ONLY_STORE_EVERY - 1;
        let (coordinators, workers, gateways) = (1 + ctx.dice.below(3), 1 + ctx.dice.below(4), 1 + ctx.dice.below(3));
        ctx.tell(|| format!("{coordinators} coordinators, {workers} workers, {gateways} gateways"));
        let nodes = (0..coordinators).map(Node::Coordinator).chain((0..workers).map(Node::Worker)).collect();
        let mut world = Self {
            ctx,
            coordinators: (0..coordinators).map(Coordinator::new).collect(),
            workers: (0..workers).map(Worker::new).collect(),
            gateways: (0..gateways).map(Gateway::new).collect(),
            nodes,
            users: Users::new(workers),
            mailboxes: BTreeMap::new(),
        };
        world.start_all();
        let plan = [
            (Duration::from_secs(1), Event::Users),
            (Duration::from_secs(5), Event::Break),
            (Duration::from_secs(5), Event::BreakGateway),
            (QUIET_AT, Event::Quiet),
            (QUIET_AT + WELL_AFTER, Event::Judge),
        ];
        plan.into_iter().for_each(|(at, event)| world.ctx.queue.at(at, event));
        world
    }

    /// At once; where only the store fails one after the other, or all would find it again at the same moment.
    fn start_all(&mut self) {
        if !self.ctx.oracle.nobody_dies {
            return self.heal_all();
        }
        for node in self.all_nodes() {
            let wait = self.ctx.dice.between(Duration::ZERO, STARTS_WITHIN);
            self.ctx.after(wait, Event::Heal(Healing::Start(node)));
        }
    }

    pub(crate) fn all_nodes(&self) -> Vec<Node> {
        self.nodes.iter().copied().chain((0..self.gateways.len()).map(Node::Gateway)).collect()
    }

    /// Runs to the end, or until a promise is broken.
    pub(crate) fn run(&mut self) -> Option<Violation> {
        while let Some((at, event)) = self.ctx.queue.pop() {
            self.ctx.now = at;
            if matches!(event, Event::Judge) {
                self.judge();
                break;
            }
            self.happen(event);
            if self.ctx.oracle.violation.is_some() {
                break;
            }
        }
        self.ctx.oracle.violation.clone()
    }

    pub(crate) fn happen(&mut self, event: Event) {
        match event {
            Event::Mail { to, .. } if self.ctx.net.paused.contains_key(&to) => {
                self.mailboxes.entry(to).or_default().push(event);
            }
            Event::Mail { to, boot, via, mail } => self.deliver(to, boot, via, mail),
            Event::AtStore { from, boot, id, call } => store::serve(from, boot, id, *call, &mut self.ctx),
            Event::AtBus { from, publish } => bus::carry(from, *publish, &mut self.ctx),
            Event::LeaseEnds(lease) => store::lease_ends(lease, &mut self.ctx),
            Event::Peer(number, mail) => self.users.peers[number].take(number, mail, &mut self.ctx),
            Event::Replied(ticket, reply) => self.users.replied(ticket, reply.map(|reply| *reply), &mut self.ctx),
            Event::Users => self.users.act(&mut self.ctx),
            Event::Break if self.ctx.now < QUIET_AT => self.break_something(),
            Event::BreakGateway if self.ctx.now < QUIET_AT => self.break_a_gateway(),
            Event::Heal(healing) if self.ctx.now < QUIET_AT => self.heal(healing),
            Event::Break | Event::BreakGateway | Event::Heal(_) | Event::Judge => {}
            Event::Quiet => {
                self.heal_all();
                self.ctx.oracle.nobody_dies = false;
                self.ctx.after(Duration::from_secs(1), Event::Settle);
            }
            Event::Settle => self.users.settle(&mut self.ctx),
        }
    }

    fn deliver(&mut self, to: Node, boot: u32, via: Option<Hub>, mail: Mail) {
        if self.ctx.net.up.get(&to) != Some(&boot) {
            return;
        }
        if via.is_some_and(|hub| !self.ctx.net.comes_from(to, hub)) {
            if let Mail::Changed(watch, _) = mail {
                store::watch_breaks(watch, &mut self.ctx);
            }
            return;
        }
        match to {
            Node::Coordinator(n) => self.coordinators[n].take(mail, &mut self.ctx),
            Node::Worker(n) => self.workers[n].take(mail, &mut self.ctx),
            Node::Gateway(n) => self.gateways[n].take(mail, &mut self.ctx),
        }
    }

    /// Ends the trace with what coordinators think of workers and gateways.
    fn tell_views(&mut self) {
        for (n, coordinator) in self.coordinators.iter().enumerate() {
            let leads = coordinator.stats().is_some_and(|stats| stats.leads);
            let ready = coordinator.gateways_ready(&self.ctx);
            self.ctx.tell(|| format!("c{n} (leads: {leads}): {ready} gateways take jobs"));
            for view in coordinator.workers(&self.ctx) {
                let (worker, state) = (&view.announce.worker, view.announce.state);
                let (lives, suspect, cordon) = (view.lives, view.suspect, view.cordon);
                self.ctx.tell(|| {
                    format!("c{n} (leads: {leads}): {worker} {state:?}, lives: {lives}, suspect: {suspect}, {cordon:?}")
                });
            }
        }
    }

    fn judge(&mut self) {
        self.tell_views();
        oracle::judge_promises(&mut self.ctx);
        self.judge_drains();
        self.judge_rooms();
        self.judge_peers();
        self.judge_orphans();
        self.judge_reservations();
        self.judge_components();
    }

    fn judge_drains(&mut self) {
        let drained: Vec<usize> = self.users.drained().collect();
        for worker in drained {
            let rooms = self.workers[worker].rooms();
            let placed =
                self.ctx.store.rooms().filter(|(_, record)| record.placement.worker == worker_id(worker)).count();
            if !rooms.is_empty() || placed > 0 {
                let text = format!("w{worker} is drained, holds {rooms:?} and {placed} are placed there");
                self.ctx.oracle.found(Kind::Drained, text);
            }
        }
    }

    fn judge_rooms(&mut self) {
        let mut found = Vec::new();
        for (room, record) in self.ctx.store.rooms() {
            let placement = &record.placement;
            let index = (0..self.workers.len()).find(|n| worker_id(*n) == placement.worker);
            let boot = index.and_then(|n| self.workers[n].incarnation());
            if boot != Some(placement.incarnation) || !self.ctx.store.has(&key::worker(&placement.worker)) {
                found.push(format!("{room} is at {}.{}, which is {boot:?}", placement.worker, placement.incarnation.0));
            }
        }
        found.into_iter().for_each(|text| self.ctx.oracle.found(Kind::Placed, text));
    }

    fn judge_peers(&mut self) {
        let mut found = Vec::new();
        for peer in self.users.wanting() {
            let at = self.ctx.store.room(&peer.room).map(|record| record.placement.worker.clone());
            let worker = self.workers.iter().enumerate().find(|(n, _)| at == Some(worker_id(*n)));
            let served = worker.zip(peer.joined()).is_some_and(|((_, worker), session)| worker.serves(session));
            if !served {
                found.push(format!("{}/{} of {at:?} is not in: {:?}", peer.room, peer.peer, peer.joined()));
            }
        }
        found.into_iter().for_each(|text| self.ctx.oracle.found(Kind::Joined, text));
    }

    fn judge_orphans(&mut self) {
        let mut found = Vec::new();
        for (n, worker) in self.workers.iter().enumerate() {
            for (room, generation) in worker.rooms() {
                let placement = self.ctx.store.room(&room).map(|record| &record.placement);
                let here =
                    placement.is_some_and(|p| p.worker == worker_id(n) && Some(p.incarnation) == worker.incarnation());
                if !here {
                    found.push(format!("w{n} holds {room} generation {}, which is not there", generation.0));
                }
            }
        }
        found.into_iter().for_each(|text| self.ctx.oracle.found(Kind::Orphan, text));
    }

    /// Each is run by the one gateway that its record names, and nothing else is run.
    fn judge_components(&mut self) {
        let mut named: BTreeMap<(Place, usize), bool> = BTreeMap::new();
        let mut found = Vec::new();
        for (room, id, record) in self.ctx.store.components() {
            let job = record.job.as_ref();
            let index = (0..self.gateways.len()).find(|n| job.is_some_and(|job| gateway_id(*n) == job.gateway));
            let lives = index.and_then(|n| self.gateways[n].incarnation()) == job.map(|job| job.incarnation);
            match index.filter(|n| lives && self.ctx.store.has(&key::gateway(&gateway_id(*n)))) {
                Some(n) => drop(named.insert(((room.clone(), id.clone()), n), false)),
                None => found.push(format!("{room}/{id} is given to {job:?}, which does not live")),
            }
        }
        for (n, gateway) in self.gateways.iter().enumerate() {
            for place in gateway.runs() {
                match named.get_mut(&(place.clone(), n)) {
                    Some(run) => *run = true,
                    None => found.push(format!("g{n} runs {place:?}, which is not its own")),
                }
            }
        }
        let idle = named.iter().filter(|(_, run)| !**run);
        found.extend(idle.map(|((place, n), _)| format!("g{n} does not run {place:?}")));
        found.into_iter().for_each(|text| self.ctx.oracle.found(Kind::Run, text));
    }

    fn judge_reservations(&mut self) {
        let mut found = Vec::new();
        for (n, coordinator) in self.coordinators.iter().enumerate() {
            for view in coordinator.workers(&self.ctx) {
                let (expected, announced) = (view.effective_load_permille, view.announce.load.cpu_permille);
                if expected != announced {
                    found.push(format!("c{n} expects {expected} at {}, which says {announced}", view.announce.worker));
                }
            }
        }
        found.into_iter().for_each(|text| self.ctx.oracle.found(Kind::Reserved, text));
    }

    /// What happened, in numbers.
    pub(crate) fn report(&self) -> Report {
        let mut report = Report::default();
        for stats in self.coordinators.iter().filter_map(Coordinator::stats) {
            report.placed += stats.rooms_placed;
            report.moved += stats.rooms_moved;
            report.strays_closed += stats.strays_closed;
            report.declared_dead += stats.workers_declared_dead;
            report.handed_over += stats.jobs_moved;
        }
        report.comings = self.users.peers.iter().map(|peer| peer.comings).sum();
        report
    }
}

/// What happened in a run, as far as the coordinators that live at its end counted it.
#[derive(Clone, Copy, Debug, Default)]
pub struct Report {
    /// Rooms placed.
    pub placed: u64,
    /// Rooms moved.
    pub moved: u64,
    /// Rooms closed that workers held in vain.
    pub strays_closed: u64,
    /// Workers declared dead by a probe.
    pub declared_dead: u64,
    /// Components that were given to another gateway.
    pub handed_over: u64,
    /// Sockets that peers opened.
    pub comings: u64,
}
