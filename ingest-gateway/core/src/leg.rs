//! One session at a worker: the only module that holds a str0m `Rtc`.
//!
//! The gateway offers, since it is the client: it sends only, on one line of video and one of sound. str0m
//! packetises whole frames here; after each change it is drained to its timeout.

use std::net::SocketAddr;
use std::time::Instant;

use bytes::Bytes;
use str0m::change::{SdpAnswer, SdpPendingOffer};
use str0m::format::Codec;
use str0m::media::{Direction, MediaKind, MediaTime as RtpTime, Mid, Pt, Rid, Simulcast, SimulcastLayer};
use str0m::net::{Protocol, Receive};
use str0m::{Candidate, Event, IceConnectionState, Input, Output, Rtc, RtcConfig, RtcError};
use velella_media::{Frame, MediaTime, VideoCodec};
use velella_model::wire::command::Assignment;
use velella_model::{Incarnation, WorkerId};

/// Clock of RTP for every video codec, RFC 6184 section 8.2.1.
const VIDEO_HZ: u32 = 90_000;

/// Clock of RTP for Opus, RFC 7587 section 4.1.
const OPUS_HZ: u32 = 48_000;

/// RTP times begin this long before the first frame, since sound may begin before pictures do.
const HEAD_START_NANOS: i64 = 10_000_000_000;

/// Where a room lives, and how it is reached from here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Home {
    /// The worker.
    pub worker: WorkerId,
    /// Its boot.
    pub incarnation: Incarnation,
    /// What the worker must know of the room.
    pub assignment: Assignment,
    /// Our address on the way there.
    pub local: SocketAddr,
}

impl Home {
    /// Whether a session there is still good.
    pub(crate) fn is_same_as(&self, other: &Self) -> bool {
        (&self.worker, self.incarnation, self.assignment.generation)
            == (&other.worker, other.incarnation, other.assignment.generation)
    }
}

/// What is published: at least one of both.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Published {
    /// As the source encodes it.
    pub video: Option<VideoCodec>,
    /// The video comes in a second, smaller stream besides, at times; both are encodings of one track.
    pub sub: bool,
    /// As Opus.
    pub audio: bool,
}

/// A datagram to send.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Packet {
    /// Where to.
    pub destination: SocketAddr,
    /// What.
    pub contents: Vec<u8>,
}

/// One frame on its way into the room.
#[derive(Clone, Debug)]
pub(crate) struct Outgoing {
    pub(crate) frame: Frame,
    pub(crate) captured: Instant,
    pub(crate) stream: Stream,
    /// How loud sound is, where that is known: 0 is the loudest, -127 silence (RFC 6464).
    pub(crate) level_dbov: Option<i8>,
}

/// Which stream of its source a picture is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stream {
    Main,
    Sub,
}

impl Stream {
    /// As published clients name the encodings of a track.
    fn rid(self) -> Rid {
        match self {
            Self::Main => "h".into(),
            Self::Sub => "l".into(),
        }
    }
}

/// A session on its way or standing.
pub(crate) struct Leg {
    rtc: Rtc,
    local: SocketAddr,
    pending: Option<SdpPendingOffer>,
    video: Option<Line>,
    audio: Option<Line>,
    /// Whether the video line has an encoding for each stream.
    simulcast: bool,
    origin: Option<MediaTime>,
    pub(crate) deadline: Instant,
    pub(crate) state: LegState,
}

/// How far a session has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LegState {
    Connecting,
    Connected,
    Lost,
}

/// One m-line.
#[derive(Clone, Copy, Debug)]
struct Line {
    mid: Mid,
    /// Known from the answer.
    payload_type: Option<Pt>,
}

/// An offer with the lines in it.
pub(crate) struct Offer {
    pub(crate) sdp: String,
    pub(crate) video: Option<String>,
    pub(crate) audio: Option<String>,
}

impl Leg {
    /// A session that will be offered.
    pub(crate) fn offer(home: &Home, published: Published, now: Instant) -> Result<(Self, Offer), RtcError> {
        let mut rtc = config(published).build(now);
        let candidate = Candidate::host(home.local, Protocol::Udp)?;
        rtc.add_local_candidate(candidate);
        let mut change = rtc.sdp_api();
        let mut line = |kind, encodings| {
            let mid = change.add_media(kind, Direction::SendOnly, None, None, encodings);
            Line { mid, payload_type: None }
        };
        let video = published.video.map(|_| line(MediaKind::Video, published.sub.then(encodings)));
        let audio = published.audio.then(|| line(MediaKind::Audio, None));
        let (offer, pending) = change.apply().ok_or_else(|| RtcError::RemoteSdp("an offer without a line".into()))?;
        let name = |line: Option<Line>| line.map(|line| line.mid.to_string());
        let offer = Offer { sdp: offer.to_sdp_string(), video: name(video), audio: name(audio) };
        let (local, pending) = (home.local, Some(pending));
        let state = LegState::Connecting;
        let simulcast = published.sub;
        Ok((Self { rtc, local, pending, video, audio, simulcast, origin: None, deadline: now, state }, offer))
    }

    pub(crate) fn accept(&mut self, sdp: &str, now: Instant, packets: &mut Vec<Packet>) -> Result<(), RtcError> {
        let Some(pending) = self.pending.take() else { return Ok(()) };
        let answer = SdpAnswer::from_sdp_string(sdp)?;
        self.rtc.sdp_api().accept_answer(pending, answer)?;
        self.drain(packets)?;
        for (line, codec) in [(&mut self.video, Codec::H264), (&mut self.audio, Codec::Opus)] {
            if let Some(line) = line {
                let writer = self.rtc.writer(line.mid);
                line.payload_type =
                    writer.and_then(|w| w.payload_params().find(|p| p.spec().codec == codec).map(|p| p.pt()));
            }
        }
        self.wake(now, packets)
    }

    pub(crate) fn receive(
        &mut self,
        source: SocketAddr,
        datagram: &[u8],
        now: Instant,
        packets: &mut Vec<Packet>,
    ) -> Result<(), RtcError> {
        // What is no datagram of WebRTC is nobody's.
        let Ok(receive) = Receive::new(Protocol::Udp, source, self.local, datagram) else { return Ok(()) };
        self.rtc.handle_input(Input::Receive(now, receive))?;
        self.drain(packets)
    }

    pub(crate) fn wake(&mut self, now: Instant, packets: &mut Vec<Packet>) -> Result<(), RtcError> {
        self.rtc.handle_input(Input::Timeout(now))?;
        self.drain(packets)
    }

    /// Sends a frame. What comes before the session stands is dropped: it is old by then.
    pub(crate) fn write(
        &mut self,
        outgoing: &Outgoing,
        now: Instant,
        packets: &mut Vec<Packet>,
    ) -> Result<bool, RtcError> {
        if self.state != LegState::Connected {
            return Ok(false);
        }
        let Outgoing { frame, captured, stream, level_dbov } = outgoing;
        let (line, rate, data): (_, _, &Bytes) = match frame {
            Frame::Video(picture) => (self.video, VIDEO_HZ, &picture.data),
            Frame::Audio(sound) => (self.audio, OPUS_HZ, &sound.data),
        };
        let Some(Line { mid, payload_type: Some(payload_type) }) = line else { return Ok(false) };
        let time = RtpTime::new(self.rtp_time(frame.time(), rate), frequency(rate));
        let Some(mut writer) = self.rtc.writer(mid) else { return Ok(false) };
        match frame {
            Frame::Video(_) if self.simulcast => writer = writer.rid(stream.rid()),
            Frame::Video(_) => {}
            Frame::Audio(_) => {
                if let Some(level) = level_dbov {
                    // Workers go by the level; whether it is speech is not known here.
                    writer = writer.audio_level(*level, false);
                }
            }
        }
        writer.write(payload_type, *captured, time, &data[..])?;
        self.wake(now, packets)?;
        Ok(true)
    }

    fn rtp_time(&mut self, time: MediaTime, rate_hz: u32) -> u64 {
        let origin = *self.origin.get_or_insert_with(|| MediaTime(time.0.saturating_sub(HEAD_START_NANOS)));
        u64::try_from(MediaTime(time.0.saturating_sub(origin.0)).ticks(rate_hz)).unwrap_or(0)
    }

    fn drain(&mut self, packets: &mut Vec<Packet>) -> Result<(), RtcError> {
        loop {
            match self.rtc.poll_output()? {
                Output::Timeout(at) => {
                    self.deadline = at;
                    return Ok(());
                }
                Output::Transmit(transmit) => {
                    packets.push(Packet { destination: transmit.destination, contents: transmit.contents.into() });
                }
                Output::Event(Event::Connected) => self.state = LegState::Connected,
                Output::Event(Event::IceConnectionStateChange(IceConnectionState::Disconnected)) => {
                    self.state = LegState::Lost;
                }
                Output::Event(_) => {}
            }
        }
    }
}

fn encodings() -> Simulcast {
    let mut simulcast = Simulcast::new();
    for stream in [Stream::Main, Stream::Sub] {
        simulcast.add_send_layer(SimulcastLayer::new(&stream.rid().to_string()));
    }
    simulcast
}

fn frequency(rate_hz: u32) -> str0m::media::Frequency {
    if rate_hz == VIDEO_HZ { str0m::media::Frequency::NINETY_KHZ } else { str0m::media::Frequency::FORTY_EIGHT_KHZ }
}

fn config(published: Published) -> RtcConfig {
    let mut config = RtcConfig::new().set_stats_interval(None).clear_codecs().enable_opus(published.audio, false);
    if published.video == Some(VideoCodec::H264) {
        // What rooms speak; decoders go by what the stream itself says.
        config.codec_config().add_h264(Pt::new_with_value(108), Some(Pt::new_with_value(109)), true, 0x42_e0_1f);
    }
    config
}
