//! One published track: when its next frame is due and which packets that frame consists of.
//!
//! Reads no clock: the session asks what is due at an instant. The pace is kept by schedule, not
//! by "interval after the last one", so a late loop does not lower the bitrate.

use std::fmt;
use std::time::{Duration, Instant};

use str0m::media::{MediaKind, Mid, Pt};
use str0m::rtp::{ExtensionValues, RtpWrite, SeqNo};

use crate::pattern::{self, PAYLOAD_BYTES_MIN, Place, Shape, Stamp};

/// Chrome's Opus pace: one packet of 20 ms.
const AUDIO_INTERVAL: Duration = Duration::from_millis(20);
/// 32 kbit/s at 50 packets per second.
const AUDIO_PAYLOAD_BYTES: usize = 80;
/// A voice of normal loudness, so that a speaker selection hears it.
const AUDIO_LEVEL_DBOV: i8 = -30;
/// How far a loop may fall behind before frames are given up (and counted) instead of caught up.
const CATCH_UP_MAX: Duration = Duration::from_millis(500);
/// First RTP sequence number; must stay below 65536 or the receiver's SRTP rollover is wrong.
const FIRST_SEQ: u64 = 1000;

/// The traffic of one track: a frame of equal packets at every interval.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Traffic {
    pub(crate) shape: Shape,
    interval: Duration,
    packets_per_frame: usize,
    payload_bytes: usize,
    /// RTP clock ticks from frame to frame.
    ticks: u32,
}

impl fmt::Display for Traffic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let frames_per_s = 1.0 / self.interval.as_secs_f64();
        let Self { shape, packets_per_frame, payload_bytes, .. } = self;
        write!(f, "{shape:?} {frames_per_s:.0} frames/s of {packets_per_frame} x {payload_bytes} B")
    }
}

impl Traffic {
    pub(crate) const AUDIO: Self = Self {
        shape: Shape::Opus,
        interval: AUDIO_INTERVAL,
        packets_per_frame: 1,
        payload_bytes: AUDIO_PAYLOAD_BYTES,
        ticks: 960,
    };

    /// Frames of equal size, cut into as few packets of equal size as `payload_bytes_max` allows,
    /// as browsers do.
    pub(crate) fn video(shape: Shape, bitrate_bps: u64, fps: u32, payload_bytes_max: usize) -> Self {
        let frame_bytes = usize::try_from(bitrate_bps / 8 / u64::from(fps)).unwrap_or(usize::MAX);
        let packets_per_frame = frame_bytes.div_ceil(payload_bytes_max).max(1);
        Self {
            shape,
            interval: Duration::from_secs(1) / fps,
            packets_per_frame,
            payload_bytes: (frame_bytes / packets_per_frame).max(PAYLOAD_BYTES_MIN),
            ticks: 90_000 / fps,
        }
    }

    pub(crate) fn kind(&self) -> MediaKind {
        match self.shape {
            Shape::Vp8 | Shape::H264 => MediaKind::Video,
            Shape::Opus => MediaKind::Audio,
        }
    }
}

/// A track that is being published.
#[derive(Debug)]
pub(crate) struct Publication {
    pub(crate) run: u32,
    pub(crate) source: u32,
    pub(crate) traffic: Traffic,
    line: Option<(Mid, Pt)>,
    next_due: Option<Instant>,
    keyframe_wanted: bool,
    packets: u64,
    frames: u64,
    skipped_frames: u64,
}

impl Publication {
    pub(crate) fn new(run: u32, source: u32, traffic: Traffic) -> Self {
        Self {
            run,
            source,
            traffic,
            line: None,
            next_due: None,
            keyframe_wanted: true,
            packets: 0,
            frames: 0,
            skipped_frames: 0,
        }
    }

    /// The same track in a new session: its packets and frames are counted on.
    pub(crate) fn again(self) -> Self {
        Self { line: None, next_due: None, keyframe_wanted: true, ..self }
    }

    /// The m-line and payload type that the answer gave this track.
    pub(crate) fn attach(&mut self, mid: Mid, pt: Pt) {
        self.line = Some((mid, pt));
    }

    pub(crate) fn mid(&self) -> Option<Mid> {
        self.line.map(|(mid, _)| mid)
    }

    /// Sends from now on; a second call changes nothing.
    pub(crate) fn start(&mut self, now: Instant) {
        if self.line.is_some() {
            self.next_due.get_or_insert(now);
        }
    }

    pub(crate) fn due(&self) -> Option<Instant> {
        self.next_due
    }

    /// The next frame is a key frame, as an encoder answers a PLI.
    pub(crate) fn request_keyframe(&mut self) {
        self.keyframe_wanted = true;
    }

    pub(crate) fn skipped_frames(&self) -> u64 {
        self.skipped_frames
    }

    /// The frame that is due at `now`, stamped with `sent_ns`; `None` when none is.
    pub(crate) fn take_frame(&mut self, now: Instant, sent_ns: u64) -> Option<Frame> {
        let (mid, pt) = self.line?;
        let due = self.next_due.filter(|due| *due <= now)?;
        let lateness = now.duration_since(due);
        self.next_due = Some(self.following(due, now));
        let keyframe = std::mem::take(&mut self.keyframe_wanted);
        let writes = (0..self.packets_per_frame(keyframe)).map(|n| self.write(n, keyframe, pt, now, sent_ns)).collect();
        self.frames += 1;
        Some(Frame { mid, writes, lateness })
    }

    fn following(&mut self, due: Instant, now: Instant) -> Instant {
        if now.duration_since(due) <= CATCH_UP_MAX {
            return due + self.traffic.interval;
        }
        let missed = now.duration_since(due).as_nanos() / self.traffic.interval.as_nanos();
        self.skipped_frames += u64::try_from(missed).unwrap_or(u64::MAX);
        now + self.traffic.interval
    }

    /// An H.264 key frame needs a packet for the SPS and one for the picture.
    fn packets_per_frame(&self, keyframe: bool) -> usize {
        let least = if keyframe && self.traffic.shape == Shape::H264 { 2 } else { 1 };
        self.traffic.packets_per_frame.max(least)
    }

    fn write(&mut self, n: usize, keyframe: bool, pt: Pt, now: Instant, sent_ns: u64) -> RtpWrite {
        let place = Place { picture: low_16(self.frames), keyframe, first_of_frame: n == 0 };
        let stamp = Stamp { run: self.run, source: self.source, seq: self.packets, sent_ns };
        let payload = pattern::payload(self.traffic.shape, place, self.traffic.payload_bytes, stamp);
        let video = self.traffic.kind() == MediaKind::Video;
        let seq = SeqNo::from(FIRST_SEQ + self.packets);
        let time = (low_32(self.frames)).wrapping_mul(self.traffic.ticks);
        self.packets += 1;
        RtpWrite::new(pt, seq, time, now, payload)
            .marker(video && n + 1 == self.packets_per_frame(keyframe))
            .nackable(video)
            .ext_vals(ExtensionValues {
                audio_level: (!video).then_some(AUDIO_LEVEL_DBOV),
                voice_activity: (!video).then_some(true),
                ..ExtensionValues::default()
            })
    }
}

/// One frame, ready to write.
pub(crate) struct Frame {
    pub(crate) mid: Mid,
    pub(crate) writes: Vec<RtpWrite>,
    /// How long after its due time the loop came for it.
    pub(crate) lateness: Duration,
}

fn low_16(n: u64) -> u16 {
    u16::try_from(n & 0xffff).unwrap_or_default()
}

fn low_32(n: u64) -> u32 {
    u32::try_from(n & 0xffff_ffff).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_megabit_at_30_fps_is_four_equal_packets_per_frame() {
        let traffic = Traffic::video(Shape::Vp8, 1_000_000, 30, 1100);
        assert_eq!(traffic.to_string(), "Vp8 30 frames/s of 4 x 1041 B");
    }

    #[test]
    fn frames_come_at_their_due_times_and_late_ones_are_caught_up() {
        let start = Instant::now();
        let mut track = started(start);
        assert!(track.take_frame(start, 0).is_some());
        assert!(track.take_frame(start, 0).is_none(), "the second is due a tick later");

        let late = start + Duration::from_millis(120);
        let lateness: Vec<u128> =
            std::iter::from_fn(|| track.take_frame(late, 0)).map(|f| f.lateness.as_millis()).collect();
        assert_eq!(lateness, [100, 80, 60, 40, 20, 0]);
        assert_eq!(track.skipped_frames(), 0);
    }

    #[test]
    fn a_stalled_loop_gives_frames_up_and_says_so() {
        let start = Instant::now();
        let mut track = started(start);
        let stalled = start + Duration::from_secs(2);
        assert!(track.take_frame(stalled, 0).is_some());
        assert!(track.take_frame(stalled, 0).is_none());
        assert_eq!(track.skipped_frames(), 100);
    }

    #[test]
    fn nothing_is_due_before_the_answer_gave_a_line() {
        let now = Instant::now();
        let mut track = Publication::new(1, 1, Traffic::AUDIO);
        track.start(now);
        assert_eq!(track.due(), None);
        assert!(track.take_frame(now, 0).is_none());
    }

    #[test]
    fn a_keyframe_is_sent_first_and_on_request_only() {
        let start = Instant::now();
        let mut track = started(start);
        let next = |track: &mut Publication| {
            let due = track.due().unwrap();
            track.take_frame(due, 0).unwrap();
            track.keyframe_wanted
        };
        assert!(track.keyframe_wanted);
        assert!(!next(&mut track));
        track.request_keyframe();
        assert!(track.keyframe_wanted);
        assert!(!next(&mut track), "one frame answers the request");
    }

    fn started(now: Instant) -> Publication {
        let mut track = Publication::new(1, 1, Traffic::video(Shape::Vp8, 1_000_000, 50, 1100));
        track.attach(Mid::from("v"), Pt::new_with_value(96));
        track.start(now);
        track
    }
}
