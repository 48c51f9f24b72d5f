//! The program that transcodes: which one, whether it can, and how it is called.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::Context;
use tokio::io::AsyncWriteExt;
use tokio::process::Command;
use velella_gateway_core::{Encoding, TRANSCODER_HZ};
use velella_media::VideoCodec;

/// What is looked for when no other program is named.
const PROGRAM: &str = "ffmpeg";

/// A program that needs longer to tell what it is cannot be used.
const PROBE_PATIENCE: Duration = Duration::from_secs(20);

/// A grey picture of 16x16, which is what it is tried with.
const PROBE_PICTURE: [u8; 16 * 16 * 3 / 2] = [0x80; 16 * 16 * 3 / 2];

/// Whoever joins waits that long for a picture at most: the program cannot be asked for a key frame.
const KEY_FRAME_EVERY: &str = "expr:if(isnan(prev_forced_t),1,gte(t,prev_forced_t+2))";

/// The program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Engine {
    path: PathBuf,
    /// As it calls it itself.
    pub(crate) version: String,
}

impl Engine {
    /// The one that is named, which has to work; otherwise that in the search path, if there is one that works.
    pub(crate) async fn find(named: Option<&Path>) -> anyhow::Result<Option<Self>> {
        if let Some(path) = named {
            let found = Self::at(path).await;
            return found.map(Some).with_context(|| format!("{} cannot transcode", path.display()));
        }
        let directories = std::env::var_os("PATH").unwrap_or_default();
        let Some(path) = std::env::split_paths(&directories).map(|at| at.join(PROGRAM)).find(|path| path.is_file())
        else {
            return Ok(None);
        };
        match Self::at(&path).await {
            Ok(engine) => Ok(Some(engine)),
            Err(error) => {
                tracing::warn!(path = %path.display(), error = format!("{error:#}"), "what was found cannot transcode");
                Ok(None)
            }
        }
    }

    /// Tries it.
    async fn at(path: &Path) -> anyhow::Result<Self> {
        let told = output(bare(path).arg("-version"), &[]).await?;
        let version = version(&told).context("it does not say which version of ffmpeg it is")?;
        let encoding = Encoding { from: VideoCodec::H264, bitrate_bps_max: 1_000_000 };
        let mut trial = bare(path);
        trial.args("-f rawvideo -pixel_format yuv420p -video_size 16x16 -i pipe:0".split(' '));
        trial.args(output_arguments(encoding));
        let stream = output(&mut trial, &PROBE_PICTURE).await.context("ffmpeg 5.1 or newer with libx264 is needed")?;
        anyhow::ensure!(!stream.is_empty(), "it gives nothing");
        Ok(Self { path: path.to_owned(), version })
    }

    /// Reads IVF from its standard input and writes MPEG-TS to its standard output, until the input ends.
    pub(super) fn command(&self, encoding: Encoding) -> Command {
        let mut command = bare(&self.path);
        command.args(input_arguments(encoding)).args(output_arguments(encoding));
        command
    }
}

#[cfg(test)]
impl Engine {
    /// The same somewhere else.
    pub(super) fn at_path(self, path: &str) -> Self {
        Self { path: path.into(), ..self }
    }
}

/// Without an environment, and dead as soon as nobody waits for it any more.
fn bare(path: &Path) -> Command {
    let mut command = Command::new(path);
    command
        .args("-hide_banner -nostats -nostdin -loglevel error".split(' '))
        .env_clear()
        .current_dir("/")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    command
}

/// It looks at nothing but the first picture before it begins, and more decoding threads would hold pictures back.
fn input_arguments(encoding: Encoding) -> Vec<String> {
    let decoder = match encoding.from {
        VideoCodec::H264 => "h264",
        VideoCodec::H265 => "hevc",
        VideoCodec::Vp8 => "vp8",
        VideoCodec::Vp9 => "vp9",
        VideoCodec::Av1 => "libdav1d",
    };
    let look = "-protocol_whitelist pipe -probesize 32 -analyzeduration 0 -fpsprobesize 0";
    words(&format!("{look} -threads 1 -c:v {decoder} -f ivf -copyts -i pipe:0"))
}

/// Every picture that is decoded, once and with its own time. A browser decodes the baseline profile wherever it runs.
fn output_arguments(Encoding { bitrate_bps_max, .. }: Encoding) -> Vec<String> {
    // Half a second of it may come at once, as for a key frame.
    let buffer_bits = bitrate_bps_max / 2;
    let filters = "-an -filter_threads 1 -vf crop=trunc(iw/2)*2:trunc(ih/2)*2,format=yuv420p";
    let coding = "-c:v libx264 -profile:v baseline -preset veryfast -tune zerolatency -threads 2";
    let rate = format!("-crf 23 -maxrate {bitrate_bps_max} -bufsize {buffer_bits}");
    let keys = format!("-g 9999 -sc_threshold 0 -force_key_frames {KEY_FRAME_EVERY}");
    let times = format!("-fps_mode passthrough -enc_time_base 1:{TRANSCODER_HZ}");
    // Pictures say how long they are, so that none has to wait for the next one either.
    let stream = "-f mpegts -mpegts_copyts 1 -omit_video_pes_length 0 -muxdelay 0 -muxpreload 0 -flush_packets 1";
    words(&[filters, coding, &rate, &keys, &times, stream, "pipe:1"].join(" "))
}

fn words(text: &str) -> Vec<String> {
    text.split(' ').map(str::to_owned).collect()
}

/// What it writes, if it ends well and in time.
async fn output(command: &mut Command, input: &[u8]) -> anyhow::Result<Vec<u8>> {
    let mut child = command.spawn().context("it cannot be started")?;
    if let Some(mut stdin) = child.stdin.take() {
        // It may not care for it.
        let _ = stdin.write_all(input).await;
    }
    let output = tokio::time::timeout(PROBE_PATIENCE, child.wait_with_output()).await.context("it does not end")??;
    let said = String::from_utf8_lossy(&output.stderr);
    anyhow::ensure!(output.status.success(), "it ended with {}: {}", output.status, said.trim());
    Ok(output.stdout)
}

/// From the first line, `ffmpeg version 5.1.9-0+deb12u1 Copyright (c) 2000-2026 the FFmpeg developers`.
fn version(told: &[u8]) -> Option<String> {
    let told = String::from_utf8_lossy(told);
    let (_, rest) = told.lines().next()?.split_once("version ")?;
    rest.split(' ').next().map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_program_that_works_tells_its_version() {
        let engine = Engine::find(None).await.unwrap().expect("ffmpeg is installed");
        assert!(engine.version.starts_with(|first: char| first.is_ascii_digit()), "{}", engine.version);
        assert_eq!(Engine::find(Some(&engine.path)).await.unwrap(), Some(engine));
    }

    #[tokio::test]
    async fn one_that_is_named_and_cannot_is_told_of() {
        for (path, reason) in [("/nowhere/ffmpeg", "it cannot be started"), ("/bin/false", "it ended with")] {
            let error = Engine::find(Some(Path::new(path))).await.unwrap_err();
            assert!(format!("{error:#}").contains(reason), "{error:#}");
        }
    }
}
