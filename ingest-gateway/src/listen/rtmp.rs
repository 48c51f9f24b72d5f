//! Encoders that publish over RTMP.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context;
use bytes::BytesMut;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, oneshot};
use tokio_util::task::task_tracker::TaskTrackerToken;
use tracing::Instrument;
use velella_model::component::JobKind;
use velella_rtmp::{CloseReason, Event, Output, PublishRequest, Reordering, Session};

use super::{Admission, Door, Introduction, PUBLISHERS_MAX};
use crate::source::End;

/// Bytes that are read at once: their frames are held until they are passed on.
const READ_BYTES: usize = 16 * 1024;

/// An encoder that takes its answers so slowly is gone.
const WRITE_PATIENCE: Duration = Duration::from_secs(5);

/// An encoder that has been told to go has so long to read it.
const HANG_UP_PATIENCE: Duration = Duration::from_secs(2);

/// Why a stream with pictures out of order is sent away.
const B_FRAMES: &str = "The stream holds B-frames, which browsers cannot show: set the encoder to none \
    (tune zerolatency, profile baseline, or bframes=0).";

/// Wait after a connection could not be accepted: no more open files, usually.
const ACCEPT_RETRY: Duration = Duration::from_millis(100);

/// Takes connections for ever.
pub(crate) async fn run(listener: TcpListener, door: Door) -> anyhow::Result<()> {
    let seats = Arc::new(Semaphore::new(PUBLISHERS_MAX));
    loop {
        let (socket, from) = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::warn!(%error, "a connection was not accepted");
                tokio::time::sleep(ACCEPT_RETRY).await;
                continue;
            }
        };
        let Ok(seat) = seats.clone().try_acquire_owned() else {
            tracing::warn!(%from, max = PUBLISHERS_MAX, "too many publishers: one was sent away");
            continue;
        };
        let connection = Connection::new(socket, door.clone());
        let span = tracing::error_span!("publisher", %from);
        tokio::spawn(
            async move {
                connection.serve().await;
                drop(seat);
            }
            .instrument(span),
        );
    }
}

/// Binds the listener.
pub(crate) async fn bind(at: SocketAddr) -> anyhow::Result<TcpListener> {
    TcpListener::bind(at).await.with_context(|| format!("cannot listen for RTMP on {at}"))
}

/// One encoder.
struct Connection {
    socket: TcpStream,
    session: Session,
    door: Door,
    published: Option<Publication>,
}

/// What an encoder that was let in has.
struct Publication {
    media: Introduction,
    ending: oneshot::Sender<End>,
    _inside: TaskTrackerToken,
}

impl Connection {
    fn new(socket: TcpStream, door: Door) -> Self {
        Self { socket, session: Session::new(Instant::now()), door, published: None }
    }

    async fn serve(mut self) {
        let end = self.run().await;
        tracing::info!(code = end.trouble.code, reason = end.trouble.sentence, "the publisher left");
        let Some(Publication { media, ending, _inside }) = self.published else { return hang_up(self.socket).await };
        drop(media);
        // Nobody waits for it when it was closed from the other side.
        let _ = ending.send(end);
        hang_up(self.socket).await;
    }

    async fn run(&mut self) -> End {
        let mut buffer = BytesMut::with_capacity(READ_BYTES);
        loop {
            if let Err(end) = self.execute().await {
                return end;
            }
            let due = self.published.as_ref().and_then(|published| published.media.due());
            let timeout = self.session.poll_timeout();
            let closed = closed(self.published.as_ref());
            tokio::select! {
                read = self.socket.read_buf(&mut buffer) => match read {
                    Ok(1..) => self.session.handle_bytes(&buffer.split(), Instant::now()),
                    Ok(0) | Err(_) => self.session.handle_end(),
                },
                () = sleep_until(timeout.map(Into::into)) => self.session.handle_timeout(Instant::now()),
                () = sleep_until(due) => if let Err(end) = self.describe().await { return end },
                () = closed => self.session.end("The stream was ended by the server."),
            }
            buffer.reserve(READ_BYTES);
        }
    }

    async fn describe(&mut self) -> Result<(), End> {
        match &mut self.published {
            Some(published) => published.media.describe().await,
            None => Ok(()),
        }
    }

    async fn execute(&mut self) -> Result<(), End> {
        while let Some(output) = self.session.poll_output() {
            match output {
                Output::Send(bytes) => {
                    let written = tokio::time::timeout(WRITE_PATIENCE, self.socket.write_all(&bytes)).await;
                    if !matches!(written, Ok(Ok(()))) {
                        self.session.handle_end();
                    }
                }
                Output::PublishRequested(request) => self.asked(&request).await,
                Output::Frame(frame) => {
                    if let Some(published) = &mut self.published {
                        published.media.give(frame).await?;
                    }
                }
                Output::Event(event) => self.noted(event).await?,
                Output::Closed(reason) => return Err(ended(&reason)),
            }
        }
        Ok(())
    }

    async fn asked(&mut self, request: &PublishRequest) {
        match self.door.ask(JobKind::Rtmp, &request.key).await {
            Ok(Admission { outlet, ending, inside: _inside }) => {
                tracing::info!(encoder = request.encoder, "an encoder publishes");
                self.published = Some(Publication { media: Introduction::new(outlet), ending, _inside });
                self.session.accept(Instant::now());
            }
            Err(refusal) => {
                tracing::info!(encoder = request.encoder, %refusal, "an encoder was sent away");
                self.session.reject(&refusal.to_string());
            }
        }
    }

    async fn noted(&mut self, event: Event) -> Result<(), End> {
        let Some(Publication { media, .. }) = &mut self.published else { return Ok(()) };
        match event {
            Event::Video(codec) => media.has_video(codec).await?,
            Event::Audio(_) => media.has_audio().await?,
            Event::Unsupported(what) => tracing::warn!(what, "the encoder sends what no room can take"),
            Event::ClockJumped { by_ms } => tracing::info!(by_ms, "the encoder's clock jumped"),
            Event::Reordered(Reordering::Seen) => self.session.end(B_FRAMES),
            // Some hardware says that it may and never does.
            Event::Metadata(_) | Event::Reordered(Reordering::Declared) => {}
        }
        Ok(())
    }
}

/// Lets the encoder read what it was told last: a socket that is closed with bytes unread takes that back.
async fn hang_up(mut socket: TcpStream) {
    let mut rest = [0; 1024];
    let read_on = async {
        if socket.shutdown().await.is_ok() {
            while matches!(socket.read(&mut rest).await, Ok(1..)) {}
        }
    };
    // It is gone either way.
    let _ = tokio::time::timeout(HANG_UP_PATIENCE, read_on).await;
}

fn ended(reason: &CloseReason) -> End {
    End::for_now("publisher_left", format!("{reason}"))
}

fn closed(published: Option<&Publication>) -> impl Future<Output = ()> + use<> {
    let closed = published.map(|published| published.media.closed());
    async move {
        match closed {
            Some(closed) => closed.await,
            None => std::future::pending().await,
        }
    }
}

async fn sleep_until(at: Option<tokio::time::Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at).await,
        None => std::future::pending().await,
    }
}
