//! Packets: from a publisher to its subscribers, and the keyframes that go with them.

use std::time::{Duration, Instant};

use str0m::media::Mid;
use str0m::rtp::RtpPacket;
use velella_model::wire::signal::{CloseReason, ServerEvent};
use velella_model::{MediaKind, TrackId, Variant};

use super::{Output, Shard};
use crate::classify;
use crate::forwarder::{Packet, PacketFacts, clock_rate};
use crate::room::{RoomKey, Subscription, Track, TrackKey};
use crate::session::{Delivered, Session, SessionKey};

/// A connection without ICE traffic for this long after it was found lost is closed. Browsers
/// themselves give up after about 30 s and then join again.
const ICE_LOST_MAX: Duration = Duration::from_secs(15);
/// Who offered once and sends nothing for this long is gone, or never came: clients have to ask for consent
/// more often (RFC 7675 section 5.1).
const SILENCE_MAX: Duration = Duration::from_secs(30);

impl Shard {
    /// Finds out what a received packet belongs to, and passes it on.
    pub(super) fn forward_received(&mut self, key: SessionKey, packet: &RtpPacket, now: Instant) {
        let Some(session) = self.sessions.get_mut(key.0) else { return };
        let room_key = session.room;
        let Some(room) = self.rooms.get_mut(room_key.0) else { return };
        let Some(source) = session.source(packet.header.ssrc, room, key) else {
            self.stats.unknown_track += 1;
            return;
        };
        let codec = room.assignment.video_codec;
        let Some(track) = room.track(source.track) else { return };
        self.stats.rtp_in += 1;
        let facts = facts(session, track, source.variant, packet, |payload| classify::starts_keyframe(codec, payload));
        self.forward(room_key, source.track, &Packet::from(packet), &facts, now);
        self.at_work = Some(key);
    }

    /// Passes one packet to everybody who receives its track.
    pub(super) fn forward(
        &mut self,
        room_key: RoomKey,
        track_key: TrackKey,
        packet: &Packet<'_>,
        facts: &PacketFacts,
        now: Instant,
    ) {
        let Some(track) = self.rooms.get_mut(room_key.0).and_then(|r| r.track_mut(track_key)) else { return };
        if let Some(encoding) = track.encoding_mut(facts.variant) {
            encoding.last_packet_at = Some(now);
            if facts.starts_keyframe {
                encoding.keyframes.satisfied();
            }
        }
        let speech_begins = packet.extensions.audio_level.is_some_and(|level| track.voice.hear(level, now));
        let mut switched = Vec::new();
        for subscription in &track.subscriptions {
            let Some(subscriber) = self.sessions.get_mut(subscription.session.0) else { continue };
            self.at_work = Some(subscription.session);
            if let Some(heard) = subscriber.hear(&track.id, packet, facts) {
                self.outputs.push_back(Output::Agent(heard));
                self.stats.rtp_forwarded += 1;
                continue;
            }
            let delivered = subscriber.forward(subscription.slot, packet, facts);
            if delivered == Delivered::No {
                continue;
            }
            self.stats.rtp_forwarded += 1;
            if !std::mem::replace(&mut subscriber.is_dirty, true) {
                self.dirty.push(subscription.session);
            }
            if let Delivered::Switched(variant) = delivered {
                switched.push((subscription.session, variant));
            }
        }
        if !switched.is_empty() {
            self.tell_switched(room_key, track_key, &switched);
        }
        if speech_begins {
            self.voice_changed(room_key, track_key);
        }
    }

    fn tell_switched(&mut self, room: RoomKey, track: TrackKey, switched: &[(SessionKey, Variant)]) {
        let Some(track) = self.rooms.get(room.0).and_then(|r| r.track(track)).filter(|t| t.is_simulcast()) else {
            return;
        };
        let (endpoint, id) = (track.peer.clone(), track.id.clone());
        for (session, variant) in switched {
            let (endpoint, track) = (endpoint.clone(), id.clone());
            self.tell(*session, ServerEvent::TrackVariantSwitched { endpoint, track, variant: *variant });
        }
    }

    /// A subscriber lost the picture on one of its lines.
    pub(super) fn subscriber_wants_keyframe(&mut self, key: SessionKey, mid: Mid) {
        let Some(session) = self.sessions.get_mut(key.0) else { return };
        let Some((_, Some(track))) = session.negotiation.line(mid) else { return };
        let slot = session.negotiation.slot_of(track);
        let current = slot.and_then(|s| session.forwarder_mut(s)).and_then(|f| f.selector().current());
        let track = self.rooms.get_mut(session.room.0).and_then(|r| r.track_mut(track));
        if let (Some(track), Some(variant)) = (track, current)
            && let Some(encoding) = track.encoding_mut(variant)
        {
            encoding.keyframes.want();
        }
    }

    /// Looks after what has no event of its own.
    pub(super) fn tick(&mut self, now: Instant) {
        let rooms: Vec<RoomKey> = self.rooms.iter().map(|(key, _)| RoomKey(key)).collect();
        for room in rooms {
            self.tick_room(room, now);
            self.tick_voices(room, now);
        }
        let is_over = |at: Instant| now.saturating_duration_since(at) >= ICE_LOST_MAX;
        let lost = |s: &Session| s.ice_lost_at.is_some_and(is_over) || s.is_deserted(SILENCE_MAX, now);
        let lost: Vec<_> = self.sessions.iter().filter(|(_, s)| lost(s)).map(|(key, _)| SessionKey(key)).collect();
        for key in lost {
            self.stats.ice_timeouts += 1;
            self.close_session(key, CloseReason::IceTimeout, now);
        }
    }

    fn tick_room(&mut self, room: RoomKey, now: Instant) {
        let Some(room) = self.rooms.get_mut(room.0) else { return };
        let mut asked = Vec::new();
        for (_, track) in &mut room.tracks {
            if track.kind == MediaKind::Audio {
                continue;
            }
            let changed = track.refresh_available(now);
            want_keyframes(&mut self.sessions, track, changed);
            let publisher = self.sessions.get_mut(track.owner.0).and_then(Session::transport_mut);
            let (Some(publisher), Some(mid)) = (publisher, track.mid()) else { continue };
            for encoding in track.encodings.iter_mut().filter(|e| e.keyframes.is_due(now)) {
                // Without subscribers there is nobody to see it; before the first packet the
                // stream starts with a keyframe by itself.
                let useful = !track.subscriptions.is_empty() && encoding.last_packet_at.is_some();
                if useful && publisher.request_keyframe(mid, encoding.rid) {
                    encoding.keyframes.asked(now);
                    asked.push(track.owner);
                }
            }
        }
        self.stats.keyframe_requests += asked.len() as u64;
        for publisher in asked {
            self.mark_dirty(publisher);
        }
    }

    /// An encoding was switched on or off by its publisher: choose anew at once.
    pub(super) fn refresh_selection(&mut self, key: SessionKey, id: &TrackId, now: Instant) {
        let Some(room) = self.sessions.get(key.0).map(|s| s.room).and_then(|r| self.rooms.get_mut(r.0)) else { return };
        let Some(track) = room.track_by_id(id).and_then(|k| room.track_mut(k)) else { return };
        let changed = track.refresh_available(now);
        want_keyframes(&mut self.sessions, track, changed);
    }
}

/// Lets subscribers choose anew when encodings came or went, and asks for the keyframes that they
/// wait for, again and again until each has had its first.
fn want_keyframes(sessions: &mut slab::Slab<Session>, track: &mut Track, changed: bool) {
    let available = track.available;
    let subscriptions = std::mem::take(&mut track.subscriptions);
    for Subscription { session, slot } in subscriptions.iter().copied() {
        let Some(forwarder) = sessions.get_mut(session.0).and_then(|s| s.forwarder_mut(slot)) else { continue };
        if changed {
            forwarder.selector_mut().reconsider(available);
        }
        if let Some(encoding) = forwarder.selector().awaits().and_then(|v| track.encoding_mut(v)) {
            encoding.keyframes.want();
        }
    }
    track.subscriptions = subscriptions;
}

fn facts(
    session: &Session,
    track: &Track,
    variant: Variant,
    packet: &RtpPacket,
    starts_keyframe: impl Fn(&[u8]) -> bool,
) -> PacketFacts {
    let rate = clock_rate(track.kind);
    let report = packet.last_sender_info.map(|i| {
        // The low 32 bits are the RTP timestamp that the report named.
        (i.ntp_time, u32::try_from(i.rtp_time.numer() & u64::from(u32::MAX)).unwrap_or_default())
    });
    let captured_at = session.clock.capture(report, packet.header.timestamp, rate, packet.timestamp);
    match track.kind {
        MediaKind::Video => {
            PacketFacts { variant, starts_keyframe: starts_keyframe(&packet.payload), red: false, captured_at }
        }
        MediaKind::Audio => {
            let red = track.red == Some(packet.header.payload_type);
            PacketFacts { variant, starts_keyframe: true, red, captured_at }
        }
    }
}
