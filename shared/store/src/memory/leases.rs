//! Who may live until when, and which keys die with them.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use tokio::time::Instant;

use crate::{LeaseId, StoreError};

#[derive(Debug, Default)]
pub(super) struct Leases {
    leases: BTreeMap<i64, Lease>,
    /// The other direction: every bound key and its lease.
    bound: BTreeMap<String, LeaseId>,
    granted: i64,
}

#[derive(Debug)]
struct Lease {
    ttl: Duration,
    deadline: Instant,
    keys: BTreeSet<String>,
}

impl Leases {
    pub(super) fn grant(&mut self, ttl: Duration, now: Instant) -> LeaseId {
        self.granted += 1;
        self.leases.insert(self.granted, Lease { ttl, deadline: now + ttl, keys: BTreeSet::new() });
        LeaseId(self.granted)
    }

    pub(super) fn renew(&mut self, lease: LeaseId, now: Instant) -> Result<(), StoreError> {
        let lease = self.leases.get_mut(&lease.0).ok_or(StoreError::LeaseGone)?;
        lease.deadline = now + lease.ttl;
        Ok(())
    }

    /// `None` when the lease is gone.
    pub(super) fn deadline(&self, lease: LeaseId) -> Option<Instant> {
        self.leases.get(&lease.0).map(|lease| lease.deadline)
    }

    /// Binds `key` to this lease and to no other; `None` frees it.
    pub(super) fn bind(&mut self, key: &str, lease: Option<LeaseId>) {
        let before = match lease {
            Some(lease) => self.bound.insert(key.to_owned(), lease),
            None => self.bound.remove(key),
        };
        if let Some(lease) = before.and_then(|before| self.leases.get_mut(&before.0)) {
            lease.keys.remove(key);
        }
        if let Some(lease) = lease.and_then(|lease| self.leases.get_mut(&lease.0)) {
            lease.keys.insert(key.to_owned());
        }
    }

    pub(super) fn run_out(&self, now: Instant) -> Vec<LeaseId> {
        self.leases.iter().filter(|(_, lease)| lease.deadline <= now).map(|(id, _)| LeaseId(*id)).collect()
    }

    /// Forgets a lease; returns the keys that die with it.
    pub(super) fn end(&mut self, lease: LeaseId) -> BTreeSet<String> {
        self.leases.remove(&lease.0).map(|lease| lease.keys).unwrap_or_default()
    }
}
