//! The post: carries webhooks to their receivers with as many calls at once as the outbox allows.
//!
//! The outbox decides, this loop calls and reports back. It never waits for a receiver, so the
//! driver, which brings the mail, never waits for one either.

mod client;

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::{BufMut, Bytes, BytesMut};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;
use velella_coordinator_core::Hook;
use velella_coordinator_core::outbox::{Call, Event, Outbox};
use velella_model::RoomId;
use velella_ops::Secret;

use self::client::Client;
use crate::metrics::Metrics;

/// Notices between the driver and the post; the driver waits when it is full, which takes a post
/// that does not run at all.
const MAIL_MAX: usize = 1024;

/// How often the outbox's counts become metrics.
const OBSERVE_INTERVAL: Duration = Duration::from_secs(1);

/// A notice for the post.
pub(crate) struct Mail {
    pub(crate) room: RoomId,
    pub(crate) hook: Hook,
    pub(crate) position: u64,
    pub(crate) body: Bytes,
    pub(crate) batchable: bool,
}

/// Where the driver puts mail.
pub(crate) struct Letterbox {
    mail: mpsc::Sender<Mail>,
    /// For rooms without a webhook of their own.
    has_default: bool,
}

impl Letterbox {
    pub(crate) async fn send(&self, mail: Mail) {
        if mail.hook.url.is_some() || self.has_default {
            // Only at shutdown nobody takes it.
            let _ = self.mail.send(mail).await;
        }
    }
}

/// The other end.
pub(crate) struct Post {
    outbox: Outbox<Bytes>,
    mail: mpsc::Receiver<Mail>,
    client: Client,
    default_url: Option<String>,
    metrics: Arc<Metrics>,
}

impl Post {
    /// `log` names what positions belong to.
    pub(crate) fn new(
        default_url: Option<String>,
        secret: Option<&Secret>,
        log: &str,
        metrics: Arc<Metrics>,
    ) -> (Letterbox, Self) {
        let (sender, mail) = mpsc::channel(MAIL_MAX);
        let (seed, _) = Uuid::new_v4().as_u64_pair();
        let letterbox = Letterbox { mail: sender, has_default: default_url.is_some() };
        let client = Client::new(secret, log);
        (letterbox, Self { outbox: Outbox::new(seed), mail, client, default_url, metrics })
    }

    /// Delivers until shutdown.
    pub(crate) async fn run(mut self, shutdown: CancellationToken) {
        let mut calls = JoinSet::new();
        let mut observe = tokio::time::interval(OBSERVE_INTERVAL);
        loop {
            let timeout = self.outbox.poll_timeout();
            tokio::select! {
                () = shutdown.cancelled() => return self.say_what_is_lost(),
                Some(called) = calls.join_next() => match called {
                    Ok((room, taken)) => self.outbox.called(&room, taken, Instant::now()),
                    Err(error) => tracing::error!(%error, "a webhook call ended in a panic"),
                },
                mail = self.mail.recv() => match mail {
                    Some(mail) => self.take(mail),
                    None => return,
                },
                () = crate::driver::sleep_until(timeout) => self.outbox.timed_out(Instant::now()),
                _ = observe.tick() => self.metrics.observe_outbox(self.outbox.stats()),
            }
            while let Some(call) = self.outbox.poll_output() {
                let client = self.client.clone();
                calls.spawn(async move { deliver(client, call).await });
            }
        }
    }

    fn take(&mut self, Mail { room, hook, position, body, batchable }: Mail) {
        let Some(url) = hook.url.or_else(|| self.default_url.clone()) else { return };
        let event = Event { position, url, batch: hook.batch, batchable, bytes: body.len(), payload: body };
        self.outbox.told(&room, event, Instant::now());
    }

    fn say_what_is_lost(&self) {
        let lost = self.outbox.stats().waiting;
        if lost > 0 {
            tracing::warn!(lost, "webhooks are not delivered: the coordinator shuts down");
        }
    }
}

async fn deliver(client: Client, call: Call<Bytes>) -> (RoomId, bool) {
    let Call { room, url, events, batch, attempt } = call;
    let positions = (events.first().map_or(0, |(first, _)| *first), events.last().map_or(0, |(last, _)| *last));
    let body =
        if batch { batch_of(&events) } else { events.into_iter().map(|(_, body)| body).next().unwrap_or_default() };
    let outcome = client.post(&url, body, positions, attempt).await;
    if let Err(error) = &outcome {
        // The URL may hold a secret of its receiver, so the room has to do.
        tracing::debug!(%room, attempt, %error, "a webhook call failed");
    }
    (room, outcome.is_ok())
}

/// A `ServerMessage` with a `NotificationBatch`, made of notifications as they are.
fn batch_of(events: &[(u64, Bytes)]) -> Bytes {
    let inner: usize = events.iter().map(|(_, body)| 1 + varint_len(body.len()) + body.len()).sum();
    let mut batch = BytesMut::with_capacity(2 + varint_len(inner) + inner);
    put_varint(&mut batch, 33 << 3 | 2);
    put_varint(&mut batch, inner);
    for (_, body) in events {
        put_varint(&mut batch, 1 << 3 | 2);
        put_varint(&mut batch, body.len());
        batch.put_slice(body);
    }
    batch.freeze()
}

fn put_varint(bytes: &mut BytesMut, mut value: usize) {
    while value >= 0x80 {
        bytes.put_u8(u8::try_from(value & 0x7f).unwrap_or(0) | 0x80);
        value >>= 7;
    }
    bytes.put_u8(u8::try_from(value).unwrap_or(0));
}

fn varint_len(value: usize) -> usize {
    (usize::BITS - (value | 1).leading_zeros()).div_ceil(7) as usize
}

#[cfg(test)]
mod tests {
    use super::*;
    use velella_proto::Message;
    use velella_proto::fishjam::ServerMessage;
    use velella_proto::fishjam::server_message::{Content, NotificationBatch, RoomEvent};

    #[test]
    fn a_batch_holds_the_very_messages() {
        let message = |id: String| ServerMessage {
            content: Some(Content::RoomCreated(RoomEvent { room_id: id })),
            position: 7,
            ..ServerMessage::default()
        };
        let notifications = vec![message("r".into()), message("x".repeat(300))];
        let events: Vec<_> = notifications.iter().map(|m| (7, m.encode_to_vec().into())).collect();
        let expected = Some(Content::NotificationBatch(NotificationBatch { notifications }));
        assert_eq!(ServerMessage::decode(batch_of(&events)).unwrap().content, expected);
    }

    #[test]
    fn lengths_of_varints() {
        assert_eq!([0, 0x7f, 0x80, 0x3fff, 0x4000].map(varint_len), [1, 1, 2, 2, 3]);
    }
}
