//! Parts a stream of bytes into RTSP messages and interleaved packets (RFC 2326 10.12), and finds
//! its way again when something else stands between them.

use bytes::{Buf, Bytes, BytesMut};

use crate::message::{Head, Headers, Response};

/// Longest head of a message.
const HEAD_BYTES_MAX: usize = 16 * 1024;

/// Longest body, which is a description.
const BODY_BYTES_MAX: usize = 64 * 1024;

/// Most bytes in a row that belong to nothing.
const NOISE_BYTES_MAX: usize = 64 * 1024;

/// What messages begin with: the answers, and what cameras ask.
const BEGINNINGS: [&[u8]; 8] = [
    b"RTSP/1.",
    b"HTTP/1.",
    b"OPTIONS ",
    b"ANNOUNCE ",
    b"REDIRECT ",
    b"TEARDOWN ",
    b"GET_PARAMETER ",
    b"SET_PARAMETER ",
];

/// What a camera sends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Incoming {
    Response(Response),
    Request { method: String, headers: Headers },
    Packet { channel: u8, payload: Bytes },
}

/// Why a stream makes no sense any longer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FramingError {
    HeadTooLong,
    BodyTooLong,
    BadHead,
    Noise,
}

impl FramingError {
    pub(crate) fn sentence(self) -> &'static str {
        match self {
            Self::HeadTooLong => "the head of a message is too long",
            Self::BodyTooLong => "the body of a message is too long",
            Self::BadHead => "the head of a message cannot be read",
            Self::Noise => "too much of what it sends is no message",
        }
    }
}

/// Bytes that arrived and are not taken apart yet.
#[derive(Debug, Default)]
pub(crate) struct Framer {
    /// Where to read into.
    pub(crate) buffer: BytesMut,
    /// Bytes skipped since the last message.
    noise: usize,
    /// All bytes that were skipped.
    pub(crate) noise_bytes: u64,
}

/// What a stream may go on with.
enum Beginning {
    /// Too short to tell.
    Open,
    Packet,
    Message,
    Noise,
}

impl Framer {
    /// The next message or packet, once all of it is there.
    pub(crate) fn next(&mut self) -> Result<Option<Incoming>, FramingError> {
        loop {
            let found = match beginning(&self.buffer) {
                Beginning::Open => None,
                Beginning::Packet => self.packet(),
                Beginning::Message => self.message()?,
                Beginning::Noise => {
                    self.skip()?;
                    continue;
                }
            };
            if found.is_some() {
                self.noise = 0;
            }
            return Ok(found);
        }
    }

    fn packet(&mut self) -> Option<Incoming> {
        let [_, channel, high, low] = *self.buffer.first_chunk()?;
        let length = usize::from(u16::from_be_bytes([high, low]));
        if self.buffer.len() < 4 + length {
            return None;
        }
        self.buffer.advance(4);
        Some(Incoming::Packet { channel, payload: self.buffer.split_to(length).freeze() })
    }

    fn message(&mut self) -> Result<Option<Incoming>, FramingError> {
        let Some(head_length) = head_length(&self.buffer) else {
            return if self.buffer.len() > HEAD_BYTES_MAX { Err(FramingError::HeadTooLong) } else { Ok(None) };
        };
        let head = self.buffer.get(..head_length).unwrap_or_default();
        if head_length > HEAD_BYTES_MAX {
            return Err(FramingError::HeadTooLong);
        }
        let head = Head::parse(head).ok_or(FramingError::BadHead)?;
        let length = head.headers().first("Content-Length").map_or(Ok(0), str::parse);
        let length: usize = length.map_err(|_| FramingError::BadHead)?;
        if length > BODY_BYTES_MAX {
            return Err(FramingError::BodyTooLong);
        }
        if self.buffer.len() < head_length + length {
            return Ok(None);
        }
        self.buffer.advance(head_length);
        let body = self.buffer.split_to(length).freeze();
        Ok(Some(match head {
            Head::Response { status, headers } => Incoming::Response(Response { status, headers, body }),
            Head::Request { method, headers } => Incoming::Request { method, headers },
        }))
    }

    /// Goes on to where the next message may begin.
    fn skip(&mut self) -> Result<(), FramingError> {
        let possible = |byte: &u8| *byte == b'$' || byte.is_ascii_uppercase();
        let skipped = self.buffer.iter().skip(1).position(possible).map_or(self.buffer.len(), |at| at + 1);
        self.buffer.advance(skipped);
        self.noise_bytes += skipped as u64;
        self.noise += skipped;
        if self.noise > NOISE_BYTES_MAX { Err(FramingError::Noise) } else { Ok(()) }
    }
}

fn beginning(buffer: &[u8]) -> Beginning {
    match buffer.first() {
        None => Beginning::Open,
        Some(b'$') => Beginning::Packet,
        Some(_) if BEGINNINGS.iter().any(|known| buffer.starts_with(known)) => Beginning::Message,
        Some(_) if BEGINNINGS.iter().any(|known| known.starts_with(buffer)) => Beginning::Open,
        Some(_) => Beginning::Noise,
    }
}

/// Up to behind the first empty line. Some end lines with a line feed alone.
fn head_length(buffer: &[u8]) -> Option<usize> {
    let mut from = 0;
    loop {
        let line = buffer.get(from..)?;
        let end = line.iter().position(|byte| *byte == b'\n')?;
        from += end + 1;
        if line.get(..end).is_some_and(|line| line.is_empty() || line == b"\r") {
            return Some(from);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn framer(bytes: &[u8]) -> Framer {
        Framer { buffer: BytesMut::from(bytes), ..Framer::default() }
    }

    fn packet(channel: u8, payload: &'static [u8]) -> Incoming {
        Incoming::Packet { channel, payload: Bytes::from_static(payload) }
    }

    /// Status and body of what comes next.
    fn response(framer: &mut Framer) -> (u16, Bytes) {
        match framer.next() {
            Ok(Some(Incoming::Response(response))) => (response.status, response.body),
            other => panic!("no response: {other:?}"),
        }
    }

    #[test]
    fn packets_and_messages_follow_each_other() {
        let mut stream = framer(b"$\x00\x00\x02abRTSP/1.0 200 OK\r\nContent-Length: 3\r\n\r\nv=0$\x01\x00\x01c");
        assert_eq!(stream.next(), Ok(Some(packet(0, b"ab"))));
        assert_eq!(response(&mut stream), (200, Bytes::from_static(b"v=0")));
        assert_eq!(stream.next(), Ok(Some(packet(1, b"c"))));
        assert_eq!(stream.next(), Ok(None));
    }

    #[test]
    fn nothing_comes_before_it_is_whole() {
        let whole = b"RTSP/1.0 200 OK\r\nContent-Length: 3\r\n\r\nv=0";
        let mut stream = framer(b"");
        for byte in whole {
            assert_eq!(stream.next(), Ok(None));
            stream.buffer.extend_from_slice(&[*byte]);
        }
        assert_eq!(response(&mut stream).0, 200);
    }

    #[test]
    fn noise_between_packets_is_skipped_and_counted() {
        let mut stream = framer(b"\r\n\r\n$\x00\x00\x01a\x80\x60noise$\x00\x00\x01bRTSP/1.0 454 Gone\n\n");
        assert_eq!(stream.next(), Ok(Some(packet(0, b"a"))));
        assert_eq!(stream.next(), Ok(Some(packet(0, b"b"))));
        assert_eq!(response(&mut stream).0, 454);
        assert_eq!(stream.noise_bytes, 11);
    }

    #[test]
    fn what_cameras_ask_is_heard() {
        let mut stream = framer(b"SET_PARAMETER rtsp://x RTSP/1.0\r\nCSeq: 1\r\n\r\n");
        assert!(matches!(stream.next(), Ok(Some(Incoming::Request { method, .. })) if method == "SET_PARAMETER"));
    }

    #[test]
    fn every_length_has_a_bound() {
        assert_eq!(framer(&[b'x'; NOISE_BYTES_MAX + 1]).next(), Err(FramingError::Noise));
        let endless = [b"RTSP/1.0 200 OK\r\n".as_slice(), &[b'a'; HEAD_BYTES_MAX]].concat();
        assert_eq!(framer(&endless).next(), Err(FramingError::HeadTooLong));
        assert_eq!(framer(b"RTSP/1.0 200 OK\r\nContent-Length: 65537\r\n\r\n").next(), Err(FramingError::BodyTooLong));
        assert_eq!(framer(b"RTSP/1.0 200 OK\r\nContent-Length: -1\r\n\r\n").next(), Err(FramingError::BadHead));
    }

    proptest! {
        #[test]
        fn anything_can_be_read_piece_by_piece(pieces: Vec<Vec<u8>>) {
            let mut stream = framer(b"");
            for piece in pieces {
                stream.buffer.extend_from_slice(&piece);
                while let Ok(Some(_)) = stream.next() {}
            }
        }
    }
}
