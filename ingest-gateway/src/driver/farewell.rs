//! When publishers have to leave a gateway that drains: once coordinators can know that it does, and a handful at
//! a time, since they all come to other gateways at once.

use std::time::{Duration, Instant};

/// From the beginning of a drain to the first farewell: two announcements.
const AFTER: Duration = Duration::from_secs(1);

/// Time between two handfuls.
const EVERY: Duration = Duration::from_millis(50);

/// Publishers in one handful: 320 a second.
pub(super) const HANDFUL: usize = 16;

/// Not begun, or due for the next handful at some time.
#[derive(Debug, Default)]
pub(super) struct Farewell {
    due: Option<Instant>,
}

impl Farewell {
    /// The drain is on; what began already goes on.
    pub(super) fn begin(&mut self, now: Instant) {
        self.due.get_or_insert(now + AFTER);
    }

    /// When the next handful leaves.
    pub(super) fn due(&self) -> Option<Instant> {
        self.due
    }

    /// Whether a handful leaves now.
    pub(super) fn take_due(&mut self, now: Instant) -> bool {
        let due = self.due.is_some_and(|due| due <= now);
        if due {
            self.due = Some(now + EVERY);
        }
        due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn handfuls_leave_one_after_another_once_the_drain_is_known() {
        let (mut farewell, t0) = (Farewell::default(), Instant::now());
        assert!(!farewell.take_due(t0), "nothing drains");
        farewell.begin(t0);
        farewell.begin(t0 + EVERY);
        assert_eq!(farewell.due(), Some(t0 + AFTER));
        assert!(!farewell.take_due(t0 + EVERY));
        assert!(farewell.take_due(t0 + AFTER));
        assert_eq!(farewell.due(), Some(t0 + AFTER + EVERY));
    }
}
