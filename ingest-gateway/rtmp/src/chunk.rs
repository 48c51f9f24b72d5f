//! Messages, and the chunks that carry them interleaved (RTMP 1.0, section 5.3).

mod reader;
mod writer;

use bytes::Bytes;

pub use reader::{CHUNK_BYTES_MAX, CHUNK_STREAMS_MAX, ChunkError, ChunkReader, MESSAGE_BYTES_MAX, PENDING_BYTES_MAX};
pub(crate) use writer::ChunkWriter;

/// What both sides may put into a chunk until they say otherwise.
const CHUNK_BYTES_INITIAL: usize = 128;
/// A timestamp field of this says that four more bytes tell it.
const TIMESTAMP_EXTENDED: u32 = 0x00ff_ffff;

/// One message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// What it is, one of the constants in [`kind`]; anything else is for nobody here.
    pub kind: u8,
    /// To which stream within the connection it belongs; 0 is the connection itself.
    pub stream: u32,
    /// In milliseconds, and over again after 49 days.
    pub timestamp_ms: u32,
    /// Its content.
    pub payload: Bytes,
}

/// Kinds of messages (RTMP 1.0, sections 5.4 and 7.1).
pub mod kind {
    /// How large chunks are from now on.
    pub const SET_CHUNK_SIZE: u8 = 1;
    /// Forget what was sent of a message so far.
    pub const ABORT: u8 = 2;
    /// How much was received.
    pub const ACKNOWLEDGEMENT: u8 = 3;
    /// Streams begin, pings.
    pub const USER_CONTROL: u8 = 4;
    /// After how many bytes to acknowledge.
    pub const WINDOW_SIZE: u8 = 5;
    /// After how many bytes without acknowledgement to stop.
    pub const PEER_BANDWIDTH: u8 = 6;
    /// An FLV audio tag.
    pub const AUDIO: u8 = 8;
    /// An FLV video tag.
    pub const VIDEO: u8 = 9;
    /// Metadata in AMF3, which in practice is a zero and AMF0.
    pub const METADATA_AMF3: u8 = 15;
    /// A command, likewise.
    pub const COMMAND_AMF3: u8 = 17;
    /// Metadata in AMF0.
    pub const METADATA: u8 = 18;
    /// A command in AMF0.
    pub const COMMAND: u8 = 20;
}
