//! What ffmpeg encodes is recorded, finished, and read back by ffmpeg.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may fail loudly")]

mod disk;

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use disk::Disk;
use velella_cmaf::{AudioSampler, Output, Policy, VideoSampler};
use velella_ffmpeg::{Scratch, checksums, frames};
use velella_media::{Frame, MediaTime};
use velella_recording::{
    About, FileName, Input, Kind, Manifest, Movie, MovieError, MovieTrack, Recorder, Track, TrackId, media_playlist,
};

const SMALL: &str = "-f lavfi -i testsrc2=size=320x240:rate=25 -t 4 -c:v libx264 -preset ultrafast -g 25 -bf 0";
const LARGE: &str = "-f lavfi -i testsrc2=size=640x360:rate=25 -t 4 -c:v libx264 -preset ultrafast -g 25 -bf 0";
const TONE: &str = "-f lavfi -i sine=frequency=440:sample_rate=48000 -t 6 -c:a libopus";

#[test]
fn a_room_is_one_movie_in_which_everything_is_in_its_time() {
    let recorded = Recorded::new(|recording| {
        recording.video("ann-video", &frames(SMALL), 0);
        recording.sound("ann-audio", &frames(TONE), 0);
        recording.video("bob-video", &frames(LARGE), 2_500);
    });
    let movie = recorded.finish(&["ann-video", "ann-audio", "bob-video"]);
    assert_eq!(movie.starts(), ["0.000000", "0.000000", "2.500000"]);
    assert_eq!(movie.counts(), [99, recorded.samples("ann-audio"), 99]);
    assert_eq!(movie.checksums("0:0"), recorded.source_checksums(SMALL, 99));
    assert_eq!(movie.checksums("0:2"), recorded.source_checksums(LARGE, 99));
    assert!(movie.is_fast_start());
}

#[test]
fn a_track_that_changed_its_size_and_paused_plays_to_the_end() {
    let recorded = Recorded::new(|recording| {
        let (small, large) = (frames(SMALL), frames(LARGE));
        // Three seconds of nothing in between.
        recording.video_of("v", [(&small[..], 0), (&large[..], 7_000)]);
    });
    let track = recorded.track("v");
    assert_eq!((track.files.len(), track.samples_lost), (2, 0));
    let movie = recorded.finish(&["v"]);
    assert_eq!(movie.counts(), [198]);
    let times = movie.times();
    assert!((times[99] - 7.0).abs() < 0.001 && (times[197] - 7.0 - 98.0 * 0.04).abs() < 0.001, "{times:?}");
}

#[test]
fn a_playlist_plays_what_lies_there() {
    let recorded = Recorded::new(|recording| {
        recording.video("v", &frames(SMALL), 0);
        recording.sound("a", &frames(TONE), 0);
    });
    let playlist = media_playlist(&"v".parse().unwrap(), &recorded.track("v"));
    assert!(playlist.contains("#EXT-X-INDEPENDENT-SEGMENTS") && playlist.ends_with("#EXT-X-ENDLIST\n"), "{playlist}");
    assert_eq!(recorded.played("v", &playlist, "h264"), 99);
    let playlist = media_playlist(&"a".parse().unwrap(), &recorded.track("a"));
    assert_eq!(recorded.played("a", &playlist, "opus"), recorded.samples("a"));
}

#[test]
fn missing_time_of_a_playlist_is_a_gap() {
    let recorded = Recorded::new(|recording| recording.video("v", &frames(SMALL), 20_000));
    let playlist = media_playlist(&"v".parse().unwrap(), &recorded.track("v"));
    let head = "#EXTM3U\n#EXT-X-VERSION:6\n#EXT-X-PLAYLIST-TYPE:VOD\n#EXT-X-TARGETDURATION:12\n#EXT-X-MEDIA-SEQUENCE:0\n\
        #EXT-X-INDEPENDENT-SEGMENTS\n#EXTINF:12.000000,\n#EXT-X-GAP\nv.0.mp4\n#EXTINF:8.000000,\n#EXT-X-GAP\nv.0.mp4\n\
        #EXT-X-MAP:URI=\"v.0.mp4\",BYTERANGE=";
    assert!(playlist.starts_with(head), "{playlist}");
}

#[test]
fn of_nothing_there_is_no_movie() {
    let (empty, id) = (Track::default(), "v".parse::<TrackId>().unwrap());
    assert_eq!(Movie::plan(&[]), Err(MovieError::Samples(0)));
    let none = MovieTrack { id: id.clone(), track: &empty, inits: BTreeMap::new() };
    assert_eq!(Movie::plan(&[none]), Err(MovieError::Samples(0)));
    let recorded = Recorded::new(|recording| recording.video("v", &frames(SMALL), 0));
    let track = recorded.track("v");
    for init in [None, Some(Bytes::new()), Some(Bytes::from_static(&[0, 0, 0, 9]))] {
        let inits = init.into_iter().map(|init| (0, init)).collect();
        let planned = Movie::plan(&[MovieTrack { id: id.clone(), track: &track, inits }]);
        assert_eq!(planned, Err(MovieError::Init(id.clone(), 0)));
    }
}

/// A recording on its way.
struct Recording {
    recorder: Recorder,
    disk: Disk,
}

impl Recording {
    fn video(&mut self, id: &str, frames: &[Frame], begins_ms: i64) {
        self.video_of(id, [(frames, begins_ms)]);
    }

    fn video_of<'a>(&mut self, id: &str, pieces: impl IntoIterator<Item = (&'a [Frame], i64)>) {
        self.open(id, Kind::Video);
        let mut sampler = VideoSampler::new(MediaTime(0), Policy::RECORDING);
        for (frames, begins_ms) in pieces {
            for frame in at(frames, begins_ms) {
                let Frame::Video(picture) = frame else { panic!("sound") };
                sampler.handle_picture(&picture);
                self.media(id, std::iter::from_fn(|| sampler.poll_output()));
            }
        }
        sampler.finish();
        self.media(id, std::iter::from_fn(|| sampler.poll_output()));
        self.close(id);
    }

    fn sound(&mut self, id: &str, frames: &[Frame], begins_ms: i64) {
        self.open(id, Kind::Audio);
        let mut sampler = AudioSampler::new(MediaTime(0), Policy::RECORDING);
        for frame in at(frames, begins_ms) {
            let Frame::Audio(sound) = frame else { panic!("a picture") };
            sampler.handle_sound(&sound);
            self.media(id, std::iter::from_fn(|| sampler.poll_output()));
        }
        self.close(id);
    }

    fn open(&mut self, id: &str, kind: Kind) {
        self.recorder.handle_input(Input::Opened(id.parse().unwrap(), About { kind, peer: "ann".to_owned() }));
    }

    fn media(&mut self, id: &str, outputs: impl Iterator<Item = Output>) {
        outputs.for_each(|output| self.recorder.handle_input(Input::Media(id.parse().unwrap(), output)));
        self.disk.run(&mut self.recorder);
    }

    fn close(&mut self, id: &str) {
        self.recorder.handle_input(Input::Closed(id.parse().unwrap()));
        self.disk.run(&mut self.recorder);
    }
}

/// One that has ended, also as files.
struct Recorded {
    disk: Disk,
    directory: Scratch,
}

impl Recorded {
    fn new(record: impl FnOnce(&mut Recording)) -> Self {
        let manifest = Manifest { version: 1, room: "lobby".to_owned(), zero_unix_ms: 0 };
        let mut recording = Recording { recorder: Recorder::new(&manifest), disk: Disk::default() };
        record(&mut recording);
        let directory = Scratch::new(env!("CARGO_TARGET_TMPDIR"));
        for (name, bytes) in &recording.disk.files {
            std::fs::write(directory.path().join(name), bytes).unwrap();
        }
        Self { disk: recording.disk, directory }
    }

    fn track(&self, id: &str) -> Track {
        let track = self.disk.track(id);
        assert!(track.ended && track.lines_dropped == 0);
        track
    }

    fn samples(&self, id: &str) -> usize {
        self.track(id).fragments.iter().map(|fragment| fragment.sizes.len()).sum()
    }

    /// As a shell would write it.
    fn finish(&self, ids: &[&str]) -> File<'_> {
        let tracks: Vec<Track> = ids.iter().map(|id| self.track(id)).collect();
        let file = |id: &TrackId, file: u32| self.disk.bytes(&FileName::Media(id.clone(), file));
        let slice = |bytes: &[u8], from: u64, length: u64| {
            bytes[usize::try_from(from).unwrap()..usize::try_from(from + length).unwrap()].to_vec()
        };
        let movie_tracks: Vec<MovieTrack<'_>> = ids
            .iter()
            .zip(&tracks)
            .map(|(id, track)| {
                let id: TrackId = id.parse().unwrap();
                let init = |one: &velella_recording::Configured| slice(file(&id, one.file), 0, one.init_bytes).into();
                MovieTrack { inits: track.files.values().map(|one| (one.file, init(one))).collect(), id, track }
            })
            .collect();
        let movie = Movie::plan(&movie_tracks).unwrap();
        let mut bytes = movie.head.to_vec();
        for copy in &movie.copies {
            bytes.extend(slice(file(&copy.id, copy.file), copy.from, copy.bytes));
        }
        assert_eq!(u64::try_from(bytes.len()).unwrap(), movie.bytes());
        std::fs::write(self.directory.path().join("out.mp4"), bytes).unwrap();
        File { recorded: self }
    }

    /// How many frames ffmpeg decodes of a playlist.
    fn played(&self, id: &str, playlist: &str, codec: &str) -> usize {
        let name = format!("{id}.m3u8");
        std::fs::write(self.directory.path().join(&name), playlist).unwrap();
        let named = self.run("ffprobe", &format!("-v error -show_entries stream=codec_name -of csv=p=0 {name}"));
        assert_eq!(named.lines().find(|line| !line.is_empty()), Some(codec));
        checksums(self.run("ffmpeg", &format!("-v error -xerror -i {name} -f framecrc pipe:1")).as_bytes()).len()
    }

    fn source_checksums(&self, what: &str, count: usize) -> Vec<String> {
        let said = self.run("ffmpeg", &format!("-v error -nostdin {what} -f h264 in.h264 -y"));
        assert!(said.is_empty());
        let mut all = crcs_of(self, "-i in.h264");
        all.truncate(count);
        all
    }

    fn run(&self, program: &str, args: &str) -> String {
        String::from_utf8(velella_ffmpeg::run(program, args, self.directory.path())).unwrap()
    }
}

/// A finished movie.
struct File<'a> {
    recorded: &'a Recorded,
}

impl File<'_> {
    fn starts(&self) -> Vec<String> {
        self.stream_entries("start_time")
    }

    fn counts(&self) -> Vec<usize> {
        self.stream_entries("nb_frames").iter().map(|count| count.parse().unwrap()).collect()
    }

    fn stream_entries(&self, entry: &str) -> Vec<String> {
        let told = self.recorded.run("ffprobe", &format!("-v error -show_entries stream={entry} -of csv=p=0 out.mp4"));
        told.lines().map(str::to_owned).collect()
    }

    fn times(&self) -> Vec<f64> {
        let told = self.recorded.run("ffprobe", "-v error -show_entries packet=pts_time -of csv=p=0 out.mp4");
        told.lines().filter(|line| !line.is_empty()).map(|line| line.trim_end_matches(',').parse().unwrap()).collect()
    }

    fn checksums(&self, map: &str) -> Vec<String> {
        crcs_of(self.recorded, &format!("-i out.mp4 -map {map}"))
    }

    fn is_fast_start(&self) -> bool {
        let bytes = std::fs::read(self.recorded.directory.path().join("out.mp4")).unwrap();
        let at = |name: &[u8]| bytes.windows(4).position(|window| window == name);
        at(b"moov") < at(b"mdat")
    }
}

fn crcs_of(recorded: &Recorded, what: &str) -> Vec<String> {
    checksums(recorded.run("ffmpeg", &format!("-v error -xerror {what} -vsync 0 -f framecrc pipe:1")).as_bytes())
}

/// Frames from this moment on.
fn at(frames: &[Frame], begins_ms: i64) -> impl Iterator<Item = Frame> {
    let zero = frames[0].time();
    let begins = MediaTime(begins_ms * 1_000_000);
    frames.iter().cloned().map(move |frame| {
        let moved = |time: MediaTime| begins.later(time.since(zero).unwrap_or(Duration::ZERO));
        match frame {
            Frame::Video(picture) => Frame::Video(velella_media::Picture { time: moved(picture.time), ..picture }),
            Frame::Audio(sound) => Frame::Audio(velella_media::Sound { time: moved(sound.time), ..sound }),
        }
    })
}
