//! Holding one key under a lease, as a pure machine: what to ask of the store next, and until when the
//! key is surely ours.
//!
//! Three processes use it: a worker is alive while it holds its key, a coordinator likewise, and one
//! coordinator leads. Whoever wants to know a holder dead deletes its key, or waits for the lease; so
//! a holder counts from when it *sent* its last good renewal, less a margin, and never from an answer.

use std::time::{Duration, Instant};

use crate::{LeaseId, Revision};

/// Time without a renewal after which the key vanishes.
pub const TTL: Duration = Duration::from_secs(5);

/// Wait between renewals.
pub const RENEW_EVERY: Duration = Duration::from_secs(1);

/// A holder stops counting on its key this long before the lease can end: clocks drift, and an
/// answer that was true when it was given is late.
pub const MARGIN: Duration = Duration::from_secs(1);

/// Wait after the store failed, and between looks at a key that somebody else holds.
pub const RETRY: Duration = Duration::from_millis(500);

/// What to ask of the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ask {
    /// Whether the key is free.
    Look,
    /// A lease of [`TTL`].
    Grant,
    /// The key, under this lease, if it is free.
    Claim(LeaseId),
    /// Renew the lease, and see whether the key still stands there as it was written.
    Renew(LeaseId, Revision),
}

/// What the store said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Nobody holds the key.
    Free,
    /// Somebody else does.
    Taken,
    /// A lease.
    Granted(LeaseId),
    /// The key is ours, written at this revision.
    Claimed(Revision),
    /// Lease and key still stand.
    Renewed,
    /// The lease ran out, or somebody deleted the key.
    Gone,
    /// No answer.
    Down,
}

/// Whether the key is ours.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Standing {
    /// Not yet, or not any more.
    #[default]
    Out,
    /// Somebody else holds it.
    Taken,
    /// Ours.
    Held {
        /// Grows with each claim: between two of them others may have acted on our absence.
        claim: u64,
        /// Nobody can think us gone before.
        until: Instant,
    },
}

/// The machine. Ask what [`Tenure::poll`] says, one at a time, and tell it the answer.
#[derive(Debug)]
pub struct Tenure {
    state: State,
    asked_at: Option<Instant>,
    claims: u64,
}

#[derive(Clone, Copy, Debug)]
enum State {
    Out { look_at: Instant, taken: bool },
    Free { lease: Option<LeaseId>, granted: Instant },
    Held { lease: LeaseId, revision: Revision, until: Instant, renew_at: Instant },
}

impl Tenure {
    /// Wants the key from `now` on.
    pub fn new(now: Instant) -> Self {
        Self { state: State::Out { look_at: now, taken: false }, asked_at: None, claims: 0 }
    }

    /// What to ask now; `None` while an answer is out, or before [`Tenure::wakes_at`].
    pub fn poll(&mut self, now: Instant) -> Option<Ask> {
        if self.asked_at.is_some() || now < self.wakes_at()? {
            return None;
        }
        self.asked_at = Some(now);
        Some(match self.state {
            State::Out { .. } => Ask::Look,
            State::Free { lease: None, .. } => Ask::Grant,
            State::Free { lease: Some(lease), .. } => Ask::Claim(lease),
            State::Held { lease, revision, .. } => Ask::Renew(lease, revision),
        })
    }

    /// When to poll again; `None` while an answer is out.
    pub fn wakes_at(&self) -> Option<Instant> {
        if self.asked_at.is_some() {
            return None;
        }
        Some(match self.state {
            State::Out { look_at, .. } => look_at,
            State::Free { granted, .. } => granted,
            State::Held { renew_at, .. } => renew_at,
        })
    }

    /// Takes the answer to what was asked last.
    pub fn answered(&mut self, answer: Answer, now: Instant) {
        let Some(asked) = self.asked_at.take() else { return };
        let later = State::Out { look_at: now + RETRY, taken: false };
        self.state = match (self.state, answer) {
            (State::Out { .. }, Answer::Free) => State::Free { lease: None, granted: now },
            (State::Out { .. } | State::Free { .. }, Answer::Taken) => State::Out { look_at: now + RETRY, taken: true },
            (State::Free { .. }, Answer::Granted(lease)) => State::Free { lease: Some(lease), granted: asked },
            (State::Free { lease: Some(lease), granted }, Answer::Claimed(revision)) => {
                self.claims += 1;
                State::Held { lease, revision, until: granted + TTL - MARGIN, renew_at: asked + RENEW_EVERY }
            }
            (State::Held { lease, revision, .. }, Answer::Renewed) => {
                State::Held { lease, revision, until: asked + TTL - MARGIN, renew_at: asked + RENEW_EVERY }
            }
            // The lease may well live: as long as nobody says otherwise, it is renewed.
            (State::Held { lease, revision, until, .. }, Answer::Down) => {
                State::Held { lease, revision, until, renew_at: now + RETRY }
            }
            (State::Held { .. }, Answer::Gone) => State::Out { look_at: now, taken: false },
            (_, _) => later,
        };
    }

    /// Whether the key is ours. One that is [`Standing::Held`] counts only before its `until`.
    pub fn standing(&self) -> Standing {
        match self.state {
            State::Held { until, .. } => Standing::Held { claim: self.claims, until },
            State::Out { taken: true, .. } => Standing::Taken,
            State::Out { .. } | State::Free { .. } => Standing::Out,
        }
    }

    /// The lease to give back when the holder ends.
    pub fn lease(&self) -> Option<LeaseId> {
        match self.state {
            State::Held { lease, .. } => Some(lease),
            State::Free { lease, .. } => lease,
            State::Out { .. } => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LEASE: LeaseId = LeaseId(7);
    const WRITTEN: Revision = Revision(3);

    #[test]
    fn a_free_key_is_claimed_and_renewed_every_second() {
        let (mut tenure, t0) = held();
        assert_eq!(tenure.poll(t0 + ms(999)), None);
        assert_eq!(tenure.poll(t0 + RENEW_EVERY), Some(Ask::Renew(LEASE, WRITTEN)));
        assert_eq!(tenure.poll(t0 + RENEW_EVERY), None, "one question at a time");
        tenure.answered(Answer::Renewed, t0 + ms(1_400));
        let until = t0 + RENEW_EVERY + TTL - MARGIN;
        assert_eq!(tenure.standing(), Standing::Held { claim: 1, until }, "counted from the question");
    }

    #[test]
    fn a_store_that_is_away_is_asked_again_and_the_key_stays_ours_for_so_long() {
        let (mut tenure, t0) = held();
        tenure.poll(t0 + RENEW_EVERY);
        tenure.answered(Answer::Down, t0 + ms(2_000));
        assert_eq!(tenure.wakes_at(), Some(t0 + ms(2_000) + RETRY));
        assert_eq!(tenure.standing(), Standing::Held { claim: 1, until: t0 + TTL - MARGIN });
        tenure.poll(t0 + ms(9_000));
        tenure.answered(Answer::Renewed, t0 + ms(9_001));
        assert!(matches!(tenure.standing(), Standing::Held { claim: 1, .. }), "nobody took it meanwhile");
    }

    #[test]
    fn a_key_that_was_lost_is_another_claim() {
        let (mut tenure, t0) = held();
        let later = t0 + ms(60_000);
        tenure.poll(later);
        tenure.answered(Answer::Gone, later);
        assert_eq!(tenure.standing(), Standing::Out);
        claim(&mut tenure, later);
        assert!(matches!(tenure.standing(), Standing::Held { claim: 2, .. }));
    }

    #[test]
    fn a_key_that_somebody_holds_is_looked_at_until_it_is_free() {
        let t0 = Instant::now();
        let mut tenure = Tenure::new(t0);
        assert_eq!(tenure.poll(t0), Some(Ask::Look));
        tenure.answered(Answer::Taken, t0);
        assert_eq!((tenure.standing(), tenure.poll(t0)), (Standing::Taken, None));
        assert_eq!(tenure.poll(t0 + RETRY), Some(Ask::Look));
    }

    #[test]
    fn who_loses_the_race_for_a_free_key_looks_again() {
        let t0 = Instant::now();
        let mut tenure = Tenure::new(t0);
        tenure.poll(t0);
        tenure.answered(Answer::Free, t0);
        tenure.poll(t0);
        tenure.answered(Answer::Granted(LEASE), t0);
        assert_eq!(tenure.poll(t0), Some(Ask::Claim(LEASE)));
        tenure.answered(Answer::Taken, t0);
        assert_eq!((tenure.standing(), tenure.lease()), (Standing::Taken, None));
    }

    fn held() -> (Tenure, Instant) {
        let t0 = Instant::now();
        let mut tenure = Tenure::new(t0);
        claim(&mut tenure, t0);
        (tenure, t0)
    }

    fn claim(tenure: &mut Tenure, now: Instant) {
        let answers = [Answer::Free, Answer::Granted(LEASE), Answer::Claimed(WRITTEN)];
        for (ask, answer) in [Ask::Look, Ask::Grant, Ask::Claim(LEASE)].into_iter().zip(answers) {
            assert_eq!(tenure.poll(now), Some(ask));
            tenure.answered(answer, now);
        }
    }

    fn ms(n: u64) -> Duration {
        Duration::from_millis(n)
    }
}
