//! A watch that survives its connection.
//!
//! One task per watch reads what etcd tells into a bounded queue. When the stream breaks or falls
//! silent, it goes on at another member, right after the last change it passed on.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use etcd_client::{Client, Error, Event, EventType, WatchOptions, WatchResponse, WatchStream};
use tokio::sync::mpsc;

use super::fault::is_too_long;
use super::members::Members;
use super::{backoff, revision, signed, versioned};
use crate::{Change, Revision, StoreError, WATCH_CHANGES_MAX, Watch};

/// Silence after which etcd is asked for a sign of life, and the same again until the watch is taken
/// for dead. Its answer is not taken as progress: before 3.4.25 and 3.5.8 it may overtake changes.
const SILENCE_MAX: Duration = Duration::from_secs(3);

/// The largest answer. Changes of one revision come together, as do those of a watch that is behind.
const RESPONSE_BYTES_MAX: usize = 256 * 1024 * 1024;

pub(super) async fn watch(members: &Arc<Members>, prefix: &str, after: Revision) -> Result<Watch, StoreError> {
    // One place more than promised: it is kept for `Lost`.
    let (changes, receiver) = mpsc::channel(WATCH_CHANGES_MAX + 1);
    let follower = Follower { members: Arc::clone(members), prefix: prefix.to_owned(), after, changes };
    let opened = follower.open().await?;
    tokio::spawn(follower.run(opened));
    Ok(Watch { changes: receiver })
}

struct Follower {
    members: Arc<Members>,
    prefix: String,
    after: Revision,
    changes: mpsc::Sender<Change>,
}

/// A stream with its first answer, and whose turn it was.
struct Opened {
    stream: WatchStream,
    first: WatchResponse,
    turn: usize,
}

/// Why a stream is read no further.
enum End {
    Unwatched,
    Lost,
    Broken(String),
}

impl Follower {
    async fn run(mut self, mut opened: Opened) {
        loop {
            let turn = opened.turn;
            match self.follow(opened).await {
                End::Unwatched => return,
                End::Lost => return self.lose(),
                End::Broken(why) => self.members.leave(turn, &why),
            }
            match self.reopen().await {
                Some(reopened) => opened = reopened,
                None => return,
            }
            self.members.watches_resumed.fetch_add(1, Ordering::Relaxed);
        }
    }

    async fn open(&self) -> Result<Opened, StoreError> {
        let options = WatchOptions::new().with_prefix().with_start_revision(signed(self.after).saturating_add(1));
        let opening = self.members.call_turn(|client| open(client, self.prefix.clone(), options.clone()));
        let ((stream, first), turn) = opening.await?;
        if first.canceled() && first.compact_revision() == 0 {
            return Err(StoreError::Denied(format!("no watch on {}: {}", self.prefix, first.cancel_reason())));
        }
        Ok(Opened { stream, first, turn })
    }

    /// Tries until it succeeds; `None` when nobody watches any more.
    async fn reopen(&self) -> Option<Opened> {
        for attempt in 1.. {
            tokio::select! {
                () = tokio::time::sleep(backoff::wait(attempt)) => {}
                () = self.changes.closed() => return None,
            }
            match self.open().await {
                Ok(opened) => return Some(opened),
                Err(error) => {
                    tracing::warn!(prefix = self.prefix, %error, "a watch does not go on yet");
                    self.log_in_again(&error).await;
                }
            }
        }
        None
    }

    /// A stream is not told that its token ran out, only that it is denied.
    async fn log_in_again(&self, error: &StoreError) {
        if matches!(error, StoreError::Denied(_)) {
            // Its failure shows in the next attempt.
            let _ = self.members.call(|client| async move { client.refresh_token().await }).await;
        }
    }

    async fn follow(&mut self, opened: Opened) -> End {
        let Opened { mut stream, first, .. } = opened;
        let mut response = first;
        loop {
            if response.canceled() {
                return match response.compact_revision() {
                    0 => End::Broken(response.cancel_reason().to_owned()),
                    _ => End::Lost,
                };
            }
            self.members.seen(true);
            if let Err(end) = self.pass_on(response.events()) {
                return end;
            }
            response = match self.next(&mut stream).await {
                Ok(response) => response,
                Err(end) => return end,
            };
        }
    }

    async fn next(&self, stream: &mut WatchStream) -> Result<WatchResponse, End> {
        let mut asked = false;
        loop {
            tokio::select! {
                message = stream.message() => return message_or_end(message),
                () = self.changes.closed() => return Err(End::Unwatched),
                () = tokio::time::sleep(SILENCE_MAX) => {
                    if asked {
                        self.members.seen(false);
                        return Err(End::Broken(format!("a watch is silent for {:?}", SILENCE_MAX * 2)));
                    }
                    asked = true;
                    stream.request_progress().await.map_err(|error| End::Broken(error.to_string()))?;
                }
            }
        }
    }

    /// Whole revisions come in one answer, so the last one is complete when this returns.
    fn pass_on(&mut self, events: &[Event]) -> Result<(), End> {
        let mut last = self.after;
        for (revision, change) in events.iter().filter_map(change) {
            if revision <= self.after {
                continue;
            }
            if self.changes.capacity() == 1 {
                return Err(End::Lost);
            }
            self.changes.try_send(change).map_err(|_| End::Unwatched)?;
            last = revision;
        }
        self.after = last;
        Ok(())
    }

    fn lose(&self) {
        self.members.watches_lost.fetch_add(1, Ordering::Relaxed);
        if self.changes.try_send(Change::Lost).is_ok() {
            tracing::warn!(prefix = self.prefix, "a watch has lost changes and must list again");
        }
    }
}

async fn open(client: Client, prefix: String, options: WatchOptions) -> Result<(WatchStream, WatchResponse), Error> {
    let mut watch = client.watch_client().max_decoding_message_size(RESPONSE_BYTES_MAX);
    let mut stream = watch.watch(prefix, Some(options)).await?;
    let first = stream.message().await?;
    Ok((stream, first.ok_or_else(|| Error::WatchError("a watch ended at once".to_owned()))?))
}

fn message_or_end(message: Result<Option<WatchResponse>, Error>) -> Result<WatchResponse, End> {
    match message {
        Ok(Some(response)) => Ok(response),
        Ok(None) => Err(End::Broken("a watch ended".to_owned())),
        // Asked again, etcd would answer the same.
        Err(error) if is_too_long(&error) => Err(End::Lost),
        Err(error) => Err(End::Broken(error.to_string())),
    }
}

/// `None` for a key that is none of ours.
fn change(event: &Event) -> Option<(Revision, Change)> {
    let entry = event.kv()?;
    let key = entry.key_str().ok()?.to_owned();
    let revision = revision(entry.mod_revision());
    let change = match event.event_type() {
        EventType::Put => Change::Put { key, versioned: versioned(entry) },
        EventType::Delete => Change::Deleted { key, revision },
    };
    Some((revision, change))
}
