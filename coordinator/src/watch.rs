//! Following the store: list it, then watch, and go on from where a lost watch was.
//!
//! One watch follows everything, so its changes are in the order in which the store made them.

use std::time::Duration;

use tokio::sync::mpsc;
use velella_coordinator_core::{Entry, Revision};
use velella_model::key;
use velella_store::{Change, Listing, StoreError};

use crate::effects::{Effects, fact};

/// Changes between the watch and who takes them; when it is full the watch waits, and is lost in time.
pub(crate) const CHANGES_MAX: usize = 1024;

/// Wait before the store is asked again.
const RETRY: Duration = Duration::from_millis(500);

/// What the store shows, in order.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "nearly all steps are changes; a box for each would cost more")]
pub(crate) enum Step {
    /// Everything. A second one comes when changes between are lost.
    Listed { entries: Vec<Entry>, revision: Revision },
    /// One change.
    Changed(Entry),
    /// A change that this build does not look at.
    Passed(Revision),
}

/// Why a watch is read no further.
enum End {
    Unwatched,
    /// After this change.
    Lost(velella_store::Revision),
}

/// Feeds `steps` until its receiver is gone: from the store as it was at `start`, or is now.
pub(crate) async fn follow(effects: Effects, start: Option<Revision>, steps: mpsc::Sender<Step>) {
    let mut start = start;
    while !steps.is_closed() {
        let Some(listing) = list(&effects, start.take()).await else { continue };
        let mut seen = listing.revision;
        if steps.send(listed(&effects, listing)).await.is_err() {
            return;
        }
        loop {
            match watch(&effects, seen, &steps).await {
                Ok(End::Unwatched) => return,
                // It is too slow, and has the rest of the changes by asking again.
                Ok(End::Lost(after)) if after > seen => seen = after,
                Ok(End::Lost(_)) => break,
                Err(error) => failed(&error).await,
            }
        }
        tracing::warn!(after = seen.0, "changes of the store are compacted before they were seen; listing again");
    }
}

/// `None` when the store has to be asked again; as it is now, then.
async fn list(effects: &Effects, start: Option<Revision>) -> Option<Listing> {
    loop {
        let listing = match start {
            Some(Revision(at)) => effects.store.list_at(key::ROOT, velella_store::Revision(at)).await,
            None => effects.store.list(key::ROOT).await,
        };
        match listing {
            Ok(listing) => return Some(listing),
            Err(StoreError::Compacted(_)) => return None,
            Err(error) => failed(&error).await,
        }
    }
}

async fn failed(error: &StoreError) {
    tracing::warn!(%error, "the store cannot be followed");
    tokio::time::sleep(RETRY).await;
}

fn listed(effects: &Effects, listing: Listing) -> Step {
    let entries = listing.entries.into_iter().filter_map(|(key, versioned)| effects.entry(&key, &versioned));
    Step::Listed { entries: entries.collect(), revision: Revision(listing.revision.0) }
}

async fn watch(
    effects: &Effects,
    after: velella_store::Revision,
    steps: &mpsc::Sender<Step>,
) -> Result<End, StoreError> {
    let mut watch = effects.store.watch(key::ROOT, after).await?;
    let mut seen = after;
    while let Some(change) = watch.next().await {
        let (entry, revision) = match change {
            Change::Put { key, versioned } => (effects.entry(&key, &versioned), versioned.revision),
            Change::Deleted { key, revision } => (deleted(&key, Revision(revision.0)), revision),
            Change::Lost => return Ok(End::Lost(seen)),
        };
        seen = revision;
        let step = entry.map_or(Step::Passed(Revision(revision.0)), Step::Changed);
        if steps.send(step).await.is_err() {
            return Ok(End::Unwatched);
        }
    }
    Ok(End::Unwatched)
}

fn deleted(key: &str, revision: Revision) -> Option<Entry> {
    let fact = fact(key, None).ok().flatten()?;
    Some(Entry { fact, revision })
}
