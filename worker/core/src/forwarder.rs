//! Carries one track to one subscriber: selection, continuity, payload type.

use std::time::Instant;

use str0m::media::Pt;
use str0m::rtp::{ExtensionValues, RtpPacket, RtpWrite, SeqNo, Ssrc};
use velella_model::{MediaKind, Variant};

use crate::red;
use crate::rewriter::Rewriter;
use crate::selector::{Available, Feed, Selector};
use crate::transport::{Payload, PayloadTypes};

/// RTP clock of Opus (RFC 7587) and of every video codec (RFC 3551).
pub(crate) fn clock_rate(kind: MediaKind) -> u32 {
    match kind {
        MediaKind::Audio => 48_000,
        MediaKind::Video => 90_000,
    }
}

/// A packet of a track, whichever way its publisher sent it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Packet<'a> {
    /// Another one when the publisher begins anew with sequence numbers and timestamps.
    pub(crate) stream: u32,
    pub(crate) sequence: u64,
    pub(crate) timestamp: u32,
    pub(crate) marker: bool,
    pub(crate) extensions: &'a ExtensionValues,
    pub(crate) payload: &'a Payload,
}

impl<'a> From<&'a RtpPacket> for Packet<'a> {
    fn from(packet: &'a RtpPacket) -> Self {
        let header = &packet.header;
        Self {
            stream: *header.ssrc,
            sequence: *packet.seq_no,
            timestamp: header.timestamp,
            marker: header.marker,
            extensions: &header.ext_vals,
            payload: &packet.payload,
        }
    }
}

/// What is the same for all subscribers of a packet; found once.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PacketFacts {
    pub(crate) variant: Variant,
    pub(crate) starts_keyframe: bool,
    /// Redundant audio (RFC 2198) rather than plain Opus.
    pub(crate) red: bool,
    pub(crate) captured_at: Instant,
}

/// What a forwarder did with a packet.
pub(crate) enum Forwarded {
    /// Send this on [`Forwarder::ssrc`].
    Write(RtpWrite),
    /// The same, and it is the first of another encoding.
    Switched(RtpWrite, Variant),
    /// Nothing to send.
    Skipped,
}

/// The sending side of one m-line. It outlives the tracks that are sent on it.
pub(crate) struct Forwarder {
    ssrc: Ssrc,
    kind: MediaKind,
    payload_types: PayloadTypes,
    rewriter: Rewriter,
    selector: Selector,
}

impl Forwarder {
    pub(crate) fn new(ssrc: Ssrc, kind: MediaKind, payload_types: PayloadTypes, selector: Selector) -> Self {
        Self { ssrc, kind, payload_types, rewriter: Rewriter::new(), selector }
    }

    /// The m-line carries another track from now on; the stream goes on.
    pub(crate) fn retune(&mut self, available: Available) {
        self.selector = self.selector.anew(available);
    }

    pub(crate) fn ssrc(&self) -> Ssrc {
        self.ssrc
    }

    pub(crate) fn selector(&self) -> &Selector {
        &self.selector
    }

    pub(crate) fn selector_mut(&mut self) -> &mut Selector {
        &mut self.selector
    }

    /// Rewrites one packet for this subscriber.
    pub(crate) fn feed(&mut self, packet: &Packet<'_>, facts: &PacketFacts) -> Forwarded {
        let feed = self.selector.feed(facts.variant, facts.starts_keyframe);
        let (sequence, timestamp) = (packet.sequence, packet.timestamp);
        match feed {
            Feed::Skip => return Forwarded::Skipped,
            Feed::Switch => self.rewriter.switch(sequence, timestamp, facts.captured_at, clock_rate(self.kind)),
            Feed::Forward => {}
        }
        let Some((sequence, timestamp)) = self.rewriter.rewrite(sequence, timestamp, facts.captured_at) else {
            return Forwarded::Skipped;
        };
        let Some((payload_type, payload)) = self.payload(packet.payload, facts.red) else { return Forwarded::Skipped };
        // The publisher's own m-line and stream ids would override ours.
        let mut extensions = packet.extensions.clone();
        extensions.mid = None;
        extensions.rid = None;
        extensions.rid_repair = None;
        let write = RtpWrite::new(payload_type, SeqNo::from(sequence), timestamp, facts.captured_at, payload)
            .marker(packet.marker)
            .ext_vals(extensions)
            .nackable(self.kind == MediaKind::Video);
        match feed {
            Feed::Switch => Forwarded::Switched(write, facts.variant),
            Feed::Forward | Feed::Skip => Forwarded::Write(write),
        }
    }

    /// Payload and its type. A subscriber without redundant audio gets the newest block of it.
    fn payload(&self, payload: &Payload, red: bool) -> Option<(Pt, Payload)> {
        match (red, self.payload_types.red) {
            (false, _) => Some((self.payload_types.main, payload.clone())),
            (true, Some(red)) => Some((red, payload.clone())),
            (true, None) => Some((self.payload_types.main, red::primary(payload)?.into())),
        }
    }
}
