//! Following one part of the store: list, then watch, and list again whenever the watch is lost.

use std::time::Duration;

use tokio::sync::mpsc;
use velella_coordinator_core::{Entry, Input, Noun, Revision};
use velella_model::key;
use velella_store::{Change, StoreError};

use crate::effects::{Effects, fact};

/// Changes between the watch and the driver; when it is full the watch waits, and is lost in time.
pub(crate) const CHANGES_MAX: usize = 1024;

/// Wait before the store is asked again.
const RETRY: Duration = Duration::from_millis(500);

/// Feeds `changes` until its receiver is gone.
pub(crate) async fn follow(effects: Effects, noun: Noun, changes: mpsc::Sender<Input>) {
    while !changes.is_closed() {
        match follow_once(&effects, noun, &changes).await {
            Ok(()) => tracing::info!(?noun, "a watch was lost, listing again"),
            Err(error) => tracing::warn!(?noun, %error, "the store cannot be followed"),
        }
        tokio::time::sleep(RETRY).await;
    }
}

async fn follow_once(effects: &Effects, noun: Noun, changes: &mpsc::Sender<Input>) -> Result<(), StoreError> {
    let prefix = match noun {
        Noun::Rooms => key::ROOMS,
        Noun::Peers => key::PEERS,
        Noun::Workers => key::WORKERS,
        Noun::Cordons => key::CORDONS,
        Noun::Coordinators => key::COORDINATORS,
    };
    let listing = effects.store.list(prefix).await?;
    let entries = listing.entries.into_iter().filter_map(|(key, versioned)| effects.entry(&key, &versioned));
    let listed = Input::Listed { noun, entries: entries.collect(), revision: Revision(listing.revision.0) };
    if changes.send(listed).await.is_err() {
        return Ok(());
    }
    let mut watch = effects.store.watch(prefix, listing.revision).await?;
    while let Some(change) = watch.next().await {
        let entry = match change {
            Change::Put { key, versioned } => effects.entry(&key, &versioned),
            Change::Deleted { key, revision } => deleted(&key, Revision(revision.0)),
            Change::Lost => return Ok(()),
        };
        if let Some(entry) = entry
            && changes.send(Input::Changed(entry)).await.is_err()
        {
            return Ok(());
        }
    }
    Ok(())
}

fn deleted(key: &str, revision: Revision) -> Option<Entry> {
    let fact = fact(key, None).ok().flatten()?;
    Some(Entry { fact, revision })
}
