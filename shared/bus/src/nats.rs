//! The bus over NATS.
//!
//! What the client library leaves open is decided here. While the server is away, messages are
//! refused instead of kept for later. A subscription is known to the server before it is handed out.
//! What a slow subscriber loses is counted. A request that nobody answers leaves nothing behind.

mod backoff;
mod events;
mod options;
mod replies;
#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_nats::connection::State;
use async_nats::{Client, Message, Subscriber};
use bytes::Bytes;
use futures_util::StreamExt;
use tokio::sync::{Notify, watch};
use tokio::task::AbortHandle;

use crate::subscription::{Feed, subscription};
use crate::{Bus, BusError, Delivery, Subscription, within_bound};
use events::Counters;
use replies::{Answer, Replies, Waiting};

pub use options::{ConnectError, NatsAuth, NatsOptions, NatsTls};

/// How long a message may wait for room on its way to the server. A server that stalls for longer
/// is as good as down.
const PUBLISH_TIMEOUT: Duration = Duration::from_secs(1);

/// How long the server may take to take note of a subscription.
const SUBSCRIBE_TIMEOUT: Duration = Duration::from_secs(2);

/// How often the connection is looked at, besides whenever the library tells of it: it drops what
/// it tells when nobody listens fast enough.
const STATE_INTERVAL: Duration = Duration::from_millis(200);

/// A connection to NATS, kept up for as long as a clone of it or a subscription lives.
#[derive(Clone)]
pub struct NatsBus {
    link: Arc<Link>,
}

/// What all clones share.
struct Link {
    client: Client,
    replies: Replies,
    counters: Arc<Counters>,
    refused: AtomicU64,
    connected: watch::Receiver<bool>,
    watching: AbortHandle,
}

/// What happened so far. All of it only grows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NatsStats {
    /// Times that the connection came back.
    pub reconnects: u64,
    /// Messages, requests and subscriptions refused because the server was away or stalled.
    pub refused: u64,
    /// Times that the server forbade a subject. The log says which.
    pub forbidden: u64,
    /// Messages lost before they reached their subscription, which does not count them; at least. Any
    /// at all means that this process gets too little CPU.
    pub lost: u64,
}

impl NatsBus {
    /// Connects once. Later losses of the connection are repaired for as long as it takes.
    pub async fn connect(options: NatsOptions) -> Result<Self, ConnectError> {
        let (counters, changed) = (Arc::new(Counters::default()), Arc::new(Notify::new()));
        let client = options.connect(events::listener(Arc::clone(&counters), Arc::clone(&changed))).await?;
        let replies = Replies::open(&client).await.map_err(ConnectError::Unreachable)?;
        let (state, connected) = watch::channel(true);
        let watching = tokio::spawn(watch_connection(client.clone(), state, changed)).abort_handle();
        let link = Link { client, replies, counters, refused: AtomicU64::new(0), connected, watching };
        Ok(Self { link: Arc::new(link) })
    }

    /// What happened so far.
    pub fn stats(&self) -> NatsStats {
        let connects = self.link.client.statistics().connects.load(Ordering::Relaxed);
        NatsStats {
            reconnects: connects.saturating_sub(1),
            refused: self.link.refused.load(Ordering::Relaxed),
            forbidden: self.link.counters.forbidden(),
            lost: self.link.counters.lost(),
        }
    }

    /// Waits until the server has everything that was published here; for the end of a process.
    pub async fn flush(&self, timeout: Duration) -> Result<(), BusError> {
        self.in_time("flush", timeout, self.link.round_trip()).await
    }

    /// Fails now where waiting would not help. What a server misses while it is away is lost:
    /// a command that arrives minutes late does more harm.
    fn up(&self) -> Result<(), BusError> {
        match self.link.client.connection_state() {
            State::Connected => Ok(()),
            State::Pending | State::Disconnected => Err(self.refuse("not connected to NATS".to_owned())),
        }
    }

    async fn in_time<T, E: fmt::Display>(
        &self,
        what: &str,
        limit: Duration,
        work: impl Future<Output = Result<T, E>>,
    ) -> Result<T, BusError> {
        match tokio::time::timeout(limit, work).await {
            Ok(done) => done.map_err(|error| self.refuse(format!("{what}: {error}"))),
            Err(_) => Err(self.refuse(format!("{what}: NATS stalls for more than {limit:?}"))),
        }
    }

    fn refuse(&self, why: String) -> BusError {
        self.link.refused.fetch_add(1, Ordering::Relaxed);
        BusError::Down(why)
    }

    /// Sends a question and waits, for as long as the connection lasts.
    async fn ask(&self, subject: &str, payload: Bytes, waiting: Waiting) -> Result<Answer, BusError> {
        let inbox = waiting.inbox().to_owned();
        let asked = self.link.client.publish_with_reply(subject.to_owned(), inbox, payload);
        self.in_time("request", PUBLISH_TIMEOUT, asked).await?;
        let mut connected = self.connected();
        tokio::select! {
            answer = waiting.answer() => Ok(answer),
            _ = connected.wait_for(|connected| !connected) => {
                Err(BusError::Down("the connection to NATS was lost before the answer".to_owned()))
            }
        }
    }
}

impl Link {
    /// The server works in order: what we sent to ourselves comes after everything before it.
    async fn round_trip(&self) -> Result<(), async_nats::PublishError> {
        let waiting = self.replies.expect();
        self.client.publish(waiting.inbox().to_owned(), Bytes::new()).await?;
        waiting.answer().await;
        Ok(())
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.watching.abort();
    }
}

impl fmt::Debug for NatsBus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let connected = *self.link.connected.borrow();
        f.debug_struct("NatsBus").field("connected", &connected).field("stats", &self.stats()).finish()
    }
}

#[async_trait::async_trait]
impl Bus for NatsBus {
    fn connected(&self) -> watch::Receiver<bool> {
        self.link.connected.clone()
    }

    async fn publish(&self, subject: &str, payload: Bytes) -> Result<(), BusError> {
        within_bound(&payload)?;
        self.up()?;
        let published = self.link.client.publish(subject.to_owned(), payload);
        self.in_time("publish", PUBLISH_TIMEOUT, published).await
    }

    async fn subscribe(&self, subject: &str) -> Result<Subscription, BusError> {
        self.up()?;
        let subscribed = self.link.client.subscribe(subject.to_owned());
        let subscriber = self.in_time("subscribe", SUBSCRIBE_TIMEOUT, subscribed).await?;
        self.in_time("subscribe", SUBSCRIBE_TIMEOUT, self.link.round_trip()).await?;
        // Nothing to undo: the task sees that its reader is gone.
        let (feed, subscription) = subscription(|| ());
        // Unconstrained, since the connection takes thousands of messages from its socket in one turn:
        // a task that may take 128 in its own falls behind, and then the library drops.
        tokio::spawn(tokio::task::unconstrained(pass_on(subscriber, feed)));
        Ok(subscription)
    }

    async fn request(&self, subject: &str, payload: Bytes, timeout: Duration) -> Result<Bytes, BusError> {
        within_bound(&payload)?;
        self.up()?;
        let asked = self.ask(subject, payload, self.link.replies.expect());
        match tokio::time::timeout(timeout, asked).await {
            Ok(Ok(Answer::Reply(payload))) => Ok(payload),
            Ok(Ok(Answer::NoResponders)) => Err(BusError::NoResponders { subject: subject.to_owned() }),
            Ok(Ok(Answer::Closed)) => Err(BusError::Down("the connection to NATS is closed".to_owned())),
            Ok(Err(error)) => Err(error),
            Err(_) => Err(BusError::TimedOut { subject: subject.to_owned(), timeout }),
        }
    }
}

/// From the library's queue, which would drop in silence, into one that counts.
async fn pass_on(mut subscriber: Subscriber, feed: Feed) {
    loop {
        let message = tokio::select! {
            message = subscriber.next() => message,
            () = feed.closed() => None,
        };
        let Some(Message { payload, reply, .. }) = message else { return };
        feed.deliver(Delivery { payload, reply: reply.map(|reply| reply.to_string()) });
    }
}

async fn watch_connection(client: Client, connected: watch::Sender<bool>, changed: Arc<Notify>) {
    let mut interval = tokio::time::interval(STATE_INTERVAL);
    loop {
        tokio::select! {
            _ = interval.tick() => {}
            () = changed.notified() => {}
        }
        let now = client.connection_state() == State::Connected;
        let flipped = connected.send_if_modified(|before| std::mem::replace(before, now) != now);
        match (flipped, now) {
            (true, true) => tracing::info!("the connection to NATS is back"),
            (true, false) => tracing::warn!("the connection to NATS is lost"),
            (false, _) => {}
        }
    }
}
