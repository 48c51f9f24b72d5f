//! A scripted worker: announces itself, does as it is told, writes down what that was.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use velella_bus::memory::MemoryBus;
use velella_bus::{Bus, Subscription};
use velella_model::wire::announce::{Announce, Capacity, Load, WorkerState};
use velella_model::wire::command::{Command, CommandReply, Holder, OpenSession, Order};
use velella_model::wire::signal::{
    CloseReason, Endpoint, PeerEvent, ServerEvent, SessionEvent, ToHolder, ToWorker, Track,
};
use velella_model::wire::{decode, encode};
use velella_model::{Generation, Incarnation, Json, MediaKind, PeerId, SessionId, TrackId, WorkerId, subject};

/// A running worker; dropping it ends the process, so to say.
pub(crate) struct Worker {
    pub(crate) heard: Arc<Mutex<Vec<Order>>>,
    pub(crate) signals: Arc<Mutex<Vec<PeerEvent>>>,
    task: tokio::task::JoinHandle<()>,
}

struct Script {
    bus: MemoryBus,
    announce: Announce,
    /// Between announcements; `None` for one and no more.
    every: Option<Duration>,
    heard: Arc<Mutex<Vec<Order>>>,
    signals: Arc<Mutex<Vec<PeerEvent>>>,
    sessions: HashMap<SessionId, (Holder, u64)>,
    offers: HashMap<SessionId, String>,
    tracks: HashSet<TrackId>,
    answers: u32,
}

impl Worker {
    /// `every` is the time between announcements; without it there is one and no more.
    pub(crate) async fn start(bus: &MemoryBus, id: &str, incarnation: u64, every: Option<Duration>) -> Self {
        let worker = WorkerId::parse(id).unwrap();
        let commands = bus.subscribe(&subject::worker_commands(&worker)).await.unwrap();
        let signals = bus.subscribe(&subject::worker_signals(&worker)).await.unwrap();
        let (heard, said) = (Arc::default(), Arc::default());
        let script = Script {
            bus: bus.clone(),
            announce: announce(worker, incarnation),
            every,
            heard: Arc::clone(&heard),
            signals: Arc::clone(&said),
            sessions: HashMap::new(),
            offers: HashMap::new(),
            tracks: HashSet::new(),
            answers: 0,
        };
        Self { heard, signals: said, task: tokio::spawn(script.run(commands, signals)) }
    }

    pub(crate) fn heard(&self, is_it: impl Fn(&Order) -> bool) -> usize {
        self.heard.lock().unwrap().iter().filter(|order| is_it(order)).count()
    }

    /// Waits until a peer said this.
    pub(crate) async fn until_said(&self, is_it: impl Fn(&PeerEvent) -> bool) {
        let said = async {
            while !self.signals.lock().unwrap().iter().any(&is_it) {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(crate::client::PATIENCE, said).await.expect("the signal in time");
    }

    /// Waits until it was told this.
    pub(crate) async fn until(&self, is_it: impl Fn(&Order) -> bool) {
        let told = async {
            while self.heard(&is_it) == 0 {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(crate::client::PATIENCE, told).await.expect("the order in time");
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Script {
    async fn run(mut self, mut commands: Subscription, mut signals: Subscription) {
        let mut announce = tokio::time::interval(self.every.unwrap_or(Duration::from_secs(3600)));
        loop {
            tokio::select! {
                _ = announce.tick() => {
                    self.announce.seq += 1;
                    self.bus.publish(subject::ANNOUNCEMENTS, encode(&self.announce).into()).await.unwrap();
                }
                Some(command) = commands.next() => {
                    let Command { incarnation, order } = decode(&command.payload).unwrap();
                    assert_eq!(incarnation, self.announce.incarnation);
                    self.obey(&order).await;
                    self.heard.lock().unwrap().push(order);
                    let done = encode(&CommandReply::Done);
                    self.bus.publish(&command.reply.unwrap(), done.into()).await.unwrap();
                }
                Some(signal) = signals.next() => self.signalled(decode(&signal.payload).unwrap()).await,
                else => return,
            }
        }
    }

    /// `connected` goes out before the command is answered: that order is the harder one.
    async fn obey(&mut self, order: &Order) {
        if let Order::AdoptSession { session, holder } = order {
            self.sessions.insert(session.clone(), (holder.clone(), 0));
            let offer = self.offers[session].clone();
            return self.report(session, SessionEvent::Adopted { offer }).await;
        }
        let Order::OpenSession { session: OpenSession { session, peer, holder, metadata, .. } } = order else {
            return;
        };
        self.sessions.insert(session.clone(), (holder.clone(), 0));
        let own = Endpoint { metadata: metadata.clone(), tracks: BTreeMap::new() };
        let endpoints = BTreeMap::from([(peer.clone(), own)]);
        self.tell(session, ServerEvent::Connected { endpoint: peer.clone(), endpoints }).await;
    }

    async fn signalled(&mut self, signal: ToWorker) {
        self.signals.lock().unwrap().push(signal.event.clone());
        if let PeerEvent::AddTrack { track, metadata, .. } = signal.event {
            return self.take_track(&signal.session, track, metadata).await;
        }
        if let PeerEvent::SdpOffer { sdp, .. } = signal.event {
            self.offers.insert(signal.session.clone(), sdp.clone());
            return self.answer(&signal.session, &sdp).await;
        }
        if signal.event == PeerEvent::RenegotiateTracks {
            let lines = u32::try_from(signal.seq).unwrap();
            self.tell(&signal.session, ServerEvent::OfferData { audio: lines, video: lines }).await;
        }
        // As if it had been offered when it is told of for the first time.
        if let PeerEvent::UpdateTrackMetadata { track, metadata } = signal.event {
            let kind = MediaKind::Audio;
            let event = if self.tracks.insert(track.clone()) {
                SessionEvent::TrackAdded { track, kind, metadata }
            } else {
                SessionEvent::TrackMetadataUpdated { track, kind, metadata }
            };
            self.report(&signal.session, event).await;
        }
    }

    /// An agent added a track; as if for an answer, somebody else publishes one as well.
    async fn take_track(&mut self, session: &SessionId, track: TrackId, metadata: Json) {
        self.report(session, SessionEvent::TrackAdded { track, kind: MediaKind::Audio, metadata }).await;
        let theirs = Track { metadata: Json::parse(r#"{"type":"microphone"}"#).unwrap(), simulcast: None };
        let tracks = BTreeMap::from([(TrackId::parse("theirs").unwrap(), theirs)]);
        self.tell(session, ServerEvent::TracksAdded { endpoint: PeerId::parse("somebody").unwrap(), tracks }).await;
    }

    /// Answers an offer as the name of its session wants it.
    async fn answer(&mut self, session: &SessionId, offer: &str) {
        match offer.lines().find_map(|line| line.strip_prefix("s=")).unwrap_or_default() {
            "silence" => {}
            "refusal" => self.report(session, SessionEvent::Closed { reason: CloseReason::BadSignal }).await,
            name => {
                self.answers += 1;
                let port = if name == "nothing in common" { 0 } else { 9 };
                let credentials = format!("a=ice-ufrag:ours{}\r\na=ice-pwd:secret", self.answers);
                let direction = if offer.contains("a=sendonly") { "recvonly" } else { "sendonly" };
                let sdp = format!(
                    "v=0\r\nm=audio {port} X 111\r\n{credentials}\r\na={direction}\r\na=candidate:1 1 udp 1 192.0.2.1 10000 typ host\r\n"
                );
                self.tell(session, ServerEvent::SdpAnswer { sdp, mid_to_track: BTreeMap::new() }).await;
            }
        }
    }

    async fn tell(&mut self, session: &SessionId, event: ServerEvent) {
        self.report(session, SessionEvent::ToPeer { event }).await;
    }

    async fn report(&mut self, session: &SessionId, event: SessionEvent) {
        let (holder, seq) = self.sessions.get_mut(session).unwrap();
        let message = encode(&ToHolder { session: session.clone(), seq: *seq, event });
        *seq += 1;
        let subject = subject::holder_signals(holder);
        self.bus.publish(&subject, Bytes::from(message)).await.unwrap();
    }
}

fn announce(worker: WorkerId, incarnation: u64) -> Announce {
    Announce {
        worker,
        incarnation: Incarnation(incarnation),
        seq: 0,
        state: WorkerState::Ready,
        region: String::new(),
        labels: BTreeMap::new(),
        version: "0".into(),
        endpoints: vec!["127.0.0.1:10000".parse().unwrap()],
        // Nobody listens there: a worker that does not answer either is proven dead.
        probe: Some("127.0.0.1:1".parse().unwrap()),
        capacity: Capacity { load_permille_max: 800, rooms_max: 1000, sessions_max: 10_000 },
        load: Load::default(),
        assigned_total: 0,
        generation: Generation(0),
    }
}
