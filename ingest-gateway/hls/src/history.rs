//! The segments of a rendition that are complete: listed, and those that left the playlist but are still served.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use crate::segment::{Init, Segment};
use crate::settings::{Settings, Window};

/// Most segments that are listed. Whole days at usual lengths; a stream that is kept for longer has to begin anew.
pub(crate) const SEGMENTS_MAX: usize = 30_000;

/// What is complete of a rendition.
#[derive(Clone, Debug, Default)]
pub(crate) struct History {
    listed: VecDeque<Segment>,
    /// Of all segments that are listed.
    duration: Duration,
    /// The longest the playlist ever was.
    longest: Duration,
    /// Oldest first.
    removed: VecDeque<Removed>,
    /// Those that segments here, or the next one, refer to; the newest last.
    inits: Vec<Init>,
    /// The highest bitrate of a segment.
    peak_bps: u64,
}

/// A segment that is not listed any more.
#[derive(Clone, Debug)]
struct Removed {
    segment: Segment,
    until: Instant,
}

impl History {
    /// Segments that are listed, oldest first.
    pub(crate) fn listed(&self) -> impl DoubleEndedIterator<Item = &Segment> + ExactSizeIterator {
        self.listed.iter()
    }

    /// The newest that is complete.
    pub(crate) fn last(&self) -> Option<&Segment> {
        self.listed.back()
    }

    /// The highest bitrate of a segment, bits per second.
    pub(crate) fn peak_bps(&self) -> u64 {
        self.peak_bps
    }

    /// Whether there are segments that are served and not listed.
    pub(crate) fn has_removed(&self) -> bool {
        !self.removed.is_empty()
    }

    /// The oldest segment that is served.
    pub(crate) fn oldest_msn(&self) -> Option<u64> {
        let removed = self.removed.front().map(|removed| &removed.segment);
        removed.or_else(|| self.listed.front()).map(Segment::msn)
    }

    /// Whether not one more segment may be listed: nothing of an event ever leaves its playlist.
    pub(crate) fn is_full(&self) -> bool {
        self.listed.len() >= SEGMENTS_MAX
    }

    /// A segment that is still served.
    pub(crate) fn find(&self, msn: u64) -> Option<&Segment> {
        let removed = self.removed.iter().map(|removed| &removed.segment);
        // The segments follow each other without a hole, so the newest says where each one is.
        let back = usize::try_from(self.last()?.msn().checked_sub(msn)?).ok()?;
        match self.listed.len().checked_sub(back + 1) {
            Some(index) => self.listed.get(index),
            None => removed.rev().find(|segment| segment.msn() == msn),
        }
    }

    /// The init segment that was added last.
    pub(crate) fn newest_init(&self) -> Option<&Init> {
        self.inits.last()
    }

    /// An init segment that is still served.
    pub(crate) fn init(&self, number: u32) -> Option<&Init> {
        self.inits.iter().find(|init| init.number == number)
    }

    /// All init segments that are still served.
    pub(crate) fn inits(&self) -> &[Init] {
        &self.inits
    }

    /// Adds an init segment, the next one by number.
    pub(crate) fn add_init(&mut self, init: Init) {
        self.inits.push(init);
    }

    /// Gives all segments, which were gaps so far, their first init segment.
    pub(crate) fn begin_with(&mut self, number: u32) {
        self.listed.iter_mut().for_each(|segment| segment.init = Some(number));
    }

    /// Adds the next segment.
    pub(crate) fn push(&mut self, segment: Segment, settings: &Settings) {
        let duration = segment.duration();
        self.duration += duration;
        self.longest = self.longest.max(self.duration);
        // A short rest before a discontinuity says nothing: its key frame is most of it.
        if duration >= settings.segment_min() {
            let bits = u128::from(u64::try_from(segment.bytes()).unwrap_or(u64::MAX)) * 8 * 1_000_000;
            let bps = bits.checked_div(duration.as_micros()).unwrap_or(0);
            self.peak_bps = self.peak_bps.max(u64::try_from(bps).unwrap_or(u64::MAX));
        }
        self.listed.push_back(segment);
    }

    /// Takes from the playlist what is older than the window (6.2.2); it stays served for its own duration and that
    /// of the longest playlist that listed it. Returns how many bytes were let go for good.
    pub(crate) fn slide(&mut self, settings: &Settings, now: Instant) -> usize {
        if let Window::Sliding(window) = settings.window {
            let least = settings.live_edge();
            while let Some(first) = self.listed.front().map(Segment::duration) {
                let rest = self.duration.saturating_sub(first);
                if rest < least || (rest < window && self.listed.len() <= SEGMENTS_MAX) {
                    break;
                }
                self.duration = rest;
                let until = now + first + self.longest;
                self.removed.extend(self.listed.pop_front().map(|segment| Removed { segment, until }));
            }
        }
        let mut released = 0;
        while self.removed.front().is_some_and(|removed| removed.until <= now) {
            released += self.drop_removed();
        }
        released
    }

    /// Lets go of the oldest segment that is not listed, before its time. Returns how many bytes it held.
    pub(crate) fn drop_removed(&mut self) -> usize {
        let bytes = self.removed.pop_front().map_or(0, |removed| removed.segment.bytes());
        self.drop_inits();
        bytes
    }

    /// Lets go of the bytes of the oldest segment that is listed and further back than the live edge: an event is
    /// kept by whoever was given its segments. Returns how many bytes it held.
    pub(crate) fn release_oldest(&mut self, settings: &Settings) -> usize {
        let mut newer = self.duration;
        for segment in &mut self.listed {
            newer = newer.saturating_sub(segment.duration());
            if newer < settings.live_edge() {
                break;
            }
            if segment.bytes() > 0 {
                return segment.release();
            }
        }
        0
    }

    /// Forgets init segments that nothing refers to. The newest one is the current segment's.
    fn drop_inits(&mut self) {
        let oldest = self.removed.front().map(|removed| &removed.segment).or_else(|| self.listed.front());
        let Some(oldest) = oldest.and_then(|segment| segment.init) else { return };
        let newest = self.newest_init().map(|init| init.number);
        self.inits.retain(|init| init.number >= oldest || Some(init.number) == newest);
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::boundary::Boundary;
    use crate::segment::{Body, Part};
    use crate::settings::KeyFrames;
    use crate::time::StreamTime;

    #[test]
    fn a_segment_leaves_the_playlist_and_is_served_for_as_long_as_it_may_be_asked_for() {
        let mut now = Instant::now();
        let settings = settings();
        let mut history = History::default();
        let mut released = 0;
        for msn in 0..6 {
            history.push(segment(msn), &settings);
            released += history.slide(&settings, now);
            now += Duration::from_secs(4);
        }
        assert_eq!(history.listed().map(Segment::msn).collect::<Vec<_>>(), [2, 3, 4, 5]);
        assert_eq!((history.find(0).is_some(), released), (true, 0));

        // It left with segment 4, when four segments of 4 s were listed, of which it was 4 s: 24 s are up now.
        released = history.slide(&settings, now + Duration::from_secs(16));
        assert_eq!((history.find(0), released), (None, 100));
        assert!(history.find(1).is_some());
    }

    #[test]
    fn a_segment_is_found_as_long_as_it_is_there() {
        let mut history = History::default();
        for msn in 7..10 {
            history.push(segment(msn), &settings());
        }
        assert_eq!(history.find(6), None);
        assert_eq!(history.find(7).map(Segment::msn), Some(7));
        assert_eq!(history.find(9).map(Segment::msn), Some(9));
        assert_eq!(history.find(10), None);
    }

    fn settings() -> Settings {
        Settings {
            target_duration: Duration::from_secs(4),
            part_target: Duration::from_secs(1),
            low_latency: true,
            window: Window::Sliding(Duration::from_secs(16)),
            key_frames: KeyFrames::OnRequest,
            bytes_max: 1_000,
        }
    }

    fn segment(msn: u64) -> Segment {
        let start = StreamTime(i64::try_from(msn).unwrap() * 4_000_000);
        let body = Body::Here(Bytes::from(vec![0; 100]));
        let part = Part { end: start.later(Duration::from_secs(4)), independent: true, body };
        let boundary = Boundary { msn, start, discontinuity: false, dsn: 0 };
        Segment { boundary, epoch: 0, start, init: None, parts: vec![part] }
    }
}
