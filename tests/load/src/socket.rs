//! A peer's UDP socket: each peer has its own, as each browser has, so the server sees as many
//! addresses as peers.
//!
//! Receives in batches with GRO, and with the kernel's arrival time of every datagram: that is
//! what keeps this program's own slowness out of the measured delay.

use std::io::{self, IoSliceMut};
use std::net::{Ipv4Addr, SocketAddr, UdpSocket as StdSocket};
use std::time::{Instant, SystemTime};

use quinn_udp::{RecvMeta, UdpSocketState};
use socket2::{Domain, Protocol, Socket, Type};
use str0m::net::Transmit;
use tokio::io::Interest;
use tokio::net::UdpSocket;

/// Asked of the kernel, which may give less; a second of 8 Mbit/s.
const RECEIVE_BUFFER_BYTES: usize = 1 << 20;
/// Buffers per receive call. Few, because GRO already puts a whole frame into one.
const BATCH: usize = 4;
/// Largest run of datagrams that GRO hands over as one.
const BUFFER_BYTES: usize = 1 << 16;

pub(crate) struct PeerSocket {
    socket: UdpSocket,
    state: UdpSocketState,
    pub(crate) local: SocketAddr,
}

/// Memory to receive into, shared by all peers of a thread.
pub(crate) struct Buffers {
    bytes: Vec<u8>,
    metas: [RecvMeta; BATCH],
}

impl Buffers {
    pub(crate) fn new() -> Self {
        Self { bytes: vec![0; BATCH * BUFFER_BYTES], metas: [RecvMeta::default(); BATCH] }
    }
}

impl PeerSocket {
    /// Binds a free port of this address.
    pub(crate) fn bind(address: Ipv4Addr) -> io::Result<Self> {
        let socket = Socket::new(Domain::IPV4, Type::DGRAM, Some(Protocol::UDP))?;
        // Best effort: without the right to more, the default stays and drops are reported.
        let _ = socket.set_recv_buffer_size(RECEIVE_BUFFER_BYTES);
        socket.set_nonblocking(true)?;
        socket.bind(&SocketAddr::from((address, 0)).into())?;
        let socket = StdSocket::from(socket);
        let state = UdpSocketState::new((&socket).into())?;
        let local = socket.local_addr()?;
        Ok(Self { socket: UdpSocket::from_std(socket)?, state, local })
    }

    pub(crate) async fn readable(&self) -> io::Result<()> {
        self.socket.readable().await
    }

    /// Hands every datagram of one batch to `take(source, bytes, arrived)`.
    pub(crate) fn receive<E: From<io::Error>>(
        &self,
        buffers: &mut Buffers,
        mut take: impl FnMut(SocketAddr, &[u8], Instant) -> Result<(), E>,
    ) -> Result<(), E> {
        let Buffers { bytes, metas } = buffers;
        let mut slices = bytes.chunks_exact_mut(BUFFER_BYTES).map(IoSliceMut::new).collect::<Vec<_>>();
        let receive = || self.state.recv((&self.socket).into(), &mut slices, metas);
        let count = match self.socket.try_io(Interest::READABLE, receive) {
            Ok(count) => count,
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => return Ok(()),
            Err(e) => return Err(e.into()),
        };
        drop(slices);
        let (now, wall) = (Instant::now(), SystemTime::now());
        for (buffer, meta) in bytes.chunks_exact(BUFFER_BYTES).zip(metas.iter()).take(count) {
            let arrived = arrival(meta, now, wall);
            let datagrams = buffer.get(..meta.len).unwrap_or_default().chunks(meta.stride.max(1));
            datagrams.into_iter().try_for_each(|datagram| take(meta.addr, datagram, arrived))?;
        }
        Ok(())
    }

    /// False when the kernel had no room: the datagram is gone, as on any network.
    pub(crate) fn send(&self, transmit: &Transmit) -> bool {
        self.socket.try_send_to(&transmit.contents, transmit.destination).is_ok()
    }
}

/// The kernel stamps in wall-clock time; what it says is "so long ago".
fn arrival(meta: &RecvMeta, now: Instant, wall: SystemTime) -> Instant {
    let waited = meta.timestamp.and_then(|stamp| wall.duration_since(SystemTime::UNIX_EPOCH + stamp).ok());
    now.checked_sub(waited.unwrap_or_default()).unwrap_or(now)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    /// The kernel begins to stamp a moment after the first socket asked for it, so the first
    /// datagrams of a process may carry the time of reading.
    #[tokio::test]
    async fn a_datagram_arrives_before_it_is_read() {
        const TRIES: usize = 100;
        const UNREAD: Duration = Duration::from_millis(20);
        let socket = PeerSocket::bind(Ipv4Addr::LOCALHOST).unwrap();
        let sender = StdSocket::bind("127.0.0.1:0").unwrap();
        for _ in 0..TRIES {
            let sent = Instant::now();
            sender.send_to(b"hello", socket.local).unwrap();
            tokio::time::sleep(UNREAD).await;
            let (source, bytes, arrived) = receive_one(&socket).await;
            assert_eq!((source, bytes.as_slice()), (sender.local_addr().unwrap(), b"hello".as_slice()));
            if arrived.duration_since(sent) < UNREAD {
                return;
            }
        }
        panic!("every arrival time was the reader's, not the kernel's");
    }

    #[test]
    fn without_a_kernel_stamp_arrival_is_now() {
        let now = Instant::now();
        assert_eq!(arrival(&RecvMeta::default(), now, SystemTime::now()), now);
    }

    async fn receive_one(socket: &PeerSocket) -> (SocketAddr, Vec<u8>, Instant) {
        let mut seen = None;
        while seen.is_none() {
            socket.readable().await.unwrap();
            let received = socket.receive(&mut Buffers::new(), |source, bytes, arrived| {
                seen = Some((source, bytes.to_vec(), arrived));
                Ok::<(), io::Error>(())
            });
            received.unwrap();
        }
        seen.unwrap()
    }
}
