//! What arrived: loss, duplicates and delay of the packets that were sent inside the measured
//! window.
//!
//! A packet belongs to the window by its send time, so nothing is lost or gained at the edges,
//! and "expected" is what the publishers really wrote, not a guess from sequence gaps.

use std::collections::BTreeMap;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;

use crate::gaps::{Gap, Gaps};
use crate::pattern::Stamp;

/// A sequence number beyond this is a broken stamp, not 60 hours of 10 000 packets per second;
/// it bounds the memory of a [`SeqSet`] to 256 MiB.
const SEQ_MAX: u64 = 1 << 31;
/// Resolution and range of delay histograms.
const DELAY_NS_MIN: u64 = 100;
const DELAY_NS_MAX: u64 = 60_000_000_000;
const DELAY_DIGITS: u8 = 3;

/// The clock of the run and the span that counts.
#[derive(Debug)]
pub(crate) struct Measurement {
    pub(crate) run: u32,
    epoch: Instant,
    window: OnceLock<Window>,
}

impl Measurement {
    pub(crate) fn new(run: u32, epoch: Instant) -> Self {
        Self { run, epoch, window: OnceLock::new() }
    }

    pub(crate) fn ns(&self, at: Instant) -> u64 {
        u64::try_from(at.saturating_duration_since(self.epoch).as_nanos()).unwrap_or(u64::MAX)
    }

    /// Fixes the window. It must lie in the future, or packets already sent would be missed.
    pub(crate) fn open(&self, start: Instant, length: Duration) -> Window {
        *self.window.get_or_init(|| Window { start_ns: self.ns(start), end_ns: self.ns(start + length) })
    }

    pub(crate) fn counts(&self, sent_ns: u64) -> bool {
        self.window.get().is_some_and(|window| window.contains(sent_ns))
    }

    /// When the window opens, in the nanoseconds of the run.
    pub(crate) fn start_ns(&self) -> u64 {
        self.window.get().map_or(0, |window| window.start_ns)
    }

    /// When the window closes, in the nanoseconds of the run.
    pub(crate) fn end_ns(&self) -> u64 {
        self.window.get().map_or(0, |window| window.end_ns)
    }
}

/// A half-open span of send times.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Window {
    start_ns: u64,
    end_ns: u64,
}

impl Window {
    fn contains(&self, sent_ns: u64) -> bool {
        (self.start_ns..self.end_ns).contains(&sent_ns)
    }
}

/// What one receiver got.
#[derive(Debug, Default)]
pub(crate) struct Arrivals {
    by_source: BTreeMap<u32, SeqSet>,
    pub(crate) bytes: u64,
    pub(crate) duplicates: u64,
    /// Packets without a stamp of this run: padding, or another room's media.
    pub(crate) foreign: u64,
    gaps: Gaps,
}

/// What a packet turned out to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Arrival {
    /// Counts: the first copy of a packet of the window.
    New(Stamp),
    /// Ours, but outside the window or seen before.
    Other,
    Foreign,
}

impl Arrivals {
    pub(crate) fn record(&mut self, measurement: &Measurement, payload: &[u8], arrived_ns: u64) -> Arrival {
        let Some(stamp) = Stamp::parse(payload).filter(|s| s.run == measurement.run && s.seq < SEQ_MAX) else {
            self.foreign += 1;
            return Arrival::Foreign;
        };
        if measurement.counts(arrived_ns) {
            self.gaps.arrived(stamp.source, arrived_ns);
        }
        if !measurement.counts(stamp.sent_ns) {
            return Arrival::Other;
        }
        if !self.by_source.entry(stamp.source).or_default().insert(stamp.seq) {
            self.duplicates += 1;
            return Arrival::Other;
        }
        self.bytes += payload.len() as u64;
        Arrival::New(stamp)
    }

    /// The silences of the window, once it has closed.
    pub(crate) fn gaps(&mut self, measurement: &Measurement) -> Vec<Gap> {
        self.gaps.close(measurement.start_ns(), measurement.end_ns())
    }

    pub(crate) fn received(&self, source: u32) -> u64 {
        self.by_source.get(&source).map_or(0, |set| set.len)
    }
}

/// A set of sequence numbers, as bits.
#[derive(Debug, Default)]
struct SeqSet {
    words: Vec<u64>,
    len: u64,
}

impl SeqSet {
    /// True if it was not there yet. The caller keeps `seq` below [`SEQ_MAX`].
    fn insert(&mut self, seq: u64) -> bool {
        let word = usize::try_from(seq / 64).unwrap_or(usize::MAX);
        if self.words.len() <= word {
            self.words.resize(word + 1, 0);
        }
        let bit = 1 << (seq % 64);
        let Some(slot) = self.words.get_mut(word).filter(|slot| **slot & bit == 0) else { return false };
        *slot |= bit;
        self.len += 1;
        true
    }
}

/// One-way delays, of all receivers of a thread.
#[derive(Debug)]
pub(crate) struct Delays {
    /// Until the kernel put the packet into the receiver's socket: what the server is responsible for.
    pub(crate) arrival: Histogram<u64>,
    /// Until this program read it: more by as much as this program was behind.
    pub(crate) read: Histogram<u64>,
}

impl Delays {
    pub(crate) fn new() -> Self {
        Self { arrival: histogram(), read: histogram() }
    }

    pub(crate) fn record(&mut self, sent_ns: u64, arrived_ns: u64, read_ns: u64) {
        self.arrival.saturating_record(arrived_ns.saturating_sub(sent_ns));
        self.read.saturating_record(read_ns.saturating_sub(sent_ns));
    }

    pub(crate) fn merge(&mut self, other: &Self) {
        // Same bounds and precision, so adding cannot fail.
        let _ = self.arrival.add(&other.arrival);
        let _ = self.read.add(&other.read);
    }
}

/// A histogram of nanoseconds with the bounds that all histograms here share.
pub(crate) fn histogram() -> Histogram<u64> {
    Histogram::new_with_bounds(DELAY_NS_MIN, DELAY_NS_MAX, DELAY_DIGITS).expect("the constants are valid bounds")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pattern::{Place, Shape, payload};

    #[test]
    fn only_packets_sent_inside_the_window_count() {
        let (measurement, mut arrivals) = measuring();
        assert_eq!(arrivals.record(&measurement, &packet(0, 99), 0), Arrival::Other);
        assert!(matches!(arrivals.record(&measurement, &packet(1, 100), 0), Arrival::New(_)));
        assert!(matches!(arrivals.record(&measurement, &packet(2, 199), 0), Arrival::New(_)));
        assert_eq!(arrivals.record(&measurement, &packet(3, 200), 0), Arrival::Other);
        assert_eq!(arrivals.received(SOURCE), 2);
        assert_eq!(arrivals.bytes, 200);
    }

    #[test]
    fn nothing_counts_before_the_window_is_known() {
        let measurement = Measurement::new(RUN, Instant::now());
        assert_eq!(Arrivals::default().record(&measurement, &packet(0, 150), 150), Arrival::Other);
    }

    #[test]
    fn a_second_copy_is_a_duplicate_and_order_does_not_matter() {
        let (measurement, mut arrivals) = measuring();
        for seq in [700, 3, 64, 63, 3, 700] {
            arrivals.record(&measurement, &packet(seq, 150), 0);
        }
        assert_eq!((arrivals.received(SOURCE), arrivals.duplicates), (4, 2));
    }

    #[test]
    fn other_runs_padding_and_absurd_numbers_are_foreign() {
        let (measurement, mut arrivals) = measuring();
        let other_run = Stamp { run: RUN + 1, source: SOURCE, seq: 1, sent_ns: 150 };
        assert_eq!(arrivals.record(&measurement, &stamped(other_run), 0), Arrival::Foreign);
        assert_eq!(arrivals.record(&measurement, &[], 0), Arrival::Foreign);
        assert_eq!(arrivals.record(&measurement, &packet(SEQ_MAX, 150), 0), Arrival::Foreign);
        assert_eq!((arrivals.foreign, arrivals.received(SOURCE)), (3, 0));
    }

    #[test]
    fn delays_tell_the_network_from_the_reader() {
        let mut delays = Delays::new();
        delays.record(1_000, 201_000, 901_000);
        delays.record(5_000, 4_000, 6_000);
        let mut all = Delays::new();
        all.merge(&delays);
        assert_eq!(all.arrival.len(), 2);
        assert!(all.arrival.max().abs_diff(200_000) < 500);
        assert!(all.read.max().abs_diff(900_000) < 1_000);
    }

    const RUN: u32 = 9;
    const SOURCE: u32 = 4;

    fn measuring() -> (Measurement, Arrivals) {
        let epoch = Instant::now();
        let measurement = Measurement::new(RUN, epoch);
        let window = measurement.open(epoch + Duration::from_nanos(100), Duration::from_nanos(100));
        assert_eq!(window, Window { start_ns: 100, end_ns: 200 });
        (measurement, Arrivals::default())
    }

    fn packet(seq: u64, sent_ns: u64) -> Vec<u8> {
        stamped(Stamp { run: RUN, source: SOURCE, seq, sent_ns })
    }

    fn stamped(stamp: Stamp) -> Vec<u8> {
        let place = Place { picture: 1, keyframe: false, first_of_frame: true };
        payload(Shape::Vp8, place, 100, stamp).to_vec()
    }
}
