//! The UDP socket of one shard: batches in, runs out.

use std::io::{self, ErrorKind, IoSliceMut};
use std::net::SocketAddr;

use quinn_udp::{BATCH_SIZE, RecvMeta, UdpSockRef, UdpSocketState};
use socket2::{Domain, Protocol, Socket, Type};
use str0m::net::Transmit;
use tokio::io::Interest;
use tokio::net::UdpSocket;
use velella_ops::config::Mistake;

use crate::egress::for_each_run;

/// Kernel buffer for what comes in: 250 ms of 100 Mbit/s.
const RECEIVE_BUFFER_BYTES: usize = 4 * 1024 * 1024;
/// Kernel buffer for what goes out.
const SEND_BUFFER_BYTES: usize = 2 * 1024 * 1024;
/// Failed reads in a row after which the socket counts as broken. One, for want of kernel memory say, is
/// like a loss in the network and must not end everybody's calls.
const FAILED_READS_MAX: u32 = 64;
/// Largest datagram times the most the kernel joins into one (generic receive offload).
const SLOT_BYTES: usize = 64 * 1024;

/// Binds one socket per shard to the same port, all before the first is read: the kernel spreads
/// sources over them by hash, and a late one would reshuffle.
pub(crate) fn bind_shared(address: SocketAddr, count: usize) -> anyhow::Result<(Vec<std::net::UdpSocket>, SocketAddr)> {
    let mistake = |address: SocketAddr, error: io::Error| {
        Mistake::new(format!("cannot receive media on udp {address} (VELELLA_UDP): {error}"))
    };
    // Sockets that share a port would share it with those of another process as well, and lose
    // packets to it. One that does not share finds out.
    drop(std::net::UdpSocket::bind(address).map_err(|error| mistake(address, error))?);
    let mut sockets = Vec::new();
    let mut bound = address;
    for _ in 0..count {
        let socket = bind(bound).map_err(|error| mistake(bound, error))?;
        bound = socket.local_addr()?;
        sockets.push(socket);
    }
    Ok((sockets, bound))
}

fn bind(address: SocketAddr) -> io::Result<std::net::UdpSocket> {
    let socket = Socket::new(Domain::for_address(address), Type::DGRAM, Some(Protocol::UDP))?;
    socket.set_reuse_port(true)?;
    socket.set_nonblocking(true)?;
    // The kernel grants less where it is not allowed; losing bursts is then counted by it.
    socket.set_recv_buffer_size(RECEIVE_BUFFER_BYTES)?;
    socket.set_send_buffer_size(SEND_BUFFER_BYTES)?;
    socket.bind(&address.into())?;
    Ok(socket.into())
}

/// A received datagram.
pub(crate) struct Received<'a> {
    pub(crate) source: SocketAddr,
    pub(crate) contents: &'a [u8],
}

/// What happened to datagrams on their way out.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Sent {
    pub(crate) datagrams: u64,
    pub(crate) bytes: u64,
    pub(crate) calls: u64,
    /// The kernel's buffer was full; like a loss in the network.
    pub(crate) dropped: u64,
}

/// A socket with its buffers.
pub(crate) struct BatchSocket {
    socket: UdpSocket,
    state: UdpSocketState,
    slots: Vec<u8>,
    metas: [RecvMeta; BATCH_SIZE],
    run: Vec<u8>,
    failed_reads: u32,
}

impl BatchSocket {
    /// Takes a bound socket; call inside a tokio runtime.
    pub(crate) fn new(socket: std::net::UdpSocket) -> io::Result<Self> {
        let socket = UdpSocket::from_std(socket)?;
        let state = UdpSocketState::new(UdpSockRef::from(&socket))?;
        Ok(Self {
            socket,
            state,
            slots: vec![0; SLOT_BYTES * BATCH_SIZE],
            metas: [RecvMeta::default(); BATCH_SIZE],
            run: Vec::new(),
            failed_reads: 0,
        })
    }

    pub(crate) async fn readable(&self) -> io::Result<()> {
        self.socket.readable().await
    }

    /// Reads one batch and calls `take` for each datagram. `false` when nothing was there.
    pub(crate) fn receive(&mut self, mut take: impl FnMut(Received<'_>)) -> io::Result<bool> {
        let Self { socket, state, slots, metas, failed_reads, .. } = self;
        let mut slices = slots.chunks_mut(SLOT_BYTES).map(IoSliceMut::new);
        let mut buffers: [IoSliceMut<'_>; BATCH_SIZE] =
            std::array::from_fn(|_| slices.next().unwrap_or_else(|| IoSliceMut::new(&mut [])));
        let received =
            socket.try_io(Interest::READABLE, || state.recv(UdpSockRef::from(&*socket), &mut buffers, metas));
        let count = match received {
            Ok(count) => count,
            Err(e) if e.kind() == ErrorKind::WouldBlock => return Ok(false),
            Err(error) if *failed_reads < FAILED_READS_MAX => {
                *failed_reads += 1;
                tracing::warn!(%error, failed_reads, "media socket not read");
                return Ok(false);
            }
            Err(error) => return Err(error),
        };
        *failed_reads = 0;
        for (meta, buffer) in metas.iter().zip(&buffers).take(count) {
            let joined = buffer.get(..meta.len).unwrap_or_default();
            for contents in joined.chunks(meta.stride.max(1)) {
                take(Received { source: meta.addr, contents });
            }
        }
        Ok(true)
    }

    /// Sends datagrams in as few calls as they allow.
    pub(crate) fn send(&mut self, transmits: &[Transmit]) -> Sent {
        let Self { socket, state, run, .. } = self;
        let mut sent = Sent::default();
        for_each_run(transmits, state.max_gso_segments(), run, |run| {
            let transmit = quinn_udp::Transmit {
                destination: run.destination,
                ecn: None,
                contents: run.contents,
                segment_size: run.segment_bytes,
                src_ip: None,
            };
            let result = socket.try_io(Interest::WRITABLE, || state.try_send(UdpSockRef::from(&*socket), &transmit));
            sent.calls += 1;
            match result {
                Ok(()) => {
                    sent.datagrams += run.datagrams as u64;
                    sent.bytes += run.contents.len() as u64;
                }
                Err(_) => sent.dropped += run.datagrams as u64,
            }
        });
        sent
    }
}
