//! A shard and its clients in one piece of virtual time, over a perfect network.
//!
//! Four nouns: [`World`] (shard, clock, network), [`Client`] (an engine that behaves like the
//! published browser client), the events it got, and the packets it received.

#![allow(dead_code, unreachable_pub, reason = "every test file uses its own part of the harness")]
#![allow(clippy::indexing_slicing, clippy::unwrap_used, clippy::wildcard_enum_match_arm, reason = "test code")]
#![allow(clippy::disallowed_methods, reason = "virtual time starts at some instant")]

mod client;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use str0m::{IceCreds, Rtc};
use velella_model::record::{AgentOutput, Subscriptions};
use velella_model::wire::command::{Assignment, Client as CommandClient, OpenSession, Rights, SubscribeMode};
use velella_model::wire::signal::{CloseReason, PeerEvent, ServerEvent, SessionEvent, ToWorker, Voice};
use velella_model::{CoordinatorId, Generation, Json, PeerId, RoomId, RoomType, SessionId, TrackId, VideoCodec};
use velella_worker_core::{Admission, AgentNews, Datagram, Entrance, Input, Output, Routing, Shard, rtc_config};

pub use client::{Client, NewTrack};

/// Where the shard is reached.
pub const SERVER: ([u8; 4], u16) = ([127, 0, 0, 1], 10_000);

pub struct World {
    pub shard: Shard,
    pub now: Instant,
    pub clients: BTreeMap<&'static str, Client>,
    /// Signals about tracks, as the coordinator of each client gets them.
    pub track_events: Vec<(String, SessionEvent)>,
    /// Who began and stopped speaking, as all coordinators get it.
    pub voices: Vec<(TrackId, Voice)>,
    room_type: RoomType,
    codec: VideoCodec,
    sessions: u32,
    /// What whoever makes packets of the sound of agents was told.
    pub agent_news: Vec<AgentNews>,
    /// What the coordinators of agents were told, with the agent's name.
    pub agent_events: Vec<(&'static str, SessionEvent)>,
    agents: BTreeMap<&'static str, (SessionId, u64)>,
}

impl World {
    pub fn new(codec: VideoCodec) -> Self {
        let now = Instant::now();
        Self {
            shard: Shard::new(now),
            now,
            clients: BTreeMap::new(),
            track_events: Vec::new(),
            voices: Vec::new(),
            room_type: RoomType::Conference,
            codec,
            sessions: 0,
            agent_news: Vec::new(),
            agent_events: Vec::new(),
            agents: BTreeMap::new(),
        }
    }

    pub fn audio_only(mut self) -> Self {
        self.room_type = RoomType::AudioOnly;
        self
    }

    /// A client joins a room and is welcomed.
    pub fn join(&mut self, name: &'static str, room: &str) {
        self.join_as(name, room, |_| {});
    }

    /// A client in manual mode joins; it receives what is listed for it.
    pub fn join_manually(&mut self, name: &'static str, room: &str, listed: Subscriptions) {
        self.join_as(name, room, |open| {
            open.subscribe_mode = SubscribeMode::Manual;
            open.subscriptions = listed;
        });
    }

    /// A client joins with a token that allows this.
    pub fn join_with(&mut self, name: &'static str, room: &str, rights: Rights) {
        self.join_as(name, room, |open| open.rights = rights);
    }

    /// A client that offers once joins and offers: these tracks, and this many lines of sound and of
    /// pictures to receive.
    pub fn join_once(&mut self, name: &'static str, room: &str, tracks: &[NewTrack], (audio, video): (u32, u32)) {
        let rights = Rights { publish: !tracks.is_empty(), subscribe: audio + video > 0 };
        self.open_once(name, room, rights);
        self.offer_once(name, tracks, (audio, video));
    }

    /// A client that offers once joins, and has not offered yet.
    pub fn open_once(&mut self, name: &'static str, room: &str, rights: Rights) {
        self.join_as(name, room, |open| {
            open.rights = rights;
            open.client = CommandClient::OneOffer;
        });
        self.client(name).one_offer = true;
    }

    pub fn offer_once(&mut self, name: &'static str, tracks: &[NewTrack], (audio, video): (u32, u32)) {
        let now = self.now;
        let client = self.client(name);
        tracks.iter().for_each(|track| drop(client.add_track(*track)));
        client.offer(audio, video, now);
        self.settle();
    }

    /// A client begins ICE anew.
    pub fn restart_ice(&mut self, name: &str) {
        let now = self.now;
        self.client(name).restart_ice(now);
        self.settle();
    }

    /// An agent joins.
    pub fn join_agent(&mut self, name: &'static str, room: &str, output: Option<AgentOutput>) {
        self.join_agent_as(name, room, output, |_| {});
    }

    pub fn join_agent_as(
        &mut self,
        name: &'static str,
        room: &str,
        output: Option<AgentOutput>,
        change: impl FnOnce(&mut OpenSession),
    ) {
        let mut session = self.open_session(name, room);
        session.client = CommandClient::Agent { output };
        change(&mut session);
        self.agents.insert(name, (session.session.clone(), 0));
        self.input(Input::OpenSession(Box::new(Admission { session, entrance: Entrance::Agent { output } })));
    }

    /// The session of an agent.
    pub fn agent(&self, name: &str) -> SessionId {
        self.agents[name].0.clone()
    }

    /// An agent says something.
    pub fn command(&mut self, name: &str, event: PeerEvent) {
        let (session, next_seq) = self.agents.get_mut(name).expect("joined before");
        let signal = ToWorker { session: session.clone(), seq: *next_seq, event };
        *next_seq += 1;
        self.input(Input::Signal(signal));
    }

    fn open_session(&mut self, name: &str, room: &str) -> OpenSession {
        self.sessions += 1;
        OpenSession {
            assignment: Assignment {
                room: RoomId::parse(room).unwrap(),
                generation: Generation(1),
                room_type: self.room_type,
                video_codec: self.codec,
            },
            session: SessionId::parse(&format!("session-{}", self.sessions)).unwrap(),
            peer: PeerId::parse(name).unwrap(),
            holder: CoordinatorId::parse("c").unwrap().into(),
            metadata: Json::parse(&format!("{{\"peer\":\"{name}\"}}")).unwrap(),
            subscribe_mode: SubscribeMode::Auto,
            subscriptions: Default::default(),
            rights: Default::default(),
            client: Default::default(),
            job: Default::default(),
        }
    }

    fn join_as(&mut self, name: &'static str, room: &str, change: impl FnOnce(&mut OpenSession)) {
        let mut open = self.open_session(name, room);
        let ufrag = format!("ufrag{}", self.sessions);
        let credentials = IceCreds { ufrag: ufrag.clone(), pass: format!("password-of-24-letters-{}", self.sessions) };
        let mut rtc = rtc_config(&open.assignment).set_local_ice_credentials(credentials).build(self.now);
        rtc.add_local_candidate(str0m::Candidate::host(server(), "udp").unwrap());
        change(&mut open);
        let port = 20_000 + u16::try_from(self.sessions).unwrap();
        self.clients.insert(name, Client::new(name, open.session.clone(), self.codec, port, self.now));
        let entrance = Entrance::Webrtc { rtc: Box::new(rtc), ufrag };
        self.input(Input::OpenSession(Box::new(Admission { session: open, entrance })));
    }

    pub fn client(&mut self, name: &str) -> &mut Client {
        self.clients.get_mut(name).expect("joined before")
    }

    /// The client's tab is closed: its coordinator closes the session.
    pub fn leave(&mut self, name: &str) -> Client {
        let client = self.clients.remove(name).expect("joined before");
        self.input(Input::CloseSession(client.session.clone()));
        client
    }

    /// The client says something.
    pub fn say(&mut self, name: &str, event: PeerEvent) {
        let signal = self.client(name).sign(event);
        self.input(Input::Signal(signal));
    }

    /// A signal that is not numbered by the client.
    pub fn input(&mut self, input: Input) {
        self.shard.handle_input(input, self.now);
        self.settle();
    }

    /// Publishes a track; returns its id.
    pub fn publish(&mut self, name: &'static str, track: NewTrack) -> TrackId {
        let id = self.client(name).add_track(track);
        self.say(name, PeerEvent::RenegotiateTracks);
        id
    }

    /// Lets time pass in steps of 10 ms; `each` sends what the clients send.
    pub fn run(&mut self, duration: Duration, mut each: impl FnMut(&mut Self)) {
        let end = self.now + duration;
        while self.now < end {
            self.now += Duration::from_millis(10);
            each(self);
            self.settle();
        }
    }

    /// Lets time pass without media.
    pub fn wait(&mut self, duration: Duration) {
        self.run(duration, |_| {});
    }

    /// A datagram from anywhere.
    pub fn datagram(&mut self, source: SocketAddr, contents: &[u8]) -> Routing {
        let routing = self.shard.handle_datagram(Datagram { source, destination: server(), contents }, self.now);
        self.settle();
        routing
    }

    /// Moves datagrams and signals until nobody has anything left to say.
    fn settle(&mut self) {
        for _ in 0..200 {
            self.shard.flush(self.now);
            let outgoing = std::mem::take(self.shard.transmits());
            let mut busy = !outgoing.is_empty();
            for transmit in outgoing {
                if let Some(client) = self.clients.values_mut().find(|c| c.address == transmit.destination) {
                    client.receive(&transmit.contents, self.now);
                }
            }
            while let Some(output) = self.shard.poll_output() {
                busy = true;
                self.deliver(output);
            }
            busy |= self.collect();
            if !busy {
                return;
            }
        }
        panic!("the world does not come to rest");
    }

    fn deliver(&mut self, output: Output) {
        let message = match output {
            Output::Signal(_, message) => message,
            Output::Voice(changed) => return self.voices.push((changed.track, changed.voice)),
            Output::Agent(news) => return self.agent_news.push(news),
        };
        if let Some((name, _)) = self.agents.iter().find(|(_, (session, _))| *session == message.session) {
            return self.agent_events.push((name, message.event));
        }
        let Some(client) = self.clients.values_mut().find(|c| c.session == message.session) else { return };
        client.expect_seq(message.seq);
        match message.event {
            SessionEvent::ToPeer { event } => client.hear(event, self.now),
            SessionEvent::Closed { reason } => client.closed = Some(reason),
            event => self.track_events.push((client.name.into(), event)),
        }
    }

    /// Brings what clients want to send to the shard.
    fn collect(&mut self) -> bool {
        let mut busy = false;
        let mut signals: Vec<ToWorker> = Vec::new();
        for client in self.clients.values_mut() {
            client.poll(self.now);
            for contents in client.outgoing.drain(..) {
                busy = true;
                let datagram = Datagram { source: client.address, destination: server(), contents: &contents };
                self.shard.handle_datagram(datagram, self.now);
            }
            signals.append(&mut client.signals);
        }
        for signal in signals {
            busy = true;
            self.shard.handle_input(Input::Signal(signal), self.now);
        }
        busy
    }
}

pub fn server() -> SocketAddr {
    SocketAddr::from(SERVER)
}

pub fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

/// Whether a client got such an event.
pub fn heard(client: &Client, wanted: impl Fn(&ServerEvent) -> bool) -> bool {
    client.events.iter().any(wanted)
}

/// The reason a client was closed for.
pub fn closed(world: &World, name: &str) -> Option<CloseReason> {
    world.clients.get(name).and_then(|c| c.closed)
}

/// For tests that need an engine of their own.
pub fn client_rtc(codec: VideoCodec, now: Instant) -> Rtc {
    client::rtc(codec, now)
}
