//! A server SDK's socket for notifications, as small as it can be.

use futures_util::{SinkExt, StreamExt};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message as Frame;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};
use velella_proto::Message;
use velella_proto::fishjam::ServerMessage;
use velella_proto::fishjam::server_message::{AuthRequest, Content, SubscribeRequest, SubscribeResponse};

use crate::client::PATIENCE;
use crate::cluster::{Cluster, TOKEN};

pub(crate) struct Subscriber(pub(crate) WebSocketStream<MaybeTlsStream<TcpStream>>);

impl Subscriber {
    pub(crate) async fn connect(cluster: &Cluster, base: &str) -> Self {
        let url = format!("ws://{}{base}/socket/server/websocket", cluster.addr);
        Self(tokio_tungstenite::connect_async(url).await.unwrap().0)
    }

    pub(crate) async fn authenticated(cluster: &Cluster) -> Self {
        let mut subscriber = Self::connect(cluster, &cluster.api("")).await;
        subscriber.send(auth(TOKEN)).await;
        let Content::Authenticated(_) = subscriber.next().await.content.unwrap() else { panic!("no welcome") };
        subscriber
    }

    /// Subscribed to everything from now on.
    pub(crate) async fn subscribed(cluster: &Cluster) -> Self {
        let mut subscriber = Self::authenticated(cluster).await;
        subscriber.subscribe(SubscribeRequest { event_type: 1, ..SubscribeRequest::default() }).await;
        subscriber
    }

    pub(crate) async fn subscribe(&mut self, request: SubscribeRequest) -> SubscribeResponse {
        self.send(Content::SubscribeRequest(request)).await;
        let Content::SubscribeResponse(response) = self.next().await.content.unwrap() else { panic!("no response") };
        response
    }

    pub(crate) async fn send(&mut self, content: Content) {
        let message = ServerMessage { content: Some(content), ..ServerMessage::default() };
        self.0.send(Frame::Binary(message.encode_to_vec().into())).await.unwrap();
    }

    pub(crate) async fn next(&mut self) -> ServerMessage {
        loop {
            let frame = self.frame().await;
            if let Frame::Binary(bytes) = frame {
                return ServerMessage::decode(bytes).unwrap();
            }
            assert!(matches!(frame, Frame::Ping(_)), "{frame:?}");
        }
    }

    /// The next notifications, in short words.
    pub(crate) async fn words(&mut self, count: usize) -> Vec<&'static str> {
        let mut words = Vec::new();
        for _ in 0..count {
            words.push(word(&self.next().await));
        }
        words
    }

    pub(crate) async fn closed(&mut self) -> (u16, String) {
        loop {
            if let Frame::Close(frame) = self.frame().await {
                let frame = frame.unwrap();
                return (frame.code.into(), frame.reason.to_string());
            }
        }
    }

    async fn frame(&mut self) -> Frame {
        tokio::time::timeout(PATIENCE, self.0.next()).await.expect("a frame in time").expect("a frame").unwrap()
    }
}

pub(crate) fn auth(token: &str) -> Content {
    Content::AuthRequest(AuthRequest { token: token.into() })
}

#[expect(clippy::wildcard_enum_match_arm, reason = "what no test expects is a failure")]
pub(crate) fn word(message: &ServerMessage) -> &'static str {
    match message.content.as_ref().unwrap() {
        Content::RoomCreated(_) => "room_created",
        Content::RoomDeleted(_) => "room_deleted",
        Content::PeerAdded(_) => "peer_added",
        Content::PeerConnected(_) => "peer_connected",
        Content::PeerMetadataUpdated(_) => "peer_metadata_updated",
        Content::PeerDisconnected(_) => "peer_disconnected",
        Content::PeerDeleted(_) => "peer_deleted",
        Content::ComponentCrashed(_) => "component_crashed",
        Content::TrackAdded(_) => "track_added",
        Content::TrackMetadataUpdated(_) => "track_metadata_updated",
        Content::TrackRemoved(_) => "track_removed",
        Content::StreamerConnected(_) => "streamer_connected",
        Content::StreamerDisconnected(_) => "streamer_disconnected",
        Content::ViewerConnected(_) => "viewer_connected",
        Content::ViewerDisconnected(_) => "viewer_disconnected",
        Content::VadNotification(_) => "vad_notification",
        Content::NotificationBatch(_) => "notification_batch",
        other => panic!("{other:?}"),
    }
}
