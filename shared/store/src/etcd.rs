//! The store in etcd.
//!
//! Every call ends within [`CALL_TIMEOUT`]. After an unclear end (a timeout, a lost connection) a
//! write may have happened or not; only what was certainly not sent is tried at the next member.
//! Watches go on by themselves, from where they were.

mod backoff;
mod fault;
mod listing;
mod members;
mod options;
#[cfg(test)]
mod tests;
mod watching;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use etcd_client::{Compare, CompareOp, KeyValue, PutOptions, Txn, TxnOp, TxnOpResponse, TxnResponse};
use tokio::sync::watch;

use crate::{Expect, LeaseId, Listing, Revision, Store, StoreError, Versioned, Watch, Written, within_bound};
use members::Members;

pub use members::EtcdStats;
pub use options::{EtcdOptions, EtcdTls};

/// How long any one call may take. Longer than etcd needs for a new leader, about 2.5 s.
pub const CALL_TIMEOUT: Duration = Duration::from_secs(5);

/// A client of an etcd cluster. A clone is another handle on the same.
#[derive(Clone)]
pub struct EtcdStore {
    members: Arc<Members>,
}

impl EtcdStore {
    /// Connects to one of the members, and later to others when it fails.
    pub async fn connect(options: EtcdOptions) -> Result<Self, StoreError> {
        let members = Members::new(options)?;
        members.call(|mut client| async move { client.status().await }).await?;
        Ok(Self { members: Arc::new(members) })
    }

    /// Whether the last call or sign of life of a watch succeeded, and every change of that.
    pub fn reachable(&self) -> watch::Receiver<bool> {
        self.members.reachable()
    }

    /// What happened so far.
    pub fn stats(&self) -> EtcdStats {
        self.members.stats()
    }

    /// One transaction: what `expect` compares, and `write` if it holds.
    async fn write(&self, key: &str, expect: Expect, write: TxnOp) -> Result<Written, StoreError> {
        let standing = TxnOp::get(key, None);
        let txn = Txn::new().when(compares(key, expect)).and_then([write]).or_else([standing]);
        let call = self.members.call(|mut client| {
            let txn = txn.clone();
            async move { client.txn(txn).await }
        });
        Ok(written(&call.await?))
    }
}

impl fmt::Debug for EtcdStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EtcdStore").field("stats", &self.stats()).finish_non_exhaustive()
    }
}

#[async_trait::async_trait]
impl Store for EtcdStore {
    async fn get(&self, key: &str) -> Result<Option<Versioned>, StoreError> {
        let answer = self.members.call(|mut client| async move { client.get(key, None).await }).await?;
        Ok(answer.kvs().first().map(versioned))
    }

    async fn list(&self, prefix: &str) -> Result<Listing, StoreError> {
        listing::list(&self.members, prefix).await
    }

    async fn list_at(&self, prefix: &str, at: Revision) -> Result<Listing, StoreError> {
        listing::list_at(&self.members, prefix, at).await
    }

    async fn put(
        &self,
        key: &str,
        value: Bytes,
        expect: Expect,
        lease: Option<LeaseId>,
    ) -> Result<Written, StoreError> {
        within_bound(&value)?;
        let options = lease.map(|LeaseId(id)| PutOptions::new().with_lease(id));
        self.write(key, expect, TxnOp::put(key, value, options)).await
    }

    async fn delete(&self, key: &str, expect: Expect) -> Result<Written, StoreError> {
        self.write(key, expect, TxnOp::delete(key, None)).await
    }

    async fn watch(&self, prefix: &str, after: Revision) -> Result<Watch, StoreError> {
        watching::watch(&self.members, prefix, after).await
    }

    async fn grant(&self, ttl: Duration) -> Result<LeaseId, StoreError> {
        let seconds = i64::try_from(ttl.as_millis().div_ceil(1_000)).unwrap_or(i64::MAX);
        let granted = self.members.call(|mut client| async move { client.lease_grant(seconds, None).await }).await?;
        Ok(LeaseId(granted.id()))
    }

    async fn renew(&self, lease: LeaseId) -> Result<(), StoreError> {
        let renewed = self.members.call(|mut client| async move { client.lease_keep_alive(lease.0).await });
        renewed.await.map(drop)
    }

    async fn revoke(&self, lease: LeaseId) -> Result<(), StoreError> {
        let revoked = self.members.call(|mut client| async move { client.lease_revoke(lease.0).await });
        match revoked.await {
            Ok(_) | Err(StoreError::LeaseGone) => Ok(()),
            Err(error) => Err(error),
        }
    }
}

fn compares(key: &str, expect: Expect) -> Vec<Compare> {
    match expect {
        Expect::Any => Vec::new(),
        Expect::Absent => vec![Compare::create_revision(key, CompareOp::Equal, 0)],
        Expect::Revision(revision) => vec![Compare::mod_revision(key, CompareOp::Equal, signed(revision))],
    }
}

fn written(answer: &TxnResponse) -> Written {
    if answer.succeeded() {
        return Written::Done(answer.header().map_or(Revision(0), |header| revision(header.revision())));
    }
    let standing = answer.op_responses().into_iter().find_map(|response| match response {
        TxnOpResponse::Get(standing) => standing.kvs().first().map(versioned),
        TxnOpResponse::Put(_) | TxnOpResponse::Delete(_) | TxnOpResponse::Txn(_) => None,
    });
    Written::Conflict(standing)
}

fn versioned(entry: &KeyValue) -> Versioned {
    Versioned { value: Bytes::copy_from_slice(entry.value()), revision: revision(entry.mod_revision()) }
}

/// etcd counts with a sign and never below zero.
fn revision(of_etcd: i64) -> Revision {
    Revision(of_etcd.cast_unsigned())
}

fn signed(revision: Revision) -> i64 {
    revision.0.cast_signed()
}
