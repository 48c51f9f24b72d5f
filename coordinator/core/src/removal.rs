//! Removing rooms and peers. The record goes first; sockets close when its absence is known,
//! which is the same step for the coordinator that deleted it and for all others.

use std::time::Instant;

use velella_model::record::{Placement, RoomRecord};
use velella_model::{PeerId, RoomId};

use crate::close::Close;
use crate::edits::Change;
use crate::input::{Fact, Ticket, WriteOutcome};
use crate::output::{Denial, Expect, Output, Reply};
use crate::{Coordinator, WriteStep};

/// A room record on its way out.
#[derive(Debug)]
pub(crate) struct Removal {
    /// Who waits for it; nobody for a purge.
    ticket: Option<Ticket>,
    room: RoomId,
    /// As it was when the removal began: the watch may show the deletion before the answer comes.
    placement: Option<Box<Placement>>,
}

impl Coordinator {
    pub(crate) fn delete_room(&mut self, ticket: Ticket, room: RoomId) {
        if self.records.room(&room).is_none() {
            return self.deny(ticket, Denial::RoomNotFound);
        }
        self.remove_room(room, Some(ticket));
    }

    /// Without a ticket nobody waits for it: a purge.
    pub(crate) fn remove_room(&mut self, room: RoomId, ticket: Option<Ticket>) {
        let placement = self.records.room(&room).map(|record| Box::new(record.placement.clone()));
        let removal = Removal { ticket, room: room.clone(), placement };
        self.write(WriteStep::RoomRemoved(removal), Fact::Room(room, None), Expect::Any);
    }

    pub(crate) fn room_removed(&mut self, removal: Removal, outcome: &WriteOutcome, now: Instant) {
        let Removal { ticket, room, placement } = removal;
        let WriteOutcome::Done(revision) = outcome else {
            self.stats.writes_lost += 1;
            return self.removed(ticket, Reply::Denied(Denial::StoreDown));
        };
        let newer = self.records.room(&room).map(|record| Box::new(record.placement.clone()));
        self.answered(Fact::Room(room.clone(), None), *revision, now);
        let peers: Vec<PeerId> = self.records.members(&room).map(|(peer, _)| peer.clone()).collect();
        for peer in peers {
            self.remove_peer(room.clone(), peer, None);
        }
        self.forget_components(&room);
        if let Some(placement) = newer.or(placement) {
            self.close_room_at(&room, &placement);
        }
        self.removed(ticket, Reply::Done);
    }

    /// The record is known to be gone, whoever deleted it.
    pub(crate) fn room_gone(&mut self, room: &RoomId, record: &RoomRecord, now: Instant) {
        self.registry.release(&record.placement.worker, room);
        self.purge.forget_room(room);
        for session in self.sessions.of_room(room) {
            self.close(&session, Close::RoomStopped, now);
        }
    }

    /// With a reason it takes two writes: the one that carries the reason to whoever holds the
    /// peer's socket, and the deletion.
    pub(crate) fn delete_peer(
        &mut self,
        ticket: Ticket,
        (room, peer): (RoomId, PeerId),
        reason: Option<String>,
        now: Instant,
    ) {
        if self.records.room(&room).is_none() {
            return self.deny(ticket, Denial::RoomNotFound);
        }
        if self.records.peer(&room, &peer).is_none() {
            return self.deny(ticket, Denial::PeerNotFound);
        }
        match reason {
            Some(reason) => self.edit(&room, &peer, Change::Kick { ticket, reason }, now),
            None => self.remove_peer(room, peer, Some(ticket)),
        }
    }

    pub(crate) fn remove_peer(&mut self, room: RoomId, peer: PeerId, ticket: Option<Ticket>) {
        let step = WriteStep::PeerRemoved(ticket, room.clone(), peer.clone());
        self.write(step, Fact::Peer(room, peer, None), Expect::Any);
    }

    /// Only as it is known here: it may be back by another coordinator.
    pub(crate) fn purge_peer(&mut self, room: RoomId, peer: PeerId) {
        let Some(revision) = self.records.peer_revision(&room, &peer) else { return };
        let step = WriteStep::PeerRemoved(None, room.clone(), peer.clone());
        self.write(step, Fact::Peer(room, peer, None), Expect::Revision(revision));
    }

    pub(crate) fn peer_removed(
        &mut self,
        ticket: Option<Ticket>,
        (room, peer): (RoomId, PeerId),
        outcome: &WriteOutcome,
        now: Instant,
    ) {
        match outcome {
            WriteOutcome::Done(revision) => {
                self.answered(Fact::Peer(room, peer, None), *revision, now);
                self.removed(ticket, Reply::Done);
            }
            // Purged by another coordinator, or back: the watch tells.
            WriteOutcome::Conflict(_) => self.stats.write_conflicts += 1,
            WriteOutcome::Failed => {
                self.stats.writes_lost += 1;
                self.removed(ticket, Reply::Denied(Denial::StoreDown));
            }
        }
    }

    /// The record is known to be gone, whoever deleted it.
    pub(crate) fn peer_gone(&mut self, room: &RoomId, peer: &PeerId, now: Instant) {
        self.purge.forget_peer(room, peer);
        for session in self.sessions.of_peer(room, peer) {
            self.close(&session, Close::PeerRemoved(None), now);
        }
    }

    fn removed(&mut self, ticket: Option<Ticket>, reply: Reply) {
        if let Some(ticket) = ticket {
            self.emit(Output::Reply { ticket, reply });
        }
    }
}
