//! Keeps a key by asking the store what its [`Tenure`] wants.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio::sync::watch;

use crate::tenure::{Answer, Ask, RETRY, Standing, TTL, Tenure};
use crate::{Expect, LeaseId, Store, StoreError, Written};

/// A store that needs longer counts as down: several attempts fit into the life of a lease.
const STORE_TIMEOUT: Duration = Duration::from_millis(1_500);

/// A key that is kept until this is dropped; see [`Keeper::resign`] for giving it back at once.
pub struct Keeper {
    store: Arc<dyn Store>,
    standing: watch::Receiver<Standing>,
    lease: watch::Receiver<Option<LeaseId>>,
    task: tokio::task::JoinHandle<()>,
}

impl Keeper {
    /// Claims `key` as soon as nobody else holds it, with this value, and again whenever it was lost.
    pub fn start(store: Arc<dyn Store>, key: String, value: Bytes) -> Self {
        let (standing_in, standing) = watch::channel(Standing::Out);
        let (lease_in, lease) = watch::channel(None);
        let task = tokio::spawn(keep(store.clone(), key, value, standing_in, lease_in));
        Self { store, standing, lease, task }
    }

    /// Whether the key is ours, now and from now on.
    pub fn standing(&self) -> watch::Receiver<Standing> {
        self.standing.clone()
    }

    /// The lease that the key stands under, for keys that shall vanish with it; another one after each new claim.
    pub fn lease(&self) -> watch::Receiver<Option<LeaseId>> {
        self.lease.clone()
    }

    /// Gives the key back, so that others need not wait for the lease to run out.
    pub async fn resign(self) {
        self.task.abort();
        let lease = *self.lease.borrow();
        let Some(lease) = lease else { return };
        if let Err(error) = in_time(self.store.revoke(lease)).await {
            tracing::warn!(%error, "a lease could not be given back; it runs out by itself");
        }
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn keep(
    store: Arc<dyn Store>,
    key: String,
    value: Bytes,
    standing: watch::Sender<Standing>,
    lease: watch::Sender<Option<LeaseId>>,
) {
    let mut tenure = Tenure::new(Instant::now());
    loop {
        match tenure.poll(Instant::now()) {
            Some(ask) => {
                let answer = answer(&*store, &key, &value, ask).await;
                tenure.answered(answer, Instant::now());
                lease.send_replace(tenure.lease());
                tell(&key, &standing, tenure.standing());
            }
            None => tokio::time::sleep_until(tenure.wakes_at().map_or_else(soon, Into::into)).await,
        }
    }
}

fn soon() -> tokio::time::Instant {
    tokio::time::Instant::now() + RETRY
}

async fn answer(store: &dyn Store, key: &str, value: &Bytes, ask: Ask) -> Answer {
    let answer = async {
        Ok(match ask {
            Ask::Look => {
                if store.get(key).await?.is_some() {
                    Answer::Taken
                } else {
                    Answer::Free
                }
            }
            Ask::Grant => Answer::Granted(store.grant(TTL).await?),
            Ask::Claim(lease) => match store.put(key, value.clone(), Expect::Absent, Some(lease)).await? {
                Written::Done(revision) => Answer::Claimed(revision),
                Written::Conflict(_) => {
                    store.revoke(lease).await?;
                    Answer::Taken
                }
            },
            Ask::Renew(lease, revision) => {
                store.renew(lease).await?;
                let stands = store.get(key).await?.is_some_and(|standing| standing.revision == revision);
                if !stands {
                    store.revoke(lease).await?;
                    return Ok(Answer::Gone);
                }
                Answer::Renewed
            }
        })
    };
    match in_time(answer).await {
        Ok(answer) => answer,
        Err(StoreError::LeaseGone) => Answer::Gone,
        Err(error) => {
            tracing::warn!(key, %error, "a lease could not be renewed");
            Answer::Down
        }
    }
}

fn tell(key: &str, sender: &watch::Sender<Standing>, new: Standing) {
    let name = |standing: &Standing| match standing {
        Standing::Out => "out",
        Standing::Taken => "taken by another",
        Standing::Held { .. } => "held",
    };
    let old = sender.send_replace(new);
    if name(&old) != name(&new) {
        tracing::info!(key, standing = name(&new), "a leased key changed hands");
    }
}

async fn in_time<T>(call: impl Future<Output = Result<T, StoreError>>) -> Result<T, StoreError> {
    let late = |_| Err(StoreError::Down(format!("no answer within {STORE_TIMEOUT:?}")));
    tokio::time::timeout(STORE_TIMEOUT, call).await.unwrap_or_else(late)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory::MemoryStore;

    const KEY: &str = "a key";

    #[tokio::test]
    async fn the_second_holder_waits_until_the_first_resigns() {
        let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
        let first = Keeper::start(store.clone(), KEY.into(), Bytes::from_static(b"1"));
        until(&first, |s| matches!(s, Standing::Held { .. })).await;
        let second = Keeper::start(store.clone(), KEY.into(), Bytes::from_static(b"2"));
        until(&second, |s| *s == Standing::Taken).await;
        first.resign().await;
        until(&second, |s| matches!(s, Standing::Held { .. })).await;
        assert_eq!(store.get(KEY).await.unwrap().unwrap().value, "2");
    }

    #[tokio::test]
    async fn who_is_declared_dead_learns_it_and_claims_anew() {
        let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
        let keeper = Keeper::start(store.clone(), KEY.into(), Bytes::new());
        until(&keeper, |s| matches!(s, Standing::Held { claim: 1, .. })).await;
        store.delete(KEY, Expect::Any).await.unwrap();
        until(&keeper, |s| matches!(s, Standing::Held { claim: 2, .. })).await;
    }

    async fn until(keeper: &Keeper, wanted: impl FnMut(&Standing) -> bool) {
        let mut standing = keeper.standing();
        let reached = standing.wait_for(wanted);
        tokio::time::timeout(Duration::from_secs(10), reached).await.expect("in time").expect("the keeper lives");
    }
}
