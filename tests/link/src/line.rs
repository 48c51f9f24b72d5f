//! What becomes of each packet, as a pure machine: when it leaves, how often, or never.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::{Duration, Instant};

/// Packets that are on their way at most; further ones are lost, as at a full router.
pub(crate) const PACKETS_MAX: usize = 16_384;

/// How bad the line is.
#[derive(Clone, Copy, Debug, Default, PartialEq, clap::Args)]
pub(crate) struct Quality {
    /// Time on the way, in milliseconds
    #[arg(long, default_value_t = 0)]
    pub(crate) delay_ms: u64,
    /// Up to so much longer, in milliseconds, evenly; what overtakes is out of order
    #[arg(long, default_value_t = 0)]
    pub(crate) jitter_ms: u64,
    /// Packets that are lost, in percent
    #[arg(long, default_value_t = 0.0)]
    pub(crate) loss_percent: f64,
    /// Packets that come twice, in percent
    #[arg(long, default_value_t = 0.0)]
    pub(crate) duplicate_percent: f64,
    /// Packets that overtake all others, in percent
    #[arg(long, default_value_t = 0.0)]
    pub(crate) reorder_percent: f64,
}

/// A packet that leaves the line.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Fate<P> {
    /// It arrives.
    Arrives(P),
    /// It arrives, and comes again.
    ArrivesTwice(P),
    /// It does not.
    Lost(P),
}

/// The line with everything that is on its way.
#[derive(Debug)]
pub(crate) struct Line<P> {
    quality: Quality,
    dice: Dice,
    leaving: BinaryHeap<Reverse<Leaving<P>>>,
    entered: u64,
}

#[derive(Debug)]
struct Leaving<P> {
    at: Instant,
    number: u64,
    fate: Fate<P>,
}

impl<P> Line<P> {
    /// An empty line; the same seed gives the same packets the same fates.
    pub(crate) fn new(quality: Quality, seed: u64) -> Self {
        Self { quality, dice: Dice(seed), leaving: BinaryHeap::new(), entered: 0 }
    }

    /// A packet comes in.
    pub(crate) fn enter(&mut self, packet: P, now: Instant) {
        let Quality { delay_ms, jitter_ms, loss_percent, duplicate_percent, reorder_percent } = self.quality;
        // All dice are rolled for each packet, so that one number does not change the fates of the next.
        let [lost, twice, first] = [loss_percent, duplicate_percent, reorder_percent].map(|p| self.dice.falls(p));
        let jitter = self.dice.below(jitter_ms + 1);
        let lost = lost || self.leaving.len() >= PACKETS_MAX;
        let wait = if lost || first { 0 } else { delay_ms + jitter };
        let fate = match (lost, twice) {
            (true, _) => Fate::Lost(packet),
            (false, true) => Fate::ArrivesTwice(packet),
            (false, false) => Fate::Arrives(packet),
        };
        self.entered += 1;
        self.leaving.push(Reverse(Leaving { at: now + Duration::from_millis(wait), number: self.entered, fate }));
    }

    /// The next packet that leaves by now.
    pub(crate) fn leave(&mut self, now: Instant) -> Option<Fate<P>> {
        let Reverse(next) = self.leaving.peek()?;
        if next.at > now {
            return None;
        }
        self.leaving.pop().map(|Reverse(leaving)| leaving.fate)
    }
}

impl<P> PartialEq for Leaving<P> {
    fn eq(&self, other: &Self) -> bool {
        (self.at, self.number) == (other.at, other.number)
    }
}

impl<P> Eq for Leaving<P> {}

impl<P> PartialOrd for Leaving<P> {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl<P> Ord for Leaving<P> {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.at, self.number).cmp(&(other.at, other.number))
    }
}

/// SplitMix64: small, and the same everywhere.
#[derive(Debug)]
struct Dice(u64);

impl Dice {
    fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.roll() % bound.max(1)
    }

    /// By that chance.
    fn falls(&mut self, percent: f64) -> bool {
        // Of a million, which is fine enough and exact.
        let rolled = u32::try_from(self.below(1_000_000)).unwrap_or(u32::MAX);
        f64::from(rolled) < percent * 10_000.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_packet_leaves_after_the_delay_and_in_order() {
        let (mut line, t0) = (Line::new(Quality { delay_ms: 50, ..Quality::default() }, 1), Instant::now());
        line.enter('a', t0);
        line.enter('b', t0);
        assert_eq!(line.leave(t0 + ms(49)), None);
        assert_eq!(line.leave(t0 + ms(50)), Some(Fate::Arrives('a')));
        assert_eq!(line.leave(t0 + ms(50)), Some(Fate::Arrives('b')));
        assert_eq!(line.leave(t0 + ms(99)), None);
    }

    #[test]
    fn as_many_are_lost_and_doubled_as_asked() {
        let quality = Quality { loss_percent: 30.0, duplicate_percent: 10.0, ..Quality::default() };
        let (lost, twice) = fates(quality, 7);
        assert!((2_900..3_100).contains(&lost), "{lost} of 10000");
        assert!((640..760).contains(&twice), "{twice} of the 7000 that are left");
        assert_eq!(fates(quality, 7), (lost, twice), "a seed repeats");
        assert_ne!(fates(quality, 8), (lost, twice));
    }

    #[test]
    fn one_that_overtakes_comes_before_earlier_ones() {
        let quality = Quality { delay_ms: 50, reorder_percent: 50.0, ..Quality::default() };
        let (mut line, t0) = (Line::new(quality, 1), Instant::now());
        (0..100).for_each(|n| line.enter(n, t0));
        let order: Vec<_> = std::iter::from_fn(|| line.leave(t0 + ms(50))).collect();
        assert_eq!(order.len(), 100);
        assert!(!order.is_sorted_by_key(|fate| match fate {
            Fate::Arrives(n) | Fate::ArrivesTwice(n) | Fate::Lost(n) => *n,
        }));
    }

    #[test]
    fn jitter_stays_within_its_bound() {
        let quality = Quality { delay_ms: 10, jitter_ms: 20, ..Quality::default() };
        let (mut line, t0) = (Line::new(quality, 3), Instant::now());
        (0..1_000).for_each(|n| line.enter(n, t0));
        assert!(line.leave(t0 + ms(9)).is_none());
        let by = |line: &mut Line<i32>, at| std::iter::from_fn(|| line.leave(at)).count();
        let half = by(&mut line, t0 + ms(20));
        assert!((400..650).contains(&half), "{half}");
        assert_eq!(half + by(&mut line, t0 + ms(30)), 1_000);
    }

    #[test]
    fn a_full_line_loses_what_comes() {
        let (mut line, t0) = (Line::new(Quality { delay_ms: 50, ..Quality::default() }, 1), Instant::now());
        (0..=PACKETS_MAX).for_each(|n| line.enter(n, t0));
        assert_eq!(line.leave(t0), Some(Fate::Lost(PACKETS_MAX)));
    }

    fn fates(quality: Quality, seed: u64) -> (usize, usize) {
        let (mut line, t0) = (Line::new(quality, seed), Instant::now());
        let mut fates = Vec::new();
        for n in 0..10_000 {
            line.enter(n, t0);
            fates.extend(line.leave(t0));
        }
        let lost = fates.iter().filter(|fate| matches!(fate, Fate::Lost(_))).count();
        (lost, fates.iter().filter(|fate| matches!(fate, Fate::ArrivesTwice(_))).count())
    }

    fn ms(n: u64) -> Duration {
        Duration::from_millis(n)
    }
}
