//! Changes to peer records, one write at a time per peer.
//!
//! Each change is a rule that is applied to whatever stands in the store, so a lost race is
//! answered by applying it again; changes that come while a write is out are folded into the next.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use velella_model::record::{Connection, PeerRecord, Subscriptions, TrackRecord};
use velella_model::{CoordinatorId, Json, PeerId, RoomId, SessionId, TrackId};

use crate::input::{PeerEdit, Ticket};
use crate::subscriptions::{subscribe, unsubscribe};

/// Attempts of one write before its changes are given up.
pub(crate) const EDIT_TRIES_MAX: u32 = 10;

/// Wait after the store failed.
pub(crate) const EDIT_RETRY: Duration = Duration::from_millis(500);

/// A rule that changes a peer record. What a session says holds only while it is the peer's present
/// one.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Change {
    /// A socket authenticated; it takes over from any other.
    Connect { coordinator: CoordinatorId, session: SessionId, offered: bool },
    /// Another coordinator speaks for the session, unless yet another does already.
    Adopt { session: SessionId, from: CoordinatorId, coordinator: CoordinatorId },
    /// The socket is gone.
    Disconnect { session: SessionId },
    /// The session ended by a bug, for this reason; `Disconnect` follows.
    Crash { session: SessionId, reason: String },
    /// The peer told its metadata.
    Metadata { session: SessionId, metadata: Json },
    /// The peer publishes a track, or changed its metadata.
    Track { session: SessionId, track: TrackId, record: TrackRecord },
    /// The peer no longer publishes a track.
    TrackGone { session: SessionId, track: TrackId },
    /// The peer opened a data channel.
    Channel { session: SessionId, channel: String },
    /// The peer closed a data channel.
    ChannelGone { session: SessionId, channel: String },
    /// The management API asked for it; `gone` is what the peer needs no subscription for.
    Asked { ticket: Ticket, edit: PeerEdit, gone: Subscriptions },
    /// The peer is told why before it is removed.
    Kick { ticket: Ticket, reason: String },
}

impl Change {
    fn apply(&self, record: &mut PeerRecord) {
        let session = match self {
            Self::Connect { coordinator, session, offered } => {
                let (coordinator, offered) = (coordinator.clone(), *offered);
                let connection = Connection { coordinator, session: session.clone(), joined: false, offered };
                if record.connection.replace(connection).is_none_or(|before| before.session != *session) {
                    record.tracks.clear();
                    record.channels.clear();
                }
                record.crashed = None;
                return;
            }
            Self::Asked { edit, gone, .. } => return apply_asked(record, edit, gone),
            Self::Kick { reason, .. } => {
                record.kicked = Some(reason.clone());
                return;
            }
            Self::Disconnect { session }
            | Self::Adopt { session, .. }
            | Self::Crash { session, .. }
            | Self::Metadata { session, .. }
            | Self::Track { session, .. }
            | Self::TrackGone { session, .. }
            | Self::Channel { session, .. }
            | Self::ChannelGone { session, .. } => session,
        };
        if record.connection.as_ref().is_none_or(|c| c.session != *session) {
            return;
        }
        match self {
            Self::Disconnect { .. } => {
                record.connection = None;
                record.tracks.clear();
                record.channels.clear();
            }
            Self::Adopt { from, coordinator, .. } => {
                if let Some(connection) = record.connection.as_mut().filter(|present| present.coordinator == *from) {
                    connection.coordinator = coordinator.clone();
                }
            }
            Self::Crash { reason, .. } => record.crashed = Some(reason.clone()),
            Self::Metadata { metadata, .. } => {
                record.peer_metadata = metadata.clone();
                record.connection.as_mut().expect("its session was compared above").joined = true;
            }
            Self::Channel { channel, .. } => {
                record.channels.insert(channel.clone());
            }
            Self::ChannelGone { channel, .. } => {
                record.channels.remove(channel);
            }
            Self::Track { track, record: new, .. } => {
                record.tracks.insert(track.clone(), new.clone());
            }
            Self::TrackGone { track, .. } => {
                record.tracks.remove(track);
            }
            Self::Connect { .. } | Self::Asked { .. } | Self::Kick { .. } => {}
        }
    }
}

fn apply_asked(record: &mut PeerRecord, edit: &PeerEdit, gone: &Subscriptions) {
    match edit {
        PeerEdit::Subscribe(more) => subscribe(&mut record.subscriptions, more, gone),
        PeerEdit::Unsubscribe(less) => unsubscribe(&mut record.subscriptions, less),
        PeerEdit::ServerMetadata(metadata) => record.server_metadata = metadata.clone(),
        PeerEdit::RevokeTokens => record.token_series += 1,
    }
}

/// The queues of all peers that have changes to write.
#[derive(Debug, Default)]
pub(crate) struct Edits {
    peers: BTreeMap<(RoomId, PeerId), Queue>,
}

#[derive(Debug, Default)]
struct Queue {
    /// In the write that is out now.
    writing: Vec<Change>,
    /// For the next write.
    waiting: Vec<Change>,
    tries: u32,
    retry_at: Option<Instant>,
}

/// What became of a failed write.
#[derive(Debug, PartialEq)]
pub(crate) enum Failed {
    /// It will be tried again.
    Again,
    /// These changes are lost.
    GivenUp(Vec<Change>),
}

impl Edits {
    pub(crate) fn add(&mut self, room: &RoomId, peer: &PeerId, change: Change) {
        self.peers.entry((room.clone(), peer.clone())).or_default().waiting.push(change);
    }

    /// The record to write now, unless a write is out, a retry is due later, or nothing changes.
    pub(crate) fn next(&mut self, room: &RoomId, peer: &PeerId, standing: Option<&PeerRecord>) -> Next {
        let key = (room.clone(), peer.clone());
        let Some(queue) = self.peers.get_mut(&key) else { return Next::Nothing(Vec::new()) };
        if !queue.writing.is_empty() || queue.retry_at.is_some() {
            return Next::Later;
        }
        let changes = std::mem::take(&mut queue.waiting);
        let Some(before) = standing else {
            self.peers.remove(&key);
            return Next::Gone(changes);
        };
        let mut after = before.clone();
        changes.iter().for_each(|change| change.apply(&mut after));
        if after == *before {
            self.peers.remove(&key);
            return Next::Nothing(changes);
        }
        queue.writing = changes;
        Next::Write(Box::new(after))
    }

    /// The write is done; returns its changes.
    pub(crate) fn done(&mut self, room: &RoomId, peer: &PeerId) -> Vec<Change> {
        let key = (room.clone(), peer.clone());
        let Some(queue) = self.peers.get_mut(&key) else { return Vec::new() };
        queue.tries = 0;
        let changes = std::mem::take(&mut queue.writing);
        if queue.waiting.is_empty() {
            self.peers.remove(&key);
        }
        changes
    }

    /// The write is not done; try it again, at `retry_at` or at once.
    pub(crate) fn failed(&mut self, room: &RoomId, peer: &PeerId, retry_at: Option<Instant>) -> Failed {
        let key = (room.clone(), peer.clone());
        let Some(queue) = self.peers.get_mut(&key) else { return Failed::Again };
        queue.tries += 1;
        if queue.tries >= EDIT_TRIES_MAX {
            let queue = self.peers.remove(&key).unwrap_or_default();
            return Failed::GivenUp(queue.writing.into_iter().chain(queue.waiting).collect());
        }
        let newer = std::mem::take(&mut queue.waiting);
        queue.waiting = std::mem::take(&mut queue.writing);
        queue.waiting.extend(newer);
        queue.retry_at = retry_at;
        Failed::Again
    }

    /// The peer is gone: returns the changes that nothing is left to be done to.
    pub(crate) fn forget(&mut self, room: &RoomId, peer: &PeerId) -> Vec<Change> {
        let queue = self.peers.remove(&(room.clone(), peer.clone())).unwrap_or_default();
        queue.writing.into_iter().chain(queue.waiting).collect()
    }

    /// Peers whose retry is due.
    pub(crate) fn take_due(&mut self, now: Instant) -> Vec<(RoomId, PeerId)> {
        let due = self.peers.iter_mut().filter(|(_, q)| q.retry_at.is_some_and(|at| at <= now));
        due.map(|(key, queue)| {
            queue.retry_at = None;
            key.clone()
        })
        .collect()
    }

    pub(crate) fn next_retry(&self) -> Option<Instant> {
        self.peers.values().filter_map(|queue| queue.retry_at).min()
    }
}

/// What a peer's queue asks for.
#[derive(Debug, PartialEq)]
pub(crate) enum Next {
    /// Write this record.
    Write(Box<PeerRecord>),
    /// A write is out, or waits.
    Later,
    /// These changes hold without a write.
    Nothing(Vec<Change>),
    /// There is no peer for these changes.
    Gone(Vec<Change>),
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{coordinator_id, peer, peer_record, room, session};

    #[test]
    fn changes_during_a_write_are_folded_into_one_more() {
        let (mut edits, r, p) = (Edits::default(), room("r"), peer("p"));
        edits.add(&r, &p, connect("s1"));
        let Next::Write(first) = edits.next(&r, &p, Some(&peer_record())) else { panic!("no write") };
        edits.add(&r, &p, metadata("s1", "1"));
        edits.add(&r, &p, metadata("s1", "2"));
        assert_eq!(edits.next(&r, &p, Some(&first)), Next::Later);
        assert_eq!(edits.done(&r, &p), [connect("s1")]);
        let Next::Write(second) = edits.next(&r, &p, Some(&first)) else { panic!("no write") };
        assert_eq!(second.peer_metadata.as_str(), "2");
    }

    #[test]
    fn only_the_present_session_changes_the_record() {
        let mut record = peer_record();
        connect("new").apply(&mut record);
        metadata("old", "1").apply(&mut record);
        Change::Disconnect { session: session("old") }.apply(&mut record);
        assert_eq!(record.peer_metadata, Json::null());
        assert_eq!(record.connection.unwrap().session, session("new"));
    }

    #[test]
    fn a_lost_race_applies_the_same_changes_to_what_stands_now() {
        let (mut edits, r, p) = (Edits::default(), room("r"), peer("p"));
        edits.add(&r, &p, connect("s1"));
        edits.next(&r, &p, Some(&peer_record()));
        assert_eq!(edits.failed(&r, &p, None), Failed::Again);
        let standing = PeerRecord { server_metadata: Json::parse("7").unwrap(), ..peer_record() };
        let Next::Write(again) = edits.next(&r, &p, Some(&standing)) else { panic!("no write") };
        assert_eq!((again.server_metadata.as_str(), again.connection.is_some()), ("7", true));
    }

    #[test]
    fn a_write_that_never_succeeds_is_given_up_with_its_changes() {
        let (mut edits, r, p) = (Edits::default(), room("r"), peer("p"));
        edits.add(&r, &p, connect("s1"));
        for _ in 1..EDIT_TRIES_MAX {
            edits.next(&r, &p, Some(&peer_record()));
            assert_eq!(edits.failed(&r, &p, None), Failed::Again);
        }
        edits.next(&r, &p, Some(&peer_record()));
        assert_eq!(edits.failed(&r, &p, None), Failed::GivenUp(vec![connect("s1")]));
    }

    fn connect(id: &str) -> Change {
        Change::Connect { coordinator: coordinator_id(), session: session(id), offered: false }
    }

    fn metadata(id: &str, text: &str) -> Change {
        Change::Metadata { session: session(id), metadata: Json::parse(text).unwrap() }
    }
}
