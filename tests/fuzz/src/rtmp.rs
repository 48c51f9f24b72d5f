//! What publishers send over RTMP.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use bytes::Bytes;
use velella_media::{Frame, MediaTime};
use velella_rtmp::chunk::{ChunkError, ChunkReader, Message};
use velella_rtmp::{Output, Publication, Session, amf};

use crate::input::{pieces, records};
use crate::media::assert_whole;

/// What a publisher sends before its first chunk.
const HANDSHAKE: [u8; 1 + 2 * 1_536] = [3; _];

/// What passes between two pieces.
const STEP: Duration = Duration::from_millis(10);

/// Values of a command.
pub(crate) fn amf(input: &[u8]) {
    let _ = amf::read(input);
}

/// The same messages come in whatever pieces chunks come in.
pub(crate) fn chunks(input: &[u8]) {
    let (length, stream) = pieces(input);
    assert_eq!(read(stream, length), read(stream, stream.len().max(1)));
}

fn read(stream: &[u8], length: usize) -> (Vec<Message>, Option<ChunkError>) {
    let (mut reader, mut messages) = (ChunkReader::default(), Vec::new());
    for piece in stream.chunks(length) {
        reader.handle_bytes(piece);
        loop {
            match reader.poll_message() {
                Ok(Some(message)) => messages.push(message),
                Ok(None) => break,
                Err(error) => return (messages, Some(error)),
            }
        }
    }
    (messages, None)
}

/// A whole connection behind the handshake, of a peer that may publish.
pub(crate) fn session(input: &[u8]) {
    let (length, stream) = pieces(input);
    let mut now = Instant::now();
    let mut session = Session::new(now);
    let (mut sounds, mut closed) = (Sounds::default(), false);
    for piece in [&HANDSHAKE[..]].into_iter().chain(stream.chunks(length)) {
        session.handle_bytes(piece, now);
        while let Some(output) = session.poll_output() {
            assert!(!closed, "nothing follows the end: {output:?}");
            match output {
                Output::PublishRequested(_) => session.accept(now),
                Output::Frame(frame) => sounds.note(&frame),
                Output::Closed(_) => closed = true,
                Output::Send(_) | Output::Event(_) => {}
            }
        }
        now += STEP;
        session.handle_timeout(now);
    }
}

/// Tags of one publisher: whether one is of pictures, its timestamp, and its content.
pub(crate) fn tags(input: &[u8]) {
    let (mut publication, mut outputs) = (Publication::default(), VecDeque::new());
    let (mut now, mut sounds) = (Instant::now(), Sounds::default());
    for ([kind, timestamp @ ..], body) in records::<5>(input) {
        let (tag, timestamp_ms) = (Bytes::copy_from_slice(body), u32::from_be_bytes(*timestamp));
        if kind % 2 == 1 {
            publication.handle_video(&tag, timestamp_ms, now, &mut outputs);
        } else {
            publication.handle_audio(&tag, timestamp_ms, now, &mut outputs);
        }
        for output in outputs.drain(..) {
            if let Output::Frame(frame) = output {
                sounds.note(&frame);
            }
        }
        now += STEP;
    }
}

/// When the last sound was.
#[derive(Debug, Default)]
struct Sounds(Option<MediaTime>);

impl Sounds {
    /// One tag holds one sound, and their times go on whatever the clock of the publisher does.
    fn note(&mut self, frame: &Frame) {
        assert_whole(frame);
        if let Frame::Audio(sound) = frame {
            assert!(self.0 <= Some(sound.time), "{:?} after {:?}", sound.time, self.0);
            self.0 = Some(sound.time);
        }
    }
}
