//! Which processes live, and what operators want of workers: what the store holds besides rooms and peers.
//!
//! A worker lives as long as its leased key stands. That the key is absent proves its death at once only if
//! it was seen to stand before and the worker is silent. Otherwise it proves it after a moment: in which a
//! lagging watch would have shown the key, or a worker that announces itself has claimed it again, since a
//! store that nobody reaches ends the leases of all.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use velella_model::record::{CoordinatorRecord, Cordon, Placement, WorkerRecord};
use velella_model::{CoordinatorId, Incarnation, WorkerId};

use crate::input::{Entry, Fact, FleetFact, Noun, Revision};
use crate::registry::Registry;
use crate::shelf::Shelf;

/// How long the key of a worker may be missing that placements name, if it was never seen or the worker
/// announces itself. A worker asks a store that is away at least every 2 s: an answer is waited for 1.5 s, and
/// the next attempt begins after 0.5 s. With its lease of 5 s, one that alone has lost the store loses its rooms
/// within 8 s.
pub(crate) const KEY_GRACE: Duration = Duration::from_millis(2_500);

/// Living processes and cordons.
#[derive(Debug)]
pub struct Fleet {
    workers: Shelf<WorkerId, WorkerRecord>,
    cordons: Shelf<WorkerId, Cordon>,
    coordinators: Shelf<CoordinatorId, CoordinatorRecord>,
    /// The latest boot of each worker that was seen to die. As many as worker ids were ever used.
    dead: BTreeMap<WorkerId, Incarnation>,
    /// Workers that placements name and whose keys are missing, since when.
    missing: BTreeMap<WorkerId, Instant>,
    /// Which halves were listed once.
    listed: [bool; 2],
}

/// Whether the boot of a worker that a placement names is alive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Life {
    /// Its key stands, or may well.
    Lives,
    /// Not known yet; ask again then.
    Unknown(Instant),
    /// It is over.
    Dead,
}

impl Default for Fleet {
    fn default() -> Self {
        Self::new()
    }
}

impl Fleet {
    /// Nobody is known to live, and nobody to be dead.
    pub fn new() -> Self {
        Self {
            workers: Shelf::new(),
            cordons: Shelf::new(),
            coordinators: Shelf::new(),
            dead: BTreeMap::new(),
            missing: BTreeMap::new(),
            listed: [false; 2],
        }
    }

    /// Takes a whole listing of one part.
    pub(crate) fn listed(&mut self, noun: Noun, entries: Vec<Entry>, revision: Revision) {
        let facts =
            entries.iter().filter_map(|entry| if let Fact::Fleet(fact) = &entry.fact { Some(fact) } else { None });
        let gone: Vec<FleetFact> = match noun {
            Noun::Workers => {
                let keys: Vec<_> = facts.filter_map(FleetFact::as_worker).collect();
                self.workers.vanished(&keys, revision).into_iter().map(|id| FleetFact::Worker(id, None)).collect()
            }
            Noun::Cordons => {
                let keys: Vec<_> = facts.filter_map(FleetFact::as_cordon).collect();
                self.cordons.vanished(&keys, revision).into_iter().map(|id| FleetFact::Cordon(id, None)).collect()
            }
            Noun::Coordinators => {
                let keys: Vec<_> = facts.filter_map(FleetFact::as_coordinator).collect();
                let gone = self.coordinators.vanished(&keys, revision);
                gone.into_iter().map(|id| FleetFact::Coordinator(id, None)).collect()
            }
            Noun::Rooms | Noun::Peers | Noun::Components | Noun::Ingests | Noun::Gateways => return,
        };
        let gone = gone.into_iter().map(|fact| Entry { fact: Fact::Fleet(fact), revision });
        for Entry { fact, revision } in gone.chain(entries) {
            if let Fact::Fleet(fact) = fact {
                self.watched(fact, revision);
            }
        }
        match noun {
            Noun::Workers => self.listed[0] = true,
            Noun::Coordinators => self.listed[1] = true,
            Noun::Rooms | Noun::Peers | Noun::Components | Noun::Ingests | Noun::Gateways | Noun::Cordons => {}
        }
    }

    /// Takes a step of the watch; whether it told news.
    pub(crate) fn watched(&mut self, fact: FleetFact, revision: Revision) -> bool {
        match fact {
            FleetFact::Worker(id, record) => {
                let before = self.workers.get(&id).map(|record| record.incarnation);
                let news = self.workers.watched(&id, revision, record);
                self.missing.remove(&id);
                if let Some(before) = before.filter(|_| news) {
                    self.bury(id, before);
                }
                news
            }
            FleetFact::Cordon(id, cordon) => self.cordons.watched(&id, revision, cordon),
            FleetFact::Coordinator(id, record) => self.coordinators.watched(&id, revision, record),
        }
    }

    /// An own write stands.
    pub(crate) fn answered(&mut self, fact: FleetFact, revision: Revision) {
        if let FleetFact::Cordon(id, cordon) = fact {
            self.cordons.answered(&id, revision, cordon);
        }
    }

    /// The boot of a worker whose key stands.
    pub(crate) fn lives(&self, worker: &WorkerId) -> Option<Incarnation> {
        self.workers.get(worker).map(|record| record.incarnation)
    }

    /// Whether nothing speaks against it that this boot lives. Who announces itself has claimed its key, so
    /// the watch need not have shown it yet.
    pub(crate) fn may_live(&self, worker: &WorkerId, incarnation: Incarnation) -> bool {
        match self.lives(worker) {
            Some(living) => living <= incarnation,
            None => self.dead.get(worker).is_none_or(|dead| *dead < incarnation),
        }
    }

    pub(crate) fn revision_of(&self, worker: &WorkerId) -> Option<Revision> {
        self.workers.revision(worker)
    }

    pub(crate) fn cordon(&self, worker: &WorkerId) -> Option<Cordon> {
        self.cordons.get(worker).copied()
    }

    /// Whether the boot that a placement names still lives, by its key and by what is heard of it.
    pub(crate) fn life(&mut self, placement: &Placement, registry: &Registry, now: Instant) -> Life {
        let Placement { worker, incarnation, .. } = placement;
        if let Some(living) = self.lives(worker) {
            return if living > *incarnation { Life::Dead } else { Life::Lives };
        }
        let was_seen = self.dead.get(worker).is_some_and(|dead| dead >= incarnation);
        if !was_seen && !self.listed[0] {
            return Life::Lives;
        }
        let until = *self.missing.entry(worker.clone()).or_insert(now) + KEY_GRACE;
        let ask_again = if was_seen { registry.heard_until(worker, *incarnation, now) } else { Some(until) };
        match ask_again {
            Some(at) if now < until => Life::Unknown(at.min(until)),
            Some(_) | None => Life::Dead,
        }
    }

    /// Whether a coordinator that holds sockets is known to be gone.
    pub(crate) fn is_orphaned(&self, coordinator: &CoordinatorId) -> bool {
        self.listed[1] && self.coordinators.get(coordinator).is_none()
    }

    fn bury(&mut self, worker: WorkerId, incarnation: Incarnation) {
        if self.lives(&worker) != Some(incarnation) {
            let dead = self.dead.entry(worker).or_insert(incarnation);
            *dead = incarnation.max(*dead);
        }
    }
}

impl FleetFact {
    fn as_worker(&self) -> Option<WorkerId> {
        if let Self::Worker(id, _) = self { Some(id.clone()) } else { None }
    }

    fn as_cordon(&self) -> Option<WorkerId> {
        if let Self::Cordon(id, _) = self { Some(id.clone()) } else { None }
    }

    fn as_coordinator(&self) -> Option<CoordinatorId> {
        if let Self::Coordinator(id, _) = self { Some(id.clone()) } else { None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::registry::SUSPECT_AFTER;
    use crate::testing::{announce, room_record, start, worker};

    #[test]
    fn a_silent_worker_whose_key_vanishes_is_dead_at_once() {
        let (mut fleet, t0) = (Fleet::new(), start());
        fleet.watched(alive("w1", 1), Revision(1));
        assert_eq!(life(&mut fleet, t0), Life::Lives);
        fleet.watched(FleetFact::Worker(worker("w1"), None), Revision(2));
        assert_eq!(life(&mut fleet, t0), Life::Dead);
        let may_live = |n| fleet.may_live(&worker("w1"), Incarnation(n));
        assert_eq!([may_live(1), may_live(2)], [false, true], "a later boot is another matter");
    }

    #[test]
    fn a_worker_that_claims_its_key_again_lives_on_and_a_new_boot_does_not() {
        let (mut fleet, t0) = (Fleet::new(), start());
        fleet.watched(alive("w1", 1), Revision(1));
        fleet.watched(FleetFact::Worker(worker("w1"), None), Revision(2));
        fleet.watched(alive("w1", 1), Revision(3));
        assert_eq!(life(&mut fleet, t0), Life::Lives);
        fleet.watched(alive("w1", 2), Revision(4));
        assert_eq!(life(&mut fleet, t0), Life::Dead);
    }

    #[test]
    fn a_worker_that_nobody_has_seen_gets_a_moment() {
        let (mut fleet, t0) = (Fleet::new(), start());
        assert_eq!(life(&mut fleet, t0), Life::Lives, "nothing was listed yet");
        fleet.listed(Noun::Workers, Vec::new(), Revision(5));
        assert_eq!(life(&mut fleet, t0), Life::Unknown(t0 + KEY_GRACE));
        assert_eq!(life(&mut fleet, t0 + KEY_GRACE), Life::Dead);
        fleet.watched(alive("w1", 1), Revision(6));
        assert_eq!(life(&mut fleet, t0 + KEY_GRACE), Life::Lives);
    }

    #[test]
    fn a_worker_that_announces_itself_gets_a_moment_to_claim_its_key_again() {
        let (mut fleet, mut registry, t0) = (Fleet::new(), Registry::default(), start());
        fleet.watched(alive("w1", 1), Revision(1));
        registry.hear(announce("w1", 1, 1), t0);
        fleet.watched(FleetFact::Worker(worker("w1"), None), Revision(2));
        let placement = room_record("w1").placement;
        let heard_until = t0 + SUSPECT_AFTER;
        assert_eq!(fleet.life(&placement, &registry, t0), Life::Unknown(heard_until));
        assert_eq!(fleet.life(&placement, &registry, heard_until), Life::Dead, "it is silent now");
        registry.hear(announce("w1", 1, 2), heard_until);
        assert_eq!(fleet.life(&placement, &registry, heard_until), Life::Unknown(heard_until + SUSPECT_AFTER));
        registry.hear(announce("w1", 1, 3), t0 + KEY_GRACE);
        assert_eq!(fleet.life(&placement, &registry, t0 + KEY_GRACE), Life::Dead, "it has lost the store for itself");
        fleet.watched(alive("w1", 1), Revision(3));
        assert_eq!(fleet.life(&placement, &registry, t0 + KEY_GRACE), Life::Lives);
    }

    /// Nothing is heard of it.
    fn life(fleet: &mut Fleet, now: Instant) -> Life {
        fleet.life(&room_record("w1").placement, &Registry::default(), now)
    }

    fn alive(id: &str, incarnation: u64) -> FleetFact {
        FleetFact::Worker(worker(id), Some(WorkerRecord { incarnation: Incarnation(incarnation) }))
    }
}
