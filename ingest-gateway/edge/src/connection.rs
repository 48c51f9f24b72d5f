//! One connection, from its first byte to its last.

use std::convert::Infallible;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tokio_util::sync::CancellationToken;
use velella_ops::Seat;

use crate::pace::{Cut, Paced};
use crate::service::{Counted, Guest, House};

/// Time for TLS.
const TLS_PATIENCE: Duration = Duration::from_secs(10);

/// What TLS begins with (RFC 8446, 5.1), and no request in HTTP.
const TLS_HANDSHAKE: u8 = 22;

/// Time for the headers of a request over HTTP/1.1, the idle time before it included.
const HEADERS_PATIENCE: Duration = Duration::from_secs(30);

/// A connection that nothing is asked on for so long is closed. Players ask every few seconds.
const IDLE_PATIENCE: Duration = Duration::from_secs(60);

/// How often it is looked how a connection does.
const LOOK: Duration = Duration::from_secs(2);

/// Requests that one HTTP/2 connection may have open. A player has a dozen; other edges ask for many rooms on one.
const STREAMS_MAX: u32 = 1_024;

/// Bytes of headers. Players send few.
const HEADERS_BYTES_MAX: u32 = 16 << 10;

/// A silent HTTP/2 connection is asked whether it lives, and has so long to answer.
const PING_INTERVAL: Duration = Duration::from_secs(20);
const PING_PATIENCE: Duration = Duration::from_secs(10);

/// Serves a connection to its end.
pub(crate) async fn serve(
    socket: TcpStream,
    tls: Option<TlsAcceptor>,
    house: Arc<House>,
    seat: Seat,
    shutdown: CancellationToken,
) {
    // Playlists and parts are small and urgent.
    let _ = socket.set_nodelay(true);
    let _counted = Counted::up(&house.metrics.connections);
    let spoken = async {
        let Some(tls) = tls else { return speak(socket, &house, Guest::new(&house, true), &shutdown).await };
        match tokio::time::timeout(TLS_PATIENCE, greet(socket, tls)).await {
            Ok(Ok(Greeted::Tls(socket))) => speak(*socket, &house, Guest::new(&house, true), &shutdown).await,
            Ok(Ok(Greeted::Plain(socket))) => speak(socket, &house, Guest::new(&house, false), &shutdown).await,
            Ok(Err(_)) | Err(_) => house.metrics.cut(Cut::Tls),
        }
    };
    tokio::select! {
        () = spoken => {}
        () = seat.evicted() => {}
    }
}

/// How a client of a port with TLS begins.
enum Greeted {
    Tls(Box<TlsStream<TcpStream>>),
    Plain(TcpStream),
}

/// TLS, or none: that is for other edges, who know us by an address that no certificate names.
async fn greet(socket: TcpStream, tls: TlsAcceptor) -> io::Result<Greeted> {
    let mut first = [0];
    socket.peek(&mut first).await?;
    if first != [TLS_HANDSHAKE] {
        return Ok(Greeted::Plain(socket));
    }
    Ok(Greeted::Tls(Box::new(tls.accept(socket).await?)))
}

async fn speak<S>(socket: S, house: &House, guest: Guest, shutdown: &CancellationToken)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let guest = Arc::new(guest);
    let pace = Arc::clone(&guest.pace);
    let socket = TokioIo::new(Paced::new(socket, Arc::clone(&pace)));
    let service = service_fn(move |request| {
        let guest = Arc::clone(&guest);
        async move { Ok::<_, Infallible>(guest.answer(request).await) }
    });
    let server = server();
    let served = server.serve_connection(socket, service);
    tokio::pin!(served);
    let mut looks = tokio::time::interval(LOOK.min(house.limits.slow_patience / 2));
    let mut closing = false;
    loop {
        tokio::select! {
            // A client that hangs up or sends garbage is its own problem.
            _ = served.as_mut() => return,
            () = shutdown.cancelled(), if !closing => {
                closing = true;
                served.as_mut().graceful_shutdown();
            }
            _ = looks.tick() => {
                if let Some(reason) = pace.verdict(house.limits.slow_patience, IDLE_PATIENCE) {
                    return house.metrics.cut(reason);
                }
            }
        }
    }
}

fn server() -> auto::Builder<TokioExecutor> {
    let mut server = auto::Builder::new(TokioExecutor::new());
    server.http1().timer(TokioTimer::new()).header_read_timeout(HEADERS_PATIENCE);
    server
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(STREAMS_MAX)
        .max_header_list_size(HEADERS_BYTES_MAX)
        .keep_alive_interval(PING_INTERVAL)
        .keep_alive_timeout(PING_PATIENCE);
    server
}
