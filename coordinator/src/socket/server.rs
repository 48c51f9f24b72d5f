//! A server's WebSocket: the management token first, then what it subscribes to until it leaves.
//!
//! A subscriber is a cursor into the log. Nothing waits for it in memory, so one that reads too
//! slowly falls behind, is told how much it lost, and subscribes again.

mod codec;

use std::time::{Duration, Instant};

use axum::body::Bytes;
use axum::extract::WebSocketUpgrade;
use axum::extract::ws::{CloseFrame, Message, WebSocket};
use futures_util::SinkExt;
use tokio::sync::watch;

use super::{
    CLOSE_PATIENCE, END_SHUTDOWN, End, FRAME_REFILL, FRAMES_BURST, NORMAL, POLICY, SEND_PATIENCE, Sockets, farewell,
    transmit,
};
use crate::notices::ring::{Cursor, Lost};
use crate::rate::Rate;
use crate::socket::server::codec::{Said, Subscription};

/// Pings as the published servers send them; without any sign of life for three of them, the
/// subscriber is gone.
const PING_INTERVAL: Duration = Duration::from_secs(30);
const SILENCE_MAX: Duration = Duration::from_secs(95);

/// Largest frame of a server that is read: a subscription to a thousand rooms.
const FRAME_BYTES_READ_MAX: usize = 256 * 1024;

/// What is gathered before it is written to the connection, and the most that one socket may
/// hold: the largest notification and what was gathered before it.
const WRITE_BUFFER_BYTES: usize = 16 * 1024;
const WRITE_BUFFER_BYTES_MAX: usize = 2 * 1024 * 1024;

const UNSUPPORTED: u16 = 1003;
const TRY_AGAIN: u16 = 1013;

const INVALID_TOKEN: End = End::Ours { code: NORMAL, reason: "invalid token" };
const NO_AUTH_REQUEST: End = End::Ours { code: NORMAL, reason: "invalid auth request" };
const NOT_ALLOWED: End = End::Ours { code: UNSUPPORTED, reason: "operation not allowed" };
const TOO_MANY: End = End::Ours { code: POLICY, reason: "too many messages" };

/// Sets the limits of such a socket.
pub(crate) fn bounded(upgrade: WebSocketUpgrade) -> WebSocketUpgrade {
    upgrade
        .max_frame_size(FRAME_BYTES_READ_MAX)
        .max_message_size(FRAME_BYTES_READ_MAX)
        .write_buffer_size(WRITE_BUFFER_BYTES)
        .max_write_buffer_size(WRITE_BUFFER_BYTES_MAX)
}

/// Why the socket ends.
#[derive(Debug)]
enum Over {
    /// As any socket does.
    Ended(End),
    /// It read too slowly.
    Lost(Lost),
}

impl From<End> for Over {
    fn from(end: End) -> Self {
        Self::Ended(end)
    }
}

/// What one socket wants, and how far it is.
struct Subscriber {
    notices: Option<Cursor>,
    growth: watch::Receiver<u64>,
    reports: Option<watch::Receiver<Bytes>>,
    heard_at: Instant,
    rate: Rate,
}

impl Sockets {
    /// Serves one server socket to its end.
    pub(crate) async fn serve_server(self, mut socket: WebSocket) {
        let over = match self.authenticate_server(&mut socket).await {
            Ok(()) => {
                self.metrics.subscribers.inc();
                let over = self.notify(&mut socket).await;
                self.metrics.subscribers.dec();
                over
            }
            Err(end) => end.into(),
        };
        match over {
            Over::Ended(end) => self.part(socket, end).await,
            Over::Lost(lost) => self.part_from_slow(socket, lost).await,
        }
    }

    /// Says how much is lost, if the socket still takes that much.
    async fn part_from_slow(&self, mut socket: WebSocket, Lost(lost): Lost) {
        self.metrics.notices_lost.inc_by(lost);
        self.metrics.sockets_closed.with_label_values(&["reads too slowly"]).inc();
        let reason = format!("reads too slowly: {lost} notifications lost");
        let frame = CloseFrame { code: TRY_AGAIN, reason: reason.into() };
        let _ = tokio::time::timeout(CLOSE_PATIENCE, farewell(&mut socket, frame)).await;
    }

    async fn authenticate_server(&self, socket: &mut WebSocket) -> Result<(), End> {
        let first = self.first_frame(socket, FRAME_BYTES_READ_MAX).await?;
        let Ok(Said::Auth { token }) = codec::decode(&first) else { return Err(NO_AUTH_REQUEST) };
        if !self.management_token.matches(&token) {
            return Err(INVALID_TOKEN);
        }
        transmit(socket, Message::Binary(codec::authenticated())).await
    }

    async fn notify(&self, socket: &mut WebSocket) -> Over {
        let now = Instant::now();
        let mut subscriber = Subscriber {
            notices: None,
            growth: self.log.growth(),
            reports: None,
            heard_at: now,
            rate: Rate::new(FRAMES_BURST, FRAME_REFILL, now),
        };
        let mut ping = tokio::time::interval_at(tokio::time::Instant::now() + PING_INTERVAL, PING_INTERVAL);
        loop {
            let going = tokio::select! {
                () = self.shutdown.cancelled() => return END_SHUTDOWN.into(),
                message = socket.recv() => self.hear_server(socket, &mut subscriber, message).await,
                Ok(()) = subscriber.growth.changed(), if subscriber.notices.is_some() => {
                    self.catch_up(socket, &mut subscriber).await
                }
                report = next_report(&mut subscriber.reports) => {
                    transmit(socket, Message::Binary(report)).await.map_err(Over::from)
                }
                _ = ping.tick() => {
                    if subscriber.heard_at.elapsed() >= SILENCE_MAX {
                        return End::Ours { code: super::INTERNAL, reason: "silent for too long" }.into();
                    }
                    transmit(socket, Message::Ping(Bytes::new())).await.map_err(Over::from)
                }
            };
            if let Err(over) = going {
                return over;
            }
        }
    }

    async fn hear_server(
        &self,
        socket: &mut WebSocket,
        subscriber: &mut Subscriber,
        message: Option<Result<Message, axum::Error>>,
    ) -> Result<(), Over> {
        subscriber.heard_at = Instant::now();
        if !subscriber.rate.allows(subscriber.heard_at) {
            return Err(TOO_MANY.into());
        }
        let Some(bytes) = self.received(message, FRAME_BYTES_READ_MAX)? else { return Ok(()) };
        let Ok(Said::Subscribe(subscription)) = codec::decode(&bytes) else { return Err(NOT_ALLOWED.into()) };
        let answer = match subscription {
            Subscription::Metrics => {
                subscriber.reports = Some(self.reports.subscribe());
                codec::subscribed_to_metrics()
            }
            Subscription::Notifications { rooms, resume } => {
                let resumed = resume.and_then(|sequence| Some((sequence, self.log.after(sequence)?)));
                let (sequence, after) = resumed.unwrap_or_else(|| self.log.newest());
                subscriber.notices = Some(Cursor { after, rooms });
                codec::subscribed(sequence, resumed.is_some())
            }
        };
        transmit(socket, Message::Binary(answer)).await?;
        self.catch_up(socket, subscriber).await
    }

    /// Sends everything up to the newest notification, many frames to a write.
    async fn catch_up(&self, socket: &mut WebSocket, subscriber: &mut Subscriber) -> Result<(), Over> {
        let Some(cursor) = &mut subscriber.notices else { return Ok(()) };
        loop {
            let before = cursor.after;
            let batch = self.log.read(cursor).map_err(Over::Lost)?;
            if cursor.after == before {
                return Ok(());
            }
            if batch.is_empty() {
                continue;
            }
            tokio::select! {
                () = self.shutdown.cancelled() => return Err(END_SHUTDOWN.into()),
                sent = tokio::time::timeout(SEND_PATIENCE, send_all(socket, batch)) => match sent {
                    Ok(Ok(())) => {}
                    Ok(Err(_)) => return Err(End::Theirs.into()),
                    Err(_) => return Err(Over::Lost(Lost(self.log.head().saturating_sub(before)))),
                },
            }
        }
    }
}

async fn send_all(socket: &mut WebSocket, batch: Vec<Bytes>) -> Result<(), axum::Error> {
    for bytes in batch {
        socket.feed(Message::Binary(bytes)).await?;
    }
    SinkExt::flush(socket).await
}

/// The next report; never without a subscription to them.
async fn next_report(reports: &mut Option<watch::Receiver<Bytes>>) -> Bytes {
    if let Some(reports) = reports
        && reports.changed().await.is_ok()
    {
        return reports.borrow_and_update().clone();
    }
    std::future::pending().await
}
