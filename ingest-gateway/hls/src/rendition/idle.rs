//! Time in which nothing of a rendition begins.
//!
//! It passes in parts that are gaps, as fast as the clock does, so that playlists go on (6.2.1) and the numbers of
//! segments stay those of the other renditions.

use std::time::Instant;

use super::Rendition;
use crate::stream::Stream;
use crate::time::StreamTime;

impl Rendition {
    /// When the part that grows is given up. It is due after a part target; one more is left to what is only late,
    /// since a sample that comes after its time was given up is lost.
    pub(crate) fn stalls_at(&self, stream: &Stream) -> Instant {
        self.published_at + stream.settings.part_target * 2
    }

    /// Gives up the parts that are due. A part is due a part target after the one before, whenever it is called.
    pub(crate) fn stall(&mut self, stream: &mut Stream, now: Instant) {
        while self.stalls_at(stream) <= now {
            stream.stats.stalls += 1;
            let (from, due) = (self.open.start, self.published_at);
            self.flush(stream, now);
            if self.open.start == from || self.last_part_is_short(stream) {
                self.idle(from.later(stream.settings.part_target), stream, now);
            }
            self.published_at = due + self.open.start.since(from);
        }
        self.ask_for_key_frame(stream, now);
    }

    /// It is this late, and nothing began since the last sample.
    pub(super) fn pass(&mut self, until: StreamTime, stream: &mut Stream, now: Instant) {
        let full = self.open.start.later(stream.settings.part_target);
        if until > full || until > self.time(self.reached) {
            self.flush(stream, now);
        }
        while until > self.open.start.later(stream.settings.part_target) || self.is_outlasted(until, stream) {
            self.idle(self.open.start.later(stream.settings.part_target).min(until), stream, now);
        }
    }

    /// Whether a sample that begins here comes too late for the segment, in which nothing is since the last part.
    fn is_outlasted(&self, until: StreamTime, stream: &Stream) -> bool {
        let idle = self.open.samples.is_empty() && until > self.open.start;
        idle && until.since(self.segment.start) > stream.settings.segment_max()
    }

    /// One part without samples, which ends at `end` or with its segment.
    fn idle(&mut self, end: StreamTime, stream: &mut Stream, now: Instant) {
        while self.idle_turn(stream, now) {}
        let segment_end = self.segment_end(stream);
        let end = if segment_end > self.open.start { end.min(segment_end) } else { end };
        self.close_part(end, stream, now);
    }

    /// Ends the segment if its time is over. Says whether it did.
    fn idle_turn(&mut self, stream: &mut Stream, now: Instant) -> bool {
        let msn = self.segment.msn();
        if self.segment_end(stream) <= self.open.start {
            let new = (stream.boundaries.head().msn == msn).then_some(false);
            self.next_segment(self.open.start, new, stream, now);
            self.needs_key_frame |= self.promises(stream);
        }
        self.segment.msn() != msn
    }

    /// When the segment that grows is to end, as far as that does not depend on samples: with the others, or with its
    /// own time, whatever is first.
    fn segment_end(&self, stream: &Stream) -> StreamTime {
        let over = self.segment.start.later(stream.settings.target_duration);
        stream.boundaries.get(self.segment.msn() + 1).map_or(over, |next| next.start.min(over))
    }
}
