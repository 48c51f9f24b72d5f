//! Encoders that publish over SRT: MPEG-TS in datagrams.
//!
//! Built on the machines of `srt-protocol`, not on the listener of `srt-tokio`: that one ends for everybody at one
//! datagram with an extension it does not know, remembers every address that ever sent it anything, and lets one slow
//! publisher hold up the others. Here nothing is remembered of an address before it has returned a cookie that only
//! its owner can have seen, each publisher is a task of its own, and only datagrams that [`gate`] lets through get to
//! those machines at all.

mod cookie;
mod publisher;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context;
use socket2::SockRef;
use srt_protocol::options::Passphrase;
use srt_protocol::packet::{ControlPacket, HandshakeControlInfo, Packet, RejectReason, ServerRejectReason, ShakeType};
use srt_protocol::protocol::pending_connection::{AccessControlResponse, ConnectionResult, listen::Listen};
use srt_protocol::settings::ConnInitSettings;
use tokio::net::UdpSocket;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tracing::Instrument;
use velella_ops::Secret;
use velella_srt::{gate, handshake};

use super::{Door, PUBLISHERS_MAX};
use crate::metrics::Dropped;
use cookie::Cookies;
use publisher::Publisher;

/// No datagram is larger on the way here.
const DATAGRAM_BYTES_MAX: usize = 1_500;

/// Datagrams that wait for one publisher's task. Further ones are dropped, and asked for again by SRT.
const MAIL_MAX: usize = 1_024;

/// What the kernel holds for all publishers while this task is busy; as much of it as the system allows.
const SOCKET_BYTES: usize = 4 * 1024 * 1024;

/// Wait after the socket could not be read.
const RECEIVE_RETRY: Duration = Duration::from_millis(100);

/// A bound listener.
pub(crate) struct Listener {
    socket: Arc<UdpSocket>,
    passphrase: Option<Passphrase>,
    dropped: Dropped,
}

impl Listener {
    /// Binds it; with a passphrase, only encoders that encrypt with it get in.
    pub(crate) async fn bind(at: SocketAddr, passphrase: Option<&Secret>, dropped: Dropped) -> anyhow::Result<Self> {
        let passphrase = passphrase.map(|secret| Passphrase::try_from(secret.expose().to_owned())).transpose();
        let passphrase = passphrase.context("the passphrase of SRT needs 10 to 79 characters")?;
        let socket = UdpSocket::bind(at).await.with_context(|| format!("cannot listen for SRT on {at}"))?;
        if let Err(error) = SockRef::from(&socket).set_recv_buffer_size(SOCKET_BYTES) {
            tracing::debug!(%error, "the buffer of the SRT socket stays as it is");
        }
        Ok(Self { socket: Arc::new(socket), passphrase, dropped })
    }

    pub(crate) fn local_addr(&self) -> std::io::Result<SocketAddr> {
        self.socket.local_addr()
    }

    /// Takes publishers for ever.
    pub(crate) async fn run(self, door: Door) -> anyhow::Result<()> {
        let is_ipv6 = self.local_addr()?.is_ipv6();
        let (settings, cookies) = (handshake::settings(), Cookies::new());
        let mut reception = Reception {
            listener: self,
            is_ipv6,
            settings,
            cookies,
            door,
            publishers: BTreeMap::new(),
            tasks: JoinSet::new(),
        };
        let mut buffer = [0; DATAGRAM_BYTES_MAX];
        loop {
            tokio::select! {
                received = reception.listener.socket.recv_from(&mut buffer) => match received {
                    Ok((length, from)) => reception.handle(buffer.get(..length).unwrap_or_default(), from),
                    Err(error) => {
                        tracing::warn!(%error, "the SRT socket was not read");
                        tokio::time::sleep(RECEIVE_RETRY).await;
                    }
                },
                Some(ended) = reception.tasks.join_next() => reception.forget(ended),
            }
        }
    }
}

/// Who is here, and who comes.
struct Reception {
    listener: Listener,
    is_ipv6: bool,
    settings: ConnInitSettings,
    cookies: Cookies,
    door: Door,
    publishers: BTreeMap<SocketAddr, mpsc::Sender<Packet>>,
    tasks: JoinSet<()>,
}

impl Reception {
    fn handle(&mut self, datagram: &[u8], from: SocketAddr) {
        let known = self.publishers.get(&from).filter(|mail| !mail.is_closed());
        let admitted = if known.is_some() { gate::is_of_publisher(datagram) } else { gate::is_handshake(datagram) };
        let Some(packet) = admitted.then(|| handshake::parse(datagram, self.is_ipv6)).flatten() else {
            return tracing::trace!(%from, bytes = datagram.len(), "a datagram is not SRT as it is taken here");
        };
        if let Some(mail) = known {
            if mail.try_send(packet).is_err() {
                let dropped = self.listener.dropped.count();
                tracing::debug!(%from, dropped, "a publisher's task is behind");
            }
        } else if let Some((control, shake)) = handshake::handshake(packet) {
            self.shake(&control, shake, from);
        }
    }

    fn shake(&mut self, control: &ControlPacket, shake: HandshakeControlInfo, from: SocketAddr) {
        match shake.shake_type {
            ShakeType::Induction => {
                let cookie = self.cookies.bake(from);
                if let Some(answer) = handshake::induction(&self.settings, &shake, from, Instant::now(), cookie) {
                    self.send(answer, from);
                }
            }
            ShakeType::Conclusion if self.cookies.is_ours(shake.syn_cookie, from) => {
                self.conclude(control, shake, from)
            }
            ShakeType::Conclusion | ShakeType::Waveahand | ShakeType::Agreement | ShakeType::Rejection(_) => {}
        }
    }

    /// It got our cookie, so it is where it says, and may be remembered.
    fn conclude(&mut self, control: &ControlPacket, shake: HandshakeControlInfo, from: SocketAddr) {
        let guest = handshake::conclusion(&self.settings, control, shake, from, Instant::now());
        let Some(guest) = guest else { return };
        if self.publishers.len() >= PUBLISHERS_MAX {
            tracing::warn!(%from, max = PUBLISHERS_MAX, "too many publishers: one was sent away");
            return refuse(&self.listener.socket, guest.listen, ServerRejectReason::Overload.into(), from);
        }
        let (mail, letters) = mpsc::channel(MAIL_MAX);
        let Listener { socket, passphrase, .. } = &self.listener;
        let publisher = Publisher::new(socket.clone(), letters, self.door.clone());
        let span = tracing::error_span!("publisher", %from);
        self.tasks.spawn(publisher.serve(guest, passphrase.clone()).instrument(span));
        self.publishers.insert(from, mail);
    }

    fn forget(&mut self, ended: Result<(), tokio::task::JoinError>) {
        if let Err(error) = ended {
            tracing::error!(%error, "the task of a publisher ended in a bug");
        }
        self.publishers.retain(|_, mail| !mail.is_closed());
    }

    fn send(&self, packet: Packet, to: SocketAddr) {
        send(&self.listener.socket, &packet, to);
    }
}

/// What finds no room in the socket is lost, as on any other part of the way.
fn send(socket: &UdpSocket, packet: &Packet, to: SocketAddr) {
    let mut datagram = Vec::with_capacity(DATAGRAM_BYTES_MAX);
    packet.serialize(&mut datagram);
    if let Err(error) = socket.try_send_to(&datagram, to) {
        tracing::trace!(%error, "a datagram was not sent");
    }
}

fn refuse(socket: &UdpSocket, mut listen: Listen, reason: RejectReason, to: SocketAddr) {
    let response = AccessControlResponse::Rejected(reason);
    let result = listen.handle_access_control_response(Instant::now(), response);
    if let ConnectionResult::Reject(Some((packet, _)), _) = result {
        send(socket, &packet, to);
    }
}

#[cfg(test)]
mod tests;
