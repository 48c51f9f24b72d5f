//! What ffmpeg encodes goes through the samplers, and ffmpeg reads back the same.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may fail loudly")]
use bytes::Bytes;
use velella_cmaf::{AudioSampler, Configuration, Output, Policy, Sample, VideoSampler, fragment, segment_type};
use velella_ffmpeg::{Scratch, checksums, frames_of};
use velella_media::{AudioFormat, Frame, MediaTime, Picture, Sound, VideoCodec};

const PICTURE: &str = "-f lavfi -i testsrc2=size=320x240:rate=25 -t 3";
const TONE: &str = "-f lavfi -i sine=frequency=440:sample_rate=48000 -t 3";
const H264: &str = "-c:v libx264 -preset ultrafast -g 25";
const H265: &str = "-c:v libx265 -preset ultrafast -x265-params log-level=error:keyint=25:bframes=0";

#[test]
fn h264_comes_back_as_it_was() {
    let (configuration, file) = through(&format!("{PICTURE} {H264} -bf 0"), "mpegts");
    assert_eq!(configuration.codecs, "avc1.42c00d");
    assert_eq!(file.dash_codecs(), configuration.codecs);
    assert_eq!(configuration.resolution.map(|size| (size.width, size.height)), Some((320, 240)));
    assert_eq!(file.decoded(), file.source_decoded(74));
    file.expect_steps(74, 0.04);
}

#[test]
fn b_frames_are_shown_in_order() {
    let (_, file) = through(&format!("{PICTURE} {H264} -bf 2 -x264-params b-adapt=0:b-pyramid=0"), "mpegts");
    // The picture that is not told is not the last one to be shown.
    assert_eq!(file.decoded()[..72], file.source_decoded(72));
    let shown = file.packets().iter().map(|packet| packet.shown).collect::<Vec<_>>();
    assert!(shown.windows(2).any(|pair| pair[0] > pair[1]), "some are shown before one that came earlier");
    file.expect_shown(72, 0.04);
}

#[test]
fn h265_comes_back_as_it_was() {
    let (configuration, file) = through(&format!("{PICTURE} {H265}"), "mpegts");
    // Main profile and tier, level 2.0, progressive and frame only (ISO/IEC 14496-15, E.3); ffmpeg 5.1 says `hvc1` alone.
    assert_eq!(configuration.codecs, "hvc1.1.6.L60.90");
    assert_eq!(file.decoded(), file.source_decoded(74));
    file.expect_steps(74, 0.04);
}

#[test]
fn vp9_comes_back_as_it_was() {
    let (configuration, file) =
        through(&format!("{PICTURE} -c:v libvpx-vp9 -deadline realtime -cpu-used 8 -g 25"), "ivf");
    assert_eq!(configuration.codecs, "vp09.00.20.08");
    assert_eq!(file.dash_codecs(), configuration.codecs);
    assert_eq!(file.decoded(), file.source_decoded(75));
    file.expect_steps(75, 0.04);
}

#[test]
fn vp8_comes_back_as_it_was() {
    let (configuration, file) = through(&format!("{PICTURE} -c:v libvpx -deadline realtime -cpu-used 8 -g 25"), "ivf");
    assert_eq!(configuration.codecs, "vp08.00.00.08");
    assert_eq!(file.decoded(), file.source_decoded(75));
}

#[test]
fn av1_comes_back_as_it_was() {
    let (configuration, file) = through(&format!("{PICTURE} -c:v libaom-av1 -usage realtime -cpu-used 8 -g 25"), "ivf");
    assert_eq!(configuration.codecs, "av01.0.00M.08");
    assert!(file.dash_codecs().starts_with(&configuration.codecs), "{}", file.dash_codecs());
    assert_eq!(file.decoded(), file.source_decoded(75));
    file.expect_steps(75, 0.04);
}

#[test]
fn opus_comes_back_as_it_was() {
    let (configuration, file) = through(&format!("{TONE} -c:a libopus"), "mpegts");
    assert_eq!((configuration.codecs.as_str(), configuration.timescale), ("Opus", 48_000));
    assert_eq!(file.dash_codecs(), "opus");
    file.expect_steps(file.samples.len(), 0.02);
    assert!((148..=152).contains(&file.samples.len()) && file.decoded().len() == file.samples.len());
}

#[test]
fn aac_comes_back_as_it_was() {
    let (configuration, file) = through(&format!("{TONE} -c:a aac -b:a 96k"), "mpegts");
    assert_eq!((configuration.codecs.as_str(), configuration.timescale), ("mp4a.40.2", 48_000));
    assert_eq!(file.dash_codecs(), configuration.codecs);
    file.expect_steps(file.samples.len(), 1_024.0 / 48_000.0);
    assert!(file.samples.len() > 138 && file.decoded().len() == file.samples.len());
}

#[test]
fn silence_of_every_kind_decodes_to_nothing() {
    for format in [
        AudioFormat::Opus { channels: 2 },
        AudioFormat::Aac(velella_media::AacConfig { object_type: 2, sample_rate_hz: 48_000, channels: 1 }),
        AudioFormat::Aac(velella_media::AacConfig { object_type: 2, sample_rate_hz: 44_100, channels: 2 }),
    ] {
        let (data, _) = velella_cmaf::silence(format).unwrap();
        let mut sampler = AudioSampler::new(MediaTime(0), Policy::LIVE);
        sampler.handle_sound(&Sound { format, time: MediaTime(0), data });
        sampler.handle_time(MediaTime(2_000_000_000));
        let (_, file) = written(Bytes::new(), std::iter::from_fn(|| sampler.poll_output()), "silence");
        assert!(file.samples.len() >= 85, "{format:?}");
        let loudest = file.ffmpeg("-map 0 -f s16le pipe:1");
        assert!(loudest.len() > 150_000 && loudest.iter().all(|byte| *byte == 0), "{format:?}");
    }
}

/// What ffmpeg encodes, through a sampler and into a file.
fn through(what: &str, container: &str) -> (Configuration, File) {
    let source = velella_ffmpeg::written(what, container);
    let frames = if container == "ivf" { frames_of_ivf(&source) } else { frames_of(&source) };
    let mut outputs = Vec::new();
    let zero = frames[0].time();
    let (mut video, mut audio) = (VideoSampler::new(zero, Policy::LIVE), AudioSampler::new(zero, Policy::LIVE));
    for frame in &frames {
        match frame {
            Frame::Video(picture) => video.handle_picture(picture),
            Frame::Audio(sound) => audio.handle_sound(sound),
        }
        outputs.extend(std::iter::from_fn(|| video.poll_output()));
        outputs.extend(std::iter::from_fn(|| audio.poll_output()));
    }
    video.finish();
    outputs.extend(std::iter::from_fn(|| video.poll_output()));
    written(source.into(), outputs.into_iter(), container)
}

/// One configuration and samples of a second per fragment.
fn written(source: Bytes, outputs: impl Iterator<Item = Output>, container: &str) -> (Configuration, File) {
    let mut outputs = outputs;
    let Some(Output::Configured(configuration)) = outputs.next() else { panic!("samples before their configuration") };
    let samples: Vec<Sample> =
        outputs.map(|output| if let Output::Sample(sample) = output { sample } else { panic!("{output:?}") }).collect();
    let mut bytes = configuration.init.to_vec();
    let second = |sample: &Sample| sample.decode_time / u64::from(configuration.timescale);
    for (at, samples) in samples.chunk_by(|one, other| second(one) == second(other)).enumerate() {
        bytes.extend(segment_type(true));
        bytes.extend(fragment(samples, u32::try_from(at).unwrap() + 1, samples[0].decode_time).unwrap());
    }
    let directory = Scratch::new(env!("CARGO_TARGET_TMPDIR"));
    std::fs::write(directory.path().join("out.mp4"), bytes).unwrap();
    std::fs::write(directory.path().join("in"), source).unwrap();
    let format = if container == "ivf" { "ivf" } else { "mpegts" };
    (configuration, File { directory, samples, format })
}

struct File {
    directory: Scratch,
    samples: Vec<Sample>,
    format: &'static str,
}

struct Packet {
    shown: f64,
    decoded: f64,
    /// Of some codecs ffprobe does not say it.
    lasts: Option<f64>,
}

impl File {
    /// Packets follow each other in equal steps, shown as they are decoded.
    fn expect_steps(&self, count: usize, step: f64) {
        let packets = self.packets();
        assert_eq!((packets.len(), self.samples.len()), (count, count));
        for (at, packet) in packets.iter().enumerate() {
            let expected = step * f64::from(u32::try_from(at).unwrap());
            assert!((packet.shown - expected).abs() < 0.0005, "{at} is shown at {}", packet.shown);
            assert!((packet.decoded - packet.shown).abs() < 0.0005);
            assert!(packet.lasts.is_none_or(|lasts| (lasts - step).abs() < 0.0005));
        }
    }

    /// Something is shown at each step, from the beginning on.
    fn expect_shown(&self, count: usize, step: f64) {
        let mut shown: Vec<f64> = self.packets().iter().map(|packet| packet.shown).collect();
        shown.sort_by(f64::total_cmp);
        shown.truncate(count);
        let off = |(at, shown): (u32, &f64)| (shown - step * f64::from(at)).abs();
        assert!((0..).zip(&shown).all(|shown| off(shown) < 0.0005), "{shown:?}");
    }

    fn packets(&self) -> Vec<Packet> {
        let args = "-v error -show_entries packet=pts_time,dts_time,duration_time -of csv=p=0 out.mp4";
        let text = self.run("ffprobe", args);
        let line = |line: &str| {
            let mut numbers = line.split(',').map(|number| number.parse().ok());
            let mut next = || numbers.next().unwrap();
            Packet { shown: next().unwrap(), decoded: next().unwrap(), lasts: next() }
        };
        // Side data leaves lines empty.
        String::from_utf8(text).unwrap().lines().filter(|line| !line.is_empty()).map(line).collect()
    }

    /// Checksums of all that is decoded. Any error of the decoder fails.
    fn decoded(&self) -> Vec<String> {
        checksums(&self.ffmpeg("-f framecrc pipe:1"))
    }

    /// Those of what went in; of a transport stream the last picture is not told by its demuxer.
    fn source_decoded(&self, count: usize) -> Vec<String> {
        let mut all = checksums(&self.run("ffmpeg", &format!("-v error -f {} -i in -f framecrc pipe:1", self.format)));
        all.truncate(count);
        all
    }

    fn ffmpeg(&self, args: &str) -> Vec<u8> {
        self.run("ffmpeg", &format!("-v error -xerror -i out.mp4 {args}"))
    }

    /// What ffmpeg says of the codec when it makes a DASH manifest.
    fn dash_codecs(&self) -> String {
        self.ffmpeg("-c copy -f dash out.mpd");
        let manifest = std::fs::read_to_string(self.directory.path().join("out.mpd")).unwrap();
        manifest.split("codecs=\"").nth(1).unwrap().split('"').next().unwrap().to_owned()
    }

    fn run(&self, program: &str, args: &str) -> Vec<u8> {
        velella_ffmpeg::run(program, args, self.directory.path())
    }
}

/// IVF: a head of 32 bytes, and before each frame its length and its time, whose unit the head tells.
fn frames_of_ivf(stream: &[u8]) -> Vec<Frame> {
    let number = |at: usize| u32::from_le_bytes(stream[at..at + 4].try_into().unwrap());
    let codec = match &stream[8..12] {
        b"VP80" => VideoCodec::Vp8,
        b"VP90" => VideoCodec::Vp9,
        _ => VideoCodec::Av1,
    };
    let (rate, mut at, mut frames) = (number(16), 32, Vec::new());
    while at < stream.len() {
        let length = usize::try_from(number(at)).unwrap();
        let data = Bytes::copy_from_slice(&stream[at + 12..at + 12 + length]);
        let keyframe = match codec {
            VideoCodec::Vp8 => data[0] & 1 == 0,
            // Frame marker, profile 0, not shown again, key frame.
            VideoCodec::Vp9 => data[0] & 0b1111_1100 == 0b1000_0000,
            // Behind the temporal delimiter, a sequence header.
            VideoCodec::Av1 | VideoCodec::H264 | VideoCodec::H265 => data[2] >> 3 == 1,
        };
        let time = MediaTime::from_ticks(i64::from(number(at + 4)), rate);
        frames.push(Frame::Video(Picture { codec, time, keyframe, reordered: false, data }));
        at += 12 + length;
    }
    frames
}
