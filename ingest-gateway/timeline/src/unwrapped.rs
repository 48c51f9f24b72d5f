//! RTP time stamps without their wrap at 32 bits.

/// Counts on from the time stamp that came last.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Unwrapped {
    last: Option<(u32, i64)>,
}

impl Unwrapped {
    /// This one follows; it is at most half the range away from the one before.
    pub(crate) fn follow(&mut self, stamp: u32) -> i64 {
        let count = self.nearest(stamp).unwrap_or_else(|| i64::from(stamp));
        self.last = Some((stamp, count));
        count
    }

    /// The count of a time stamp near the one that came last; `None` before the first.
    pub(crate) fn nearest(self, stamp: u32) -> Option<i64> {
        let (last, count) = self.last?;
        Some(count + i64::from(stamp.wrapping_sub(last).cast_signed()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_stamps_count_on_over_the_wrap_and_back() {
        let mut unwrapped = Unwrapped::default();
        assert_eq!(unwrapped.nearest(5), None);
        let counted = [u32::MAX - 1, 2, u32::MAX, 3].map(|stamp| unwrapped.follow(stamp));
        let first = i64::from(u32::MAX) - 1;
        assert_eq!(counted, [first, first + 4, first + 1, first + 5]);
    }
}
