//! Who tidies up for all: whoever holds the leader's key, as long as it can hear the others.
//!
//! A leader without the bus sees every worker silent and can probe none, so it would hold the key and do
//! nothing. It gives the key back instead, and another coordinator, with a bus, takes over.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use velella_model::{CoordinatorId, key};
use velella_store::tenure::Standing;
use velella_store::{Keeper, Store};

/// A bus that is away for longer costs its leader the office; a connection that is only made anew does not.
const WITHOUT_BUS_MAX: Duration = Duration::from_secs(2);

/// The office, sought for as long as this lives.
pub(crate) struct Leadership {
    standing: watch::Receiver<Standing>,
    ended: CancellationToken,
    task: JoinHandle<()>,
}

impl Leadership {
    pub(crate) fn seek(store: Arc<dyn Store>, id: &CoordinatorId, connected: watch::Receiver<bool>) -> Self {
        let (told, standing) = watch::channel(Standing::Out);
        let ended = CancellationToken::new();
        let value = Bytes::from(id.to_string());
        let task = tokio::spawn(seek(store, value, connected, told, ended.clone()));
        Self { standing, ended, task }
    }

    pub(crate) fn standing(&self) -> watch::Receiver<Standing> {
        self.standing.clone()
    }

    /// Gives the office back, so that nobody has to wait for it.
    pub(crate) async fn resign(self) {
        self.ended.cancel();
        if let Err(panicked) = self.task.await {
            tracing::error!(%panicked, "seeking the leader's office ended in a panic");
        }
    }
}

async fn seek(
    store: Arc<dyn Store>,
    value: Bytes,
    mut connected: watch::Receiver<bool>,
    told: watch::Sender<Standing>,
    ended: CancellationToken,
) {
    while !ended.is_cancelled() {
        let keeper = Keeper::start(Arc::clone(&store), key::LEADER.into(), value.clone());
        tokio::select! {
            () = pass_on(keeper.standing(), &told) => {}
            () = away_for_long(&mut connected) => tracing::warn!("without the bus nobody can lead: another shall"),
            () = ended.cancelled() => {}
        }
        told.send_replace(Standing::Out);
        keeper.resign().await;
        tokio::select! {
            back = connected.wait_for(|connected| *connected) => if back.is_err() { return },
            () = ended.cancelled() => {}
        }
    }
}

async fn pass_on(mut from: watch::Receiver<Standing>, to: &watch::Sender<Standing>) {
    loop {
        to.send_replace(*from.borrow_and_update());
        if from.changed().await.is_err() {
            return;
        }
    }
}

async fn away_for_long(connected: &mut watch::Receiver<bool>) {
    loop {
        if connected.wait_for(|connected| !connected).await.is_err() {
            // The bus itself is gone, since the process ends: there is nothing to wait for.
            return std::future::pending().await;
        }
        let back = tokio::time::timeout(WITHOUT_BUS_MAX, connected.wait_for(|connected| *connected));
        if back.await.is_err() {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use velella_bus::Bus;
    use velella_bus::memory::MemoryBus;
    use velella_store::memory::MemoryStore;

    use super::*;

    #[tokio::test]
    async fn who_loses_the_bus_gives_the_office_to_another() {
        let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
        let (bus_of_a, bus_of_b) = (MemoryBus::new(), MemoryBus::new());
        let a = Leadership::seek(store.clone(), &id("a"), bus_of_a.connected());
        leads(&a).await;
        let b = Leadership::seek(store.clone(), &id("b"), bus_of_b.connected());

        bus_of_a.set_connected(false);
        tokio::time::sleep(WITHOUT_BUS_MAX / 2).await;
        bus_of_a.set_connected(true);
        tokio::time::sleep(WITHOUT_BUS_MAX * 2).await;
        assert!(matches!(*a.standing().borrow(), Standing::Held { .. }), "a moment is forgiven");

        bus_of_a.set_connected(false);
        leads(&b).await;
        assert_eq!(*a.standing().borrow(), Standing::Out);

        bus_of_a.set_connected(true);
        b.resign().await;
        leads(&a).await;
    }

    #[tokio::test]
    async fn the_office_is_kept_while_the_process_ends() {
        let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
        let bus = MemoryBus::new();
        let a = Leadership::seek(store, &id("a"), bus.connected());
        leads(&a).await;
        let mut standing = a.standing();
        standing.mark_unchanged();
        drop(bus);
        let renewals = tokio::time::timeout(WITHOUT_BUS_MAX, standing.wait_for(|now| *now == Standing::Out));
        assert!(renewals.await.is_err(), "it lost the office");
        a.resign().await;
    }

    async fn leads(who: &Leadership) {
        who.standing().wait_for(|standing| matches!(standing, Standing::Held { .. })).await.unwrap();
    }

    fn id(text: &str) -> CoordinatorId {
        CoordinatorId::parse(text).unwrap()
    }
}
