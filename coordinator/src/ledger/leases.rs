//! Leases that many keys share: one for each key would cost the store more than the keys.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Mutex;
use tokio::time::Instant;
use velella_store::{LeaseId, Store, StoreError};

use crate::effects::in_time;

/// Leases that live for at least `at_least` after they are given out.
pub(super) struct Leases {
    store: Arc<dyn Store>,
    at_least: Duration,
    share: Duration,
    /// The newest, and until when it is given out.
    newest: Mutex<Option<(LeaseId, Instant)>>,
}

impl Leases {
    pub(super) fn new(store: Arc<dyn Store>, at_least: Duration, share: Duration) -> Self {
        Self { store, at_least, share, newest: Mutex::default() }
    }

    pub(super) async fn lease(&self) -> Result<LeaseId, StoreError> {
        let mut newest = self.newest.lock().await;
        let now = Instant::now();
        if let Some((lease, until)) = *newest
            && now < until
        {
            return Ok(lease);
        }
        let lease = in_time(self.store.grant(self.at_least + self.share)).await?;
        *newest = Some((lease, now + self.share));
        Ok(lease)
    }

    /// A lease that turned out to be gone is not given out again.
    pub(super) async fn forget(&self, lease: LeaseId) {
        let mut newest = self.newest.lock().await;
        if matches!(*newest, Some((newest, _)) if newest == lease) {
            *newest = None;
        }
    }
}
