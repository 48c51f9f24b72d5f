//! One streams into a livestream at a time.
//!
//! Whoever comes writes its session into the room's record, by compare-and-swap, after its connection stands in its own
//! record. So of two that come to two coordinators in the same moment one loses the race, reads the room, and
//! finds the other connected. Nobody has to take a claim back: one whose session is nobody's connection is over.

use std::time::Instant;

use velella_model::record::{PeerKind, RoomRecord};
use velella_model::{PeerId, RoomId, SessionId};

use crate::close::Close;
use crate::input::{Entry, Fact, WriteOutcome};
use crate::output::Expect;
use crate::{Coordinator, Parked, WriteStep};

impl Coordinator {
    /// Whether *another* streamer is connected, or about to be, as far as is known here.
    pub(crate) fn is_streamed_to(&self, room: &RoomId, peer: &PeerId) -> bool {
        let about_to_be = |member: &PeerId| !self.sessions.of_peer(room, member).is_empty();
        let mut streamers = self.records.members(room).filter(|(_, record)| record.kind == PeerKind::Streamer);
        streamers.any(|(id, record)| id != peer && (record.connection.is_some() || about_to_be(id)))
    }

    /// Claims the room's stream for a session whose connection stands in the store. `loaded` tells that the room was
    /// read past the cache.
    pub(crate) fn claim_stream(&mut self, session: &SessionId, loaded: bool, now: Instant) {
        let Some((room, peer)) = self.whose(session) else { return };
        if !self.is_present(session, &room, &peer) {
            return self.close(session, Close::TakenOver, now);
        }
        let (Some(record), Some(revision)) = (self.records.room(&room), self.records.room_revision(&room)) else {
            return self.close(session, Close::RoomNotFound, now);
        };
        match &record.streaming {
            Some(before) if before == session => return self.session_admitted(session, now),
            Some(_) if !loaded => return self.load(room, Parked::Stream(session.clone())),
            Some(before) if self.is_connected(&room, before) => return self.close(session, Close::StreamTaken, now),
            Some(_) | None => {}
        }
        let record = RoomRecord { streaming: Some(session.clone()), ..record.clone() };
        let step = WriteStep::StreamClaimed(session.clone(), Box::new(record.clone()));
        self.write(step, Fact::Room(room, Some(record)), Expect::Revision(revision));
    }

    pub(crate) fn stream_claimed(
        &mut self,
        session: &SessionId,
        record: RoomRecord,
        outcome: WriteOutcome,
        now: Instant,
    ) {
        let Some((room, _)) = self.whose(session) else { return };
        match outcome {
            WriteOutcome::Done(revision) => {
                self.answered(Fact::Room(room, Some(record)), revision, now);
                self.session_admitted(session, now);
            }
            WriteOutcome::Conflict(Some(Entry { fact, revision })) => {
                self.stats.write_conflicts += 1;
                self.answered(fact, revision, now);
                // The peer of whoever was faster may not be known here yet.
                self.load(room, Parked::Stream(session.clone()));
            }
            WriteOutcome::Conflict(None) => self.close(session, Close::RoomNotFound, now),
            WriteOutcome::Failed => {
                self.stats.writes_lost += 1;
                self.close(session, Close::StoreDown, now);
            }
        }
    }

    fn is_connected(&self, room: &RoomId, session: &SessionId) -> bool {
        let connections = self.records.members(room).filter_map(|(_, record)| record.connection.as_ref());
        connections.into_iter().any(|connection| connection.session == *session)
    }
}
