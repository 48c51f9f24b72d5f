//! The worker as its coordinators and clients see it: over the bus and a real UDP port.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::cast_possible_truncation, reason = "test code")]

use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::time::{Duration, Instant};

use str0m::Rtc;
use str0m::media::Direction;
use tokio_util::sync::CancellationToken;
use velella_bus::{Bus, Subscription, memory::MemoryBus};
use velella_model::record::AgentOutput;
use velella_model::record::Subscriptions;
use velella_model::wire::agent::{Encoding, Heard, Said};
use velella_model::wire::announce::{Announce, WorkerState};
use velella_model::wire::command::{
    Assignment, Client, Command, CommandReply, Holder, OpenSession, Order, Refusal, SubscribeMode,
};
use velella_model::wire::signal::{CloseReason, PeerEvent, ServerEvent, SessionEvent, ToHolder, ToWorker, Track};
use velella_model::wire::{decode, encode};
use velella_model::{
    CoordinatorId, Generation, Incarnation, Json, PeerId, RoomId, RoomType, SessionId, TrackId, VideoCodec, WorkerId,
    subject,
};
use velella_ops::{Deps, Readiness};
use velella_store::memory::MemoryStore;

/// Longer than anything here takes; only a failure waits for it.
const PATIENCE: Duration = Duration::from_secs(10);

#[derive(clap::Parser)]
struct Flags {
    #[command(flatten)]
    worker: velella_worker::Config,
}

struct Cluster {
    /// The bus itself, to be pulled out.
    line: MemoryBus,
    bus: Arc<dyn Bus>,
    announcements: Subscription,
    signals: Subscription,
    incarnation: Incarnation,
    endpoint: SocketAddr,
    shutdown: CancellationToken,
}

impl Drop for Cluster {
    fn drop(&mut self) {
        self.shutdown.cancel();
    }
}

fn worker_id() -> WorkerId {
    WorkerId::parse("w").unwrap()
}

fn holder() -> Holder {
    CoordinatorId::parse("c").unwrap().into()
}

impl Cluster {
    async fn start(shards: usize) -> Self {
        let shards = shards.to_string();
        let arguments =
            ["test", "--worker-id", "w", "--udp", "127.0.0.1:0", "--shards", &shards, "--sessions-max", "2"];
        let flags = <Flags as clap::Parser>::parse_from(arguments);
        let line = MemoryBus::new();
        let deps = Deps {
            bus: Arc::new(line.clone()),
            store: Arc::new(MemoryStore::new()),
            registry: prometheus::Registry::new(),
            admin: None,
            readiness: Readiness::new(),
            inquiries: velella_ops::Inquiries::new(),
            shutdown: CancellationToken::new(),
        };
        let mut announcements = deps.bus.subscribe(subject::ANNOUNCEMENTS).await.unwrap();
        let signals = deps.bus.subscribe(&subject::holder_signals(&holder())).await.unwrap();
        let service = velella_worker::build(flags.worker, deps.clone()).await.unwrap();
        tokio::spawn(service.run());
        let first = announce(&mut announcements).await;
        assert_eq!((first.worker, first.state), (worker_id(), WorkerState::Ready));
        Self {
            bus: deps.bus,
            line,
            announcements,
            signals,
            incarnation: first.incarnation,
            endpoint: first.endpoints[0],
            shutdown: deps.shutdown,
        }
    }

    async fn order(&self, order: Order) -> CommandReply {
        self.command(Command { incarnation: self.incarnation, order }).await
    }

    async fn command(&self, command: Command) -> CommandReply {
        let subject = subject::worker_commands(&worker_id());
        let reply = self.bus.request(&subject, encode(&command).into(), PATIENCE).await.unwrap();
        decode(&reply).unwrap()
    }

    async fn open(&self, session: &str) -> CommandReply {
        self.open_in(session, SubscribeMode::Auto).await
    }

    async fn open_in(&self, session: &str, subscribe_mode: SubscribeMode) -> CommandReply {
        self.open_as(session, subscribe_mode, Client::Webrtc).await
    }

    /// An agent that hears at this rate.
    async fn open_agent(&self, session: &str, sample_rate_hz: u32) -> CommandReply {
        let client = Client::Agent { output: Some(AgentOutput { sample_rate_hz }) };
        self.open_as(session, SubscribeMode::Auto, client).await
    }

    async fn open_as(&self, session: &str, subscribe_mode: SubscribeMode, client: Client) -> CommandReply {
        let session = OpenSession {
            assignment: assignment(1),
            session: SessionId::parse(session).unwrap(),
            peer: PeerId::parse(&format!("peer-of-{session}")).unwrap(),
            holder: holder(),
            metadata: Json::null(),
            subscribe_mode,
            subscriptions: Default::default(),
            rights: Default::default(),
            client,
            job: Default::default(),
        };
        self.order(Order::OpenSession { session }).await
    }

    async fn signal(&self, session: &str, seq: u64, event: PeerEvent) {
        let signal = ToWorker { session: SessionId::parse(session).unwrap(), seq, event };
        let subject = subject::worker_signals(&worker_id());
        self.bus.publish(&subject, encode(&signal).into()).await.unwrap();
    }

    async fn next_event(&mut self) -> (String, SessionEvent) {
        let delivery = tokio::time::timeout(PATIENCE, self.signals.next()).await.unwrap().unwrap();
        let ToHolder { session, event, .. } = decode(&delivery.payload).unwrap();
        (session.to_string(), event)
    }

    /// The next thing that a session's peer is told.
    async fn told(&mut self, session: &str) -> ServerEvent {
        loop {
            if let (of, SessionEvent::ToPeer { event }) = self.next_event().await
                && of == session
            {
                return event;
            }
        }
    }

    /// Waits for an announcement that says this.
    async fn announced(&mut self, says: impl Fn(&Announce) -> bool) {
        tokio::time::timeout(PATIENCE, async { while !says(&announce(&mut self.announcements).await) {} })
            .await
            .unwrap();
    }
}

async fn announce(announcements: &mut Subscription) -> Announce {
    let delivery = tokio::time::timeout(PATIENCE, announcements.next()).await.unwrap().unwrap();
    decode(&delivery.payload).unwrap()
}

fn assignment(generation: u64) -> Assignment {
    Assignment {
        room: RoomId::parse("r").unwrap(),
        generation: Generation(generation),
        room_type: RoomType::Conference,
        video_codec: VideoCodec::Vp8,
    }
}

#[tokio::test]
async fn rooms_and_sessions_show_in_the_announcements() {
    let mut cluster = Cluster::start(1).await;
    let assigned = cluster.order(Order::AssignRoom { assignment: assignment(5) }).await;
    assert_eq!(assigned, CommandReply::Done);
    cluster.announced(|a| a.load.rooms == 1 && a.generation == Generation(5) && a.assigned_total == 1).await;
    let stale = cluster.open("s").await;
    assert_eq!(stale, CommandReply::Refused { reason: Refusal::StaleGeneration });
}

#[tokio::test]
async fn a_session_is_welcomed_over_the_bus_and_closed_on_request() {
    let mut cluster = Cluster::start(1).await;
    assert_eq!(cluster.open("s").await, CommandReply::Done);
    let (session, event) = cluster.next_event().await;
    assert_eq!(session, "s");
    assert!(matches!(event, SessionEvent::ToPeer { event: ServerEvent::Connected { .. } }), "{event:?}");

    cluster.signal("s", 0, PeerEvent::RenegotiateTracks).await;
    let offer_data = SessionEvent::ToPeer { event: ServerEvent::OfferData { audio: 0, video: 0 } };
    assert_eq!(cluster.next_event().await, ("s".into(), offer_data));

    let session = SessionId::parse("s").unwrap();
    assert_eq!(cluster.order(Order::CloseSession { session }).await, CommandReply::Done);
    assert_eq!(cluster.next_event().await, ("s".into(), SessionEvent::Closed { reason: CloseReason::Asked }));
    cluster.announced(|a| a.load.sessions == 0 && a.load.rooms == 1).await;
}

/// An offer that sends one audio track.
fn audio_offer(track: &TrackId) -> PeerEvent {
    let mut rtc = Rtc::builder().set_rtp_mode(true).build(Instant::now());
    let mut changes = rtc.sdp_api();
    let mid = changes.add_media(str0m::media::MediaKind::Audio, Direction::SendOnly, None, None, None);
    let (offer, _) = changes.apply().unwrap();
    let mid_to_track = [(mid.to_string(), track.clone())].into();
    PeerEvent::SdpOffer { sdp: offer.to_sdp_string(), mid_to_track, metadata: [].into() }
}

#[tokio::test]
async fn a_manual_session_receives_what_is_listed_over_the_bus() {
    let mut cluster = Cluster::start(1).await;
    assert_eq!(cluster.open("speaker").await, CommandReply::Done);
    assert_eq!(cluster.open_in("manual", SubscribeMode::Manual).await, CommandReply::Done);
    let track = TrackId::parse("peer-of-speaker:1").unwrap();
    cluster.signal("speaker", 0, audio_offer(&track)).await;
    assert!(matches!(cluster.told("manual").await, ServerEvent::Connected { .. }));

    let endpoint = PeerId::parse("peer-of-speaker").unwrap();
    let listed = Subscriptions { peers: [endpoint.clone()].into(), tracks: [].into() };
    cluster.signal("manual", 0, PeerEvent::SetSubscriptions { subscriptions: listed }).await;
    let tracks = [(track.clone(), Track { metadata: Json::null(), simulcast: None })].into();
    assert_eq!(cluster.told("manual").await, ServerEvent::TracksAdded { endpoint: endpoint.clone(), tracks });
    assert_eq!(cluster.told("manual").await, ServerEvent::OfferData { audio: 1, video: 0 });

    let nothing = Subscriptions::default();
    cluster.signal("manual", 1, PeerEvent::SetSubscriptions { subscriptions: nothing }).await;
    assert_eq!(cluster.told("manual").await, ServerEvent::TracksRemoved { endpoint, tracks: vec![track] });
}

#[tokio::test]
async fn who_lost_the_bus_lets_nobody_in_until_its_rooms_were_looked_after() {
    let mut cluster = Cluster::start(1).await;
    assert_eq!(cluster.order(Order::AssignRoom { assignment: assignment(1) }).await, CommandReply::Done);
    cluster.line.set_connected(false);
    cluster.announced(|announce| announce.state == WorkerState::Fenced).await;
    assert_eq!(cluster.open("s").await, CommandReply::Refused { reason: Refusal::Fenced });

    cluster.line.set_connected(true);
    cluster.announced(|announce| announce.state == WorkerState::Ready).await;
    cluster.announced(|announce| announce.load.rooms == 0).await;
}

#[tokio::test]
async fn limits_and_earlier_lives_are_refused() {
    let cluster = Cluster::start(1).await;
    let order = Order::AssignRoom { assignment: assignment(1) };
    let earlier = Command { incarnation: Incarnation(cluster.incarnation.0 - 1), order };
    assert_eq!(cluster.command(earlier).await, CommandReply::Refused { reason: Refusal::WrongIncarnation });
    assert_eq!(cluster.open("1").await, CommandReply::Done);
    assert_eq!(cluster.open("2").await, CommandReply::Done);
    assert_eq!(cluster.open("3").await, CommandReply::Refused { reason: Refusal::Full });
}

#[tokio::test]
async fn garbage_on_bus_and_port_changes_nothing() {
    let mut cluster = Cluster::start(2).await;
    let subject = subject::worker_commands(&worker_id());
    let reply = cluster.bus.request(&subject, b"garbage".to_vec().into(), PATIENCE).await.unwrap();
    assert_eq!(decode::<CommandReply>(&reply), Ok(CommandReply::Refused { reason: Refusal::Malformed }));
    let signals = subject::worker_signals(&worker_id());
    cluster.bus.publish(&signals, b"garbage".to_vec().into()).await.unwrap();

    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    for first in 0..=255u8 {
        for length in [1usize, 20, 64, 1_200] {
            socket.send_to(&vec![first; length], cluster.endpoint).unwrap();
        }
    }
    cluster.announced(|a| a.load.packets_in_per_s > 0).await;
    assert_eq!(cluster.open("s").await, CommandReply::Done);
}

/// A second of a tone, one channel of PCM.
fn tone(hz: f64, rate_hz: u32) -> Vec<u8> {
    let sample = |n: u32| (f64::from(n) * hz * std::f64::consts::TAU / f64::from(rate_hz)).sin() * 10_000.0;
    (0..rate_hz).flat_map(|n| (sample(n) as i16).to_le_bytes()).collect()
}

/// How often a wave goes up through zero in a second.
fn pitch_hz(pcm: &[u8], rate_hz: u32) -> f64 {
    let samples: Vec<i16> = pcm.chunks_exact(2).map(|bytes| i16::from_le_bytes([bytes[0], bytes[1]])).collect();
    let ups = samples.windows(2).filter(|w| w[0] < 0 && w[1] >= 0).count();
    ups as f64 * f64::from(rate_hz) / samples.len() as f64
}

#[tokio::test]
async fn one_agent_hears_the_tone_of_another_in_real_time() {
    let mut cluster = Cluster::start(1).await;
    let mut sounds = cluster.bus.subscribe(&subject::holder_agents(&holder())).await.unwrap();
    assert_eq!(cluster.open_agent("listener", 16_000).await, CommandReply::Done);
    assert_eq!(cluster.open_agent("speaker", 24_000).await, CommandReply::Done);
    let track = TrackId::parse("voice").unwrap();
    let encoding = Encoding::Pcm16 { sample_rate_hz: 24_000, channels: 1 };
    let add = PeerEvent::AddTrack { track: track.clone(), metadata: Json::null(), encoding };
    cluster.signal("speaker", 0, add).await;
    while !matches!(cluster.next_event().await, (_, SessionEvent::TrackAdded { .. })) {}

    let began = Instant::now();
    // A little more than is listened to: on a busy machine a piece may come too late to be heard.
    let second = tone(440.0, 24_000);
    let sound = [&second[..], &second[..9_600]].concat().into();
    let said = Said { session: SessionId::parse("speaker").unwrap(), track, sound };
    cluster.bus.publish(&subject::worker_agents(&worker_id()), encode(&said).into()).await.unwrap();
    let mut pcm = Vec::new();
    while pcm.len() < 32_000 {
        let delivery = tokio::time::timeout(PATIENCE, sounds.next()).await.unwrap().unwrap();
        let heard: Heard = decode(&delivery.payload).unwrap();
        assert_eq!((heard.session.as_str(), heard.track.as_str()), ("listener", "voice"));
        pcm.extend_from_slice(&heard.sound);
    }
    assert!(began.elapsed() >= Duration::from_millis(950), "said at once, heard in {:?}", began.elapsed());
    let pitch = pitch_hz(&pcm[8_000..24_000], 16_000);
    assert!((pitch - 440.0).abs() < 3.0, "{pitch} Hz");
}
