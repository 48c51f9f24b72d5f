//! An ingest that ends in a bug of ours begins again, later each time.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use velella_gateway_core::{Backoff, Progress};
use velella_model::component::{IngestState, Trouble};

/// Wait before it begins again after its first bug.
const AGAIN_FIRST: Duration = Duration::from_secs(1);

/// Longest such wait.
const AGAIN_LONGEST: Duration = Duration::from_secs(60);

/// One that ran for so long works: its next bug is the first again.
const PROVEN_AFTER: Duration = Duration::from_secs(300);

/// How often one ingest ended in a bug lately.
#[derive(Debug)]
pub(super) struct Relapse {
    backoff: Backoff,
    began: Instant,
}

impl Relapse {
    /// It begins for the first time; `seed` draws the lots of the waits.
    pub(super) fn new(now: Instant, seed: u64) -> Self {
        Self { backoff: Backoff::new(AGAIN_FIRST, AGAIN_LONGEST, seed), began: now }
    }

    /// It ended in a bug: when it begins again.
    pub(super) fn again_at(&mut self, now: Instant) -> Instant {
        if now.saturating_duration_since(self.began) >= PROVEN_AFTER {
            self.backoff.succeeded();
        }
        self.began = now + self.backoff.failed();
        self.began
    }
}

/// What the store is told meanwhile.
pub(super) fn progress() -> Progress {
    let sentence = "The gateway failed at it by a bug of its own; it begins again.".into();
    let trouble = Some(Trouble { code: "crashed".into(), sentence });
    Progress { state: IngestState::Retrying, trouble, tracks: BTreeMap::new() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_waits_longer_each_time_until_it_has_run_for_a_while() {
        let t0 = Instant::now();
        let mut relapse = Relapse::new(t0, 7);
        let first = relapse.again_at(t0);
        let second = relapse.again_at(first);
        assert!(first - t0 <= AGAIN_FIRST && second - first >= AGAIN_FIRST, "twice as long, less a half");
        let proven = second + PROVEN_AFTER;
        assert!(relapse.again_at(proven) - proven <= AGAIN_FIRST);
    }
}
