//! Changing what may change of a room: a rule that is applied to whatever stands in the store, as
//! with peers, but one request at a time, so a lost race starts over.

use std::time::Instant;

use velella_model::RoomId;
use velella_model::record::{RoomRecord, RoomSpec};

use crate::input::{Entry, Fact, RoomPatch, Ticket, WriteOutcome};
use crate::output::{Denial, Expect, Output, Reply};
use crate::{Coordinator, WriteStep};

/// Races that one edit may lose.
const ROOM_EDIT_TRIES_MAX: u32 = 10;

/// A change of a room on its way to the store.
#[derive(Debug)]
pub(crate) struct RoomEdit {
    ticket: Ticket,
    room: RoomId,
    patch: RoomPatch,
    tries: u32,
}

impl Coordinator {
    pub(crate) fn edit_room(&mut self, ticket: Ticket, room: RoomId, patch: RoomPatch) {
        self.try_edit_room(RoomEdit { ticket, room, patch, tries: 0 });
    }

    fn try_edit_room(&mut self, edit: RoomEdit) {
        let (Some(before), Some(revision)) = (self.records.room(&edit.room), self.records.room_revision(&edit.room))
        else {
            return self.deny(edit.ticket, Denial::RoomNotFound);
        };
        let mut after = before.clone();
        edit.patch.apply(&mut after.spec);
        if after == *before {
            return self.reply_room(edit.ticket, &edit.room);
        }
        let fact = Fact::Room(edit.room.clone(), Some(after.clone()));
        self.write(WriteStep::RoomEdited(edit, Box::new(after)), fact, Expect::Revision(revision));
    }

    pub(crate) fn room_edited(&mut self, edit: RoomEdit, record: RoomRecord, outcome: WriteOutcome, now: Instant) {
        match outcome {
            WriteOutcome::Done(revision) => {
                self.answered(Fact::Room(edit.room.clone(), Some(record)), revision, now);
                self.reply_room(edit.ticket, &edit.room);
            }
            WriteOutcome::Conflict(Some(Entry { fact, revision })) => {
                self.stats.write_conflicts += 1;
                self.answered(fact, revision, now);
                if edit.tries >= ROOM_EDIT_TRIES_MAX {
                    self.stats.writes_lost += 1;
                    return self.deny(edit.ticket, Denial::StoreDown);
                }
                self.try_edit_room(RoomEdit { tries: edit.tries + 1, ..edit });
            }
            WriteOutcome::Conflict(None) => self.deny(edit.ticket, Denial::RoomNotFound),
            WriteOutcome::Failed => {
                self.stats.writes_lost += 1;
                self.deny(edit.ticket, Denial::StoreDown);
            }
        }
    }

    fn reply_room(&mut self, ticket: Ticket, room: &RoomId) {
        let reply = self.records.view(room).map_or(Reply::Denied(Denial::RoomNotFound), Reply::Room);
        self.emit(Output::Reply { ticket, reply });
    }
}

impl RoomPatch {
    fn apply(&self, spec: &mut RoomSpec) {
        let Self { peers_max, public, webhook_url, batch_webhook_notifications, peerless_purge_s, peer_purge_s } = self;
        spec.peers_max = peers_max.unwrap_or(spec.peers_max);
        spec.public = public.unwrap_or(spec.public);
        spec.batch_webhook_notifications = batch_webhook_notifications.unwrap_or(spec.batch_webhook_notifications);
        spec.peerless_purge_s = peerless_purge_s.unwrap_or(spec.peerless_purge_s);
        spec.peer_purge_s = peer_purge_s.unwrap_or(spec.peer_purge_s);
        if let Some(url) = webhook_url {
            spec.webhook_url.clone_from(url);
        }
    }
}
