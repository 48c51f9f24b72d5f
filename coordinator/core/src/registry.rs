//! Workers known by their announcements, and how fresh that knowledge is by our own clock.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use velella_model::record::{Cordon, Placement};
use velella_model::wire::announce::{Announce, Load, WorkerState};
use velella_model::{Incarnation, RoomId, RoomType, WorkerId};

use crate::death::PROBE_EVERY;
use crate::fleet::Fleet;
use crate::output::WorkerView;
use crate::placement::Contender;
use crate::reservation::{Reservations, expected_permille};

/// Silent for longer: suspect, gets no new rooms. Two announcements are missed by then.
pub const SUSPECT_AFTER: Duration = Duration::from_secs(1);

/// Silent for longer: no longer listed.
pub const FORGET_AFTER: Duration = Duration::from_secs(10);

/// Workers that are remembered at most; announcements of further ones are dropped and counted.
pub const WORKERS_MAX: usize = 4096;

/// All known workers, with what is reserved at each.
#[derive(Debug, Default)]
pub struct Registry {
    workers: BTreeMap<WorkerId, Known>,
}

#[derive(Debug)]
struct Known {
    announce: Announce,
    heard_at: Instant,
    /// When it is worth a probe.
    probe_at: Instant,
    /// It was proven dead, and has not announced itself since.
    proven_dead: bool,
    reservations: Reservations,
}

/// What an announcement told.
#[derive(Debug, PartialEq, Eq)]
pub enum Heard {
    /// More of the same.
    Renewed,
    /// Another boot than before: what the earlier one held is gone.
    Restarted {
        /// The earlier boot.
        before: Incarnation,
    },
    /// Out of order, or of an earlier boot.
    Stale,
    /// One worker too many.
    TooMany,
}

impl Registry {
    /// Takes an announcement.
    pub fn hear(&mut self, announce: Announce, now: Instant) -> Heard {
        let full = self.workers.len() >= WORKERS_MAX;
        let Some(known) = self.workers.get_mut(&announce.worker) else {
            if full {
                return Heard::TooMany;
            }
            self.workers.insert(announce.worker.clone(), Known::new(announce, now));
            return Heard::Renewed;
        };
        let before = known.announce.incarnation;
        if (announce.incarnation, announce.seq) <= (before, known.announce.seq) {
            return Heard::Stale;
        }
        if announce.incarnation != before {
            *known = Known::new(announce, now);
            return Heard::Restarted { before };
        }
        known.reservations.cover(announce.assigned_total, now);
        known.announce = announce;
        known.heard_at = now;
        known.proven_dead = false;
        known.probe_at = now + SUSPECT_AFTER;
        Heard::Renewed
    }

    /// Everybody, with `placed` telling how many rooms the records place at a worker.
    pub fn contenders(&self, fleet: &Fleet, placed: impl Fn(&WorkerId) -> u32, now: Instant) -> Vec<Contender> {
        self.workers.values().map(|known| known.contender(fleet, &placed, now)).collect()
    }

    /// What a worker says of itself; `None` when it is not heard of at all.
    pub(crate) fn state(&self, worker: &WorkerId) -> Option<WorkerState> {
        self.workers.get(worker).map(|known| known.announce.state)
    }

    /// Until when a boot is not silent; `None` when it is, was proven dead, or gives its rooms away anyway.
    pub(crate) fn heard_until(&self, worker: &WorkerId, incarnation: Incarnation, now: Instant) -> Option<Instant> {
        let known = self.workers.get(worker).filter(|known| known.announce.incarnation == incarnation)?;
        let stays = !known.proven_dead && known.announce.state != WorkerState::Draining;
        Some(known.heard_at + SUSPECT_AFTER).filter(|until| stays && now < *until)
    }

    /// Nobody answers for it, and its port refuses.
    pub(crate) fn prove_dead(&mut self, worker: &WorkerId) {
        if let Some(known) = self.workers.get_mut(worker) {
            known.proven_dead = true;
        }
    }

    /// Worth a probe now.
    pub(crate) fn suspect(&mut self, worker: &WorkerId, now: Instant) {
        if let Some(known) = self.workers.get_mut(worker) {
            known.probe_at = known.probe_at.min(now);
        }
    }

    /// Workers that are due for a probe, with their boots and where to probe them.
    pub(crate) fn take_suspects(&mut self, now: Instant) -> Vec<(WorkerId, Incarnation, Option<SocketAddr>)> {
        let due = self.workers.values_mut().filter(|known| known.probe_at <= now);
        due.map(|known| {
            known.probe_at = now + PROBE_EVERY;
            let Announce { worker, incarnation, probe, .. } = &known.announce;
            (worker.clone(), *incarnation, *probe)
        })
        .collect()
    }

    pub(crate) fn next_probe(&self) -> Option<Instant> {
        self.workers.values().map(|known| known.probe_at).min()
    }

    pub(crate) fn views(&self, fleet: &Fleet, placed: impl Fn(&WorkerId) -> u32, now: Instant) -> Vec<WorkerView> {
        let view = |known: &Known| WorkerView {
            silent_for: now.saturating_duration_since(known.heard_at),
            suspect: known.is_silent(now),
            effective_load_permille: known.load_permille(),
            rooms_placed: placed(&known.announce.worker),
            lives: fleet.may_live(&known.announce.worker, known.announce.incarnation),
            cordon: fleet.cordon(&known.announce.worker),
            announce: known.announce.clone(),
        };
        self.workers.values().map(view).collect()
    }

    /// The present loads of those that are heard; the others' would be a guess.
    pub(crate) fn loads(&self, now: Instant) -> impl Iterator<Item = (&WorkerId, Load)> {
        let heard = self.workers.values().filter(move |known| !known.is_silent(now));
        heard.map(|known| (&known.announce.worker, known.announce.load))
    }

    /// How many take rooms.
    pub(crate) fn ready(&self, now: Instant) -> usize {
        let ready = |known: &&Known| known.announce.state == WorkerState::Ready && !known.is_silent(now);
        self.workers.values().filter(ready).count()
    }

    /// The room is about to be placed at the worker.
    pub fn reserve(&mut self, worker: &WorkerId, room: &RoomId, room_type: RoomType, now: Instant) {
        if let Some(known) = self.workers.get_mut(worker) {
            let total = known.announce.assigned_total;
            known.reservations.make(room, expected_permille(room_type), total, now);
        }
    }

    /// The store shows the room at the worker; whoever placed it, its load is on the way.
    pub fn record(&mut self, worker: &WorkerId, room: &RoomId, room_type: RoomType, now: Instant) {
        if let Some(known) = self.workers.get_mut(worker) {
            let total = known.announce.assigned_total;
            known.reservations.record(room, expected_permille(room_type), total, now);
        }
    }

    /// The room is not, or no longer, at the worker.
    pub fn release(&mut self, worker: &WorkerId, room: &RoomId) {
        if let Some(known) = self.workers.get_mut(worker) {
            known.reservations.release(room);
        }
    }

    /// Whether the placement's boot of its worker is known to be over.
    pub(crate) fn is_over(&self, placement: &Placement) -> bool {
        self.workers.get(&placement.worker).is_some_and(|known| known.announce.incarnation > placement.incarnation)
    }

    pub(crate) fn forget_silent(&mut self, now: Instant) {
        self.workers.retain(|_, known| now.saturating_duration_since(known.heard_at) < FORGET_AFTER);
    }

    pub(crate) fn len(&self) -> usize {
        self.workers.len()
    }

    pub(crate) fn next_forget(&self) -> Option<Instant> {
        self.workers.values().map(|known| known.heard_at + FORGET_AFTER).min()
    }
}

impl Known {
    fn new(announce: Announce, now: Instant) -> Self {
        let (probe_at, reservations) = (now + SUSPECT_AFTER, Reservations::default());
        Self { announce, heard_at: now, probe_at, proven_dead: false, reservations }
    }

    fn is_silent(&self, now: Instant) -> bool {
        now.saturating_duration_since(self.heard_at) >= SUSPECT_AFTER
    }

    fn load_permille(&self) -> u32 {
        self.announce.load.cpu_permille.saturating_add(self.reservations.load_permille())
    }

    fn contender(&self, fleet: &Fleet, placed: impl Fn(&WorkerId) -> u32, now: Instant) -> Contender {
        let Announce { worker, incarnation, endpoints, region, state, capacity, load, .. } = &self.announce;
        Contender {
            worker: worker.clone(),
            incarnation: *incarnation,
            endpoints: endpoints.clone(),
            region: region.clone(),
            state: match fleet.cordon(worker) {
                Some(Cordon { drain: true }) => WorkerState::Draining,
                Some(Cordon { drain: false }) if *state == WorkerState::Ready => WorkerState::Cordoned,
                Some(_) | None => *state,
            },
            lives: fleet.may_live(worker, *incarnation),
            silent: self.is_silent(now),
            announced_permille: load.cpu_permille,
            load_permille: self.load_permille(),
            rooms: load.rooms.max(placed(worker)).saturating_add(self.reservations.pending()),
            sessions: load.sessions,
            capacity: *capacity,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{announce, room, start, worker};

    #[test]
    fn a_worker_is_suspect_after_a_second_and_forgotten_after_ten() {
        let (mut registry, t0) = (Registry::default(), start());
        registry.hear(announce("w1", 1, 1), t0);
        assert!(!registry.contenders(&Fleet::new(), |_| 0, t0 + Duration::from_millis(999))[0].silent);
        assert!(registry.contenders(&Fleet::new(), |_| 0, t0 + SUSPECT_AFTER)[0].silent);
        registry.forget_silent(registry.next_forget().unwrap());
        assert!(registry.contenders(&Fleet::new(), |_| 0, t0).is_empty());
    }

    #[test]
    fn older_announcements_are_ignored_and_a_new_boot_replaces_the_old() {
        let (mut registry, t0) = (Registry::default(), start());
        assert_eq!(registry.hear(announce("w1", 2, 5), t0), Heard::Renewed);
        assert_eq!(registry.hear(announce("w1", 2, 5), t0), Heard::Stale);
        assert_eq!(registry.hear(announce("w1", 1, 99), t0), Heard::Stale);
        assert_eq!(registry.hear(announce("w1", 3, 0), t0), Heard::Restarted { before: Incarnation(2) });
    }

    #[test]
    fn who_is_proven_dead_or_drains_is_not_waited_for() {
        let (mut registry, t0) = (Registry::default(), start());
        let heard =
            |registry: &Registry, incarnation| registry.heard_until(&worker("w1"), Incarnation(incarnation), t0);
        registry.hear(announce("w1", 1, 1), t0);
        assert_eq!([heard(&registry, 1), heard(&registry, 2)], [Some(t0 + SUSPECT_AFTER), None]);
        registry.prove_dead(&worker("w1"));
        assert_eq!(heard(&registry, 1), None);
        registry.hear(announce("w1", 1, 2), t0);
        assert_eq!(heard(&registry, 1), Some(t0 + SUSPECT_AFTER), "it lives after all");
        registry.hear(Announce { state: WorkerState::Draining, ..announce("w1", 1, 3) }, t0);
        assert_eq!(heard(&registry, 1), None);
    }

    #[test]
    fn a_reservation_counts_as_load_and_as_a_room_at_once() {
        let (mut registry, t0) = (Registry::default(), start());
        registry.hear(announce("w1", 1, 1), t0);
        registry.reserve(&worker("w1"), &room("r1"), RoomType::Conference, t0);
        let contender = registry.contenders(&Fleet::new(), |_| 3, t0).remove(0);
        assert_eq!((contender.load_permille, contender.rooms), (10, 4));
        registry.record(&worker("w1"), &room("r1"), RoomType::Conference, t0);
        let contender = registry.contenders(&Fleet::new(), |_| 4, t0).remove(0);
        assert_eq!((contender.load_permille, contender.rooms), (10, 4), "not counted twice");
    }
}
