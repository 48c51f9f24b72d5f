//! Changes the store as another coordinator would: each change of a joined peer's metadata is one
//! notification.

use std::time::Duration;

use anyhow::Result;
use velella_model::record::{Connection, CoordinatorRecord, PeerKind, PeerRecord, Placement, RoomRecord, RoomSpec};
use velella_model::wire::command::SubscribeMode;
use velella_model::wire::encode;
use velella_model::{Generation, Id, Incarnation, Json, PeerId, RoomId, key};
use velella_store::memory::MemoryStore;
use velella_store::{Expect, Store};

/// Time for the coordinator to have taken what stands there before the run.
const SETTLE: Duration = Duration::from_secs(1);

/// How often changes are made, a few at a time.
const TICK: Duration = Duration::from_millis(5);

pub(crate) struct Producer {
    store: MemoryStore,
    room: RoomId,
    peer: PeerId,
    record: PeerRecord,
}

impl Producer {
    /// With a room and a joined peer.
    pub(crate) async fn start(store: MemoryStore) -> Result<Self> {
        let (room, peer) = (Id::parse("room")?, Id::parse("peer")?);
        let placement = Placement {
            worker: Id::parse("worker")?,
            incarnation: Incarnation(1),
            generation: Generation(1),
            endpoints: Vec::new(),
            candidates: Vec::new(),
        };
        let spec = RoomSpec::default();
        store
            .put(&key::room(&room), encode(&RoomRecord { spec, placement, streaming: None }).into(), Expect::Any, None)
            .await?;
        let mut record = PeerRecord::new(PeerKind::Webrtc, Json::null(), SubscribeMode::Auto);
        let (coordinator, session) = (Id::parse("elsewhere")?, Id::parse("session")?);
        // It lives: the peers of a dead one would be disconnected.
        store.put(&key::coordinator(&coordinator), encode(&CoordinatorRecord {}).into(), Expect::Any, None).await?;
        record.connection = Some(Connection { coordinator, session, joined: true, offered: false });
        let mut producer = Self { store, room, peer, record };
        producer.change(0).await?;
        tokio::time::sleep(SETTLE).await;
        Ok(producer)
    }

    /// Makes `total` changes at this pace.
    pub(crate) async fn produce(&mut self, per_s: u32, total: u64) -> Result<()> {
        let start = tokio::time::Instant::now();
        let mut tick = tokio::time::interval(TICK);
        let mut made = 0;
        while made < total {
            tick.tick().await;
            let due = u64::try_from(start.elapsed().as_millis())? * u64::from(per_s) / 1000;
            while made < due.min(total) {
                made += 1;
                self.change(made).await?;
            }
        }
        Ok(())
    }

    async fn change(&mut self, n: u64) -> Result<()> {
        self.record.peer_metadata = Json::parse(&n.to_string())?;
        let key = key::peer(&self.room, &self.peer);
        self.store.put(&key, encode(&self.record).into(), Expect::Any, None).await?;
        Ok(())
    }
}
