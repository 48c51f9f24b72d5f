//! The time in which one coordinator delivers webhooks: what it reads of the store's history, the
//! calls that run, and how far the cursor is.

use std::panic::AssertUnwindSafe;
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::FutureExt;
use tokio::task::{JoinError, JoinSet};
use velella_coordinator_core::Notice;
use velella_coordinator_core::chronicle::Chronicle;
use velella_coordinator_core::outbox::{Call, Outbox, Progress};
use velella_model::RoomId;
use velella_store::{Revision, StoreError};

use super::batch::batch_of;
use super::client::Client;
use super::cursor::{Cursor, Moved};
use crate::effects::Effects;
use crate::metrics::Metrics;
use crate::watch::{Step, Watch};

/// The cursor moves this often though nothing is delivered, so that it stays behind the newest
/// revision by less than a store remembers. It must be far below the store's compaction.
const REFRESH_EVERY: Duration = Duration::from_secs(30);

/// A call that ended: of which room, and whether its receiver took it.
pub(super) type Called = (RoomId, bool);

/// Somebody else took over.
pub(super) struct Ended;

pub(super) struct Term {
    /// What was delivered before.
    from: Progress,
    pub(super) chronicle: Chronicle,
    pub(super) watch: Watch,
    pub(super) calls: JoinSet<Called>,
    /// At most one write of the cursor.
    pub(super) moving: JoinSet<Result<Moved, StoreError>>,
    /// Our last write of the cursor: its revision, its time, and how many notices were settled then;
    /// `None` when it failed.
    written: Revision,
    written_at: Instant,
    settled: Option<u64>,
}

impl Term {
    /// Goes on after `from`; `written` is the revision of the cursor.
    pub(super) fn begin(effects: Effects, chronicle: Chronicle, from: Progress, written: Revision) -> Self {
        let watch = Watch::start(effects, Some(from.start()));
        tracing::info!(after = from.start().0, behind = from.behind.len(), "this coordinator delivers webhooks");
        Self {
            from,
            chronicle,
            watch,
            calls: JoinSet::new(),
            moving: JoinSet::new(),
            written,
            written_at: Instant::now(),
            settled: None,
        }
    }

    pub(super) fn followed(&mut self, step: Step, metrics: &Metrics) {
        match step {
            Step::Listed { entries, revision } => {
                let known = self.chronicle.seen();
                if known.is_some() || revision != self.from.start() {
                    let after = known.unwrap_or_else(|| self.from.start());
                    metrics.webhook_gaps.inc();
                    tracing::error!(
                        after = after.0,
                        now = revision.0,
                        "the store has forgotten changes before their webhooks were made; some are lost"
                    );
                }
                self.chronicle.listed(entries, revision);
            }
            Step::Changed(entry) => self.chronicle.changed(entry),
            Step::Passed(revision) => self.chronicle.passed(revision),
        }
    }

    /// Whether an earlier leader has brought it.
    pub(super) fn is_delivered(&self, notice: &Notice) -> bool {
        notice.sequence.is_some_and(|sequence| self.from.has(&notice.room, sequence.revision()))
    }

    pub(super) fn call(&mut self, client: &Client, call: Call<Bytes>) {
        let client = client.clone();
        let room = call.room.clone();
        self.calls.spawn(async move {
            let delivered = AssertUnwindSafe(deliver(client, call)).catch_unwind().await;
            // The room would wait for ever for an answer.
            delivered.unwrap_or_else(|_| {
                tracing::error!(%room, "a webhook call ended in a panic");
                (room, false)
            })
        });
    }

    /// Writes how far everything is, if that is worth a write.
    pub(super) fn move_cursor(&mut self, cursor: &Cursor, outbox: &Outbox<Bytes>) {
        let settled = outbox.stats().settled();
        let is_due = self.settled != Some(settled) || self.written_at.elapsed() >= REFRESH_EVERY;
        // Before it has caught up it knows less than the cursor says.
        let Some(seen) = self.chronicle.seen().filter(|seen| *seen >= self.from.through) else { return };
        if !is_due || !self.moving.is_empty() {
            return;
        }
        (self.settled, self.written_at) = (Some(settled), Instant::now());
        let (cursor, progress, written) = (cursor.clone(), outbox.progress(seen), self.written);
        self.moving.spawn(async move { cursor.advance(&progress, written).await });
    }

    /// Takes the outcome of that.
    pub(super) fn moved(&mut self, moved: Result<Result<Moved, StoreError>, JoinError>) -> Result<(), Ended> {
        match moved {
            Ok(Ok(Moved::To(written))) => self.written = written,
            Ok(Ok(Moved::Deposed)) => return Err(Ended),
            Ok(Err(error)) => {
                tracing::warn!(%error, "the cursor of webhooks cannot be moved");
                self.settled = None;
            }
            Err(error) => {
                tracing::error!(%error, "a write of the cursor ended in a panic");
                self.settled = None;
            }
        }
        Ok(())
    }
}

async fn deliver(client: Client, call: Call<Bytes>) -> Called {
    let Call { room, url, events, batch, attempt } = call;
    let numbers = (events.first().and_then(|(first, _)| *first), events.last().and_then(|(last, _)| *last));
    let body =
        if batch { batch_of(&events) } else { events.into_iter().map(|(_, body)| body).next().unwrap_or_default() };
    let outcome = client.post(&url, body, numbers, attempt).await;
    if let Err(error) = &outcome {
        // The URL may hold a secret of its receiver, so the room has to do.
        tracing::debug!(%room, attempt, %error, "a webhook call failed");
    }
    (room, outcome.is_ok())
}
