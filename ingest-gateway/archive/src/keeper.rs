//! Everything that becomes of recordings after their end, one after the other.

use std::collections::BTreeMap;
use std::io;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};
use velella_recording::RecordingId;
use velella_recording::retention::Limits;

use crate::archive::{Archive, ArchiveError};
use crate::backoff::Backoff;
use crate::bucket::Bucket;
use crate::finish::{FinishError, Finished};
use crate::progress::Progress;
use crate::upload::{UploadError, Uploaded};

/// How often limits are looked at when nothing else happens.
const PASS: Duration = Duration::from_secs(60);

/// Finishes recordings that ended. With a bucket it uploads them and then deletes them here; without one it deletes
/// those above the limits. What fails is tried again, later each time, without an end: it lies safe on the disk, and a
/// disk that fills up lets no recording begin.
#[derive(Debug)]
pub struct Keeper {
    archive: Archive,
    bucket: Option<Bucket>,
    limits: Limits,
    /// Waits for who listens: nothing here is in a hurry.
    reports: mpsc::Sender<Report>,
    retries: BTreeMap<RecordingId, (Backoff, Instant)>,
}

/// What became of a recording. After a crash the same may be told again.
#[derive(Debug)]
pub enum Report {
    /// It plays from the disk.
    Finished(RecordingId, Finished),
    /// It is in the bucket, and is deleted here.
    Uploaded(RecordingId, Uploaded),
    /// It was too old, or there was too much.
    Expired(RecordingId),
    /// Something failed, and is tried again.
    Failed(RecordingId, Trouble),
}

/// What failed.
#[derive(Debug, thiserror::Error)]
pub enum Trouble {
    /// It could not be finished.
    #[error(transparent)]
    Finish(#[from] FinishError),
    /// It could not be uploaded.
    #[error(transparent)]
    Upload(#[from] UploadError),
    /// It could not be deleted after that.
    #[error(transparent)]
    Remove(#[from] ArchiveError),
}

impl Keeper {
    /// Keeps an archive; to be run.
    #[must_use]
    pub fn new(archive: Archive, bucket: Option<Bucket>, limits: Limits, reports: mpsc::Sender<Report>) -> Self {
        Self { archive, bucket, limits, reports, retries: BTreeMap::new() }
    }

    /// Never returns. Dropped at any moment, it leaves nothing half done that another keeper would not go on with.
    pub async fn run(mut self) -> std::convert::Infallible {
        loop {
            let mut next = Instant::now() + PASS;
            match self.pass().await {
                Ok(true) => continue,
                Ok(false) => next = self.retries.values().map(|(_, at)| *at).fold(next, Instant::min),
                Err(error) => tracing::warn!(%error, "recordings cannot be looked after"),
            }
            tokio::select! {
                () = self.archive.some_ended() => {}
                () = sleep_until(next) => {}
            }
        }
    }

    /// Finishes what ended, and then does one thing more, so that what ends meanwhile does not wait for all uploads.
    /// Whether there may be another.
    async fn pass(&mut self) -> io::Result<bool> {
        let idle = self.archive.idle().await?;
        self.retries.retain(|id, _| idle.unfinished.contains(id) || idle.finished.contains(id));
        for id in self.due(idle.unfinished) {
            let progress = StopOnDrop(Progress::default());
            let finished = self.archive.finish(&id, &progress.0).await;
            self.report(id, finished.map_err(Trouble::from), Report::Finished).await;
        }
        let Some(bucket) = self.bucket.clone() else {
            for id in self.archive.expire(self.limits).await? {
                self.tell(Report::Expired(id)).await;
            }
            return Ok(false);
        };
        let due = self.due(self.archive.idle().await?.finished);
        let Some(id) = due.into_iter().next() else { return Ok(false) };
        self.upload(id, &bucket).await;
        Ok(true)
    }

    async fn upload(&mut self, id: RecordingId, bucket: &Bucket) {
        let uploaded = self.archive.upload(&id, bucket, &Progress::default()).await;
        let arrived = uploaded.is_ok();
        self.report(id.clone(), uploaded.map_err(Trouble::from), Report::Uploaded).await;
        // Only what has arrived is deleted here.
        if arrived && let Err(error) = self.archive.remove(&id).await {
            self.failed(id, error.into()).await;
        }
    }

    /// Those that do not have to wait after a failure.
    fn due(&self, ids: Vec<RecordingId>) -> Vec<RecordingId> {
        let now = Instant::now();
        let due = |id: &RecordingId| self.retries.get(id).is_none_or(|(_, at)| *at <= now);
        ids.into_iter().filter(due).collect()
    }

    async fn report<T>(
        &mut self,
        id: RecordingId,
        result: Result<T, Trouble>,
        done: impl FnOnce(RecordingId, T) -> Report,
    ) {
        match result {
            Ok(value) => {
                self.retries.remove(&id);
                self.tell(done(id, value)).await;
            }
            Err(trouble) => self.failed(id, trouble).await,
        }
    }

    async fn failed(&mut self, id: RecordingId, trouble: Trouble) {
        let (backoff, at) = self.retries.entry(id.clone()).or_insert_with(|| (Backoff::default(), Instant::now()));
        *at = Instant::now() + backoff.failed();
        tracing::warn!(recording = %id, failures = backoff.failures(), %trouble, "a recording has to wait");
        self.tell(Report::Failed(id, trouble)).await;
    }

    async fn tell(&self, report: Report) {
        // Whoever listened may be gone; the work goes on.
        let _ = self.reports.send(report).await;
    }
}

/// Ends the thread that finishes when its keeper is dropped.
struct StopOnDrop(Progress);

impl Drop for StopOnDrop {
    fn drop(&mut self) {
        self.0.stop();
    }
}
