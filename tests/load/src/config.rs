//! The command line.

use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::time::Duration;

use clap::{ArgAction, Parser, ValueEnum};

use crate::pattern::Shape;
use crate::publication::Traffic;

/// An RTP packet of this payload stays below the 1200 bytes that WebRTC keeps to.
const PACKET_BYTES_MAX: i64 = 1150;
const PACKET_BYTES_MIN: i64 = 100;

const ROOMS_MAX: i64 = 10_000;

const EXAMPLES: &str = "Examples:
  One speaker, 200 viewers, 1 Mbit/s, against a local server:
    velella-load --publishers 1 --subscribers 200 --bitrate 1M --duration 20s --server-pid $(pidof velella)
  A meeting of eight, everyone with camera and microphone:
    velella-load --peers 8 --audio --bitrate 500k
  What a fault costs those who watch, in ten rooms on a cluster of two coordinators:
    velella-load --rooms 10 --peers 4 --reconnect --url http://127.0.0.1:5002,http://127.0.0.1:5003
  Mostly audio for two minutes, figures as JSON:
    velella-load --subscribers 50 --bitrate 64k --audio --duration 2m --json load.json

Reading the figures:
  delay (arrival) ends when the kernel of this machine has put the packet into the receiver's
  socket. delay (read) ends when this program read it; when the two differ much, this program is
  the bottleneck, not the server. On one machine both share the CPU: look at the CPU lines too.
  gaps are silences of at least 0.2 s of one source at one receiver, the longest of each.

Exit code: 0 measured; 1 a peer failed to join, nothing arrived, or the server could not be used; 2 wrong usage.";

/// Joins synthetic WebRTC peers to a room through the public API, as a published client library
/// does, and measures loss and forwarding delay.
#[derive(Debug, Clone, Parser)]
#[command(version, after_help = EXAMPLES)]
pub(crate) struct Config {
    /// Base URL of the REST API, including the app; several, with commas, are taken in turn by the rooms, and by peers that come back
    #[arg(long = "url", default_value = "http://127.0.0.1:5002/api/v1/connect/load", value_parser = base_url, value_delimiter = ',')]
    pub(crate) urls: Vec<String>,

    /// Management token of the server
    #[arg(long, env = "VELELLA_MANAGEMENT_TOKEN", hide_env_values = true, default_value = "development")]
    pub(crate) token: String,

    /// Rooms, each with the peers that the other options name
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=ROOMS_MAX))]
    pub(crate) rooms: u32,

    /// Peers that publish
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    publishers: u32,

    /// Peers that only receive
    #[arg(long, default_value_t = 10)]
    subscribers: u32,

    /// A conference: this many peers who all publish and receive
    #[arg(long, conflicts_with_all = ["publishers", "subscribers"], value_parser = clap::value_parser!(u32).range(1..))]
    peers: Option<u32>,

    /// Whether publishers also receive each other; without, they join with manual subscription
    #[arg(long, default_value_t = true, action = ArgAction::Set)]
    pub(crate) publishers_receive: bool,

    /// Video bitrate per publisher, RTP payload only, such as 800k or 1.5M
    #[arg(long, default_value = "1M", value_parser = bitrate)]
    bitrate: u64,

    /// Video frames per second
    #[arg(long, default_value_t = 30, value_parser = clap::value_parser!(u32).range(1..=240))]
    fps: u32,

    /// Largest RTP payload in bytes; a frame is cut into equal packets no longer than this
    #[arg(long, default_value_t = 1100, value_parser = clap::value_parser!(u32).range(PACKET_BYTES_MIN..=PACKET_BYTES_MAX))]
    packet_bytes: u32,

    /// Publish audio too: 50 packets per second in the shape of Opus
    #[arg(long)]
    audio: bool,

    /// Video codec of the room and shape of the payloads
    #[arg(long, value_enum, default_value_t = VideoCodec::Vp8)]
    pub(crate) codec: VideoCodec,

    /// How long to measure, such as 20s, 1500ms or 2m
    #[arg(long, default_value = "20s", value_parser = duration)]
    pub(crate) duration: Duration,

    /// How long to let traffic run before measuring, after everyone has joined
    #[arg(long, default_value = "5s", value_parser = duration)]
    pub(crate) warmup: Duration,

    /// New peers per second
    #[arg(long, default_value = "50/s", value_parser = rate)]
    pub(crate) join_rate: f64,

    /// Threads for receivers, and as many for publishers; default is one per two cores
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..))]
    threads: Option<u16>,

    /// Local address that peers send from and offer as their candidate
    #[arg(long, default_value_t = Ipv4Addr::LOCALHOST)]
    pub(crate) bind: Ipv4Addr,

    /// Process id of a server on this machine, to report its CPU use as well
    #[arg(long)]
    pub(crate) server_pid: Option<u32>,

    /// Come back with the same token when the socket closes, as the published client does: half a second later
    #[arg(long)]
    pub(crate) reconnect: bool,

    /// Measure nothing: tell what each peer has received, a line of JSON every 0.25 s, until the program is ended
    #[arg(long, conflicts_with_all = ["json", "duration", "warmup"])]
    pub(crate) live: bool,

    /// Also write the figures to this file, as JSON
    #[arg(long)]
    pub(crate) json: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum VideoCodec {
    Vp8,
    H264,
}

impl VideoCodec {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Vp8 => "vp8",
            Self::H264 => "h264",
        }
    }

    pub(crate) fn shape(self) -> Shape {
        match self {
            Self::Vp8 => Shape::Vp8,
            Self::H264 => Shape::H264,
        }
    }
}

impl Config {
    pub(crate) fn publishers(&self) -> u32 {
        self.peers.unwrap_or(self.publishers)
    }

    pub(crate) fn subscribers(&self) -> u32 {
        if self.peers.is_some() { 0 } else { self.subscribers }
    }

    /// The tracks of each publisher.
    pub(crate) fn traffic(&self) -> Vec<Traffic> {
        let payload_bytes_max = usize::try_from(self.packet_bytes).unwrap_or(usize::MAX);
        let video = Traffic::video(self.codec.shape(), self.bitrate, self.fps, payload_bytes_max);
        self.audio.then_some(Traffic::AUDIO).into_iter().chain([video]).collect()
    }

    /// What was asked for, in one line.
    pub(crate) fn scenario(&self) -> String {
        let tracks: Vec<String> = self.traffic().iter().map(Traffic::to_string).collect();
        let rooms = if self.rooms == 1 { String::new() } else { format!("{} rooms, each with ", self.rooms) };
        let (publishers, subscribers) = (self.publishers(), self.subscribers());
        format!("{rooms}{publishers} publishing ({}), {subscribers} receiving only", tracks.join(" + "))
    }

    /// Threads per role: half of the cores, so that a server on the same machine has the others.
    pub(crate) fn threads(&self) -> usize {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        self.threads.map_or_else(|| (cores / 2).max(1), usize::from)
    }
}

fn base_url(text: &str) -> Result<String, String> {
    if text.starts_with("http://") { Ok(text.into()) } else { Err("expected http://host:port/path".into()) }
}

/// `800k`, `1.5M`, `64000`.
fn bitrate(text: &str) -> Result<u64, String> {
    let (number, factor) = match text.as_bytes().last() {
        Some(b'k' | b'K') => (text.get(..text.len() - 1).unwrap_or_default(), 1e3),
        Some(b'M') => (text.get(..text.len() - 1).unwrap_or_default(), 1e6),
        _ => (text, 1.0),
    };
    let bps = number.parse::<f64>().map_err(|e| e.to_string())? * factor;
    if !(1e3..=1e9).contains(&bps) {
        return Err("expected between 1k and 1000M".into());
    }
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "checked to be 1e3..=1e9")]
    Ok(bps as u64)
}

/// `20s`, `1500ms`, `2m`.
fn duration(text: &str) -> Result<Duration, String> {
    let unit_at = text.find(|c: char| !c.is_ascii_digit() && c != '.').ok_or("expected a unit: ms, s or m")?;
    let (number, unit) = text.split_at(unit_at);
    let seconds_per_unit = match unit {
        "ms" => 1e-3,
        "s" => 1.0,
        "m" => 60.0,
        _ => return Err("expected a unit: ms, s or m".into()),
    };
    let seconds = number.parse::<f64>().map_err(|e| e.to_string())? * seconds_per_unit;
    Duration::try_from_secs_f64(seconds).map_err(|e| e.to_string())
}

/// `50/s`.
fn rate(text: &str) -> Result<f64, String> {
    let per_second = text.strip_suffix("/s").unwrap_or(text).parse::<f64>().map_err(|e| e.to_string())?;
    if (0.1..=10_000.0).contains(&per_second) { Ok(per_second) } else { Err("expected 0.1/s to 10000/s".into()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        Config::command().debug_assert();
    }

    #[test]
    fn quantities_carry_their_units() {
        assert_eq!((bitrate("800k"), bitrate("1.5M"), bitrate("64000")), (Ok(800_000), Ok(1_500_000), Ok(64_000)));
        assert_eq!(duration("1500ms"), Ok(Duration::from_millis(1500)));
        assert_eq!(duration("2m"), Ok(Duration::from_secs(120)));
        assert_eq!(rate("50/s"), Ok(50.0));
        for wrong in ["", "k", "-1M", "10G", "0"] {
            assert!(bitrate(wrong).is_err(), "{wrong}");
        }
        for wrong in ["", "20", "s", "5h"] {
            assert!(duration(wrong).is_err(), "{wrong}");
        }
        assert!(rate("0/s").is_err());
    }

    #[test]
    fn peers_means_a_conference() {
        let config = parse(&["--peers", "4", "--audio"]);
        assert_eq!((config.publishers(), config.subscribers(), config.publishers_receive), (4, 0, true));
        assert_eq!(config.traffic().len(), 2);
        assert!(Config::try_parse_from(["velella-load", "--peers", "4", "--subscribers", "2"]).is_err());
    }

    #[test]
    fn the_scenario_says_what_is_published() {
        let scenario = parse(&["--subscribers", "200", "--audio"]).scenario();
        let expected =
            "1 publishing (Opus 50 frames/s of 1 x 80 B + Vp8 30 frames/s of 4 x 1041 B), 200 receiving only";
        assert_eq!(scenario, expected);
    }

    fn parse(arguments: &[&str]) -> Config {
        Config::try_parse_from(std::iter::once(&"velella-load").chain(arguments)).unwrap()
    }
}
