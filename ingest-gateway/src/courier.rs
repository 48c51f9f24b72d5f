//! Does the errands of one session at a worker: commands and signals over the bus, datagrams on a socket of its own.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::net::UdpSocket;
use tokio::task::JoinSet;
use velella_bus::Bus;
use velella_gateway_core::{Errand, Home, Packet};
use velella_model::wire::command::{Command, CommandReply, OpenSession, Order};
use velella_model::wire::{decode, encode};
use velella_model::{Incarnation, SessionId, WorkerId, subject};

use crate::letter::Lodging;
use crate::uplink_socket::{self, DATAGRAM_BYTES_MAX};

/// A worker that needs longer for a command counts as silent.
const COMMAND_TIMEOUT: Duration = Duration::from_secs(2);

/// Whoever does them.
pub(crate) struct Courier {
    bus: Arc<dyn Bus>,
    socket: Option<UdpSocket>,
    /// The last datagram that came.
    datagram: Vec<u8>,
    /// Commands under way.
    asking: JoinSet<(SessionId, bool)>,
}

/// What it brings back.
#[derive(Debug)]
pub(crate) enum News {
    /// The worker answered whether it opened a session.
    Opened(SessionId, bool),
    /// A datagram of so many bytes came, which [`Courier::datagram`] shows.
    Datagram(SocketAddr, usize),
}

impl Courier {
    pub(crate) fn new(bus: Arc<dyn Bus>) -> Self {
        Self { bus, socket: None, datagram: vec![0; DATAGRAM_BYTES_MAX], asking: JoinSet::new() }
    }

    /// The way to where a room lives; none when there is no way.
    pub(crate) async fn move_to(&mut self, lodging: Option<Lodging>) -> Option<Home> {
        let Lodging { worker, incarnation, assignment, endpoint } = lodging?;
        match uplink_socket::towards(endpoint?).await {
            Ok((socket, local)) => {
                self.socket = Some(socket);
                Some(Home { worker, incarnation, assignment, local })
            }
            Err(error) => {
                tracing::warn!(%worker, %error, "no way to the worker");
                None
            }
        }
    }

    /// Waits for nobody but the bus.
    pub(crate) async fn run(&mut self, errand: Errand) {
        match errand {
            Errand::Open { session, worker, incarnation, order } => self.ask(session, worker, incarnation, order),
            // Without an answer: a worker that does not hear it closes the session by its own timeout.
            Errand::Close { worker, incarnation, order } => {
                self.publish(&subject::worker_commands(&worker), encode(&Command { incarnation, order })).await;
            }
            Errand::Signal { worker, message } => {
                self.publish(&subject::worker_signals(&worker), encode(&message)).await;
            }
            Errand::Send(packet) => self.send(&packet),
        }
    }

    /// What comes back next. Nothing is lost when the future is dropped.
    pub(crate) async fn next(&mut self) -> News {
        loop {
            let received = tokio::select! {
                Some(Ok((session, done))) = self.asking.join_next() => return News::Opened(session, done),
                received = receive(self.socket.as_ref(), &mut self.datagram) => received,
            };
            match received {
                Ok((length, source)) => return News::Datagram(source, length),
                // A port that refuses: the worker is gone, which ICE finds out by itself.
                Err(error) => tracing::debug!(%error, "a datagram was not received"),
            }
        }
    }

    /// So many bytes of the last datagram.
    pub(crate) fn datagram(&self, length: usize) -> &[u8] {
        self.datagram.get(..length).unwrap_or_default()
    }

    fn ask(&mut self, session: SessionId, worker: WorkerId, incarnation: Incarnation, order: Box<OpenSession>) {
        let bus = self.bus.clone();
        self.asking.spawn(async move {
            let command = encode(&Command { incarnation, order: Order::OpenSession { session: *order } });
            let answer = bus.request(&subject::worker_commands(&worker), command.into(), COMMAND_TIMEOUT).await;
            let reply = answer.map(|bytes| decode::<CommandReply>(&bytes));
            let done = matches!(reply, Ok(Ok(CommandReply::Done)));
            if !done {
                tracing::info!(%worker, ?reply, "the worker did not open a session");
            }
            (session, done)
        });
    }

    async fn publish(&self, subject: &str, message: Vec<u8>) {
        if let Err(error) = self.bus.publish(subject, Bytes::from(message)).await {
            tracing::info!(subject, %error, "a message was not sent");
        }
    }

    /// Never waits: a datagram that finds no room is lost, as on the network.
    fn send(&self, packet: &Packet) {
        if let Some(socket) = &self.socket
            && let Err(error) = socket.try_send_to(&packet.contents, packet.destination)
        {
            tracing::trace!(%error, "a datagram was not sent");
        }
    }
}

async fn receive(socket: Option<&UdpSocket>, datagram: &mut [u8]) -> std::io::Result<(usize, SocketAddr)> {
    match socket {
        Some(socket) => socket.recv_from(datagram).await,
        None => std::future::pending().await,
    }
}
