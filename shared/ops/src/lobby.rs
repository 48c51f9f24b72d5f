//! The bounded room of those who have not shown who they are.
//!
//! When it is full the oldest has to go, so a crowd that never does keeps nobody out: a newcomer has as long as it takes
//! the crowd to fill the whole lobby once more.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use prometheus::IntCounter;
use tokio_util::sync::CancellationToken;

/// A bounded waiting room.
#[derive(Clone, Debug)]
pub struct Lobby {
    waiting: Arc<Mutex<Waiting>>,
    seats_max: usize,
    evictions: IntCounter,
}

#[derive(Debug, Default)]
struct Waiting {
    next: u64,
    seats: BTreeMap<u64, CancellationToken>,
}

/// A place in the lobby; dropping it leaves.
#[derive(Debug)]
pub struct Seat {
    number: u64,
    evicted: CancellationToken,
    waiting: Arc<Mutex<Waiting>>,
}

impl Lobby {
    /// Of so many seats; counts those who have to give theirs up.
    #[must_use]
    pub fn new(seats_max: usize, evictions: IntCounter) -> Self {
        Self { waiting: Arc::default(), seats_max, evictions }
    }

    /// Takes a place, the oldest one's if there is no other.
    #[must_use]
    pub fn enter(&self) -> Seat {
        let mut waiting = lock(&self.waiting);
        if waiting.seats.len() >= self.seats_max
            && let Some((_, oldest)) = waiting.seats.pop_first()
        {
            oldest.cancel();
            self.evictions.inc();
        }
        let (number, evicted) = (waiting.next, CancellationToken::new());
        waiting.next += 1;
        waiting.seats.insert(number, evicted.clone());
        Seat { number, evicted, waiting: Arc::clone(&self.waiting) }
    }
}

impl Seat {
    /// Resolves when somebody else needed the place.
    pub async fn evicted(&self) {
        self.evicted.cancelled().await;
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        lock(&self.waiting).seats.remove(&self.number);
    }
}

fn lock(waiting: &Mutex<Waiting>) -> MutexGuard<'_, Waiting> {
    waiting.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_goes_when_the_lobby_is_full() {
        let lobby = Lobby::new(2, IntCounter::new("n", "n").unwrap());
        let (first, second) = (lobby.enter(), lobby.enter());
        let third = lobby.enter();
        let evicted = [&first, &second, &third].map(|seat| seat.evicted.is_cancelled());
        assert_eq!((evicted, lobby.evictions.get()), ([true, false, false], 1));
    }

    #[test]
    fn who_leaves_frees_the_place() {
        let lobby = Lobby::new(2, IntCounter::new("n", "n").unwrap());
        let first = lobby.enter();
        drop(lobby.enter());
        let _third = lobby.enter();
        assert!(!first.evicted.is_cancelled());
    }
}
