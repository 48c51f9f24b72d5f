//! What cameras send over RTSP, and where they send their visitors.

use std::time::{Duration, Instant};

use velella_guard::SourceUrl;
use velella_media::Frame;
use velella_rtsp::{Event, fuzzing};

use crate::input::{pieces, records};
use crate::media::assert_whole;

/// What cameras describe themselves with.
const CAMERAS: [&str; 4] = [
    "m=video 0 RTP/AVP 96\na=rtpmap:96 H264/90000\nm=audio 0 RTP/AVP 97\na=rtpmap:97 MPEG4-GENERIC/44100/2\n",
    "m=video 0 RTP/AVP 96\na=rtpmap:96 H265/90000\nm=audio 0 RTP/AVP 97\na=rtpmap:97 opus/48000/2\n",
    "m=video 0 RTP/AVP 96\na=rtpmap:96 H264/90000\nm=audio 0 RTP/AVP 0\n",
    "m=audio 0 RTP/AVP 97\na=rtpmap:97 MPEG4-GENERIC/8000\na=fmtp:97 sizelength=6;indexlength=2;indexdeltalength=2\n",
];

/// The same messages come in whatever pieces they come in.
pub(crate) fn messages(input: &[u8]) {
    let (length, stream) = pieces(input);
    let whole = fuzzing::messages(stream.chunks(stream.len().max(1)));
    assert!(fuzzing::messages(stream.chunks(length)) == whole, "in pieces of {length}");
}

/// No description breaks out of a request.
pub(crate) fn sdp(input: &[u8]) {
    for uri in fuzzing::controls(input) {
        assert!(uri.bytes().all(|byte| byte.is_ascii_graphic()), "{uri:?}");
    }
}

/// Packets of a camera. The first byte says of which one, and whether over a way that keeps their order; then each
/// has a track in its lowest bit, whether it is a report in the next, and how long after the last one it came.
pub(crate) fn media(input: &[u8]) {
    let Some((camera, packets)) = input.split_first() else { return };
    let mut now = Instant::now();
    let description = CAMERAS.iter().cycle().nth(usize::from(camera >> 1)).map_or("", |sdp| sdp);
    let Some(mut media) = fuzzing::Media::new(description.as_bytes(), camera & 1 == 1, now) else { return };
    let mut seen = false;
    for ([head], packet) in records(packets) {
        now += Duration::from_millis(u64::from(head >> 2) * 8);
        let (track, is_report) = (usize::from(head & 1), head & 2 != 0);
        let events =
            if is_report { media.handle_rtcp(track, packet, now) } else { media.handle_rtp(track, packet, now) };
        for event in events {
            if let Event::Frame(frame) = event {
                assert_whole(&frame);
                if let Frame::Video(picture) = frame {
                    assert!(picture.keyframe || seen, "nothing can be decoded before a key frame");
                    seen = true;
                }
            }
        }
    }
}

/// A URL can stand in a request, and so can where a camera sends us from there.
pub(crate) fn source_url(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    let (url, location) = text.split_once('\n').unwrap_or((text, ""));
    let Ok(url) = url.parse::<SourceUrl>() else { return };
    assert!(url.request_uri().bytes().all(|byte| byte.is_ascii_graphic()), "{}", url.request_uri());
    let _ = format!("{url} {url:?}");
    if let Ok(elsewhere) = url.redirected(location) {
        assert!(elsewhere.request_uri().bytes().all(|byte| byte.is_ascii_graphic()), "{}", elsewhere.request_uri());
    }
}
