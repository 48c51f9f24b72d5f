//! The post: carries webhooks to their receivers, at least once and in order, from one coordinator.
//!
//! The store's history is what is delivered. The leader reads it from where the cursor says that its
//! predecessor was, derives the same notifications under the same numbers, and moves the cursor as
//! receivers take them; what is here in memory can be lost. The outbox decides what to call when.
//! Nothing here waits for a receiver.

mod batch;
mod client;
mod cursor;
mod term;

use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio::sync::watch::Receiver;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;
use velella_bus::{Delivery, Subscription};
use velella_coordinator_core::chronicle::Chronicle;
use velella_coordinator_core::outbox::{Event, Outbox, Progress};
use velella_coordinator_core::{Notice, Told};
use velella_model::CoordinatorId;
use velella_model::wire;
use velella_model::wire::signal::VoiceChanged;
use velella_ops::{Latch, Secret};
use velella_store::tenure::Standing;
use velella_store::{Revision, StoreError};

use self::client::Client;
use self::cursor::Cursor;
use self::term::{Ended, Term};
use crate::driver::{leads, sleep_until};
use crate::effects::Effects;
use crate::notices::{codec, now_ms};

/// The cursor is written at most this often; as long as that may be delivered again.
const CURSOR_EVERY: Duration = Duration::from_millis(500);

/// Wait before the store is asked again.
const RETRY: Duration = Duration::from_millis(500);

/// For calls that run when the process ends, so that nobody repeats them.
const FAREWELL: Duration = Duration::from_secs(2);

/// See above.
pub(crate) struct Post {
    cursor: Cursor,
    effects: Effects,
    voices: Subscription,
    outbox: Outbox<Bytes>,
    client: Client,
    default_url: Option<String>,
}

impl Post {
    pub(crate) fn new(
        id: CoordinatorId,
        effects: Effects,
        voices: Subscription,
        default_url: Option<String>,
        secret: Option<&Secret>,
    ) -> Self {
        let (seed, _) = Uuid::new_v4().as_u64_pair();
        let cursor = Cursor { store: effects.store.clone(), id };
        Self { cursor, effects, voices, outbox: Outbox::new(seed), client: Client::new(secret), default_url }
    }

    /// Delivers whenever this coordinator leads, until shutdown; drops `founded` when everything that
    /// happens from then on will be delivered.
    pub(crate) async fn run(mut self, founded: Latch, mut leadership: Receiver<Standing>, shutdown: CancellationToken) {
        tokio::select! {
            () = shutdown.cancelled() => return,
            () = self.found() => drop(founded),
        }
        while let Some(term) = self.next_term(&mut leadership, &shutdown).await {
            self.serve(term, &leadership, &shutdown).await;
            self.outbox.clear();
            self.observe();
        }
    }

    async fn next_term(&mut self, leadership: &mut Receiver<Standing>, shutdown: &CancellationToken) -> Option<Term> {
        let mut begun = std::pin::pin!(begun(&self.cursor, &self.effects, leadership));
        let chronicle = if self.default_url.is_some() { Chronicle::new } else { Chronicle::of_hooked_rooms };
        loop {
            tokio::select! {
                () = shutdown.cancelled() => return None,
                // Somebody else tells it.
                _ = heard(&mut self.voices) => {}
                (from, written) = &mut begun => {
                    return Some(Term::begin(self.effects.clone(), chronicle(), from, written));
                }
            }
        }
    }

    async fn found(&self) {
        while let Err(error) = self.cursor.found().await {
            tracing::warn!(%error, "the cursor of webhooks cannot be made");
            tokio::time::sleep(RETRY).await;
        }
    }

    /// Until this coordinator leads no more, or ends.
    async fn serve(&mut self, mut term: Term, leadership: &Receiver<Standing>, shutdown: &CancellationToken) {
        let mut tick = tokio::time::interval(CURSOR_EVERY);
        loop {
            let timeout = self.outbox.poll_timeout();
            tokio::select! {
                () = shutdown.cancelled() => return self.finish(term).await,
                Some(step) = term.watch.next() => term.followed(step, &self.effects.metrics),
                voice = heard(&mut self.voices) => self.take_voice(&mut term, &voice),
                Some(called) = term.calls.join_next() => called_back(&mut self.outbox, called),
                Some(moved) = term.moving.join_next() => if let Err(Ended) = term.moved(moved) {
                    return tracing::info!("another coordinator delivers webhooks");
                },
                () = sleep_until(timeout) => self.outbox.timed_out(Instant::now()),
                _ = tick.tick() => {
                    if !leads(*leadership.borrow()) {
                        return;
                    }
                    self.observe();
                    term.move_cursor(&self.cursor, &self.outbox);
                }
            }
            self.take_mail(&mut term);
            while let Some(call) = self.outbox.poll_output() {
                term.call(&self.client, call);
            }
        }
    }

    fn take_voice(&self, term: &mut Term, voice: &Delivery) {
        match wire::decode::<VoiceChanged>(&voice.payload) {
            Ok(voice) => term.chronicle.heard(voice),
            Err(error) => self.effects.bad_message("voice", &error),
        }
    }

    /// What a former leader has not delivered goes into the outbox.
    fn take_mail(&mut self, term: &mut Term) {
        while let Some(notice) = term.chronicle.poll_output() {
            let Some(url) = notice.hook.url.clone().or_else(|| self.default_url.clone()) else { continue };
            if !term.is_delivered(&notice) {
                self.outbox.told(&notice.room, event(&notice, url), Instant::now());
            }
        }
    }

    /// Lets running calls end, and tells the next leader how far they came.
    async fn finish(&mut self, mut term: Term) {
        let ending = async {
            while let Some(called) = term.calls.join_next().await {
                called_back(&mut self.outbox, called);
            }
        };
        let _ = tokio::time::timeout(FAREWELL, ending).await;
        let moving = async {
            while let Some(moved) = term.moving.join_next().await {
                if term.moved(moved).is_err() {
                    return;
                }
            }
            term.move_cursor(&self.cursor, &self.outbox);
            term.moving.join_next().await;
        };
        let _ = tokio::time::timeout(FAREWELL, moving).await;
        let waiting = self.outbox.stats().waiting;
        tracing::info!(waiting, "webhooks are left to the next leader");
    }

    fn observe(&self) {
        self.effects.metrics.observe_outbox(self.outbox.stats(), self.outbox.oldest_age(Instant::now()));
    }
}

/// Where to go on, and the revision of the cursor, once this coordinator leads and has it. Ending early
/// costs nothing: who leads next takes the cursor over.
async fn begun(cursor: &Cursor, effects: &Effects, leadership: &mut Receiver<Standing>) -> (Progress, Revision) {
    loop {
        if leadership.wait_for(|standing| leads(*standing)).await.is_err() {
            std::future::pending::<()>().await;
        }
        match begin(cursor, effects).await {
            Ok(Some(begun)) => return begun,
            Ok(None) => {}
            Err(error) => tracing::warn!(%error, "the cursor of webhooks cannot be taken over"),
        }
        tokio::time::sleep(RETRY).await;
    }
}

async fn begin(cursor: &Cursor, effects: &Effects) -> Result<Option<(Progress, Revision)>, StoreError> {
    let Some(claimed) = cursor.claim().await? else { return Ok(None) };
    let from = match claimed.progress {
        Some(progress) => progress,
        None => {
            effects.metrics.webhook_gaps.inc();
            tracing::error!("nobody knows which webhooks are delivered; those of earlier changes are lost");
            cursor.now().await?
        }
    };
    Ok(Some((from, claimed.written)))
}

/// The next voice; never when the bus is closed.
async fn heard(voices: &mut Subscription) -> Delivery {
    match voices.next().await {
        Some(delivery) => delivery,
        None => std::future::pending().await,
    }
}

fn called_back(outbox: &mut Outbox<Bytes>, called: Result<term::Called, tokio::task::JoinError>) {
    match called {
        Ok((room, taken)) => outbox.called(&room, taken, Instant::now()),
        Err(error) => tracing::error!(%error, "a webhook call ended in a panic"),
    }
}

fn event(notice: &Notice, url: String) -> Event<Bytes> {
    let payload = codec::encode(notice, now_ms());
    let batchable = !matches!(notice.told, Told::VoiceChanged(..));
    let (sequence, batch) = (notice.sequence, notice.hook.batch);
    Event { sequence, url, batch, batchable, bytes: payload.len(), payload }
}
