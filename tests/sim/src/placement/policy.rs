//! The policies that are compared: ours as it is deployed, three that look at raw reports, and one that nobody can have.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use velella_coordinator_core::placement::{Wish, place};
use velella_coordinator_core::{Fleet, Registry};
use velella_model::wire::announce::Announce;
use velella_model::{RoomId, RoomType, WorkerId};

use crate::dice::Dice;

/// How a coordinator chooses a worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Policy {
    /// Least expected load, with reservations that all coordinators share by the records.
    Ours,
    /// Anyone.
    Random,
    /// Least reported load.
    LeastLoaded,
    /// The less loaded of two at random, as reported.
    TwoChoices,
    /// Least load that its rooms will reach, known at once and exactly. Only who leaves when is unknown to it, so it shows
    /// how even rooms can be spread at all.
    AllKnowing,
}

impl Policy {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Random, Self::LeastLoaded, Self::TwoChoices, Self::Ours, Self::AllKnowing];

    /// As the table names it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ours => "ours",
            Self::Random => "random",
            Self::LeastLoaded => "least loaded, raw",
            Self::TwoChoices => "two choices, raw",
            Self::AllKnowing => "all-knowing",
        }
    }
}

/// What one coordinator knows of the workers.
#[derive(Debug)]
pub(crate) struct View {
    policy: Policy,
    reported: Vec<u32>,
    registry: Registry,
    fleet: Fleet,
    placed: BTreeMap<WorkerId, u32>,
}

impl View {
    pub(crate) fn new(policy: Policy, workers: usize) -> Self {
        let (registry, fleet, placed) = (Registry::default(), Fleet::default(), BTreeMap::new());
        Self { policy, reported: vec![0; workers], registry, fleet, placed }
    }

    pub(crate) fn hear(&mut self, worker: usize, announce: &Announce, now: Instant) {
        match self.policy {
            Policy::Ours => {
                self.registry.hear(announce.clone(), now);
            }
            Policy::Random | Policy::LeastLoaded | Policy::TwoChoices | Policy::AllKnowing => {
                self.reported[worker] = announce.load.cpu_permille;
            }
        }
    }

    /// The worker for a room; `None` when nobody may take it. `truth` tells what a worker's rooms will cost.
    pub(crate) fn choose(
        &mut self,
        room: &RoomId,
        truth: impl Fn(usize) -> u64,
        now: Instant,
        dice: &mut Dice,
    ) -> Option<usize> {
        let any = dice.below(self.reported.len());
        let other = dice.below(self.reported.len());
        match self.policy {
            Policy::Ours => self.place(room, now),
            Policy::Random => Some(any),
            Policy::LeastLoaded => (0..self.reported.len()).min_by_key(|worker| self.reported[*worker]),
            Policy::TwoChoices => [any, other].into_iter().min_by_key(|worker| self.reported[*worker]),
            Policy::AllKnowing => (0..self.reported.len()).min_by_key(|worker| truth(*worker)),
        }
    }

    /// As the core does it. Its reports are rarer here than announcements may be, which does not make a
    /// worker suspect.
    fn place(&mut self, room: &RoomId, now: Instant) -> Option<usize> {
        let placed = |worker: &WorkerId| self.placed.get(worker).copied().unwrap_or(0);
        let mut contenders = self.registry.contenders(&self.fleet, placed, now);
        contenders.iter_mut().for_each(|contender| contender.silent = false);
        let wish = Wish { room, region: "", refused_by: &BTreeSet::new(), only: None };
        let worker = place(wish, &contenders).ok()?.worker;
        self.registry.reserve(&worker, room, RoomType::Conference, now);
        index_of(&worker)
    }

    /// The records show the room at a worker.
    pub(crate) fn learn(&mut self, room: &RoomId, worker: usize, now: Instant) {
        let worker = worker_id(worker);
        self.registry.record(&worker, room, RoomType::Conference, now);
        *self.placed.entry(worker).or_default() += 1;
    }

    /// The records show that the room is gone.
    pub(crate) fn forget(&mut self, room: &RoomId, worker: usize) {
        let worker = worker_id(worker);
        self.registry.release(&worker, room);
        if let Some(placed) = self.placed.get_mut(&worker) {
            *placed = placed.saturating_sub(1);
        }
    }
}

pub(crate) fn worker_id(index: usize) -> WorkerId {
    WorkerId::parse(&format!("w{index}")).expect("letters and digits")
}

fn index_of(worker: &WorkerId) -> Option<usize> {
    worker.as_str().trim_start_matches('w').parse().ok()
}
