//! Encoders that publish over SRT: MPEG-TS in datagrams.
//!
//! Built on the machines of `srt-protocol`, not on the listener of `srt-tokio`: that one ends for everybody at one
//! datagram with an extension it does not know, remembers every address that ever sent it anything, and lets one slow
//! publisher hold up the others. Here nothing is remembered of an address before it has returned a cookie that only
//! its owner can have seen, each publisher is a task of its own, and only datagrams of the shapes in `wire` get to
//! those machines at all.

mod cookie;
mod publisher;
mod stream_id;
mod wire;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context;
use socket2::SockRef;
use srt_protocol::options::{ByteCount, Passphrase, SocketOptions};
use srt_protocol::packet::{
    ControlPacket, ControlTypes, HandshakeControlInfo, HandshakeVsInfo, Packet, RejectReason, ServerRejectReason,
    ShakeType, SocketId, SocketType, SrtControlPacket, TimeStamp,
};
use srt_protocol::protocol::pending_connection::{AccessControlResponse, ConnectionResult, listen::Listen};
use srt_protocol::settings::ConnInitSettings;
use tokio::net::UdpSocket;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tracing::Instrument;
use velella_ops::Secret;

use super::{Door, PUBLISHERS_MAX};
use crate::metrics::Dropped;
use cookie::Cookies;
use publisher::{Guest, Publisher};

/// No datagram is larger on the way here.
const DATAGRAM_BYTES_MAX: usize = 1_500;

/// Datagrams that wait for one publisher's task. Further ones are dropped, and asked for again by SRT.
const MAIL_MAX: usize = 1_024;

/// What the kernel holds for all publishers while this task is busy; as much of it as the system allows.
const SOCKET_BYTES: usize = 4 * 1024 * 1024;

/// How long packets wait for those that were lost before them. Encoders may ask for more.
const LATENCY: Duration = Duration::from_millis(120);

/// The most that they may ask for; what is remembered of packets grows with it.
const LATENCY_MAX: Duration = Duration::from_secs(4);

/// What waits like that for one publisher: four seconds of 8 Mbit/s.
const RECEIVE_BYTES: u64 = 4 * 1024 * 1024;

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
        let (settings, cookies) = (settings(), Cookies::new());
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

fn settings() -> ConnInitSettings {
    let mut options = SocketOptions::default();
    options.receiver.latency = LATENCY;
    options.receiver.buffer_size = ByteCount(RECEIVE_BYTES);
    options.into()
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
        let admitted = if known.is_some() { wire::is_of_publisher(datagram) } else { wire::is_handshake(datagram) };
        let Some(packet) = admitted.then(|| parse(datagram, self.is_ipv6)).flatten() else {
            return tracing::trace!(%from, bytes = datagram.len(), "a datagram is not SRT as it is taken here");
        };
        if let Some(mail) = known {
            if mail.try_send(packet).is_err() {
                let dropped = self.listener.dropped.count();
                tracing::debug!(%from, dropped, "a publisher's task is behind");
            }
        } else if let Some((control, shake)) = handshake(packet) {
            self.shake(&control, shake, from);
        }
    }

    fn shake(&mut self, control: &ControlPacket, shake: HandshakeControlInfo, from: SocketAddr) {
        match shake.shake_type {
            ShakeType::Induction => {
                let induction = induced(Listen::new(self.settings.clone(), true), &shake, from);
                if let Some((_, answer, _)) = induction {
                    self.send(with_cookie(answer, self.cookies.bake(from)), from);
                }
            }
            ShakeType::Conclusion if self.cookies.is_ours(shake.syn_cookie, from) => {
                self.conclude(control, shake, from)
            }
            ShakeType::Conclusion | ShakeType::Waveahand | ShakeType::Agreement | ShakeType::Rejection(_) => {}
        }
    }

    /// It got our cookie, so it is where it says, and may be remembered.
    fn conclude(&mut self, control: &ControlPacket, mut shake: HandshakeControlInfo, from: SocketAddr) {
        limit_latency(&mut shake);
        let Some((mut listen, _, cookie)) = induced(Listen::new(self.settings.copy_randomize(), true), &shake, from)
        else {
            return;
        };
        let conclusion = ControlTypes::Handshake(HandshakeControlInfo { syn_cookie: cookie, ..shake.clone() });
        let packet = Packet::Control(ControlPacket { control_type: conclusion, ..control.clone() });
        let ConnectionResult::RequestAccess(request) = listen.handle_packet(Instant::now(), Ok((packet, from))) else {
            return;
        };
        if self.publishers.len() >= PUBLISHERS_MAX {
            tracing::warn!(%from, max = PUBLISHERS_MAX, "too many publishers: one was sent away");
            return refuse(&self.listener.socket, listen, ServerRejectReason::Overload.into(), from);
        }
        let (mail, letters) = mpsc::channel(MAIL_MAX);
        let guest = Guest { stream_id: request.stream_id.map(|id| id.to_string()), shake, listen, from };
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

fn limit_latency(shake: &mut HandshakeControlInfo) {
    let HandshakeVsInfo::V5(info) = &mut shake.info else { return };
    if let Some(SrtControlPacket::HandshakeRequest(request)) = &mut info.ext_hs {
        request.send_latency = request.send_latency.min(LATENCY_MAX);
        request.recv_latency = request.recv_latency.min(LATENCY_MAX);
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

/// The parser has places that panic; those that are known cannot be reached.
fn parse(datagram: &[u8], is_ipv6: bool) -> Option<Packet> {
    let parsed = catch_unwind(AssertUnwindSafe(|| Packet::parse(&mut &datagram[..], is_ipv6)));
    parsed.inspect_err(|_| tracing::error!("the parser of SRT panicked")).ok()?.ok()
}

fn handshake(packet: Packet) -> Option<(ControlPacket, HandshakeControlInfo)> {
    let Packet::Control(control) = packet else { return None };
    let shake = control.handshake()?.clone();
    Some((control, shake))
}

/// Takes a machine over the first step, whose cookie is its own: peers get ours instead.
fn induced(mut listen: Listen, shake: &HandshakeControlInfo, from: SocketAddr) -> Option<(Listen, Packet, i32)> {
    let info = HandshakeVsInfo::V4(SocketType::Datagram);
    let induction = HandshakeControlInfo { shake_type: ShakeType::Induction, info, ..shake.clone() };
    let control_type = ControlTypes::Handshake(induction);
    let packet = ControlPacket { timestamp: TimeStamp::MIN, dest_sockid: SocketId(0), control_type };
    let result = listen.handle_packet(Instant::now(), Ok((Packet::Control(packet), from)));
    let ConnectionResult::SendPacket((answer, _)) = result else { return None };
    let cookie = answer.control()?.handshake()?.syn_cookie;
    Some((listen, answer, cookie))
}

fn with_cookie(packet: Packet, cookie: i32) -> Packet {
    match handshake(packet.clone()) {
        Some((control, shake)) => {
            let shake = ControlTypes::Handshake(HandshakeControlInfo { syn_cookie: cookie, ..shake });
            Packet::Control(ControlPacket { control_type: shake, ..control })
        }
        None => packet,
    }
}

#[cfg(test)]
mod tests;
