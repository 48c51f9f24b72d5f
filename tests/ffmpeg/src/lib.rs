//! ffmpeg as an encoder and as a judge, for tests.
//!
//! What goes wrong here is a broken test bench, so everything panics with what ffmpeg said.

#![warn(missing_docs)]

mod scratch;

use std::io::Write;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::Instant;

use velella_media::{Frame, MediaTime, Picture, Sound, VideoCodec};
use velella_mpegts::Demuxer;

pub use scratch::Scratch;

/// Pictures that move.
pub const PICTURE: &str = "-f lavfi -i testsrc2=size=320x240:rate=25";
/// A tone.
pub const TONE: &str = "-f lavfi -i sine=frequency=440:sample_rate=44100";
/// A key frame each second, and none that is shown before an earlier one.
pub const H264: &str = "-c:v libx264 -preset ultrafast -tune zerolatency -g 25 -pix_fmt yuv420p";
/// The same.
pub const H265: &str = "-c:v libx265 -preset ultrafast -tune zerolatency -x265-params log-level=error:keyint=25";
/// Sound as most encoders send it.
pub const AAC: &str = "-c:a aac -b:a 96k";

/// ffmpeg with these words, which says nothing but what went wrong.
#[must_use]
pub fn command(what: &str) -> Command {
    let mut command = Command::new("ffmpeg");
    command.args("-hide_banner -loglevel error -nostdin".split(' ')).args(what.split(' '));
    command
}

/// What it writes in this format.
#[must_use]
pub fn written(what: &str, format: &str) -> Vec<u8> {
    output(command(what).args(["-f", format, "pipe:1"]), &[]).stdout
}

/// What it encodes, as frames; of video the last picture is not told by the demultiplexer.
#[must_use]
pub fn frames(what: &str) -> Vec<Frame> {
    frames_of(&written(what, "mpegts"))
}

/// The frames of a transport stream.
#[must_use]
pub fn frames_of(stream: &[u8]) -> Vec<Frame> {
    let mut demuxer = Demuxer::new();
    demuxer.handle_bytes(stream, Instant::now());
    std::iter::from_fn(|| demuxer.poll_output())
        .filter_map(|output| if let velella_mpegts::Output::Frame(frame) = output { Some(frame) } else { None })
        .collect()
}

/// What `ffmpeg` or `ffprobe` prints. It has to succeed, and to complain of nothing.
#[must_use]
pub fn run(program: &str, args: &str, directory: &Path) -> Vec<u8> {
    let output = Command::new(program).args(args.split(' ')).current_dir(directory).output();
    let output = output.expect("ffmpeg is installed");
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && told.is_empty(), "{program} {args}: {told}");
    output.stdout
}

/// Checksums in what the muxer `framecrc` prints: the last column of each line.
#[must_use]
pub fn checksums(framecrc: &[u8]) -> Vec<String> {
    let text = String::from_utf8_lossy(framecrc);
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    lines.filter_map(|line| Some(line.rsplit(',').next()?.trim().to_owned())).collect()
}

/// How many pictures it decodes of these, which all have to be sound.
#[must_use]
pub fn decoded(pictures: &[&Picture]) -> usize {
    let format = match pictures.first().map(|picture| picture.codec) {
        Some(VideoCodec::H264) => "h264",
        Some(VideoCodec::H265) => "hevc",
        Some(VideoCodec::Vp8 | VideoCodec::Vp9 | VideoCodec::Av1) => panic!("a stream of these needs a container"),
        None => return 0,
    };
    let stream = pictures.iter().flat_map(|picture| picture.data.to_vec()).collect::<Vec<_>>();
    let mut command = Command::new("ffmpeg");
    command.args("-hide_banner -loglevel error -xerror -f".split(' '));
    command.args([format, "-i", "pipe:0", "-f", "framecrc", "pipe:1"]);
    // A line for each picture, which the pipe holds; so everything can be written first.
    let lines = String::from_utf8_lossy(&output(&mut command, &stream).stdout).into_owned();
    lines.lines().filter(|line| !line.starts_with('#')).count()
}

fn output(command: &mut Command, input: &[u8]) -> Output {
    let ffmpeg = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    let mut ffmpeg = ffmpeg.expect("ffmpeg is installed");
    let written = ffmpeg.stdin.take().map(|mut stdin| stdin.write_all(input));
    let output = ffmpeg.wait_with_output().expect("ffmpeg was started here");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(matches!(written, Some(Ok(()))), "ffmpeg reads all of it: {written:?}");
    output
}

/// The pictures of frames.
#[must_use]
pub fn pictures(frames: &[Frame]) -> Vec<&Picture> {
    frames.iter().filter_map(|frame| if let Frame::Video(picture) = frame { Some(picture) } else { None }).collect()
}

/// The sounds of frames, which have to come one after another.
#[must_use]
pub fn sounds(frames: &[Frame]) -> Vec<&Sound> {
    let sounds = frames.iter().filter_map(|frame| if let Frame::Audio(sound) = frame { Some(sound) } else { None });
    let sounds: Vec<_> = sounds.collect();
    assert!(sounds.is_sorted_by(|a, b| a.time < b.time) && sounds.iter().all(|sound| sound.time >= MediaTime(0)));
    sounds
}
