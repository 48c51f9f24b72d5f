//! The signalling of one session, both ways between its holder and its worker.
//!
//! The bus is at most once, the client has no watchdog on a lost answer: each direction of a
//! session is numbered from 0 and a gap closes the session, so that the client joins again.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::Message;
use super::agent::Encoding;
use crate::record::Subscriptions;
use crate::{Json, MediaKind, PeerId, RoomId, SessionId, TrackId, Variant};

/// Holder → worker.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ToWorker {
    /// The session.
    pub session: SessionId,
    /// Number in this direction, from 0.
    pub seq: u64,
    /// What the peer said.
    pub event: PeerEvent,
}

/// Worker → holder of the session.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ToHolder {
    /// The session.
    pub session: SessionId,
    /// Number in this direction, from 0.
    pub seq: u64,
    /// What happened.
    pub event: SessionEvent,
}

/// What a peer says, after its `connect` (which opens the session).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum PeerEvent {
    /// New endpoint metadata, in its envelope.
    UpdateEndpointMetadata {
        /// `{"peer":…,"server":…}`.
        metadata: Json,
    },
    /// New metadata of an own track.
    UpdateTrackMetadata {
        /// The track.
        track: TrackId,
        /// Not enveloped.
        metadata: Json,
    },
    /// It has tracks to add or remove and asks for `offer_data`.
    RenegotiateTracks,
    /// A trickled ICE candidate, as in `a=candidate:`; may be one that we cannot use.
    Candidate {
        /// SDP attribute value.
        candidate: String,
    },
    /// An SDP offer.
    SdpOffer {
        /// The SDP.
        sdp: String,
        /// m-line id → own track that is sent on it.
        mid_to_track: BTreeMap<String, TrackId>,
        /// Metadata of own tracks.
        metadata: BTreeMap<TrackId, Json>,
    },
    /// The peer's own limits per encoding, in bits per second.
    TrackBitrates {
        /// Own track.
        track: TrackId,
        /// Per encoding.
        bitrates_bps: BTreeMap<Variant, u32>,
    },
    /// It sends this encoding again.
    EnableTrackVariant {
        /// Own track.
        track: TrackId,
        /// Encoding.
        variant: Variant,
    },
    /// It no longer sends this encoding.
    DisableTrackVariant {
        /// Own track.
        track: TrackId,
        /// Encoding.
        variant: Variant,
    },
    /// The encoding it wants to receive.
    SetTargetTrackVariant {
        /// Somebody else's track.
        track: TrackId,
        /// Encoding.
        variant: Variant,
    },
    /// What a peer in manual mode receives from now on, whole.
    SetSubscriptions {
        /// Peers and tracks.
        subscriptions: Subscriptions,
    },
    /// An own track was unmuted: expect media.
    UnmuteTrack {
        /// Own track.
        track: TrackId,
    },
    /// An agent publishes a track of sound. One that cannot be published closes its session.
    AddTrack {
        /// New to the room.
        track: TrackId,
        /// As others shall see it.
        metadata: Json,
        /// How its sound comes.
        encoding: Encoding,
    },
    /// An agent no longer publishes a track.
    RemoveTrack {
        /// Own track.
        track: TrackId,
    },
    /// An agent takes back what it said on a track and nobody has heard yet.
    InterruptTrack {
        /// Own track.
        track: TrackId,
    },
}

/// What happened to a session at its worker.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum SessionEvent {
    /// Pass this to the peer.
    ToPeer {
        /// What to say.
        event: ServerEvent,
    },
    /// The peer published a track.
    TrackAdded {
        /// The track.
        track: TrackId,
        /// Its kind.
        kind: MediaKind,
        /// Its metadata.
        metadata: Json,
    },
    /// The peer changed the metadata of a track.
    TrackMetadataUpdated {
        /// The track.
        track: TrackId,
        /// Its kind.
        kind: MediaKind,
        /// New metadata.
        metadata: Json,
    },
    /// The peer no longer publishes a track.
    TrackRemoved {
        /// The track.
        track: TrackId,
        /// Its kind.
        kind: MediaKind,
        /// Its last metadata.
        metadata: Json,
    },
    /// The peer opened a data channel.
    ChannelAdded {
        /// Its label.
        channel: String,
    },
    /// The peer closed a data channel.
    ChannelRemoved {
        /// Its label.
        channel: String,
    },
    /// Another holder speaks for the session, and signals are counted anew from this one. Its tracks follow.
    Adopted {
        /// What its client offered last.
        offer: String,
    },
    /// The session is gone; nothing follows.
    Closed {
        /// Why.
        reason: CloseReason,
    },
}

/// Why a worker closed a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CloseReason {
    /// The coordinator asked for it.
    Asked,
    /// A newer session of the same peer took its place.
    TakenOver,
    /// No ICE traffic for too long.
    IceTimeout,
    /// A message of the signalling was lost.
    SignalLost,
    /// The peer broke the protocol, or its SDP could not be used.
    BadSignal,
    /// A bug ended it (a caught panic, or an engine error).
    Crashed,
    /// The room was closed or moved away.
    RoomClosed,
    /// The worker is full.
    Full,
}

/// What the server says to a peer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum ServerEvent {
    /// Welcome: all endpoints of the room, the peer itself among them.
    Connected {
        /// The peer's own endpoint id.
        endpoint: PeerId,
        /// Everybody.
        endpoints: BTreeMap<PeerId, Endpoint>,
    },
    /// Somebody joined.
    EndpointAdded {
        /// Who.
        endpoint: PeerId,
        /// In its envelope.
        metadata: Json,
    },
    /// Somebody changed its metadata.
    EndpointUpdated {
        /// Who.
        endpoint: PeerId,
        /// In its envelope.
        metadata: Json,
    },
    /// Somebody left.
    EndpointRemoved {
        /// Who.
        endpoint: PeerId,
    },
    /// Somebody published tracks that this peer is about to receive. `OfferData` follows.
    TracksAdded {
        /// Who.
        endpoint: PeerId,
        /// Which.
        tracks: BTreeMap<TrackId, Track>,
    },
    /// Somebody no longer publishes these.
    TracksRemoved {
        /// Who.
        endpoint: PeerId,
        /// Which.
        tracks: Vec<TrackId>,
    },
    /// A track's metadata changed.
    TrackUpdated {
        /// Whose.
        endpoint: PeerId,
        /// Which.
        track: TrackId,
        /// New metadata.
        metadata: Json,
    },
    /// Make an offer with this many receiving m-lines in total; never decreases.
    OfferData {
        /// Audio lines.
        audio: u32,
        /// Video lines.
        video: u32,
    },
    /// The answer to an offer.
    SdpAnswer {
        /// The SDP.
        sdp: String,
        /// Every live m-line, both directions.
        mid_to_track: BTreeMap<String, TrackId>,
    },
    /// The encoding that flows to this peer changed.
    TrackVariantSwitched {
        /// Whose.
        endpoint: PeerId,
        /// Which.
        track: TrackId,
        /// What flows now.
        variant: Variant,
    },
    /// The publisher switched an encoding off.
    TrackVariantDisabled {
        /// Whose.
        endpoint: PeerId,
        /// Which.
        track: TrackId,
        /// Encoding.
        variant: Variant,
    },
    /// The publisher switched an encoding on.
    TrackVariantEnabled {
        /// Whose.
        endpoint: PeerId,
        /// Which.
        track: TrackId,
        /// Encoding.
        variant: Variant,
    },
    /// Somebody began or stopped speaking.
    VadNotification {
        /// A track that this peer receives.
        track: TrackId,
        /// Speech or silence.
        voice: Voice,
    },
    /// Fatal: the client disconnects.
    Error {
        /// For people.
        message: String,
    },
}

/// Whether somebody speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Voice {
    /// Nobody does.
    Silence,
    /// Somebody does.
    Speech,
}

/// A worker → all coordinators: the voice of a track changed. Nothing is lost with it but a moment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct VoiceChanged {
    /// Where.
    pub room: RoomId,
    /// Who.
    pub peer: PeerId,
    /// On which track.
    pub track: TrackId,
    /// To what.
    pub voice: Voice,
}

/// One endpoint in [`ServerEvent::Connected`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Endpoint {
    /// In its envelope.
    pub metadata: Json,
    /// Its published tracks.
    pub tracks: BTreeMap<TrackId, Track>,
}

/// One track as others see it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Track {
    /// As its publisher set it.
    pub metadata: Json,
    /// Its encodings; `None` without simulcast.
    pub simulcast: Option<Simulcast>,
}

/// The encodings of a simulcast track.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Simulcast {
    /// Flowing.
    pub enabled: Vec<Variant>,
    /// Switched off by the publisher.
    pub disabled: Vec<Variant>,
}

impl Message for ToWorker {}
impl Message for ToHolder {}
impl Message for VoiceChanged {}
