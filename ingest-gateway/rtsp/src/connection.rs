//! The connection of the conversation: TCP, or TLS on it.
//!
//! Reading and writing go on at once, and either can be given up at any point without losing a byte:
//! what is to be sent lies in a buffer until it is.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::BytesMut;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadHalf, WriteHalf};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use velella_guard::{Checked, Host, SourceUrl};

use crate::error::Error;
use crate::framer::{Framer, Incoming};
use crate::options::Options;

/// How long TCP may take, and TLS after it.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// Room to read into, once less than the smaller one is left.
const READ_BYTES: usize = 64 * 1024;
const READ_BYTES_MIN: usize = 4 * 1024;

/// Most bytes that wait to be sent. A camera that reads nothing any more is heard no more either.
const UNSENT_BYTES_MAX: usize = 64 * 1024;

trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// The connection to a camera.
pub(crate) struct Connection {
    reader: ReadHalf<Box<dyn Stream>>,
    writer: WriteHalf<Box<dyn Stream>>,
    framer: Framer,
    unsent: BytesMut,
    /// Whether something that was written may still lie in the stream itself.
    unflushed: bool,
    local: SocketAddr,
    peer: SocketAddr,
}

impl Connection {
    /// Connects to the first of these addresses that answers. The name in the URL is only what the
    /// camera's certificate has to prove.
    pub(crate) async fn open(url: &SourceUrl, addresses: &[Checked], options: &Options) -> Result<Self, Error> {
        let stream = connect(addresses).await?;
        let ends = stream.local_addr().and_then(|local| Ok((local, stream.peer_addr()?)));
        let (local, peer) = ends.map_err(|error| Error::Unreachable(error.to_string()))?;
        // Requests are small and wait for an answer.
        stream.set_nodelay(true).map_err(|error| Error::Unreachable(error.to_string()))?;
        let stream: Box<dyn Stream> =
            if url.scheme().encrypted() { Box::new(encrypt(stream, url, options).await?) } else { Box::new(stream) };
        let (reader, writer) = tokio::io::split(stream);
        let (framer, unsent) = (Framer::default(), BytesMut::new());
        Ok(Self { reader, writer, framer, unsent, unflushed: false, local, peer })
    }

    /// Our end.
    pub(crate) fn local(&self) -> SocketAddr {
        self.local
    }

    /// The camera's end.
    pub(crate) fn peer(&self) -> SocketAddr {
        self.peer
    }

    /// Bytes that were skipped since they belong to no message.
    pub(crate) fn noise_bytes(&self) -> u64 {
        self.framer.noise_bytes
    }

    /// Has this sent while `receive` is awaited; refused when too much waits already.
    pub(crate) fn send(&mut self, bytes: &[u8]) -> Result<(), Error> {
        if self.unsent.len() + bytes.len() > UNSENT_BYTES_MAX {
            return Err(Error::Silent("anything"));
        }
        self.unsent.extend_from_slice(bytes);
        self.unflushed = true;
        Ok(())
    }

    /// Sends a packet on a channel of the connection.
    pub(crate) fn send_packet(&mut self, channel: u8, packet: &[u8]) -> Result<(), Error> {
        let Ok(length) = u16::try_from(packet.len()) else { return Ok(()) };
        let [high, low] = length.to_be_bytes();
        self.send(&[&[b'$', channel, high, low], packet].concat())
    }

    /// The next message or packet. Can be given up and awaited again.
    pub(crate) async fn receive(&mut self) -> Result<Incoming, Error> {
        loop {
            match self.framer.next() {
                Ok(Some(incoming)) => return Ok(incoming),
                Ok(None) => {}
                Err(error) => return Err(Error::Protocol(error.sentence())),
            }
            if self.framer.buffer.capacity() - self.framer.buffer.len() < READ_BYTES_MIN {
                self.framer.buffer.reserve(READ_BYTES);
            }
            tokio::select! {
                read = self.reader.read_buf(&mut self.framer.buffer) => match read {
                    Ok(0) => return Err(Error::Ended),
                    Ok(_) => {}
                    Err(error) => return Err(broken(&error)),
                },
                written = write(&mut self.writer, &mut self.unsent), if self.unflushed => {
                    written.map_err(|error| broken(&error))?;
                    self.unflushed = false;
                }
            }
        }
    }
}

async fn write(writer: &mut WriteHalf<Box<dyn Stream>>, unsent: &mut BytesMut) -> io::Result<()> {
    while !unsent.is_empty() {
        writer.write_buf(unsent).await?;
    }
    writer.flush().await
}

fn broken(error: &io::Error) -> Error {
    // Many cameras end so, and TLS ones without saying goodbye.
    const ENDS: [io::ErrorKind; 3] =
        [io::ErrorKind::ConnectionReset, io::ErrorKind::BrokenPipe, io::ErrorKind::UnexpectedEof];
    if ENDS.contains(&error.kind()) { Error::Ended } else { Error::Unreachable(error.to_string()) }
}

async fn connect(addresses: &[Checked]) -> Result<TcpStream, Error> {
    let mut failure = Error::Unreachable("it has no address".to_owned());
    for address in addresses {
        match timeout(CONNECT_TIMEOUT, TcpStream::connect(address.address())).await {
            Ok(Ok(stream)) => return Ok(stream),
            Ok(Err(error)) => failure = Error::Unreachable(error.to_string()),
            Err(_) => failure = Error::Unreachable(format!("no answer within {} s", CONNECT_TIMEOUT.as_secs())),
        }
    }
    Err(failure)
}

async fn encrypt(stream: TcpStream, url: &SourceUrl, options: &Options) -> Result<impl Stream + use<>, Error> {
    let config = options.tls.clone().ok_or_else(|| Error::Tls("this gateway trusts no certificates".to_owned()))?;
    let name = match url.host() {
        Host::Address(address) => ServerName::from(*address),
        Host::Name(name) => ServerName::try_from(name.clone()).map_err(|error| Error::Tls(error.to_string()))?,
    };
    let connected = timeout(CONNECT_TIMEOUT, TlsConnector::from(config).connect(name, stream)).await;
    let connected = connected.map_err(|_| Error::Tls(format!("no answer within {} s", CONNECT_TIMEOUT.as_secs())))?;
    connected.map_err(|error| Error::Tls(error.to_string()))
}
