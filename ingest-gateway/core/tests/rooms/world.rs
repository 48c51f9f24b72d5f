//! Components and the real shard of a worker, in virtual time over a perfect network.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use bytes::Bytes;
use str0m::{Candidate, IceCreds};
use velella_gateway_core::{
    Errand, Home, Ingest, Input, Listener, ListenerInput, ListenerOutput, Listening, Name, Output, Progress, Published,
    Transcoding,
};
use velella_media::{AudioFormat, MediaTime, Picture, Sound, VideoCodec};
use velella_model::wire::command::{Assignment, OpenSession, Order};
use velella_model::wire::signal::{SessionEvent, ToHolder};
use velella_model::{
    ComponentId, GatewayId, Generation, Incarnation, Json, RoomId, RoomType, SessionId, VideoCodec as RoomCodec,
    WorkerId,
};
use velella_worker_core::{
    Admission, Datagram, Entrance, Input as ShardInput, Output as ShardOutput, Shard, rtc_config,
};

pub(crate) const FRAME: Duration = Duration::from_millis(40);

/// Numbers of jobs, by which signals find their way.
const INGEST: u64 = 1;
const LISTENER: u64 = 2;

/// Parameter sets and an IDR slice.
const KEYFRAME: &[u8] =
    &[0, 0, 0, 1, 0x67, 0x42, 0xe0, 0x1f, 0x8c, 0, 0, 0, 1, 0x68, 0xce, 0x3c, 0x80, 0, 0, 0, 1, 0x65, 0x88, 0x80, 0x10];

pub(crate) struct World {
    ingest: Ingest,
    listener: Option<Listener>,
    /// What it told.
    pub(crate) heard: Vec<ListenerOutput>,
    listener_sessions: usize,
    pub(crate) shard: Shard,
    pub(crate) now: Instant,
    /// Of the source.
    time: MediaTime,
    /// Whether its second stream is there.
    pub(crate) sub: bool,
    pub(crate) progress: Vec<Progress>,
    pub(crate) events: Vec<SessionEvent>,
    pub(crate) sessions: Vec<SessionId>,
    pub(crate) sources_opened: u32,
}

impl World {
    pub(crate) fn new() -> Self {
        let now = Instant::now();
        let gateway = GatewayId::parse("g").unwrap();
        let component = ComponentId::parse("door").unwrap();
        let name = Name::new(gateway, Incarnation(1), INGEST, Generation(5), RoomId::parse("r").unwrap(), &component);
        let ingest = Ingest::fetched(name, Json::null(), Duration::from_secs(15), true, Transcoding::Able, now);
        let time = MediaTime(0);
        let (progress, events, sessions) = (Vec::new(), Vec::new(), Vec::new());
        let mut world = Self {
            ingest,
            listener: None,
            heard: Vec::new(),
            listener_sessions: 0,
            shard: Shard::new(now),
            now,
            time,
            sub: false,
            progress,
            events,
            sessions,
            sources_opened: 0,
        };
        world.settle();
        world
    }

    pub(crate) fn ingest(&mut self, input: Input<'_>) {
        self.ingest.handle_input(input, self.now);
        self.settle();
    }

    /// Somebody listens to the room from now on.
    pub(crate) fn listen(&mut self, listening: Listening) {
        let gateway = GatewayId::parse("g").unwrap();
        let component = ComponentId::parse("broadcast").unwrap();
        let name = Name::new(gateway, Incarnation(1), LISTENER, Generation(5), RoomId::parse("r").unwrap(), &component);
        self.listener = Some(Listener::new(name, listening));
        self.listen_at(1);
    }

    /// The room lives elsewhere, for who listens.
    pub(crate) fn listen_at(&mut self, generation: u64) {
        self.listener(ListenerInput::Homed(Some(Home { local: listener_address(), ..home(generation) })));
    }

    pub(crate) fn listener(&mut self, input: ListenerInput<'_>) {
        self.listener.as_mut().unwrap().handle_input(input, self.now);
        self.settle();
    }

    pub(crate) fn shard(&mut self, input: ShardInput) {
        self.shard.handle_input(input, self.now);
        self.settle();
    }

    /// Lets the camera send for a while, a key frame every 10.
    pub(crate) fn run(&mut self, duration: Duration) {
        let end = self.now + duration;
        for n in 0_u8.. {
            if self.now >= end {
                return;
            }
            self.now += FRAME;
            self.time = self.time.later(FRAME);
            let keyframe = n.is_multiple_of(10);
            let data = Bytes::from_static(if keyframe { KEYFRAME } else { &[0, 0, 0, 1, 0x41, 0x9a, 0x10, 0x20] });
            let picture = Picture { codec: VideoCodec::H264, time: self.time, keyframe, reordered: false, data };
            if self.sub {
                self.ingest(Input::SubPicture(picture.clone()));
            }
            self.ingest(Input::Picture(picture));
            let data = Bytes::from_static(&[0xf8, 0xff, 0xfe]);
            let sound = Sound { format: AudioFormat::Opus { channels: 2 }, time: self.time, data };
            self.ingest(Input::Sound { sound, level_dbov: Some(-30) });
            self.ingest(Input::Timeout);
            if self.listener.is_some() {
                self.listener(ListenerInput::Timeout);
            }
        }
    }

    pub(crate) fn packets_in(&self) -> u64 {
        self.shard.stats().rtp_in
    }

    pub(crate) fn settle(&mut self) {
        for _ in 0..200 {
            let mut busy = false;
            while let Some(output) = self.ingest.poll_output() {
                busy = true;
                self.do_for_ingest(output);
            }
            while let Some(output) = self.listener.as_mut().and_then(Listener::poll_output) {
                busy = true;
                self.do_for_listener(output);
            }
            self.shard.flush(self.now);
            for transmit in std::mem::take(self.shard.transmits()) {
                busy = true;
                let (source, contents) = (server(), &transmit.contents);
                match self.listener.as_mut().filter(|_| transmit.destination == listener_address()) {
                    Some(listener) => listener.handle_input(ListenerInput::Datagram { source, contents }, self.now),
                    None => self.ingest.handle_input(Input::Datagram { source, contents }, self.now),
                }
            }
            while let Some(output) = self.shard.poll_output() {
                busy = true;
                if let ShardOutput::Signal(_, message) = output {
                    self.said(message);
                }
            }
            if !busy {
                return;
            }
        }
        panic!("the world does not come to rest");
    }

    fn said(&mut self, message: ToHolder) {
        match self.listener.as_mut().filter(|_| Name::job_of(&message.session) == Some(LISTENER)) {
            Some(listener) => listener.handle_input(ListenerInput::Said(message), self.now),
            None => {
                self.events.push(message.event.clone());
                self.ingest.handle_input(Input::Said(message), self.now);
            }
        }
    }

    fn do_for_listener(&mut self, output: ListenerOutput) {
        match output {
            ListenerOutput::Do(Errand::Open { session, order, .. }) => {
                self.listener_sessions += 1;
                self.shard.handle_input(self.admission(*order), self.now);
                self.listener(ListenerInput::Opened { session, done: true });
            }
            ListenerOutput::Do(Errand::Close { order: Order::CloseSession { session }, .. }) => {
                self.shard.handle_input(ShardInput::CloseSession(session), self.now);
            }
            ListenerOutput::Do(Errand::Close { .. }) => panic!("a listener closes sessions only"),
            ListenerOutput::Do(Errand::Signal { message, .. }) => {
                self.shard.handle_input(ShardInput::Signal(message), self.now);
            }
            ListenerOutput::Do(Errand::Send(packet)) => {
                let (source, destination, contents) = (listener_address(), server(), &*packet.contents);
                self.shard.handle_datagram(Datagram { source, destination, contents }, self.now);
            }
            told @ (ListenerOutput::TrackAdded { .. }
            | ListenerOutput::TrackRemoved { .. }
            | ListenerOutput::Heard(_)) => {
                self.heard.push(told);
            }
        }
    }

    fn do_for_ingest(&mut self, output: Output) {
        match output {
            Output::OpenSource => self.sources_opened += 1,
            Output::CloseSource | Output::Finished => {}
            Output::Open { session, order, .. } => {
                self.sessions.push(session.clone());
                self.shard.handle_input(self.admission(*order), self.now);
                self.ingest.handle_input(Input::Opened { session, done: true }, self.now);
            }
            Output::Close { order: Order::CloseSession { session }, .. } => {
                self.shard.handle_input(ShardInput::CloseSession(session), self.now);
            }
            Output::Close { .. } => panic!("an ingest closes sessions only"),
            Output::Signal { message, .. } => self.shard.handle_input(ShardInput::Signal(message), self.now),
            Output::Send(packet) => {
                let datagram = Datagram { source: local(), destination: server(), contents: &packet.contents };
                self.shard.handle_datagram(datagram, self.now);
            }
            Output::Progress(progress) => self.progress.push(progress),
            Output::StartTranscoder(_) | Output::Transcode(_) | Output::StopTranscoder => {
                panic!("browsers can show it")
            }
        }
    }

    fn admission(&self, session: OpenSession) -> ShardInput {
        let ufrag = format!("ufrag{}", self.sessions.len() + 100 * self.listener_sessions);
        let credentials = IceCreds { ufrag: ufrag.clone(), pass: "password-of-24-letters-ab".into() };
        let mut rtc = rtc_config(&session.assignment).set_local_ice_credentials(credentials).build(self.now);
        rtc.add_local_candidate(Candidate::host(server(), "udp").unwrap());
        let entrance = Entrance::Webrtc { rtc: Box::new(rtc), ufrag };
        ShardInput::OpenSession(Box::new(Admission { session, entrance }))
    }
}

pub(crate) fn camera() -> Published {
    Published { video: Some(VideoCodec::H264), sub: false, audio: true }
}

pub(crate) fn home(generation: u64) -> Home {
    Home {
        worker: WorkerId::parse("w1").unwrap(),
        incarnation: Incarnation(1),
        assignment: Assignment {
            room: RoomId::parse("r").unwrap(),
            generation: Generation(generation),
            room_type: RoomType::Conference,
            video_codec: RoomCodec::H264,
        },
        local: local(),
    }
}

fn server() -> SocketAddr {
    ([127, 0, 0, 1], 10_000).into()
}

fn local() -> SocketAddr {
    ([127, 0, 0, 1], 20_000).into()
}

fn listener_address() -> SocketAddr {
    ([127, 0, 0, 1], 20_001).into()
}
