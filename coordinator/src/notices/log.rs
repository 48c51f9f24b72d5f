//! The notifications of this process, for any number of readers.
//!
//! One task wakes all readers, at most every few milliseconds: a thousand readers of a thousand
//! notifications a second are woken a hundred times a second each, not a million times.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;
use velella_model::RoomId;

use crate::notices::ring::{Cursor, Lost, Place, Ring};

/// Readers are woken at most this often; the first notification after a pause wakes them at once.
const GATHER: Duration = Duration::from_millis(10);

/// A handle to the log; cloning shares it.
#[derive(Clone)]
pub(crate) struct Log(Arc<Shared>);

struct Shared {
    name: String,
    ring: RwLock<Ring>,
    grown: Notify,
    head: watch::Sender<u64>,
}

impl Log {
    /// An empty log with a name that no other has.
    pub(crate) fn new() -> Self {
        let head = watch::Sender::new(0);
        let (name, ring) = (Uuid::new_v4().to_string(), RwLock::default());
        Self(Arc::new(Shared { name, ring, grown: Notify::new(), head }))
    }

    /// What positions belong to.
    pub(crate) fn name(&self) -> &str {
        &self.0.name
    }

    /// Adds a notification, encoded for the place that it gets.
    pub(crate) fn append(&self, room: &RoomId, last: bool, encode: impl FnOnce(Place) -> Bytes) -> (u64, Bytes) {
        let mut ring = self.0.ring.write().unwrap_or_else(PoisonError::into_inner);
        let place = ring.next(room);
        let bytes = encode(place);
        ring.push(room.clone(), bytes.clone(), last);
        drop(ring);
        self.0.grown.notify_one();
        (place.position, bytes)
    }

    /// The position of the newest notification.
    pub(crate) fn head(&self) -> u64 {
        self.ring(Ring::head)
    }

    /// Whether a reader can go on after this position of this log.
    pub(crate) fn can_resume(&self, log: &str, position: u64) -> bool {
        log == self.0.name && self.ring(|ring| ring.holds_after(position))
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

    #[test]
    fn only_positions_of_this_very_log_can_be_resumed() {
        let log = Log::new();
        append(&log);
        assert!(log.can_resume(log.name(), 0) && log.can_resume(log.name(), 1));
        assert!(!log.can_resume(log.name(), 2) && !log.can_resume(Log::new().name(), 1) && !log.can_resume("", 0));
    }

    fn append(log: &Log) {
        log.append(&RoomId::parse("r").unwrap(), false, |place| Bytes::from(place.position.to_string()));
    }
}
