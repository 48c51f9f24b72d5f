//! Agents: members of a room without packets of their own.
//!
//! They agree on no lines: a track they add is there at once, and what they want to hear they hear
//! at once.

use std::time::Instant;

use str0m::rtp::ExtensionValues;
use velella_model::record::AgentOutput;
use velella_model::wire::agent::Encoding;
use velella_model::wire::signal::CloseReason;
use velella_model::{Json, MediaKind, TrackId, Variant};

use super::{Output, Shard};
use crate::agent::{AgentNews, SpokenPacket};
use crate::forwarder::{Packet, PacketFacts};
use crate::room::{self, Origin, TRACKS_PER_PEER_MAX, Track, TrackKey};
use crate::selector::Available;
use crate::session::SessionKey;
use crate::voice;

impl Shard {
    /// An agent is there: whoever turns its sound into packets has to know it before its first track.
    pub(super) fn agent_joined(&mut self, key: SessionKey, output: Option<AgentOutput>) {
        let Some(session) = self.sessions.get(key.0) else { return };
        let (session, holder) = (session.id.clone(), session.holder().clone());
        self.outputs.push_back(Output::Agent(AgentNews::Joined { session, holder, output }));
    }

    /// An agent publishes a track. The agent waits for `TrackAdded` before it speaks, so a track
    /// that cannot be had ends the session instead of being passed over.
    pub(super) fn add_agent_track(
        &mut self,
        key: SessionKey,
        (id, metadata): (TrackId, Json),
        encoding: Encoding,
        now: Instant,
    ) {
        let Some(session) = self.sessions.get(key.0) else { return };
        let Some(room) = self.rooms.get_mut(session.room.0) else { return };
        let taken = room.track_by_id(&id).is_some();
        let full = room.tracks_of(key).len() >= TRACKS_PER_PEER_MAX;
        if !session.is_agent() || !session.rights.publish || taken || full {
            self.stats.bad_signals += 1;
            return self.close_session(key, CloseReason::BadSignal, now);
        }
        let (peer, session) = (session.peer.clone(), session.id.clone());
        let track = room.publish(Track {
            // No pictures go with it, so nothing is to be in sync with it.
            stream: format!("{peer}-{id}"),
            id: id.clone(),
            owner: key,
            peer,
            kind: MediaKind::Audio,
            origin: Origin::Agent { next_sequence: 0 },
            red: None,
            metadata,
            encodings: room::encodings(&[]),
            subscriptions: Vec::new(),
            available: Available::default().with(Variant::High),
            voice: voice::Detector::new(),
        });
        self.outputs.push_back(Output::Agent(AgentNews::TrackAdded { session, track: id, encoding }));
        self.announce(key, track);
    }

    pub(super) fn remove_agent_track(&mut self, key: SessionKey, id: &TrackId) {
        let Some((room_key, track)) = self.own_track_key(key, id) else { return };
        self.unpublish(room_key, track);
        if let Some(session) = self.sessions.get(key.0) {
            let (session, track) = (session.id.clone(), id.clone());
            self.outputs.push_back(Output::Agent(AgentNews::TrackRemoved { session, track }));
        }
    }

    pub(super) fn interrupt_agent_track(&mut self, key: SessionKey, id: &TrackId) {
        if self.own_track_key(key, id).is_some()
            && let Some(session) = self.sessions.get(key.0)
        {
            let (session, track) = (session.id.clone(), id.clone());
            self.outputs.push_back(Output::Agent(AgentNews::TrackInterrupted { session, track }));
        }
    }

    /// Gives an agent what it wants to hear.
    pub(super) fn tune_in(&mut self, key: SessionKey) {
        let Some(session) = self.sessions.get_mut(key.0) else { return };
        let started = session.negotiation.settle();
        let tracks: Vec<TrackKey> = started.iter().map(|(_, track)| *track).collect();
        self.tell_tracks_added(key, &tracks);
        for (slot, track) in started {
            self.subscribe(key, slot, track);
        }
    }

    /// Passes on what an agent says, as if it had come in a packet.
    pub(super) fn forward_spoken(&mut self, spoken: SpokenPacket, now: Instant) {
        let SpokenPacket { session, track, timestamp, begins, level_dbov, payload } = spoken;
        let key = self.sessions_by_id.get(&session).copied();
        let own = key.and_then(|key| Some((key, self.own_track_key(key, &track)?)));
        let Some((key, (room_key, track_key))) = own else { return };
        let track = self.rooms.get_mut(room_key.0).and_then(|r| r.track_mut(track_key));
        let Some(Origin::Agent { next_sequence }) = track.map(|t| &mut t.origin) else { return };
        let sequence = *next_sequence;
        *next_sequence += 1;
        self.at_work = Some(key);
        let extensions = ExtensionValues { audio_level: level_dbov, ..ExtensionValues::default() };
        let packet =
            Packet { stream: 0, sequence, timestamp, marker: begins, extensions: &extensions, payload: &payload };
        let facts = PacketFacts { variant: Variant::High, starts_keyframe: true, red: false, captured_at: now };
        self.forward(room_key, track_key, &packet, &facts, now);
    }
}
