//! Whether a process is ready: a set of latches that open once.
//!
//! Readiness is monotone. What comes and goes later (a lost connection, a drain) is announced
//! elsewhere; a probe that flaps helps nobody.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What a process still waits for. Cloning shares it.
#[derive(Clone, Debug, Default)]
pub struct Readiness {
    waiting: Arc<Mutex<Vec<&'static str>>>,
}

impl Readiness {
    /// Ready, until somebody takes a latch.
    pub fn new() -> Self {
        Self::default()
    }

    /// Holds readiness back until the latch is dropped. Take it before work starts: once the
    /// process was ready, nobody asks again.
    #[must_use = "a dropped latch is open"]
    pub fn latch(&self, name: &'static str) -> Latch {
        lock(&self.waiting).push(name);
        Latch { name, readiness: self.clone() }
    }

    /// Whether all latches are open.
    pub fn is_ready(&self) -> bool {
        lock(&self.waiting).is_empty()
    }

    /// The names of the latches that are still closed.
    pub fn waiting(&self) -> Vec<&'static str> {
        lock(&self.waiting).clone()
    }
}

/// One thing that must happen first. Drop it when it has.
#[derive(Debug)]
pub struct Latch {
    name: &'static str,
    readiness: Readiness,
}

impl Drop for Latch {
    fn drop(&mut self) {
        let mut waiting = lock(&self.readiness.waiting);
        if let Some(position) = waiting.iter().position(|name| *name == self.name) {
            waiting.remove(position);
        }
    }
}

fn lock<'a>(waiting: &'a Mutex<Vec<&'static str>>) -> MutexGuard<'a, Vec<&'static str>> {
    waiting.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ready_is_when_the_last_latch_is_dropped() {
        let readiness = Readiness::new();
        let (bus, sockets) = (readiness.latch("bus"), readiness.latch("sockets"));
        assert_eq!(readiness.waiting(), ["bus", "sockets"]);

        drop(bus);
        assert!(!readiness.is_ready());
        assert_eq!(readiness.waiting(), ["sockets"]);

        drop(sockets);
        assert!(readiness.is_ready());
    }

    #[test]
    fn two_latches_of_one_name_are_two() {
        let readiness = Readiness::new();
        let (first, _second) = (readiness.latch("worker"), readiness.latch("worker"));
        drop(first);
        assert_eq!(readiness.waiting(), ["worker"]);
    }
}
