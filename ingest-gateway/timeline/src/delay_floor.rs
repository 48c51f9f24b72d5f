//! The least delay of late: what is left of delay when no queue is in the way.

use std::collections::VecDeque;

use velella_media::MediaTime;

const SECOND_NS: i64 = 1_000_000_000;
/// For how long a delay counts. Long enough that queues drain in between, short enough to follow clocks that run 200 ppm
/// slow to within 6 ms.
const WINDOW_SECONDS: i64 = 30;

/// Differences between two clocks that run alike, each higher by what the network added. In nanoseconds.
#[derive(Clone, Debug, Default)]
pub(crate) struct DelayFloor {
    /// The least of each second that had one, the older ones first; none is above one that follows.
    seconds: VecDeque<(i64, i64)>,
}

impl DelayFloor {
    pub(crate) fn note(&mut self, delay_ns: i64, now: MediaTime) {
        let second = now.0.div_euclid(SECOND_NS);
        while self.seconds.back().is_some_and(|(_, least)| *least >= delay_ns) {
            self.seconds.pop_back();
        }
        if self.seconds.back().is_none_or(|(last, _)| *last < second) {
            self.seconds.push_back((second, delay_ns));
        }
        while self.seconds.len() > 1 && self.seconds.front().is_some_and(|(at, _)| second - at > WINDOW_SECONDS) {
            self.seconds.pop_front();
        }
    }

    /// The least of the window; of before it, when nothing has come since.
    pub(crate) fn least(&self) -> Option<i64> {
        self.seconds.front().map(|(_, least)| *least)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn least_after(delays: &[(i64, i64)]) -> Option<i64> {
        let mut floor = DelayFloor::default();
        delays.iter().for_each(|(second, delay)| floor.note(*delay, MediaTime(second * SECOND_NS)));
        floor.least()
    }

    #[test]
    fn it_falls_at_once_and_rises_when_the_window_has_passed() {
        assert_eq!(least_after(&[]), None);
        assert_eq!(least_after(&[(0, 50), (0, 20), (1, 30)]), Some(20));
        assert_eq!(least_after(&[(0, 20), (1, 30), (30, 40)]), Some(20));
        assert_eq!(least_after(&[(0, 20), (1, 30), (31, 40)]), Some(30));
        assert_eq!(least_after(&[(0, 20), (500, 90)]), Some(90));
    }

    #[test]
    fn it_holds_one_value_a_second() {
        let mut floor = DelayFloor::default();
        (0..100_000).for_each(|n| floor.note(n, MediaTime(n * 1_000_000)));
        assert!(floor.seconds.len() <= 32, "{}", floor.seconds.len());
    }
}
