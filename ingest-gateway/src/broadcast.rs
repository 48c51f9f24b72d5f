//! A broadcast that is to begin: finds out where its stream goes on, and ends when another gateway has it.

mod broadcaster;
mod record;
mod settings;
mod waiting;

use std::ops::Range;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use tokio::sync::{mpsc, watch};
pub(crate) use velella_broadcast::LISTENERS;
use velella_broadcast::{Broadcast, BroadcastError};
use velella_edge::Question;
use velella_gateway_core::{Name, Progress};
use velella_hls::{Settings, Snapshot};
use velella_model::component::{IngestState, Trouble};
use velella_model::record::Subscriptions;

use self::broadcaster::Broadcaster;
pub(crate) use self::record::Record;
use self::record::{Found, Keeper};
pub(crate) use self::settings::settings;
use self::waiting::Waiting;
use crate::courier::Courier;
use crate::letter::Letter;
use crate::metrics::Streams;
use crate::readings::Reading;
use crate::report::{Failure, RETRY};

/// Questions that the job has not looked at; for one more, viewers are told to come back.
pub(crate) const QUESTIONS_MAX: usize = 256;

/// It runs until the sender of its mail is dropped.
pub(crate) struct Job {
    pub(crate) names: [Name; LISTENERS],
    /// Of their sessions, in the same order.
    pub(crate) numbers: Range<u64>,
    /// Whom it receives of; everybody without a list.
    pub(crate) of: Option<Subscriptions>,
    pub(crate) settings: Settings,
    pub(crate) record: Record,
    pub(crate) couriers: [Courier; LISTENERS],
    pub(crate) mail: mpsc::Receiver<Letter>,
    pub(crate) questions: mpsc::Receiver<Question>,
    pub(crate) progress: watch::Sender<Option<Progress>>,
    /// For whoever wants to know how much comes through.
    pub(crate) reading: watch::Sender<Reading>,
    pub(crate) metrics: Streams,
}

impl Job {
    pub(crate) async fn run(self) {
        let Self { names, numbers, of, settings, record, couriers, mail, questions, progress, reading, metrics } = self;
        let Some(Found { revision, snapshot }) = found(&record, &mail).await else {
            drop(questions);
            return rest(mail).await;
        };
        let broadcast = match begin(names, of, settings, snapshot) {
            Ok(broadcast) => Box::new(broadcast),
            Err(error) => {
                progress.send_replace(Some(impossible(&error)));
                drop(questions);
                return rest(mail).await;
            }
        };
        let (snapshots, newest) = watch::channel(None);
        let (waiting, share) = (Waiting::new(metrics.clone()), metrics.share());
        let first = numbers.start;
        let mut broadcaster = Broadcaster {
            broadcast,
            first,
            couriers,
            mail,
            questions,
            waiting,
            snapshots,
            progress,
            reading,
            share,
            trouble: None,
        };
        let mut keeper = Keeper::new(record, revision, metrics);
        let superseded = tokio::select! {
            () = broadcaster.run() => false,
            () = keeper.keep(newest) => true,
        };
        let (mail, last) = broadcaster.end().await;
        if superseded {
            return rest(mail).await;
        }
        keeper.finish(last).await;
    }
}

/// What the gateway before left; `None` when it is no longer ours, or was not needed before the store said so.
async fn found(record: &Record, mail: &mpsc::Receiver<Letter>) -> Option<Found> {
    loop {
        match record.find().await {
            Ok(found) => return Some(found),
            Err(Failure::Superseded) => return None,
            Err(Failure::Store(error)) => {
                tracing::warn!(%error, "it is not known yet where the stream goes on");
                tokio::time::sleep(RETRY).await;
            }
        }
        if mail.is_closed() {
            return None;
        }
    }
}

/// Goes on where the gateway before ended, or begins anew where that cannot be.
fn begin(
    names: [Name; LISTENERS],
    of: Option<Subscriptions>,
    settings: Settings,
    snapshot: Option<Snapshot>,
) -> Result<Broadcast, BroadcastError> {
    let (now, date) = (Instant::now(), SystemTime::now());
    let since = date.duration_since(UNIX_EPOCH).unwrap_or_default();
    let seconds = u32::try_from(since.as_secs()).unwrap_or(u32::MAX);
    let Some(snapshot) = snapshot else { return Broadcast::new(names, of, settings, seconds, now, date) };
    let epoch = seconds.max(snapshot.epoch().saturating_add(1));
    match Broadcast::resume(names.clone(), of.clone(), snapshot, epoch, now, date) {
        Ok(broadcast) => {
            tracing::info!(epoch, "the stream goes on");
            Ok(broadcast)
        }
        Err(error) => {
            tracing::warn!(%error, "the stream that was there does not go on; another one begins");
            Broadcast::new(names, of, settings, epoch, now, date)
        }
    }
}

fn impossible(error: &BroadcastError) -> Progress {
    let sentence = format!("The room cannot be broadcast like this: {error}.");
    let trouble = Some(Trouble { code: "settings_refused".into(), sentence });
    Progress { state: IngestState::Stopped, trouble, tracks: [].into() }
}

/// There is nothing to do, until the driver knows it as well. Nobody is to wait for an answer meanwhile.
async fn rest(mut mail: mpsc::Receiver<Letter>) {
    while mail.recv().await.is_some() {}
}
