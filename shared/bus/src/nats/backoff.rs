//! How long to wait before the next attempt to connect.

use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

/// The longest wait after the first attempt; it doubles with each further one.
const FIRST_MS: u64 = 50;

/// Doublings, so that the longest wait is 3.2 s.
const DOUBLINGS_MAX: u32 = 6;

/// A random part of a growing limit: all clients of a server lose it at the same moment and must not
/// come back at the same moment.
pub(super) fn wait(attempts: usize) -> Duration {
    let doublings = u32::try_from(attempts).map_or(DOUBLINGS_MAX, |n| n.saturating_sub(1).min(DOUBLINGS_MAX));
    let limit_ms = FIRST_MS << doublings;
    // Each `RandomState` has keys of its own.
    Duration::from_millis(RandomState::new().hash_one(attempts) % (limit_ms + 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_grows_to_a_limit_and_is_spread_out() {
        let longest = |attempts| (0..200).map(|_| wait(attempts)).max().unwrap();
        let shortest = |attempts| (0..200).map(|_| wait(attempts)).min().unwrap();
        assert!(longest(1) <= Duration::from_millis(50));
        assert!(longest(5) > Duration::from_millis(400) && longest(5) <= Duration::from_millis(800));
        assert!(longest(usize::MAX) <= Duration::from_millis(3_200));
        assert!(shortest(7) < Duration::from_millis(800));
    }
}
