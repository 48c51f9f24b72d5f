//! When media did not come: for each receiver and each source, the silences between arrivals.
//!
//! What a fault costs those who watch is the length of the silence that it makes, from the last packet
//! before it to the first one after.

use std::collections::BTreeMap;

/// Silences shorter than this are the jitter of a busy machine, not an interruption: a video of 30 frames
/// a second sends something every 33 ms.
pub(crate) const GAP_NS_MIN: u64 = 200_000_000;

/// Silences that one receiver remembers; the longest matter, and no run has this many.
const GAPS_MAX: usize = 4096;

/// A silence of one source at one receiver, in nanoseconds of the window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Gap {
    pub(crate) source: u32,
    pub(crate) from_ns: u64,
    pub(crate) to_ns: u64,
    /// Nothing came any more until the window closed.
    pub(crate) open: bool,
}

impl Gap {
    pub(crate) fn ns(self) -> u64 {
        self.to_ns.saturating_sub(self.from_ns)
    }
}

/// What one receiver heard last, and what it missed.
#[derive(Debug, Default)]
pub(crate) struct Gaps {
    last_ns: BTreeMap<u32, u64>,
    found: Vec<Gap>,
}

impl Gaps {
    /// A packet of this source arrived.
    pub(crate) fn arrived(&mut self, source: u32, at_ns: u64) {
        let Some(before_ns) = self.last_ns.insert(source, at_ns) else { return };
        self.note(Gap { source, from_ns: before_ns, to_ns: at_ns, open: false });
    }

    /// The window closed: its gaps, those that still last among them.
    pub(crate) fn close(&mut self, start_ns: u64, end_ns: u64) -> Vec<Gap> {
        for (source, from_ns) in std::mem::take(&mut self.last_ns) {
            self.note(Gap { source, from_ns, to_ns: end_ns, open: true });
        }
        let in_window = |ns: u64| ns.saturating_sub(start_ns);
        let found = std::mem::take(&mut self.found).into_iter();
        found.map(|gap| Gap { from_ns: in_window(gap.from_ns), to_ns: in_window(gap.to_ns), ..gap }).collect()
    }

    fn note(&mut self, gap: Gap) {
        if gap.ns() >= GAP_NS_MIN && self.found.len() < GAPS_MAX {
            self.found.push(gap);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: u64 = 1_000_000;

    #[test]
    fn a_silence_lasts_from_packet_to_packet_of_one_source() {
        let mut gaps = Gaps::default();
        for at_ms in [0, 30, 60, 1_060, 1_090] {
            gaps.arrived(1, at_ms * MS);
        }
        (0..37).for_each(|n| gaps.arrived(2, n * 30 * MS));
        let found = gaps.close(0, 1_100 * MS);
        assert_eq!(found, [Gap { source: 1, from_ns: 60 * MS, to_ns: 1_060 * MS, open: false }]);
    }

    #[test]
    fn what_never_came_back_is_a_gap_until_the_end() {
        let mut gaps = Gaps::default();
        gaps.arrived(1, 10 * MS);
        assert_eq!(gaps.close(5 * MS, 905 * MS), [Gap { source: 1, from_ns: 5 * MS, to_ns: 900 * MS, open: true }]);
    }
}
