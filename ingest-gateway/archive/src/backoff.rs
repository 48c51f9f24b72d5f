//! When to try again what failed.

use std::time::Duration;

/// After the first failure.
const FIRST: Duration = Duration::from_secs(2);
/// After many; a disk or a bucket that came back waits at most so long.
const LONGEST: Duration = Duration::from_secs(300);

/// Waits twice as long after each failure. It never gives up: what waits lies safe on the disk.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Backoff {
    failures: u32,
}

impl Backoff {
    /// Counts a failure, and tells how long to wait now.
    pub fn failed(&mut self) -> Duration {
        let wait = FIRST.saturating_mul(2_u32.saturating_pow(self.failures)).min(LONGEST);
        self.failures = self.failures.saturating_add(1);
        wait
    }

    /// How often it failed in a row.
    #[must_use]
    pub fn failures(self) -> u32 {
        self.failures
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_up_to_a_bound() {
        let mut backoff = Backoff::default();
        let waits: Vec<u64> = (0..9).map(|_| backoff.failed().as_secs()).collect();
        assert_eq!(waits, [2, 4, 8, 16, 32, 64, 128, 256, 300]);
        assert_eq!(Backoff { failures: u32::MAX }.failed(), LONGEST);
    }
}
