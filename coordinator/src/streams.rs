//! What is left in the store of broadcasts whose components are gone. Whoever removes a component removes that as
//! well, and so does its gateway: this is for when both died over it. Each leader looks once.

use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch::Receiver;
use velella_model::key;
use velella_store::tenure::Standing;
use velella_store::{Expect, Revision, Store, StoreError};

use crate::driver::leads;
use crate::effects::in_time;

/// Between the two looks that must both find it. Nothing takes a removal that long.
const AGAIN_AFTER: Duration = Duration::from_secs(10);

/// Looks whenever this coordinator begins to lead; never ends.
pub(crate) async fn sweep(store: Arc<dyn Store>, mut leadership: Receiver<Standing>) -> Infallible {
    while leadership.wait_for(|standing| leads(*standing)).await.is_ok() {
        match remove_leftovers(&*store).await {
            Ok(0) => {}
            Ok(removed) => tracing::info!(removed, "broadcasts were left whose components are gone"),
            Err(error) => tracing::warn!(%error, "what is left of broadcasts cannot be removed"),
        }
        if leadership.wait_for(|standing| !leads(*standing)).await.is_err() {
            break;
        }
    }
    std::future::pending().await
}

async fn remove_leftovers(store: &dyn Store) -> Result<usize, StoreError> {
    let before = leftovers(store).await?;
    if before.is_empty() {
        return Ok(0);
    }
    tokio::time::sleep(AGAIN_AFTER).await;
    let again = leftovers(store).await?.into_iter().filter(|(name, _)| before.contains_key(name));
    let mut removed = 0;
    for (name, revision) in again {
        in_time(store.delete(&format!("{}{name}", key::STREAMS), Expect::Revision(revision))).await?;
        removed += 1;
    }
    Ok(removed)
}

/// By what follows the prefix of their keys, which is the same for a component.
async fn leftovers(store: &dyn Store) -> Result<BTreeMap<String, Revision>, StoreError> {
    // The streams first: each is younger than its component.
    let streams = in_time(store.list(key::STREAMS)).await?.entries;
    let components = in_time(store.list(key::COMPONENTS)).await?.entries;
    let standing: BTreeSet<&str> = components.iter().filter_map(|(key, _)| key.strip_prefix(key::COMPONENTS)).collect();
    let named = streams.iter().filter_map(|(key, versioned)| Some((key.strip_prefix(key::STREAMS)?, versioned)));
    let left = named.filter(|(name, _)| !standing.contains(name));
    Ok(left.map(|(name, versioned)| (name.to_owned(), versioned.revision)).collect())
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use velella_model::{ComponentId, RoomId};
    use velella_store::memory::MemoryStore;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn what_nobody_has_and_nobody_writes_is_removed() {
        let store = MemoryStore::new();
        let room = RoomId::parse("r").unwrap();
        let [kept, left, came_back] = ["kept", "left", "back"].map(|id| ComponentId::parse(id).unwrap());
        let put = async |key: String| store.put(&key, Bytes::new(), Expect::Any, None).await.unwrap();
        put(key::component(&room, &kept)).await;
        for id in [&kept, &left, &came_back] {
            put(key::stream(&room, id)).await;
        }
        let later = async {
            tokio::time::sleep(AGAIN_AFTER / 2).await;
            put(key::component(&room, &came_back)).await;
        };
        let (removed, ()) = tokio::join!(remove_leftovers(&store), later);
        assert_eq!(removed, Ok(1));
        let stands = async |id: &ComponentId| store.get(&key::stream(&room, id)).await.unwrap().is_some();
        assert_eq!((stands(&kept).await, stands(&left).await, stands(&came_back).await), (true, false, true));
    }
}
