//! Media over UDP: two sockets for each track, packets on an even port and reports on the next one
//! (RFC 3550 section 11). They talk to the camera of the conversation and to nobody else.

use std::future::poll_fn;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use socket2::SockRef;
use tokio::io::ReadBuf;
use tokio::net::UdpSocket;
use tokio::time::timeout;

use crate::error::Error;

/// Largest datagram; some cameras send more than a frame of Ethernet holds.
const DATAGRAM_BYTES_MAX: usize = 64 * 1024;

/// A key frame of some megabytes arrives at once.
const RECEIVE_BUFFER_BYTES: usize = 4 * 1024 * 1024;

/// How often a free pair of ports is looked for.
const PORT_ATTEMPTS: usize = 64;

/// The sockets of all tracks.
pub(crate) struct Sockets {
    camera: IpAddr,
    tracks: Vec<Pair>,
    buffer: Box<[u8]>,
    /// Where to look first, so that no socket starves the others.
    turn: usize,
    /// Datagrams from elsewhere.
    pub(crate) foreign: u64,
}

struct Pair {
    rtp: UdpSocket,
    rtcp: UdpSocket,
    /// The camera's ports, where it names them.
    remote: Option<(u16, u16)>,
}

/// What a datagram is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Datagram {
    Rtp { track: usize, payload: Bytes },
    Rtcp { track: usize, payload: Bytes },
}

impl Sockets {
    /// To talk with the camera at this address.
    pub(crate) fn new(camera: IpAddr) -> Self {
        let buffer = vec![0; DATAGRAM_BYTES_MAX].into_boxed_slice();
        Self { camera, tracks: Vec::new(), buffer, turn: 0, foreign: 0 }
    }

    /// Opens the sockets of one more track; gives their ports.
    pub(crate) async fn open_track(&mut self, local: IpAddr, port: Option<u16>) -> Result<(u16, u16), Error> {
        let own = 2 * u16::try_from(self.tracks.len()).unwrap_or(u16::MAX / 2);
        let port = port.map(|first| first.saturating_add(own));
        let (rtp, rtcp) = bind_pair(local, port).await.map_err(|error| Error::LocalPort(error.to_string()))?;
        let ports = rtp.local_addr().and_then(|rtp| Ok((rtp.port(), rtcp.local_addr()?.port())));
        self.tracks.push(Pair { rtp, rtcp, remote: None });
        ports.map_err(|error| Error::LocalPort(error.to_string()))
    }

    /// The camera named its ports for the track that was opened last.
    pub(crate) fn set_remote(&mut self, remote: Option<(u16, u16)>) {
        if let Some(pair) = self.tracks.last_mut() {
            pair.remote = remote;
        }
    }

    /// Lets the routers between see packets that go out, so that they let answers in.
    pub(crate) fn pierce_nat(&self) {
        // An RTP header alone, of a version that every receiver drops.
        const EMPTY: [u8; 12] = [0; 12];
        for pair in &self.tracks {
            let Some((rtp, _)) = pair.remote else { continue };
            // What cannot be sent opens nothing, and then nothing arrives, which is noticed.
            let _ = pair.rtp.try_send_to(&EMPTY, SocketAddr::new(self.camera, rtp));
        }
        (0..self.tracks.len()).for_each(|track| self.send_rtcp(track, &EMPTY));
    }

    /// Sends a report. One that cannot be sent now is left out; the next one says more.
    pub(crate) fn send_rtcp(&self, track: usize, packet: &[u8]) {
        if let Some(Pair { rtcp, remote: Some((_, port)), .. }) = self.tracks.get(track) {
            let _ = rtcp.try_send_to(packet, SocketAddr::new(self.camera, *port));
        }
    }

    /// Whether packets arrive within this time. None is taken.
    pub(crate) async fn hears(&self, within: Duration) -> bool {
        let heard = poll_fn(|context| {
            let ready = self.tracks.iter().any(|pair| pair.rtp.poll_recv_ready(context).is_ready());
            if ready { Poll::Ready(()) } else { Poll::Pending }
        });
        timeout(within, heard).await.is_ok()
    }

    /// The next datagram of the camera. Can be given up and awaited again.
    pub(crate) async fn receive(&mut self) -> Result<Datagram, Error> {
        poll_fn(|context| self.poll_receive(context)).await.map_err(|error| Error::Unreachable(error.to_string()))
    }

    fn poll_receive(&mut self, context: &mut Context<'_>) -> Poll<io::Result<Datagram>> {
        let count = 2 * self.tracks.len();
        let mut silent = 0;
        while silent < count {
            self.turn = (self.turn + 1) % count;
            let (track, is_rtp) = (self.turn / 2, self.turn.is_multiple_of(2));
            let Some(pair) = self.tracks.get(track) else { break };
            let (socket, remote) = match pair.remote {
                Some((rtp, rtcp)) if is_rtp => (&pair.rtp, Some((rtp, rtcp).0)),
                Some((_, rtcp)) => (&pair.rtcp, Some(rtcp)),
                None => (if is_rtp { &pair.rtp } else { &pair.rtcp }, None),
            };
            let mut buffer = ReadBuf::new(&mut self.buffer);
            let source = match socket.poll_recv_from(context, &mut buffer) {
                Poll::Ready(Ok(source)) => source,
                // The camera's answer to a report of ours: it has no such port. Nothing is lost by it.
                Poll::Ready(Err(error)) if error.kind() == io::ErrorKind::ConnectionRefused => continue,
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                Poll::Pending => {
                    silent += 1;
                    continue;
                }
            };
            if source.ip().to_canonical() != self.camera.to_canonical()
                || remote.is_some_and(|port| port != source.port())
            {
                self.foreign += 1;
                silent = 0;
                continue;
            }
            let payload = Bytes::copy_from_slice(buffer.filled());
            return Poll::Ready(Ok(if is_rtp {
                Datagram::Rtp { track, payload }
            } else {
                Datagram::Rtcp { track, payload }
            }));
        }
        Poll::Pending
    }
}

async fn bind_pair(local: IpAddr, port: Option<u16>) -> io::Result<(UdpSocket, UdpSocket)> {
    let mut failure = io::Error::from(io::ErrorKind::AddrInUse);
    for _ in 0..PORT_ATTEMPTS {
        match try_pair(local, port).await {
            Ok(pair) => return Ok(pair),
            Err(error) if port.is_some() => return Err(error),
            Err(error) => failure = error,
        }
    }
    Err(failure)
}

async fn try_pair(local: IpAddr, port: Option<u16>) -> io::Result<(UdpSocket, UdpSocket)> {
    let rtp = UdpSocket::bind((local, port.unwrap_or(0))).await?;
    let even = rtp.local_addr()?.port();
    if !even.is_multiple_of(2) {
        return Err(io::Error::other("the port for packets has to be even"));
    }
    let rtcp = UdpSocket::bind((local, even + 1)).await?;
    // What the system grants is enough for most; it is no reason to refuse.
    let _ = SockRef::from(&rtp).set_recv_buffer_size(RECEIVE_BUFFER_BYTES);
    Ok((rtp, rtcp))
}
