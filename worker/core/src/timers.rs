//! Deadlines of many sessions in one heap.
//!
//! A deadline that moves later costs nothing: the entry stays and is put back when it surfaces. A
//! session's deadline moves later with nearly every packet, so this is the common case.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Instant;

/// Wake-ups, earliest first. `K` names a session.
#[derive(Debug)]
pub(crate) struct Timers<K> {
    heap: BinaryHeap<Reverse<(Instant, K)>>,
}

impl<K: Ord + Copy> Timers<K> {
    pub(crate) fn new() -> Self {
        Self { heap: BinaryHeap::new() }
    }

    /// Wakes `key` at `at`, unless its entry in the heap, at `scheduled`, comes first. Returns when
    /// its entry is.
    pub(crate) fn schedule(&mut self, key: K, at: Instant, scheduled: Option<Instant>) -> Instant {
        match scheduled {
            Some(earlier) if earlier <= at => earlier,
            _ => {
                self.heap.push(Reverse((at, key)));
                at
            }
        }
    }

    /// The next entry that is due.
    pub(crate) fn pop_due(&mut self, now: Instant) -> Option<K> {
        let Reverse((at, _)) = self.heap.peek()?;
        if *at > now {
            return None;
        }
        self.heap.pop().map(|Reverse((_, key))| key)
    }

    /// When to look again.
    pub(crate) fn next(&self) -> Option<Instant> {
        self.heap.peek().map(|Reverse((at, _))| *at)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn entries_surface_in_order_and_only_when_due() {
        let (mut timers, t0) = (Timers::new(), Instant::now());
        let at = |ms| t0 + Duration::from_millis(ms);
        timers.schedule('b', at(20), None);
        timers.schedule('a', at(10), None);
        assert_eq!(timers.next(), Some(at(10)));
        assert_eq!(timers.pop_due(at(9)), None);
        assert_eq!(timers.pop_due(at(30)), Some('a'));
        assert_eq!(timers.pop_due(at(30)), Some('b'));
        assert_eq!(timers.next(), None);
    }

    #[test]
    fn a_later_deadline_keeps_the_old_entry() {
        let (mut timers, t0) = (Timers::new(), Instant::now());
        let scheduled = timers.schedule('a', t0, None);
        assert_eq!(timers.schedule('a', t0 + Duration::from_secs(1), Some(scheduled)), t0);
        assert_eq!(timers.pop_due(t0), Some('a'));
        assert_eq!(timers.pop_due(t0 + Duration::from_secs(2)), None);
    }
}
