//! One WebRTC connection: the only module that holds a str0m `Rtc`.
//!
//! str0m's rule is mutate, then drain to the timeout, then mutate. [`Transport::mutate`] is the one
//! way to change the connection and always drains, so the rule holds by structure; the exception is
//! [`Transport::write`], which only queues and leaves the drain to the end of the batch.

use std::net::SocketAddr;
use std::time::Instant;

use str0m::change::SdpOffer;
use str0m::channel::ChannelId;
use str0m::format::Codec;
use str0m::media::{KeyframeRequestKind, Mid, Pt, Rid};
use str0m::net::{DatagramRecv, Protocol, Receive, Transmit};
use str0m::rtp::{RtpWrite, Ssrc};
use str0m::{Candidate, Event, IceCreds, Input, Output, Rtc, RtcConfig, RtcError};
use velella_model::wire::command::Assignment;
use velella_model::{MediaKind, VideoCodec};

/// Resend cache of a video stream in packets. Two seconds of 2 Mbit/s at 1100 bytes are 450.
const RESEND_PACKETS_VIDEO: usize = 512;
/// Most m-lines in an offer. A client that publishes and stops again and again adds one each time;
/// beyond this it is closed and starts over with a short offer.
const OFFER_LINES_MAX: usize = 512;
/// Candidates taken from one peer; browsers send about ten. What it leaves out is found by the
/// peer's own checks.
const REMOTE_CANDIDATES_MAX: u32 = 64;
/// Largest message on a data channel, as browsers offer it.
const CHANNEL_MESSAGE_BYTES_MAX: u32 = 256 * 1024;

/// Letters at the start of every local user name that belong to whoever chose it: a worker tells its
/// shards apart by them.
pub const UFRAG_MARK_LETTERS: usize = 2;

/// How a connection in this room is configured; the caller adds credentials and crypto, and builds.
pub fn rtc_config(assignment: &Assignment) -> RtcConfig {
    let config = RtcConfig::new()
        .set_rtp_mode(true)
        .set_ice_lite(true)
        .set_stats_interval(None)
        .set_send_buffer_video(RESEND_PACKETS_VIDEO)
        .set_sctp_max_message_size(CHANNEL_MESSAGE_BYTES_MAX)
        .clear_codecs()
        .enable_opus(true, true);
    match assignment.video_codec {
        VideoCodec::Vp8 => config.enable_vp8(true),
        VideoCodec::Vp9 => config.enable_vp9(true),
        VideoCodec::Av1 => config.enable_av1(true),
        VideoCodec::H264 => {
            let mut config = config;
            // One profile for the room, so that what one peer encodes every other can decode.
            config.codec_config().add_h264(Pt::new_with_value(108), Some(Pt::new_with_value(109)), true, 0x42_e0_1f);
            config
        }
    }
}

/// An RTP payload, shared by all subscribers and their resend caches; str0m wants this type.
#[expect(clippy::disallowed_types, reason = "str0m's own type for payloads")]
pub(crate) type Payload = std::sync::Arc<[u8]>;

/// What a connection produced while it was drained.
#[derive(Default)]
pub(crate) struct Drained {
    /// Datagrams to send, in order.
    pub(crate) transmits: Vec<Transmit>,
    /// What happened.
    pub(crate) events: Vec<Event>,
}

/// One connection.
pub(crate) struct Transport {
    rtc: Box<Rtc>,
    deadline: Instant,
    remote_candidates: u32,
}

impl Transport {
    /// Takes a freshly built connection.
    pub(crate) fn new(rtc: Box<Rtc>, now: Instant) -> Self {
        Self { rtc, deadline: now, remote_candidates: 0 }
    }

    /// When it wants to be woken.
    pub(crate) fn deadline(&self) -> Instant {
        self.deadline
    }

    /// Whether it can still carry anything.
    pub(crate) fn is_alive(&self) -> bool {
        self.rtc.is_alive()
    }

    /// Whether a datagram of an unknown source belongs here.
    pub(crate) fn accepts(&self, now: Instant, source: SocketAddr, destination: SocketAddr, datagram: &[u8]) -> bool {
        receive(source, destination, datagram).is_some_and(|r| self.rtc.accepts(&Input::Receive(now, r)))
    }

    /// Takes one datagram. Garbage is dropped by the engine.
    pub(crate) fn receive(
        &mut self,
        now: Instant,
        source: SocketAddr,
        destination: SocketAddr,
        datagram: &[u8],
        drained: &mut Drained,
    ) -> Result<(), RtcError> {
        let Some(receive) = receive(source, destination, datagram) else { return Ok(()) };
        self.rtc.handle_input(Input::Receive(now, receive))?;
        self.drain(drained)
    }

    /// Moves time forward and sends what was written.
    pub(crate) fn timeout(&mut self, now: Instant, drained: &mut Drained) -> Result<(), RtcError> {
        self.rtc.handle_input(Input::Timeout(now))?;
        self.drain(drained)
    }

    /// Changes the connection, then drains it.
    pub(crate) fn mutate<R>(
        &mut self,
        now: Instant,
        drained: &mut Drained,
        change: impl FnOnce(&mut Rtc) -> R,
    ) -> Result<R, RtcError> {
        let result = change(&mut self.rtc);
        self.timeout(now, drained)?;
        Ok(result)
    }

    /// Accepts an SDP offer; the answer is str0m's own text.
    pub(crate) fn accept_offer(&mut self, sdp: &str, now: Instant, drained: &mut Drained) -> Result<String, RtcError> {
        if sdp.matches("\nm=").count() > OFFER_LINES_MAX {
            return Err(RtcError::RemoteSdp(format!("more than {OFFER_LINES_MAX} m-lines")));
        }
        let offer = SdpOffer::from_sdp_string(sdp).map_err(|e| RtcError::RemoteSdp(e.to_string()))?;
        let before = self.local_credentials();
        let answer = self.mutate(now, drained, |rtc| rtc.sdp_api().accept_offer(offer))??;
        Ok(self.keep_mark(&before, answer.to_sdp_string()))
    }

    /// When the peer begins ICE anew, the engine draws a new user name; it has to bear the same mark.
    fn keep_mark(&mut self, before: &IceCreds, answer: String) -> String {
        let IceCreds { ufrag, pass } = self.local_credentials();
        let Some(mark) = before.ufrag.get(..UFRAG_MARK_LETTERS).filter(|_| ufrag != before.ufrag) else {
            return answer;
        };
        let marked = format!("{mark}{ufrag}");
        let answer = answer.replace(&ufrag, &marked);
        self.rtc.direct_api().set_local_ice_credentials(IceCreds { ufrag: marked, pass });
        answer
    }

    /// Adds a candidate of the peer. One that we cannot use (mDNS, TCP) is no error: the peer's
    /// own checks make a pair anyway.
    pub(crate) fn add_remote_candidate(
        &mut self,
        text: &str,
        now: Instant,
        drained: &mut Drained,
    ) -> Result<(), RtcError> {
        match Candidate::from_sdp_string(text) {
            Ok(candidate) if self.remote_candidates < REMOTE_CANDIDATES_MAX => {
                self.remote_candidates += 1;
                self.mutate(now, drained, |rtc| rtc.add_remote_candidate(candidate))
            }
            _ => Ok(()),
        }
    }

    /// Queues a packet on a sending stream; sent by the next [`Self::timeout`]. Returns whether
    /// the stream exists.
    pub(crate) fn write(&mut self, ssrc: Ssrc, packet: RtpWrite) -> bool {
        match self.rtc.direct_api().stream_tx(&ssrc) {
            Some(stream) => {
                stream.write_rtp(packet);
                true
            }
            None => false,
        }
    }

    /// Queues a binary message on a data channel. `false` when its buffer is full or it is gone.
    pub(crate) fn write_channel(&mut self, channel: ChannelId, message: &[u8]) -> bool {
        self.rtc.channel(channel).is_some_and(|mut c| c.write(true, message).unwrap_or(false))
    }

    /// Closes a data channel with the next drain.
    pub(crate) fn close_channel(&mut self, channel: ChannelId) {
        self.rtc.direct_api().close_data_channel(channel);
    }

    /// The SSRC of the sending stream of an m-line, once an answer declared it.
    pub(crate) fn sending_ssrc(&mut self, mid: Mid) -> Option<Ssrc> {
        self.rtc.direct_api().stream_tx_by_mid(mid, None).map(|s| s.ssrc())
    }

    /// Which m-line and encoding a received SSRC belongs to. Header extensions name them only on
    /// the first packets of a stream.
    pub(crate) fn origin_of(&mut self, ssrc: Ssrc) -> Option<(Mid, Option<Rid>)> {
        self.rtc.direct_api().stream_rx(&ssrc).map(|s| (s.mid(), s.rid()))
    }

    /// Asks the peer for a keyframe; `false` while the stream has not appeared. Sent with the next drain.
    pub(crate) fn request_keyframe(&mut self, mid: Mid, rid: Option<Rid>) -> bool {
        match self.rtc.direct_api().stream_rx_by_mid(mid, rid) {
            Some(stream) => {
                stream.request_keyframe(KeyframeRequestKind::Pli);
                true
            }
            None => false,
        }
    }

    /// Our ICE credentials now; a restart by the peer changes them.
    pub(crate) fn local_credentials(&mut self) -> IceCreds {
        self.rtc.direct_api().local_ice_credentials()
    }

    /// Payload types of the room's codec on an m-line, as negotiated.
    pub(crate) fn payload_types(&self, mid: Mid, kind: MediaKind) -> Option<PayloadTypes> {
        let agreed = self.rtc.media(mid)?.remote_pts();
        let wanted = |codec: Codec| match kind {
            MediaKind::Audio => codec == Codec::Opus,
            MediaKind::Video => codec != Codec::Rtx && codec.is_video(),
        };
        let params = self.rtc.codec_config().params();
        let main = params.iter().find(|p| wanted(p.spec().codec) && agreed.contains(&p.pt()))?;
        // The engine counts the type of redundant audio to that of its codec: what was agreed names
        // the latter alone, and the former is gone from it when the peer does not know it.
        Some(PayloadTypes { main: main.pt(), red: main.red() })
    }

    /// Says goodbye (RTCP BYE, DTLS close_notify).
    pub(crate) fn close(&mut self, now: Instant, drained: &mut Drained) {
        // Failure changes nothing: the session is dropped right after.
        let _ = self.mutate(now, drained, Rtc::close);
    }

    fn drain(&mut self, drained: &mut Drained) -> Result<(), RtcError> {
        loop {
            match self.rtc.poll_output()? {
                Output::Timeout(at) => {
                    self.deadline = at;
                    return Ok(());
                }
                Output::Transmit(transmit) => drained.transmits.push(transmit),
                Output::Event(event) => drained.events.push(event),
            }
        }
    }
}

/// The payload types that one m-line agreed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PayloadTypes {
    pub(crate) main: Pt,
    /// Redundant audio (RFC 2198).
    pub(crate) red: Option<Pt>,
}

fn receive<'a>(source: SocketAddr, destination: SocketAddr, datagram: &'a [u8]) -> Option<Receive<'a>> {
    let contents = DatagramRecv::try_from(datagram).ok()?;
    Some(Receive { proto: Protocol::Udp, source, destination, contents })
}
