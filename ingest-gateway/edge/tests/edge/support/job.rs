//! A job: two renditions of sound, packaged as time passes, and the questions that edges ask.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use velella_cmaf::{Configuration as Decoded, silence};
use velella_edge::{Asked, Question};
use velella_hls::{
    Configuration, Declaration, Directives, Input, KeyFrames, Medium, Name, Packager, RenditionId, Sample, Settings,
    WallTime, Window,
};
use velella_media::AudioFormat;

/// Of a frame of sound, and how often the job looks at the clock.
const FRAME: Duration = Duration::from_millis(20);
const FRAME_TICKS: u32 = 960;
const OPUS: AudioFormat = AudioFormat::Opus { channels: 2 };

/// A job that runs until it is dropped.
pub(crate) struct Job {
    pub(crate) questions: mpsc::Sender<Question>,
    pub(crate) seen: Arc<Mutex<Vec<(String, Directives)>>>,
    task: JoinHandle<()>,
}

impl Job {
    /// Of a stream that has been there for a while, in a folder of this name.
    pub(crate) fn begin(epoch: u32, past: Duration) -> Self {
        let (questions, asked) = mpsc::channel(64);
        let seen = Arc::default();
        let task = tokio::spawn(run(Stream::new(epoch, past), asked, Arc::clone(&seen)));
        Self { questions, seen, task }
    }

    /// How often an object was asked for.
    pub(crate) fn asked(&self, path: &str, directives: Directives) -> usize {
        let seen = self.seen.lock().unwrap();
        seen.iter().filter(|(seen, demanded)| seen == path && *demanded == directives).count()
    }
}

impl Drop for Job {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn run(mut stream: Stream, mut asked: mpsc::Receiver<Question>, seen: Arc<Mutex<Vec<(String, Directives)>>>) {
    let mut waiting: Vec<Question> = Vec::new();
    let mut frames = tokio::time::interval(FRAME);
    loop {
        tokio::select! {
            _ = frames.tick() => {
                stream.go_on(Instant::now());
                waiting = waiting.into_iter().filter_map(|question| stream.put(question)).collect();
            }
            Some(question) = asked.recv() => {
                seen.lock().unwrap().push((question.path.clone(), question.directives));
                waiting.extend(stream.put(question));
            }
        }
    }
}

struct Stream {
    packager: Packager,
    renditions: Vec<RenditionId>,
    at: Instant,
    decode_time: u64,
    frame: Bytes,
}

impl Stream {
    fn new(epoch: u32, past: Duration) -> Self {
        let settings = Settings {
            target_duration: Duration::from_secs(1),
            part_target: Duration::from_millis(200),
            low_latency: true,
            window: Window::Sliding(Duration::from_secs(3)),
            key_frames: KeyFrames::OnRequest,
            bytes_max: 64 << 20,
        };
        let at = Instant::now() - past;
        let zero = SystemTime::now().duration_since(UNIX_EPOCH).unwrap() - past;
        let mut packager = Packager::new(settings, epoch, write).unwrap();
        let renditions = ["one", "two"].map(|title| {
            let name = || Name::try_from(title.to_owned()).unwrap();
            let medium = Medium::Audio { group: name(), title: title.into(), channels: 2 };
            let declaration = Declaration { name: name(), medium, timescale: 48_000, bitrate_bps_max: 64_000 };
            let id = packager.declare(declaration, at).unwrap();
            let Decoded { init, codecs, .. } = Decoded::of_sound(OPUS).unwrap();
            let anchor = WallTime(i64::try_from(zero.as_micros()).unwrap());
            packager.handle_input(Input::Configured(id, Configuration { init, codecs, picture: None }), at);
            packager.handle_input(Input::Anchored(id, anchor), at);
            id
        });
        let frame = silence(OPUS).unwrap().0;
        let mut stream = Self { packager, renditions: renditions.to_vec(), at, decode_time: 0, frame };
        stream.go_on(Instant::now());
        stream
    }

    fn go_on(&mut self, until: Instant) {
        while self.at + FRAME <= until {
            self.at += FRAME;
            self.packager.handle_input(Input::Timeout, self.at);
            for id in &self.renditions {
                let sample = Sample {
                    decode_time: self.decode_time,
                    composition_offset: 0,
                    duration: FRAME_TICKS,
                    sync: true,
                    data: self.frame.clone(),
                };
                self.packager.handle_input(Input::Sampled(*id, sample), self.at);
            }
            self.decode_time += u64::from(FRAME_TICKS);
            while self.packager.poll_output().is_some() {}
        }
    }

    /// The question again, if it has no answer yet.
    fn put(&self, question: Question) -> Option<Question> {
        match question.put(&self.packager, Instant::now()) {
            Asked::Waits { question, .. } => Some(question).filter(|question| !question.is_forgotten()),
            Asked::Answered => None,
            Asked::Elsewhere(_) => panic!("nothing was given to anybody else"),
        }
    }
}

fn write(samples: &[Sample], number: u32, decode_time: u64) -> Option<Bytes> {
    let sample = |sample: &Sample| velella_cmaf::Sample {
        decode_time: sample.decode_time,
        composition_offset: sample.composition_offset,
        duration: sample.duration,
        sync: sample.sync,
        data: sample.data.clone(),
    };
    let samples: Vec<_> = samples.iter().map(sample).collect();
    velella_cmaf::fragment(&samples, number, decode_time).ok()
}
