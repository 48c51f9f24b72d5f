//! One connection of a publisher.

mod limits;
mod request;

use std::collections::VecDeque;
use std::fmt;
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use velella_media::Frame;

use crate::amf::{AmfError, Value};
use crate::chunk::{ChunkError, ChunkReader, ChunkWriter, Message, kind};
use crate::command::{self, Command, Metadata};
use crate::handshake::{Handshake, HandshakeError, Step};
use crate::publication::{Event, Publication, PublicationStats};
use limits::{Acknowledged, Allowance};

pub use request::PublishRequest;

/// Whoever has not asked to publish by then is slow on purpose.
const PUBLISH_PATIENCE: Duration = Duration::from_secs(10);
/// A publisher that sends neither sound nor pictures for so long is gone.
const SILENCE_MAX: Duration = Duration::from_secs(30);
/// Most streams that a connection may create; publishers create one.
const STREAMS_MAX: u32 = 8;
/// Longest name of an app or a stream, with its parameters. Tokens are shorter.
const NAME_BYTES_MAX: usize = 2_048;
/// After so many bytes both sides acknowledge.
const WINDOW_BYTES: u32 = 2_500_000;

/// User control messages (RTMP 1.0, 7.1.7).
const STREAM_BEGIN: u16 = 0;
const PING: u16 = 6;
const PONG: u16 = 7;

/// What is to be done, or happened.
#[derive(Clone, Debug, PartialEq)]
pub enum Output {
    /// Send these bytes.
    Send(Bytes),
    /// A peer asks to publish: answer with [`Session::accept`] or [`Session::reject`].
    PublishRequested(PublishRequest),
    /// A picture or a piece of sound.
    Frame(Frame),
    /// Something else about what is published.
    Event(Event),
    /// It is over: close the connection once everything before this is sent. Nothing follows.
    Closed(CloseReason),
}

/// What was counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SessionStats {
    /// Bytes that were received.
    pub received_bytes: u64,
    /// Pictures and sound before the publisher was accepted, dropped.
    pub early: u64,
    /// Messages that are for nobody here.
    pub ignored: u64,
    /// Of what is published.
    pub publication: PublicationStats,
}

/// The server's side of one connection.
#[derive(Debug)]
pub struct Session {
    state: State,
    opened_at: Instant,
    /// When the last sound or picture came.
    media_at: Instant,
    received: BytesMut,
    reader: ChunkReader,
    writer: ChunkWriter,
    /// Bounded by what one call of [`Session::handle_bytes`] brings; drained after each.
    outputs: VecDeque<Output>,
    requests: Allowance,
    metadata: Allowance,
    acknowledged: Acknowledged,
    streams: u32,
    stats: SessionStats,
}

enum State {
    Handshaking(Handshake),
    Connecting,
    Connected(Connection),
    /// The caller is to say whether the peer may publish on this stream.
    Asked {
        stream: u32,
    },
    Publishing {
        stream: u32,
        publication: Box<Publication>,
    },
    /// The publisher has said that it is done, and closes soon.
    Unpublished,
    Closed,
}

/// What `connect` said.
struct Connection {
    app: String,
    tc_url: String,
    encoder: String,
}

/// For logs; names of apps and streams may be secrets.
impl fmt::Debug for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Handshaking(_) => "Handshaking",
            Self::Connecting => "Connecting",
            Self::Connected(_) => "Connected",
            Self::Asked { .. } => "Asked",
            Self::Publishing { .. } => "Publishing",
            Self::Unpublished => "Unpublished",
            Self::Closed => "Closed",
        })
    }
}

impl Session {
    /// A connection that was just opened.
    #[must_use]
    pub fn new(now: Instant) -> Self {
        Self {
            state: State::Handshaking(Handshake::Hello),
            opened_at: now,
            media_at: now,
            received: BytesMut::new(),
            reader: ChunkReader::default(),
            writer: ChunkWriter::default(),
            outputs: VecDeque::new(),
            requests: Allowance::full(now),
            metadata: Allowance::full(now),
            acknowledged: Acknowledged::default(),
            streams: 0,
            stats: SessionStats::default(),
        }
    }

    /// What was counted.
    #[must_use]
    pub fn stats(&self) -> SessionStats {
        match &self.state {
            State::Publishing { publication, .. } => SessionStats { publication: publication.stats(), ..self.stats },
            State::Handshaking(_)
            | State::Connecting
            | State::Connected(_)
            | State::Asked { .. }
            | State::Unpublished
            | State::Closed => self.stats,
        }
    }

    /// Takes bytes as they come; of a few KiB each, since all of their frames wait for [`Self::poll_output`].
    pub fn handle_bytes(&mut self, bytes: &[u8], now: Instant) {
        if matches!(self.state, State::Closed) {
            return;
        }
        self.stats.received_bytes += bytes.len() as u64;
        if let Err(reason) = self.take(bytes, now) {
            self.close(reason);
        }
    }

    /// The peer has closed the connection, or it broke.
    pub fn handle_end(&mut self) {
        match self.state {
            State::Closed => {}
            State::Unpublished => self.close(CloseReason::Finished),
            State::Publishing { .. } => self.close(CloseReason::Aborted),
            State::Handshaking(_) | State::Connecting | State::Connected(_) | State::Asked { .. } => {
                self.close(CloseReason::Left);
            }
        }
    }

    /// Time has passed.
    pub fn handle_timeout(&mut self, now: Instant) {
        if self.poll_timeout().is_some_and(|due| due <= now) {
            self.close(match self.state {
                State::Publishing { .. } => CloseReason::Silent,
                State::Unpublished => CloseReason::Finished,
                State::Handshaking(_)
                | State::Connecting
                | State::Connected(_)
                | State::Asked { .. }
                | State::Closed => CloseReason::Slow,
            });
        }
    }

    /// When to call [`Self::handle_timeout`].
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        match self.state {
            State::Handshaking(_) | State::Connecting | State::Connected(_) => Some(self.opened_at + PUBLISH_PATIENCE),
            State::Publishing { .. } | State::Unpublished => Some(self.media_at + SILENCE_MAX),
            State::Asked { .. } | State::Closed => None,
        }
    }

    /// The next thing to do. Call it until there is none after every input.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// Lets the peer publish that asked for it.
    pub fn accept(&mut self, now: Instant) {
        let State::Asked { stream } = self.state else { return };
        let begin = [&STREAM_BEGIN.to_be_bytes()[..], &stream.to_be_bytes()].concat();
        self.send(kind::USER_CONTROL, 0, &begin);
        let status = command::status("status", "NetStream.Publish.Start", "Publishing.");
        self.send(kind::COMMAND, stream, &status);
        self.media_at = now;
        self.state = State::Publishing { stream, publication: Box::default() };
    }

    /// Sends the peer away that asked to publish; encoders show the description or log it.
    pub fn reject(&mut self, description: &str) {
        let State::Asked { stream } = self.state else { return };
        self.refuse(stream, description);
    }

    /// Ends what is published, with a description for the user of the encoder.
    pub fn end(&mut self, description: &str) {
        if let State::Publishing { stream, .. } = self.state {
            self.refuse(stream, description);
        }
    }

    fn refuse(&mut self, stream: u32, description: &str) {
        // Of the codes that fit, OBS takes notice of this one, and writes the description to its log.
        let status = command::status("error", "NetStream.Publish.Rejected", description);
        self.send(kind::COMMAND, stream, &status);
        self.close(CloseReason::Rejected);
    }

    fn take(&mut self, bytes: &[u8], now: Instant) -> Result<(), CloseReason> {
        let State::Handshaking(handshake) = &mut self.state else {
            self.reader.handle_bytes(bytes);
            return self.take_messages(now);
        };
        self.received.extend_from_slice(bytes);
        loop {
            match handshake.step(&mut self.received)? {
                Step::Waits => return Ok(()),
                Step::Answer(answer) => self.outputs.push_back(Output::Send(answer)),
                Step::Done => break,
            }
        }
        self.state = State::Connecting;
        let rest = std::mem::take(&mut self.received);
        self.reader.handle_bytes(&rest);
        self.take_messages(now)
    }

    fn take_messages(&mut self, now: Instant) -> Result<(), CloseReason> {
        while let Some(message) = self.reader.poll_message()? {
            self.take_message(&message, now)?;
            if matches!(self.state, State::Closed) {
                return Ok(());
            }
        }
        // Once for each call, however small a window the peer asks for.
        if let Some(number) = self.acknowledged.due(self.stats.received_bytes) {
            self.send(kind::ACKNOWLEDGEMENT, 0, &number.to_be_bytes());
        }
        Ok(())
    }

    fn take_message(&mut self, message: &Message, now: Instant) -> Result<(), CloseReason> {
        match message.kind {
            kind::AUDIO | kind::VIDEO => self.take_media(message, now),
            kind::COMMAND => self.take_command(message.stream, &message.payload, now)?,
            // A zero says that AMF0 follows.
            kind::COMMAND_AMF3 => {
                let command = message.payload.get(1..).unwrap_or_default();
                self.take_command(message.stream, command, now)?;
            }
            kind::METADATA => self.take_metadata(&message.payload, now),
            kind::METADATA_AMF3 => self.take_metadata(message.payload.get(1..).unwrap_or_default(), now),
            kind::WINDOW_SIZE => self.acknowledged.set_window(&message.payload),
            kind::USER_CONTROL => self.take_user_control(&message.payload, now)?,
            kind::SET_CHUNK_SIZE | kind::ABORT | kind::ACKNOWLEDGEMENT | kind::PEER_BANDWIDTH => {}
            _ => self.stats.ignored += 1,
        }
        Ok(())
    }

    /// Pings are answered, with the time that they carry.
    fn take_user_control(&mut self, payload: &[u8], now: Instant) -> Result<(), CloseReason> {
        if let Some((event, time)) = payload.split_first_chunk()
            && u16::from_be_bytes(*event) == PING
        {
            self.charge(now)?;
            let pong = [&PONG.to_be_bytes()[..], time.get(..4).unwrap_or(time)].concat();
            self.send(kind::USER_CONTROL, 0, &pong);
        }
        Ok(())
    }

    fn take_media(&mut self, message: &Message, now: Instant) {
        let State::Publishing { publication, .. } = &mut self.state else { return self.stats.early += 1 };
        self.media_at = now;
        if message.kind == kind::VIDEO {
            publication.handle_video(&message.payload, message.timestamp_ms, now, &mut self.outputs);
        } else {
            publication.handle_audio(&message.payload, message.timestamp_ms, now, &mut self.outputs);
        }
    }

    fn take_metadata(&mut self, message: &[u8], now: Instant) {
        if !matches!(self.state, State::Publishing { .. }) || !self.metadata.take(now) {
            // Cue points may come with each picture; nobody needs them.
            self.stats.ignored += 1;
        } else if let Ok(Some(metadata)) = Metadata::parse(message) {
            self.outputs.push_back(Output::Event(Event::Metadata(metadata)));
        }
    }

    fn take_command(&mut self, stream: u32, message: &[u8], now: Instant) -> Result<(), CloseReason> {
        self.charge(now)?;
        let Some(command) = Command::parse(message)? else { return Err(CloseReason::NoCommand) };
        match (command.name.as_str(), &self.state) {
            ("connect", State::Connecting) => self.connect(&command)?,
            (_, State::Connecting) => return Err(CloseReason::NotConnected),
            ("createStream", _) => self.create_stream(command.transaction),
            ("publish", State::Connected(connection)) => {
                let name = command.text(0);
                if name.len() > NAME_BYTES_MAX {
                    return Err(CloseReason::NameTooLong);
                }
                let Connection { app, tc_url, encoder } = connection;
                let request = PublishRequest::new(app, name, tc_url, encoder);
                self.state = State::Asked { stream };
                self.outputs.push_back(Output::PublishRequested(request));
            }
            ("publish", _) => {
                let status =
                    command::status("error", "NetStream.Publish.BadName", "This connection publishes already.");
                self.send(kind::COMMAND, stream, &status);
            }
            ("play" | "play2", _) => {
                let status =
                    command::status("error", "NetStream.Play.Failed", "This server takes streams, and plays none.");
                self.send(kind::COMMAND, stream, &status);
                self.close(CloseReason::Plays);
            }
            // Publishers close at once, and do not read: an answer would make their system reset the connection,
            // and what they sent last be lost.
            ("FCUnpublish", State::Publishing { .. }) => self.unpublish(),
            ("deleteStream" | "closeStream", State::Publishing { .. } | State::Unpublished) => {
                self.unpublish();
                self.close(CloseReason::Finished);
            }
            // `releaseStream`, `FCPublish`, `getStreamLength`, `_checkbw` and whatever else wants to hear that it is done.
            _ => self.answer(command.transaction, Value::Null),
        }
        Ok(())
    }

    fn connect(&mut self, command: &Command) -> Result<(), CloseReason> {
        let told = |name| command.object.property(name).and_then(Value::text).unwrap_or_default();
        let [app, tc_url] = [told("app"), told("tcUrl")];
        if app.len().max(tc_url.len()) > NAME_BYTES_MAX {
            return Err(CloseReason::NameTooLong);
        }
        let [app, tc_url] = [app, tc_url].map(str::to_owned);
        self.state = State::Connected(Connection { app, tc_url, encoder: told("flashVer").to_owned() });
        self.send(kind::WINDOW_SIZE, 0, &WINDOW_BYTES.to_be_bytes());
        /// That the limit is the sender's own affair ("dynamic").
        const DYNAMIC: [u8; 1] = [2];
        self.send(kind::PEER_BANDWIDTH, 0, &[&WINDOW_BYTES.to_be_bytes()[..], &DYNAMIC].concat());
        let enlarged = self.writer.enlarge();
        self.outputs.push_back(Output::Send(enlarged));
        self.send(kind::COMMAND, 0, &command::connected(command.transaction));
        Ok(())
    }

    fn create_stream(&mut self, transaction: f64) {
        if self.streams == STREAMS_MAX {
            let failed = command::failed(transaction, "NetConnection.Call.Failed", "Too many streams.");
            return self.send(kind::COMMAND, 0, &failed);
        }
        self.streams += 1;
        self.answer(transaction, f64::from(self.streams).into());
    }

    fn charge(&mut self, now: Instant) -> Result<(), CloseReason> {
        if self.requests.take(now) { Ok(()) } else { Err(CloseReason::TooManyRequests) }
    }

    /// Keeps what was counted.
    fn unpublish(&mut self) {
        self.stats = self.stats();
        self.state = State::Unpublished;
    }

    fn answer(&mut self, transaction: f64, result: Value) {
        if transaction != 0.0 {
            self.send(kind::COMMAND, 0, &command::done(transaction, result));
        }
    }

    fn send(&mut self, kind: u8, stream: u32, payload: &[u8]) {
        self.outputs.push_back(Output::Send(self.writer.write(kind, stream, payload)));
    }

    fn close(&mut self, reason: CloseReason) {
        self.stats = self.stats();
        self.state = State::Closed;
        // Nothing that was received will be read any more.
        self.reader = ChunkReader::default();
        self.received = BytesMut::new();
        self.outputs.push_back(Output::Closed(reason));
    }
}

/// Why a connection is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CloseReason {
    /// The publisher ended its stream.
    #[error("the publisher has finished")]
    Finished,
    /// The connection ended in the middle of a stream.
    #[error("the connection of the publisher broke")]
    Aborted,
    /// The connection ended before anything was published.
    #[error("the peer left before it published")]
    Left,
    /// By [`Session::reject`] or [`Session::end`].
    #[error("the publisher was rejected")]
    Rejected,
    /// It wants to play.
    #[error("the peer wants to play, not to publish")]
    Plays,
    /// It did not ask to publish in time.
    #[error("the peer did not ask to publish within {} s", PUBLISH_PATIENCE.as_secs())]
    Slow,
    /// It publishes nothing.
    #[error("the publisher sent no sound and no picture for {} s", SILENCE_MAX.as_secs())]
    Silent,
    /// Commands or pings without end.
    #[error("the peer sends too many requests")]
    TooManyRequests,
    /// A command before `connect`.
    #[error("the peer does not connect first")]
    NotConnected,
    /// A command message without a command.
    #[error("a command without a name")]
    NoCommand,
    /// The name of an app or a stream.
    #[error("a name of more than {NAME_BYTES_MAX} bytes")]
    NameTooLong,
    /// No RTMP at all.
    #[error("no RTMP: the first byte is {0}, not 3")]
    Handshake(u8),
    /// Chunks that break the rules.
    #[error("bad chunks: {0}")]
    Chunk(#[from] ChunkError),
    /// Values that break the rules.
    #[error("bad command: {0}")]
    Amf(#[from] AmfError),
}

impl From<HandshakeError> for CloseReason {
    fn from(HandshakeError(first): HandshakeError) -> Self {
        Self::Handshake(first)
    }
}

#[cfg(test)]
mod tests;
