//! A camera, a worker's shard and a broadcast, over a perfect network.

use std::net::SocketAddr;
use std::time::{Duration, Instant, UNIX_EPOCH};

use bytes::Bytes;
use str0m::{Candidate, IceCreds};
use velella_broadcast::{Broadcast, Input, LISTENERS, Output};
use velella_gateway_core::{
    Errand, Home, Ingest, Input as IngestInput, ListenerInput, Name, Output as IngestOutput, Published, Transcoding,
};
use velella_hls::{Answer, Directives, KeyFrames, Settings, Window, address::Address};
use velella_media::{AudioFormat, MediaTime, Picture, Sound, VideoCodec};
use velella_model::component::IngestState;
use velella_model::wire::command::{Assignment, OpenSession, Order};
use velella_model::wire::signal::ToHolder;
use velella_model::{
    ComponentId, GatewayId, Generation, Incarnation, Json, RoomId, RoomType, SessionId, VideoCodec as RoomCodec,
    WorkerId,
};
use velella_worker_core::{
    Admission, Datagram, Entrance, Input as ShardInput, Output as ShardOutput, Shard, rtc_config,
};

const FRAME: Duration = Duration::from_millis(40);
const FRAMES_PER_GOP: u64 = 25;
/// Of sound in the time of a picture.
const PACKETS: u32 = 2;

/// The job of the camera; those of the listeners follow.
const CAMERA: u64 = 1;

/// x264 and its parameter sets: 640x360, constrained baseline.
const SPS: &[u8] = &[
    0x67, 0x64, 0x00, 0x1e, 0xac, 0xb2, 0x01, 0x40, 0x5f, 0xf2, 0xe0, 0x22, 0x00, 0x00, 0x03, 0x00, 0x02, 0x00, 0x00,
    0x03, 0x00, 0x64, 0x1e, 0x2c, 0x5c, 0x90,
];
const PPS: &[u8] = &[0x68, 0xeb, 0xc3, 0xcb, 0x22, 0xc0];

pub(crate) struct World {
    ingest: Ingest,
    broadcast: Broadcast,
    shard: Shard,
    now: Instant,
    time: MediaTime,
    pictures: u64,
    generation: u64,
    sessions: u64,
    pub(crate) playable: bool,
    /// As it was told.
    pub(crate) progress: Vec<IngestState>,
    began: Instant,
}

impl World {
    /// A room with a camera that is broadcast.
    pub(crate) fn filmed() -> Self {
        let now = Instant::now();
        let ingest =
            Ingest::fetched(name("door", CAMERA), Json::null(), Duration::from_secs(15), true, Transcoding::Able, now);
        let settings = Settings {
            target_duration: Duration::from_secs(2),
            part_target: Duration::from_millis(500),
            low_latency: true,
            window: Window::Sliding(Duration::from_secs(12)),
            key_frames: KeyFrames::OnRequest,
            bytes_max: 64 << 20,
        };
        let broadcast = Broadcast::new(names(), None, settings, 1, now, UNIX_EPOCH).unwrap();
        let (shard, time) = (Shard::new(now), MediaTime(0));
        let (pictures, generation, sessions, playable, progress) = (0, 1, 0, false, Vec::new());
        let mut world = Self {
            ingest,
            broadcast,
            shard,
            now,
            time,
            pictures,
            generation,
            sessions,
            playable,
            progress,
            began: now,
        };
        world.settle();
        world.ingest(IngestInput::Described(Published { video: Some(VideoCodec::H264), sub: false, audio: true }));
        world.settle_in();
        world
    }

    /// The room lives on another worker from now on.
    pub(crate) fn move_room(&mut self) {
        self.generation += 1;
        self.shard = Shard::new(self.now);
        self.settle_in();
    }

    /// The gateway dies, and another one goes on with what it left.
    pub(crate) fn take_over(&mut self) {
        let snapshot = self.broadcast.packager().snapshot().unwrap();
        let (epoch, date) = (snapshot.epoch() + 1, UNIX_EPOCH + (self.now - self.began));
        self.broadcast = Broadcast::resume(names(), None, snapshot, epoch, self.now, date).unwrap();
        self.progress.clear();
        self.move_room();
    }

    pub(crate) fn end(&mut self) {
        self.broadcast(Input::End);
    }

    fn settle_in(&mut self) {
        self.ingest(IngestInput::Homed(Some(home(self.generation, CAMERA))));
        for at in 0..LISTENERS {
            let home = home(self.generation, CAMERA + 1 + at as u64);
            self.broadcast(Input::Listener(at, ListenerInput::Homed(Some(home))));
        }
    }

    /// Lets the camera send for a while.
    pub(crate) fn run(&mut self, duration: Duration) {
        let end = self.now + duration;
        while self.now < end {
            self.now += FRAME;
            self.time = self.time.later(FRAME);
            let keyframe = self.pictures.is_multiple_of(FRAMES_PER_GOP);
            self.pictures += 1;
            let (codec, time, data) = (VideoCodec::H264, self.time, picture(keyframe));
            self.ingest(IngestInput::Picture(Picture { codec, time, keyframe, reordered: false, data }));
            for packet in 0..PACKETS {
                let time = self.time.later(FRAME / PACKETS * packet);
                let data = Bytes::from_static(&[0xf8, 0xff, 0xfe]);
                let sound = Sound { format: AudioFormat::Opus { channels: 2 }, time, data };
                self.ingest(IngestInput::Sound { sound, level_dbov: None });
            }
            self.ingest(IngestInput::Timeout);
            if self.broadcast.poll_timeout() <= self.now {
                self.broadcast(Input::Timeout);
            }
        }
    }

    pub(crate) fn multivariant(&self) -> String {
        ready(self.broadcast.packager().multivariant())
    }

    pub(crate) fn playlist(&self, name: &str) -> String {
        ready(self.broadcast.packager().playlist(name, Directives::default(), self.now, self.now))
    }

    /// The addresses of all parts and segments that a playlist names.
    pub(crate) fn media_of(playlist: &str) -> Vec<String> {
        let part =
            |line: &str| Some(line.strip_prefix("#EXT-X-PART:")?.split_once("URI=\"")?.1.split_once('"')?.0.to_owned());
        let segment = |line: &str| (!line.is_empty() && !line.starts_with('#')).then(|| line.to_owned());
        playlist.lines().filter_map(|line| part(line).or_else(|| segment(line))).collect()
    }

    /// Seconds since 1970 of the first segment.
    pub(crate) fn first_date_of(playlist: &str) -> f64 {
        let date = playlist.lines().find_map(|line| line.strip_prefix("#EXT-X-PROGRAM-DATE-TIME:")).unwrap();
        date.rsplit(':').next().unwrap().trim_end_matches('Z').parse().unwrap()
    }

    pub(crate) fn last_msn(&self, name: &str) -> u64 {
        let playlist = self.playlist(name);
        let first: u64 =
            playlist.lines().find_map(|line| line.strip_prefix("#EXT-X-MEDIA-SEQUENCE:")).unwrap().parse().unwrap();
        first + playlist.matches("#EXTINF").count() as u64
    }

    pub(crate) fn bytes_of(&self, address: &str) -> usize {
        let address = Address::parse(address).unwrap();
        match self.broadcast.packager().media(address, self.now, self.now) {
            Answer::Ready { body, .. } => body.iter().map(Bytes::len).sum(),
            Answer::Wait { .. } | Answer::Elsewhere | Answer::Refused { .. } => panic!("{address:?} is not there"),
        }
    }

    fn ingest(&mut self, input: IngestInput<'_>) {
        self.ingest.handle_input(input, self.now);
        self.settle();
    }

    fn broadcast(&mut self, input: Input<'_>) {
        self.broadcast.handle_input(input, self.now);
        self.settle();
    }

    fn settle(&mut self) {
        for _ in 0..400 {
            let mut busy = false;
            while let Some(output) = self.ingest.poll_output() {
                busy = true;
                self.do_for_ingest(output);
            }
            while let Some(output) = self.broadcast.poll_output() {
                busy = true;
                self.do_for_broadcast(output);
            }
            self.shard.flush(self.now);
            for transmit in std::mem::take(self.shard.transmits()) {
                busy = true;
                self.deliver(transmit.destination, &transmit.contents);
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

    fn deliver(&mut self, destination: SocketAddr, contents: &[u8]) {
        let (source, job) = (server(), u64::from(destination.port() - 20_000));
        match listener_of(job) {
            None => self.ingest.handle_input(IngestInput::Datagram { source, contents }, self.now),
            Some(at) => {
                let input = Input::Listener(at, ListenerInput::Datagram { source, contents });
                self.broadcast.handle_input(input, self.now);
            }
        }
    }

    fn said(&mut self, message: ToHolder) {
        match Name::job_of(&message.session).and_then(listener_of) {
            None => self.ingest.handle_input(IngestInput::Said(message), self.now),
            Some(at) => self.broadcast.handle_input(Input::Listener(at, ListenerInput::Said(message)), self.now),
        }
    }

    fn do_for_broadcast(&mut self, output: Output) {
        match output {
            Output::Do(at, Errand::Open { session, order, .. }) => {
                self.open(*order);
                let opened = ListenerInput::Opened { session, done: true };
                self.broadcast.handle_input(Input::Listener(at, opened), self.now);
            }
            Output::Do(_, Errand::Close { order, .. }) => self.close(&order),
            Output::Do(_, Errand::Signal { message, .. }) => {
                self.shard.handle_input(ShardInput::Signal(message), self.now);
            }
            Output::Do(at, Errand::Send(packet)) => self.send(CAMERA + 1 + at as u64, &packet.contents),
            Output::Progress(progress) => self.progress.push(progress.state),
            Output::Hls(told) => self.playable |= told == velella_hls::Output::BecomePlayable,
        }
    }

    fn do_for_ingest(&mut self, output: IngestOutput) {
        match output {
            IngestOutput::OpenSource
            | IngestOutput::CloseSource
            | IngestOutput::Finished
            | IngestOutput::Progress(_) => {}
            IngestOutput::StartTranscoder(_) | IngestOutput::Transcode(_) | IngestOutput::StopTranscoder => {
                panic!("browsers can show it")
            }
            IngestOutput::Open { session, order, .. } => {
                self.open(*order);
                self.ingest.handle_input(IngestInput::Opened { session, done: true }, self.now);
            }
            IngestOutput::Close { order, .. } => self.close(&order),
            IngestOutput::Signal { message, .. } => self.shard.handle_input(ShardInput::Signal(message), self.now),
            IngestOutput::Send(packet) => self.send(CAMERA, &packet.contents),
        }
    }

    fn open(&mut self, session: OpenSession) {
        self.sessions += 1;
        let ufrag = format!("ufrag{}", self.sessions);
        let credentials = IceCreds { ufrag: ufrag.clone(), pass: "password-of-24-letters-ab".into() };
        let mut rtc = rtc_config(&session.assignment).set_local_ice_credentials(credentials).build(self.now);
        rtc.add_local_candidate(Candidate::host(server(), "udp").unwrap());
        let entrance = Entrance::Webrtc { rtc: Box::new(rtc), ufrag };
        self.shard.handle_input(ShardInput::OpenSession(Box::new(Admission { session, entrance })), self.now);
    }

    fn close(&mut self, order: &Order) {
        if let Order::CloseSession { session } = order {
            self.shard.handle_input(ShardInput::CloseSession(SessionId::clone(session)), self.now);
        }
    }

    fn send(&mut self, job: u64, contents: &[u8]) {
        let datagram = Datagram { source: local(job), destination: server(), contents };
        self.shard.handle_datagram(datagram, self.now);
    }
}

fn ready(answer: Answer<String>) -> String {
    if let Answer::Ready { body, .. } = answer { body } else { panic!("{answer:?}") }
}

fn picture(keyframe: bool) -> Bytes {
    let slice = vec![0x88; 1_200];
    let nals: &[&[u8]] = if keyframe { &[SPS, PPS, &[0x65]] } else { &[&[0x41]] };
    let mut data = Vec::new();
    for nal in nals {
        data.extend_from_slice(&[0, 0, 0, 1]);
        data.extend_from_slice(nal);
    }
    data.extend_from_slice(&slice);
    data.into()
}

fn names() -> [Name; LISTENERS] {
    std::array::from_fn(|at| name(&format!("broadcast-{at}"), CAMERA + 1 + at as u64))
}

fn name(component: &str, job: u64) -> Name {
    let (gateway, room) = (GatewayId::parse("g").unwrap(), RoomId::parse("r").unwrap());
    Name::new(gateway, Incarnation(1), job, Generation(5), room, &ComponentId::parse(component).unwrap())
}

fn listener_of(job: u64) -> Option<usize> {
    usize::try_from(job.checked_sub(CAMERA + 1)?).ok()
}

fn home(generation: u64, job: u64) -> Home {
    Home {
        worker: WorkerId::parse("w1").unwrap(),
        incarnation: Incarnation(1),
        assignment: Assignment {
            room: RoomId::parse("r").unwrap(),
            generation: Generation(generation),
            room_type: RoomType::Conference,
            video_codec: RoomCodec::H264,
        },
        local: local(job),
    }
}

fn server() -> SocketAddr {
    ([127, 0, 0, 1], 10_000).into()
}

fn local(job: u64) -> SocketAddr {
    ([127, 0, 0, 1], 20_000 + u16::try_from(job).unwrap()).into()
}
