//! The cursor of webhooks in the store: how far they are delivered, and by whom.
//!
//! Every write expects the one before, so who takes it over ends the writes of who had it: a leader
//! that does not know yet that it is none cannot move it back.

use std::sync::Arc;

use velella_coordinator_core::Revision;
use velella_coordinator_core::outbox::Progress;
use velella_model::record::WebhookCursor;
use velella_model::{CoordinatorId, key, wire};
use velella_store::{Expect, Store, StoreError, Written};

use crate::effects::in_time;

/// Where the cursor is.
#[derive(Clone)]
pub(super) struct Cursor {
    pub(super) store: Arc<dyn Store>,
    pub(super) id: CoordinatorId,
}

/// What came of a write.
#[derive(Debug)]
pub(super) enum Moved {
    /// It stands there, written at this revision.
    To(velella_store::Revision),
    /// Somebody else delivers.
    Deposed,
}

/// A cursor that is ours.
#[derive(Debug)]
pub(super) struct Claimed {
    /// What is delivered; `None` when nobody can tell.
    pub(super) progress: Option<Progress>,
    /// Of our write.
    pub(super) written: velella_store::Revision,
}

impl Cursor {
    /// Sees to it that there is one: what happens from now on is to be delivered.
    pub(super) async fn found(&self) -> Result<(), StoreError> {
        if in_time(self.store.get(key::WEBHOOK_CURSOR)).await?.is_none() {
            let now = self.now().await?;
            // Somebody may have been quicker.
            self.put(&now, Expect::Absent).await?;
        }
        Ok(())
    }

    /// Takes the cursor over; `None` when somebody else did so at the same time.
    pub(super) async fn claim(&self) -> Result<Option<Claimed>, StoreError> {
        let standing = in_time(self.store.get(key::WEBHOOK_CURSOR)).await?;
        let expect = standing.as_ref().map_or(Expect::Absent, |standing| Expect::Revision(standing.revision));
        let progress = standing.and_then(|standing| read(&standing.value)).map(progress);
        let from = match &progress {
            Some(progress) => progress.clone(),
            None => self.now().await?,
        };
        Ok(match self.put(&from, expect).await? {
            Written::Done(written) => Some(Claimed { progress, written }),
            Written::Conflict(_) => None,
        })
    }

    /// Moves the cursor on from our last write.
    pub(super) async fn advance(
        &self,
        progress: &Progress,
        written: velella_store::Revision,
    ) -> Result<Moved, StoreError> {
        Ok(match self.put(progress, Expect::Revision(written)).await? {
            Written::Done(written) => Moved::To(written),
            // A write of ours whose answer was lost.
            Written::Conflict(Some(standing)) if read(&standing.value).is_some_and(|cursor| cursor.by == self.id) => {
                Moved::To(standing.revision)
            }
            Written::Conflict(_) => Moved::Deposed,
        })
    }

    /// Nothing before now is to be delivered.
    pub(super) async fn now(&self) -> Result<Progress, StoreError> {
        let Revision(now) = Revision(in_time(self.store.list(key::LEADER)).await?.revision.0);
        Ok(Progress { through: Revision(now), behind: [].into() })
    }

    async fn put(&self, progress: &Progress, expect: Expect) -> Result<Written, StoreError> {
        let behind = progress.behind.iter().map(|(room, Revision(at))| (room.clone(), *at)).collect();
        let cursor = WebhookCursor { by: self.id.clone(), through: progress.through.0, behind };
        in_time(self.store.put(key::WEBHOOK_CURSOR, wire::encode(&cursor).into(), expect, None)).await
    }
}

fn read(value: &[u8]) -> Option<WebhookCursor> {
    wire::decode(value).inspect_err(|error| tracing::warn!(%error, "the cursor of webhooks cannot be read")).ok()
}

fn progress(WebhookCursor { through, behind, .. }: WebhookCursor) -> Progress {
    let behind = behind.into_iter().map(|(room, at)| (room, Revision(at)));
    Progress { through: Revision(through), behind: behind.collect() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use velella_model::RoomId;
    use velella_store::memory::MemoryStore;

    #[tokio::test]
    async fn who_takes_it_over_ends_the_writes_of_who_had_it() {
        let store = MemoryStore::new();
        let (a, b) = (cursor(&store, "a"), cursor(&store, "b"));
        a.found().await.unwrap();
        b.found().await.unwrap();
        let of_a = a.claim().await.unwrap().unwrap();
        assert_eq!(of_a.progress, Some(until(0)));
        let behind = Progress { behind: [(RoomId::parse("r").unwrap(), Revision(3))].into(), ..until(7) };
        let Moved::To(written) = a.advance(&behind, of_a.written).await.unwrap() else { panic!("it is A's") };

        let of_b = b.claim().await.unwrap().unwrap();
        assert_eq!(of_b.progress, Some(behind.clone()));
        assert!(matches!(a.advance(&until(9), written).await, Ok(Moved::Deposed)));
        assert_eq!(b.claim().await.unwrap().unwrap().progress, Some(behind));
    }

    #[tokio::test]
    async fn a_write_whose_answer_was_lost_is_recognised() {
        let store = MemoryStore::new();
        let a = cursor(&store, "a");
        let Claimed { written, .. } = a.claim().await.unwrap().unwrap();
        assert!(matches!(a.advance(&until(1), written).await, Ok(Moved::To(_))));
        let Ok(Moved::To(newer)) = a.advance(&until(2), written).await else { panic!("it is still A's") };
        assert!(newer > written);
    }

    fn until(revision: u64) -> Progress {
        Progress { through: Revision(revision), behind: [].into() }
    }

    fn cursor(store: &MemoryStore, id: &str) -> Cursor {
        Cursor { store: Arc::new(store.clone()), id: CoordinatorId::parse(id).unwrap() }
    }
}
