//! The bus inside one process.
//!
//! A clone is another handle on the same bus. Delivery happens inside `publish`, under one lock:
//! that is what gives every subscriber the same order.

mod routes;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;

use tokio::sync::watch;

use crate::subscription::subscription;
use crate::{Bus, BusError, Delivery, Subscription, within_bound};
use routes::Routes;

/// A bus whose subscribers all live in this process.
#[derive(Clone, Debug)]
pub struct MemoryBus {
    shared: Arc<Mutex<Shared>>,
    connected: Arc<watch::Sender<bool>>,
}

#[derive(Debug, Default)]
struct Shared {
    routes: Routes,
    inboxes: u64,
}

impl MemoryBus {
    /// A bus without subscribers.
    pub fn new() -> Self {
        Self { shared: Arc::default(), connected: Arc::new(watch::Sender::new(true)) }
    }

    /// Lets its users believe that the bus went away or came back; for tests.
    pub fn set_connected(&self, connected: bool) {
        self.connected.send_replace(connected);
    }

    fn open(&self, subject: &str) -> Subscription {
        let mut shared = lock(&self.shared);
        let id = shared.routes.next_id();
        // Weak: a subscription that outlives the bus must not keep its routes alive.
        let (bus, pattern) = (Arc::downgrade(&self.shared), subject.to_owned());
        let (feed, subscription) = subscription(move || {
            if let Some(shared) = bus.upgrade() {
                lock(&shared).routes.remove(&pattern, id);
            }
        });
        shared.routes.insert(subject, id, feed);
        subscription
    }

    fn inbox(&self) -> String {
        let mut shared = lock(&self.shared);
        shared.inboxes += 1;
        format!("_INBOX.{}", shared.inboxes)
    }

    /// Returns how many were subscribed.
    fn deliver(&self, subject: &str, delivery: &Delivery) -> usize {
        lock(&self.shared).routes.deliver(subject, delivery)
    }
}

impl Default for MemoryBus {
    fn default() -> Self {
        Self::new()
    }
}

#[async_trait::async_trait]
impl Bus for MemoryBus {
    fn connected(&self) -> watch::Receiver<bool> {
        self.connected.subscribe()
    }

    async fn publish(&self, subject: &str, payload: Bytes) -> Result<(), BusError> {
        within_bound(&payload)?;
        self.deliver(subject, &Delivery { payload, reply: None });
        Ok(())
    }

    async fn subscribe(&self, subject: &str) -> Result<Subscription, BusError> {
        Ok(self.open(subject))
    }

    async fn request(&self, subject: &str, payload: Bytes, timeout: Duration) -> Result<Bytes, BusError> {
        within_bound(&payload)?;
        let inbox = self.inbox();
        let mut answers = self.open(&inbox);
        if self.deliver(subject, &Delivery { payload, reply: Some(inbox) }) == 0 {
            return Err(BusError::NoResponders { subject: subject.to_owned() });
        }
        match tokio::time::timeout(timeout, answers.next()).await {
            Ok(Some(answer)) => Ok(answer.payload),
            Ok(None) => Err(BusError::Down("closed while waiting for an answer".to_owned())),
            Err(_) => Err(BusError::TimedOut { subject: subject.to_owned(), timeout }),
        }
    }
}

/// Nothing under this lock can leave the routes half changed, so a panic elsewhere does not spoil them.
fn lock(shared: &Mutex<Shared>) -> MutexGuard<'_, Shared> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contract;

    #[tokio::test]
    async fn the_memory_bus_holds_the_contract() {
        let bus = MemoryBus::new();
        contract::holds(async || bus.clone()).await;
    }

    #[tokio::test]
    async fn a_clone_is_the_same_bus() {
        let bus = MemoryBus::new();
        let mut subscription = bus.clone().subscribe("news").await.unwrap();
        bus.publish("news", Bytes::from_static(b"hello")).await.unwrap();
        assert_eq!(subscription.next().await.unwrap().payload, "hello");
    }

    #[tokio::test]
    async fn a_finished_request_leaves_no_inbox_behind() {
        let bus = MemoryBus::new();
        let _silent = bus.subscribe("question").await.unwrap();
        let timeout = Duration::from_millis(1);
        assert!(bus.request("question", Bytes::new(), timeout).await.is_err());
        assert!(bus.request("nobody", Bytes::new(), timeout).await.is_err());
        assert_eq!(lock(&bus.shared).routes.len(), 1);
    }

    #[tokio::test]
    async fn a_subscription_may_outlive_its_bus() {
        let bus = MemoryBus::new();
        let mut subscription = bus.subscribe("news").await.unwrap();
        drop(bus);
        assert!(subscription.next().await.is_none());
    }
}
