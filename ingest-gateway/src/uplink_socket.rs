//! The UDP socket of one ingest.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use tokio::net::UdpSocket;

/// Largest datagram of WebRTC that is taken; more than any path carries unfragmented.
pub(crate) const DATAGRAM_BYTES_MAX: usize = 2_048;

/// A socket that reaches `worker`, bound to the address of this machine on the way there.
pub(crate) async fn towards(worker: SocketAddr) -> io::Result<(UdpSocket, SocketAddr)> {
    let any: IpAddr = if worker.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
    // Connecting a datagram socket sends nothing; it asks the system for the route.
    let route = UdpSocket::bind(SocketAddr::new(any, 0)).await?;
    route.connect(worker).await?;
    let socket = UdpSocket::bind(SocketAddr::new(route.local_addr()?.ip(), 0)).await?;
    let local = socket.local_addr()?;
    Ok((socket, local))
}
