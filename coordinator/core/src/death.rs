//! Proving that a silent worker is dead, before its lease runs out.
//!
//! Nobody answers for it on the bus *and* its port refuses connections: then its key is deleted, which
//! tells everybody, and the worker too, should it live after all.

use std::time::{Duration, Instant};

use velella_model::{Incarnation, WorkerId};

use crate::input::{Fact, FleetFact};
use crate::output::{Expect, Output};
use crate::{Coordinator, WriteStep};

/// Wait between two probes of one worker.
pub(crate) const PROBE_EVERY: Duration = Duration::from_secs(1);

impl Coordinator {
    /// Probes workers that have been silent for too long and whose keys still stand.
    pub(crate) fn probe_silent(&mut self, now: Instant) {
        for (worker, incarnation, at) in self.registry.take_suspects(now) {
            if self.fleet.lives(&worker) == Some(incarnation) {
                self.emit(Output::Probe { worker, incarnation, at });
            }
        }
    }

    /// A command found nobody: no need to wait for the silence.
    pub(crate) fn probe_now(&mut self, worker: &WorkerId, now: Instant) {
        self.registry.suspect(worker, now);
        self.probe_silent(now);
    }

    pub(crate) fn probed(&mut self, worker: WorkerId, incarnation: Incarnation, dead: bool) {
        let Some(revision) = self.fleet.revision_of(&worker).filter(|_| dead) else { return };
        if self.fleet.lives(&worker) != Some(incarnation) {
            return;
        }
        self.registry.prove_dead(&worker);
        tracing::warn!(%worker, "nobody answers for a worker and its port refuses: declared dead");
        self.stats.workers_declared_dead += 1;
        let fact = Fact::Fleet(FleetFact::Worker(worker, None));
        self.write(WriteStep::Declared, fact, Expect::Revision(revision));
    }
}
