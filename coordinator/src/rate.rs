//! A token bucket: how often something may happen.

use std::time::{Duration, Instant};

/// Allows `burst` at once and one more every `refill`.
#[derive(Debug)]
pub(crate) struct Rate {
    burst: u32,
    refill: Duration,
    left: u32,
    counted_to: Instant,
}

impl Rate {
    pub(crate) fn new(burst: u32, refill: Duration, now: Instant) -> Self {
        Self { burst, refill, left: burst, counted_to: now }
    }

    /// Whether it may happen once more now.
    pub(crate) fn allows(&mut self, now: Instant) -> bool {
        let passed = now.saturating_duration_since(self.counted_to);
        let refilled = u32::try_from(passed.as_nanos() / self.refill.as_nanos().max(1)).unwrap_or(u32::MAX);
        self.left = self.left.saturating_add(refilled).min(self.burst);
        self.counted_to = if self.left == self.burst { now } else { self.counted_to + self.refill * refilled };
        match self.left.checked_sub(1) {
            Some(left) => {
                self.left = left;
                true
            }
            None => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_passes_and_then_one_per_refill() {
        let t0 = Instant::now();
        let mut rate = Rate::new(2, Duration::from_secs(1), t0);
        assert_eq!([rate.allows(t0), rate.allows(t0), rate.allows(t0)], [true, true, false]);
        assert!(!rate.allows(t0 + Duration::from_millis(999)));
        assert!(rate.allows(t0 + Duration::from_millis(1000)));
        assert!(!rate.allows(t0 + Duration::from_millis(1999)));
        let later = t0 + Duration::from_secs(100);
        assert_eq!([rate.allows(later), rate.allows(later), rate.allows(later)], [true, true, false]);
    }
}
