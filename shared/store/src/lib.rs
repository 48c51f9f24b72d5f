//! The truth: versioned keys with preconditions, watches and leases.
//!
//! What etcd gives, and no more. [`etcd`] is for a cluster, [`memory`] its twin for one process; both
//! pass `contract`.

#![warn(missing_docs)]

#[cfg(test)]
mod contract;
pub mod etcd;
mod follower;
mod keeper;
pub mod memory;
pub mod tenure;

use std::time::Duration;

use bytes::Bytes;
pub use follower::{Follower, STEPS_MAX, Step};
pub use keeper::Keeper;
use tokio::sync::mpsc;

/// Changes that one watch may hold; a watcher that falls further behind gets [`Change::Lost`] as its last.
pub const WATCH_CHANGES_MAX: usize = 16_384;

/// Largest value. etcd takes 1.5 MiB in one request unless told otherwise.
pub const VALUE_BYTES_MAX: usize = 1024 * 1024;

/// Counts every write to the store; grows by one with each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Revision(pub u64);

/// A value with the revision of its last write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Versioned {
    /// The value.
    pub value: Bytes,
    /// Its last write.
    pub revision: Revision,
}

/// What must hold for a write to happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expect {
    /// Anything.
    Any,
    /// The key does not exist.
    Absent,
    /// The key was last written at this revision.
    Revision(Revision),
}

/// How a write went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Written {
    /// It happened, at this revision.
    Done(Revision),
    /// The precondition did not hold; this is what stands there.
    Conflict(Option<Versioned>),
}

/// Everything under a prefix at one revision.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Listing {
    /// In key order.
    pub entries: Vec<(String, Versioned)>,
    /// Watch after this to miss nothing.
    pub revision: Revision,
}

/// One step of a watch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// A key was written.
    Put {
        /// The key.
        key: String,
        /// What stands there now.
        versioned: Versioned,
    },
    /// A key was deleted or its lease ran out.
    Deleted {
        /// The key.
        key: String,
        /// The revision of the deletion.
        revision: Revision,
    },
    /// The watch missed changes (too slow, or what it asked for is compacted) and ends here: list
    /// again, and watch after that listing.
    Lost,
}

impl Change {
    /// The key that changed; of [`Change::Lost`] none is known.
    pub fn key(&self) -> Option<&str> {
        match self {
            Self::Put { key, .. } | Self::Deleted { key, .. } => Some(key),
            Self::Lost => None,
        }
    }
}

/// A time-bounded right; keys bound to it vanish when it is not renewed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct LeaseId(pub i64);

/// The store.
#[async_trait::async_trait]
pub trait Store: Send + Sync {
    /// One key.
    async fn get(&self, key: &str) -> Result<Option<Versioned>, StoreError>;
    /// All keys that start with `prefix`.
    async fn list(&self, prefix: &str) -> Result<Listing, StoreError>;
    /// The same as of an earlier revision, for as long as it is remembered; [`StoreError::Compacted`]
    /// when it is not.
    async fn list_at(&self, prefix: &str, at: Revision) -> Result<Listing, StoreError>;
    /// Writes if `expect` holds; bound to `lease` when given, to none otherwise.
    /// [`StoreError::LeaseGone`] when that lease ran out and nothing else stands in the way.
    async fn put(&self, key: &str, value: Bytes, expect: Expect, lease: Option<LeaseId>)
    -> Result<Written, StoreError>;
    /// Deletes if `expect` holds. Deleting an absent key with [`Expect::Any`] is done.
    async fn delete(&self, key: &str, expect: Expect) -> Result<Written, StoreError>;
    /// Changes under `prefix` after `after`, in order.
    async fn watch(&self, prefix: &str, after: Revision) -> Result<Watch, StoreError>;
    /// Grants a lease.
    async fn grant(&self, ttl: Duration) -> Result<LeaseId, StoreError>;
    /// Renews a lease; [`StoreError::LeaseGone`] when it ran out.
    async fn renew(&self, lease: LeaseId) -> Result<(), StoreError>;
    /// Ends a lease and deletes its keys. A lease that is gone already is no error.
    async fn revoke(&self, lease: LeaseId) -> Result<(), StoreError>;
}

/// A stream of changes; dropping it ends the watch.
#[derive(Debug)]
pub struct Watch {
    changes: mpsc::Receiver<Change>,
}

impl Watch {
    /// The next change; `None` after [`Change::Lost`], or when the store is closed.
    pub async fn next(&mut self) -> Option<Change> {
        self.changes.recv().await
    }
}

/// Why the store did not answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// The lease ran out.
    #[error("the lease is gone")]
    LeaseGone,
    /// The store does not remember the revision, or was made anew and has not come to it.
    #[error("revision {} is not known", .0.0)]
    Compacted(Revision),
    /// The value is over [`VALUE_BYTES_MAX`].
    #[error("a value of {bytes} bytes is over the limit of {VALUE_BYTES_MAX}")]
    TooLarge {
        /// Its size.
        bytes: usize,
    },
    /// The store has no room left and takes no writes until an operator makes some. It still reads
    /// and deletes.
    #[error("the store is full")]
    Full,
    /// The store does not let us: wrong login, missing permission, unusable settings.
    #[error("the store refuses: {0}")]
    Denied(String),
    /// The store cannot be reached, or did not answer in time. A write may have happened or not.
    #[error("the store is down: {0}")]
    Down(String),
}

impl StoreError {
    /// Whether the same call may succeed later.
    pub fn is_retryable(&self) -> bool {
        matches!(self, Self::Down(_))
    }
}

fn within_bound(value: &Bytes) -> Result<(), StoreError> {
    if value.len() > VALUE_BYTES_MAX { Err(StoreError::TooLarge { bytes: value.len() }) } else { Ok(()) }
}
