//! The store inside one process.
//!
//! A clone is another handle on the same store. One lock orders all writes, as one raft log does.
//! Nothing is kept when the process ends.

mod feeds;
mod leases;
mod table;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use bytes::Bytes;
use tokio::time::{Instant, sleep_until};

use crate::{Change, Expect, LeaseId, Listing, Revision, Store, StoreError, Versioned, Watch, Written, within_bound};
use feeds::Feeds;
use leases::Leases;
use table::Table;

/// A store whose clients all live in this process.
#[derive(Clone, Debug, Default)]
pub struct MemoryStore {
    shared: Arc<Mutex<Shared>>,
}

impl MemoryStore {
    /// An empty store.
    pub fn new() -> Self {
        Self::default()
    }

    /// The state as of now: what has run out is gone.
    fn now(&self) -> MutexGuard<'_, Shared> {
        let mut shared = lock(&self.shared);
        shared.expire(Instant::now());
        shared
    }
}

#[async_trait::async_trait]
impl Store for MemoryStore {
    async fn get(&self, key: &str) -> Result<Option<Versioned>, StoreError> {
        Ok(self.now().table.get(key).cloned())
    }

    async fn list(&self, prefix: &str) -> Result<Listing, StoreError> {
        Ok(self.now().table.list(prefix))
    }

    async fn list_at(&self, prefix: &str, at: Revision) -> Result<Listing, StoreError> {
        let shared = self.now();
        let listing = shared.table.list(prefix);
        if at > listing.revision {
            return Err(StoreError::Compacted(at));
        }
        shared.feeds.undo(listing, prefix, at)
    }

    async fn put(
        &self,
        key: &str,
        value: Bytes,
        expect: Expect,
        lease: Option<LeaseId>,
    ) -> Result<Written, StoreError> {
        within_bound(&value)?;
        self.now().put(key, value, expect, lease)
    }

    async fn delete(&self, key: &str, expect: Expect) -> Result<Written, StoreError> {
        Ok(self.now().delete(key, expect))
    }

    async fn watch(&self, prefix: &str, after: Revision) -> Result<Watch, StoreError> {
        Ok(Watch { changes: self.now().feeds.open(prefix, after) })
    }

    async fn grant(&self, ttl: Duration) -> Result<LeaseId, StoreError> {
        let lease = self.now().leases.grant(ttl, Instant::now());
        tokio::spawn(expire_in_time(Arc::downgrade(&self.shared), lease));
        Ok(lease)
    }

    async fn renew(&self, lease: LeaseId) -> Result<(), StoreError> {
        self.now().leases.renew(lease, Instant::now())
    }

    async fn revoke(&self, lease: LeaseId) -> Result<(), StoreError> {
        self.now().revoke(lease);
        Ok(())
    }
}

/// Lets a lease run out even when nobody asks; ends with the lease or the store.
async fn expire_in_time(store: Weak<Mutex<Shared>>, lease: LeaseId) {
    loop {
        let Some(deadline) = store.upgrade().and_then(|shared| lock(&shared).leases.deadline(lease)) else { return };
        sleep_until(deadline).await;
        let Some(shared) = store.upgrade() else { return };
        lock(&shared).expire(Instant::now());
    }
}

#[derive(Debug, Default)]
struct Shared {
    table: Table,
    leases: Leases,
    feeds: Feeds,
}

impl Shared {
    fn put(&mut self, key: &str, value: Bytes, expect: Expect, lease: Option<LeaseId>) -> Result<Written, StoreError> {
        if let Err(standing) = self.table.check(key, expect) {
            return Ok(Written::Conflict(standing));
        }
        if lease.is_some_and(|lease| self.leases.deadline(lease).is_none()) {
            return Err(StoreError::LeaseGone);
        }
        let before = self.table.get(key).cloned();
        let versioned = self.table.put(key, value);
        let revision = versioned.revision;
        self.leases.bind(key, lease);
        self.feeds.tell(revision, Change::Put { key: key.to_owned(), versioned }, before);
        Ok(Written::Done(revision))
    }

    fn delete(&mut self, key: &str, expect: Expect) -> Written {
        if let Err(standing) = self.table.check(key, expect) {
            return Written::Conflict(standing);
        }
        self.remove(key);
        Written::Done(self.table.revision())
    }

    fn expire(&mut self, now: Instant) {
        for lease in self.leases.run_out(now) {
            self.revoke(lease);
        }
    }

    fn revoke(&mut self, lease: LeaseId) {
        for key in self.leases.end(lease) {
            self.remove(&key);
        }
    }

    fn remove(&mut self, key: &str) {
        self.leases.bind(key, None);
        let before = self.table.get(key).cloned();
        if let Some(revision) = self.table.remove(key) {
            self.feeds.tell(revision, Change::Deleted { key: key.to_owned(), revision }, before);
        }
    }
}

/// No write under this lock can stop half way, so a panic elsewhere does not spoil the state.
fn lock(shared: &Mutex<Shared>) -> MutexGuard<'_, Shared> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contract;

    #[tokio::test(start_paused = true)]
    async fn the_memory_store_holds_the_contract() {
        let store = MemoryStore::new();
        contract::holds(async || store.clone()).await;
    }

    #[tokio::test]
    async fn a_clone_is_the_same_store() {
        let store = MemoryStore::new();
        store.clone().put("a", Bytes::from_static(b"1"), Expect::Any, None).await.unwrap();
        assert_eq!(store.get("a").await.unwrap().unwrap().value, "1");
    }

    #[tokio::test]
    async fn a_watch_ends_with_its_store() {
        let store = MemoryStore::new();
        let mut watch = store.watch("", Revision(0)).await.unwrap();
        drop(store);
        assert_eq!(watch.next().await, None);
    }
}
