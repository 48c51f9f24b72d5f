//! A peer: comes by any coordinator, and comes back when its socket closes, as the published SDK does.

use std::time::Duration;

use velella_model::{PeerId, RoomId, SessionId};

use crate::ctx::Ctx;
use crate::mail::{Mail, PeerMail};
use crate::net::Node;
use crate::queue::Event;

/// Wait before it comes back.
const RETURN: Duration = Duration::from_millis(500);

/// How long it waits for being connected: longer than a coordinator's patience.
const PATIENCE: Duration = Duration::from_secs(15);

const SOCKET_DELAY: Duration = Duration::from_millis(5);

#[derive(Debug)]
pub(crate) struct Peer {
    pub(crate) room: RoomId,
    pub(crate) peer: PeerId,
    /// Its record was acknowledged.
    pub(crate) exists: bool,
    /// It wants to be in.
    pub(crate) wants: bool,
    socket: Option<Socket>,
    /// Times that it came.
    pub(crate) comings: u64,
}

#[derive(Debug)]
struct Socket {
    session: SessionId,
    coordinator: Node,
    boot: u32,
    joined: bool,
}

impl Peer {
    pub(crate) fn new(room: RoomId, peer: PeerId) -> Self {
        Self { room, peer, exists: false, wants: false, socket: None, comings: 0 }
    }

    /// The session in which it is, as far as it knows.
    pub(crate) fn joined(&self) -> Option<&SessionId> {
        self.socket.as_ref().filter(|socket| socket.joined).map(|socket| &socket.session)
    }

    pub(crate) fn want(&mut self, number: usize, wants: bool, ctx: &mut Ctx) {
        self.wants = wants;
        if wants {
            self.come(number, ctx);
        } else {
            self.hang_up(ctx);
        }
    }

    pub(crate) fn take(&mut self, number: usize, mail: PeerMail, ctx: &mut Ctx) {
        match mail {
            PeerMail::Come => self.come(number, ctx),
            PeerMail::Welcome(session) => {
                if let Some(socket) = self.socket.as_ref().filter(|socket| socket.session == session) {
                    send(socket, Mail::SocketSaysConnect(session), ctx);
                }
            }
            PeerMail::Connected(session) => {
                if let Some(socket) = self.socket.as_mut().filter(|socket| socket.session == session) {
                    socket.joined = true;
                }
            }
            PeerMail::Closed(session, close) => {
                if self.socket.as_ref().is_some_and(|socket| socket.session == session) {
                    ctx.tell(|| format!("{}/{} is closed: {close:?}", self.room, self.peer));
                    self.socket = None;
                    ctx.after(RETURN, Event::Peer(number, PeerMail::Come));
                }
            }
            PeerMail::Impatient(session) => {
                if self.socket.as_ref().is_some_and(|socket| socket.session == session && !socket.joined) {
                    self.hang_up(ctx);
                    ctx.after(RETURN, Event::Peer(number, PeerMail::Come));
                }
            }
        }
    }

    fn come(&mut self, number: usize, ctx: &mut Ctx) {
        if !self.wants || self.socket.is_some() {
            return;
        }
        let living = ctx.coordinators();
        let Some(coordinator) = ctx.dice.pick(&living) else {
            return ctx.after(RETURN, Event::Peer(number, PeerMail::Come));
        };
        let boot = ctx.net.up.get(&coordinator).copied().unwrap_or_default();
        let session = SessionId::parse(&format!("s{}", ctx.id())).expect("letters and digits");
        self.comings += 1;
        let socket = Socket { session: session.clone(), coordinator, boot, joined: false };
        let (room, peer) = (self.room.clone(), self.peer.clone());
        send(&socket, Mail::SocketOpened { socket: number, session: session.clone(), room, peer }, ctx);
        ctx.after(PATIENCE, Event::Peer(number, PeerMail::Impatient(session)));
        self.socket = Some(socket);
    }

    fn hang_up(&mut self, ctx: &mut Ctx) {
        if let Some(socket) = self.socket.take() {
            let session = socket.session.clone();
            send(&socket, Mail::SocketClosed(session), ctx);
        }
    }
}

fn send(socket: &Socket, mail: Mail, ctx: &mut Ctx) {
    ctx.mail_in(socket.coordinator, socket.boot, SOCKET_DELAY, mail);
}
