//! Gateways, by their announcements and by their keys in the store.
//!
//! One gets jobs only while both are there. So whoever sees a record with a job has seen the key of its
//! gateway before, and the key's absence proves its death; a gateway that is still heard only gets a
//! moment to claim its key again, since a store that was away loses the keys of all.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use velella_model::component::{GatewayRecord, Job};
use velella_model::wire::announce::{GatewayAnnounce, GatewayState};
use velella_model::{GatewayId, Incarnation, RoomId};

use crate::components::ComponentView;
use crate::death::PROBE_EVERY;
use crate::fleet::Life;
use crate::input::{Entry, Fact, Revision};
use crate::jobs::{Given, Offer};
use crate::output::GatewayView;
use crate::registry::{FORGET_AFTER, SUSPECT_AFTER};
use crate::shelf::Shelf;

/// Gateways that are remembered at most; announcements of further ones are dropped and counted.
pub(crate) const GATEWAYS_MAX: usize = 1024;

/// How long a gateway that lost its key and is still heard keeps its jobs. It claims its key again as soon
/// as it can; this is two attempts.
pub(crate) const RECLAIM_GRACE: Duration = Duration::from_secs(3);

/// All known gateways.
#[derive(Debug)]
pub(crate) struct Gateways {
    heard: BTreeMap<GatewayId, Known>,
    keys: Shelf<GatewayId, GatewayRecord>,
    /// Since when keys are gone, of gateways that are heard.
    lost: BTreeMap<GatewayId, Instant>,
    listed: bool,
}

#[derive(Debug)]
struct Known {
    announce: GatewayAnnounce,
    heard_at: Instant,
    probe_at: Instant,
}

/// What an announcement told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Told {
    /// A gateway, a boot or a state that was not known.
    News,
    /// More of the same.
    Nothing,
    /// Out of order, or one gateway too many.
    Ignored,
}

impl Gateways {
    pub(crate) fn new() -> Self {
        Self { heard: BTreeMap::new(), keys: Shelf::new(), lost: BTreeMap::new(), listed: false }
    }

    /// Takes an announcement.
    pub(crate) fn hear(&mut self, announce: GatewayAnnounce, now: Instant) -> Told {
        let full = self.heard.len() >= GATEWAYS_MAX;
        let before = self.heard.get(&announce.gateway);
        let known = before.map(|known| (known.announce.incarnation, known.announce.seq));
        if known.is_some_and(|known| (announce.incarnation, announce.seq) <= known) || (known.is_none() && full) {
            return Told::Ignored;
        }
        let same = |known: &Known| is_same(&known.announce, &announce) && !known.is_silent(now);
        let told = if before.is_some_and(same) { Told::Nothing } else { Told::News };
        let known = Known { heard_at: now, probe_at: now + SUSPECT_AFTER, announce };
        self.heard.insert(known.announce.gateway.clone(), known);
        told
    }

    /// Takes a whole listing of the keys.
    pub(crate) fn listed(&mut self, entries: Vec<Entry>, revision: Revision, now: Instant) {
        let read = |entry: Entry| match entry.fact {
            Fact::Gateway(id, record) => Some((id, record, entry.revision)),
            Fact::Room(..) | Fact::Peer(..) | Fact::Component(..) | Fact::Ingest(..) | Fact::Fleet(_) => None,
        };
        let listed: Vec<_> = entries.into_iter().filter_map(read).collect();
        let ids: Vec<GatewayId> = listed.iter().map(|(id, ..)| id.clone()).collect();
        let gone = self.keys.vanished(&ids, revision).into_iter().map(|id| (id, None, revision));
        let gone: Vec<_> = gone.collect();
        for (id, record, revision) in gone.into_iter().chain(listed) {
            self.watched(id, record, revision, now);
        }
        self.keys.pass(revision);
        self.listed = true;
    }

    /// Takes a step of the watch.
    pub(crate) fn watched(&mut self, id: GatewayId, record: Option<GatewayRecord>, revision: Revision, now: Instant) {
        if record.is_some() {
            self.lost.remove(&id);
        } else if self.keys.get(&id).is_some() && self.heard.contains_key(&id) {
            self.lost.insert(id.clone(), now);
        }
        self.keys.watched(&id, revision, record);
    }

    /// The boot of a gateway whose key stands.
    pub(crate) fn lives(&self, gateway: &GatewayId) -> Option<Incarnation> {
        self.keys.get(gateway).map(|record| record.incarnation)
    }

    pub(crate) fn revision_of(&self, gateway: &GatewayId) -> Option<Revision> {
        self.keys.revision(gateway)
    }

    /// Whether the boot that was given a job still lives.
    pub(crate) fn life(&self, job: &Job, now: Instant) -> Life {
        if let Some(living) = self.lives(&job.gateway) {
            return if living > job.incarnation { Life::Dead } else { Life::Lives };
        }
        if !self.listed {
            return Life::Lives;
        }
        let heard = self.heard.get(&job.gateway).filter(|known| !known.is_silent(now));
        let grace = self.lost.get(&job.gateway).map(|lost| *lost + RECLAIM_GRACE);
        match grace.filter(|at| now < *at) {
            Some(at) if heard.is_some_and(|known| known.announce.incarnation == job.incarnation) => Life::Unknown(at),
            Some(_) | None => Life::Dead,
        }
    }

    /// Whether its jobs shall go elsewhere.
    pub(crate) fn is_draining(&self, job: &Job) -> bool {
        let known = self.heard.get(&job.gateway).map(|known| &known.announce);
        known.is_some_and(|known| known.incarnation == job.incarnation && known.state == GatewayState::Draining)
    }

    /// Everybody, for a choice.
    pub(crate) fn offers(&self, mut given: BTreeMap<Job, Given>, now: Instant) -> Vec<Offer<'_>> {
        let offer = |known| self.offer(known, given.remove(&known.boot()).unwrap_or_default(), now);
        self.heard.values().map(offer).collect()
    }

    fn offer<'a>(&self, known: &'a Known, given: Given, now: Instant) -> Offer<'a> {
        let announce = &known.announce;
        let lives = self.lives(&announce.gateway) == Some(announce.incarnation);
        Offer { announce, lives, silent: known.is_silent(now), given }
    }

    pub(crate) fn views(
        &self,
        mut given: BTreeMap<Job, Given>,
        mut ingests: BTreeMap<GatewayId, Vec<(RoomId, ComponentView)>>,
        now: Instant,
    ) -> Vec<GatewayView> {
        let view = |known: &Known| {
            let given = given.remove(&known.boot()).unwrap_or_default();
            let jobs_given = given.len();
            let offer = self.offer(known, given, now);
            GatewayView {
                silent_for: now.saturating_duration_since(known.heard_at),
                suspect: offer.silent,
                lives: offer.lives,
                effective_load_permille: offer.load_permille(),
                jobs_given,
                ingests: ingests.remove(&known.announce.gateway).unwrap_or_default(),
                announce: known.announce.clone(),
            }
        };
        self.heard.values().map(view).collect()
    }

    /// How many take jobs.
    pub(crate) fn ready(&self, now: Instant) -> usize {
        let offers = self.offers(BTreeMap::new(), now);
        let ready = |offer: &&Offer<'_>| offer.lives && !offer.silent && offer.announce.state == GatewayState::Ready;
        offers.iter().filter(ready).count()
    }

    /// Gateways that are due for a probe and whose keys stand, with where to probe them.
    pub(crate) fn take_suspects(&mut self, now: Instant) -> Vec<(GatewayId, Incarnation, Option<SocketAddr>)> {
        let keys = &self.keys;
        let due = self.heard.values_mut().filter(|known| known.probe_at <= now);
        let due = due.filter_map(|known| {
            known.probe_at = now + PROBE_EVERY;
            let GatewayAnnounce { gateway, incarnation, probe, .. } = &known.announce;
            let stands = keys.get(gateway).is_some_and(|record| record.incarnation == *incarnation);
            stands.then(|| (gateway.clone(), *incarnation, *probe))
        });
        due.collect()
    }

    pub(crate) fn forget_silent(&mut self, now: Instant) {
        self.heard.retain(|_, known| now.saturating_duration_since(known.heard_at) < FORGET_AFTER);
        let heard = &self.heard;
        self.lost.retain(|id, _| heard.contains_key(id));
    }

    /// When one is worth a probe, or to be forgotten.
    pub(crate) fn next(&self) -> Option<Instant> {
        self.heard.values().map(|known| known.probe_at.min(known.heard_at + FORGET_AFTER)).min()
    }
}

impl Known {
    fn boot(&self) -> Job {
        Job { gateway: self.announce.gateway.clone(), incarnation: self.announce.incarnation }
    }

    fn is_silent(&self, now: Instant) -> bool {
        now.saturating_duration_since(self.heard_at) >= SUSPECT_AFTER
    }
}

/// What decides whether it takes jobs at all; load changes all the time.
fn is_same(before: &GatewayAnnounce, after: &GatewayAnnounce) -> bool {
    (before.incarnation, before.state, &before.offers) == (after.incarnation, after.state, &after.offers)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{gateway, gateway_announce, job, start};

    #[test]
    fn a_gateway_lives_by_its_key_and_only_the_boot_that_holds_it() {
        let (mut gateways, t0) = (Gateways::new(), start());
        assert_eq!(gateways.life(&job("g1", 1), t0), Life::Lives, "nothing was listed yet");
        gateways.listed(Vec::new(), Revision(1), t0);
        assert_eq!(gateways.life(&job("g1", 1), t0), Life::Dead);
        key(&mut gateways, 2, Some(2), t0);
        assert_eq!(gateways.life(&job("g1", 2), t0), Life::Lives);
        assert_eq!(gateways.life(&job("g1", 1), t0), Life::Dead);
    }

    #[test]
    fn one_that_lost_its_key_and_is_heard_gets_a_moment() {
        let (mut gateways, t0) = (Gateways::new(), start());
        gateways.listed(Vec::new(), Revision(1), t0);
        gateways.hear(gateway_announce("g1", 1, 1), t0);
        key(&mut gateways, 2, Some(1), t0);
        key(&mut gateways, 3, None, t0);
        assert_eq!(gateways.life(&job("g1", 1), t0), Life::Unknown(t0 + RECLAIM_GRACE));
        assert_eq!(gateways.life(&job("g1", 1), t0 + SUSPECT_AFTER), Life::Dead, "it is silent as well");
        gateways.hear(gateway_announce("g1", 1, 2), t0 + RECLAIM_GRACE);
        assert_eq!(gateways.life(&job("g1", 1), t0 + RECLAIM_GRACE), Life::Dead);
        key(&mut gateways, 4, Some(1), t0);
        assert_eq!(gateways.life(&job("g1", 1), t0), Life::Lives);
    }

    #[test]
    fn only_what_decides_whether_it_takes_jobs_is_news() {
        let (mut gateways, t0) = (Gateways::new(), start());
        assert_eq!(gateways.hear(gateway_announce("g1", 1, 1), t0), Told::News);
        let loaded = GatewayAnnounce { load_permille: 7, ..gateway_announce("g1", 1, 2) };
        assert_eq!(gateways.hear(loaded, t0), Told::Nothing);
        assert_eq!(gateways.hear(gateway_announce("g1", 1, 2), t0), Told::Ignored);
        let draining = GatewayAnnounce { state: GatewayState::Draining, ..gateway_announce("g1", 1, 3) };
        assert_eq!(gateways.hear(draining, t0), Told::News);
        assert!(gateways.is_draining(&job("g1", 1)) && !gateways.is_draining(&job("g1", 0)));
        assert_eq!(gateways.hear(gateway_announce("g1", 1, 4), t0 + SUSPECT_AFTER), Told::News, "it is back");
    }

    #[test]
    fn a_silent_one_is_probed_while_its_key_stands_and_forgotten_in_the_end() {
        let (mut gateways, t0) = (Gateways::new(), start());
        gateways.hear(gateway_announce("g1", 1, 1), t0);
        assert_eq!(gateways.next(), Some(t0 + SUSPECT_AFTER));
        assert!(gateways.take_suspects(t0 + SUSPECT_AFTER).is_empty(), "it has no key to delete");
        key(&mut gateways, 1, Some(1), t0);
        assert_eq!(gateways.take_suspects(t0 + SUSPECT_AFTER + PROBE_EVERY).len(), 1);
        gateways.forget_silent(t0 + FORGET_AFTER);
        assert_eq!(gateways.next(), None);
    }

    fn key(gateways: &mut Gateways, revision: u64, incarnation: Option<u64>, now: Instant) {
        let record = incarnation.map(|n| GatewayRecord { incarnation: Incarnation(n) });
        gateways.watched(gateway("g1"), record, Revision(revision), now);
    }
}
