//! How long to wait before the next attempt.

use std::time::Duration;

/// Waits that double with each failure in a row, up to a limit, each shortened by up to a half at random, so
/// that a hundred cameras behind one switch do not come back in step.
#[derive(Clone, Debug)]
pub struct Backoff {
    first: Duration,
    longest: Duration,
    failures: u32,
    lot: u64,
}

impl Backoff {
    /// The first wait and the longest; `seed` draws the lots.
    #[must_use]
    pub fn new(first: Duration, longest: Duration, seed: u64) -> Self {
        Self { first, longest: longest.max(first), failures: 0, lot: seed }
    }

    /// The wait after one more failure.
    pub fn failed(&mut self) -> Duration {
        let wait = self.first.saturating_mul(1 << self.failures.min(16)).min(self.longest);
        self.failures = self.failures.saturating_add(1);
        let share = self.draw();
        wait - (wait / 2).mul_f64(share)
    }

    /// It works again.
    pub fn succeeded(&mut self) {
        self.failures = 0;
    }

    pub(crate) fn failures(&self) -> u32 {
        self.failures
    }

    /// In `0.0..1.0`: splitmix64, Steele, Lea and Flood, OOPSLA 2014.
    fn draw(&mut self) -> f64 {
        self.lot = self.lot.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut lot = self.lot;
        lot = (lot ^ (lot >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        lot = (lot ^ (lot >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        let bits = u32::try_from((lot ^ (lot >> 31)) >> 32).unwrap_or(0);
        f64::from(bits) / (f64::from(u32::MAX) + 1.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIRST: Duration = Duration::from_millis(500);
    const LONGEST: Duration = Duration::from_secs(15);

    #[test]
    fn waits_double_up_to_the_limit_and_begin_anew_after_success() {
        let mut backoff = Backoff::new(FIRST, LONGEST, 7);
        let full: Vec<u64> = vec![500, 1_000, 2_000, 4_000, 8_000, 15_000, 15_000];
        for full in full {
            let wait = backoff.failed();
            let full = Duration::from_millis(full);
            assert!(wait <= full && wait >= full / 2, "{wait:?} of {full:?}");
        }
        (0..100).for_each(|_| assert!(backoff.failed() <= LONGEST));
        backoff.succeeded();
        assert!(backoff.failed() <= FIRST);
    }

    #[test]
    fn neighbours_do_not_wait_in_step() {
        let wait = |seed| Backoff::new(FIRST, LONGEST, seed).failed();
        assert_ne!(wait(1), wait(2));
    }
}
