//! The one source of chance: the same seed throws the same numbers, on every machine.

use std::time::Duration;

/// `SplitMix64` (Steele, Lea and Flood 2014).
#[derive(Clone, Debug)]
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ 0x5851_f42d_4c95_7f2d)
    }

    fn throw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// From 0 to `sides` − 1; 0 when there are no sides.
    pub(crate) fn below(&mut self, sides: usize) -> usize {
        let sides = sides.max(1) as u64;
        usize::try_from(self.throw() % sides).unwrap_or(0)
    }

    pub(crate) fn permille(&mut self, chance: u32) -> bool {
        self.throw() % 1000 < u64::from(chance)
    }

    /// At least `from`, less than `to`, in microseconds.
    pub(crate) fn between(&mut self, from: Duration, to: Duration) -> Duration {
        let span = to.saturating_sub(from).as_micros().max(1);
        let more = u128::from(self.throw()) % span;
        from + Duration::from_micros(u64::try_from(more).unwrap_or(0))
    }

    /// Time until the next of things that happen at random, `mean` apart on average.
    pub(crate) fn until_next(&mut self, mean: Duration) -> Duration {
        // 32 bits: each is a float exactly, and none is the logarithm of zero.
        let one = f64::from(u32::try_from(self.throw() >> 32).unwrap_or(0));
        mean.mul_f64(-((one + 1.0) / 4_294_967_296.0).ln())
    }

    pub(crate) fn pick<T: Copy>(&mut self, of: &[T]) -> Option<T> {
        of.get(self.below(of.len())).copied()
    }
}
