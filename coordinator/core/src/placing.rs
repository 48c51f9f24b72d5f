//! Giving a room to a worker: decide → write the placement → tell the worker.
//!
//! A room that leaves a worker which lives is closed there in between, so that never two let people into it.
//! A worker that refuses or does not answer is left out and the next one is tried under a higher
//! generation; whoever may have taken it is told to close it once the store says that it is elsewhere, not
//! before. The generation is the revision of the write that places the room: so it grows whoever
//! writes and whatever that one has not seen yet, and a room that is deleted and made again under the same
//! id never meets commands of its former life.

use std::collections::BTreeSet;
use std::time::Instant;

use velella_model::record::{Placement, RoomRecord, RoomSpec};
use velella_model::wire::command::{Assignment, Order};
use velella_model::{Generation, RoomId, WorkerId};

use crate::fleet::Life;
use crate::input::{CommandOutcome, Fact, Revision, Ticket, WriteOutcome};
use crate::output::{Denial, Expect, Output, Reply};
use crate::placement::{self, Decision, NoWorker, Wish};
use crate::{CommandStep, Coordinator, WriteStep};

/// Workers that are asked to take one room before it is given up.
pub(crate) const ASSIGN_TRIES_MAX: u32 = 3;

/// Generation of a placement that is not written yet.
const OF_THE_WRITE: Generation = Generation(0);

/// A room on its way to a worker.
#[derive(Debug)]
pub(crate) struct Placing {
    goal: Goal,
    spec: RoomSpec,
    /// The placement that is being written or assigned.
    placement: Placement,
    /// What the next write of the record expects; `None` while the room is new.
    revision: Option<Revision>,
    refused_by: BTreeSet<WorkerId>,
    /// Former placements that did not answer: their workers may hold the room.
    unsure: Vec<Placement>,
    tries: u32,
    /// Whether the worker that it leaves has closed it.
    vacated: bool,
}

#[derive(Debug)]
enum Goal {
    /// A new room; `also` asked for the same id meanwhile.
    Create { ticket: Ticket, also: Vec<Ticket>, reuse: bool },
    /// The room leaves its worker; somebody may wait for it.
    Move { from: Placement, to: Option<WorkerId>, ticket: Option<Ticket> },
}

impl Coordinator {
    pub(crate) fn create_room(&mut self, ticket: Ticket, room: RoomId, spec: RoomSpec, reuse: bool, now: Instant) {
        if let Some(Placing { goal: Goal::Create { also, reuse: true, .. }, .. }) = self.placings.get_mut(&room)
            && reuse
        {
            also.push(ticket);
            return;
        }
        if self.placings.contains_key(&room) || self.records.room(&room).is_some() {
            let reply = self.existing_room(&room, reuse);
            return self.reply(ticket, reply);
        }
        let goal = Goal::Create { ticket, also: Vec::new(), reuse };
        let (refused_by, unsure) = (BTreeSet::new(), Vec::new());
        self.decide(room, Draft { goal, spec, revision: None, refused_by, unsure, tries: 0, vacated: false }, now);
    }

    fn existing_room(&self, room: &RoomId, reuse: bool) -> Reply {
        match self.records.view(room) {
            Some(view) if reuse => Reply::Room(view),
            Some(_) | None => Reply::Denied(Denial::RoomExists),
        }
    }

    /// Places a room again whose worker is gone; `gone` is left out of the choice.
    pub(crate) fn move_room(&mut self, room: &RoomId, gone: Option<WorkerId>, now: Instant) {
        self.move_for((room, gone), None, None, now);
    }

    /// Places a room anew, at `to` when that is named.
    pub(crate) fn move_for(
        &mut self,
        (room, gone): (&RoomId, Option<WorkerId>),
        to: Option<WorkerId>,
        ticket: Option<Ticket>,
        now: Instant,
    ) {
        if self.placings.contains_key(room) {
            return;
        }
        let Some(record) = self.records.room(room) else { return };
        let draft = Draft {
            goal: Goal::Move { from: record.placement.clone(), to, ticket },
            spec: record.spec.clone(),
            revision: self.records.room_revision(room),
            refused_by: gone.into_iter().collect(),
            unsure: Vec::new(),
            tries: 0,
            vacated: false,
        };
        self.decide(room.clone(), draft, now);
    }

    fn decide(&mut self, room: RoomId, draft: Draft, now: Instant) {
        let decision = match self.choose(&room, &draft, now) {
            Ok(decision) => decision,
            Err(nobody) => {
                self.stats.no_worker += 1;
                return self.give_up(&room, draft, Denial::NoWorker(nobody.candidates), now);
            }
        };
        let placement = Placement {
            worker: decision.worker,
            incarnation: decision.incarnation,
            generation: OF_THE_WRITE,
            endpoints: decision.endpoints,
            candidates: decision.candidates,
        };
        self.registry.reserve(&placement.worker, &room, draft.spec.room_type, now);
        let record = RoomRecord { spec: draft.spec.clone(), placement: placement.clone() };
        let expect = draft.revision.map_or(Expect::Absent, Expect::Revision);
        self.write(WriteStep::PlacementWritten(room.clone()), Fact::Room(room.clone(), Some(record)), expect);
        let Draft { goal, spec, revision, refused_by, unsure, tries, vacated } = draft;
        self.placings.insert(room, Placing { goal, spec, placement, revision, refused_by, unsure, tries, vacated });
    }

    fn choose(&self, room: &RoomId, draft: &Draft, now: Instant) -> Result<Decision, NoWorker> {
        let contenders = self.registry.contenders(&self.fleet, |worker| self.records.placed_at(worker), now);
        let only = if let Goal::Move { to, .. } = &draft.goal { to.as_ref() } else { None };
        placement::place(Wish { room, region: &self.region, refused_by: &draft.refused_by, only }, &contenders)
    }

    pub(crate) fn placement_written(&mut self, room: &RoomId, outcome: WriteOutcome, now: Instant) {
        let Some(placing) = self.placings.get_mut(room) else { return };
        match outcome {
            WriteOutcome::Done(revision) => {
                placing.revision = Some(revision);
                let record = RoomRecord { spec: placing.spec.clone(), placement: placing.placement.clone() };
                let record = record.read_at(revision.0);
                placing.placement.generation = record.placement.generation;
                let unsure = std::mem::take(&mut placing.unsure);
                self.answered(Fact::Room(room.clone(), Some(record)), revision, now);
                self.close_room_at_all(room, &unsure);
                self.vacate(room, now);
            }
            WriteOutcome::Conflict(standing) => {
                self.stats.write_conflicts += 1;
                let Some(placing) = self.take_placing(room) else { return };
                if let Some(entry) = standing {
                    self.answered(entry.fact, entry.revision, now);
                }
                self.close_room_at_all(room, &placing.unsure);
                self.finish_by_another(room, placing, now);
            }
            WriteOutcome::Failed => {
                self.stats.writes_lost += 1;
                if let Some(placing) = self.take_placing(room) {
                    let (draft, _) = placing.into_draft();
                    self.give_up(room, Draft { revision: None, ..draft }, Denial::StoreDown, now);
                }
                // It may have happened nevertheless, and its worker may have died since.
                self.wake_for(room, now);
            }
        }
    }

    /// Closes the room where it still lives, or goes on when it lives nowhere.
    fn vacate(&mut self, room: &RoomId, now: Instant) {
        let Some(Placing { goal, placement, vacated, .. }) = self.placings.get(room) else { return };
        let from = if let Goal::Move { from, .. } = goal { Some(from.clone()) } else { None };
        let (placement, vacated) = (placement.clone(), *vacated);
        match from.filter(|from| !vacated && !self.is_left_to_itself(from, &placement, now)) {
            Some(Placement { worker, incarnation, generation, .. }) => {
                let order = Order::CloseRoom { room: room.clone(), generation };
                self.command(CommandStep::Vacated(room.clone()), worker, incarnation, order);
            }
            None => self.assign(room),
        }
    }

    /// A worker that is only thought dead looks after its rooms itself before it returns.
    fn is_left_to_itself(&mut self, from: &Placement, placement: &Placement, now: Instant) -> bool {
        let stays = (&placement.worker, placement.incarnation) == (&from.worker, from.incarnation);
        stays || self.fleet.life(from, &self.registry, now) == Life::Dead
    }

    /// A worker that does not answer is not waited for: it is told again once the room lives elsewhere.
    pub(crate) fn room_vacated(&mut self, room: &RoomId, outcome: CommandOutcome) {
        let Some(placing) = self.placings.get_mut(room) else { return };
        placing.vacated = outcome == CommandOutcome::Done;
        self.assign(room);
    }

    fn assign(&mut self, room: &RoomId) {
        let Some(Placing { spec, placement, .. }) = self.placings.get(room) else { return };
        let record = RoomRecord { spec: spec.clone(), placement: placement.clone() };
        let order = Order::AssignRoom { assignment: assignment(room, &record) };
        let (worker, incarnation) = (placement.worker.clone(), placement.incarnation);
        self.command(CommandStep::Assigned(room.clone()), worker, incarnation, order);
    }

    pub(crate) fn room_assigned(&mut self, room: &RoomId, outcome: CommandOutcome, now: Instant) {
        if outcome == CommandOutcome::Done {
            let Some(placing) = self.placings.remove(room) else { return };
            return self.finish(room, placing, now);
        }
        self.stats.assignments_failed += 1;
        let Some(placing) = self.take_placing(room) else { return };
        let (mut draft, former) = placing.into_draft();
        tracing::warn!(%room, worker = %former.worker, ?outcome, "a worker did not take a room");
        draft.refused_by.insert(former.worker.clone());
        if outcome == CommandOutcome::TimedOut {
            draft.unsure.push(former);
        }
        draft.tries += 1;
        if draft.tries >= ASSIGN_TRIES_MAX {
            let candidates = self.choose(room, &draft, now).map_or_else(|n| n.candidates, |d| d.candidates);
            return self.give_up(room, draft, Denial::NoWorker(candidates), now);
        }
        self.decide(room.clone(), draft, now);
    }

    fn finish(&mut self, room: &RoomId, placing: Placing, now: Instant) {
        let Placement { worker, generation, .. } = &placing.placement;
        tracing::info!(%room, %worker, generation = generation.0, "room placed");
        match &placing.goal {
            Goal::Create { .. } => self.stats.rooms_placed += 1,
            Goal::Move { from, .. } => {
                self.stats.rooms_moved += 1;
                if !placing.vacated && !self.is_left_to_itself(from, &placing.placement, now) {
                    self.close_room_at(room, from);
                }
            }
        }
        self.show_to_all(room, placing.goal);
        // While it was on its way nobody moved it, whatever became of its new worker.
        self.wake_for(room, now);
        self.open_waiting(room, now);
    }

    /// Somebody else wrote the room meanwhile: what stands there counts.
    fn finish_by_another(&mut self, room: &RoomId, placing: Placing, now: Instant) {
        match placing {
            Placing { goal: Goal::Create { ticket, also, reuse }, revision: None, .. } => {
                let reply = self.existing_room(room, reuse);
                also.into_iter().chain([ticket]).for_each(|ticket| self.reply(ticket, reply.clone()));
            }
            // Also one that was made here: its worker died, and whoever moves its rooms was quicker.
            Placing { goal, .. } => self.show_to_all(room, goal),
        }
        self.wake_for(room, now);
        self.open_waiting(room, now);
    }

    fn show_to_all(&mut self, room: &RoomId, goal: Goal) {
        let reply = self.records.view(room).map_or(Reply::Denied(Denial::RoomNotFound), Reply::Room);
        goal.into_tickets().into_iter().for_each(|ticket| self.reply(ticket, reply.clone()));
    }

    /// A new room is withdrawn; a room that should move keeps its record, which its worker may yet take when
    /// its sessions ask again.
    fn give_up(&mut self, room: &RoomId, draft: Draft, denial: Denial, now: Instant) {
        tracing::warn!(%room, %denial, "room not placed");
        if let Goal::Move { .. } = draft.goal {
            self.evacuation.nobody_fits(now);
        } else if let Some(revision) = draft.revision {
            let step = WriteStep::Withdrawn(room.clone(), draft.unsure);
            self.write(step, Fact::Room(room.clone(), None), Expect::Revision(revision));
        }
        let reply = Reply::Denied(denial);
        draft.goal.into_tickets().into_iter().for_each(|ticket| self.reply(ticket, reply.clone()));
    }

    /// The record of a new room that nobody took is gone, or somebody else changed it.
    pub(crate) fn withdrawn(&mut self, room: RoomId, unsure: &[Placement], outcome: WriteOutcome, now: Instant) {
        match outcome {
            WriteOutcome::Done(revision) => self.answered(Fact::Room(room.clone(), None), revision, now),
            WriteOutcome::Conflict(_) => {}
            WriteOutcome::Failed => return,
        }
        self.close_room_at_all(&room, unsure);
    }

    fn take_placing(&mut self, room: &RoomId) -> Option<Placing> {
        let placing = self.placings.remove(room)?;
        self.registry.release(&placing.placement.worker, room);
        Some(placing)
    }

    /// For a placement that the store no longer names: so whoever misses the end of a session there sees it
    /// from the record.
    pub(crate) fn close_room_at(&mut self, room: &RoomId, placement: &Placement) {
        let order = Order::CloseRoom { room: room.clone(), generation: placement.generation };
        self.command_surely(placement.worker.clone(), placement.incarnation, order);
    }

    fn close_room_at_all(&mut self, room: &RoomId, placements: &[Placement]) {
        placements.iter().for_each(|placement| self.close_room_at(room, placement));
    }

    fn reply(&mut self, ticket: Ticket, reply: Reply) {
        self.emit(Output::Reply { ticket, reply });
    }
}

/// A room before the choice of its worker.
#[derive(Debug)]
struct Draft {
    goal: Goal,
    spec: RoomSpec,
    revision: Option<Revision>,
    refused_by: BTreeSet<WorkerId>,
    unsure: Vec<Placement>,
    tries: u32,
    vacated: bool,
}

impl Goal {
    /// Everybody who waits for it.
    fn into_tickets(self) -> Vec<Ticket> {
        match self {
            Self::Create { ticket, mut also, .. } => {
                also.push(ticket);
                also
            }
            Self::Move { ticket, .. } => ticket.into_iter().collect(),
        }
    }
}

impl Placing {
    /// Back to the choice, with the placement that did not work.
    fn into_draft(self) -> (Draft, Placement) {
        let Self { goal, spec, placement, revision, refused_by, unsure, tries, vacated } = self;
        (Draft { goal, spec, revision, refused_by, unsure, tries, vacated }, placement)
    }
}

/// What a worker must know of a room.
pub(crate) fn assignment(room: &RoomId, record: &RoomRecord) -> Assignment {
    Assignment {
        room: room.clone(),
        generation: record.placement.generation,
        room_type: record.spec.room_type,
        video_codec: record.spec.video_codec,
    }
}
