//! One receiving session at a worker, seen from its client: the lines it offers and what comes on them.
//!
//! The worker says how many lines it wants; str0m puts packets together to frames here. Like in [`crate::leg`], after
//! each change it is drained to its timeout.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::{Duration, Instant, SystemTime};

use bytes::Bytes;
use str0m::change::{SdpAnswer, SdpPendingOffer};
use str0m::format::Codec;
use str0m::media::{Direction, KeyframeRequestKind, MediaData, MediaKind as RtcKind, Mid};
use str0m::net::{Protocol, Receive};
use str0m::{Candidate, Event, IceConnectionState, Input, Output, Rtc, RtcConfig, RtcError};
use velella_model::{MediaKind, TrackId, VideoCodec};

use crate::leg::{Home, LegState, Packet};

/// Most lines of one kind; a worker offers no more either.
const LINES_PER_KIND_MAX: u32 = 64;

/// A key frame is asked for at most so often on one line.
const KEYFRAME_PACE: Duration = Duration::from_secs(1);

/// What is offered, and what it is called here.
const CODECS: [(Codec, HeardCodec); 5] = [
    (Codec::Opus, HeardCodec::Opus),
    (Codec::H264, HeardCodec::Video(VideoCodec::H264)),
    (Codec::Vp8, HeardCodec::Video(VideoCodec::Vp8)),
    (Codec::Vp9, HeardCodec::Video(VideoCodec::Vp9)),
    (Codec::Av1, HeardCodec::Video(VideoCodec::Av1)),
];

/// How a heard frame is encoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HeardCodec {
    /// One packet a frame.
    Opus,
    /// Annex B for H.264; a whole picture for all.
    Video(VideoCodec),
}

/// A frame that somebody in the room has published.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Heard {
    /// Of which track.
    pub track: TrackId,
    /// How it is encoded.
    pub codec: HeardCodec,
    /// RTP time, without the wrap-around at 32 bits, in units of `rate_hz`.
    pub rtp_time: u64,
    /// Ticks a second of `rtp_time`.
    pub rate_hz: u32,
    /// The last sender report of its stream: wall clock and RTP time of one moment. The worker makes these from capture times.
    pub report: Option<(SystemTime, u64)>,
    /// When its first packet came.
    pub arrived_at: Instant,
    /// Whether nothing is missing between the frame before and this one.
    pub intact: bool,
    /// Whether decoding can begin here; always for sound.
    pub keyframe: bool,
    /// The frame.
    pub data: Bytes,
}

/// A session on its way or standing.
pub(crate) struct Ear {
    rtc: Rtc,
    local: SocketAddr,
    pending: Option<SdpPendingOffer>,
    lines: Vec<Line>,
    pub(crate) deadline: Instant,
    pub(crate) state: LegState,
}

struct Line {
    mid: Mid,
    kind: MediaKind,
    track: Option<TrackId>,
    /// When a key frame was asked for last.
    asked_at: Option<Instant>,
}

/// What came of something: packets to send and frames that were completed.
#[derive(Default)]
pub(crate) struct Heards {
    pub(crate) packets: Vec<Packet>,
    pub(crate) frames: Vec<Heard>,
}

impl Ear {
    pub(crate) fn new(home: &Home, now: Instant) -> Result<Self, RtcError> {
        let mut rtc = config(home.assignment.video_codec).build(now);
        rtc.add_local_candidate(Candidate::host(home.local, Protocol::Udp)?);
        let state = LegState::Connecting;
        Ok(Self { rtc, local: home.local, pending: None, lines: Vec::new(), deadline: now, state })
    }

    /// An offer with as many lines as the worker asks for. It never asks for fewer than before.
    pub(crate) fn offer(&mut self, audio: u32, video: u32) -> Result<String, RtcError> {
        let mut change = self.rtc.sdp_api();
        // An offer without a change is none to str0m; the worker wants one all the same, for another track on a line.
        for line in &self.lines {
            change.set_direction(line.mid, Direction::RecvOnly);
        }
        for (kind, rtc_kind, wanted) in
            [(MediaKind::Audio, RtcKind::Audio, audio), (MediaKind::Video, RtcKind::Video, video)]
        {
            let there = self.lines.iter().filter(|line| line.kind == kind).count();
            for _ in there..wanted.min(LINES_PER_KIND_MAX) as usize {
                let mid = change.add_media(rtc_kind, Direction::RecvOnly, None, None, None);
                self.lines.push(Line { mid, kind, track: None, asked_at: None });
            }
        }
        let (offer, pending) = change.apply().ok_or_else(|| RtcError::RemoteSdp("an offer without a line".into()))?;
        self.pending = Some(pending);
        Ok(offer.to_sdp_string())
    }

    /// The answer, and which track is on which line from now on.
    pub(crate) fn accept(
        &mut self,
        sdp: &str,
        tracks: &BTreeMap<String, TrackId>,
        now: Instant,
        heard: &mut Heards,
    ) -> Result<(), RtcError> {
        let Some(pending) = self.pending.take() else { return Ok(()) };
        self.rtc.sdp_api().accept_answer(pending, SdpAnswer::from_sdp_string(sdp)?)?;
        for line in &mut self.lines {
            line.track = tracks.get(&*line.mid.to_string()).cloned();
        }
        self.drain(heard)?;
        self.wake(now, heard)
    }

    /// What is on the lines.
    pub(crate) fn tracks(&self) -> impl Iterator<Item = (&TrackId, MediaKind)> {
        self.lines.iter().filter_map(|line| Some((line.track.as_ref()?, line.kind)))
    }

    pub(crate) fn forget(&mut self, track: &TrackId) {
        for line in self.lines.iter_mut().filter(|line| line.track.as_ref() == Some(track)) {
            line.track = None;
        }
    }

    /// Asks the publisher of a track for a key frame, at a bounded pace.
    pub(crate) fn want_keyframe(&mut self, track: &TrackId, now: Instant, heard: &mut Heards) -> Result<(), RtcError> {
        let Some(line) = self.lines.iter_mut().find(|line| line.track.as_ref() == Some(track)) else { return Ok(()) };
        let waits = line.asked_at.is_some_and(|at| now.saturating_duration_since(at) < KEYFRAME_PACE);
        let Some(mut writer) = self.rtc.writer(line.mid).filter(|_| !waits && line.kind == MediaKind::Video) else {
            return Ok(());
        };
        // Before the first packet there is no stream to ask about; the worker asks by itself then.
        if writer.request_keyframe(None, KeyframeRequestKind::Pli).is_ok() {
            line.asked_at = Some(now);
        }
        self.wake(now, heard)
    }

    pub(crate) fn receive(
        &mut self,
        source: SocketAddr,
        datagram: &[u8],
        now: Instant,
        heard: &mut Heards,
    ) -> Result<(), RtcError> {
        // What is no datagram of WebRTC is nobody's.
        let Ok(receive) = Receive::new(Protocol::Udp, source, self.local, datagram) else { return Ok(()) };
        self.rtc.handle_input(Input::Receive(now, receive))?;
        self.drain(heard)
    }

    pub(crate) fn wake(&mut self, now: Instant, heard: &mut Heards) -> Result<(), RtcError> {
        self.rtc.handle_input(Input::Timeout(now))?;
        self.drain(heard)
    }

    fn drain(&mut self, heard: &mut Heards) -> Result<(), RtcError> {
        loop {
            match self.rtc.poll_output()? {
                Output::Timeout(at) => {
                    self.deadline = at;
                    return Ok(());
                }
                Output::Transmit(transmit) => {
                    let (destination, contents) = (transmit.destination, transmit.contents.into());
                    heard.packets.push(Packet { destination, contents });
                }
                Output::Event(Event::MediaData(media)) => heard.frames.extend(self.heard(media)),
                Output::Event(Event::Connected) => self.state = LegState::Connected,
                Output::Event(Event::IceConnectionStateChange(IceConnectionState::Disconnected)) => {
                    self.state = LegState::Lost;
                }
                Output::Event(_) => {}
            }
        }
    }

    fn heard(&self, media: MediaData) -> Option<Heard> {
        let line = self.lines.iter().find(|line| line.mid == media.mid)?;
        let spoken = media.params.spec().codec;
        let (_, codec) = CODECS.into_iter().find(|(codec, _)| *codec == spoken)?;
        Some(Heard {
            track: line.track.clone()?,
            codec,
            rtp_time: media.time.numer(),
            rate_hz: media.time.denom(),
            report: media.last_sender_info.map(|info| (info.ntp_time, info.rtp_time.numer())),
            arrived_at: media.network_time,
            intact: media.contiguous,
            keyframe: codec == HeardCodec::Opus || media.is_keyframe(),
            data: Bytes::from_owner(media.data),
        })
    }
}

fn config(video: VideoCodec) -> RtcConfig {
    let mut config = RtcConfig::new().set_stats_interval(None).clear_codecs().enable_opus(true, false);
    match video {
        VideoCodec::Vp8 => config.enable_vp8(true),
        VideoCodec::Vp9 => config.enable_vp9(true),
        VideoCodec::Av1 => config.enable_av1(true),
        VideoCodec::H264 => {
            config.codec_config().add_h264(108.into(), Some(109.into()), true, 0x42_e0_1f);
            config
        }
    }
}
