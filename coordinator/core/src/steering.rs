//! What operators ask of workers and rooms: cordon, drain, uncordon, move.

use std::time::Instant;

use velella_model::record::Cordon;
use velella_model::{RoomId, WorkerId};

use crate::input::{Fact, FleetFact, Ticket, WriteOutcome};
use crate::output::{Denial, Expect, Output, Reply};
use crate::{Coordinator, WriteStep};

impl Coordinator {
    /// Takes a worker out of the choice, or back in. A worker that is not there can be uncordoned, and
    /// cordoned only while its key or a cordon of it stands.
    pub(crate) fn cordon_worker(&mut self, ticket: Ticket, worker: WorkerId, cordon: Option<Cordon>) {
        let is_known = self.fleet.lives(&worker).is_some()
            || self.fleet.cordon(&worker).is_some()
            || self.registry.state(&worker).is_some();
        if !is_known {
            return self.deny(ticket, Denial::WorkerNotFound);
        }
        let fact = FleetFact::Cordon(worker, cordon);
        self.write(WriteStep::Cordoned(ticket, fact.clone()), Fact::Fleet(fact), Expect::Any);
    }

    pub(crate) fn cordoned(&mut self, ticket: Ticket, fact: FleetFact, outcome: &WriteOutcome, now: Instant) {
        let WriteOutcome::Done(revision) = outcome else {
            self.stats.writes_lost += 1;
            return self.deny(ticket, Denial::StoreDown);
        };
        self.fleet.answered(fact, *revision);
        self.evacuation.wake(now);
        self.emit(Output::Reply { ticket, reply: Reply::Workers(self.workers(now)) });
    }

    /// Moves a room by hand, to a worker of choice or to the best other one.
    pub(crate) fn move_by_hand(&mut self, ticket: Ticket, room: &RoomId, to: Option<WorkerId>, now: Instant) {
        let Some(record) = self.records.room(room) else { return self.deny(ticket, Denial::RoomNotFound) };
        let from = record.placement.worker.clone();
        if let Some(to) = &to {
            if *to == from {
                let reply = self.records.view(room).map_or(Reply::Denied(Denial::RoomNotFound), Reply::Room);
                return self.emit(Output::Reply { ticket, reply });
            }
            if self.registry.state(to).is_none() {
                return self.deny(ticket, Denial::WorkerNotFound);
            }
        }
        if self.placings.contains_key(room) {
            return self.deny(ticket, Denial::RoomMoving);
        }
        self.move_for((room, Some(from)), to, Some(ticket), now);
    }
}
