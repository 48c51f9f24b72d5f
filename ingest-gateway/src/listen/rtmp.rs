//! Encoders that publish over RTMP, as it is or in TLS.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context;
use bytes::BytesMut;
use prometheus::IntCounter;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};
use tokio_rustls::TlsAcceptor;
use tokio_util::task::task_tracker::TaskTrackerToken;
use tracing::Instrument;
use velella_model::component::JobKind;
use velella_ops::{Lobby, Seat};
use velella_rtmp::{CloseReason, Event, Output, PublishRequest, Reordering, Session};

use super::{Admission, Door, Introduction, PUBLISHERS_MAX, Refusal, Terms};
use crate::source::End;

/// Bytes that are read at once: their frames are held until they are passed on.
const READ_BYTES: usize = 16 * 1024;

/// An encoder that takes its answers so slowly is gone.
const WRITE_PATIENCE: Duration = Duration::from_secs(5);

/// An encoder that has been told to go has so long to read it.
const HANG_UP_PATIENCE: Duration = Duration::from_secs(2);

/// Why a stream with pictures out of order is sent away.
const B_FRAMES: &str = "The stream holds B-frames, which browsers cannot show: set the encoder to none \
    (tune zerolatency, profile baseline, or bframes=0), or ask for transcode.";

/// Wait after a connection could not be accepted: no more open files, usually.
const ACCEPT_RETRY: Duration = Duration::from_millis(100);

/// Connections that publish nothing yet; for one more, the oldest is closed.
const STRANGERS_MAX: usize = 1_024;

/// A bound listener.
pub(crate) struct Listener {
    socket: TcpListener,
    /// How connections are encrypted; they are not if absent.
    tls: Option<TlsAcceptor>,
    lobby: Lobby,
    places: Arc<Semaphore>,
}

impl Listener {
    /// Binds it.
    pub(crate) async fn bind(
        at: SocketAddr,
        tls: Option<rustls::ServerConfig>,
        evictions: IntCounter,
    ) -> anyhow::Result<Self> {
        let socket = TcpListener::bind(at).await.with_context(|| format!("cannot listen for RTMP on {at}"))?;
        let tls = tls.map(|config| TlsAcceptor::from(Arc::new(config)));
        let (lobby, places) = (Lobby::new(STRANGERS_MAX, evictions), Arc::new(Semaphore::new(PUBLISHERS_MAX)));
        Ok(Self { socket, tls, lobby, places })
    }

    pub(crate) fn local_addr(&self) -> std::io::Result<SocketAddr> {
        self.socket.local_addr()
    }

    /// Takes connections for ever.
    pub(crate) async fn run(self, door: Door) -> anyhow::Result<()> {
        loop {
            match self.socket.accept().await {
                Ok((socket, from)) => {
                    let entry = Entry { door: door.clone(), seat: self.lobby.enter(), places: self.places.clone() };
                    let serving = serve(socket, self.tls.clone(), entry);
                    tokio::spawn(serving.instrument(tracing::error_span!("publisher", %from)));
                }
                Err(error) => {
                    tracing::warn!(%error, "a connection was not accepted");
                    tokio::time::sleep(ACCEPT_RETRY).await;
                }
            }
        }
    }
}

/// What a connection comes in with.
struct Entry {
    door: Door,
    seat: Seat,
    places: Arc<Semaphore>,
}

/// The time for the greeting begins before TLS does, so that neither can be stretched.
async fn serve(socket: TcpStream, tls: Option<TlsAcceptor>, entry: Entry) {
    let session = Session::new(Instant::now());
    let Some(tls) = tls else { return Connection::new(socket, session, entry).serve().await };
    let accepted = tokio::select! {
        accepted = tls.accept(socket) => accepted,
        () = entry.seat.evicted() => return tracing::info!("a publisher made room for another one"),
        () = sleep_until(session.poll_timeout().map(Into::into)) => {
            return tracing::info!("a publisher was too slow with its TLS");
        }
    };
    match accepted {
        Ok(socket) => Connection::new(socket, session, entry).serve().await,
        Err(error) => tracing::info!(%error, "a publisher spoke no TLS"),
    }
}

/// One encoder.
struct Connection<S> {
    socket: S,
    session: Session,
    door: Door,
    place: Place,
    places: Arc<Semaphore>,
    published: Option<Publication>,
    /// Why we ended it ourselves.
    sent_away: Option<End>,
    terms: Terms,
}

/// What an encoder that was let in has.
struct Publication {
    media: Introduction,
    ending: oneshot::Sender<End>,
    _inside: TaskTrackerToken,
}

/// What it takes up of the listener's bounds.
enum Place {
    Stranger(Seat),
    Publisher { _permit: OwnedSemaphorePermit },
}

impl Place {
    /// A stranger has to make room for another one.
    async fn lost(&self) {
        match self {
            Self::Stranger(seat) => seat.evicted().await,
            Self::Publisher { .. } => std::future::pending().await,
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Connection<S> {
    fn new(socket: S, session: Session, entry: Entry) -> Self {
        let Entry { door, seat, places } = entry;
        let (place, terms) = (Place::Stranger(seat), Terms::default());
        Self { socket, session, door, place, places, published: None, sent_away: None, terms }
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
                () = self.place.lost() => return End::for_now("publisher_left", "It published nothing for too long."),
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
                    let written = tokio::time::timeout(WRITE_PATIENCE, write(&mut self.socket, &bytes)).await;
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
                Output::Closed(reason) => return Err(self.sent_away.take().unwrap_or_else(|| ended(&reason))),
            }
        }
        Ok(())
    }

    async fn asked(&mut self, request: &PublishRequest) {
        match admit(self.places.clone(), &self.door, &request.key).await {
            Ok((permit, Admission { outlet, ending, terms, inside: _inside })) => {
                self.terms = terms;
                tracing::info!(encoder = request.encoder, "an encoder publishes");
                self.place = Place::Publisher { _permit: permit };
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
            Event::Unsupported(what) => {
                tracing::warn!(what, "the encoder sends what no room can take");
                media.unsupported(what).await?;
            }
            Event::ClockJumped { by_ms } => tracing::info!(by_ms, "the encoder's clock jumped"),
            Event::Reordered(Reordering::Seen) if !self.terms.transcodes => {
                self.sent_away = Some(End::for_good("b_frames", B_FRAMES));
                self.session.end(B_FRAMES);
            }
            // Some hardware says that it may and never does.
            Event::Metadata(_) | Event::Reordered(Reordering::Declared | Reordering::Seen) => {}
        }
        Ok(())
    }
}

/// Asks for it, if there is a place.
async fn admit(places: Arc<Semaphore>, door: &Door, key: &str) -> Result<(OwnedSemaphorePermit, Admission), Refusal> {
    let permit = places.try_acquire_owned().map_err(|_| Refusal::Busy)?;
    Ok((permit, door.ask(JobKind::Rtmp, key).await?))
}

/// TLS keeps back what it is not told to let go.
async fn write(socket: &mut (impl AsyncWrite + Unpin), bytes: &[u8]) -> std::io::Result<()> {
    socket.write_all(bytes).await?;
    socket.flush().await
}

/// Lets the encoder read what it was told last: a socket that is closed with bytes unread takes that back.
async fn hang_up(mut socket: impl AsyncRead + AsyncWrite + Unpin) {
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

#[cfg(test)]
mod tests;
#[cfg(test)]
mod tls_tests;
