//! When a recording stops for want of space, and when it goes on.

/// How much of a disk recordings leave alone, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SpaceLimits {
    /// With less, nothing is written.
    pub free_min: u64,
    /// With less, no recording begins; with more, those that were stopped go on.
    pub free_to_begin: u64,
}

impl SpaceLimits {
    /// Half a gigabyte is a minute of many recordings: time enough to be told, and for logs and caches beside.
    pub const DEFAULT: Self = Self { free_min: 512 * 1024 * 1024, free_to_begin: 1024 * 1024 * 1024 };
}

/// Whether there is space. Knows what it said last, so that it does not flicker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Space {
    /// Recordings run and begin.
    Enough,
    /// They run, but none begins.
    Low,
    /// They are stopped; live media goes on.
    Full,
}

impl Space {
    /// With so many bytes free now.
    #[must_use]
    pub fn after(self, free: u64, limits: SpaceLimits) -> Self {
        match (self, free) {
            (_, free) if free >= limits.free_to_begin => Self::Enough,
            (_, free) if free < limits.free_min => Self::Full,
            (Self::Full, _) => Self::Full,
            (Self::Enough | Self::Low, _) => Self::Low,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stopped_goes_on_only_when_there_is_plenty() {
        let limits = SpaceLimits { free_min: 10, free_to_begin: 20 };
        let mut space = Space::Enough;
        let mut told = |free| {
            space = space.after(free, limits);
            space
        };
        assert_eq!(
            [25, 15, 9, 15, 19].map(&mut told),
            [Space::Enough, Space::Low, Space::Full, Space::Full, Space::Full]
        );
        assert_eq!([20, 15].map(told), [Space::Enough, Space::Low]);
    }
}
