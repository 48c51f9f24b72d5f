//! Streams that ffmpeg writes, as they are and bent.

#![expect(clippy::disallowed_methods, reason = "tests need some instant to count from")]

use std::time::{Duration, Instant};

use velella_ffmpeg::{AAC, H264, H265, PICTURE, TONE, decoded, pictures, sounds, written};
use velella_media::{AacConfig, AudioFormat, Frame, Medium, VideoCodec};
use velella_mpegts::{Demuxer, Event, Output};

/// Three seconds.
const SHORT: &str = "-t 3";
/// What the peer sends at once over SRT.
const MESSAGE_BYTES: usize = 7 * 188;

#[test]
fn pictures_and_sound_come_whole_and_in_time() {
    let demuxed = demux(&encoded(&format!("{PICTURE} {TONE} {H264} {AAC} {SHORT}")));
    let aac = AudioFormat::Aac(AacConfig { object_type: 2, sample_rate_hz: 44_100, channels: 1 });
    assert_eq!(demuxed.events, [Event::Video(VideoCodec::H264), Event::Audio(aac)]);
    let pictures = pictures(&demuxed.frames);
    // The last one ends with the stream, which nothing says.
    assert_eq!(pictures.len(), 74);
    assert!(pictures[0].keyframe && pictures.iter().all(|picture| !picture.reordered));
    assert_eq!(pictures.iter().filter(|picture| picture.keyframe).count(), 3);
    assert!(pictures.windows(2).all(|pair| pair[1].time.since(pair[0].time) == Some(Duration::from_millis(40))));
    let sounds = sounds(&demuxed.frames);
    let length = sounds.last().and_then(|last| last.time.since(sounds[0].time)).unwrap();
    assert!((2.95..3.05).contains(&length.as_secs_f64()), "{length:?} of sound");
    let apart = pictures[0].time.0 - sounds[0].time.0;
    assert!(apart.abs() < 60_000_000, "{apart} ns between the first picture and the first sound");
    // From a single key frame on, everything decodes.
    assert_eq!((decoded(&pictures), decoded(&pictures[25..])), (74, 49));
}

#[test]
fn h265_and_opus_come_as_well() {
    let demuxed = demux(&encoded(&format!("{PICTURE} {TONE} {H265} {SHORT} -c:a libopus")));
    assert_eq!(demuxed.events, [Event::Video(VideoCodec::H265), Event::Audio(AudioFormat::Opus { channels: 1 })]);
    let (pictures, sounds) = (pictures(&demuxed.frames), sounds(&demuxed.frames));
    assert_eq!((pictures.len(), decoded(&pictures)), (74, 74));
    assert!((148..=152).contains(&sounds.len()), "{} packets of 20 ms", sounds.len());
    assert!(sounds.windows(2).all(|pair| pair[1].time.since(pair[0].time) >= Some(Duration::from_millis(15))));
}

#[test]
fn b_frames_are_marked() {
    let demuxed = demux(&encoded(&format!("{PICTURE} -t 1 -c:v libx264 -preset ultrafast -bf 2")));
    let first = pictures(&demuxed.frames).iter().position(|picture| picture.reordered).expect("some are");
    assert!(first < 4, "the first one is the {first}th");
}

#[test]
fn losses_cost_what_they_hit() {
    let mut stream = encoded(&format!("{PICTURE} {TONE} {H264} {AAC} {SHORT}"));
    let whole = pictures(&demux(&stream).frames).len();
    // One packet, and a piece that ends in the middle of one.
    let middle = stream.len() / 2 / 188 * 188;
    stream.drain(middle..middle + 188);
    stream.drain(middle + 40 * 188..middle + 41 * 188 + 50);
    let demuxed = demux(&stream);
    let lost = demuxed.events.iter().filter(|event| matches!(event, Event::Lost(_))).count();
    assert!((1..=3).contains(&lost), "{lost} losses were told");
    let left = pictures(&demuxed.frames).len();
    let hit = demuxed.events.iter().filter(|event| **event == Event::Lost(Medium::Video)).count();
    assert!(left < whole && left + 1 + hit >= whole, "{left} of {whole} pictures are left after {hit} losses");
}

#[test]
fn a_stream_is_joined_anywhere() {
    let stream = encoded(&format!("{PICTURE} {TONE} {H264} {AAC} {SHORT}"));
    let joined = demux(&stream[stream.len() / 3 + 77..]);
    let pictures = pictures(&joined.frames);
    let first_key = pictures.iter().position(|picture| picture.keyframe).expect("there is a key frame");
    assert!(pictures.len() > 40);
    assert_eq!(decoded(&pictures[first_key..]), pictures.len() - first_key);
}

fn encoded(what: &str) -> Vec<u8> {
    written(what, "mpegts")
}

struct Demuxed {
    frames: Vec<Frame>,
    events: Vec<Event>,
}

fn demux(stream: &[u8]) -> Demuxed {
    let (mut demuxer, now) = (Demuxer::new(), Instant::now());
    let (mut frames, mut events) = (Vec::new(), Vec::new());
    for message in stream.chunks(MESSAGE_BYTES) {
        demuxer.handle_bytes(message, now);
        while let Some(output) = demuxer.poll_output() {
            match output {
                Output::Frame(frame) => frames.push(frame),
                Output::Event(event) => events.push(event),
            }
        }
    }
    Demuxed { frames, events }
}
