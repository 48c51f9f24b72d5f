//! Answers to requests that carry an `Idempotency-Key`, so that a repeated one is answered and not
//! done again. Bounded in number and time; kept by the coordinator that did the work.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use axum::http::{HeaderMap, StatusCode};
use bytes::Bytes;

/// Keys that are remembered; the oldest goes for a new one.
const KEYS_MAX: usize = 4096;

/// How long a key is remembered. A client that still tries after this has given up long ago.
const KEPT_FOR: Duration = Duration::from_secs(600);

/// Larger answers are not kept: none that creates something comes near.
pub(crate) const ANSWER_BYTES_MAX: usize = 64 * 1024;

/// What was answered.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

/// What to do with a request.
#[derive(Debug, PartialEq)]
pub(crate) enum Entry {
    /// Do it, then `finish`. `evicted` tells that an older key was forgotten for it.
    New { evicted: bool },
    /// It was done.
    Done(Answer),
    /// It is being done.
    Busy,
    /// The key was used for something else.
    Other,
}

/// The keys and what became of them.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    lines: BTreeMap<String, Line>,
    by_age: BTreeMap<u64, String>,
    next: u64,
}

#[derive(Debug)]
struct Line {
    number: u64,
    /// Of what was asked.
    fingerprint: u64,
    since: Instant,
    /// `None` while it is being done.
    answer: Option<Answer>,
}

impl Ledger {
    /// Looks a request up and writes it down if it is new.
    pub(crate) fn enter(&mut self, key: &str, fingerprint: u64, now: Instant) -> Entry {
        self.forget_old(now);
        if let Some(line) = self.lines.get(key) {
            return match &line.answer {
                _ if line.fingerprint != fingerprint => Entry::Other,
                Some(answer) => Entry::Done(answer.clone()),
                None => Entry::Busy,
            };
        }
        let evicted = self.lines.len() >= KEYS_MAX;
        if evicted && let Some((_, oldest)) = self.by_age.pop_first() {
            self.lines.remove(&oldest);
        }
        let number = self.next;
        self.next += 1;
        self.by_age.insert(number, key.to_owned());
        self.lines.insert(key.to_owned(), Line { number, fingerprint, since: now, answer: None });
        Entry::New { evicted }
    }

    /// The answer to a new request; without one it may be tried again.
    pub(crate) fn finish(&mut self, key: &str, answer: Option<Answer>) {
        match (self.lines.get_mut(key), answer) {
            (Some(line), Some(answer)) => line.answer = Some(answer),
            (Some(_), None) => self.forget(key),
            (None, _) => {}
        }
    }

    fn forget_old(&mut self, now: Instant) {
        while let Some((_, oldest)) = self.by_age.first_key_value() {
            let is_old = |line: &Line| now.saturating_duration_since(line.since) >= KEPT_FOR;
            if !self.lines.get(oldest).is_some_and(is_old) {
                return;
            }
            let oldest = oldest.clone();
            self.forget(&oldest);
        }
    }

    fn forget(&mut self, key: &str) {
        if let Some(line) = self.lines.remove(key) {
            self.by_age.remove(&line.number);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_done_once_and_answered_again() {
        let (mut ledger, t0) = (Ledger::default(), Instant::now());
        assert_eq!(ledger.enter("k", 1, t0), NEW);
        assert_eq!(ledger.enter("k", 1, t0), Entry::Busy);
        ledger.finish("k", Some(answer()));
        assert_eq!(ledger.enter("k", 1, t0), Entry::Done(answer()));
        assert_eq!(ledger.enter("k", 2, t0), Entry::Other);
        assert_eq!(ledger.enter("k", 1, t0 + KEPT_FOR), NEW, "after that time it is a new one");
    }

    #[test]
    fn what_failed_may_be_tried_again() {
        let (mut ledger, t0) = (Ledger::default(), Instant::now());
        ledger.enter("k", 1, t0);
        ledger.finish("k", None);
        assert_eq!(ledger.enter("k", 1, t0), NEW);
    }

    #[test]
    fn the_oldest_key_goes_when_the_ledger_is_full() {
        let (mut ledger, t0) = (Ledger::default(), Instant::now());
        for key in 0..KEYS_MAX {
            assert_eq!(ledger.enter(&key.to_string(), 1, t0), NEW);
        }
        assert_eq!(ledger.enter("one more", 1, t0), Entry::New { evicted: true });
        assert_eq!((ledger.lines.len(), ledger.by_age.len()), (KEYS_MAX, KEYS_MAX));
        assert_eq!(ledger.enter("1", 1, t0), Entry::Busy);
    }

    const NEW: Entry = Entry::New { evicted: false };

    fn answer() -> Answer {
        Answer { status: StatusCode::CREATED, headers: HeaderMap::new(), body: Bytes::from_static(b"x") }
    }
}
