//! An ingest and the real shard of a worker, in virtual time over a perfect network.

#![allow(clippy::disallowed_methods, reason = "virtual time starts at some instant")]
#![allow(clippy::unwrap_used, reason = "a test may fail loudly")]

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use bytes::Bytes;
use str0m::{Candidate, IceCreds};
use velella_gateway_core::{Home, Ingest, Input, Name, Output, Progress, Published};
use velella_media::{AudioFormat, Frame, MediaTime, Picture, Sound, VideoCodec};
use velella_model::component::{IngestState, Trouble};
use velella_model::wire::command::{Assignment, OpenSession, Order};
use velella_model::wire::signal::{CloseReason, SessionEvent, ToHolder};
use velella_model::{
    ComponentId, GatewayId, Generation, Incarnation, Json, RoomId, RoomType, SessionId, VideoCodec as RoomCodec,
    WorkerId,
};
use velella_worker_core::{
    Admission, Datagram, Entrance, Input as ShardInput, Output as ShardOutput, Shard, rtc_config,
};

const FRAME: Duration = Duration::from_millis(40);

#[test]
fn a_camera_appears_in_its_room_and_its_pictures_flow() {
    let mut world = World::new();
    world.ingest(Input::Homed(Some(home(1))));
    world.ingest(Input::Described(camera()));
    world.run(Duration::from_secs(2));
    let live = world.progress.last().unwrap();
    assert_eq!((live.state, live.tracks.len()), (IngestState::Live, 2));
    let added = |event: &SessionEvent| matches!(event, SessionEvent::TrackAdded { .. });
    assert_eq!(world.events.iter().filter(|event| added(event)).count(), 2);
    let before = world.packets_in();
    world.run(Duration::from_secs(1));
    assert!(world.packets_in() > before + 25, "{} and {before}", world.packets_in());
}

#[test]
fn a_room_that_moves_takes_its_camera_along_at_once() {
    let mut world = World::new();
    world.ingest(Input::Homed(Some(home(1))));
    world.ingest(Input::Described(camera()));
    world.run(Duration::from_secs(1));
    world.ingest(Input::Homed(None));
    world.run(Duration::from_secs(1));
    assert_eq!(world.progress.last().unwrap().state, IngestState::Connecting);
    world.shard = Shard::new(world.now);
    world.ingest(Input::Homed(Some(home(2))));
    world.run(Duration::from_secs(1));
    assert_eq!(world.progress.last().unwrap().state, IngestState::Live);
    assert_eq!(world.sessions.len(), 2);
}

#[test]
fn a_session_that_the_worker_closes_is_opened_again() {
    let mut world = World::new();
    world.ingest(Input::Homed(Some(home(1))));
    world.ingest(Input::Described(camera()));
    world.run(Duration::from_secs(1));
    let session = world.sessions[0].clone();
    world.shard(ShardInput::CloseSession(session));
    assert!(matches!(world.events.last(), Some(SessionEvent::Closed { reason: CloseReason::Asked })));
    assert_ne!(world.progress.last().unwrap().state, IngestState::Live);
    world.run(Duration::from_secs(1));
    assert_eq!(world.progress.last().unwrap().state, IngestState::Live);
}

#[test]
fn while_a_camera_is_away_its_tracks_stay_in_the_room() {
    let mut world = World::new();
    world.ingest(Input::Homed(Some(home(1))));
    world.ingest(Input::Described(camera()));
    world.run(Duration::from_secs(1));
    let trouble = Trouble { code: "unreachable".into(), sentence: "The camera is away.".into() };
    world.ingest(Input::Ended { trouble: trouble.clone(), retry: true });
    let away = world.progress.last().unwrap();
    assert_eq!((away.state, away.trouble.as_ref(), away.tracks.len()), (IngestState::Retrying, Some(&trouble), 2));
    world.run(Duration::from_secs(1));
    assert_eq!(world.sources_opened, 2);
    world.ingest(Input::Described(camera()));
    let back = world.progress.last().unwrap();
    assert_eq!((back.state, &back.trouble), (IngestState::Live, &None));
    assert_eq!(world.sessions.len(), 1);
}

struct World {
    ingest: Ingest,
    shard: Shard,
    now: Instant,
    /// Of the source.
    time: MediaTime,
    progress: Vec<Progress>,
    events: Vec<SessionEvent>,
    sessions: Vec<SessionId>,
    sources_opened: u32,
}

impl World {
    fn new() -> Self {
        let now = Instant::now();
        let gateway = GatewayId::parse("g").unwrap();
        let component = ComponentId::parse("door").unwrap();
        let name = Name::new(gateway, Incarnation(1), 1, Generation(5), RoomId::parse("r").unwrap(), &component);
        let ingest = Ingest::fetched(name, Json::null(), Duration::from_secs(15), true, now);
        let time = MediaTime(0);
        let (progress, events, sessions) = (Vec::new(), Vec::new(), Vec::new());
        let mut world =
            Self { ingest, shard: Shard::new(now), now, time, progress, events, sessions, sources_opened: 0 };
        world.settle();
        world
    }

    fn ingest(&mut self, input: Input<'_>) {
        self.ingest.handle_input(input, self.now);
        self.settle();
    }

    fn shard(&mut self, input: ShardInput) {
        self.shard.handle_input(input, self.now);
        self.settle();
    }

    /// Lets the camera send for a while, a key frame every 10.
    fn run(&mut self, duration: Duration) {
        let end = self.now + duration;
        for n in 0_u8.. {
            if self.now >= end {
                return;
            }
            self.now += FRAME;
            self.time = self.time.later(FRAME);
            let data = Bytes::from_static(&[0, 0, 0, 1, 0x65, 0x88, 0x80, 0x10, 0x20]);
            let keyframe = n.is_multiple_of(10);
            let picture = Picture { codec: VideoCodec::H264, time: self.time, keyframe, reordered: false, data };
            self.ingest(Input::Frame(Frame::Video(picture)));
            let data = Bytes::from_static(&[0xf8, 0xff, 0xfe]);
            let sound = Sound { format: AudioFormat::Opus { channels: 2 }, time: self.time, data };
            self.ingest(Input::Frame(Frame::Audio(sound)));
            self.ingest(Input::Timeout);
            self.settle();
        }
    }

    fn packets_in(&self) -> u64 {
        self.shard.stats().rtp_in
    }

    fn settle(&mut self) {
        for _ in 0..200 {
            let mut busy = false;
            while let Some(output) = self.ingest.poll_output() {
                busy = true;
                self.do_for_ingest(output);
            }
            self.shard.flush(self.now);
            for transmit in std::mem::take(self.shard.transmits()) {
                busy = true;
                let input = Input::Datagram { source: server(), contents: &transmit.contents };
                self.ingest.handle_input(input, self.now);
            }
            while let Some(output) = self.shard.poll_output() {
                busy = true;
                if let ShardOutput::Signal(_, message) = output {
                    let ToHolder { event, .. } = &message;
                    self.events.push(event.clone());
                    self.ingest.handle_input(Input::Said(message), self.now);
                }
            }
            if !busy {
                return;
            }
        }
        panic!("the world does not come to rest");
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
        }
    }

    fn admission(&self, session: OpenSession) -> ShardInput {
        let ufrag = format!("ufrag{}", self.sessions.len());
        let credentials = IceCreds { ufrag: ufrag.clone(), pass: "password-of-24-letters-ab".into() };
        let mut rtc = rtc_config(&session.assignment).set_local_ice_credentials(credentials).build(self.now);
        rtc.add_local_candidate(Candidate::host(server(), "udp").unwrap());
        let entrance = Entrance::Webrtc { rtc: Box::new(rtc), ufrag };
        ShardInput::OpenSession(Box::new(Admission { session, entrance }))
    }
}

fn camera() -> Published {
    Published { video: Some(VideoCodec::H264), audio: true }
}

fn home(generation: u64) -> Home {
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
