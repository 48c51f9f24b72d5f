//! What transcoding one stream of AAC costs: `cargo run --release -p velella-sound --example cost [seconds]`.
//!
//! Needs ffmpeg, which makes the sound. Prints the CPU time of a second of sound, which is the part of a core that a
//! live stream takes.

#![expect(clippy::print_stdout, reason = "its answer is what it prints")]

use std::process::Command;
use std::time::Instant;

use bytes::Bytes;
use velella_media::{AacConfig, AudioFormat, MediaTime, Sound};
use velella_sound::Transcoder;

const RATE_HZ: u32 = 44_100;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let seconds: u32 = std::env::args().nth(1).map_or(Ok(60), |seconds| seconds.parse())?;
    let sounds = noise(seconds)?;
    let mut transcoder = Transcoder::default();
    let begin = Instant::now();
    let (mut packets, mut bytes) = (0, 0);
    for sound in &sounds {
        transcoder.handle_sound(sound);
        while let Some(packet) = transcoder.poll_packet() {
            packets += 1;
            bytes += packet.data.len();
        }
    }
    let took = begin.elapsed();
    println!("{seconds} s of stereo AAC at {RATE_HZ} Hz into {packets} Opus packets of {bytes} bytes took {took:?}");
    println!("{:.4} of a core a stream", took.as_secs_f64() / f64::from(seconds));
    Ok(())
}

/// Pink noise, which is as hard to encode as music.
fn noise(seconds: u32) -> Result<Vec<Sound>, Box<dyn std::error::Error>> {
    let source = format!("anoisesrc=color=pink:sample_rate={RATE_HZ}:duration={seconds}:amplitude=0.3");
    let output = Command::new("ffmpeg")
        .args(["-hide_banner", "-loglevel", "error", "-nostdin", "-f", "lavfi", "-i", &source])
        .args(["-ac", "2", "-c:a", "aac", "-b:a", "128k", "-f", "adts", "pipe:1"])
        .output()?;
    let format = AudioFormat::Aac(AacConfig { object_type: 2, sample_rate_hz: RATE_HZ, channels: 2 });
    let mut rest = Bytes::from(output.stdout);
    let mut sounds = Vec::new();
    while let [_, _, _, a, b, c, _, ..] = *rest {
        // The length in the header of ADTS (ISO/IEC 13818-7, 6.2), which has 7 bytes.
        let length = usize::from(a & 3) << 11 | usize::from(b) << 3 | usize::from(c) >> 5;
        let ticks = i64::try_from(sounds.len())? * i64::from(AacConfig::FRAME_SAMPLES);
        let data = rest.split_to(length.min(rest.len())).slice(7..);
        sounds.push(Sound { format, time: MediaTime::from_ticks(ticks, RATE_HZ), data });
    }
    Ok(sounds)
}
