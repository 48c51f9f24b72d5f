//! Chunks into messages, one at a time.

use std::collections::BTreeMap;

use bytes::{Buf, BytesMut};

use super::{CHUNK_BYTES_INITIAL, Message, TIMESTAMP_EXTENDED, kind};

/// Largest chunk that is taken: more gains nothing and delays sound behind video.
pub const CHUNK_BYTES_MAX: usize = 64 * 1024;
/// Largest message that is taken; the format itself could name one byte less.
pub const MESSAGE_BYTES_MAX: usize = 16 * 1024 * 1024;
/// Most bytes of unfinished messages, all chunk streams together.
pub const PENDING_BYTES_MAX: usize = MESSAGE_BYTES_MAX;
/// Most chunk streams of a connection. Publishers use five.
pub const CHUNK_STREAMS_MAX: usize = 32;
/// Largest message that is no sound and no picture. Metadata with cue points reaches a few KiB.
const CONTROL_BYTES_MAX: usize = 64 * 1024;

/// Takes chunks apart. What it holds is bounded by [`PENDING_BYTES_MAX`] and one chunk.
#[derive(Debug)]
pub struct ChunkReader {
    received: BytesMut,
    chunk_bytes: usize,
    streams: BTreeMap<u32, ChunkStream>,
    pending_bytes: usize,
}

/// What a chunk stream said last, which later chunks leave out.
#[derive(Clone, Debug, Default)]
struct ChunkStream {
    /// Of the message; the sum of all deltas.
    timestamp_ms: u32,
    /// As it was told last: the timestamp itself or the way there from the one before.
    timestamp_field: u32,
    extended: bool,
    length: usize,
    kind: u8,
    stream: u32,
    /// `Some` while a message is under way.
    payload: Option<BytesMut>,
}

/// How much a chunk's header leaves out (RTMP 1.0, 5.3.1.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Format {
    Full,
    SameStream,
    OnlyTime,
    Nothing,
}

impl Default for ChunkReader {
    fn default() -> Self {
        let (received, streams) = (BytesMut::new(), BTreeMap::new());
        Self { received, chunk_bytes: CHUNK_BYTES_INITIAL, streams, pending_bytes: 0 }
    }
}

impl ChunkReader {
    /// Takes bytes as they come. Call [`Self::poll_message`] until there is none before the next ones.
    pub fn handle_bytes(&mut self, bytes: &[u8]) {
        self.received.extend_from_slice(bytes);
    }

    /// The next whole message; chunk sizes and aborts are followed, and passed on as well.
    ///
    /// # Errors
    /// When the peer breaks a rule or a bound. Nothing that follows can be read then.
    pub fn poll_message(&mut self) -> Result<Option<Message>, ChunkError> {
        loop {
            match self.take_chunk()? {
                Chunk::Missing => return Ok(None),
                Chunk::Taken => {}
                Chunk::Completes(message) => {
                    self.follow(&message)?;
                    return Ok(Some(message));
                }
            }
        }
    }

    fn follow(&mut self, message: &Message) -> Result<(), ChunkError> {
        let number = message.payload.first_chunk().map(|bytes| u32::from_be_bytes(*bytes));
        match (message.kind, number) {
            (kind::SET_CHUNK_SIZE, Some(bytes)) => match usize::try_from(bytes) {
                Ok(bytes @ 1..=CHUNK_BYTES_MAX) => self.chunk_bytes = bytes,
                _ => return Err(ChunkError::ChunkSize(bytes)),
            },
            (kind::ABORT, Some(id)) => {
                if let Some(payload) = self.streams.get_mut(&id).and_then(|stream| stream.payload.take()) {
                    self.pending_bytes -= payload.len();
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn take_chunk(&mut self) -> Result<Chunk, ChunkError> {
        let mut head = &self.received[..];
        let Some((format, id)) = basic_header(&mut head) else { return Ok(Chunk::Missing) };
        let fresh = ChunkStream::default();
        let stream = match (self.streams.get(&id), format) {
            (Some(known), _) => known,
            (None, Format::Full) if self.streams.len() >= CHUNK_STREAMS_MAX => return Err(ChunkError::TooManyStreams),
            (None, Format::Full) => &fresh,
            (None, _) => return Err(ChunkError::UnknownStream(id)),
        };
        let Some(next) = stream.header(format, &mut head) else { return Ok(Chunk::Missing) };
        let begins = stream.payload.is_none();
        if !begins && format != Format::Nothing {
            return Err(ChunkError::Interrupted(id));
        }
        let most = if matches!(next.kind, kind::AUDIO | kind::VIDEO) { MESSAGE_BYTES_MAX } else { CONTROL_BYTES_MAX };
        if next.length > most {
            return Err(ChunkError::MessageSize { kind: next.kind, bytes: next.length });
        }
        let held = stream.payload.as_ref().map_or(0, BytesMut::len);
        let bytes = (next.length - held).min(self.chunk_bytes);
        if head.len() < bytes {
            return Ok(Chunk::Missing);
        }
        if self.pending_bytes + bytes > PENDING_BYTES_MAX {
            return Err(ChunkError::TooMuchPending);
        }
        let header_bytes = self.received.len() - head.len();
        self.received.advance(header_bytes);
        let content = self.received.split_to(bytes);
        Ok(self.add(id, next, content))
    }

    /// Adds the content of a chunk to its message. `next` is the stream with what the chunk's header said.
    fn add(&mut self, id: u32, next: ChunkStream, content: BytesMut) -> Chunk {
        let stream = self.streams.entry(id).or_default();
        let before = stream.payload.take();
        *stream = next;
        let payload = match before {
            Some(mut payload) => {
                self.pending_bytes -= payload.len();
                payload.extend_from_slice(&content);
                payload
            }
            None => content,
        };
        if payload.len() < stream.length {
            self.pending_bytes += payload.len();
            stream.payload = Some(payload);
            return Chunk::Taken;
        }
        let ChunkStream { kind, stream, timestamp_ms, .. } = *stream;
        Chunk::Completes(Message { kind, stream, timestamp_ms, payload: payload.freeze() })
    }
}

/// What became of one chunk.
enum Chunk {
    Missing,
    Taken,
    Completes(Message),
}

impl ChunkStream {
    /// The stream after this header, without its payload; `None` while bytes are missing.
    fn header(&self, format: Format, head: &mut &[u8]) -> Option<Self> {
        let mut next = Self { payload: None, ..*self };
        if format != Format::Nothing {
            next.timestamp_field = number(head, 3)?;
            next.extended = next.timestamp_field == TIMESTAMP_EXTENDED;
        }
        if matches!(format, Format::Full | Format::SameStream) {
            next.length = usize::try_from(number(head, 3)?).ok()?;
            next.kind = u8::try_from(number(head, 1)?).ok()?;
        }
        if format == Format::Full {
            next.stream = number(head, 4)?.swap_bytes();
        }
        let continues = self.payload.is_some();
        if next.extended {
            next.read_extended(format, continues, head)?;
        }
        if !continues {
            next.timestamp_ms = match format {
                Format::Full => next.timestamp_field,
                Format::SameStream | Format::OnlyTime | Format::Nothing => {
                    self.timestamp_ms.wrapping_add(next.timestamp_field)
                }
            };
        }
        Some(next)
    }

    /// Chunks without a header repeat the extended timestamp, but not from every encoder: four bytes that say
    /// something else are content already.
    fn read_extended(&mut self, format: Format, continues: bool, head: &mut &[u8]) -> Option<()> {
        let mut ahead = *head;
        let extended = number(&mut ahead, 4)?;
        if format == Format::Nothing && continues && extended != self.timestamp_field {
            return Some(());
        }
        self.timestamp_field = extended;
        *head = ahead;
        Some(())
    }
}

fn basic_header(head: &mut &[u8]) -> Option<(Format, u32)> {
    let first = number(head, 1)?;
    let format = match first >> 6 {
        0 => Format::Full,
        1 => Format::SameStream,
        2 => Format::OnlyTime,
        _ => Format::Nothing,
    };
    let id = match first & 0x3f {
        0 => 64 + number(head, 1)?,
        1 => 64 + number(head, 1)? + (number(head, 1)? << 8),
        id => id,
    };
    Some((format, id))
}

/// A big-endian number of at most four bytes.
fn number(head: &mut &[u8], bytes: usize) -> Option<u32> {
    let (digits, rest) = head.split_at_checked(bytes)?;
    *head = rest;
    Some(digits.iter().fold(0, |number, byte| number << 8 | u32::from(*byte)))
}

/// How a peer broke the rules, or a bound.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ChunkError {
    /// None, or above [`CHUNK_BYTES_MAX`].
    #[error("a chunk size of {0} bytes is not taken, {CHUNK_BYTES_MAX} is the most")]
    ChunkSize(u32),
    /// Above what is taken of its kind.
    #[error("a message of kind {kind} with {bytes} bytes is not taken")]
    MessageSize {
        /// What it would be.
        kind: u8,
        /// As its header names it.
        bytes: usize,
    },
    /// More than [`CHUNK_STREAMS_MAX`].
    #[error("more than {CHUNK_STREAMS_MAX} chunk streams are not taken")]
    TooManyStreams,
    /// More than [`PENDING_BYTES_MAX`].
    #[error("unfinished messages of more than {PENDING_BYTES_MAX} bytes are not taken")]
    TooMuchPending,
    /// A header that refers to one that never came.
    #[error("chunk stream {0} begins without a full header")]
    UnknownStream(u32),
    /// A new message before the end of the last one.
    #[error("chunk stream {0} begins a message within another")]
    Interrupted(u32),
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use proptest::prelude::*;

    use super::*;

    const VIDEO: u8 = kind::VIDEO;

    fn message(kind: u8, timestamp_ms: u32, payload: &[u8]) -> Message {
        Message { kind, stream: 1, timestamp_ms, payload: Bytes::copy_from_slice(payload) }
    }

    /// A full header of stream 1, whose timestamp is not extended.
    fn full(id: u8, timestamp: u32, length: usize, kind: u8) -> Vec<u8> {
        let [_, time @ ..] = timestamp.to_be_bytes();
        let [.., a, b, c] = length.to_be_bytes();
        [&[id][..], &time, &[a, b, c, kind, 1, 0, 0, 0]].concat()
    }

    fn read(reader: &mut ChunkReader, bytes: &[u8]) -> Result<Vec<Message>, ChunkError> {
        reader.handle_bytes(bytes);
        std::iter::from_fn(|| reader.poll_message().transpose()).collect()
    }

    #[test]
    fn later_headers_leave_out_what_stays() {
        let mut reader = ChunkReader::default();
        let wire = [full(4, 1_000, 2, VIDEO), b"ab".to_vec()].concat();
        assert_eq!(read(&mut reader, &wire), Ok(vec![message(VIDEO, 1_000, b"ab")]));
        let same_stream = [&[0x44, 0, 0, 40, 0, 0, 1, VIDEO][..], b"c"].concat();
        assert_eq!(read(&mut reader, &same_stream), Ok(vec![message(VIDEO, 1_040, b"c")]));
        assert_eq!(read(&mut reader, b"\x84\0\0\x28d"), Ok(vec![message(VIDEO, 1_080, b"d")]));
        assert_eq!(read(&mut reader, b"\xc4e"), Ok(vec![message(VIDEO, 1_120, b"e")]));
    }

    #[test]
    fn messages_of_several_chunk_streams_interleave() {
        let mut reader = ChunkReader::default();
        let picture = [7; 200];
        let wire = [
            full(4, 10, 200, VIDEO),
            picture[..128].to_vec(),
            full(5, 12, 3, kind::AUDIO),
            b"aac".to_vec(),
            [&[0xc4][..], &picture[128..]].concat(),
        ];
        let expected = vec![message(kind::AUDIO, 12, b"aac"), message(VIDEO, 10, &picture)];
        assert_eq!(read(&mut reader, &wire.concat()), Ok(expected.clone()));
        // The same, byte by byte.
        let mut reader = ChunkReader::default();
        let messages = wire.concat().iter().flat_map(|byte| read(&mut reader, &[*byte]).unwrap()).collect::<Vec<_>>();
        assert_eq!(messages, expected);
    }

    #[test]
    fn extended_timestamps_are_read_whether_or_not_chunks_repeat_them() {
        let picture = [7; 200];
        let begin = [full(4, 0x00ff_ffff, 200, VIDEO), vec![1, 0, 0, 0], picture[..128].to_vec()].concat();
        let expected = Ok(vec![message(VIDEO, 0x0100_0000, &picture)]);
        for repeated in [&[1, 0, 0, 0][..], &[]] {
            let mut reader = ChunkReader::default();
            let wire = [&begin[..], &[0xc4], repeated, &picture[128..]].concat();
            assert_eq!(read(&mut reader, &wire), expected);
        }
    }

    #[test]
    fn ids_of_chunk_streams_have_one_two_or_three_bytes() {
        for (basic, id) in [(vec![63], 63), (vec![0, 7], 71), (vec![1, 7, 2], 64 + 7 + 512)] {
            let mut reader = ChunkReader::default();
            let wire = [&basic[..], &full(0, 0, 1, VIDEO)[1..], b"x"].concat();
            assert_eq!(read(&mut reader, &wire), Ok(vec![message(VIDEO, 0, b"x")]));
            assert_eq!(reader.streams.keys().copied().collect::<Vec<_>>(), [id]);
        }
    }

    #[test]
    fn an_aborted_message_is_forgotten() {
        let mut reader = ChunkReader::default();
        let abort = message(kind::ABORT, 0, &[0, 0, 0, 4]);
        let wire = [full(4, 0, 200, VIDEO), vec![7; 128], full(2, 0, 4, kind::ABORT), vec![0, 0, 0, 4]].concat();
        assert_eq!(read(&mut reader, &wire), Ok(vec![abort]));
        assert_eq!(reader.pending_bytes, 0);
        let wire = [full(4, 9, 1, VIDEO), b"x".to_vec()].concat();
        assert_eq!(read(&mut reader, &wire), Ok(vec![message(VIDEO, 9, b"x")]));
    }

    #[test]
    fn what_breaks_a_bound_is_told() {
        let size = |bytes: u32| [full(2, 0, 4, kind::SET_CHUNK_SIZE), bytes.to_be_bytes().to_vec()].concat();
        for bytes in [0x7fff_ffff, 0x8000_0000, 0, 65_537] {
            assert_eq!(read(&mut ChunkReader::default(), &size(bytes)), Err(ChunkError::ChunkSize(bytes)));
        }
        let command = full(3, 0, 0x00ff_ffff, kind::COMMAND);
        let refused = ChunkError::MessageSize { kind: kind::COMMAND, bytes: 0x00ff_ffff };
        assert_eq!(read(&mut ChunkReader::default(), &command), Err(refused));
        assert_eq!(read(&mut ChunkReader::default(), &[0xc7]), Err(ChunkError::UnknownStream(7)));
        let again = [full(4, 0, 200, VIDEO), vec![7; 128], full(4, 0, 1, VIDEO)].concat();
        assert_eq!(read(&mut ChunkReader::default(), &again), Err(ChunkError::Interrupted(4)));
    }

    #[test]
    fn streams_that_never_end_are_bounded_together() {
        let mut reader = ChunkReader::default();
        for id in 2..34 {
            assert_eq!(read(&mut reader, &[full(id, 0, 0, VIDEO)].concat()).map(|messages| messages.len()), Ok(1));
        }
        assert_eq!(read(&mut reader, &full(34, 0, 0, VIDEO)), Err(ChunkError::TooManyStreams));

        let mut reader = ChunkReader::default();
        let size = [full(2, 0, 4, kind::SET_CHUNK_SIZE), vec![0, 1, 0, 0]].concat();
        read(&mut reader, &size).unwrap();
        let content = vec![7; CHUNK_BYTES_MAX];
        let fails = (0..).find_map(|n: usize| {
            let id = 3 + u8::try_from(n % 20).unwrap();
            let header = if n < 20 { full(id, 0, 0x00ff_ffff, VIDEO) } else { vec![0xc0 | id] };
            read(&mut reader, &[header, content.clone()].concat()).err()
        });
        assert_eq!(fails, Some(ChunkError::TooMuchPending));
        assert!(reader.pending_bytes <= PENDING_BYTES_MAX);
    }

    proptest! {
        #[test]
        fn nothing_that_a_peer_sends_panics(pieces: Vec<Vec<u8>>) {
            let mut reader = ChunkReader::default();
            for piece in pieces {
                if read(&mut reader, &piece).is_err() {
                    break;
                }
            }
        }

        #[test]
        fn messages_come_out_as_they_went_in(
            payloads in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..700), 1..5),
            cut in 1_usize..300,
        ) {
            let writer = super::super::ChunkWriter::default();
            let wire: Vec<u8> = payloads.iter().flat_map(|payload| writer.write(VIDEO, 1, payload)).collect();
            let mut reader = ChunkReader::default();
            let messages: Vec<_> = wire.chunks(cut).flat_map(|piece| read(&mut reader, piece).unwrap()).collect();
            let expected: Vec<_> = payloads.iter().map(|payload| message(VIDEO, 0, payload)).collect();
            prop_assert_eq!(messages, expected);
        }
    }
}
