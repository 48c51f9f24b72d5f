//! A server SDK and a client SDK, as small as they can be.

use std::net::SocketAddr;
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use serde_json::Value;
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message as Frame;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};
use velella_proto::Message;
use velella_proto::fishjam::PeerMessage;
use velella_proto::fishjam::media_events::peer::{MediaEvent, media_event as said};
use velella_proto::fishjam::media_events::server::media_event as heard;
use velella_proto::fishjam::peer_message::{AuthRequest, Content};

/// How long a test waits for anything.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) json: Value,
    pub(crate) text: String,
    pub(crate) headers: ureq::http::HeaderMap,
}

pub(crate) async fn request(
    addr: SocketAddr,
    method: &'static str,
    path: &str,
    token: Option<&str>,
    body: Option<String>,
) -> Answer {
    request_with(addr, method, path, token, body, None).await
}

/// With one more header.
pub(crate) async fn request_with(
    addr: SocketAddr,
    method: &'static str,
    path: &str,
    token: Option<&str>,
    body: Option<String>,
    header: Option<(&str, &str)>,
) -> Answer {
    let authorization = token.map(|token| format!("Bearer {token}"));
    // As axios does for requests without a body.
    let mut headers = vec![("content-type", "application/x-www-form-urlencoded")];
    headers.extend(header);
    headers.extend(authorization.as_ref().map(|value| ("authorization", value.as_str())));
    send(addr, method, path, &headers, body.unwrap_or_default()).await
}

/// With these headers and no others.
pub(crate) async fn send(
    addr: SocketAddr,
    method: &'static str,
    path: &str,
    headers: &[(&str, &str)],
    body: String,
) -> Answer {
    let request = ureq::http::Request::builder().method(method).uri(format!("http://{addr}{path}"));
    let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
    let request = request.body(body).unwrap();
    let answer = tokio::task::spawn_blocking(move || {
        let agent: ureq::Agent = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .allow_non_standard_methods(true)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .build()
            .into();
        let mut response = agent.run(request).unwrap();
        let text = response.body_mut().read_to_string().unwrap();
        (response.status().as_u16(), response.headers().clone(), text)
    });
    let (status, headers, text) = answer.await.unwrap();
    Answer { status, json: serde_json::from_str(&text).unwrap_or_default(), text, headers }
}

/// A peer's socket.
pub(crate) struct Peer(WebSocketStream<MaybeTlsStream<TcpStream>>);

impl Peer {
    pub(crate) async fn connect(url: &str) -> Self {
        Self(tokio_tungstenite::connect_async(url).await.unwrap().0)
    }

    /// Connects, if the server lets us.
    pub(crate) async fn connect_or_give_up(url: &str) -> Option<Self> {
        Some(Self(tokio_tungstenite::connect_async(url).await.ok()?.0))
    }

    /// Connects and shows a token.
    pub(crate) async fn authenticate(url: &str, token: &str) -> Self {
        let mut peer = Self::connect(url).await;
        peer.send(auth(token)).await;
        peer
    }

    /// Connects, shows a token and joins, up to `connected`.
    pub(crate) async fn join(url: &str, token: &str) -> Self {
        let mut peer = Self::authenticate(url, token).await;
        assert!(matches!(peer.next().await, Content::Authenticated(_)));
        peer.say(said::Content::Connect(said::Connect { metadata_json: r#"{"n":1}"#.into() })).await;
        assert!(matches!(peer.hear().await, heard::Content::Connected(_)));
        peer
    }

    pub(crate) async fn send(&mut self, content: Content) {
        self.send_raw(PeerMessage { content: Some(content) }.encode_to_vec()).await;
    }

    pub(crate) async fn send_raw(&mut self, bytes: Vec<u8>) {
        self.0.send(Frame::Binary(bytes.into())).await.unwrap();
    }

    pub(crate) async fn send_text(&mut self, text: &str) {
        self.0.send(Frame::Text(text.into())).await.unwrap();
    }

    pub(crate) async fn say(&mut self, content: said::Content) {
        self.send(Content::PeerMediaEvent(MediaEvent { content: Some(content) })).await;
    }

    /// The next frame.
    pub(crate) async fn next(&mut self) -> Content {
        loop {
            let frame = self.frame().await;
            if let Frame::Binary(bytes) = frame {
                return PeerMessage::decode(bytes).unwrap().content.unwrap();
            }
            assert!(matches!(frame, Frame::Ping(_)), "{frame:?}");
        }
    }

    /// The next media event.
    pub(crate) async fn hear(&mut self) -> heard::Content {
        let Content::ServerMediaEvent(event) = self.next().await else { panic!("no media event") };
        event.content.unwrap()
    }

    /// The close code and reason, after whatever else is said.
    pub(crate) async fn closed(&mut self) -> (u16, String) {
        loop {
            if let Frame::Close(frame) = self.frame().await {
                let CloseFrame { code, reason } = frame.unwrap();
                return (code.into(), reason.to_string());
            }
        }
    }

    async fn frame(&mut self) -> Frame {
        tokio::time::timeout(PATIENCE, self.0.next()).await.expect("a frame in time").expect("a frame").unwrap()
    }
}

pub(crate) fn auth(token: &str) -> Content {
    Content::AuthRequest(AuthRequest { token: token.into(), sdk_version: "web-0.25.1".into() })
}
