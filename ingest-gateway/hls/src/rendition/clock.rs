//! A rendition's decode times on the time line of the stream.
//!
//! The shell says at which moment decode time 0 is. That is believed, as long as samples come for times that can be:
//! not far ahead of the time that passed, and not given up yet. When for a while none does, the clock is put right by
//! when they come, behind a discontinuity, so that a wrong timestamp never ends a rendition.

use std::time::{Duration, Instant};

use super::{Rendition, Span, ticks};
use crate::sample::Sample;
use crate::stream::Stream;
use crate::time::{StreamTime, WallTime};

/// A sample further ahead than that of the time that passed since the last part is wrong.
const AHEAD_MAX: Duration = Duration::from_secs(2);
/// A sample is not believed to last longer.
const DURATION_SECS_MAX: i64 = 10;
/// After so long without any sample in its place, samples are given a new one.
const ASTRAY_MAX: Duration = Duration::from_secs(2);

const MICROS: i128 = 1_000_000;
/// Ticks and microseconds do not meet exactly; a tick of any clock in use is shorter.
const ROUNDING_MICROS: i64 = 1_000;

impl Rendition {
    /// Decode time 0 is at this moment.
    pub(crate) fn anchor(&mut self, zero: WallTime) {
        if self.zero.is_some_and(|before| before != zero) {
            self.broken = true;
            self.needs_key_frame = true;
        }
        self.zero = Some(zero);
    }

    /// The moment of a sample.
    pub(crate) fn moment(&self, sample: &Sample) -> Option<WallTime> {
        let micros = i128::from(sample.decode_time) * MICROS / i128::from(self.declaration.timescale.max(1));
        Some(WallTime(self.zero?.0.checked_add(i64::try_from(micros).ok()?)?))
    }

    /// The sample with its decode time on the stream's time line, unless its time cannot be or is over.
    pub(super) fn place(&mut self, sample: Sample, stream: &mut Stream, now: Instant) -> Option<Sample> {
        let (Some(shift), Some(_)) = (self.shift(stream), self.configuration()) else {
            stream.stats.early += 1;
            return None;
        };
        let at = ticks(sample.decode_time).saturating_add(shift);
        let misfit = match self.fit(at, &sample, now) {
            Ok(placed) => {
                self.astray_since = None;
                self.heard_at = now;
                return Some(placed);
            }
            Err(misfit) => misfit,
        };
        match misfit {
            Misfit::Late => stream.stats.late += 1,
            Misfit::Ahead => stream.stats.astray += 1,
        }
        // What is over twice was there already; nothing needs it.
        self.needs_key_frame |= at >= self.reached;
        let since = *self.astray_since.get_or_insert(now);
        if now.saturating_duration_since(since) < ASTRAY_MAX {
            return None;
        }
        stream.stats.rebased += 1;
        self.rebase(at, now);
        self.place(sample, stream, now)
    }

    /// The sample at this decode time, without what of it was there before.
    fn fit(&self, at: i64, sample: &Sample, now: Instant) -> Result<Sample, Misfit> {
        let mut placed = sample.clone();
        let duration_max = i64::from(self.declaration.timescale).saturating_mul(DURATION_SECS_MAX);
        let end = at.saturating_add(i64::from(sample.duration).min(duration_max));
        let position = self.position();
        if self.time(at) > position.later(now.saturating_duration_since(self.published_at)).later(AHEAD_MAX) {
            return Err(Misfit::Ahead);
        }
        if sample.duration == 0 || self.time(end) <= position || end <= self.reached {
            return Err(Misfit::Late);
        }
        let from = at.max(self.reached);
        let cut = from - at;
        placed.decode_time = u64::try_from(from).map_err(|_| Misfit::Late)?;
        placed.duration = u32::try_from(end - from).map_err(|_| Misfit::Late)?;
        if self.is_video() {
            let cut = i32::try_from(cut).map_err(|_| Misfit::Late)?;
            placed.composition_offset = sample.composition_offset.saturating_sub(cut);
        }
        Ok(placed)
    }

    /// What is at this decode time belongs where the rendition is by now.
    fn rebase(&mut self, at: i64, now: Instant) {
        let here = self.position().later(now.saturating_duration_since(self.published_at));
        let by = here.0.saturating_sub(self.time(at).0).saturating_add(ROUNDING_MICROS);
        self.zero = self.zero.map(|zero| WallTime(zero.0.saturating_add(by)));
        self.astray_since = None;
        self.broken = true;
        self.needs_key_frame = true;
    }

    /// Up to when the rendition is known, whether with media or without.
    pub(super) fn position(&self) -> StreamTime {
        self.time(self.reached).max(self.open.start)
    }

    /// What to add to decode times, in ticks.
    fn shift(&self, stream: &Stream) -> Option<i64> {
        let micros = i128::from(self.zero?.0) - i128::from(stream.origin?.0);
        i64::try_from((micros * i128::from(self.declaration.timescale)).div_euclid(MICROS)).ok()
    }

    /// Where a sample that was placed is.
    pub(super) fn span(&self, sample: &Sample) -> Span {
        let start = ticks(sample.decode_time);
        Span { start: self.time(start), end: self.time(start + i64::from(sample.duration)) }
    }

    /// When this many ticks have passed.
    pub(super) fn time(&self, ticks: i64) -> StreamTime {
        let micros = (i128::from(ticks) * MICROS).div_euclid(i128::from(self.declaration.timescale.max(1)));
        StreamTime(i64::try_from(micros).unwrap_or(i64::MAX))
    }
}

/// Why a sample has no place.
enum Misfit {
    /// Its time was given up, or had a sample.
    Late,
    /// Its time cannot be yet.
    Ahead,
}
