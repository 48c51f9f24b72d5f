//! When segments end.
//!
//! - The rendition that leads ends a segment at its first key frame after half a target duration. The others follow at
//!   their own next key frame. Key frames are requested when three quarters are over.
//! - When none comes in time, the segment ends anyway: a playlist that stays legal is the first demand. What follows
//!   depends on [`KeyFrames`]: a gap until there is a key frame, or samples that need those of the segment before.
//! - A change of how samples are decoded, or of their clock, is a discontinuity of the whole stream, so that its numbers
//!   stay the same in all renditions (6.2.4). It begins at a key frame of the rendition that changed, at most once in a
//!   part target. Until then that rendition is a gap, and so it is when the others began the next segment without.

use std::time::{Duration, Instant};

use super::{PARTS_MAX, Rendition, Span, ticks};
use crate::sample::Sample;
use crate::segment::Segment;
use crate::settings::KeyFrames;
use crate::stream::Stream;
use crate::time::StreamTime;

/// What a sample means for the segment that grows.
enum Turn {
    /// It belongs to it.
    Stay,
    /// It begins the next one, which others began before.
    Join,
    /// It begins the next one for everybody.
    Begin { discontinuity: bool },
    /// It belongs nowhere.
    Wait,
}

impl Rendition {
    /// Begins the next segment before a sample, if it is time to.
    pub(super) fn turn(&mut self, sync: bool, leads: bool, span: Span, stream: &mut Stream, now: Instant) {
        let turn = if self.broken {
            self.broken_turn(sync, span, stream)
        } else {
            self.steady_turn(sync, leads, span, stream)
        };
        let at = self.begins(span, stream);
        match turn {
            Turn::Stay => return,
            Turn::Join => self.next_segment(at, None, stream, now),
            Turn::Begin { discontinuity } => self.next_segment(at, Some(discontinuity), stream, now),
            Turn::Wait => (),
        }
        self.needs_key_frame |= self.broken || (!sync && self.promises(stream));
    }

    fn steady_turn(&self, sync: bool, leads: bool, span: Span, stream: &Stream) -> Turn {
        let settings = &stream.settings;
        let over = span.end.since(self.segment.start) > settings.segment_max() || self.segment.parts.len() >= PARTS_MAX;
        let least = if self.is_video() { settings.segment_min() } else { settings.segment_due() };
        let behind = stream.boundaries.head().msn - self.segment.msn();
        match stream.boundaries.get(self.segment.msn() + 1) {
            Some(next) if sync && self.is_near(next.start, span.start, stream) => Turn::Join,
            Some(_) if over || behind > 1 => Turn::Join,
            Some(_) => Turn::Stay,
            None if over => Turn::Begin { discontinuity: false },
            None if leads && sync && span.start.since(self.segment.start) >= least => {
                Turn::Begin { discontinuity: false }
            }
            None => Turn::Stay,
        }
    }

    fn broken_turn(&self, sync: bool, span: Span, stream: &Stream) -> Turn {
        let head = stream.boundaries.head();
        match stream.boundaries.get(self.segment.msn() + 1) {
            Some(next) if !next.discontinuity => Turn::Join,
            Some(_) if sync => Turn::Join,
            None if sync && span.start.since(head.start) >= stream.settings.part_target => {
                Turn::Begin { discontinuity: true }
            }
            Some(_) | None => Turn::Wait,
        }
    }

    /// Whether a key frame here belongs to the segment that the others began there: cameras and encoders give the
    /// encodings of one picture slightly different times.
    fn is_near(&self, boundary: StreamTime, key_frame: StreamTime, stream: &Stream) -> bool {
        let early = if self.is_video() { stream.settings.part_target / 2 } else { Duration::ZERO };
        key_frame >= boundary.earlier(early)
    }

    /// Whether playlists say that every segment begins with a key frame.
    pub(super) fn promises(&self, stream: &Stream) -> bool {
        self.is_video() && stream.settings.key_frames == KeyFrames::OnRequest
    }

    /// Others began a segment: samples that are not published yet may belong to it.
    pub(crate) fn follow(&mut self, stream: &mut Stream, now: Instant) {
        let Some(next) = stream.boundaries.get(self.segment.msn() + 1) else { return };
        if self.broken {
            return;
        }
        let belongs = |sample: &Sample| sample.sync && self.is_near(next.start, self.span(sample).start, stream);
        let Some(index) = self.open.samples.iter().position(belongs) else { return };
        let later = self.open.samples.split_off(index);
        let Some(first) = later.first() else { return };
        self.reached = ticks(first.decode_time);
        let at = self.begins(self.span(first), stream);
        self.next_segment(at, None, stream, now);
        stream.stats.samples -= u64::try_from(later.len()).unwrap_or(0);
        for sample in later {
            let span = self.span(&sample);
            self.take(sample, span, stream, now);
        }
    }

    /// Ends the segment here, unless it has not begun, and makes the boundary of the next one if nobody did.
    pub(super) fn next_segment(&mut self, at: StreamTime, new: Option<bool>, stream: &mut Stream, now: Instant) {
        if at > self.open.start {
            self.close_part(at, stream, now);
        } else {
            self.flush(stream, now);
        }
        if self.segment.parts.is_empty() {
            return;
        }
        if let Some(discontinuity) = new {
            stream.boundaries.push(at, discontinuity);
            stream.stats.discontinuities += u64::from(discontinuity);
        }
        let Some(boundary) = stream.boundaries.get(self.segment.msn() + 1) else { return };
        let next = Segment {
            boundary,
            epoch: stream.epoch,
            start: self.open.start,
            init: self.segment.init,
            parts: Vec::new(),
        };
        let complete = std::mem::replace(&mut self.segment, next);
        self.complete(complete, stream, now);
        if boundary.discontinuity {
            self.broken = false;
            if let Some(configuration) = self.upcoming.take() {
                self.adopt(configuration, stream.epoch);
            }
        }
    }
}
