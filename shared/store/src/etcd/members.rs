//! Which member is asked: one, until it fails, then the next.
//!
//! The balancing of the client library would ask a dead member for every n-th call; and the fastest
//! to fail looks like the least loaded.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use etcd_client::{Client, ConnectOptions, Error};
use tokio::sync::{OnceCell, watch};
use tokio::time::{Instant, timeout_at};

use super::fault::{fault, never_sent};
use super::{CALL_TIMEOUT, EtcdOptions};
use crate::StoreError;

/// A call that its caller gives up after this long counts against the member: who waits less than
/// [`CALL_TIMEOUT`] would ask one that hangs again and again.
pub(super) const HANGS_AFTER: Duration = Duration::from_secs(1);

pub(super) struct Members {
    members: Vec<Member>,
    current: AtomicUsize,
    reachable: watch::Sender<bool>,
    failovers: AtomicU64,
    pub(super) watches_resumed: AtomicU64,
    pub(super) watches_lost: AtomicU64,
}

struct Member {
    endpoint: String,
    options: ConnectOptions,
    /// Made when it is first needed: with a password, that takes a call.
    client: OnceCell<Client>,
}

/// What happened so far. All of it only grows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct EtcdStats {
    /// Times that a member was left for the next one.
    pub failovers: u64,
    /// Watches that went on after a lost connection.
    pub watches_resumed: u64,
    /// Watches that ended because changes were lost to them.
    pub watches_lost: u64,
}

impl Members {
    pub(super) fn new(options: EtcdOptions) -> Result<Self, StoreError> {
        if options.endpoints.is_empty() {
            return Err(StoreError::Denied("no endpoint of etcd is given".to_owned()));
        }
        let member = |endpoint: &String| {
            let (endpoint, options) = (endpoint.clone(), options.of(endpoint)?);
            Ok(Member { endpoint, options, client: OnceCell::new() })
        };
        Ok(Self {
            members: options.endpoints.iter().map(member).collect::<Result<_, StoreError>>()?,
            // Processes begin at different members.
            current: AtomicUsize::new(usize::try_from(std::process::id()).unwrap_or(0)),
            reachable: watch::Sender::new(true),
            failovers: AtomicU64::new(0),
            watches_resumed: AtomicU64::new(0),
            watches_lost: AtomicU64::new(0),
        })
    }

    pub(super) fn reachable(&self) -> watch::Receiver<bool> {
        self.reachable.subscribe()
    }

    pub(super) fn stats(&self) -> EtcdStats {
        EtcdStats {
            failovers: self.failovers.load(Ordering::Relaxed),
            watches_resumed: self.watches_resumed.load(Ordering::Relaxed),
            watches_lost: self.watches_lost.load(Ordering::Relaxed),
        }
    }

    /// One call at the current member, and at the next ones while it certainly was not sent.
    pub(super) async fn call<T, F>(&self, work: impl Fn(Client) -> F) -> Result<T, StoreError>
    where
        F: Future<Output = Result<T, Error>>,
    {
        self.call_turn(work).await.map(|(done, _)| done)
    }

    /// As [`Self::call`]; also tells whose turn it was, for [`Self::leave`].
    pub(super) async fn call_turn<T, F>(&self, work: impl Fn(Client) -> F) -> Result<(T, usize), StoreError>
    where
        F: Future<Output = Result<T, Error>>,
    {
        let deadline = Instant::now() + CALL_TIMEOUT;
        let mut tries = 0;
        loop {
            tries += 1;
            let turn = self.current.load(Ordering::Relaxed);
            let unanswered = Unanswered { members: self, turn, asked: Instant::now() };
            let answer = timeout_at(deadline, self.call_at(turn, &work)).await;
            unanswered.answered();
            let error = match answer {
                Ok(Ok(done)) => {
                    self.seen(true);
                    return Ok((done, turn));
                }
                Ok(Err(error)) if never_sent(&error) && tries < self.members.len() => {
                    self.leave(turn, &error.to_string());
                    continue;
                }
                Ok(Err(error)) => fault(&error),
                Err(_) => StoreError::Down(format!("no answer within {CALL_TIMEOUT:?}")),
            };
            self.seen(!error.is_retryable());
            if error.is_retryable() {
                self.leave(turn, &error.to_string());
            }
            return Err(error);
        }
    }

    async fn call_at<T, F>(&self, turn: usize, work: &impl Fn(Client) -> F) -> Result<T, Error>
    where
        F: Future<Output = Result<T, Error>>,
    {
        let member = self.member(turn).ok_or_else(|| Error::InvalidArgs("no member".to_owned()))?;
        let connect = || Client::connect([&member.endpoint], Some(member.options.clone()));
        let client = member.client.get_or_try_init(connect).await?;
        work(client.clone()).await
    }

    fn member(&self, turn: usize) -> Option<&Member> {
        self.members.get(turn % self.members.len())
    }

    /// Goes on to the next member, unless somebody else did so already.
    pub(super) fn leave(&self, turn: usize, why: &str) {
        let next = turn.wrapping_add(1);
        if self.current.compare_exchange(turn, next, Ordering::Relaxed, Ordering::Relaxed).is_ok() {
            self.failovers.fetch_add(1, Ordering::Relaxed);
            let endpoint = self.member(turn).map(|member| &member.endpoint);
            tracing::warn!(endpoint, why, "a member of etcd fails");
        }
    }

    /// Tells whether etcd shows signs of life.
    pub(super) fn seen(&self, alive: bool) {
        self.reachable.send_if_modified(|before| std::mem::replace(before, alive) != alive);
    }
}

/// A call on its way.
struct Unanswered<'a> {
    members: &'a Members,
    turn: usize,
    asked: Instant,
}

impl Unanswered<'_> {
    fn answered(self) {
        std::mem::forget(self);
    }
}

impl Drop for Unanswered<'_> {
    fn drop(&mut self) {
        if self.asked.elapsed() >= HANGS_AFTER {
            self.members.seen(false);
            self.members.leave(self.turn, "no answer until the call was given up");
        }
    }
}
