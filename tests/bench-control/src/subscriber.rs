//! A subscriber that does next to nothing with what it reads: a thousand of them share two cores
//! with the coordinator that is measured. It reads frames by their lengths and of each notification
//! only the time at its end.

use std::net::SocketAddr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, ensure};
use hdrhistogram::Histogram;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use velella_proto::Message;
use velella_proto::fishjam::ServerMessage;
use velella_proto::fishjam::server_message::{AuthRequest, Content, SubscribeRequest};

const BUFFER_BYTES: usize = 16 * 1024;

/// A frame of protobuf, and one that asks for an answer.
const BINARY: u8 = 0x82;
const CLOSE: u8 = 0x88;

pub(crate) struct Subscriber {
    stream: TcpStream,
    unread: Vec<u8>,
}

pub(crate) struct Received {
    pub(crate) count: u64,
    pub(crate) delays_ms: Histogram<u64>,
}

impl Subscriber {
    /// Connected, authenticated and subscribed.
    pub(crate) async fn connect(addr: SocketAddr, token: &str) -> Result<Self> {
        let stream = TcpStream::connect(addr).await.context("a subscriber cannot connect")?;
        let mut subscriber = Self { stream, unread: Vec::new() };
        let request = format!(
            "GET /socket/server/websocket HTTP/1.1\r\nHost: {addr}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        );
        subscriber.stream.write_all(request.as_bytes()).await?;
        while !subscriber.unread.windows(4).any(|end| end == b"\r\n\r\n") {
            subscriber.fill().await?;
        }
        ensure!(subscriber.unread.starts_with(b"HTTP/1.1 101"), "the coordinator refuses a subscriber");
        subscriber.unread.clear();
        subscriber.say(Content::AuthRequest(AuthRequest { token: token.into() })).await?;
        let request = SubscribeRequest { event_type: 1, ..SubscribeRequest::default() };
        subscriber.say(Content::SubscribeRequest(request)).await?;
        let mut answers = 0;
        while answers < 2 {
            subscriber.fill().await?;
            answers += subscriber.take_frames(|_, _| ());
        }
        Ok(subscriber)
    }

    /// Reads until so many notifications came, or nothing more comes.
    pub(crate) async fn receive(mut self, wanted: u64, patience: Duration) -> Received {
        let mut received = Received { count: 0, delays_ms: Histogram::new(3).expect("three digits are allowed") };
        while received.count < wanted {
            let mut open = true;
            let now_ms = now_ms();
            received.count += self.take_frames(|kind, payload| {
                open &= kind != CLOSE;
                received.delays_ms.saturating_record(now_ms.saturating_sub(noticed_at_ms(payload)));
            });
            if !open || received.count >= wanted {
                break;
            }
            if !matches!(tokio::time::timeout(patience, self.fill()).await, Ok(Ok(()))) {
                break;
            }
        }
        received
    }

    /// Takes all whole frames; returns how many of them were protobuf.
    fn take_frames(&mut self, mut each: impl FnMut(u8, &[u8])) -> u64 {
        let (mut at, mut count) = (0, 0);
        while let Some((kind, head, len)) = self.unread.get(at..).and_then(frame_head) {
            let Some(payload) = self.unread.get(at + head..at + head + len) else { break };
            if kind == BINARY {
                count += 1;
            }
            if kind == BINARY || kind == CLOSE {
                each(kind, payload);
            }
            at += head + len;
        }
        self.unread.drain(..at);
        count
    }

    async fn fill(&mut self) -> Result<()> {
        self.unread.reserve(BUFFER_BYTES);
        ensure!(self.stream.read_buf(&mut self.unread).await? > 0, "the coordinator closed the connection");
        Ok(())
    }

    /// A short frame, masked with zeros.
    async fn say(&mut self, content: Content) -> Result<()> {
        let payload = ServerMessage { content: Some(content), ..ServerMessage::default() }.encode_to_vec();
        let mut frame = vec![BINARY, 0x80 | u8::try_from(payload.len())?, 0, 0, 0, 0];
        frame.extend(payload);
        self.stream.write_all(&frame).await?;
        Ok(())
    }
}

/// Kind, length of the head and length of the payload; no notification of this run is longer than
/// two bytes can say.
fn frame_head(bytes: &[u8]) -> Option<(u8, usize, usize)> {
    match *bytes {
        [kind, 126, high, low, ..] => Some((kind, 4, usize::from(u16::from_be_bytes([high, low])))),
        [kind, len, ..] if len < 126 => Some((kind, 2, usize::from(len))),
        _ => None,
    }
}

/// The last field of a notification is its time: six bytes of a varint, until the year 4199.
fn noticed_at_ms(payload: &[u8]) -> u64 {
    let time = payload.len().checked_sub(6).and_then(|at| payload.get(at..)).unwrap_or_default();
    time.iter().rev().fold(0, |value, byte| value << 7 | u64::from(byte & 0x7f))
}

fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_is_read_from_the_end_of_a_notification() {
        let message = ServerMessage { sequence: 7, noticed_at_ms: 1_800_000_000_123, content: None };
        assert_eq!(noticed_at_ms(&message.encode_to_vec()), 1_800_000_000_123);
    }

    #[test]
    fn frames_are_told_apart_by_their_lengths() {
        assert_eq!(frame_head(&[BINARY, 5, 0]), Some((BINARY, 2, 5)));
        assert_eq!(frame_head(&[BINARY, 126, 1, 0]), Some((BINARY, 4, 256)));
        assert_eq!(frame_head(&[BINARY, 126, 1]), None);
    }
}
