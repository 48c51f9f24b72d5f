//! The cluster of the model: rooms that come, grow and go, workers that report, coordinators that learn late.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use velella_model::wire::announce::{Announce, Capacity, Load, WorkerState};
use velella_model::{Generation, Incarnation, RoomId};

use super::policy::{View, worker_id};
use super::{Policy, Setting};
use crate::dice::Dice;
use crate::queue::Queue;

const COORDINATORS: usize = 3;

/// Between two rooms, per worker.
const ROOM_EVERY: Duration = Duration::from_secs(2);
const ROOM_LIVES: Duration = Duration::from_secs(120);

/// Until a room costs what it will.
const ROOM_RAMP: Duration = Duration::from_secs(20);

/// What a room costs at least and at most, in millionths of a worker.
const ROOM_COST: (u64, u64) = (5_000, 15_000);

/// From the choice to the worker, and to the record at the coordinator that chose.
const ASSIGN: Duration = Duration::from_millis(5);

/// Until the other coordinators see a record, at least and at most.
const WATCH: (Duration, Duration) = (Duration::from_millis(10), Duration::from_millis(50));

const FILLED: Duration = Duration::from_secs(360);
const END: Duration = Duration::from_secs(660);
const SAMPLE_EVERY: Duration = Duration::from_millis(500);

#[derive(Debug)]
enum Event {
    Comes,
    Starts(RoomId, usize),
    Ends(RoomId, usize),
    Learn(usize, RoomId, usize),
    Forget(usize, RoomId, usize),
    Report(usize),
    Sample,
}

#[derive(Debug, Default)]
struct Worker {
    rooms: BTreeMap<RoomId, Room>,
    assigned: u64,
    reports: u64,
}

#[derive(Debug)]
struct Room {
    /// In millionths of a worker.
    cost: u64,
    since: Duration,
}

pub(crate) struct Cluster {
    setting: Setting,
    policy: Policy,
    base: Instant,
    queue: Queue<Event>,
    /// Of what happens: the same for each policy.
    dice: Dice,
    /// Of what policies choose.
    choices: Dice,
    views: Vec<View>,
    workers: Vec<Worker>,
    rooms: u64,
    ratios: Vec<u64>,
}

impl Cluster {
    pub(crate) fn new(setting: Setting, policy: Policy, seed: u64) -> Self {
        let mut cluster = Self {
            setting,
            policy,
            base: Instant::now(),
            queue: Queue::default(),
            dice: Dice::new(seed),
            choices: Dice::new(!seed),
            views: (0..COORDINATORS).map(|_| View::new(policy, setting.workers)).collect(),
            workers: (0..setting.workers).map(|_| Worker::default()).collect(),
            rooms: 0,
            ratios: Vec::new(),
        };
        for worker in 0..setting.workers {
            cluster.report(worker, Duration::ZERO);
            let first = cluster.dice.between(Duration::ZERO, setting.report_every);
            cluster.queue.at(first, Event::Report(worker));
        }
        cluster.queue.at(Duration::ZERO, Event::Comes);
        cluster.queue.at(FILLED, Event::Sample);
        cluster
    }

    /// Load of the busiest worker over the mean, in permille, at each sample.
    pub(crate) fn run(mut self) -> Vec<u64> {
        while let Some((now, event)) = self.queue.pop().filter(|(now, _)| *now < END) {
            self.happen(event, now);
        }
        self.ratios
    }

    fn happen(&mut self, event: Event, now: Duration) {
        match event {
            Event::Comes => self.room_comes(now),
            Event::Starts(room, worker) => self.room_starts(room, worker, now),
            Event::Ends(room, worker) => {
                self.workers[worker].rooms.remove(&room);
                self.tell_all(now, |coordinator| Event::Forget(coordinator, room.clone(), worker));
            }
            Event::Learn(coordinator, room, worker) => {
                self.views[coordinator].learn(&room, worker, self.base + now);
            }
            Event::Forget(coordinator, room, worker) => self.views[coordinator].forget(&room, worker),
            Event::Report(worker) => {
                self.report(worker, now);
                self.queue.at(now + self.setting.report_every, Event::Report(worker));
            }
            Event::Sample => {
                self.sample(now);
                self.queue.at(now + SAMPLE_EVERY, Event::Sample);
            }
        }
    }

    fn room_comes(&mut self, now: Duration) {
        let workers = u32::try_from(self.workers.len()).unwrap_or(u32::MAX);
        let next = self.dice.until_next(ROOM_EVERY / workers);
        self.queue.at(now + next, Event::Comes);
        self.rooms += 1;
        let room = RoomId::parse(&format!("r{}", self.rooms)).expect("letters and digits");
        let coordinator = self.dice.below(COORDINATORS);
        let view = &mut self.views[coordinator];
        let truth = |worker: usize| self.workers[worker].rooms.values().map(|room| room.cost).sum();
        let chosen = view.choose(&room, truth, self.base + now, &mut self.choices).expect("the model fills no worker");
        let starts_in = if self.policy == Policy::AllKnowing { Duration::ZERO } else { ASSIGN };
        self.queue.at(now + starts_in, Event::Starts(room.clone(), chosen));
        self.queue.at(now + ASSIGN, Event::Learn(coordinator, room.clone(), chosen));
        for other in (0..COORDINATORS).filter(|other| *other != coordinator) {
            let late = self.dice.between(WATCH.0, WATCH.1);
            self.queue.at(now + late, Event::Learn(other, room.clone(), chosen));
        }
    }

    fn room_starts(&mut self, room: RoomId, worker: usize, now: Duration) {
        let (least, most) = ROOM_COST;
        let cost = least + self.dice.below(usize::try_from(most - least).unwrap_or(0)) as u64;
        let lives = self.dice.until_next(ROOM_LIVES);
        self.queue.at(now + lives, Event::Ends(room.clone(), worker));
        self.workers[worker].assigned += 1;
        self.workers[worker].rooms.insert(room, Room { cost, since: now });
    }

    fn tell_all(&mut self, now: Duration, event: impl Fn(usize) -> Event) {
        for coordinator in 0..COORDINATORS {
            let late = self.dice.between(WATCH.0, WATCH.1);
            self.queue.at(now + late, event(coordinator));
        }
    }

    fn report(&mut self, worker: usize, now: Duration) {
        self.workers[worker].reports += 1;
        let announce = self.workers[worker].announce(worker, now);
        self.views.iter_mut().for_each(|view| view.hear(worker, &announce, self.base + now));
    }

    fn sample(&mut self, now: Duration) {
        let loads = self.workers.iter().map(|worker| worker.load(now));
        let (most, sum) = loads.fold((0, 0), |(most, sum): (u64, u64), load| (most.max(load), sum + load));
        self.ratios.push(1_000 * most * self.workers.len() as u64 / sum.max(1));
    }
}

impl Worker {
    /// In millionths.
    fn load(&self, now: Duration) -> u64 {
        self.rooms.values().map(|room| room.load(now)).sum()
    }

    fn announce(&self, index: usize, now: Duration) -> Announce {
        let rooms = u32::try_from(self.rooms.len()).unwrap_or(u32::MAX);
        let cpu_permille = u32::try_from(self.load(now) / 1_000).unwrap_or(u32::MAX);
        Announce {
            worker: worker_id(index),
            incarnation: Incarnation(1),
            seq: self.reports,
            state: WorkerState::Ready,
            region: String::new(),
            labels: BTreeMap::new(),
            version: String::new(),
            endpoints: Vec::new(),
            probe: None,
            capacity: Capacity { load_permille_max: 1_000, rooms_max: 1_000, sessions_max: 1_000 },
            load: Load { cpu_permille, rooms, ..Load::default() },
            assigned_total: self.assigned,
            generation: Generation(0),
        }
    }
}

impl Room {
    fn load(&self, now: Duration) -> u64 {
        let age = now.saturating_sub(self.since).min(ROOM_RAMP).as_millis();
        self.cost * u64::try_from(age).unwrap_or(0) / (ROOM_RAMP.as_secs() * 1_000)
    }
}
