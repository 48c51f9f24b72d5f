//! Writes how an ingest goes into the store, under the gateway's lease.
//!
//! What was assigned to us is ours by the generation that the record names: one of a newer generation is left
//! alone, since another gateway has the job by then. What is published to us is ours because we were the first
//! to say so, or because the component lets a later publisher take the place of an earlier one.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use velella_gateway_core::Progress;
use velella_model::Generation;
use velella_model::component::{IngestRecord, IngestState, Job};
use velella_model::wire::{decode, encode};
use velella_store::{Expect, LeaseId, Store, StoreError, Versioned, Written};

/// Wait after the store failed.
pub(crate) const RETRY: Duration = Duration::from_millis(500);

/// A store that needs longer for one call counts as down.
const STORE_TIMEOUT: Duration = Duration::from_secs(5);

/// By what right a record is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Right {
    /// The component's record names us.
    Assigned,
    /// A publisher came to us.
    Published,
}

/// What a record is written for.
#[derive(Clone)]
pub(crate) struct Report {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) key: String,
    pub(crate) job: Job,
    pub(crate) generation: Generation,
    pub(crate) right: Right,
}

/// What stands in the way of a write.
#[derive(Debug)]
pub(crate) enum Failure {
    /// Another gateway has the job.
    Superseded,
    /// It may go better later.
    Store(StoreError),
}

impl Report {
    /// Writes the newest progress whenever it or the lease changes; removes the record when the ingest is gone.
    pub(crate) async fn run(
        self,
        mut progress: watch::Receiver<Option<Progress>>,
        mut lease: watch::Receiver<Option<LeaseId>>,
    ) {
        loop {
            let newest = progress.borrow_and_update().clone();
            let under = *lease.borrow_and_update();
            if let (Some(newest), Some(under)) = (newest, under) {
                match in_time(self.write(newest, under)).await {
                    Ok(()) => {}
                    Err(Failure::Superseded) => tracing::info!(key = self.key, "another gateway has the job"),
                    Err(Failure::Store(error)) => {
                        tracing::warn!(key = self.key, %error, "how an ingest goes was not written");
                        tokio::time::sleep(RETRY).await;
                        if progress.has_changed().is_ok() {
                            continue;
                        }
                    }
                }
            }
            tokio::select! {
                changed = progress.changed() => if changed.is_err() { break },
                changed = lease.changed() => if changed.is_err() { break },
            }
        }
        if let Err(Failure::Store(error)) = in_time(self.remove()).await {
            tracing::warn!(key = self.key, %error, "the record of an ingest stays until its lease ends");
        }
    }

    /// Takes a component for a publisher that came here; `takeover` from whoever has it.
    pub(crate) async fn claim(&self, takeover: bool, lease: LeaseId) -> Result<(), Failure> {
        let progress = Progress { state: IngestState::Connecting, trouble: None, tracks: BTreeMap::new() };
        in_time(self.put(progress, takeover, lease)).await
    }

    async fn write(&self, progress: Progress, lease: LeaseId) -> Result<(), Failure> {
        self.put(progress, false, lease).await
    }

    async fn put(&self, progress: Progress, takeover: bool, lease: LeaseId) -> Result<(), Failure> {
        let Progress { state, trouble, tracks } = progress;
        let record = IngestRecord { job: self.job.clone(), generation: self.generation, state, trouble, tracks };
        let value = bytes::Bytes::from(encode(&record));
        loop {
            let standing = self.store.get(&self.key).await?;
            let expect = match &standing {
                None => Expect::Absent,
                Some(standing) if !takeover && self.is_others(standing) => return Err(Failure::Superseded),
                Some(standing) => Expect::Revision(standing.revision),
            };
            if let Written::Done(_) = self.store.put(&self.key, value.clone(), expect, Some(lease)).await? {
                return Ok(());
            }
        }
    }

    async fn remove(&self) -> Result<(), Failure> {
        let Some(standing) = self.store.get(&self.key).await? else { return Ok(()) };
        let is_ours = decode::<IngestRecord>(&standing.value).is_ok_and(|record| self.is_ours(&record));
        if is_ours {
            // Whoever wrote it meanwhile owns it now.
            self.store.delete(&self.key, Expect::Revision(standing.revision)).await?;
        }
        Ok(())
    }

    fn is_ours(&self, record: &IngestRecord) -> bool {
        (&record.job, record.generation) == (&self.job, self.generation)
    }

    fn is_others(&self, standing: &Versioned) -> bool {
        decode::<IngestRecord>(&standing.value).is_ok_and(|record| match self.right {
            Right::Assigned => record.generation > self.generation,
            Right::Published => !self.is_ours(&record),
        })
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

/// A call of the store that may not take for ever.
pub(crate) async fn in_time<T>(call: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    let late = |_| Err(StoreError::Down(format!("no answer within {STORE_TIMEOUT:?}")).into());
    tokio::time::timeout(STORE_TIMEOUT, call).await.unwrap_or_else(late)
}

#[cfg(test)]
mod tests {
    use velella_model::{GatewayId, Incarnation};
    use velella_store::memory::MemoryStore;

    use super::*;

    const KEY: &str = "an ingest";

    #[tokio::test]
    async fn the_newest_progress_stands_in_the_store_until_the_ingest_is_gone() {
        let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
        let (progress, seen) = watch::channel(Some(going(IngestState::Connecting)));
        let (_lease, leased) = watch::channel(Some(store.grant(Duration::from_secs(60)).await.unwrap()));
        let running = tokio::spawn(report(&store, 5).run(seen, leased));
        until(&store, |record| record.is_some_and(|r| r.state == IngestState::Connecting)).await;
        progress.send_replace(Some(going(IngestState::Live)));
        until(&store, |record| record.is_some_and(|r| r.state == IngestState::Live)).await;
        drop(progress);
        running.await.unwrap();
        until(&store, |record| record.is_none()).await;
    }

    #[tokio::test]
    async fn what_a_newer_generation_wrote_is_left_alone() {
        let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
        let lease = store.grant(Duration::from_secs(60)).await.unwrap();
        assert!(report(&store, 9).write(going(IngestState::Live), lease).await.is_ok());
        let late = report(&store, 5).write(going(IngestState::Stopped), lease).await;
        assert!(matches!(late, Err(Failure::Superseded)));
        assert!(report(&store, 5).remove().await.is_ok());
        until(&store, |record| record.is_some_and(|r| r.state == IngestState::Live)).await;
    }

    #[tokio::test]
    async fn a_second_publisher_is_kept_out_or_takes_over() {
        let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
        let lease = store.grant(Duration::from_secs(60)).await.unwrap();
        let publisher = |boot| Report { right: Right::Published, generation: Generation(7), ..report(&store, boot) };
        assert!(publisher(1).claim(false, lease).await.is_ok());
        assert!(matches!(publisher(2).claim(false, lease).await, Err(Failure::Superseded)));
        assert!(publisher(2).claim(true, lease).await.is_ok());
        let late = publisher(1).write(going(IngestState::Live), lease).await;
        assert!(matches!(late, Err(Failure::Superseded)));
        assert!(publisher(2).write(going(IngestState::Live), lease).await.is_ok());
    }

    fn report(store: &Arc<dyn Store>, generation: u64) -> Report {
        let job = Job { gateway: GatewayId::parse("g").unwrap(), incarnation: Incarnation(generation) };
        let (key, generation) = (KEY.into(), Generation(generation));
        Report { store: store.clone(), key, job, generation, right: Right::Assigned }
    }

    fn going(state: IngestState) -> Progress {
        Progress { state, trouble: None, tracks: BTreeMap::new() }
    }

    async fn until(store: &Arc<dyn Store>, wanted: impl Fn(Option<IngestRecord>) -> bool) {
        let reached = async {
            while !wanted(store.get(KEY).await.unwrap().map(|v| decode(&v.value).unwrap())) {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(Duration::from_secs(10), reached).await.expect("in time");
    }
}
