//! One connection of a peer, with everything that ends with it.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use str0m::media::Mid;
use str0m::rtp::Ssrc;
use velella_model::wire::command::{Assignment, Client, Holder, OpenSession, Rights};
use velella_model::wire::signal::{ServerEvent, SessionEvent, ToHolder};
use velella_model::{Json, MediaKind, PeerId, SessionId, TrackId, Variant};

use crate::agent::{AgentNews, SoundPacket};
use crate::answer::{Answer, Direction, Line, Use};
use crate::capture_clock::CaptureClock;
use crate::channels::Channels;
use crate::forwarder::{Forwarded, Forwarder, Packet, PacketFacts};
use crate::negotiation::{Negotiation, SlotIndex};
use crate::red;
use crate::room::{self, Origin, Room, RoomKey, Track, TrackKey};
use crate::selector::{Available, Selector};
use crate::streams;
use crate::transport::Transport;
use crate::voice;
use crate::wishes::Wishes;

/// Received streams remembered per session: 16 tracks with 3 encodings, and room for changes.
const SOURCES_MAX: usize = 64;

/// Index of a session in its shard.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct SessionKey(pub(crate) usize);

/// Where a received stream belongs.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Source {
    pub(crate) track: TrackKey,
    pub(crate) variant: Variant,
}

/// How a client is connected.
pub(crate) enum Connection {
    /// It sends and receives packets itself.
    Webrtc(Transport),
    /// Its sound goes through others, who turn it into packets and back.
    Agent,
}

/// A session.
pub(crate) struct Session {
    pub(crate) id: SessionId,
    pub(crate) peer: PeerId,
    pub(crate) room: RoomKey,
    holder: Holder,
    /// Names room, peer and session to whoever reads the log.
    pub(crate) span: tracing::Span,
    pub(crate) rights: Rights,
    pub(crate) wishes: Wishes,
    pub(crate) metadata: Json,
    connection: Connection,
    client: Client,
    /// Its last, if it offers once: whoever comes to speak for it needs that when ICE begins anew.
    offer: Option<String>,
    pub(crate) negotiation: Negotiation<TrackKey>,
    /// Encodings asked for. Clients ask as soon as they hear of a track, before it has a line.
    targets: BTreeMap<TrackKey, Variant>,
    /// By slot; a slot has one from the first answer that gave it a line.
    forwarders: Vec<Option<Forwarder>>,
    sources: Vec<(Ssrc, Source)>,
    pub(crate) clock: CaptureClock,
    pub(crate) channels: Channels,
    pub(crate) ufrag: String,
    next_up: u64,
    next_down: u64,
    /// When its entry in the timers is due.
    pub(crate) scheduled: Option<Instant>,
    /// Whether something was written since the last drain.
    pub(crate) is_dirty: bool,
    pub(crate) ice_lost_at: Option<Instant>,
    /// When its client last sent anything, or when it was opened.
    pub(crate) heard_at: Instant,
}

/// What a packet did to a subscriber.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Delivered {
    No,
    Yes,
    /// The first of another encoding.
    Switched(Variant),
}

impl Session {
    pub(crate) fn new(open: OpenSession, room: RoomKey, connection: Connection, ufrag: String, now: Instant) -> Self {
        let OpenSession { session, peer, assignment, .. } = &open;
        let one_offer = open.client == Client::OneOffer;
        // On whatever level is logged: a span below it would take the fields from warnings too.
        let span = tracing::error_span!("session", room = %assignment.room, %peer, %session);
        Self {
            span,
            rights: open.rights,
            wishes: Wishes::of(&open),
            id: open.session,
            peer: open.peer,
            room,
            holder: open.holder,
            metadata: open.metadata,
            connection,
            client: open.client,
            offer: None,
            negotiation: if one_offer { Negotiation::of_one_offer() } else { Negotiation::new() },
            targets: BTreeMap::new(),
            forwarders: Vec::new(),
            sources: Vec::new(),
            clock: CaptureClock::default(),
            channels: Channels::default(),
            ufrag,
            next_up: 0,
            next_down: 0,
            scheduled: None,
            is_dirty: false,
            ice_lost_at: None,
            heard_at: now,
        }
    }

    /// Its own packets, unless others make them.
    pub(crate) fn transport(&self) -> Option<&Transport> {
        match &self.connection {
            Connection::Webrtc(transport) => Some(transport),
            Connection::Agent => None,
        }
    }

    pub(crate) fn transport_mut(&mut self) -> Option<&mut Transport> {
        match &mut self.connection {
            Connection::Webrtc(transport) => Some(transport),
            Connection::Agent => None,
        }
    }

    pub(crate) fn is_agent(&self) -> bool {
        matches!(self.connection, Connection::Agent)
    }

    /// It offers once, and is told of nothing but the answer.
    pub(crate) fn is_one_offer(&self) -> bool {
        self.client == Client::OneOffer
    }

    /// Whether others are not told of it.
    pub(crate) fn is_hidden(&self) -> bool {
        matches!(self.client, Client::Listener { .. })
    }

    /// Whether tracks change without rounds of offer and answer.
    pub(crate) fn settles(&self) -> bool {
        self.is_one_offer() || self.is_agent()
    }

    /// Whether its client can do anything with this.
    pub(crate) fn understands(&self, event: &ServerEvent) -> bool {
        !self.is_one_offer() || matches!(event, ServerEvent::SdpAnswer { .. })
    }

    /// Whether nothing but silence could end it, and it has been silent for this long.
    pub(crate) fn is_deserted(&self, silence_max: Duration, now: Instant) -> bool {
        self.is_one_offer() && now.saturating_duration_since(self.heard_at) >= silence_max
    }

    /// Who holds its socket.
    pub(crate) fn holder(&self) -> &Holder {
        &self.holder
    }

    /// Keeps what was offered, as long as somebody may ask for it.
    pub(crate) fn keep_offer(&mut self, offer: String) {
        self.offer = self.is_one_offer().then_some(offer);
    }

    /// Somebody else speaks for it, and both count anew; its last offer, without which nobody could.
    pub(crate) fn adopt(&mut self, holder: Holder) -> Option<String> {
        let offer = self.offer.clone()?;
        self.holder = holder;
        (self.next_up, self.next_down) = (0, 0);
        Some(offer)
    }

    /// Whether a signal with this number is the next one; a gap means that one was lost.
    pub(crate) fn expects(&mut self, seq: u64) -> bool {
        let expected = seq == self.next_up;
        self.next_up += u64::from(expected);
        expected
    }

    /// Wraps an event for the coordinator.
    pub(crate) fn address(&mut self, event: SessionEvent) -> (Holder, ToHolder) {
        let seq = self.next_down;
        self.next_down += 1;
        (self.holder.clone(), ToHolder { session: self.id.clone(), seq, event })
    }

    /// Books a track if it is wanted here.
    pub(crate) fn wish(&mut self, key: TrackKey, track: &Track) {
        let can = match (self.client, track.kind) {
            (Client::Webrtc | Client::OneOffer, _) => true,
            (Client::Listener { audio, .. }, MediaKind::Audio) => audio,
            (Client::Listener { video, .. }, MediaKind::Video) => video.is_some(),
            (Client::Agent { output }, kind) => output.is_some() && kind == MediaKind::Audio,
        };
        if can && self.wishes.cover(&track.peer, &track.id) {
            self.negotiation.want(key, track.kind);
        }
    }

    /// The track is gone or no longer wanted. Returns whether the peer had been told of it.
    pub(crate) fn forget(&mut self, track: TrackKey) -> bool {
        self.targets.remove(&track);
        self.negotiation.forget(track)
    }

    /// The peer wants this encoding of a track it was told of. Returns what it waits for now.
    pub(crate) fn set_target(&mut self, track: TrackKey, target: Variant, available: Available) -> Option<Variant> {
        let slot = self.negotiation.slot_of(track)?;
        self.targets.insert(track, target);
        let selector = self.forwarder_mut(slot)?.selector_mut();
        selector.set_target(target, available);
        selector.awaits()
    }

    /// Where a received stream belongs. Found once per stream, since the engine's own look-up and
    /// the room's cost more than the few comparisons here.
    pub(crate) fn source(&mut self, ssrc: Ssrc, room: &Room, own: SessionKey) -> Option<Source> {
        if let Some((_, source)) = self.sources.iter().find(|(s, _)| *s == ssrc) {
            return Some(*source);
        }
        let (mid, rid) = self.transport_mut()?.origin_of(ssrc)?;
        let (key, track) = room.tracks.iter().find(|(_, t)| t.owner == own && t.mid() == Some(mid))?;
        let source = Source { track: TrackKey(key), variant: track.variant_of(rid)? };
        if self.sources.len() < SOURCES_MAX {
            self.sources.push((ssrc, source));
        }
        Some(source)
    }

    /// Streams may belong elsewhere after an offer.
    pub(crate) fn forget_sources(&mut self) {
        self.sources.clear();
    }

    /// A slot's line carries this track from now on. `false` when the line has no usable codec.
    pub(crate) fn tune(&mut self, slot: SlotIndex, track: TrackKey, available: Available) -> bool {
        if self.is_agent() {
            return true;
        }
        let tuned = self.retune(slot, available);
        if let (Some(target), Some(forwarder)) = (self.targets.get(&track).copied(), self.forwarder_mut(slot)) {
            forwarder.selector_mut().set_target(target, available);
        }
        tuned
    }

    fn retune(&mut self, slot: SlotIndex, available: Available) -> bool {
        if let Some(Some(forwarder)) = self.forwarders.get_mut(slot) {
            forwarder.retune(available);
            return true;
        }
        let Some((mid, kind)) = self.negotiation.slot(slot).and_then(|s| Some((s.mid?, s.kind))) else { return false };
        let Some(forwarder) = self.new_forwarder(mid, kind, available) else { return false };
        if self.forwarders.len() <= slot {
            self.forwarders.resize_with(slot + 1, || None);
        }
        self.forwarders.get_mut(slot).map(|place| place.insert(forwarder)).is_some()
    }

    fn new_forwarder(&mut self, mid: Mid, kind: MediaKind, available: Available) -> Option<Forwarder> {
        let transport = self.transport_mut()?;
        let ssrc = transport.sending_ssrc(mid)?;
        let payload_types = transport.payload_types(mid, kind)?;
        let selector = match (self.client, kind) {
            (Client::Listener { video: Some(variant), .. }, MediaKind::Video) => Selector::exactly(variant),
            _ => Selector::new(available),
        };
        Some(Forwarder::new(ssrc, kind, payload_types, selector.anew(available)))
    }

    pub(crate) fn forwarder_mut(&mut self, slot: SlotIndex) -> Option<&mut Forwarder> {
        self.forwarders.get_mut(slot)?.as_mut()
    }

    /// Queues a packet for this subscriber.
    pub(crate) fn forward(&mut self, slot: SlotIndex, packet: &Packet<'_>, facts: &PacketFacts) -> Delivered {
        let Some(Some(forwarder)) = self.forwarders.get_mut(slot) else { return Delivered::No };
        let (write, delivered) = match forwarder.feed(packet, facts) {
            Forwarded::Skipped => return Delivered::No,
            Forwarded::Write(write) => (write, Delivered::Yes),
            Forwarded::Switched(write, variant) => (write, Delivered::Switched(variant)),
        };
        let ssrc = forwarder.ssrc();
        let written = self.transport_mut().is_some_and(|t| t.write(ssrc, write));
        if written { delivered } else { Delivered::No }
    }

    /// What an agent gets of a packet; `None` for everybody else.
    pub(crate) fn hear(&self, track: &TrackId, packet: &Packet<'_>, facts: &PacketFacts) -> Option<AgentNews> {
        if !self.is_agent() {
            return None;
        }
        let payload = match facts.red {
            false => packet.payload.clone(),
            true => red::primary(packet.payload)?.into(),
        };
        let Packet { stream, sequence, timestamp, .. } = *packet;
        let packet = SoundPacket { stream, sequence, timestamp, payload };
        Some(AgentNews::Heard { session: self.id.clone(), track: track.clone(), packet })
    }

    /// The track that the peer publishes on a line of the answer.
    pub(crate) fn new_track(&self, own: SessionKey, id: TrackId, metadata: Json, line: &Line<'_>) -> Track {
        let encodings = room::encodings(&line.received_rids());
        let simulcast = encodings.iter().any(|e| e.rid.is_some());
        let nothing = Available::default();
        Track {
            id,
            owner: own,
            peer: self.peer.clone(),
            kind: line.kind,
            origin: Origin::Line(line.mid),
            red: self.transport().and_then(|t| t.payload_types(line.mid, line.kind)).and_then(|types| types.red),
            stream: streams::name(&self.peer, line.mid, &metadata),
            metadata,
            encodings,
            subscriptions: Vec::new(),
            available: if simulcast { nothing } else { nothing.with(Variant::High) },
            voice: voice::Detector::new(),
        }
    }

    /// What an m-line of the answer is used for.
    pub(crate) fn line_use(&self, line: &Line<'_>, room: &Room, own: SessionKey) -> Use {
        let published = || room.tracks.iter().any(|(_, t)| t.owner == own && t.mid() == Some(line.mid));
        match line.direction {
            Direction::Inactive => Use::Kept,
            Direction::Receiving if published() => Use::Published,
            Direction::Receiving => Use::Idle,
            Direction::Sending if self.is_one_offer() => self.lasting_use(line, room),
            Direction::Sending => match self.negotiation.line(line.mid) {
                Some((slot, Some(key))) => match room.track(key) {
                    Some(track) => {
                        let stream = format!("{}-{}", track.stream, slot.generation);
                        Use::Sent { stream, track: track.id.as_str().into() }
                    }
                    None => Use::Idle,
                },
                _ => Use::Idle,
            },
        }
    }

    /// A line of who offers once is answered for all tracks that will ever be on it. They form one
    /// stream: browsers play it in sync, and published clients take the first they see.
    fn lasting_use(&self, line: &Line<'_>, room: &Room) -> Use {
        let Assignment { room: id, room_type, .. } = &room.assignment;
        let useful = self.rights.subscribe && (line.kind == MediaKind::Audio || room_type.has_video());
        if !useful {
            return Use::Idle;
        }
        Use::Sent { stream: id.to_string(), track: format!("{id}-{}", line.mid) }
    }

    /// Every live line of an answer with its track, both directions.
    pub(crate) fn live_lines(&self, answer: &Answer<'_>, room: &Room, own: SessionKey) -> Vec<(Mid, TrackId)> {
        let own_tracks = room.tracks.iter().filter(|(_, t)| t.owner == own);
        let published = own_tracks.filter_map(|(_, t)| Some((t.mid()?, t.id.clone())));
        let received = answer.lines().filter(|l| l.direction == Direction::Sending).filter_map(|line| {
            let (_, key) = self.negotiation.line(line.mid)?;
            Some((line.mid, room.track(key?)?.id.clone()))
        });
        published.chain(received).collect()
    }
}
