//! A server in virtual time that shows a script, and the run of a checker against it.

use std::collections::BTreeMap;
use std::time::Duration;

use url::Url;
use velella_hls_check::checker::Checker;
use velella_hls_check::itinerary::Itinerary;
use velella_hls_check::observation::{Directives, Observation, Protocol, Purpose, Range, Request, Response};
use velella_hls_check::report::Report;

use crate::fmp4;
use crate::script::{Extent, FIRST_MSN, Script, Track};

pub(crate) const SLACK: Duration = Duration::from_millis(200);

/// One way, from the checker to the server or back.
pub(crate) const LATENCY: Duration = Duration::from_millis(10);

pub(crate) const BASE: &str = "https://hls.example/room/";

/// Spoils answers: the request, when the server made the answer, and the answer.
pub(crate) type Tamper = Box<dyn Fn(&Request, Duration, &mut Response) + Send + Sync>;

/// What an answer is, when the server makes it.
struct Answer {
    at: Duration,
    status: u16,
    body: Vec<u8>,
}

pub(crate) struct Server {
    pub(crate) script: Script,
    pub(crate) tamper: Tamper,
}

impl Server {
    pub(crate) fn new(script: Script) -> Self {
        Self { script, tamper: Box::new(|_, _, _| {}) }
    }

    pub(crate) fn answer(&self, request: &Request) -> Response {
        let arrived = request.sent + LATENCY;
        let path = request.url.as_str().strip_prefix(BASE).unwrap();
        let answer = match path.split_once('/') {
            None => Answer { at: arrived, status: 200, body: self.multivariant().into_bytes() },
            Some((name, file)) => {
                let track = self.script.tracks.iter().find(|track| track.name == name).unwrap();
                match request.purpose {
                    Purpose::Playlist(directives) => self.playlist(track, directives, arrived),
                    _ if request.range.is_some() => range(track, file, request.range, arrived),
                    _ => object(track, file, arrived),
                }
            }
        };
        let received = answer.at + LATENCY;
        let status = if answer.status == 200 && request.range.is_some() { 206 } else { answer.status };
        let headers = self.headers(request, answer.status);
        let (body, protocol) = (answer.body, Protocol::Http2);
        let mut response = Response { status, headers, body, protocol, first_byte: received, received };
        (self.tamper)(request, answer.at, &mut response);
        response
    }

    fn multivariant(&self) -> String {
        let audio = "#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"a\",NAME=\"a\",URI=\"audio/live.m3u8\"";
        format!("#EXTM3U\n{audio}\n#EXT-X-STREAM-INF:BANDWIDTH=800000,AUDIO=\"a\"\nvideo/live.m3u8\n")
    }

    fn headers(&self, request: &Request, status: u16) -> Vec<(String, String)> {
        let target = self.script.target_s;
        let (seconds, urgency) = match request.purpose {
            Purpose::Playlist(directives) if directives.msn.is_some() => (target * 6, 1),
            Purpose::Playlist(_) | Purpose::Multivariant => (target / 2, 1),
            Purpose::Object(_) | Purpose::Nothing => (target * 6, 3),
        };
        let seconds = if status == 200 { seconds } else { target };
        let mut headers = vec![
            ("cache-control".to_owned(), format!("max-age={seconds}")),
            ("priority".to_owned(), format!("u={urgency}")),
        ];
        if urgency == 1 {
            headers.push(("content-encoding".to_owned(), "gzip".to_owned()));
        }
        headers
    }

    fn playlist(&self, track: &Track, directives: Directives, arrived: Duration) -> Answer {
        let target = Duration::from_secs(self.script.target_s);
        let refused = Answer { at: arrived, status: 400, body: Vec::new() };
        let at = match (directives.msn, directives.part) {
            (None, None) => arrived,
            (None, Some(_)) => return refused,
            (Some(msn), part) => {
                let extent = track.extent(arrived);
                let segment = (usize::try_from(msn).unwrap()).saturating_sub(FIRST_MSN);
                let end = track.end().filter(|_| self.script.ends).unwrap_or(Duration::MAX);
                let limit = usize::try_from(3000_u64.div_ceil(self.script.part_target_ms)).unwrap();
                let far = part.is_some_and(|part| segment == extent.segments && part as usize >= extent.parts + limit);
                if arrived < end && (segment > extent.segments + 1 || far) {
                    return refused;
                }
                match due(track, segment, part).unwrap_or(end) {
                    due if due <= arrived + target * 3 => due.max(arrived),
                    _ => return Answer { at: arrived + target * 3, status: 503, body: Vec::new() },
                }
            }
        };
        match self.script.playlist(track, at, directives.skip) {
            Some(text) => Answer { at, status: 200, body: text.into_bytes() },
            None => Answer { at, status: 404, body: Vec::new() },
        }
    }
}

/// When a blocked request can be answered; a part beyond the last one is the first one of the next segment.
fn due(track: &Track, segment: usize, part: Option<u64>) -> Option<Duration> {
    let parts = track.segments.get(segment)?.parts.len();
    match part.map(|part| part as usize) {
        None => track.published(segment, parts - 1),
        Some(part) if part < parts => track.published(segment, part),
        Some(_) => track.published(segment + 1, 0),
    }
}

/// A range of `12.m4s`, of which the parts are; without an end it goes on to the end of the segment.
fn range(track: &Track, file: &str, range: Option<Range>, arrived: Duration) -> Answer {
    let missing = Answer { at: arrived, status: 404, body: Vec::new() };
    let msn = file.trim_end_matches(".m4s").parse::<usize>().ok().and_then(|msn| msn.checked_sub(FIRST_MSN));
    let (Some(segment), Some((start, length))) = (msn, range) else { return missing };
    let Some(scripted) = track.segments.get(segment).filter(|segment| !segment.gap) else { return missing };
    let last = match length {
        Some(length) => track.part_that_ends(segment, start + length),
        None => scripted.parts.len() - 1,
    };
    let Some(time) = track.published(segment, last) else { return missing };
    let whole: Vec<u8> = (0..=last).flat_map(|part| track.bytes(segment, part)).collect();
    Answer { at: time.max(arrived), status: 200, body: whole[start as usize..].to_vec() }
}

/// `init0.mp4`, `12.m4s`, `12.3.m4s`; a part that is hinted is answered when it is there.
fn object(track: &Track, file: &str, arrived: Duration) -> Answer {
    let missing = Answer { at: arrived, status: 404, body: Vec::new() };
    if file.starts_with("init") {
        return Answer { at: arrived, status: 200, body: fmp4::init() };
    }
    let numbers: Vec<usize> =
        file.trim_end_matches(".m4s").split('.').filter_map(|number| number.parse().ok()).collect();
    let extent = track.extent(arrived);
    let Some(segment) = numbers.first().and_then(|msn| msn.checked_sub(FIRST_MSN)) else { return missing };
    let Some(scripted) = track.segments.get(segment).filter(|segment| !segment.gap) else { return missing };
    match numbers.get(1) {
        None if segment < extent.segments => {
            let parts = 0..scripted.parts.len();
            Answer { at: arrived, status: 200, body: parts.flat_map(|part| track.bytes(segment, part)).collect() }
        }
        Some(part) if Extent { segments: segment, parts: *part } <= extent => match track.published(segment, *part) {
            Some(time) => Answer { at: time.max(arrived), status: 200, body: track.bytes(segment, *part) },
            None => missing,
        },
        _ => missing,
    }
}

/// Watches a server for some virtual time, once it has its first segment.
pub(crate) fn watch(server: &Server, from: Duration, until: Duration) -> Report {
    let start = Url::parse(BASE).unwrap().join("index.m3u8").unwrap();
    let mut checker = Checker::new(SLACK);
    let mut itinerary = Itinerary::new(start, SLACK);
    let mut answers: BTreeMap<(Duration, usize), Observation> = BTreeMap::new();
    let (mut now, mut number) = (from, 0);
    while now < until {
        for request in itinerary.next(&checker, now) {
            let response = server.answer(&request);
            answers.insert((response.received, number), Observation { request, response });
            number += 1;
        }
        let tick = now + Duration::from_millis(50);
        now = answers.first_key_value().map_or(tick, |((received, _), _)| tick.min(*received));
        while let Some(answer) = answers.first_entry().filter(|answer| answer.key().0 <= now) {
            let observation = answer.remove();
            checker.observe(&observation);
            itinerary.answered(&observation);
        }
    }
    checker.report()
}
