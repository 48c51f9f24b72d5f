//! A room to record: what ffmpeg encodes, or bytes that only look like media.

use std::path::Path;
use std::sync::LazyLock;
use std::time::Duration;

use bytes::Bytes;
use velella_archive::{Archive, Products, Progress, Take};
use velella_cmaf::{AudioSampler, Configuration, Output, Policy, Sample, VideoSampler};
use velella_ffmpeg::{Scratch, checksums, frames, run};
use velella_media::{AudioFormat, Frame, MediaTime};
use velella_recording::{About, FileName, Kind, Manifest, RecordingId, SpaceLimits, TrackId};

/// Four seconds, a key frame each second.
pub(crate) static CLIP: LazyLock<Vec<Frame>> = LazyLock::new(|| {
    frames(
        "-f lavfi -i testsrc2=size=320x240:rate=25 -f lavfi -i sine=sample_rate=48000 -t 4 -c:v libx264 \
         -preset ultrafast -tune zerolatency -g 25 -pix_fmt yuv420p -c:a libopus",
    )
});
/// Of those, the demultiplexer tells so many pictures.
pub(crate) const PICTURES: usize = 99;

pub(crate) const MOVIE: Products = Products { movie: true, track_movies: false, playlists: false };
/// A disk of a developer may be fuller than one of a server.
pub(crate) const NO_LIMITS: SpaceLimits = SpaceLimits { free_min: 0, free_to_begin: 0 };

pub(crate) fn scratch() -> Scratch {
    Scratch::new(env!("CARGO_TARGET_TMPDIR"))
}

pub(crate) async fn open(directory: &Path, products: Products) -> Archive {
    Archive::open(directory, products, NO_LIMITS).await.unwrap().0
}

pub(crate) fn id(name: &str) -> RecordingId {
    name.parse().unwrap()
}

pub(crate) fn track(name: &str) -> TrackId {
    name.parse().unwrap()
}

pub(crate) fn manifest() -> Manifest {
    Manifest { version: 1, room: "lobby".to_owned(), zero_unix_ms: 1_700_000_000_000 }
}

pub(crate) fn about(kind: Kind) -> About {
    About { kind, peer: "ann".to_owned() }
}

pub(crate) async fn begin(archive: &Archive, name: &str) -> Take {
    archive.begin(id(name), manifest()).await.unwrap()
}

/// Ann, who is seen and heard. The clip again and again.
pub(crate) struct Ann {
    pub(crate) take: Take,
    video: VideoSampler,
    audio: AudioSampler,
    clips: u32,
}

impl Ann {
    pub(crate) fn new(mut take: Take) -> Self {
        take.open(track("ann-video"), about(Kind::Video));
        take.open(track("ann-audio"), about(Kind::Audio));
        let zero = CLIP.iter().map(Frame::time).min().unwrap();
        let (video, audio) = (VideoSampler::new(zero, Policy::RECORDING), AudioSampler::new(zero, Policy::RECORDING));
        Self { take, video, audio, clips: 0 }
    }

    pub(crate) fn clip(&mut self) {
        let later = |time: MediaTime| time.later(Duration::from_secs(4) * self.clips);
        for frame in CLIP.iter().cloned() {
            match frame {
                Frame::Video(mut picture) => {
                    picture.time = later(picture.time);
                    self.video.handle_picture(&picture);
                }
                Frame::Audio(mut sound) => {
                    sound.time = later(sound.time);
                    self.audio.handle_sound(&sound);
                }
            }
            while let Some(output) = self.video.poll_output() {
                self.take.media(track("ann-video"), output);
            }
            while let Some(output) = self.audio.poll_output() {
                self.take.media(track("ann-audio"), output);
            }
        }
        self.clips += 1;
    }

    pub(crate) async fn end(mut self) {
        self.video.finish();
        while let Some(output) = self.video.poll_output() {
            self.take.media(track("ann-video"), output);
        }
        self.take.end().await;
    }
}

/// A second that looks like sound, of so many bytes.
pub(crate) fn second(number: u64, bytes: usize) -> Output {
    let (from, fill) = (number * 48_000, u8::try_from(number % 251).unwrap());
    let data = Bytes::from(vec![fill; bytes]);
    Output::Sample(Sample { decode_time: from, composition_offset: 0, duration: 48_000, sync: true, data })
}

/// A take whose only track is ready for [`second`].
pub(crate) fn with_noise(mut take: Take) -> Take {
    take.open(track("noise"), about(Kind::Audio));
    let configuration = Configuration::of_sound(AudioFormat::Opus { channels: 2 }).unwrap();
    take.media(track("noise"), Output::Configured(configuration));
    take
}

/// A finished recording of so many seconds with so many bytes each.
pub(crate) async fn finished(archive: &Archive, name: &str, seconds: u64, bytes: usize) -> RecordingId {
    let mut take = with_noise(begin(archive, name).await);
    (0..seconds).for_each(|number| take.media(track("noise"), second(number, bytes)));
    take.end().await;
    archive.finish(&id(name), &Progress::default()).await.unwrap();
    id(name)
}

/// Checksums of what ffmpeg decodes; it must not complain.
pub(crate) fn decoded(file: &Path, map: &str) -> Vec<String> {
    let (directory, name) = (file.parent().unwrap(), file.file_name().unwrap().to_str().unwrap());
    let args = format!("-v error -xerror -i {name} -map {map} -vsync 0 -f framecrc pipe:1");
    checksums(&run("ffmpeg", &args, directory))
}

pub(crate) fn movie(archive: &Archive, name: &str) -> std::path::PathBuf {
    archive.path(&id(name), &FileName::Movie)
}

/// When packets of one stream are to be seen or heard, in seconds, whatever is in them.
pub(crate) fn times(file: &Path, stream: &str) -> Vec<f64> {
    let told = entries(file, &format!("packet=pts_time -select_streams {stream} -v quiet"));
    told.iter().map(|time| time.parse().unwrap()).collect()
}

pub(crate) fn entries(file: &Path, entries: &str) -> Vec<String> {
    let args = format!("-v error -show_entries {entries} -of csv=p=0 {}", file.file_name().unwrap().to_str().unwrap());
    let said = String::from_utf8(run("ffprobe", &args, file.parent().unwrap())).unwrap();
    said.lines().filter(|line| !line.is_empty()).map(|line| line.trim_end_matches(',').to_owned()).collect()
}

/// Until something is so, which takes moments.
pub(crate) async fn until(what: &str, mut is_so: impl AsyncFnMut() -> bool) {
    let patience = tokio::time::Instant::now() + Duration::from_secs(20);
    while !is_so().await {
        assert!(tokio::time::Instant::now() < patience, "never: {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
