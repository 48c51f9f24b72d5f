//! Giving components that have to be pulled to another gateway when theirs died or gives its jobs away: by
//! the leader, a handful at a time, each by a compare-and-swap of its record.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use velella_model::component::{ComponentRecord, Job};

use crate::components::Key;
use crate::evacuation::{EVACUATE_EVERY, EVACUATE_ROOMS, NOBODY_RETRY};
use crate::fleet::Life;
use crate::gateways::Told;
use crate::input::{Entry, Fact, WriteOutcome};
use crate::jobs::{self, Errand, Given, Offer, Work};
use crate::output::{Expect, GatewayView, Output, Suspect};
use crate::{Coordinator, WriteStep};

/// Jobs that are being given at once.
pub(crate) const GIVING_MAX: usize = 64;

/// Jobs on their way into a record, by component: to whom, and which work. `None` strikes one out.
pub(crate) type Giving = BTreeMap<Key, Option<(Job, Work)>>;

/// Why a component needs another gateway.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Why {
    /// Nobody could take it before.
    Without,
    Dead,
    Draining,
}

impl Coordinator {
    pub(crate) fn gateway_announced(&mut self, announce: velella_model::wire::announce::GatewayAnnounce, now: Instant) {
        match self.gateways.hear(announce, now) {
            Told::News => self.handover.wake(now),
            Told::Nothing => {}
            Told::Ignored => self.stats.announcements_ignored += 1,
        }
    }

    /// Silence is no proof, but a reason to ask.
    pub(crate) fn probe_silent_gateways(&mut self, now: Instant) {
        for (gateway, incarnation, at) in self.gateways.take_suspects(now) {
            self.handover.wake(now);
            self.emit(Output::Probe { whom: Suspect::Gateway(gateway), incarnation, at });
        }
        self.gateways.forget_silent(now);
    }

    pub(crate) fn gateway_views(&self, now: Instant) -> Vec<GatewayView> {
        self.gateways.views(self.given(), self.records.components.by_gateway(), now)
    }

    /// Everybody with what the records give, and what is on its way there.
    pub(crate) fn offers(&self, now: Instant) -> Vec<Offer<'_>> {
        self.gateways.offers(self.given(), now)
    }

    fn given(&self) -> BTreeMap<Job, Given> {
        let mut given = self.records.components.given(&self.giving);
        for (job, work) in self.giving.values().flatten() {
            given.entry(job.clone()).or_default().add(*work, false);
        }
        given
    }

    /// Gives the next handful, if it is time.
    pub(crate) fn hand_over(&mut self, now: Instant) {
        if !self.handover.take_due(now) || !self.leads {
            return;
        }
        let mut free = EVACUATE_ROOMS.min(GIVING_MAX.saturating_sub(self.giving.len()));
        let mut in_vain = BTreeSet::new();
        for (key, work, why) in self.adrift(now) {
            if free == 0 {
                self.handover.rest_until(now + EVACUATE_EVERY);
                return self.handover.wake(now);
            }
            let job = if in_vain.contains(&work) { None } else { self.choose_gateway(&key, work, now) };
            if job.is_none() {
                in_vain.insert(work);
                self.handover.wake(now + NOBODY_RETRY);
            }
            // Who drains keeps it while nobody takes it; one that died is struck out.
            if job.is_some() || why == Why::Dead {
                self.give(&key, job);
                free -= 1;
            }
        }
    }

    fn choose_gateway(&self, key: &Key, work: Work, now: Instant) -> Option<Job> {
        jobs::choose(Errand { component: &key.1, work, region: &self.region }, &self.offers(now)).ok()
    }

    /// Components that need another gateway and are not on their way to one.
    fn adrift(&mut self, now: Instant) -> Vec<(Key, Work, Why)> {
        let mut adrift = Vec::new();
        for (key, work, job) in self.records.components.pulled() {
            let life = job.map(|job| self.gateways.life(job, now));
            let why = match life {
                None => Why::Without,
                Some(Life::Dead) => Why::Dead,
                Some(Life::Lives) if job.is_some_and(|job| self.gateways.is_draining(job)) => Why::Draining,
                Some(Life::Unknown(at)) => {
                    self.handover.wake(at);
                    continue;
                }
                Some(Life::Lives) => continue,
            };
            if !self.giving.contains_key(key) {
                adrift.push((key.clone(), work, why));
            }
        }
        adrift
    }

    fn give(&mut self, key: &Key, job: Option<Job>) {
        let Some((record, revision)) = self.records.components.get(key).zip(self.records.components.revision(key))
        else {
            return;
        };
        let record = ComponentRecord { job, ..record.clone() };
        self.begin_giving(key, record.job.as_ref(), Work::of(&record));
        let fact = Fact::Component(key.0.clone(), key.1.clone(), Some(record.clone()));
        self.write(WriteStep::JobGiven(key.clone(), Box::new(record)), fact, Expect::Revision(revision));
    }

    /// It counts at its gateway from now on.
    pub(crate) fn begin_giving(&mut self, key: &Key, job: Option<&Job>, work: Work) {
        self.giving.insert(key.clone(), job.map(|job| (job.clone(), work)));
    }

    pub(crate) fn job_given(&mut self, key: Key, record: ComponentRecord, outcome: WriteOutcome, now: Instant) {
        self.giving.remove(&key);
        match outcome {
            WriteOutcome::Done(revision) => {
                let gateway = record.job.as_ref().map(|job| &job.gateway);
                tracing::info!(room = %key.0, component = %key.1, ?gateway, "a component changes its gateway");
                self.stats.jobs_moved += u64::from(record.job.is_some());
                self.answered(Fact::Component(key.0.clone(), key.1.clone(), Some(record)), revision, now);
                // No news if the watch was faster, when it was still on its way.
                self.component_stands(&key, now);
            }
            WriteOutcome::Conflict(Some(Entry { fact, revision })) => {
                self.stats.write_conflicts += 1;
                self.answered(fact, revision, now);
                self.handover.wake(now);
            }
            // It was removed; the watch will say so.
            WriteOutcome::Conflict(None) => {}
            WriteOutcome::Failed => {
                self.stats.writes_lost += 1;
                self.handover.wake(now + NOBODY_RETRY);
            }
        }
    }

    /// Looks for a gateway if this one needs another.
    pub(crate) fn component_stands(&mut self, key: &Key, now: Instant) {
        let Some(record) = self.records.components.get(key).filter(|record| record.spec.kind().is_pulled()) else {
            return;
        };
        let settled = record
            .job
            .as_ref()
            .is_some_and(|job| self.gateways.life(job, now) == Life::Lives && !self.gateways.is_draining(job));
        if !settled {
            self.handover.wake(now);
        }
    }
}
