//! Proving that a silent worker is dead, before its lease runs out.
//!
//! Nobody answers for it on the bus *and* its port refuses connections: then its key is deleted, which
//! tells everybody, and the worker too, should it live after all.

use std::time::{Duration, Instant};

use velella_model::{Incarnation, WorkerId};

use crate::input::{Fact, FleetFact};
use crate::output::{Expect, Output, Suspect};
use crate::{Coordinator, WriteStep};

/// Wait between two probes of one worker.
pub(crate) const PROBE_EVERY: Duration = Duration::from_secs(1);

impl Coordinator {
    /// Probes workers that have been silent for too long and whose keys still stand.
    pub(crate) fn probe_silent(&mut self, now: Instant) {
        for (worker, incarnation, at) in self.registry.take_suspects(now) {
            if self.fleet.lives(&worker) == Some(incarnation) {
                self.emit(Output::Probe { whom: Suspect::Worker(worker), incarnation, at });
            }
        }
    }

    /// A command found nobody: no need to wait for the silence.
    pub(crate) fn probe_now(&mut self, worker: &WorkerId, now: Instant) {
        self.registry.suspect(worker, now);
        self.probe_silent(now);
    }

    pub(crate) fn probed(&mut self, whom: Suspect, incarnation: Incarnation, dead: bool) {
        let (living, revision, fact) = match &whom {
            Suspect::Worker(id) => {
                let fact = Fact::Fleet(FleetFact::Worker(id.clone(), None));
                (self.fleet.lives(id), self.fleet.revision_of(id), fact)
            }
            Suspect::Gateway(id) => {
                (self.gateways.lives(id), self.gateways.revision_of(id), Fact::Gateway(id.clone(), None))
            }
        };
        let Some(revision) = revision.filter(|_| dead && living == Some(incarnation)) else { return };
        tracing::warn!(?whom, "nobody answers for a process and its port refuses: declared dead");
        match whom {
            Suspect::Worker(id) => {
                self.registry.prove_dead(&id);
                self.stats.workers_declared_dead += 1;
            }
            Suspect::Gateway(_) => self.stats.gateways_declared_dead += 1,
        }
        self.write(WriteStep::Declared, fact, Expect::Revision(revision));
    }
}
