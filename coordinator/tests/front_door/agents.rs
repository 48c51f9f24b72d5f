//! Agent sockets: who may come, and what passes through them.

use futures_util::{SinkExt, StreamExt};
use tokio_tungstenite::tungstenite::Message as Frame;
use velella_bus::Bus;
use velella_model::record::{AgentOutput, PeerKind, PeerRecord};
use velella_model::wire::agent::{Heard, Said};
use velella_model::wire::command::{Client, OpenSession, Order, SubscribeMode};
use velella_model::wire::{decode, encode};
use velella_model::{Json, PeerId, RoomId, WorkerId, key, subject};
use velella_proto::Message;
use velella_proto::fishjam::agent_request::{
    AddTrack, AuthRequest, CaptureImage, Content, InterruptTrack, TrackData, add_track,
};
use velella_proto::fishjam::{AgentRequest, AgentResponse, Track, TrackType, agent_response};
use velella_store::{Expect, Store};

use crate::client::{PATIENCE, Peer};
use crate::cluster::Cluster;

/// An agent SDK, as small as it can be.
struct Agent(tokio_tungstenite::WebSocketStream<tokio_tungstenite::MaybeTlsStream<tokio::net::TcpStream>>);

impl Agent {
    async fn authenticate(cluster: &Cluster, token: &str) -> Self {
        let url = format!("ws://{}{}", cluster.addr, cluster.api("/socket/agent/websocket"));
        let mut agent = Self(tokio_tungstenite::connect_async(url).await.unwrap().0);
        agent.say(Content::AuthRequest(AuthRequest { token: token.into() })).await;
        agent
    }

    async fn join(cluster: &Cluster, token: &str) -> Self {
        let mut agent = Self::authenticate(cluster, token).await;
        assert!(matches!(agent.hear().await, agent_response::Content::Authenticated(_)));
        agent
    }

    async fn say(&mut self, content: Content) {
        let bytes = AgentRequest { content: Some(content) }.encode_to_vec();
        self.0.send(Frame::Binary(bytes.into())).await.unwrap();
    }

    async fn add_track(&mut self, sample_rate: u32) {
        let track = Track { id: "t".into(), r#type: TrackType::Audio.into(), metadata: "null".into() };
        let params = add_track::CodecParameters { encoding: 0, sample_rate, channels: 1 };
        self.say(Content::AddTrack(AddTrack { track: Some(track), codec_params: Some(params) })).await;
    }

    async fn send_chunk(&mut self, sound: &[u8]) {
        self.say(Content::TrackData(TrackData { track_id: "t".into(), data: sound.to_vec().into() })).await;
    }

    async fn hear(&mut self) -> agent_response::Content {
        loop {
            if let Frame::Binary(bytes) = self.frame().await {
                return AgentResponse::decode(bytes).unwrap().content.unwrap();
            }
        }
    }

    async fn closed(&mut self) -> (u16, String) {
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

/// An agent's record and token, made past the management API.
async fn add_agent(cluster: &Cluster, room: &str) -> String {
    let output = Some(AgentOutput { sample_rate_hz: 24_000 });
    let empty = Json::parse("{}").unwrap();
    let record = PeerRecord { agent_output: output, ..PeerRecord::new(PeerKind::Agent, empty, SubscribeMode::Auto) };
    let key = key::peer(&RoomId::parse(room).unwrap(), &PeerId::parse("agent").unwrap());
    cluster.store.put(&key, encode(&record).into(), Expect::Any, None).await.unwrap();
    let path = cluster.api(&format!("/room/{room}/peer/agent/refresh_token"));
    let answer = cluster.post(&path, serde_json::json!({})).await;
    answer.json["data"]["token"].as_str().unwrap_or_else(|| panic!("{}", answer.text)).to_owned()
}

fn opened(order: &Order) -> Option<&OpenSession> {
    if let Order::OpenSession { session } = order { Some(session) } else { None }
}

#[tokio::test]
async fn what_an_agent_says_at_once_reaches_its_worker_whole_and_in_order() {
    let cluster = Cluster::start_with(&[]).await;
    let worker = cluster.worker("w1", 1).await;
    let mut sound = cluster.bus.subscribe(&subject::worker_agents(&WorkerId::parse("w1").unwrap())).await.unwrap();
    let room = cluster.create_room().await;
    let token = add_agent(&cluster, &room).await;
    let mut agent = Agent::join(&cluster, &token).await;
    agent.add_track(24_000).await;
    // An odd cut, and more than one message holds.
    let speech: Vec<u8> = (0..=u8::MAX).cycle().take(200_000).collect();
    agent.send_chunk(&speech[..3]).await;
    agent.send_chunk(&speech[3..]).await;
    let mut arrived = Vec::new();
    while arrived.len() < speech.len() {
        let said: Said = decode(&sound.next().await.unwrap().payload).unwrap();
        assert!(said.sound.len().is_multiple_of(2));
        arrived.extend_from_slice(&said.sound);
    }
    assert_eq!(arrived, speech);
    let client = Client::Agent { output: Some(AgentOutput { sample_rate_hz: 24_000 }) };
    assert_eq!(worker.heard(|order| opened(order).is_some_and(|session| session.client == client)), 1);
    agent.say(Content::InterruptTrack(InterruptTrack { track_id: "t".into() })).await;
    agent.say(Content::CaptureImage(CaptureImage { track_id: "theirs".into() })).await;
    agent.send_chunk(&[1, 2]).await;
    let said: Said = decode(&sound.next().await.unwrap().payload).unwrap();
    assert_eq!(&said.sound[..], [1, 2], "the socket lives on after a picture it cannot get");

    let shown = cluster.get(&cluster.api(&format!("/room/{room}"))).await.json;
    let peer = &shown["data"]["peers"][0];
    assert_eq!((&peer["type"], &peer["status"]), (&"agent".into(), &"connected".into()));
    assert_eq!(peer["tracks"][0]["id"], "t");
    drop(agent);
    worker.until(|order| matches!(order, Order::CloseSession { .. })).await;
}

#[tokio::test]
async fn what_an_agent_hears_names_whose_track_it_is() {
    let cluster = Cluster::start_with(&[]).await;
    let worker = cluster.worker("w1", 1).await;
    let room = cluster.create_room().await;
    let token = add_agent(&cluster, &room).await;
    let mut agent = Agent::join(&cluster, &token).await;
    worker.until(|order| opened(order).is_some()).await;
    // The scripted worker announces somebody else's track as soon as there is one of the agent's.
    agent.add_track(16_000).await;
    let open = worker.heard.lock().unwrap().iter().find_map(opened).unwrap().clone();
    let (session, holder) = (open.session, open.holder);
    let heard = Heard { session, track: velella_model::TrackId::parse("theirs").unwrap(), sound: vec![7; 4].into() };
    let data = loop {
        let subject = subject::holder_agents(&holder);
        cluster.bus.publish(&subject, encode(&heard).into()).await.unwrap();
        let next = tokio::time::timeout(std::time::Duration::from_millis(20), agent.hear());
        if let Ok(agent_response::Content::TrackData(data)) = next.await {
            break data;
        }
    };
    let track = data.track.unwrap();
    assert_eq!((data.peer_id.as_str(), track.id.as_str(), &data.data[..]), ("somebody", "theirs", &[7; 4][..]));
    assert_eq!((track.r#type(), track.metadata.as_str()), (TrackType::Audio, r#"{"type":"microphone"}"#));
}

#[tokio::test]
async fn each_kind_of_peer_keeps_to_its_door() {
    let cluster = Cluster::start().await;
    let room = cluster.create_room().await;
    let agents = add_agent(&cluster, &room).await;
    let (_, browsers) = cluster.add_peer(&room).await;
    let refused = (1000, "invalid token".to_owned());
    assert_eq!(Peer::authenticate(&cluster.socket_url(), &agents).await.closed().await, refused);
    for token in [browsers.as_str(), "garbage"] {
        assert_eq!(Agent::authenticate(&cluster, token).await.closed().await, refused);
    }
    assert_eq!(Agent::authenticate(&cluster, "").await.closed().await, (1000, "missing token".to_owned()));
    let mut first = Agent::join(&cluster, &agents).await;
    let mut second = Agent::join(&cluster, &agents).await;
    assert_eq!(first.closed().await, refused, "the newer socket takes over");
    second.add_track(44_100).await;
    assert_eq!(second.closed().await, (1007, "unsupported sample rate".to_owned()));
}
