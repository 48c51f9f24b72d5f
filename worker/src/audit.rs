//! What a worker asks the store before it lets people in again: which of its rooms are elsewhere by now.
//!
//! Between two claims of its key others may have thought it gone and placed its rooms anew.

use std::sync::Arc;
use std::time::Duration;

use velella_model::record::RoomRecord;
use velella_model::wire::{WireError, decode};
use velella_model::{Generation, Incarnation, RoomId, WorkerId, key};
use velella_store::{Store, StoreError};

/// Wait before a store that failed is asked again.
const RETRY: Duration = Duration::from_millis(500);

/// Rooms to look after, for one claim.
pub(crate) struct Audit {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) worker: WorkerId,
    pub(crate) incarnation: Incarnation,
    pub(crate) claim: u64,
    pub(crate) rooms: Vec<(RoomId, Generation)>,
}

/// What came of it.
pub(crate) struct Audited {
    pub(crate) claim: u64,
    /// Rooms that the store places elsewhere, or nowhere.
    pub(crate) superseded: Vec<(RoomId, Generation)>,
}

impl Audit {
    /// Asks until the store has answered for every room.
    pub(crate) async fn run(self) -> Audited {
        let mut superseded = Vec::new();
        for (room, generation) in &self.rooms {
            let is_here = loop {
                match self.is_here(room).await {
                    Ok(is_here) => break is_here,
                    Err(error) => {
                        tracing::warn!(%room, %error, "not known whether a room is still here, asking again");
                        tokio::time::sleep(RETRY).await;
                    }
                }
            };
            if !is_here {
                superseded.push((room.clone(), *generation));
            }
        }
        Audited { claim: self.claim, superseded }
    }

    async fn is_here(&self, room: &RoomId) -> Result<bool, Unknown> {
        let Some(standing) = self.store.get(&key::room(room)).await? else { return Ok(false) };
        let placement = decode::<RoomRecord>(&standing.value)?.placement;
        Ok(placement.worker == self.worker && placement.incarnation == self.incarnation)
    }
}

#[derive(Debug, thiserror::Error)]
enum Unknown {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Record(#[from] WireError),
}
