//! The notifications of this process, for any number of readers.
//!
//! One task wakes all readers, at most every few milliseconds: a thousand readers of a thousand
//! notifications a second are woken a hundred times a second each, not a million times.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;
use velella_coordinator_core::chronicle::Sequence;
use velella_model::RoomId;

use crate::notices::ring::{Cursor, Lost, Ring};

/// Readers are woken at most this often; the first notification after a pause wakes them at once.
const GATHER: Duration = Duration::from_millis(10);

/// A handle to the log; cloning shares it.
#[derive(Clone)]
pub(crate) struct Log(Arc<Shared>);

struct Shared {
    ring: RwLock<Ring>,
    grown: Notify,
    head: watch::Sender<u64>,
}

impl Log {
    /// An empty log.
    pub(crate) fn new() -> Self {
        let head = watch::Sender::new(0);
        Self(Arc::new(Shared { ring: RwLock::default(), grown: Notify::new(), head }))
    }

    /// What follows begins after this number.
    pub(crate) fn begin(&self, after: Sequence) {
        self.0.ring.write().unwrap_or_else(PoisonError::into_inner).begin(after);
    }

    /// Adds a notification.
    pub(crate) fn append(&self, room: RoomId, sequence: Option<Sequence>, bytes: Bytes) {
        self.0.ring.write().unwrap_or_else(PoisonError::into_inner).push(room, sequence, bytes);
        self.0.grown.notify_one();
    }

    /// The position of the newest notification.
    pub(crate) fn head(&self) -> u64 {
        self.ring(Ring::head)
    }

    /// The number and the position of the newest notification.
    pub(crate) fn newest(&self) -> (Sequence, u64) {
        self.ring(|ring| (ring.newest(), ring.head()))
    }

    /// The position after which a reader goes on that has everything up to this number; `None` when
    /// that is not known any more, or not yet.
    pub(crate) fn after(&self, sequence: Sequence) -> Option<u64> {
        self.ring(|ring| ring.after(sequence))
    }

    /// What follows for a reader; see [`Ring::read`].
    pub(crate) fn read(&self, cursor: &mut Cursor) -> Result<Vec<Bytes>, Lost> {
        self.ring(|ring| ring.read(cursor))
    }

    /// Changes when there is something to read.
    pub(crate) fn growth(&self) -> watch::Receiver<u64> {
        self.0.head.subscribe()
    }

    /// Wakes readers until shutdown.
    pub(crate) async fn pulse(&self, shutdown: CancellationToken) {
        let wake = async {
            loop {
                self.0.grown.notified().await;
                self.0.head.send_replace(self.head());
                tokio::time::sleep(GATHER).await;
            }
        };
        tokio::select! {
            () = shutdown.cancelled() => {}
            () = wake => {}
        }
    }

    fn ring<T>(&self, look: impl FnOnce(&Ring) -> T) -> T {
        look(&self.0.ring.read().unwrap_or_else(PoisonError::into_inner))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn readers_are_woken_at_once_and_then_every_few_milliseconds() {
        let (log, shutdown) = (Log::new(), CancellationToken::new());
        let mut growth = log.growth();
        tokio::spawn({
            let (log, shutdown) = (log.clone(), shutdown.clone());
            async move { log.pulse(shutdown).await }
        });
        let start = tokio::time::Instant::now();
        append(&log);
        growth.changed().await.unwrap();
        assert_eq!((*growth.borrow_and_update(), start.elapsed()), (1, Duration::ZERO));
        append(&log);
        append(&log);
        growth.changed().await.unwrap();
        assert_eq!(*growth.borrow_and_update(), 3);
        assert!(start.elapsed() >= GATHER, "the second wake waits for more");
        shutdown.cancel();
    }

    fn append(log: &Log) {
        log.append(RoomId::parse("r").unwrap(), None, Bytes::new());
    }
}
