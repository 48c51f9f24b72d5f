//! The peer socket: protobuf frames over a WebSocket, and the authentication that opens it.

use anyhow::{Context, Result, bail};
use futures_util::{SinkExt, StreamExt};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message as Frame;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async_with_config};
use velella_proto::Message;
use velella_proto::fishjam::PeerMessage;
use velella_proto::fishjam::media_events::{peer, server};
use velella_proto::fishjam::peer_message::{AuthRequest, Content};

/// What the newest tested client library says. A server may refuse versions it does not know, and
/// these peers speak exactly that dialogue.
const SDK_VERSION: &str = "web-0.25.1";
/// The library zeroes this much before every attempt to read, and a peer's loop attempts it at
/// every datagram; with its default of 128 KiB that was a third of this program's CPU time.
const READ_BUFFER_BYTES: usize = 4096;

pub(crate) struct Signal {
    socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
}

impl Signal {
    /// Opens the socket and authenticates; returns when the server has agreed.
    pub(crate) async fn open(url: &str, token: &str) -> Result<Self> {
        let no_delay = true;
        let config = WebSocketConfig::default().read_buffer_size(READ_BUFFER_BYTES);
        let (socket, _) =
            connect_async_with_config(url, Some(config), no_delay).await.context("peer socket refused")?;
        let mut signal = Self { socket };
        let auth = AuthRequest { token: token.into(), sdk_version: SDK_VERSION.into() };
        signal.send(Content::AuthRequest(auth)).await?;
        loop {
            if let Content::Authenticated(_) = signal.next_content().await? {
                return Ok(signal);
            }
        }
    }

    pub(crate) async fn say(&mut self, content: peer::media_event::Content) -> Result<()> {
        self.send(Content::PeerMediaEvent(peer::MediaEvent { content: Some(content) })).await
    }

    /// The next media event. Cancel safe: nothing is taken from the socket before it is returned.
    pub(crate) async fn next(&mut self) -> Result<server::media_event::Content> {
        loop {
            if let Content::ServerMediaEvent(server::MediaEvent { content: Some(content) }) =
                self.next_content().await?
            {
                return Ok(content);
            }
        }
    }

    /// Leaves as a page does that is closed.
    pub(crate) async fn close(mut self) {
        // The other side may be gone already; leaving needs no answer.
        let _ = self.say(peer::media_event::Content::Disconnect(peer::media_event::Disconnect {})).await;
        let _ = self.socket.close(None).await;
    }

    async fn send(&mut self, content: Content) -> Result<()> {
        let bytes = PeerMessage { content: Some(content) }.encode_to_vec();
        self.socket.send(Frame::Binary(bytes.into())).await.context("peer socket failed")
    }

    async fn next_content(&mut self) -> Result<Content> {
        loop {
            match self.socket.next().await.context("peer socket ended")?.context("peer socket failed")? {
                Frame::Binary(bytes) => {
                    let message = PeerMessage::decode(bytes).context("server sent a broken frame")?;
                    if let Some(content) = message.content {
                        return Ok(content);
                    }
                }
                Frame::Close(close) => {
                    bail!(
                        "closed by the server: {}",
                        close.map_or_else(|| "no reason".into(), |c| c.reason.to_string())
                    )
                }
                Frame::Text(_) | Frame::Ping(_) | Frame::Pong(_) | Frame::Frame(_) => {}
            }
        }
    }
}
