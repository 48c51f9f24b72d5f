//! What peers say: offers, metadata, wishes.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use velella_model::wire::signal::{CloseReason, PeerEvent, ServerEvent, SessionEvent, ToWorker, Voice};
use velella_model::{Json, MediaKind, PeerId, TrackId, Variant};

use super::{Output, Shard, voices};
use crate::answer::{Answer, Direction};
use crate::room::{RoomKey, TRACKS_PER_PEER_MAX, Track, TrackKey};
use crate::session::SessionKey;
use crate::voice;

/// An SDP offer as the peer sent it.
struct Offer {
    sdp: String,
    mid_to_track: BTreeMap<String, TrackId>,
    metadata: BTreeMap<TrackId, Json>,
}

impl Offer {
    /// Names the lines of a client that knows nothing of tracks: what it sends is taken for a face and
    /// its voice, so that applications show it like anybody else.
    fn name_lines(&mut self, peer: &PeerId, answer: &Answer<'_>) {
        for (index, line) in answer.published().enumerate() {
            let Ok(track) = TrackId::parse(&format!("{peer}:{index}")) else { continue };
            let metadata = match line.kind {
                MediaKind::Audio => r#"{"type":"microphone","paused":false}"#,
                MediaKind::Video => r#"{"type":"camera","paused":false}"#,
            };
            self.metadata.insert(track.clone(), Json::parse(metadata).unwrap_or_else(|_| Json::null()));
            self.mid_to_track.insert(line.mid.to_string(), track);
        }
    }

    /// Names the line that the published client forgets: it finds names by what its senders send,
    /// and a mute while it makes the offer empties one. A single sending line without a name is
    /// the single track without a line; with more of either nothing is guessed.
    fn name_muted_line(&mut self, answer: &Answer<'_>) {
        let nameless = |mid: &String| !self.mid_to_track.contains_key(mid);
        let mut lines = answer.published().map(|line| line.mid.to_string()).filter(nameless);
        let named: BTreeSet<_> = self.mid_to_track.values().collect();
        let mut tracks = self.metadata.keys().filter(|track| !named.contains(track)).cloned();
        if let (Some(mid), None, Some(track), None) = (lines.next(), lines.next(), tracks.next(), tracks.next()) {
            self.mid_to_track.insert(mid, track);
        }
    }
}

impl Shard {
    pub(super) fn handle_signal(&mut self, signal: ToWorker, now: Instant) {
        let Some(key) = self.sessions_by_id.get(&signal.session).copied() else {
            self.stats.late_signals += 1;
            return;
        };
        let Some(session) = self.sessions.get_mut(key.0) else { return };
        if !session.expects(signal.seq) {
            self.stats.bad_signals += 1;
            return self.close_session(key, CloseReason::SignalLost, now);
        }
        self.at_work = Some(key);
        self.handle_peer_event(key, signal.event, now);
        self.at_work = None;
    }

    fn handle_peer_event(&mut self, key: SessionKey, event: PeerEvent, now: Instant) {
        match event {
            PeerEvent::SdpOffer { sdp, mid_to_track, metadata } => {
                self.handle_offer(key, Offer { sdp, mid_to_track, metadata }, now);
            }
            PeerEvent::RenegotiateTracks => {
                if let Some(session) = self.sessions.get_mut(key.0) {
                    session.negotiation.ask();
                }
                self.negotiate(key);
            }
            PeerEvent::Candidate { candidate } => {
                self.with_transport(key, now, |t, d| t.add_remote_candidate(&candidate, now, d));
                self.take_events(key, now);
            }
            PeerEvent::UpdateEndpointMetadata { metadata } => self.endpoint_updated(key, metadata),
            PeerEvent::UpdateTrackMetadata { track, metadata } => self.track_updated(key, &track, metadata),
            PeerEvent::EnableTrackVariant { track, variant } => self.variant_toggled(key, &track, variant, true, now),
            PeerEvent::DisableTrackVariant { track, variant } => self.variant_toggled(key, &track, variant, false, now),
            PeerEvent::SetTargetTrackVariant { track, variant } => self.target_set(key, &track, variant),
            PeerEvent::UnmuteTrack { track } => self.unmuted(key, &track),
            PeerEvent::AddTrack { track, metadata, encoding } => {
                self.add_agent_track(key, (track, metadata), encoding, now);
            }
            PeerEvent::RemoveTrack { track } => self.remove_agent_track(key, &track),
            PeerEvent::InterruptTrack { track } => self.interrupt_agent_track(key, &track),
            // Limits matter once bandwidth is allocated.
            PeerEvent::TrackBitrates { .. } => {}
            PeerEvent::SetSubscriptions { subscriptions } => self.set_subscriptions(key, subscriptions),
        }
    }

    /// Starts a round with a peer when there is a reason and none is on.
    pub(super) fn negotiate(&mut self, key: SessionKey) {
        let Some(session) = self.sessions.get_mut(key.0) else { return };
        if session.settles() {
            return self.settle(key);
        }
        let Some(round) = session.negotiation.start() else { return };
        self.tell_tracks_added(key, &round.tracks);
        self.tell(key, ServerEvent::OfferData { audio: round.audio, video: round.video });
    }

    /// Tells of tracks that a session is about to receive.
    pub(super) fn tell_tracks_added(&mut self, key: SessionKey, tracks: &[TrackKey]) {
        let Some(room) = self.sessions.get(key.0).and_then(|s| self.rooms.get(s.room.0)) else { return };
        let mut by_peer: BTreeMap<PeerId, BTreeMap<TrackId, _>> = BTreeMap::new();
        for track in tracks.iter().filter_map(|k| room.track(*k)) {
            by_peer.entry(track.peer.clone()).or_default().insert(track.id.clone(), track.view());
        }
        for (endpoint, tracks) in by_peer {
            self.tell(key, ServerEvent::TracksAdded { endpoint, tracks });
        }
    }

    /// Answers an offer. One that cannot be answered closes the session, so that the client joins
    /// again: it waits for an answer without limit.
    fn handle_offer(&mut self, key: SessionKey, mut offer: Offer, now: Instant) {
        let answered = self.with_transport(key, now, |t, d| Ok(t.accept_offer(&offer.sdp, now, d)));
        let text = match answered {
            Some(Ok(text)) => text,
            Some(Err(error)) => {
                let span = self.sessions.get(key.0).map_or_else(tracing::Span::none, |s| s.span.clone());
                tracing::info!(parent: &span, %error, "offer refused");
                self.stats.bad_signals += 1;
                return self.close_session(key, CloseReason::BadSignal, now);
            }
            None => return,
        };
        self.stats.offers += 1;
        self.refresh_name(key);
        self.take_events(key, now);
        let answer = Answer::parse(&text);
        match self.sessions.get(key.0) {
            Some(session) if session.is_one_offer() => offer.name_lines(&session.peer, &answer),
            _ => offer.name_muted_line(&answer),
        }
        let added = self.apply_publications(key, &answer, &offer);
        if let Some(session) = self.sessions.get_mut(key.0) {
            session.keep_offer(offer.sdp);
        }
        self.answer(key, &answer);
        for track in added {
            self.announce(key, track);
        }
        self.negotiate(key);
    }

    /// Sends the answer and starts what it made possible.
    fn answer(&mut self, key: SessionKey, answer: &Answer<'_>) {
        let Some(session) = self.sessions.get_mut(key.0) else { return };
        let Some(room) = self.rooms.get(session.room.0) else { return };
        session.forget_sources();
        let receiving: Vec<_> = answer
            .lines()
            .filter(|l| l.direction == Direction::Sending && l.has_codec())
            .map(|l| (l.mid, l.kind))
            .collect();
        session.negotiation.offered(&receiving);
        let started = session.negotiation.answered();
        let sdp = answer.render(|line| session.line_use(line, room, key));
        let live = session.live_lines(answer, room, key);
        let mid_to_track = live.into_iter().map(|(mid, track)| (mid.to_string(), track)).collect();
        self.tell(key, ServerEvent::SdpAnswer { sdp, mid_to_track });
        for (slot, track) in started {
            self.subscribe(key, slot, track);
        }
    }

    /// Compares what the peer sends with what it sent before. Returns the new tracks.
    fn apply_publications(&mut self, key: SessionKey, answer: &Answer<'_>, offer: &Offer) -> Vec<TrackKey> {
        let Some(session) = self.sessions.get(key.0) else { return Vec::new() };
        let Some(room) = self.rooms.get_mut(session.room.0) else { return Vec::new() };
        let room_key = session.room;
        let has_video = room.assignment.room_type.has_video();
        let may_publish = session.rights.publish;
        let (mut kept, mut added) = (Vec::new(), Vec::new());
        for line in answer.published() {
            let Some(id) = offer.mid_to_track.get(&line.mid.to_string()) else { continue };
            if line.kind == MediaKind::Video && !has_video {
                continue;
            }
            if !may_publish {
                self.stats.tracks_not_allowed += 1;
                continue;
            }
            match room.track_by_id(id).and_then(|k| Some((k, room.track(k)?))) {
                Some((known, track)) if track.owner == key && track.mid() == Some(line.mid) => kept.push(known),
                // Somebody else's id, or an own one on two lines: the first keeps it.
                Some(_) => self.stats.bad_signals += 1,
                None if kept.len() >= TRACKS_PER_PEER_MAX => self.stats.bad_signals += 1,
                None => {
                    let metadata = offer.metadata.get(id).cloned().unwrap_or_else(Json::null);
                    let track = room.publish(session.new_track(key, id.clone(), metadata, line));
                    kept.push(track);
                    added.push(track);
                }
            }
        }
        let gone: Vec<_> = room.tracks_of(key).into_iter().filter(|t| !kept.contains(t)).collect();
        for track in gone {
            self.unpublish(room_key, track);
        }
        added
    }

    /// Tells coordinator and members of a new track.
    pub(super) fn announce(&mut self, key: SessionKey, track_key: TrackKey) {
        let Some(room) = self.sessions.get(key.0).and_then(|s| self.rooms.get(s.room.0)) else { return };
        let Some(track) = room.track(track_key) else { return };
        let (id, kind, metadata) = (track.id.clone(), track.kind, track.metadata.clone());
        let others = room.others(key);
        for other in &others {
            if let Some(session) = self.sessions.get_mut(other.0) {
                session.wish(track_key, track);
            }
        }
        self.emit(key, SessionEvent::TrackAdded { track: id, kind, metadata });
        for other in others {
            self.negotiate(other);
        }
    }

    /// Removes a track and tells everybody who knows it.
    pub(super) fn unpublish(&mut self, room_key: RoomKey, track_key: TrackKey) {
        let Some(room) = self.rooms.get_mut(room_key.0) else { return };
        let Some(mut track) = room.unpublish(track_key) else { return };
        if track.voice.voice() == Voice::Speech {
            track.voice = voice::Detector::new();
            self.outputs.push_back(Output::Voice(voices::changed(room, &track)));
        }
        for other in room.others(track.owner) {
            let Some(session) = self.sessions.get_mut(other.0) else { continue };
            if session.forget(track_key) {
                let (endpoint, tracks) = (track.peer.clone(), vec![track.id.clone()]);
                self.tell(other, ServerEvent::TracksRemoved { endpoint, tracks });
                // A track that found no line may take this one.
                self.negotiate(other);
            }
        }
        let Track { id, kind, metadata, owner, .. } = track;
        if let Some(session) = self.sessions.get_mut(owner.0) {
            session.forget_sources();
        }
        self.emit(owner, SessionEvent::TrackRemoved { track: id, kind, metadata });
    }

    fn endpoint_updated(&mut self, key: SessionKey, metadata: Json) {
        let Some(session) = self.sessions.get_mut(key.0) else { return };
        session.metadata = metadata.clone();
        let endpoint = session.peer.clone();
        let others = self.rooms.get(session.room.0).map(|r| r.others(key)).unwrap_or_default();
        for other in others {
            self.tell(other, ServerEvent::EndpointUpdated { endpoint: endpoint.clone(), metadata: metadata.clone() });
        }
    }

    fn track_updated(&mut self, key: SessionKey, id: &TrackId, metadata: Json) {
        let Some((track, others)) = self.own_track(key, id) else { return };
        track.metadata = metadata.clone();
        let (endpoint, kind) = (track.peer.clone(), track.kind);
        let updated = SessionEvent::TrackMetadataUpdated { track: id.clone(), kind, metadata: metadata.clone() };
        self.emit(key, updated);
        for other in others {
            let event =
                ServerEvent::TrackUpdated { endpoint: endpoint.clone(), track: id.clone(), metadata: metadata.clone() };
            self.tell(other, event);
        }
    }

    fn variant_toggled(&mut self, key: SessionKey, id: &TrackId, variant: Variant, enabled: bool, now: Instant) {
        let Some((track, others)) = self.own_track(key, id) else { return };
        let Some(encoding) = track.encoding_mut(variant) else { return };
        encoding.enabled = enabled;
        let (endpoint, track_id) = (track.peer.clone(), track.id.clone());
        self.refresh_selection(key, id, now);
        for other in others {
            let (endpoint, track) = (endpoint.clone(), track_id.clone());
            let event = match enabled {
                true => ServerEvent::TrackVariantEnabled { endpoint, track, variant },
                false => ServerEvent::TrackVariantDisabled { endpoint, track, variant },
            };
            self.tell(other, event);
        }
    }

    fn target_set(&mut self, key: SessionKey, id: &TrackId, target: Variant) {
        let Some(session) = self.sessions.get_mut(key.0) else { return };
        let Some(room) = self.rooms.get_mut(session.room.0) else { return };
        let Some(track_key) = room.track_by_id(id) else {
            self.stats.late_signals += 1;
            return;
        };
        let Some(track) = room.track_mut(track_key).filter(|t| t.is_simulcast()) else { return };
        let awaited = session.set_target(track_key, target, track.available);
        if let Some(encoding) = awaited.and_then(|v| track.encoding_mut(v)) {
            encoding.keyframes.want();
        }
    }

    fn unmuted(&mut self, key: SessionKey, id: &TrackId) {
        if let Some((track, _)) = self.own_track(key, id) {
            track.encodings.iter_mut().for_each(|e| e.keyframes.want());
        }
    }

    /// A track of the peer itself, and the members that were told of it.
    fn own_track(&mut self, key: SessionKey, id: &TrackId) -> Option<(&mut Track, Vec<SessionKey>)> {
        let (room_key, track_key) = self.own_track_key(key, id)?;
        let room = self.rooms.get_mut(room_key.0)?;
        let knows =
            |other: &SessionKey| self.sessions.get(other.0).is_some_and(|s| s.negotiation.slot_of(track_key).is_some());
        let others = room.others(key).into_iter().filter(knows).collect();
        Some((room.track_mut(track_key)?, others))
    }

    /// Where a track of the peer itself is.
    pub(super) fn own_track_key(&mut self, key: SessionKey, id: &TrackId) -> Option<(RoomKey, TrackKey)> {
        let room_key = self.sessions.get(key.0)?.room;
        let room = self.rooms.get(room_key.0)?;
        let known = room.track_by_id(id).filter(|k| room.track(*k).is_some_and(|t| t.owner == key));
        if known.is_none() {
            self.stats.late_signals += 1;
        }
        Some((room_key, known?))
    }

    /// An ICE restart by the peer changed the session's user name.
    fn refresh_name(&mut self, key: SessionKey) {
        let Some(session) = self.sessions.get_mut(key.0) else { return };
        let Some(ufrag) = session.transport_mut().map(|t| t.local_credentials().ufrag) else { return };
        if ufrag != session.ufrag {
            self.demux.unname(&session.ufrag);
            self.demux.name(&ufrag, key);
            session.ufrag = ufrag;
        }
    }
}
