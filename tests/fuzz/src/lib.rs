//! Whatever strangers may send, given to what reads it. Each target takes any bytes, and panics where a promise about
//! them is broken; what libFuzzer found worth keeping stands in `seeds`, and every run of the tests goes through it.

mod input;
mod media;
mod mpegts;
mod rtmp;
mod rtsp;
mod srt;

/// What reads bytes of a stranger.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    /// As its folder of seeds is called.
    pub name: &'static str,
    /// Reads them.
    pub run: fn(&[u8]),
}

/// All of them.
pub const TARGETS: [Target; 13] = [
    Target { name: "aac_config", run: media::aac_config },
    Target { name: "mpegts", run: mpegts::stream },
    Target { name: "pictures", run: media::pictures },
    Target { name: "rtmp_amf", run: rtmp::amf },
    Target { name: "rtmp_chunks", run: rtmp::chunks },
    Target { name: "rtmp_session", run: rtmp::session },
    Target { name: "rtmp_tags", run: rtmp::tags },
    Target { name: "rtsp_media", run: rtsp::media },
    Target { name: "rtsp_messages", run: rtsp::messages },
    Target { name: "rtsp_sdp", run: rtsp::sdp },
    Target { name: "source_url", run: rtsp::source_url },
    Target { name: "srt_datagrams", run: srt::datagrams },
    Target { name: "srt_stream_id", run: srt::stream_id },
];

/// The one of this name.
#[must_use]
pub fn target(name: &str) -> Option<Target> {
    TARGETS.into_iter().find(|target| target.name == name)
}
