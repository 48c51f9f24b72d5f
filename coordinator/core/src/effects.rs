//! What is asked of the outside and has not been answered: who goes on with the answer.

use std::time::Instant;

use velella_model::component::ComponentRecord;
use velella_model::record::{PeerRecord, Placement, RoomRecord};
use velella_model::wire::command::Order;
use velella_model::{Generation, Incarnation, PeerId, RoomId, SessionId, WorkerId};

use crate::Coordinator;
use crate::broadcasts::Subscribing;
use crate::close::Close;
use crate::components::Key;
use crate::edits::{Change, EDIT_RETRY, Failed, Next};
use crate::input::{Arrival, CommandOutcome, Entry, Fact, FleetFact, OpId, Request, Revision, Ticket, WriteOutcome};
use crate::output::{Denial, Expect, Output, Reply};
use crate::removal::Removal;
use crate::room_edits::RoomEdit;
use crate::sessions::Site;

/// Attempts of a command that frees something at a worker.
pub(crate) const COMMAND_TRIES_MAX: u32 = 3;

/// Who goes on when a write is answered.
#[derive(Debug)]
pub(crate) enum WriteStep {
    PlacementWritten(RoomId),
    /// The placements at whose workers it may be.
    Withdrawn(RoomId, Vec<Placement>),
    Edited(RoomId, PeerId, Box<PeerRecord>),
    PeerAdded(Ticket, Box<Fact>),
    PeerForgotten,
    NewcomerAdded(Arrival, Box<Fact>),
    StreamClaimed(SessionId, Box<RoomRecord>),
    PeerRemoved(Option<Ticket>, RoomId, PeerId),
    ComponentAdded(Ticket, Box<Fact>),
    ComponentSubscribed(Subscribing, Box<ComponentRecord>),
    ComponentRemoved(Ticket, Key),
    ComponentForgotten,
    JobGiven(Key, Box<ComponentRecord>),
    RoomRemoved(Removal),
    RoomEdited(RoomEdit, Box<RoomRecord>),
    Cordoned(Ticket, FleetFact),
    Declared,
}

/// Who goes on when a command is answered.
#[derive(Debug)]
pub(crate) enum CommandStep {
    Vacated(RoomId),
    Assigned(RoomId),
    SessionOpened(SessionId, Site),
    Freed { worker: WorkerId, incarnation: Incarnation, order: Box<Order>, tries: u32 },
}

/// Who goes on when a room was read from the store.
#[derive(Debug)]
pub(crate) enum Parked {
    Request {
        ticket: Ticket,
        request: Request,
    },
    Arrival(Arrival),
    /// Somebody wants to stream into it.
    Stream(SessionId),
    /// The worker knows the placement of this generation as over.
    Refused(RoomId, Generation),
}

impl Coordinator {
    pub(crate) fn emit(&mut self, output: Output) {
        self.outputs.push_back(output);
    }

    pub(crate) fn write(&mut self, step: WriteStep, fact: Fact, expect: Expect) {
        let op = self.op();
        self.writes.insert(op, step);
        self.emit(Output::Write { op, fact, expect });
    }

    pub(crate) fn load(&mut self, room: RoomId, parked: Parked) {
        let op = self.op();
        self.loads.insert(op, parked);
        self.emit(Output::Load { op, room });
    }

    pub(crate) fn command(&mut self, step: CommandStep, worker: WorkerId, incarnation: Incarnation, order: Order) {
        let op = self.op();
        self.commands.insert(op, step);
        self.emit(Output::Command { op, worker, incarnation, order });
    }

    /// A command that frees something: repeated when it is not answered.
    pub(crate) fn command_surely(&mut self, worker: WorkerId, incarnation: Incarnation, order: Order) {
        let freed = Box::new(order.clone());
        let step = CommandStep::Freed { worker: worker.clone(), incarnation, order: freed, tries: 1 };
        self.command(step, worker, incarnation, order);
    }

    fn op(&mut self) -> OpId {
        self.next_op += 1;
        OpId(self.next_op)
    }

    pub(crate) fn written(&mut self, op: OpId, outcome: WriteOutcome, now: Instant) {
        let Some(step) = self.writes.remove(&op) else { return };
        match step {
            WriteStep::PlacementWritten(room) => self.placement_written(&room, outcome, now),
            WriteStep::Edited(room, peer, record) => self.edited(room, peer, *record, outcome, now),
            WriteStep::PeerAdded(ticket, fact) => self.peer_added(ticket, *fact, outcome, now),
            WriteStep::NewcomerAdded(arrival, fact) => self.newcomer_added(arrival, *fact, outcome, now),
            WriteStep::StreamClaimed(session, record) => self.stream_claimed(&session, *record, outcome, now),
            WriteStep::RoomRemoved(removal) => self.room_removed(removal, &outcome, now),
            WriteStep::RoomEdited(edit, record) => self.room_edited(edit, *record, outcome, now),
            WriteStep::PeerRemoved(ticket, room, peer) => self.peer_removed(ticket, (room, peer), &outcome, now),
            WriteStep::Withdrawn(room, unsure) => self.withdrawn(room, &unsure, outcome, now),
            WriteStep::Cordoned(ticket, fact) => self.cordoned(ticket, fact, &outcome, now),
            WriteStep::ComponentAdded(ticket, fact) => self.component_added(ticket, *fact, outcome, now),
            WriteStep::ComponentSubscribed(asked, record) => self.component_subscribed(asked, *record, outcome, now),
            WriteStep::ComponentRemoved(ticket, key) => self.component_removed(ticket, key, &outcome, now),
            WriteStep::JobGiven(key, record) => self.job_given(key, *record, outcome, now),
            // The watch tells everybody, also this coordinator.
            WriteStep::PeerForgotten | WriteStep::ComponentForgotten | WriteStep::Declared => {}
        }
    }

    pub(crate) fn command_answered(&mut self, op: OpId, outcome: CommandOutcome, now: Instant) {
        match self.commands.remove(&op) {
            None => {}
            Some(CommandStep::Vacated(room)) => self.room_vacated(&room, outcome),
            Some(CommandStep::Assigned(room)) => self.room_assigned(&room, outcome, now),
            Some(CommandStep::SessionOpened(session, site)) => self.session_opened(&session, site, outcome, now),
            Some(CommandStep::Freed { worker, incarnation, order, tries }) => {
                if outcome == CommandOutcome::NoResponders {
                    self.probe_now(&worker, now);
                }
                if outcome != CommandOutcome::TimedOut {
                    return;
                }
                if tries >= COMMAND_TRIES_MAX {
                    self.stats.commands_lost += 1;
                    return;
                }
                let step =
                    CommandStep::Freed { worker: worker.clone(), incarnation, order: order.clone(), tries: tries + 1 };
                self.command(step, worker, incarnation, *order);
            }
        }
    }

    pub(crate) fn loaded(&mut self, op: OpId, entries: Option<Vec<Entry>>, now: Instant) {
        let store_answers = entries.is_some();
        for entry in entries.into_iter().flatten() {
            if let Some(news) = self.records.answered(entry) {
                self.react(news, now);
            }
        }
        match self.loads.remove(&op) {
            None => {}
            Some(Parked::Refused(room, generation)) => self.placement_refused(&room, generation, now),
            Some(Parked::Request { ticket, request }) => self.requested(ticket, request, true, now),
            Some(Parked::Stream(session)) if store_answers => self.claim_stream(&session, true, now),
            Some(Parked::Stream(session)) => self.close(&session, Close::StoreDown, now),
            Some(Parked::Arrival(arrival)) => self.arrived(arrival, true, now),
        }
    }

    /// Takes what an own write or read showed, ahead of the watch.
    pub(crate) fn answered(&mut self, fact: Fact, revision: Revision, now: Instant) {
        if let Some(news) = self.records.answered(Entry { fact, revision }) {
            self.react(news, now);
        }
    }

    pub(crate) fn edit(&mut self, room: &RoomId, peer: &PeerId, change: Change, now: Instant) {
        self.edits.add(room, peer, change);
        self.flush_edit(room, peer, now);
    }

    pub(crate) fn flush_edit(&mut self, room: &RoomId, peer: &PeerId, now: Instant) {
        match self.edits.next(room, peer, self.records.peer(room, peer)) {
            Next::Later => {}
            Next::Nothing(changes) => self.hold(room, peer, changes, now),
            Next::Gone(changes) => self.deny_changes(changes, &Denial::PeerNotFound),
            Next::Write(record) => {
                let expect = self.records.peer_revision(room, peer).map_or(Expect::Absent, Expect::Revision);
                let fact = Fact::Peer(room.clone(), peer.clone(), Some((*record).clone()));
                self.write(WriteStep::Edited(room.clone(), peer.clone(), record), fact, expect);
            }
        }
    }

    fn edited(&mut self, room: RoomId, peer: PeerId, record: PeerRecord, outcome: WriteOutcome, now: Instant) {
        match outcome {
            WriteOutcome::Done(revision) => {
                let changes = self.edits.done(&room, &peer);
                self.answered(Fact::Peer(room.clone(), peer.clone(), Some(record)), revision, now);
                self.hold(&room, &peer, changes, now);
            }
            WriteOutcome::Conflict(Some(Entry { fact, revision })) => {
                self.stats.write_conflicts += 1;
                self.answered(fact, revision, now);
                self.edit_failed(&room, &peer, None, now);
            }
            // The peer is gone; the watch will say so and close its socket.
            WriteOutcome::Conflict(None) => {
                let changes = self.edits.forget(&room, &peer);
                return self.deny_changes(changes, &Denial::PeerNotFound);
            }
            WriteOutcome::Failed => self.edit_failed(&room, &peer, Some(now + EDIT_RETRY), now),
        }
        self.flush_edit(&room, &peer, now);
    }

    fn edit_failed(&mut self, room: &RoomId, peer: &PeerId, retry_at: Option<Instant>, now: Instant) {
        let Failed::GivenUp(changes) = self.edits.failed(room, peer, retry_at) else { return };
        self.stats.writes_lost += 1;
        for change in &changes {
            if let Change::Connect { session, .. } = change {
                self.close(session, Close::StoreDown, now);
            }
        }
        self.deny_changes(changes, &Denial::StoreDown);
    }

    /// These changes stand in the store.
    fn hold(&mut self, room: &RoomId, peer: &PeerId, changes: Vec<Change>, now: Instant) {
        for change in changes {
            if let Change::Connect { session, .. } = &change {
                self.session_claimed(session, now);
            } else if let Change::Adopt { session, .. } = &change {
                self.adoption_written(session, now);
            } else if let Change::Kick { ticket, .. } = change {
                self.remove_peer(room.clone(), peer.clone(), Some(ticket));
            } else if let Change::Asked { ticket, .. } = change {
                let reply = self.show_peer(room, peer.clone());
                self.emit(Output::Reply { ticket, reply });
            }
        }
    }

    /// These changes never will.
    fn deny_changes(&mut self, changes: Vec<Change>, denial: &Denial) {
        for change in changes {
            if let Change::Kick { ticket, .. } | Change::Asked { ticket, .. } = change {
                self.emit(Output::Reply { ticket, reply: Reply::Denied(denial.clone()) });
            } else if let Change::Adopt { session, .. } = change {
                self.abandon(&session);
            }
        }
    }
}
