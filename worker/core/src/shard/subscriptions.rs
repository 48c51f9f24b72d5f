//! Who receives what: a session's wishes against the tracks of its room.

use std::collections::BTreeMap;

use velella_model::record::Subscriptions;
use velella_model::wire::signal::{ServerEvent, Voice};
use velella_model::{MediaKind, PeerId, TrackId, Variant};

use super::Shard;
use crate::room::{Subscription, TrackKey};
use crate::selector::Available;
use crate::session::SessionKey;

impl Shard {
    /// Takes the whole list of what a session receives from now on, and follows the difference.
    pub(super) fn set_subscriptions(&mut self, key: SessionKey, subscriptions: Subscriptions) {
        let Some(session) = self.sessions.get_mut(key.0) else { return };
        if !session.wishes.list(subscriptions) {
            self.stats.ignored_signals += 1;
            return;
        }
        self.take_unwanted(key);
        self.want_covered(key);
        self.negotiate(key);
    }

    /// Books every track that a session wishes for and does not have.
    pub(super) fn want_covered(&mut self, key: SessionKey) {
        let Some(session) = self.sessions.get_mut(key.0) else { return };
        let Some(room) = self.rooms.get(session.room.0) else { return };
        for (track_key, track) in room.tracks_for(key) {
            session.wish(track_key, track);
        }
    }

    /// Takes away what a session has and no longer wishes for.
    fn take_unwanted(&mut self, key: SessionKey) {
        let Some(session) = self.sessions.get_mut(key.0) else { return };
        let Some(room) = self.rooms.get_mut(session.room.0) else { return };
        let mut taken: BTreeMap<PeerId, Vec<TrackId>> = BTreeMap::new();
        for (track_key, track) in &mut room.tracks {
            if session.wishes.cover(&track.peer, &track.id) || !session.forget(TrackKey(track_key)) {
                continue;
            }
            track.subscriptions.retain(|s| s.session != key);
            taken.entry(track.peer.clone()).or_default().push(track.id.clone());
        }
        for (endpoint, tracks) in taken {
            self.tell(key, ServerEvent::TracksRemoved { endpoint, tracks });
        }
    }

    /// Gives a session that knows no rounds what it wishes for and has a place for.
    pub(super) fn settle(&mut self, key: SessionKey) {
        let Some(session) = self.sessions.get_mut(key.0) else { return };
        let started = session.negotiation.settle();
        let tracks: Vec<TrackKey> = started.iter().map(|(_, track)| *track).collect();
        self.tell_tracks_added(key, &tracks);
        for (slot, track) in started {
            self.subscribe(key, slot, track);
        }
    }

    /// A track has its place: packets flow from here on.
    pub(super) fn subscribe(&mut self, key: SessionKey, slot: usize, track_key: TrackKey) {
        let Some(session) = self.sessions.get_mut(key.0) else { return };
        let Some(track) = self.rooms.get_mut(session.room.0).and_then(|r| r.track_mut(track_key)) else { return };
        let available = match track.kind {
            MediaKind::Audio => Available::default().with(Variant::High),
            MediaKind::Video => track.available,
        };
        if !session.tune(slot, track_key, available) {
            tracing::debug!(parent: &session.span, track = %track.id, "no common codec, track not forwarded");
            return;
        }
        track.subscriptions.push(Subscription { session: key, slot });
        for encoding in &mut track.encodings {
            encoding.keyframes.want();
        }
        if track.voice.voice() == Voice::Speech {
            let (track, voice) = (track.id.clone(), Voice::Speech);
            self.tell(key, ServerEvent::VadNotification { track, voice });
        }
    }
}
