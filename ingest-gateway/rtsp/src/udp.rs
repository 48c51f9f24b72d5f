//! Media over UDP: two sockets for each track, packets on an even port and reports on the next one
//! (RFC 3550 section 11). They talk to the camera of the conversation and to nobody else.

use std::future::poll_fn;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::task::{Context, Poll, ready};
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
    /// Of each track one for packets and then one for reports.
    ends: Vec<End>,
    buffer: Box<[u8]>,
    /// Where to look first, so that no socket starves the others.
    turn: usize,
    /// Datagrams from elsewhere.
    pub(crate) foreign: u64,
}

/// One socket.
struct End {
    socket: UdpSocket,
    /// The camera's port, where it names one.
    remote: Option<u16>,
    /// The port that the first datagram came from. Some send from another one than they name, none changes it.
    source: Option<u16>,
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
        Self { camera, ends: Vec::new(), buffer, turn: 0, foreign: 0 }
    }

    /// Opens the sockets of one more track; gives their ports.
    pub(crate) async fn open_track(&mut self, local: IpAddr, port: Option<u16>) -> Result<(u16, u16), Error> {
        let own = u16::try_from(self.ends.len()).unwrap_or(u16::MAX);
        let port = port.filter(|first| *first != 0).map(|first| first.saturating_add(own));
        let (rtp, rtcp) = bind_pair(local, port).await.map_err(|error| Error::LocalPort(error.to_string()))?;
        let ports = rtp.local_addr().and_then(|rtp| Ok((rtp.port(), rtcp.local_addr()?.port())));
        self.ends.extend([rtp, rtcp].map(|socket| End { socket, remote: None, source: None }));
        ports.map_err(|error| Error::LocalPort(error.to_string()))
    }

    /// The camera named its ports for the track that was opened last.
    pub(crate) fn set_remote(&mut self, remote: Option<(u16, u16)>) {
        if let [.., rtp, rtcp] = &mut self.ends[..] {
            (rtp.remote, rtcp.remote) = remote.unzip();
        }
    }

    /// Lets the routers between see packets that go out, so that they let answers in.
    pub(crate) fn pierce_nat(&self) {
        // An RTP header alone, of a version that every receiver drops.
        self.ends.iter().for_each(|end| end.send(&[0; 12], self.camera));
    }

    /// Sends a report.
    pub(crate) fn send_rtcp(&self, track: usize, packet: &[u8]) {
        if let Some(end) = self.ends.get(2 * track + 1) {
            end.send(packet, self.camera);
        }
    }

    /// Whether packets arrive within this time. None is taken.
    pub(crate) async fn hears(&self, within: Duration) -> bool {
        let heard = poll_fn(|context| {
            let mut packets = self.ends.iter().step_by(2);
            let ready = packets.any(|end| end.socket.poll_recv_ready(context).is_ready());
            if ready { Poll::Ready(()) } else { Poll::Pending }
        });
        timeout(within, heard).await.is_ok()
    }

    /// The next datagram of the camera. Can be given up and awaited again.
    pub(crate) async fn receive(&mut self) -> Result<Datagram, Error> {
        poll_fn(|context| self.poll_receive(context)).await.map_err(|error| Error::Unreachable(error.to_string()))
    }

    fn poll_receive(&mut self, context: &mut Context<'_>) -> Poll<io::Result<Datagram>> {
        let mut silent = 0;
        while silent < self.ends.len() {
            self.turn = (self.turn + 1) % self.ends.len();
            let Some(end) = self.ends.get_mut(self.turn) else { break };
            let mut buffer = ReadBuf::new(&mut self.buffer);
            match end.poll_receive(context, self.camera, &mut buffer) {
                Poll::Ready(Ok(true)) => {
                    let (track, payload) = (self.turn / 2, Bytes::copy_from_slice(buffer.filled()));
                    let rtp = self.turn.is_multiple_of(2);
                    let datagram =
                        if rtp { Datagram::Rtp { track, payload } } else { Datagram::Rtcp { track, payload } };
                    return Poll::Ready(Ok(datagram));
                }
                Poll::Ready(Ok(false)) => {
                    self.foreign += 1;
                    // More may lie behind it, of which nobody would tell again.
                    silent = 0;
                }
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                Poll::Pending => silent += 1,
            }
        }
        Poll::Pending
    }
}

impl End {
    /// One that cannot be sent now is left out: the next report says more, and a router that lets
    /// nothing in is noticed.
    fn send(&self, packet: &[u8], camera: IpAddr) {
        if let Some(port) = self.remote {
            let _ = self.socket.try_send_to(packet, SocketAddr::new(camera, port));
        }
    }

    /// Whether what arrives next comes from the camera.
    fn poll_receive(
        &mut self,
        context: &mut Context<'_>,
        camera: IpAddr,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<bool>> {
        let source = match ready!(self.socket.poll_recv_from(context, buffer)) {
            Ok(source) => source,
            // The camera's answer to a report of ours: it has no such port. Nothing is lost by it.
            Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => return Poll::Ready(Ok(false)),
            Err(error) => return Poll::Ready(Err(error)),
        };
        if source.ip().to_canonical() != camera.to_canonical() {
            return Poll::Ready(Ok(false));
        }
        Poll::Ready(Ok(*self.source.get_or_insert_with(|| source.port()) == source.port()))
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
    let bound = rtp.local_addr()?.port();
    // Some cameras take the number of an odd port for the next lower one.
    if port.is_none() && !bound.is_multiple_of(2) {
        return Err(io::ErrorKind::AddrInUse.into());
    }
    let rtcp = UdpSocket::bind((local, bound.checked_add(1).ok_or(io::ErrorKind::AddrNotAvailable)?)).await?;
    // What the system grants is enough for most; it is no reason to refuse.
    let _ = SockRef::from(&rtp).set_recv_buffer_size(RECEIVE_BUFFER_BYTES);
    Ok((rtp, rtcp))
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    const LOCAL: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

    #[tokio::test]
    async fn each_track_gets_an_even_port_and_the_next_one() {
        let mut sockets = Sockets::new(LOCAL);
        for asked in [None, Some(0)] {
            let (rtp, rtcp) = sockets.open_track(LOCAL, asked).await.unwrap();
            assert!(rtp.is_multiple_of(2) && rtcp == rtp + 1, "{rtp} {rtcp}");
        }
    }

    #[tokio::test]
    async fn a_port_that_cannot_be_had_is_told() {
        let mut sockets = Sockets::new(LOCAL);
        let (taken, _) = sockets.open_track(LOCAL, None).await.unwrap();
        for port in [taken, u16::MAX] {
            let refused = Sockets::new(LOCAL).open_track(LOCAL, Some(port)).await;
            assert!(matches!(refused, Err(Error::LocalPort(_))), "{refused:?}");
        }
    }

    #[tokio::test]
    async fn the_first_source_stays_the_only_one() {
        let mut sockets = Sockets::new(LOCAL);
        let (port, _) = sockets.open_track(LOCAL, None).await.unwrap();
        let named = UdpSocket::bind((LOCAL, 0)).await.unwrap().local_addr().unwrap().port();
        sockets.set_remote(Some((named, named + 1)));
        // From another port than the camera names, and then from a third one.
        let (camera, other) = (UdpSocket::bind((LOCAL, 0)).await.unwrap(), UdpSocket::bind((LOCAL, 0)).await.unwrap());
        camera.send_to(b"1", (LOCAL, port)).await.unwrap();
        other.send_to(b"x", (LOCAL, port)).await.unwrap();
        camera.send_to(b"2", (LOCAL, port)).await.unwrap();
        for expected in [b"1", b"2"] {
            let payload = Bytes::from_static(expected);
            assert_eq!(sockets.receive().await.unwrap(), Datagram::Rtp { track: 0, payload });
        }
        assert_eq!(sockets.foreign, 1);
    }

    #[tokio::test]
    async fn no_socket_starves_the_others() {
        let mut sockets = Sockets::new(LOCAL);
        let ports = sockets.open_track(LOCAL, None).await.unwrap();
        let camera = UdpSocket::bind((LOCAL, 0)).await.unwrap();
        for _ in 0..8 {
            camera.send_to(b"p", (LOCAL, ports.0)).await.unwrap();
        }
        camera.send_to(b"r", (LOCAL, ports.1)).await.unwrap();
        let mut heard = Vec::new();
        for _ in 0..2 {
            heard.push(sockets.receive().await.unwrap());
        }
        assert!(heard.contains(&Datagram::Rtcp { track: 0, payload: Bytes::from_static(b"r") }), "{heard:?}");
    }
}
