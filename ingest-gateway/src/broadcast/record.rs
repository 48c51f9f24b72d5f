//! How far a stream has come, in the store: for the gateway that goes on with it when this one is gone.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::watch;
use velella_hls::Snapshot;
use velella_model::Generation;
use velella_model::component::{Job as Assigned, StreamRecord};
use velella_model::wire::{decode, encode};
use velella_store::{Expect, Revision, Store, VALUE_BYTES_MAX, Versioned, Written};

use crate::metrics::Streams;
use crate::report::{Failure, RETRY, in_time};

/// Least time between two writes. What a gateway that dies has packaged since its last one is a gap.
const PACE: Duration = Duration::from_secs(1);

/// Where it stands, and what it is written for.
pub(crate) struct Record {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) key: String,
    /// Where the component's record stands: without that, this goes as well.
    pub(crate) component: String,
    pub(crate) job: Assigned,
    pub(crate) generation: Generation,
}

/// What was there.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub(super) revision: Option<Revision>,
    pub(super) snapshot: Option<Snapshot>,
}

impl Record {
    /// What the gateway before left.
    pub(super) async fn find(&self) -> Result<Found, Failure> {
        in_time(self.read()).await
    }

    async fn read(&self) -> Result<Found, Failure> {
        let Some(standing) = self.store.get(&self.key).await? else { return Ok(Found::default()) };
        let revision = Some(standing.revision);
        let Ok(record) = decode::<StreamRecord>(&standing.value).inspect_err(|error| unreadable(error)) else {
            return Ok(Found { revision, snapshot: None });
        };
        if record.generation > self.generation {
            return Err(Failure::Superseded);
        }
        let snapshot = rmp_serde::from_slice(&record.state).inspect_err(|error| unreadable(error)).ok();
        Ok(Found { revision, snapshot })
    }

    fn is_newer(&self, standing: &Versioned) -> bool {
        decode::<StreamRecord>(&standing.value).is_ok_and(|record| record.generation > self.generation)
    }
}

/// Writes it.
pub(super) struct Keeper {
    record: Record,
    /// Of the last write.
    revision: Option<Revision>,
    metrics: Streams,
}

impl Keeper {
    pub(super) fn new(record: Record, revision: Option<Revision>, metrics: Streams) -> Self {
        Self { record, revision, metrics }
    }

    /// Writes whatever is newest, at its pace. Ends when another gateway has the stream.
    pub(super) async fn keep(&mut self, mut newest: watch::Receiver<Option<Snapshot>>) {
        while newest.changed().await.is_ok() {
            loop {
                let snapshot = newest.borrow_and_update().clone();
                let Some(snapshot) = snapshot else { break };
                match in_time(self.write(&snapshot)).await {
                    Ok(()) => break,
                    Err(Failure::Superseded) => return tracing::info!("another gateway has the stream"),
                    Err(Failure::Store(error)) => {
                        self.metrics.unkept.inc();
                        tracing::warn!(%error, "how far a stream has come was not written");
                        tokio::time::sleep(RETRY).await;
                    }
                }
            }
            tokio::time::sleep(PACE).await;
        }
        std::future::pending().await
    }

    /// For whoever goes on with it, or for nobody, when the component is gone.
    pub(super) async fn finish(mut self, last: Option<Snapshot>) {
        match in_time(self.leave(last)).await {
            Ok(()) => {}
            Err(Failure::Superseded) => tracing::info!("another gateway has the stream"),
            Err(Failure::Store(error)) => {
                tracing::warn!(%error, "how far a stream has come at its end was not written")
            }
        }
    }

    async fn leave(&mut self, last: Option<Snapshot>) -> Result<(), Failure> {
        let Record { store, component, key, .. } = &self.record;
        if store.get(component).await?.is_none() {
            store.delete(key, Expect::Any).await?;
            return Ok(());
        }
        match last {
            Some(last) => self.write(&last).await,
            None => Ok(()),
        }
    }

    async fn write(&mut self, snapshot: &Snapshot) -> Result<(), Failure> {
        let Some(value) = self.value(snapshot) else { return Ok(()) };
        loop {
            let expect = self.revision.map_or(Expect::Absent, Expect::Revision);
            match self.record.store.put(&self.record.key, value.clone(), expect, None).await? {
                Written::Done(revision) => {
                    self.revision = Some(revision);
                    return Ok(());
                }
                // Its component is gone.
                Written::Conflict(None) => return Err(Failure::Superseded),
                Written::Conflict(Some(standing)) if self.record.is_newer(&standing) => {
                    return Err(Failure::Superseded);
                }
                // Our own, of which we heard no answer, or the last word of the gateway before.
                Written::Conflict(Some(standing)) => self.revision = Some(standing.revision),
            }
        }
    }

    /// Nothing when the store does not take it: then the next gateway begins a new stream.
    fn value(&self, snapshot: &Snapshot) -> Option<Bytes> {
        let state = rmp_serde::to_vec(snapshot).inspect_err(|error| unreadable(error)).ok()?;
        let Record { job, generation, .. } = &self.record;
        let value = encode(&StreamRecord { job: job.clone(), generation: *generation, state: state.into() });
        if value.len() > VALUE_BYTES_MAX {
            self.metrics.unkept.inc();
            tracing::warn!(bytes = value.len(), "how far a stream has come is too much for the store");
            return None;
        }
        Some(value.into())
    }
}

fn unreadable(error: &dyn std::error::Error) {
    tracing::warn!(%error, "how far a stream has come cannot be read or written");
}

#[cfg(test)]
mod tests {
    use prometheus::Registry;
    use velella_hls::{
        Configuration, Declaration, Input, KeyFrames, Medium, Name, Packager, Sample, Settings, WallTime, Window,
    };
    use velella_model::{GatewayId, Incarnation};
    use velella_store::memory::MemoryStore;

    use super::*;

    const KEY: &str = "a stream";
    const COMPONENT: &str = "a component";

    #[tokio::test]
    async fn another_gateway_finds_how_far_a_stream_has_come() {
        let store = store().await;
        assert!(record(&store, 5).find().await.unwrap().snapshot.is_none());
        keeper(&store, 5, None).finish(Some(snapshot(7))).await;
        let Found { revision, snapshot } = record(&store, 6).find().await.unwrap();
        assert_eq!(snapshot.map(|snapshot| snapshot.epoch()), Some(7));
        let mut next = keeper(&store, 6, revision);
        next.write(&self::snapshot(8)).await.unwrap();
        next.write(&self::snapshot(9)).await.unwrap();
        assert!(matches!(record(&store, 5).find().await, Err(Failure::Superseded)));
    }

    #[tokio::test]
    async fn a_gateway_that_has_lost_a_stream_writes_nothing_over_its_successor() {
        let store = store().await;
        let mut late = keeper(&store, 5, None);
        late.write(&snapshot(7)).await.unwrap();
        // It reads before the last word of the gateway before.
        let Found { revision, .. } = record(&store, 6).find().await.unwrap();
        late.write(&snapshot(7)).await.unwrap();
        keeper(&store, 6, revision).write(&snapshot(8)).await.unwrap();
        assert!(matches!(late.write(&snapshot(7)).await, Err(Failure::Superseded)));
        late.finish(Some(snapshot(7))).await;
        assert_eq!(record(&store, 6).find().await.unwrap().snapshot.map(|snapshot| snapshot.epoch()), Some(8));
    }

    #[tokio::test]
    async fn nothing_is_left_of_a_stream_whose_component_is_gone() {
        let store = store().await;
        let mut keeper = keeper(&store, 5, None);
        keeper.write(&snapshot(7)).await.unwrap();
        store.delete(COMPONENT, Expect::Any).await.unwrap();
        keeper.finish(Some(snapshot(7))).await;
        assert!(store.get(KEY).await.unwrap().is_none());
    }

    /// In which the component stands.
    async fn store() -> Arc<dyn Store> {
        let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
        store.put(COMPONENT, Bytes::new(), Expect::Absent, None).await.unwrap();
        store
    }

    fn keeper(store: &Arc<dyn Store>, generation: u64, revision: Option<Revision>) -> Keeper {
        Keeper::new(record(store, generation), revision, Streams::register(&Registry::new()).unwrap())
    }

    fn record(store: &Arc<dyn Store>, generation: u64) -> Record {
        let job = Assigned { gateway: GatewayId::parse("g").unwrap(), incarnation: Incarnation(generation) };
        let (key, component) = (KEY.into(), COMPONENT.into());
        Record { store: store.clone(), key, component, job, generation: Generation(generation) }
    }

    /// Of a stream that has just begun.
    fn snapshot(epoch: u32) -> Snapshot {
        let settings = Settings {
            target_duration: Duration::from_secs(2),
            part_target: Duration::from_millis(500),
            low_latency: true,
            window: Window::Sliding(Duration::ZERO),
            key_frames: KeyFrames::OnRequest,
            bytes_max: 1 << 20,
        };
        let now = std::time::Instant::now();
        let mut packager = Packager::new(settings, epoch, |_, _, _| Some(Bytes::from_static(b"moof"))).unwrap();
        let name = Name::try_from("high".to_owned()).unwrap();
        let declared = Declaration { name, medium: Medium::Video, timescale: 90_000, bitrate_bps_max: 1_000_000 };
        let id = packager.declare(declared, now).unwrap();
        let init = Configuration { init: Bytes::from_static(b"ftyp"), codecs: "avc1.42e01f".into(), picture: None };
        packager.handle_input(Input::Configured(id, init), now);
        packager.handle_input(Input::Anchored(id, WallTime(0)), now);
        let data = Bytes::from_static(b"picture");
        let sample = Sample { decode_time: 0, composition_offset: 0, duration: 3_600, sync: true, data };
        packager.handle_input(Input::Sampled(id, sample), now);
        packager.snapshot().unwrap()
    }
}
