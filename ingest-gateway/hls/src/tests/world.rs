//! Sources, a clock, a packager between them and viewers who reload every playlist whenever something is new.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use bytes::Bytes;

use super::laws::Viewer;
use crate::*;

/// 2026-11-21T12:00:00Z.
pub(super) const NOON: i64 = 1_795_262_400_000_000;
/// How long a sample takes from the end of its time to the packager.
const LATENCY: i64 = 40_000;
/// How long a key frame takes once it is requested.
const KEY_FRAME_LATENCY: i64 = 90_000;

pub(super) struct World {
    pub(super) packager: Packager,
    pub(super) sources: Vec<Source>,
    /// Microseconds since noon.
    pub(super) time: i64,
    began: Instant,
    pub(super) viewers: BTreeMap<String, Viewer>,
    pub(super) outputs: Vec<Output>,
    epoch: u64,
    /// Whether viewers check what they see.
    pub(super) watched: bool,
}

/// What makes samples of one rendition.
pub(super) struct Source {
    pub(super) id: RenditionId,
    pub(super) name: &'static str,
    pub(super) video: bool,
    timescale: i64,
    /// Microseconds from sample to sample.
    pub(super) interval: i64,
    /// When the next sample begins, in microseconds since noon.
    pub(super) next: i64,
    /// Samples until then are lost on the way.
    pub(super) silent_until: i64,
    /// Unasked key frames come so often; never: 0.
    pub(super) key_interval: i64,
    last_key: i64,
    pub(super) key_at: Option<i64>,
    /// Whether it cares for requests.
    pub(super) obeys: bool,
    /// How much its clock is wrong.
    pub(super) skew: i64,
    pub(super) configured: bool,
    pub(super) version: u32,
    bytes: usize,
}

pub(super) fn settings() -> Settings {
    Settings {
        target_duration: Duration::from_secs(4),
        part_target: Duration::from_millis(500),
        low_latency: true,
        window: Window::Sliding(Duration::from_secs(30)),
        key_frames: KeyFrames::OnRequest,
        bytes_max: 64 << 20,
    }
}

/// A fragment that says what is in it: 17 bytes for each sample, and what the sample holds.
fn write(samples: &[Sample], _: u32, decode_time: u64) -> Option<Bytes> {
    assert_eq!(samples.first().map(|sample| sample.decode_time), Some(decode_time));
    let mut bytes = Vec::new();
    for sample in samples {
        bytes.extend(sample.decode_time.to_be_bytes());
        bytes.extend(sample.duration.to_be_bytes());
        bytes.push(u8::from(sample.sync));
        bytes.extend(u32::try_from(sample.data.len()).unwrap().to_be_bytes());
        bytes.extend(&sample.data);
    }
    Some(bytes.into())
}

/// Decode time, duration and whether it is a key frame of each sample in fragments.
pub(super) fn read(mut bytes: &[u8]) -> Vec<(u64, u32, bool)> {
    let mut samples = Vec::new();
    while let Some((head, rest)) = bytes.split_at_checked(17) {
        let decode_time = u64::from_be_bytes(head[..8].try_into().unwrap());
        let duration = u32::from_be_bytes(head[8..12].try_into().unwrap());
        let len = u32::from_be_bytes(head[13..].try_into().unwrap());
        samples.push((decode_time, duration, head[12] == 1));
        bytes = &rest[len as usize..];
    }
    samples
}

impl World {
    pub(super) fn new(settings: Settings) -> Self {
        let packager = Packager::new(settings, 1, write).unwrap();
        Self {
            packager,
            sources: Vec::new(),
            time: 0,
            began: Instant::now(),
            viewers: BTreeMap::new(),
            outputs: Vec::new(),
            epoch: 1,
            watched: true,
        }
    }

    /// Two encodings of a picture, and its sound in two codecs.
    pub(super) fn broadcast(settings: Settings) -> Self {
        let mut world = Self::new(settings);
        world.video("high", 33_333, 2_000_000);
        world.video("low", 33_333, 300_000);
        world.audio("opus", 20_000, 48_000);
        world.audio("aac", 21_333, 48_000);
        world
    }

    pub(super) fn video(&mut self, name: &'static str, interval: i64, bitrate: u32) -> usize {
        let picture = Picture { width: bitrate / 1_000, height: 720, rate_mhz: Some(30_000) };
        self.source(name, Medium::Video, 90_000, interval, bitrate, Some(picture))
    }

    pub(super) fn audio(&mut self, name: &'static str, interval: i64, timescale: u32) -> usize {
        let group = Name::try_from(name.to_owned()).unwrap();
        let medium = Medium::Audio { group, title: "Room".into(), channels: 2 };
        self.source(name, medium, timescale, interval, 96_000, None)
    }

    fn source(
        &mut self,
        name: &'static str,
        medium: Medium,
        timescale: u32,
        interval: i64,
        bitrate: u32,
        picture: Option<Picture>,
    ) -> usize {
        let video = medium == Medium::Video;
        let declaration =
            Declaration { name: Name::try_from(name.to_owned()).unwrap(), medium, timescale, bitrate_bps_max: bitrate };
        let id = self.packager.declare(declaration, self.now()).unwrap();
        let bytes = usize::try_from(i64::from(bitrate) * interval / 8_000_000).unwrap();
        self.sources.push(Source {
            id,
            name,
            video,
            timescale: i64::from(timescale),
            interval,
            next: self.time,
            silent_until: 0,
            key_interval: 0,
            last_key: self.time,
            key_at: Some(self.time),
            obeys: true,
            skew: 0,
            configured: false,
            version: 0,
            bytes,
        });
        let index = self.sources.len() - 1;
        self.introduce(index);
        if let Some(picture) = picture {
            self.configure(index, picture.width);
        } else {
            self.configure(index, 0);
        }
        index
    }

    /// Says where the clock of a source stands.
    pub(super) fn introduce(&mut self, index: usize) {
        // Decode times begin an hour before noon.
        let zero = WallTime(NOON - 3_600_000_000);
        self.input(Input::Anchored(self.sources[index].id, zero));
    }

    /// A source makes other pictures from now on, beginning with a key frame.
    pub(super) fn configure(&mut self, index: usize, width: u32) {
        let source = &mut self.sources[index];
        source.version = width;
        source.key_at = Some(self.time);
        source.configured = true;
        let codecs = if source.video { "avc1.42c01f".to_owned() } else { source.name.to_owned() };
        let picture = source.video.then_some(Picture { width, height: 720, rate_mhz: Some(30_000) });
        let init = Bytes::from(format!("init of {} at {width}", source.name));
        let id = source.id;
        self.input(Input::Configured(id, Configuration { init, codecs, picture }));
    }

    pub(super) fn now(&self) -> Instant {
        self.began + Duration::from_micros(u64::try_from(self.time).unwrap())
    }

    /// Lets time pass.
    pub(super) fn run(&mut self, millis: i64) {
        let until = self.time + millis * 1_000;
        loop {
            let sample = self.sources.iter().map(|source| source.next + source.interval + LATENCY).min();
            let timeout = self
                .packager
                .poll_timeout()
                .map(|at| i64::try_from(at.saturating_duration_since(self.began).as_micros()).unwrap());
            let next = sample.into_iter().chain(timeout).min().unwrap_or(until);
            if next > until {
                self.time = until;
                return;
            }
            self.time = self.time.max(next);
            if timeout.is_some_and(|timeout| timeout <= self.time) {
                self.input(Input::Timeout);
            }
            for index in 0..self.sources.len() {
                self.deliver(index);
            }
        }
    }

    /// The samples of a source that are due.
    fn deliver(&mut self, index: usize) {
        while self.sources[index].next + self.sources[index].interval + LATENCY <= self.time {
            let source = &mut self.sources[index];
            let start = source.next;
            source.next += source.interval;
            let due = source.key_interval > 0 && start - source.last_key >= source.key_interval;
            let sync = !source.video || due || source.key_at.is_some_and(|at| at <= start);
            if sync {
                (source.last_key, source.key_at) = (start, None);
            }
            if start < source.silent_until {
                continue;
            }
            let ticks =
                |at: i64| u64::try_from((at + source.skew + 3_600_000_000) * source.timescale / 1_000_000).unwrap();
            let (decode_time, end) = (ticks(start), ticks(source.next));
            let sample = Sample {
                decode_time,
                composition_offset: 0,
                duration: u32::try_from(end - decode_time).unwrap(),
                sync,
                data: vec![0; source.bytes].into(),
            };
            let id = source.id;
            self.input(Input::Sampled(id, sample));
        }
    }

    pub(super) fn input(&mut self, input: Input) {
        let now = self.now();
        self.packager.handle_input(input, now);
        let mut stale = Vec::new();
        while let Some(output) = self.packager.poll_output() {
            self.outputs.push(output);
            match output {
                Output::RequestKeyFrame { rendition } => {
                    let source = self.sources.iter_mut().find(|source| source.id == rendition).unwrap();
                    if source.obeys {
                        source.key_at.get_or_insert(self.time + KEY_FRAME_LATENCY);
                    }
                }
                Output::PartReady { rendition, .. } | Output::SegmentReady { rendition, .. } => stale.push(rendition),
                Output::BecomePlayable | Output::End => stale.extend(self.sources.iter().map(|source| source.id)),
            }
        }
        if self.watched && !stale.is_empty() {
            self.watch(&stale);
        }
    }

    /// Those who watch these renditions reload.
    fn watch(&mut self, stale: &[RenditionId]) {
        let now = self.now();
        for source in self.sources.iter().filter(|source| stale.contains(&source.id)) {
            let answer = self.packager.playlist(source.name, Directives::default(), now, now);
            if let Answer::Ready { body, .. } = answer {
                let epoch = self.epoch;
                let viewer =
                    self.viewers.entry(source.name.to_owned()).or_insert_with(|| Viewer::new(source.name, epoch));
                viewer.reload(&body, &self.packager, now);
            }
        }
        super::laws::across(self.viewers.values());
    }

    /// The gateway dies, and another one goes on after a while.
    pub(super) fn die(&mut self, millis: i64) {
        let Some(snapshot) = self.packager.snapshot() else { return };
        // As it lies in the store.
        let stored = rmp_serde::to_vec_named(&snapshot).unwrap();
        let snapshot: Snapshot = rmp_serde::from_slice(&stored).unwrap();
        let epoch = snapshot.epoch() + 1;
        self.time += millis * 1_000;
        let now = self.now();
        self.packager = Packager::resume(snapshot, epoch, write, WallTime(NOON + self.time), now).unwrap();
        self.epoch += 1;
        self.viewers.values_mut().for_each(|viewer| viewer.lose_media());
        for index in 0..self.sources.len() {
            let source = &mut self.sources[index];
            source.next = source.next.max(self.time - source.interval - LATENCY);
            source.key_at = Some(self.time + KEY_FRAME_LATENCY);
            self.introduce(index);
            if self.sources[index].configured {
                let width = self.sources[index].version;
                self.configure(index, width);
            }
        }
    }

    pub(super) fn text(&self, name: &str) -> String {
        match self.packager.playlist(name, Directives::default(), self.now(), self.now()) {
            Answer::Ready { body, .. } => body,
            other @ (Answer::Wait { .. } | Answer::Elsewhere | Answer::Refused { .. }) => panic!("{other:?}"),
        }
    }
}
