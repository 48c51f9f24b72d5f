//! Everything under a prefix, and every change after that, for as long as somebody listens.
//!
//! Lists, watches, and goes on from where a lost watch was; lists again only when changes in between are
//! compacted.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;

use crate::{Change, Listing, Revision, Store, StoreError};

/// Steps between the watch and who takes them; when it is full the watch waits, and is lost in time.
pub const STEPS_MAX: usize = 1024;

/// Wait before the store is asked again.
const RETRY: Duration = Duration::from_millis(500);

/// What the store shows, in order.
#[derive(Debug)]
pub enum Step {
    /// Everything under the prefix. Comes first, and again when changes in between are lost.
    Listed(Listing),
    /// One change, never [`Change::Lost`].
    Changed(Change),
}

/// Follows; dropping it ends that.
#[derive(Debug)]
pub struct Follower {
    steps: mpsc::Receiver<Step>,
    task: tokio::task::JoinHandle<()>,
}

impl Follower {
    /// Follows what stands under `prefix`, from now on.
    pub fn start(store: Arc<dyn Store>, prefix: &'static str) -> Self {
        Self::run(store, prefix, None)
    }

    /// The same from what stood there at this revision; from now on, when that is compacted.
    pub fn start_at(store: Arc<dyn Store>, prefix: &'static str, revision: Revision) -> Self {
        Self::run(store, prefix, Some(revision))
    }

    fn run(store: Arc<dyn Store>, prefix: &'static str, start: Option<Revision>) -> Self {
        let (steps_in, steps) = mpsc::channel(STEPS_MAX);
        Self { steps, task: tokio::spawn(follow(store, prefix, start, steps_in)) }
    }

    /// The next step. Never `None` while the process lives.
    pub async fn next(&mut self) -> Option<Step> {
        self.steps.recv().await
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn follow(store: Arc<dyn Store>, prefix: &str, mut start: Option<Revision>, steps: mpsc::Sender<Step>) {
    loop {
        let listed = match start {
            Some(revision) => store.list_at(prefix, revision).await,
            None => store.list(prefix).await,
        };
        let listing = match listed {
            Ok(listing) => listing,
            Err(StoreError::Compacted(_)) if start.take().is_some() => continue,
            Err(error) => {
                failed(&error).await;
                continue;
            }
        };
        start = None;
        let mut seen = listing.revision;
        if steps.send(Step::Listed(listing)).await.is_err() {
            return;
        }
        loop {
            match watch(&*store, prefix, seen, &steps).await {
                Ok(None) => return,
                // Too slow: it has the rest of the changes by asking again.
                Ok(Some(after)) if after > seen => seen = after,
                Ok(Some(_)) => break,
                Err(error) => failed(&error).await,
            }
        }
        tracing::warn!(after = seen.0, "changes of the store are compacted before they were seen; listing again");
    }
}

/// The revision after which changes were lost; `None` when nobody listens any more.
async fn watch(
    store: &dyn Store,
    prefix: &str,
    after: Revision,
    steps: &mpsc::Sender<Step>,
) -> Result<Option<Revision>, StoreError> {
    let mut watch = store.watch(prefix, after).await?;
    let mut seen = after;
    while let Some(change) = watch.next().await {
        seen = match &change {
            Change::Put { versioned, .. } => versioned.revision,
            Change::Deleted { revision, .. } => *revision,
            Change::Lost => return Ok(Some(seen)),
        };
        if steps.send(Step::Changed(change)).await.is_err() {
            return Ok(None);
        }
    }
    Ok(None)
}

async fn failed(error: &StoreError) {
    tracing::warn!(%error, "the store cannot be followed");
    tokio::time::sleep(RETRY).await;
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::memory::MemoryStore;
    use crate::{Expect, WATCH_CHANGES_MAX, Written};

    #[tokio::test]
    async fn what_stands_comes_first_and_then_every_change() {
        let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
        store.put("a/1", Bytes::new(), Expect::Any, None).await.unwrap();
        store.put("b/1", Bytes::new(), Expect::Any, None).await.unwrap();
        let mut follower = Follower::start(store.clone(), "a/");
        let Some(Step::Listed(listing)) = follower.next().await else { panic!("a listing") };
        assert_eq!(listing.entries.len(), 1);
        store.put("a/2", Bytes::new(), Expect::Any, None).await.unwrap();
        store.delete("a/1", Expect::Any).await.unwrap();
        let mut key = async || match follower.next().await {
            Some(Step::Changed(change)) => change.key().map(String::from),
            other => panic!("{other:?}"),
        };
        assert_eq!([key().await.as_deref(), key().await.as_deref()], [Some("a/2"), Some("a/1")]);
    }

    #[tokio::test]
    async fn it_begins_in_the_past_as_far_as_that_is_remembered() {
        let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
        let put = async |key| match store.put(key, Bytes::new(), Expect::Any, None).await {
            Ok(Written::Done(revision)) => revision,
            other => panic!("{other:?}"),
        };
        let listed = async |revision| match Follower::start_at(store.clone(), "a/", revision).next().await {
            Some(Step::Listed(listing)) => (listing.entries.len(), listing.revision),
            other => panic!("{other:?}"),
        };
        let (first, mut last) = (put("a/1").await, put("a/2").await);
        assert_eq!(listed(first).await, (1, first));
        for _ in 0..WATCH_CHANGES_MAX {
            last = put("a/2").await;
        }
        assert_eq!(listed(first).await, (2, last));
    }
}
