//! Edits of peer records that the management API asks for, and telling a session's worker of them.
//!
//! Any replica may take the request; the one that holds the peer's socket sees the record change
//! and says to the worker what is new for it. What a session's worker knows is kept with it.

use std::time::Instant;

use velella_model::record::{PeerRecord, Subscriptions};
use velella_model::wire::command::SubscribeMode;
use velella_model::wire::signal::PeerEvent;
use velella_model::{PeerId, RoomId, SessionId, TrackId};

use crate::Coordinator;
use crate::edits::Change;
use crate::input::{PeerEdit, Ticket};
use crate::joining::envelope;
use crate::output::Denial;

/// Peers and tracks that one peer may be subscribed to; each is a line of every one of its records.
pub const SUBSCRIPTIONS_MAX: usize = 1024;

impl Coordinator {
    pub(crate) fn edit_peer(&mut self, ticket: Ticket, (room, peer): (RoomId, PeerId), edit: PeerEdit, now: Instant) {
        if let Err(denial) = self.may_edit(&room, &peer, &edit) {
            return self.deny(ticket, denial);
        }
        let gone = self.vanished(&room, &peer);
        self.edit(&room, &peer, Change::Asked { ticket, edit, gone }, now);
    }

    fn may_edit(&self, room: &RoomId, peer: &PeerId, edit: &PeerEdit) -> Result<(), Denial> {
        if self.records.room(room).is_none() {
            return Err(Denial::RoomNotFound);
        }
        let record = self.records.peer(room, peer).ok_or(Denial::PeerNotFound)?;
        let (PeerEdit::Subscribe(named) | PeerEdit::Unsubscribe(named)) = edit else { return Ok(()) };
        if record.subscribe_mode != SubscribeMode::Manual {
            return Err(Denial::NotManual);
        }
        if matches!(edit, PeerEdit::Unsubscribe(_)) {
            return Ok(());
        }
        if let Some(unknown) = named.peers.iter().find(|other| !self.records.has_endpoint(room, other)) {
            return Err(Denial::OtherPeerNotFound(unknown.clone()));
        }
        if let Some(unknown) = named.tracks.iter().find(|track| !self.is_published(room, track)) {
            return Err(Denial::TrackNotFound(unknown.clone()));
        }
        let gone = self.vanished(room, peer);
        let mut after = record.subscriptions.clone();
        subscribe(&mut after, named, &gone);
        if after.peers.len() + after.tracks.len() > SUBSCRIPTIONS_MAX {
            return Err(Denial::SubscriptionsLimit);
        }
        Ok(())
    }

    /// Whether everything that an edit names is known here, so that no replica is ahead.
    pub(crate) fn knows_all_of(&self, room: &RoomId, peer: &PeerId, edit: &PeerEdit) -> bool {
        let denial = self.may_edit(room, peer, edit).err();
        !matches!(
            denial,
            Some(Denial::RoomNotFound | Denial::PeerNotFound | Denial::OtherPeerNotFound(_) | Denial::TrackNotFound(_))
        )
    }

    fn is_published(&self, room: &RoomId, track: &TrackId) -> bool {
        let ingests = self.records.components.of_room(room).filter_map(|component| component.ingest);
        self.records.members(room).any(|(_, record)| record.tracks.contains_key(track))
            || ingests.into_iter().any(|ingest| ingest.tracks.contains_key(track))
    }

    /// What a peer is subscribed to and is not there any more. Tracks come and go with every
    /// mute of a camera; without this they would fill the peer's allowance.
    fn vanished(&self, room: &RoomId, peer: &PeerId) -> Subscriptions {
        let Some(PeerRecord { subscriptions, .. }) = self.records.peer(room, peer) else {
            return Subscriptions::default();
        };
        Subscriptions {
            peers: subscriptions.peers.iter().filter(|p| !self.records.has_endpoint(room, p)).cloned().collect(),
            tracks: subscriptions.tracks.iter().filter(|t| !self.is_published(room, t)).cloned().collect(),
        }
    }

    /// Says what the record says now and the worker does not know.
    pub(crate) fn tell_worker_of(&mut self, id: &SessionId, now: Instant) {
        let Some((room, peer)) = self.whose(id) else { return };
        let Some(record) = self.records.peer(&room, &peer) else { return };
        let Some(session) = self.sessions.get_mut(id) else { return };
        let metadata = envelope(&session.metadata, record);
        let Some(told) = &mut session.told else { return };
        let mut events = Vec::new();
        if told.server_metadata != record.server_metadata {
            told.server_metadata = record.server_metadata.clone();
            events.push(PeerEvent::UpdateEndpointMetadata { metadata });
        }
        if told.subscriptions != record.subscriptions {
            told.subscriptions = record.subscriptions.clone();
            events.push(PeerEvent::SetSubscriptions { subscriptions: record.subscriptions.clone() });
        }
        for event in events {
            self.say(id, event, now);
        }
    }
}

/// Adds what is asked for and drops what is gone.
pub(crate) fn subscribe(subscriptions: &mut Subscriptions, more: &Subscriptions, gone: &Subscriptions) {
    let Subscriptions { peers, tracks } = subscriptions;
    peers.retain(|peer| !gone.peers.contains(peer));
    tracks.retain(|track| !gone.tracks.contains(track));
    peers.extend(more.peers.iter().cloned());
    tracks.extend(more.tracks.iter().cloned());
}

/// Takes away what is not wanted any more.
pub(crate) fn unsubscribe(subscriptions: &mut Subscriptions, less: &Subscriptions) {
    subscriptions.peers.retain(|peer| !less.peers.contains(peer));
    subscriptions.tracks.retain(|track| !less.tracks.contains(track));
}
