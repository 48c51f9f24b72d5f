//! Messages into chunks: answers only, so with full headers and without extended timestamps.

use bytes::{BufMut, Bytes, BytesMut};

use super::{CHUNK_BYTES_INITIAL, kind};

/// Chunk stream of control messages (RTMP 1.0, 5.4).
const CONTROL_STREAM: u8 = 2;
/// Chunk stream of commands, by custom.
const COMMAND_STREAM: u8 = 3;
/// Largest chunk that is sent: every answer fits one.
const CHUNK_BYTES: usize = 4_096;

/// Puts messages into chunks.
#[derive(Debug)]
pub(crate) struct ChunkWriter {
    chunk_bytes: usize,
}

impl Default for ChunkWriter {
    fn default() -> Self {
        Self { chunk_bytes: CHUNK_BYTES_INITIAL }
    }
}

impl ChunkWriter {
    /// Tells the peer of larger chunks, and makes them from now on.
    pub(crate) fn enlarge(&mut self) -> Bytes {
        let bytes = u32::try_from(CHUNK_BYTES).unwrap_or_default().to_be_bytes();
        let told = self.write(kind::SET_CHUNK_SIZE, 0, &bytes);
        self.chunk_bytes = CHUNK_BYTES;
        told
    }

    /// At time 0: answers have none that anybody reads.
    pub(crate) fn write(&self, kind: u8, stream: u32, payload: &[u8]) -> Bytes {
        let chunk_stream = if kind == kind::COMMAND { COMMAND_STREAM } else { CONTROL_STREAM };
        let [_, length @ ..] = u32::try_from(payload.len()).unwrap_or_default().to_be_bytes();
        let mut chunks = BytesMut::with_capacity(12 + payload.len() + payload.len() / self.chunk_bytes);
        chunks.put_u8(chunk_stream);
        chunks.put_slice(&[0; 3]);
        chunks.put_slice(&length);
        chunks.put_u8(kind);
        chunks.put_u32_le(stream);
        for (n, piece) in payload.chunks(self.chunk_bytes).enumerate() {
            if n > 0 {
                chunks.put_u8(0b1100_0000 | chunk_stream);
            }
            chunks.put_slice(piece);
        }
        chunks.freeze()
    }
}

#[cfg(test)]
mod tests {
    use super::super::{ChunkReader, Message};
    use super::*;

    #[test]
    fn what_is_written_reads_the_same_before_and_after_chunks_grow() {
        let (mut writer, mut reader) = (ChunkWriter::default(), ChunkReader::default());
        let long = Bytes::from(vec![7; 5_000]);
        reader.handle_bytes(&writer.write(kind::COMMAND, 1, &long));
        reader.handle_bytes(&writer.enlarge());
        reader.handle_bytes(&writer.write(kind::COMMAND, 1, &long));
        let read: Vec<_> = std::iter::from_fn(|| reader.poll_message().unwrap()).collect();
        let size = Message {
            kind: kind::SET_CHUNK_SIZE,
            stream: 0,
            timestamp_ms: 0,
            payload: Bytes::from_static(&[0, 0, 16, 0]),
        };
        let command = Message { kind: kind::COMMAND, stream: 1, timestamp_ms: 0, payload: long };
        assert_eq!(read, [command.clone(), size, command]);
    }
}
