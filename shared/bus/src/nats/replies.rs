//! Answers to requests: one subscription for all of them, and who waits for which.
//!
//! The library has this too, but keeps every request that was never answered for ever.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_nats::{Client, Message, StatusCode, Subscriber};
use bytes::Bytes;
use futures_util::StreamExt;
use tokio::sync::oneshot;
use tokio::task::AbortHandle;

/// What came back.
#[derive(Debug)]
pub(super) enum Answer {
    Reply(Bytes),
    NoResponders,
    /// Nothing will come any more.
    Closed,
}

type Waiters = Arc<Mutex<HashMap<u64, oneshot::Sender<Answer>>>>;

/// The inboxes of one connection.
#[derive(Debug)]
pub(super) struct Replies {
    prefix: String,
    asked: AtomicU64,
    waiters: Waiters,
    sorting: AbortHandle,
}

impl Replies {
    pub(super) async fn open(client: &Client) -> Result<Self, String> {
        let prefix = client.new_inbox();
        let answers = client.subscribe(format!("{prefix}.*")).await.map_err(|error| error.to_string())?;
        let waiters = Waiters::default();
        let sorting = tokio::spawn(sort(answers, Arc::clone(&waiters))).abort_handle();
        Ok(Self { prefix, asked: AtomicU64::new(0), waiters, sorting })
    }

    /// A new inbox.
    pub(super) fn expect(&self) -> Waiting {
        let number = self.asked.fetch_add(1, Ordering::Relaxed);
        let (sender, answer) = oneshot::channel();
        lock(&self.waiters).insert(number, sender);
        let place = Place { number, waiters: Arc::clone(&self.waiters) };
        Waiting { inbox: format!("{}.{number}", self.prefix), answer, _place: place }
    }

    #[cfg(test)]
    pub(super) fn waiting(&self) -> usize {
        lock(&self.waiters).len()
    }
}

impl Drop for Replies {
    fn drop(&mut self) {
        self.sorting.abort();
    }
}

/// One who waits; dropping it gives up.
#[derive(Debug)]
pub(super) struct Waiting {
    inbox: String,
    answer: oneshot::Receiver<Answer>,
    _place: Place,
}

impl Waiting {
    pub(super) fn inbox(&self) -> &str {
        &self.inbox
    }

    pub(super) async fn answer(self) -> Answer {
        self.answer.await.unwrap_or(Answer::Closed)
    }
}

#[derive(Debug)]
struct Place {
    number: u64,
    waiters: Waiters,
}

impl Drop for Place {
    fn drop(&mut self) {
        lock(&self.waiters).remove(&self.number);
    }
}

async fn sort(mut answers: Subscriber, waiters: Waiters) {
    while let Some(message) = answers.next().await {
        let number = message.subject.rsplit('.').next().and_then(|token| token.parse().ok());
        // An answer that nobody waits for any more is late, which its asker knows.
        if let Some(waiter) = number.and_then(|number: u64| lock(&waiters).remove(&number)) {
            let _ = waiter.send(answer(message));
        }
    }
    lock(&waiters).clear();
}

fn answer(message: Message) -> Answer {
    if message.status == Some(StatusCode::NO_RESPONDERS) {
        Answer::NoResponders
    } else {
        Answer::Reply(message.payload)
    }
}

/// No change under this lock can stop half way, so a panic elsewhere does not spoil the map.
fn lock(waiters: &Waiters) -> MutexGuard<'_, HashMap<u64, oneshot::Sender<Answer>>> {
    waiters.lock().unwrap_or_else(PoisonError::into_inner)
}
