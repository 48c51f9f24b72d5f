//! What is tidied up: connections whose sockets are gone, components whose rooms are, and rooms that workers
//! hold though the store places them elsewhere. Each coordinator looks after the connections of its own former
//! boots, the leader after everything else.
//!
//! Both are seen from a lagging watch, so each must be found again a while later before anything is done
//! about it.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use velella_model::record::Connection;
use velella_model::wire::command::Order;
use velella_model::wire::holding::Holding;
use velella_model::{Generation, Incarnation, PeerId, RoomId, SessionId, WorkerId};

use crate::Coordinator;
use crate::components::Key;
use crate::edits::Change;
use crate::output::Expect;

/// Time between two looks at the connections of peers.
pub(crate) const SWEEP_EVERY: Duration = Duration::from_secs(3);

/// How long a room must have been held in vain: less than the time between two tellings of a worker, more
/// than one that comes twice needs.
const STRAY_GRACE: Duration = Duration::from_secs(3);

/// Sessions that are adopted after one look; more are found again at the next.
const ADOPTIONS_MAX: usize = 500;

/// Rooms held in vain that are remembered; more are found again later.
const STRAYS_MAX: usize = 4_096;

/// What the last look found.
#[derive(Debug, Default)]
pub(crate) struct Sweep {
    next: Option<Instant>,
    orphans: BTreeSet<SessionId>,
    abandoned: BTreeSet<Key>,
    /// Since when each is known.
    strays: BTreeMap<(WorkerId, RoomId, Generation), Instant>,
}

impl Sweep {
    pub(crate) fn lead(&mut self, leads: bool, now: Instant) {
        let next = self.next.or_else(|| leads.then(|| now + SWEEP_EVERY));
        *self = Self { next, ..Self::default() };
    }

    /// The peers are known.
    pub(crate) fn begin(&mut self, now: Instant) {
        self.next = self.next.or(Some(now + SWEEP_EVERY));
    }

    pub(crate) fn next(&self) -> Option<Instant> {
        self.next
    }

    fn is_found_again(&mut self, stray: &(WorkerId, RoomId, Generation), now: Instant) -> bool {
        let Some(since) = self.strays.get(stray) else {
            if self.strays.len() < STRAYS_MAX {
                self.strays.insert(stray.clone(), now);
            }
            return false;
        };
        let again = now.saturating_duration_since(*since) >= STRAY_GRACE;
        if again {
            self.strays.remove(stray);
        }
        again
    }
}

impl Coordinator {
    /// Disconnects peers whose coordinator died with their sockets and who have not come by another one. Those who came
    /// with an offer never had one: their sessions are adopted.
    pub(crate) fn sweep_connections(&mut self, now: Instant) {
        if self.sweep.next.is_none_or(|next| now < next) {
            return;
        }
        self.sweep.next = Some(now + SWEEP_EVERY);
        self.records.components.forget_silent(now);
        let orphans = self.orphans();
        let before = std::mem::take(&mut self.sweep.orphans);
        self.sweep.orphans = orphans.iter().map(|(.., orphan)| orphan.session.clone()).collect();
        let mut adoptions = 0;
        for (room, peer, Connection { session, offered, .. }) in orphans {
            if !before.contains(&session) {
                continue;
            }
            if offered {
                adoptions += 1;
                if adoptions <= ADOPTIONS_MAX {
                    self.adopt(room, peer, now);
                }
            } else {
                self.stats.orphans_disconnected += 1;
                self.edit(&room, &peer, Change::Disconnect { session }, now);
            }
        }
        self.sweep_components();
    }

    fn sweep_components(&mut self) {
        let abandoned = if self.leads { self.records.abandoned_components() } else { Vec::new() };
        let before = std::mem::take(&mut self.sweep.abandoned);
        self.sweep.abandoned = abandoned.iter().map(|(key, _)| key.clone()).collect();
        for (key, revision) in abandoned {
            if before.contains(&key) {
                self.stats.components_swept += 1;
                self.forget_component(key, Expect::Revision(revision));
            }
        }
    }

    fn orphans(&self) -> Vec<(RoomId, PeerId, Connection)> {
        let connected = self.records.connections();
        let orphaned = connected.filter(|(_, _, connection)| {
            if connection.coordinator == self.id {
                return self.sessions.get(&connection.session).is_none();
            }
            self.leads && self.fleet.is_orphaned(&connection.coordinator)
        });
        orphaned.map(|(room, peer, connection)| (room.clone(), peer.clone(), connection.clone())).collect()
    }

    /// Closes what a worker should not hold any more.
    pub(crate) fn held_by(&mut self, holding: Holding, now: Instant) {
        if !self.leads {
            return;
        }
        let Holding { worker, incarnation, rooms } = holding;
        for (room, generation) in rooms {
            let stray = (worker.clone(), room, generation);
            if !self.is_stray(&stray, incarnation) {
                self.sweep.strays.remove(&stray);
            } else if self.sweep.is_found_again(&stray, now) {
                self.stats.strays_closed += 1;
                let (worker, room, generation) = stray;
                tracing::warn!(%worker, %room, "the worker holds a room that is not there any more");
                self.command_surely(worker, incarnation, Order::CloseRoom { room, generation });
            }
        }
    }

    fn is_stray(&self, (worker, room, generation): &(WorkerId, RoomId, Generation), incarnation: Incarnation) -> bool {
        let Some(placement) = self.records.room(room).map(|record| &record.placement) else { return true };
        let is_here = placement.worker == *worker && placement.incarnation == incarnation;
        !is_here && placement.generation > *generation
    }
}
