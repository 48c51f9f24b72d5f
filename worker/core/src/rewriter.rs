//! One continuous RTP stream out of many: sequence numbers and timestamps.
//!
//! A subscriber's stream keeps its SSRC for ever while tracks and layers behind it change. Gaps of
//! the source stay gaps, so that the subscriber's NACKs and its decoder see real losses only.

use std::time::{Duration, Instant};

/// First sequence number of a stream. It has to lie below 2^16, since a fresh SRTP receiver starts
/// at rollover counter 0; it is not 0 so that a reordered first packet does not go below.
const FIRST_SEQUENCE: u64 = 1_000;

/// Continuity of one outgoing stream.
#[derive(Debug)]
pub(crate) struct Rewriter {
    /// What the current source maps by; `None` before the first switch.
    source: Option<Source>,
    next_sequence: u64,
    last: Option<Last>,
}

#[derive(Debug)]
struct Source {
    first_in: u64,
    first_out: u64,
    timestamp_shift: u32,
}

#[derive(Debug)]
struct Last {
    timestamp: u32,
    captured_at: Instant,
}

impl Rewriter {
    pub(crate) fn new() -> Self {
        Self { source: None, next_sequence: FIRST_SEQUENCE, last: None }
    }

    /// The next packets come from another source, `sequence` first.
    ///
    /// The new timestamp lies as far after the last one as the capture times do, at least one tick.
    pub(crate) fn switch(&mut self, sequence: u64, timestamp: u32, captured_at: Instant, clock_rate: u32) {
        let target = match &self.last {
            None => timestamp,
            Some(last) => {
                let elapsed = captured_at.saturating_duration_since(last.captured_at);
                last.timestamp.wrapping_add(ticks(elapsed, clock_rate).max(1))
            }
        };
        let timestamp_shift = target.wrapping_sub(timestamp);
        self.source = Some(Source { first_in: sequence, first_out: self.next_sequence, timestamp_shift });
    }

    /// Sequence number and timestamp for a packet of the current source; `None` for one that is
    /// older than the switch.
    pub(crate) fn rewrite(&mut self, sequence: u64, timestamp: u32, captured_at: Instant) -> Option<(u64, u32)> {
        let source = self.source.as_ref()?;
        let out = source.first_out + sequence.checked_sub(source.first_in)?;
        let timestamp = timestamp.wrapping_add(source.timestamp_shift);
        if out >= self.next_sequence {
            self.next_sequence = out + 1;
            self.last = Some(Last { timestamp, captured_at });
        }
        Some((out, timestamp))
    }
}

fn ticks(elapsed: Duration, clock_rate: u32) -> u32 {
    let ticks = elapsed.as_micros() * u128::from(clock_rate) / 1_000_000;
    // Wraps like the timestamps themselves do.
    u32::try_from(ticks & u128::from(u32::MAX)).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const VIDEO: u32 = 90_000;

    #[test]
    fn the_first_source_keeps_its_timestamps() {
        let (mut rewriter, t0) = (Rewriter::new(), Instant::now());
        rewriter.switch(70_000, 5, t0, VIDEO);
        assert_eq!(rewriter.rewrite(70_000, 5, t0), Some((1_000, 5)));
        assert_eq!(rewriter.rewrite(70_002, 3_005, t0), Some((1_002, 3_005)), "a loss stays a gap");
        assert_eq!(rewriter.rewrite(70_001, 5, t0), Some((1_001, 5)), "and can be filled late");
    }

    #[test]
    fn a_switch_continues_where_the_last_source_ended() {
        let (mut rewriter, t0) = (Rewriter::new(), Instant::now());
        rewriter.switch(10, 1_000, t0, VIDEO);
        rewriter.rewrite(10, 1_000, t0);
        let later = t0 + Duration::from_millis(100);
        rewriter.switch(500, 77, later, VIDEO);
        assert_eq!(rewriter.rewrite(500, 77, later), Some((1_001, 10_000)));
        assert_eq!(rewriter.rewrite(499, 70, later), None, "older than the switch");
    }

    #[test]
    fn capture_times_that_run_backwards_still_move_the_timestamp_on() {
        let (mut rewriter, t0) = (Rewriter::new(), Instant::now());
        rewriter.switch(1, 9_000, t0 + Duration::from_secs(1), VIDEO);
        rewriter.rewrite(1, 9_000, t0 + Duration::from_secs(1));
        rewriter.switch(1, 0, t0, VIDEO);
        assert_eq!(rewriter.rewrite(1, 0, t0), Some((1_001, 9_001)));
    }

    proptest! {
        #[test]
        fn packets_in_order_always_get_growing_numbers(sources in prop::collection::vec((0u64..1 << 32, 1u64..50), 1..20)) {
            let (mut rewriter, mut now, mut last) = (Rewriter::new(), Instant::now(), 0);
            for (first, count) in sources {
                now += Duration::from_millis(40);
                rewriter.switch(first, 0, now, VIDEO);
                for sequence in first..first + count {
                    let (out, _) = rewriter.rewrite(sequence, 0, now).unwrap();
                    prop_assert!(last == 0 || out == last + 1);
                    last = out;
                }
            }
        }
    }
}
