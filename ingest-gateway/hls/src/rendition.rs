//! One rendition: its samples in, its parts and segments out.
//!
//! Parts are cut on the rendition's own frame grid, before the frame that would make one too long. A frame that is too
//! long for that ends its part in the middle: playlists go on in steps of at most the part target, media goes on as it
//! came. Time in which nothing begins is a gap.

mod clock;
mod cut;
mod idle;

use std::time::{Duration, Instant};

use crate::boundary::Boundary;
use crate::history::History;
use crate::sample::{Configuration, Declaration, Medium, RenditionId, Sample};
use crate::segment::{Body, Init, Part, Segment};
use crate::stream::{Output, Stream};
use crate::time::{StreamTime, WallTime};

/// A hole after a picture is hidden by showing it for longer, up to this.
const STRETCH_MAX: Duration = Duration::from_secs(2);
/// A shorter hole is not told as a gap: nobody would see or hear it, and players stumble over pieces that short.
const HOLE_MIN: Duration = Duration::from_millis(50);
/// Most parts of a segment. At least 85 % of a part target each, they are far fewer; gaps may be short.
const PARTS_MAX: usize = 512;
/// Key frames are requested no more often.
const ASK_INTERVAL: Duration = Duration::from_secs(1);

/// One rendition.
#[derive(Debug)]
pub(crate) struct Rendition {
    pub(crate) id: RenditionId,
    pub(crate) declaration: Declaration,
    /// Complete segments.
    pub(crate) history: History,
    /// The segment that grows.
    pub(crate) segment: Segment,
    /// The part that grows.
    pub(crate) open: Open,
    /// How samples from now on are decoded, when that differs from those in the segment that grows.
    upcoming: Option<Configuration>,
    /// The moment of decode time 0.
    zero: Option<WallTime>,
    /// When the last sample that was taken ends, in ticks of the stream's time line.
    reached: i64,
    /// What comes now does not continue what came: the next sample begins a segment behind a discontinuity.
    broken: bool,
    /// Samples cannot be decoded before the next key frame.
    needs_key_frame: bool,
    /// Since when samples come of which none can be placed.
    astray_since: Option<Instant>,
    /// When a sample was taken last.
    heard_at: Instant,
    /// When the last part was due.
    published_at: Instant,
    asked_at: Option<Instant>,
    /// Number of the next fragment.
    fragments: u32,
    /// When the last part with media ended.
    shown_until: StreamTime,
}

/// The part that grows.
#[derive(Clone, Debug, Default)]
pub(crate) struct Open {
    pub(crate) start: StreamTime,
    samples: Vec<Sample>,
}

/// Where a sample is in the stream.
#[derive(Clone, Copy, Debug)]
struct Span {
    start: StreamTime,
    end: StreamTime,
}

impl Rendition {
    /// One that begins with the given segment.
    pub(crate) fn new(id: RenditionId, declaration: Declaration, first: Boundary, epoch: u32, now: Instant) -> Self {
        let start = first.start;
        Self {
            id,
            declaration,
            history: History::default(),
            segment: Segment { boundary: first, epoch, start, init: None, parts: Vec::new() },
            open: Open { start, samples: Vec::new() },
            upcoming: None,
            zero: None,
            reached: 0,
            broken: false,
            needs_key_frame: true,
            astray_since: None,
            heard_at: now,
            published_at: now,
            asked_at: None,
            fragments: 0,
            shown_until: start,
        }
    }

    /// One that another gateway had: nothing of what comes continues what was.
    pub(crate) fn resumed(self, history: History, segment: Segment, fragments: u32) -> Self {
        let end = segment.end();
        let open = Open { start: end, samples: Vec::new() };
        Self { history, segment, open, broken: true, fragments, shown_until: end, ..self }
    }

    pub(crate) fn is_video(&self) -> bool {
        self.declaration.medium == Medium::Video
    }

    /// How the newest segment is decoded.
    pub(crate) fn configuration(&self) -> Option<&Configuration> {
        self.history.newest_init().map(|init| &init.configuration)
    }

    /// Whether samples came lately that can be shown.
    pub(crate) fn is_alive(&self, within: Duration, now: Instant) -> bool {
        self.configuration().is_some() && !self.needs_key_frame && now.saturating_duration_since(self.heard_at) < within
    }

    /// Of the first segment that is listed.
    pub(crate) fn oldest_msn(&self) -> u64 {
        self.history.listed().next().map_or_else(|| self.segment.msn(), Segment::msn)
    }

    /// Number of the next fragment.
    pub(crate) fn fragments(&self) -> u32 {
        self.fragments
    }

    /// The stream begins now.
    pub(crate) fn begin(&mut self, now: Instant) {
        self.heard_at = now;
        self.published_at = now;
    }

    /// Samples that follow are decoded like this.
    pub(crate) fn configure(&mut self, configuration: Configuration, stream: &Stream) {
        match self.configuration() {
            None => {
                // Nobody was given a playlist yet, so what is in it may still be said to be decoded like this.
                self.adopt(configuration, stream.epoch);
                self.history.begin_with(0);
            }
            Some(current) if *current == configuration => self.upcoming = None,
            Some(_) => {
                self.upcoming = Some(configuration);
                self.broken = true;
            }
        }
    }

    /// Takes the next sample. `leads`: it is this rendition whose key frames end segments.
    pub(crate) fn handle_sample(&mut self, sample: Sample, leads: bool, stream: &mut Stream, now: Instant) {
        let Some(sample) = self.place(sample, stream, now) else { return };
        let span = self.span(&sample);
        self.stretch_to(&sample, span);
        self.pass(span.start, stream, now);
        self.turn(sample.sync, leads, span, stream, now);
        if self.broken || (self.needs_key_frame && !sample.sync) {
            self.flush(stream, now);
            stream.stats.undecodable += 1;
            self.pass(span.end, stream, now);
        } else {
            self.take(sample, span, stream, now);
        }
        self.ask_for_key_frame(stream, now);
    }

    /// Nothing of it exists up to where another rendition is by now.
    pub(crate) fn catch_up(&mut self, until: StreamTime, stream: &mut Stream, now: Instant) {
        self.pass(until, stream, now);
    }

    /// Ends everything that is open.
    pub(crate) fn finish(&mut self, stream: &mut Stream, now: Instant) {
        self.flush(stream, now);
        if !self.segment.parts.is_empty() {
            let segment = self.segment.clone();
            self.complete(segment, stream, now);
            self.segment.parts.clear();
        }
    }

    /// Adds a sample to the part that grows; before that, closes the part if it is long enough and would become too
    /// long.
    fn take(&mut self, sample: Sample, span: Span, stream: &mut Stream, now: Instant) {
        let start = self.begins(span, stream);
        let hole = self.open.samples.is_empty();
        let whole = span.end.since(self.open.start) > stream.settings.part_target
            && start.since(self.open.start) >= stream.settings.part_min();
        if start > self.open.start && (hole || whole) {
            self.close_part(start, stream, now);
        }
        self.needs_key_frame = false;
        self.reached = ticks(sample.decode_time) + i64::from(sample.duration);
        self.open.samples.push(sample);
        stream.stats.samples += 1;
    }

    /// When a part or a segment that begins with this sample begins. Before the sample, when the one before is still
    /// shown while playlists went on, or when hardly anything is missing.
    fn begins(&self, span: Span, stream: &Stream) -> StreamTime {
        let start = self.open.start;
        if !self.open.samples.is_empty() {
            return span.start;
        }
        let shown = self.time(self.reached) > start;
        let short = self.last_part_is_short(stream);
        if shown || (span.start.since(start) < HOLE_MIN && !short) { start } else { span.start }
    }

    /// Whether what follows the last part has to be a gap, since only that excuses how short it is (4.4.4.9).
    fn last_part_is_short(&self, stream: &Stream) -> bool {
        let last = self.segment.timed_parts().last();
        last.is_some_and(|(start, part)| !part.is_gap() && part.end.since(start) < stream.settings.part_min())
    }

    /// What is missing between the last sample and this one is hidden by the last one.
    fn stretch_to(&mut self, next: &Sample, span: Span) {
        let hole = span.start.since(self.time(self.reached));
        let hidden = if self.is_video() { STRETCH_MAX } else { HOLE_MIN };
        if hole > hidden || self.needs_key_frame {
            return;
        }
        let Some(last) = self.open.samples.last_mut() else { return };
        if let Some(duration) = next.decode_time.checked_sub(last.decode_time).and_then(|d| u32::try_from(d).ok()) {
            last.duration = duration;
            self.reached = ticks(next.decode_time);
        }
    }

    /// Closes the part that grows at the end of its last sample, so that nothing of it is part of a gap. A sample that
    /// was stretched may last longer than the part, or the segment.
    fn flush(&mut self, stream: &mut Stream, now: Instant) {
        if self.open.samples.is_empty() {
            return;
        }
        let full = self.open.start.later(stream.settings.part_target);
        let over = self.segment.start.later(stream.settings.segment_max());
        let end = self.time(self.reached).min(full);
        self.close_part(if over > self.open.start { end.min(over) } else { end }, stream, now);
    }

    /// The part that grows ends here. Without samples, it is a gap.
    fn close_part(&mut self, end: StreamTime, stream: &mut Stream, now: Instant) {
        let samples = std::mem::take(&mut self.open.samples);
        let body = self.write(&samples, stream);
        let independent = body != Body::Gap && samples.iter().any(|sample| sample.sync);
        if body == Body::Gap {
            stream.stats.gap_parts += 1;
            stream.stats.gap_max = stream.stats.gap_max.max(end.since(self.shown_until));
            // What follows may refer to samples that nobody gets.
            self.needs_key_frame |= !samples.is_empty();
        } else {
            stream.stats.parts += 1;
            self.shown_until = end;
        }
        self.segment.parts.push(Part { end, independent, body });
        self.open.start = end;
        self.published_at = now;
        let part = self.segment.parts.len() - 1;
        stream.outputs.push_back(Output::PartReady { rendition: self.id, msn: self.segment.msn(), part });
    }

    fn write(&mut self, samples: &[Sample], stream: &mut Stream) -> Body {
        let Some(first) = samples.first() else { return Body::Gap };
        let bytes = samples.iter().map(|sample| sample.data.len()).sum();
        if !stream.has_room(bytes) {
            stream.stats.over_budget += 1;
            return Body::Gap;
        }
        let Some(fragment) = (stream.write)(samples, self.fragments, first.decode_time) else {
            stream.stats.unwritable += 1;
            return Body::Gap;
        };
        self.fragments = self.fragments.wrapping_add(1);
        stream.stats.held_bytes += fragment.len();
        Body::Here(fragment)
    }

    /// The segment is complete.
    fn complete(&mut self, segment: Segment, stream: &mut Stream, now: Instant) {
        let msn = segment.msn();
        stream.stats.segments += 1;
        self.history.push(segment, &stream.settings);
        let released = self.history.slide(&stream.settings, now);
        stream.released(released);
        stream.outputs.push_back(Output::SegmentReady { rendition: self.id, msn });
    }

    /// From the segment that grows on, samples are decoded like this.
    fn adopt(&mut self, configuration: Configuration, epoch: u32) {
        let number = self.history.newest_init().map_or(0, |init| init.number + 1);
        self.history.add_init(Init { number, epoch, configuration });
        self.segment.init = Some(number);
    }

    fn ask_for_key_frame(&mut self, stream: &mut Stream, now: Instant) {
        let behind = self.segment.msn() < stream.boundaries.head().msn;
        let due = self.position().since(self.segment.start) >= stream.settings.segment_due();
        if !self.is_video() || !(self.needs_key_frame || self.broken || behind || due) || !stream.may_ask() {
            return;
        }
        if self.asked_at.is_none_or(|asked_at| now.saturating_duration_since(asked_at) >= ASK_INTERVAL) {
            self.asked_at = Some(now);
            stream.stats.key_frame_requests += 1;
            stream.outputs.push_back(Output::RequestKeyFrame { rendition: self.id });
        }
    }
}

/// Decode times are made from signed ones, so they fit.
fn ticks(decode_time: u64) -> i64 {
    i64::try_from(decode_time).unwrap_or(i64::MAX)
}
