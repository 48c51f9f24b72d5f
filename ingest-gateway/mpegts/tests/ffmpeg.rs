//! Streams that ffmpeg writes, as they are and bent.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may fail loudly")]

use std::io::Write;
use std::process::{Command, Stdio};
use std::time::Duration;

use velella_media::{AacConfig, AudioFormat, Frame, MediaTime, Picture, Sound, VideoCodec};
use velella_mpegts::{Demuxer, Event, Medium, Output};

const PICTURE: &str = "-f lavfi -i testsrc2=size=320x240:rate=25";
const TONE: &str = "-f lavfi -i sine=frequency=440:sample_rate=44100";
/// Three seconds, with a key frame each second.
const H264: &str = "-t 3 -c:v libx264 -preset ultrafast -tune zerolatency -g 25";
const H265: &str = "-t 3 -c:v libx265 -preset ultrafast -tune zerolatency -x265-params log-level=error:keyint=25";
const AAC: &str = "-t 3 -c:a aac -b:a 96k";
/// What the peer sends at once over SRT.
const MESSAGE_BYTES: usize = 7 * 188;

#[test]
fn pictures_and_sound_come_whole_and_in_time() {
    let demuxed = demux(&encoded(&format!("{PICTURE} {TONE} {H264} {AAC}")));
    let aac = AudioFormat::Aac(AacConfig { object_type: 2, sample_rate_hz: 44_100, channels: 1 });
    assert_eq!(demuxed.events, [Event::Video(VideoCodec::H264), Event::Audio(aac)]);
    let pictures = demuxed.pictures();
    // The last one ends with the stream, which nothing says.
    assert_eq!(pictures.len(), 74);
    assert!(pictures[0].keyframe && pictures.iter().all(|picture| !picture.reordered));
    assert_eq!(pictures.iter().filter(|picture| picture.keyframe).count(), 3);
    assert!(pictures.windows(2).all(|pair| pair[1].time.since(pair[0].time) == Some(Duration::from_millis(40))));
    let sounds = demuxed.sounds();
    let length = sounds.last().and_then(|last| last.time.since(sounds[0].time)).unwrap();
    assert!((2.95..3.05).contains(&length.as_secs_f64()), "{length:?} of sound");
    let apart = pictures[0].time.0 - sounds[0].time.0;
    assert!(apart.abs() < 60_000_000, "{apart} ns between the first picture and the first sound");
    // From a single key frame on, everything decodes.
    assert_eq!((decoded("h264", &pictures), decoded("h264", &pictures[25..])), (74, 49));
}

#[test]
fn h265_and_opus_come_as_well() {
    let demuxed = demux(&encoded(&format!("{PICTURE} {TONE} {H265} -t 3 -c:a libopus")));
    assert_eq!(demuxed.events, [Event::Video(VideoCodec::H265), Event::Audio(AudioFormat::Opus { channels: 1 })]);
    let (pictures, sounds) = (demuxed.pictures(), demuxed.sounds());
    assert_eq!((pictures.len(), decoded("hevc", &pictures)), (74, 74));
    assert!((148..=152).contains(&sounds.len()), "{} packets of 20 ms", sounds.len());
    assert!(sounds.windows(2).all(|pair| pair[1].time.since(pair[0].time) >= Some(Duration::from_millis(15))));
}

#[test]
fn b_frames_are_marked() {
    let demuxed = demux(&encoded(&format!("{PICTURE} -t 1 -c:v libx264 -preset ultrafast -bf 2")));
    let first = demuxed.pictures().iter().position(|picture| picture.reordered).expect("some are");
    assert!(first < 4, "the first one is the {first}th");
}

#[test]
fn losses_cost_what_they_hit() {
    let mut stream = encoded(&format!("{PICTURE} {TONE} {H264} {AAC}"));
    let whole = demux(&stream).pictures().len();
    // One packet, and a piece that ends in the middle of one.
    let middle = stream.len() / 2 / 188 * 188;
    stream.drain(middle..middle + 188);
    stream.drain(middle + 40 * 188..middle + 41 * 188 + 50);
    let demuxed = demux(&stream);
    let lost = demuxed.events.iter().filter(|event| matches!(event, Event::Lost(_))).count();
    assert!((1..=3).contains(&lost), "{lost} losses were told");
    let left = demuxed.pictures().len();
    let hit = demuxed.events.iter().filter(|event| **event == Event::Lost(Medium::Video)).count();
    assert!(left < whole && left + 1 + hit >= whole, "{left} of {whole} pictures are left after {hit} losses");
}

#[test]
fn a_stream_is_joined_anywhere() {
    let stream = encoded(&format!("{PICTURE} {TONE} {H264} {AAC}"));
    let joined = demux(&stream[stream.len() / 3 + 77..]);
    let pictures = joined.pictures();
    let first_key = pictures.iter().position(|picture| picture.keyframe).expect("there is a key frame");
    assert!(pictures.len() > 40);
    assert_eq!(decoded("h264", &pictures[first_key..]), pictures.len() - first_key);
}

fn encoded(what: &str) -> Vec<u8> {
    let output = Command::new("ffmpeg")
        .args("-hide_banner -loglevel error -nostdin".split(' '))
        .args(what.split(' '))
        .args("-f mpegts pipe:1".split(' '))
        .output()
        .expect("ffmpeg is installed");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

struct Demuxed {
    frames: Vec<Frame>,
    events: Vec<Event>,
}

fn demux(stream: &[u8]) -> Demuxed {
    let mut demuxer = Demuxer::new();
    let (mut frames, mut events) = (Vec::new(), Vec::new());
    for message in stream.chunks(MESSAGE_BYTES) {
        demuxer.handle_bytes(message);
        while let Some(output) = demuxer.poll_output() {
            match output {
                Output::Frame(frame) => frames.push(frame),
                Output::Event(event) => events.push(event),
            }
        }
    }
    Demuxed { frames, events }
}

impl Demuxed {
    fn pictures(&self) -> Vec<&Picture> {
        let frames = self.frames.iter();
        frames.filter_map(|frame| if let Frame::Video(picture) = frame { Some(picture) } else { None }).collect()
    }

    fn sounds(&self) -> Vec<&Sound> {
        let frames = self.frames.iter();
        let sounds: Vec<_> =
            frames.filter_map(|frame| if let Frame::Audio(sound) = frame { Some(sound) } else { None }).collect();
        assert!(sounds.windows(2).all(|pair| pair[0].time < pair[1].time && pair[0].time >= MediaTime(0)));
        sounds
    }
}

/// How many pictures ffmpeg decodes of these, which all have to be sound.
fn decoded(format: &str, pictures: &[&Picture]) -> usize {
    let mut decoder = Command::new("ffmpeg")
        .args("-hide_banner -loglevel error -xerror -f".split(' '))
        .args([format, "-i", "pipe:0", "-f", "framecrc", "pipe:1"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let stream = pictures.iter().flat_map(|picture| picture.data.to_vec()).collect::<Vec<_>>();
    let mut input = decoder.stdin.take().unwrap();
    // framecrc writes a line a picture, which the pipe holds; so everything can be written first.
    input.write_all(&stream).unwrap();
    drop(input);
    let output = decoder.wait_with_output().unwrap();
    assert!(output.status.success());
    String::from_utf8(output.stdout).unwrap().lines().filter(|line| !line.starts_with('#')).count()
}
