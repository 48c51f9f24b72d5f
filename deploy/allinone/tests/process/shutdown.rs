//! What SIGTERM means to those who are connected, and how long it takes.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use futures_util::StreamExt;
use tokio_tungstenite::tungstenite::Message as Frame;

use crate::velella::{MANAGEMENT_TOKEN, Velella};

/// A shutdown in which everybody answers; the deadline is ten times this.
const QUICK: Duration = Duration::from_secs(1);

/// How long to wait for what is about to happen.
const PATIENCE: Duration = Duration::from_secs(5);

#[tokio::test]
async fn sockets_close_with_a_reason_to_come_back_and_the_exit_code_is_0() {
    let velella = Velella::start(&[]);
    let mut socket = velella.join(velella.peer_token()).await;

    let signalled = Instant::now();
    velella.signal();
    let close = loop {
        if let Frame::Close(close) = socket.next().await.unwrap().unwrap() {
            break close.unwrap();
        }
    };
    assert_eq!((u16::from(close.code), close.reason.as_str()), (1001, "the server is restarting"));
    // Reading on answers the close, as browsers do.
    while let Some(Ok(_)) = socket.next().await {}

    let (status, _) = velella.ended();
    assert_eq!(status.code(), Some(0));
    assert!(signalled.elapsed() < QUICK, "it took {:?}", signalled.elapsed());
}

#[test]
fn it_is_not_ready_and_not_listening_while_it_ends() {
    let velella = Velella::start(&[]);
    let _mute = mute_socket(&velella);
    velella.signal();
    until(|| velella.ask_admin("/readyz") == (503, "shutting down\n".to_owned()));
    until(|| TcpStream::connect(velella.http).is_err());
    assert_eq!(velella.ask_admin("/livez").0, 200);
    assert_eq!(velella.ended().0.code(), Some(0));
}

#[test]
fn a_request_in_flight_is_answered() {
    let velella = Velella::start(&[]);
    let mut request = TcpStream::connect(velella.http).unwrap();
    let head = format!(
        "POST /api/v1/connect/v/room HTTP/1.1\r\nHost: v\r\nAuthorization: Bearer {MANAGEMENT_TOKEN}\r\n\
                Content-Type: application/json\r\nContent-Length: 2\r\n\r\n{{"
    );
    request.write_all(head.as_bytes()).unwrap();
    // Answered behind the half request on another connection: by then that one is being read.
    velella.post("/room", "{}");
    velella.signal();
    until(|| velella.log().contains("shutting down"));
    request.write_all(b"}").unwrap();
    let mut answer = String::new();
    request.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 201 "), "{answer}");
    assert_eq!(velella.ended().0.code(), Some(0));
}

#[test]
fn a_second_signal_ends_it_at_once() {
    let velella = Velella::start(&[]);
    let _mute = mute_socket(&velella);
    velella.signal();
    until(|| velella.log().contains("shutting down"));
    let signalled = Instant::now();
    velella.signal();
    assert_eq!(velella.ended().0.code(), Some(130));
    assert!(signalled.elapsed() < QUICK, "it took {:?}", signalled.elapsed());
}

#[test]
fn the_deadline_cuts_off_who_does_not_answer() {
    let velella = Velella::start(&["--shutdown-deadline", "1s"]);
    let _mute = mute_socket(&velella);
    let signalled = Instant::now();
    velella.signal();
    let (status, log) = velella.ended();
    assert_eq!(status.code(), Some(0));
    assert!(log.contains("the shutdown took too long"), "{log}");
    assert!((1..2).contains(&signalled.elapsed().as_secs()), "it took {:?}", signalled.elapsed());
}

/// A socket whose peer never answers a close.
fn mute_socket(velella: &Velella) -> TcpStream {
    let mut stream = TcpStream::connect(velella.http).unwrap();
    let key = "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==";
    let path = velella.socket_path();
    let request =
        format!("GET {path} HTTP/1.1\r\nHost: v\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n{key}\r\n\r\n");
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = [0; 12];
    stream.read_exact(&mut answer).unwrap();
    assert_eq!(&answer, b"HTTP/1.1 101");
    stream
}

fn until(mut is_so: impl FnMut() -> bool) {
    let since = Instant::now();
    while !is_so() {
        assert!(since.elapsed() < PATIENCE, "it never came");
        std::thread::park_timeout(Duration::from_millis(5));
    }
}
