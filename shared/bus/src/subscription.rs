//! What a subscriber holds, and the end through which a bus feeds it.
//!
//! The queue between them is bounded: a full one refuses the newest message and counts it, so that
//! one slow subscriber never delays the others.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::mpsc;

use crate::{Delivery, SUBSCRIPTION_MESSAGES_MAX};

/// A stream of deliveries; dropping it unsubscribes.
#[derive(Debug)]
pub struct Subscription {
    deliveries: mpsc::Receiver<Delivery>,
    lost: Arc<AtomicU64>,
    _unsubscribe: Unsubscribe,
}

impl Subscription {
    /// The next message; `None` when the bus is closed.
    pub async fn next(&mut self) -> Option<Delivery> {
        self.deliveries.recv().await
    }

    /// Messages lost so far because this subscriber read too slowly.
    pub fn lost(&self) -> u64 {
        self.lost.load(Ordering::Relaxed)
    }
}

/// The bus's end of a subscription.
#[derive(Debug)]
pub(crate) struct Feed {
    deliveries: mpsc::Sender<Delivery>,
    lost: Arc<AtomicU64>,
}

impl Feed {
    /// Hands a message over, or counts it as lost.
    pub(crate) fn deliver(&self, delivery: Delivery) {
        if let Err(mpsc::error::TrySendError::Full(_)) = self.deliveries.try_send(delivery) {
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Waits until the subscription is dropped.
    pub(crate) async fn closed(&self) {
        self.deliveries.closed().await;
    }
}

/// Both ends; `unsubscribe` runs when the subscription is dropped.
pub(crate) fn subscription(unsubscribe: impl FnOnce() + Send + Sync + 'static) -> (Feed, Subscription) {
    let (sender, receiver) = mpsc::channel(SUBSCRIPTION_MESSAGES_MAX);
    let lost = Arc::new(AtomicU64::new(0));
    let subscription = Subscription {
        deliveries: receiver,
        lost: Arc::clone(&lost),
        _unsubscribe: Unsubscribe(Some(Box::new(unsubscribe))),
    };
    (Feed { deliveries: sender, lost }, subscription)
}

struct Unsubscribe(Option<Box<dyn FnOnce() + Send + Sync>>);

impl fmt::Debug for Unsubscribe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Unsubscribe")
    }
}

impl Drop for Unsubscribe {
    fn drop(&mut self) {
        if let Some(unsubscribe) = self.0.take() {
            unsubscribe();
        }
    }
}
