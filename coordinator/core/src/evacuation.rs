//! Moving rooms away from workers that died or give their rooms away, most people first, at a bounded
//! rate.
//!
//! The leader moves them all. Every coordinator moves those of dead workers in which it holds sockets,
//! so that a call does not wait for an election; the compare-and-swap lets one of them win.

use std::time::{Duration, Instant};

use velella_model::wire::announce::WorkerState;
use velella_model::{RoomId, WorkerId};

use crate::Coordinator;
use crate::fleet::Life;

/// Time between two handfuls of rooms.
pub(crate) const EVACUATE_EVERY: Duration = Duration::from_millis(50);

/// Rooms in one handful: 320 a second, or 100 rooms in 0.3 s, far below what the store can write.
pub(crate) const EVACUATE_ROOMS: usize = 16;

/// Rooms on their way at once: their load is reserved, so that they do not herd.
pub(crate) const MOVING_ROOMS_MAX: usize = 64;

/// Wait after nobody could take a room.
pub(crate) const NOBODY_RETRY: Duration = Duration::from_secs(1);

/// When to look for rooms, or components, that have to move.
#[derive(Debug, Default)]
pub(crate) struct Evacuation {
    next: Option<Instant>,
    /// A handful has just left, or nobody could take a room.
    not_before: Option<Instant>,
}

/// Why a room has to leave.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Why {
    Dead,
    Draining,
}

impl Evacuation {
    /// Something happened that may make rooms move.
    pub(crate) fn wake(&mut self, at: Instant) {
        let at = self.not_before.map_or(at, |not_before| at.max(not_before));
        self.next = Some(self.next.map_or(at, |next| next.min(at)));
    }

    /// Nobody could take a room.
    pub(crate) fn nobody_fits(&mut self, now: Instant) {
        self.rest_until(now + NOBODY_RETRY);
        self.wake(now);
    }

    pub(crate) fn rest_until(&mut self, at: Instant) {
        self.not_before = self.not_before.max(Some(at));
        self.next = self.next.map(|next| next.max(at));
    }

    pub(crate) fn next(&self) -> Option<Instant> {
        self.next
    }

    pub(crate) fn take_due(&mut self, now: Instant) -> bool {
        let due = self.next.is_some_and(|next| next <= now);
        if due {
            self.next = None;
            self.not_before = None;
        }
        due
    }
}

impl Coordinator {
    /// Moves the next handful, if it is time.
    pub(crate) fn evacuate(&mut self, now: Instant) {
        if !self.evacuation.take_due(now) {
            return;
        }
        let mut leaving = self.leaving(now);
        leaving.sort_by(|a, b| (a.0, b.1).cmp(&(b.0, a.1)));
        let free = MOVING_ROOMS_MAX.saturating_sub(self.placings.len());
        let handful = EVACUATE_ROOMS.min(free);
        if !leaving.is_empty() {
            self.evacuation.rest_until(now + EVACUATE_EVERY);
            self.evacuation.wake(now);
        }
        for (why, _, room, worker) in leaving.into_iter().take(handful) {
            // What died may have come back as another boot, and be the only one there is.
            let left_out = (why == Why::Draining).then_some(worker);
            self.move_room(&room, left_out, now);
        }
    }

    /// Rooms that have to leave and are not on their way, with how many people are in them.
    fn leaving(&mut self, now: Instant) -> Vec<(Why, usize, RoomId, WorkerId)> {
        let mut leaving = Vec::new();
        let workers: Vec<WorkerId> = self.records.workers_with_rooms().cloned().collect();
        for worker in workers {
            let draining = self.leads && self.is_draining(&worker);
            for room in self.records.rooms_at(&worker) {
                let Some(record) = self.records.room(&room) else { continue };
                let why = match self.fleet.life(&record.placement, &self.registry, now) {
                    Life::Dead if self.leads || self.sessions.has_any_in(&room) => Why::Dead,
                    Life::Lives if draining => Why::Draining,
                    Life::Unknown(at) => {
                        self.evacuation.wake(at);
                        continue;
                    }
                    Life::Dead | Life::Lives => continue,
                };
                if !self.placings.contains_key(&room) {
                    leaving.push((why, self.records.connected_in(&room), room, worker.clone()));
                }
            }
        }
        leaving
    }

    /// Looks for rooms to move if this is one.
    pub(crate) fn wake_for(&mut self, room: &RoomId, now: Instant) {
        let Some(placement) = self.records.room(room).map(|record| &record.placement) else { return };
        if self.is_draining(&placement.worker) || self.fleet.life(placement, &self.registry, now) != Life::Lives {
            self.evacuation.wake(now);
        }
    }

    /// Whether its rooms shall go elsewhere, because it says so or because an operator does.
    pub(crate) fn is_draining(&self, worker: &WorkerId) -> bool {
        self.fleet.cordon(worker).is_some_and(|cordon| cordon.drain)
            || self.registry.state(worker) == Some(WorkerState::Draining)
    }
}
