//! One track: from the time stamps of its packets to moments on the receiver's clock.
//!
//! A moment is the time stamp plus a correction. Where the correction should be is known from reports, or, before and
//! without them, from the packets that came with the least delay. It moves there so slowly that nobody hears it; a
//! correction that is far off is not drift but another clock, and told as a discontinuity.

use velella_media::MediaTime;

use crate::delay_floor::DelayFloor;
use crate::reports::{Report, Reports};
use crate::unwrapped::Unwrapped;

const MS: i64 = 1_000_000;
const SECOND: i64 = 1_000 * MS;
/// How much a correction moves: a part of the time that the track tells, 5 ms a second.
const SLEW_PART: i64 = 200;
/// A correction that is less off stays.
const DEAD_BAND: i64 = 5 * MS;
/// A correction that is more off steps. Nothing comes this much earlier than the packets with the least delay, so that
/// is another clock.
const SLEW_MAX: i64 = 250 * MS;
/// For so long after its beginning a correction follows at once: what a server held back for a subscriber arrives in a
/// burst, and only its last packets tell the delay.
const SETTLE: i64 = 500 * MS;
/// Reports say that a packet was under way for at most so much longer than the least delay of the sender's tracks.
const DETOUR_MAX: i64 = 500 * MS;
/// … and for at most so much less, since nothing is faster than the least delay.
const SHORTCUT_MAX: i64 = 100 * MS;
/// A line of reports is followed for so long without a new one.
const REPORTS_LAST: i64 = 30 * SECOND;
/// A report that is further from the packets that come beside it is of another clock.
const REPORT_NEAR: i64 = 10 * SECOND;
/// Time stamps that go back further have been set anew; less is reordering.
const BACK_MAX: i64 = SECOND;
/// A packet that is later has been stuck, or its clock stood still.
const LATE_MAX: i64 = 10 * SECOND;
/// After silence of so long, one that is as late has had a clock that stood still meanwhile.
const PAUSE: i64 = SECOND;
/// Moments of pictures that follow each other are at least so far apart when the clock is set.
const APART_MIN: i64 = MS;

/// The moment of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Placed {
    /// When it was captured, later by the least delay of its sender, on the clock of the arrivals.
    pub time: MediaTime,
    /// It does not continue what came before.
    pub discontinuity: bool,
}

/// Counted since the beginning.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Reports that did not fit the ones before, or the packets.
    pub reports_refused: u64,
    /// Discontinuities that were told.
    pub discontinuities: u64,
}

#[derive(Clone, Debug)]
pub(crate) struct Track {
    rate_hz: u32,
    unwrapped: Unwrapped,
    reports: Reports,
    /// When the last report came that fits.
    reported: Option<MediaTime>,
    floor: DelayFloor,
    /// How much later reports place packets than their delay does, when last known.
    bias: i64,
    run: Option<Run>,
    pub(crate) stats: Stats,
}

/// Packets of one clock. All in nanoseconds.
#[derive(Clone, Copy, Debug)]
struct Run {
    began: MediaTime,
    arrived: MediaTime,
    /// Highest time on the track's clock, and where it was placed.
    source: i64,
    placed: i64,
    correction: i64,
}

impl Track {
    pub(crate) fn new(rate_hz: u32) -> Self {
        Self {
            rate_hz,
            unwrapped: Unwrapped::default(),
            reports: Reports::new(rate_hz),
            reported: None,
            floor: DelayFloor::default(),
            bias: 0,
            run: None,
            stats: Stats::default(),
        }
    }

    pub(crate) fn handle_report(&mut self, report: Report, now: MediaTime) {
        // Before the first packet nothing tells whether it is of this clock.
        let near = self.unwrapped.nearest(report.rtp).zip(self.run).filter(|(rtp, run)| {
            let since_packet = now.0.saturating_sub(run.arrived.0);
            self.nanos(*rtp).saturating_sub(run.source).saturating_sub(since_packet).abs() < REPORT_NEAR
        });
        if near.is_some_and(|(rtp, _)| self.reports.note(rtp, report.ntp)) {
            self.reported = Some(now);
        } else {
            self.stats.reports_refused += 1;
        }
    }

    /// What the sender's clock showed at this time stamp, by the reports.
    fn ntp_ns(&self, rtp: u32, now: MediaTime) -> Option<i64> {
        let fresh = self.reported.is_some_and(|at| now.0.saturating_sub(at.0) < REPORTS_LAST);
        self.unwrapped.nearest(rtp).filter(|_| fresh).and_then(|rtp| self.reports.ntp_ns(rtp))
    }

    /// Places a packet. `offset` is what leads from the sender's clock to the receiver's.
    pub(crate) fn place(&mut self, rtp: u32, now: MediaTime, offset: &mut DelayFloor) -> Placed {
        let mut source = self.follow(rtp);
        let left = self.run.take_if(|run| run.is_left(source, now));
        if left.is_some() {
            self.forget_clock();
            source = self.follow(rtp);
        }
        self.floor.note(now.0.saturating_sub(source), now);
        let target = self.target(source, now, rtp, offset);
        let Some(run) = &mut self.run else {
            let run = Run::begin(source, target, now, left);
            self.run = Some(run);
            self.stats.discontinuities += u64::from(left.is_some());
            return Placed { time: MediaTime(run.placed), discontinuity: left.is_some() };
        };
        let placed = run.go_on(source, target, now);
        self.stats.discontinuities += u64::from(placed.discontinuity);
        placed
    }

    /// What was known of the old clock is void, but for the way that its packets take.
    fn forget_clock(&mut self) {
        let (bias, stats) = (self.bias, self.stats);
        *self = Self { bias, stats, ..Self::new(self.rate_hz) };
    }

    fn follow(&mut self, rtp: u32) -> i64 {
        let count = self.unwrapped.follow(rtp);
        self.nanos(count)
    }

    /// Where the correction should be.
    fn target(&mut self, source: i64, now: MediaTime, rtp: u32, offset: &mut DelayFloor) -> i64 {
        let by_arrival = self.floor.least().unwrap_or_else(|| now.0.saturating_sub(source));
        let ntp = self.ntp_ns(rtp, now);
        if let Some(ntp) = ntp {
            offset.note(now.0.saturating_sub(ntp), now);
        }
        let by_reports = ntp.zip(offset.least()).map(|(ntp, offset)| ntp.saturating_add(offset).saturating_sub(source));
        let off = by_reports.map(|by_reports| by_reports.saturating_sub(by_arrival));
        if let Some(off) = off.filter(|off| (-DETOUR_MAX..=SHORTCUT_MAX).contains(off)) {
            self.bias = off;
        }
        by_arrival.saturating_add(self.bias)
    }

    fn nanos(&self, rtp: i64) -> i64 {
        MediaTime::from_ticks(rtp, self.rate_hz).0
    }
}

impl Run {
    /// Begins where the packet should be, but never before what was placed already.
    fn begin(source: i64, target: i64, now: MediaTime, before: Option<Self>) -> Self {
        let earliest = before.map_or(i64::MIN, |before| before.placed.saturating_add(APART_MIN));
        let placed = source.saturating_add(target).max(earliest);
        Self { began: now, arrived: now, source, placed, correction: placed.saturating_sub(source) }
    }

    /// Whether this packet is of another clock.
    fn is_left(&self, source: i64, now: MediaTime) -> bool {
        let late = now.0.saturating_sub(source.saturating_add(self.correction));
        let stood_still = now.0.saturating_sub(self.arrived.0) > PAUSE && late > PAUSE;
        let early = late < -SLEW_MAX && !self.settles(now);
        self.source.saturating_sub(source) > BACK_MAX || late.saturating_abs() > LATE_MAX || stood_still || early
    }

    fn settles(&self, now: MediaTime) -> bool {
        now.0.saturating_sub(self.began.0) < SETTLE
    }

    fn go_on(&mut self, source: i64, target: i64, now: MediaTime) -> Placed {
        self.arrived = now;
        let advance = source.saturating_sub(self.source);
        if advance <= 0 {
            return Placed { time: MediaTime(source.saturating_add(self.correction)), discontinuity: false };
        }
        let off = target.saturating_sub(self.correction);
        let settling = self.settles(now);
        let steps = off.abs() > SLEW_MAX;
        if settling || steps {
            self.correction = target.max(self.placed.saturating_add(APART_MIN).saturating_sub(source));
        } else if off.abs() > DEAD_BAND {
            let slew = advance / SLEW_PART;
            self.correction += off.clamp(-slew, slew);
        }
        self.source = source;
        self.placed = source.saturating_add(self.correction);
        Placed { time: MediaTime(self.placed), discontinuity: steps && !settling }
    }
}
