//! One peer's WebSocket: a token first, then frames both ways until somebody has enough.

pub(crate) mod agent;
mod agent_codec;
mod audible;
pub(crate) mod codec;
mod own_tracks;
mod sdk;
pub(crate) mod server;

use std::borrow::Cow;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::body::Bytes;
use axum::extract::ws::{CloseFrame, Message, WebSocket};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tracing::Instrument;
use uuid::Uuid;
use velella_bus::Bus;
use velella_coordinator_core::{Arrival, Close, Door};
use velella_model::record::PeerKind;
use velella_model::wire::signal::ServerEvent;
use velella_model::{RoomType, SessionId, TrackId, WorkerId};
use velella_ops::{Lobby, Seat, Secret};

use crate::driver::{DriverGone, Letter, Mailbox};
use crate::ice_servers::IceServers;
use crate::metrics::Metrics;
use crate::notices::log::Log;
use crate::notices::report::Reports;
use crate::rate::Rate;
use crate::socket::codec::Frame;
use crate::sounds::Sounds;
use crate::tokens::{BadToken, Grant, Tokens};

/// Largest frame of a peer; a 25-person SDP offer is about 60 KiB.
pub(crate) const FRAME_BYTES_MAX: usize = 256 * 1024;

/// Frames above this are not even read: the connection breaks without a reason.
pub(crate) const FRAME_BYTES_READ_MAX: usize = 2 * FRAME_BYTES_MAX;

/// A socket that has not shown a token by then is closed.
const AUTH_PATIENCE: Duration = Duration::from_secs(5);

/// Pings find half-open connections; two without any sign of life are enough.
const PING_INTERVAL: Duration = Duration::from_secs(10);
const SILENCE_MAX: Duration = Duration::from_secs(20);

/// A peer that does not take a frame for this long is gone.
const SEND_PATIENCE: Duration = Duration::from_secs(10);

/// How long a closing handshake may take.
const CLOSE_PATIENCE: Duration = Duration::from_secs(2);

/// Frames that wait for one socket; one more closes it.
pub(crate) const OUTBOX_MAX: usize = 512;

/// Frames a peer may send at once, and how soon it may send another. A join with trickled
/// candidates takes under 50.
const FRAMES_BURST: u32 = 256;
const FRAME_REFILL: Duration = Duration::from_millis(20);

/// What the driver sends to a socket.
#[derive(Debug)]
pub(crate) enum Outgoing {
    Welcome(RoomType),
    Event(ServerEvent),
    /// A worker takes the sound of an agent's track from now on.
    TrackTaken {
        track: TrackId,
        worker: WorkerId,
    },
    /// The worker tells us of a session that another coordinator held before.
    Adopted {
        /// What its client offered last.
        offer: String,
    },
    Close(Close),
}

/// What all sockets share.
#[derive(Clone)]
pub(crate) struct Sockets {
    pub(crate) mailbox: Mailbox,
    pub(crate) tokens: Arc<Tokens>,
    pub(crate) lobby: Lobby,
    pub(crate) bus: Arc<dyn Bus>,
    pub(crate) sounds: Sounds,
    pub(crate) metrics: Arc<Metrics>,
    /// What servers show.
    pub(crate) management_token: Arc<Secret>,
    pub(crate) log: Log,
    pub(crate) reports: Reports,
    /// What clients are told of.
    pub(crate) ice_servers: Arc<IceServers>,
    pub(crate) shutdown: CancellationToken,
}

/// Why the socket ends, from this side.
#[derive(Clone, Debug, PartialEq, Eq)]
enum End {
    /// The peer closed it, or it broke.
    Theirs,
    /// A newcomer needed its place in the lobby: no time for a closing handshake, in a crowd the
    /// descriptor is needed more.
    Evicted,
    /// We close it.
    Ours { code: u16, reason: &'static str },
    /// The core does.
    Closed(Close),
}

const NORMAL: u16 = 1000;
const GOING_AWAY: u16 = 1001;
const MALFORMED: u16 = 1007;
const POLICY: u16 = 1008;
const TOO_BIG: u16 = 1009;
const INTERNAL: u16 = 1011;

const UNAUTHENTICATED: End = End::Ours { code: NORMAL, reason: "unauthenticated" };

impl Sockets {
    /// Serves one socket to its end.
    pub(crate) async fn serve(self, mut socket: WebSocket) {
        let end = match self.authenticate(&mut socket).await {
            Ok((grant, sdk_version)) => self.attend(&mut socket, grant, &sdk_version).await,
            Err(end) => end,
        };
        self.part(socket, end).await;
    }

    /// Ends a socket, saying why if there is anything to say.
    async fn part(&self, mut socket: WebSocket, end: End) {
        let (code, reason, text, patience) = match &end {
            End::Theirs => return,
            End::Evicted => (NORMAL, "unauthenticated", Cow::Borrowed("unauthenticated"), Duration::ZERO),
            End::Ours { code, reason } => (*code, *reason, Cow::Borrowed(*reason), CLOSE_PATIENCE),
            End::Closed(close) => (close.code(), close.reason(), close.text(), CLOSE_PATIENCE),
        };
        self.metrics.sockets_closed.with_label_values(&[reason]).inc();
        let frame = CloseFrame { code, reason: text.as_ref().into() };
        let _ = tokio::time::timeout(patience, farewell(&mut socket, frame)).await;
    }

    async fn authenticate(&self, socket: &mut WebSocket) -> Result<(Grant, String), End> {
        let first = self.first_frame(socket, FRAME_BYTES_MAX).await?;
        let Frame::Auth { token, sdk_version } = self.read(&first)? else { return Err(UNAUTHENTICATED) };
        Ok((self.check(&token)?, sdk_version))
    }

    /// The first frame, waited for in the lobby.
    async fn first_frame(&self, socket: &mut WebSocket, bytes_max: usize) -> Result<Bytes, End> {
        let seat: Seat = self.lobby.enter();
        let first = self.next_frame(socket, bytes_max);
        tokio::select! {
            () = seat.evicted() => Err(End::Evicted),
            () = self.shutdown.cancelled() => Err(END_SHUTDOWN),
            first = tokio::time::timeout(AUTH_PATIENCE, first) => first.map_err(|_| UNAUTHENTICATED)?,
        }
    }

    /// What a token grants.
    fn check(&self, token: &str) -> Result<Grant, End> {
        self.tokens.check(token).map_err(|bad| {
            let reason = match bad {
                BadToken::Missing => "missing token",
                BadToken::Invalid => "invalid token",
                BadToken::Expired => "expired token",
            };
            End::Ours { code: NORMAL, reason }
        })
    }

    /// The next frame that means something; text and control frames do not.
    async fn next_frame(&self, socket: &mut WebSocket, bytes_max: usize) -> Result<Bytes, End> {
        loop {
            if let Some(bytes) = self.received(socket.recv().await, bytes_max)? {
                return Ok(bytes);
            }
        }
    }

    async fn attend(&self, socket: &mut WebSocket, grant: Grant, sdk_version: &str) -> End {
        let (room, peer) = (grant.room.clone(), grant.peer.clone());
        let (session, outgoing) = match self.attach(grant, PeerKind::Webrtc, Door::Socket).await {
            Ok(attached) => attached,
            Err(DriverGone) => return END_SHUTDOWN,
        };
        self.metrics.sockets.inc();
        // On whatever level is logged: a span below it would take the fields from warnings too.
        let span = tracing::error_span!("socket", %room, %peer, %session);
        tracing::debug!(parent: &span, "socket authenticated");
        let end = self.converse(socket, &session, sdk_version, outgoing).instrument(span.clone()).await;
        tracing::debug!(parent: &span, ?end, "socket ends");
        self.metrics.sockets.dec();
        let _ = self.mailbox.send(Letter::Gone { session }).await;
        end
    }

    /// Makes a socket or an offer known to the driver.
    pub(crate) async fn attach(
        &self,
        grant: Grant,
        kind: PeerKind,
        door: Door,
    ) -> Result<(SessionId, mpsc::Receiver<Outgoing>), DriverGone> {
        let session = SessionId::parse(&Uuid::new_v4().to_string()).expect("a uuid is an id");
        let (outbox, outgoing) = mpsc::channel(OUTBOX_MAX);
        let pass = grant.pass();
        let Grant { room, peer, .. } = grant;
        let arrival = Arrival { session: session.clone(), room, peer, kind, pass, door };
        self.mailbox.send(Letter::Attach { arrival, outbox }).await?;
        Ok((session, outgoing))
    }

    async fn converse(
        &self,
        socket: &mut WebSocket,
        session: &SessionId,
        sdk_version: &str,
        mut outgoing: mpsc::Receiver<Outgoing>,
    ) -> End {
        let mut ping = tokio::time::interval_at(tokio::time::Instant::now() + PING_INTERVAL, PING_INTERVAL);
        let mut heard_at = Instant::now();
        let mut rate = Rate::new(FRAMES_BURST, FRAME_REFILL, heard_at);
        loop {
            let going = tokio::select! {
                () = self.shutdown.cancelled() => Err(END_SHUTDOWN),
                next = outgoing.recv() => self.send(socket, sdk_version, next).await,
                message = socket.recv() => {
                    heard_at = Instant::now();
                    if rate.allows(heard_at) {
                        self.hear(session, message).await
                    } else {
                        self.bad_frame("too_many");
                        Err(End::Ours { code: POLICY, reason: "too many messages" })
                    }
                }
                _ = ping.tick() => {
                    if heard_at.elapsed() >= SILENCE_MAX {
                        Err(End::Ours { code: INTERNAL, reason: "silent for too long" })
                    } else {
                        transmit(socket, Message::Ping(Bytes::new())).await
                    }
                }
            };
            if let Err(end) = going {
                return end;
            }
        }
    }

    async fn send(&self, socket: &mut WebSocket, sdk_version: &str, outgoing: Option<Outgoing>) -> Result<(), End> {
        let bytes = match outgoing {
            Some(Outgoing::Welcome(room_type)) => codec::encode_welcome(room_type, sdk::verdict(sdk_version)),
            Some(Outgoing::Event(event)) => codec::encode(event, &self.ice_servers),
            // Said to agents, and to those who came with an offer.
            Some(Outgoing::TrackTaken { .. } | Outgoing::Adopted { .. }) => return Ok(()),
            Some(Outgoing::Close(close)) => return Err(End::Closed(close)),
            None => return Err(End::Ours { code: INTERNAL, reason: "reads too slowly" }),
        };
        transmit(socket, Message::Binary(bytes.into())).await
    }

    async fn hear(&self, session: &SessionId, message: Option<Result<Message, axum::Error>>) -> Result<(), End> {
        let Some(bytes) = self.received(message, FRAME_BYTES_MAX)? else { return Ok(()) };
        match self.read(&bytes)? {
            Frame::Said(said) => {
                let letter = Letter::Said { session: session.clone(), said };
                self.mailbox.send(letter).await.map_err(|_| END_SHUTDOWN)
            }
            Frame::Stats => {
                self.metrics.stats_reports.inc();
                Ok(())
            }
            Frame::Auth { .. } | Frame::Nothing => Ok(()),
        }
    }

    fn received(&self, message: Option<Result<Message, axum::Error>>, bytes_max: usize) -> Result<Option<Bytes>, End> {
        match message {
            Some(Ok(Message::Binary(bytes))) if bytes.len() > bytes_max => {
                self.bad_frame("too_big");
                Err(End::Ours { code: TOO_BIG, reason: "message too big" })
            }
            Some(Ok(Message::Binary(bytes))) => Ok(Some(bytes)),
            Some(Ok(Message::Text(_) | Message::Ping(_) | Message::Pong(_))) => Ok(None),
            Some(Ok(Message::Close(_))) | None => Err(End::Theirs),
            Some(Err(error)) => {
                tracing::debug!(%error, "a socket broke");
                self.bad_frame("broken");
                Err(End::Theirs)
            }
        }
    }

    fn read(&self, bytes: &[u8]) -> Result<Frame, End> {
        codec::decode(bytes).map_err(|error| {
            tracing::debug!(%error, "a frame of a peer cannot be used");
            self.bad_frame("malformed");
            End::Ours { code: MALFORMED, reason: "malformed message" }
        })
    }

    fn bad_frame(&self, kind: &str) {
        self.metrics.bad_frames.with_label_values(&[kind]).inc();
    }
}

const END_SHUTDOWN: End = End::Ours { code: GOING_AWAY, reason: "the server is restarting" };

/// Says why, then reads until the peer has closed too: a connection that is dropped with unread
/// data is reset, and the reason lost.
async fn farewell(socket: &mut WebSocket, frame: CloseFrame) {
    if socket.send(Message::Close(Some(frame))).await.is_ok() {
        while let Some(Ok(_)) = socket.recv().await {}
    }
}

async fn transmit(socket: &mut WebSocket, message: Message) -> Result<(), End> {
    match tokio::time::timeout(SEND_PATIENCE, socket.send(message)).await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(_)) | Err(_) => Err(End::Theirs),
    }
}
