//! An object as HTTP.

use std::sync::Arc;

use bytes::Bytes;
use hyper::header::{self, HeaderMap, HeaderName, HeaderValue};
use hyper::{Method, Response, StatusCode};

use crate::body::Outgoing;
use crate::held::Held;
use crate::object::Content;
use crate::range::Wanted;
use crate::reason::Reason;

/// RFC 9218.
pub(crate) const PRIORITY: HeaderName = HeaderName::from_static("priority");

/// What players may read, beside what they always may.
const EXPOSED: &str = "Age, Content-Length, Content-Range, Date";

/// How long a browser remembers that it may ask. It keeps no answer to this for longer than a day.
const PREFLIGHT_S: &str = "86400";

/// When to come back if there was no room.
const RETRY_AFTER_S: &str = "1";

/// What methods there are.
const METHODS: &str = "GET, HEAD, OPTIONS";

/// What a request wants beside its object.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Terms<'a> {
    pub(crate) method: &'a Method,
    pub(crate) headers: &'a HeaderMap,
}

impl<'a> Terms<'a> {
    /// A header of the request.
    pub(crate) fn text(self, name: HeaderName) -> Option<&'a str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// The answer to a request for this object.
    pub(crate) fn answer(self, held: &Arc<Held>) -> Response<Outgoing> {
        let mut answer = match &held.object.content {
            Content::Playlist(_) => self.playlist(held),
            Content::Media(_) => self.media(held),
            Content::Refused(reason) => refusal(*reason, Outgoing::object(held, 0..held.length)),
        };
        let age = held.age().as_secs();
        let headers = answer.headers_mut();
        headers.insert(header::CACHE_CONTROL, held.cache_control.clone());
        headers.insert(PRIORITY, held.priority.clone());
        if age > 0 {
            headers.insert(header::AGE, age.into());
        }
        self.finish(answer)
    }

    /// The answer to a request that nothing can be asked for.
    pub(crate) fn refuse(self, reason: Reason) -> Response<Outgoing> {
        let mut answer = refusal(reason, Outgoing::text(reason.json().into()));
        answer.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        self.finish(answer)
    }

    /// May anybody ask? Anybody may.
    pub(crate) fn preflight(self) -> Response<Outgoing> {
        let mut answer = Response::new(Outgoing::default());
        *answer.status_mut() = StatusCode::NO_CONTENT;
        for (name, value) in [
            (header::ACCESS_CONTROL_ALLOW_METHODS, METHODS),
            // A wildcard does not stand for what tells who somebody is.
            (header::ACCESS_CONTROL_ALLOW_HEADERS, "*, Authorization"),
            (header::ACCESS_CONTROL_MAX_AGE, PREFLIGHT_S),
            (header::ALLOW, METHODS),
        ] {
            answer.headers_mut().insert(name, HeaderValue::from_static(value));
        }
        open(answer.headers_mut());
        answer
    }

    fn playlist(self, held: &Arc<Held>) -> Response<Outgoing> {
        let zipped = held.zipped().filter(|_| accepts_gzip(self.headers)).cloned();
        let mut answer = match zipped {
            Some(zipped) => {
                let mut answer = Response::new(Outgoing::text(zipped));
                answer.headers_mut().insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
                answer
            }
            None => Response::new(Outgoing::object(held, 0..held.length)),
        };
        let headers = answer.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/vnd.apple.mpegurl"));
        headers.insert(header::VARY, HeaderValue::from_static("Accept-Encoding"));
        answer
    }

    fn media(self, held: &Arc<Held>) -> Response<Outgoing> {
        let (status, body, range) = match Wanted::parse(self.text(header::RANGE), held.length) {
            Wanted::Whole => (StatusCode::OK, Outgoing::object(held, 0..held.length), None),
            Wanted::Part(range) => {
                let told = format!("bytes {}-{}/{}", range.start, range.end.saturating_sub(1), held.length);
                (StatusCode::PARTIAL_CONTENT, Outgoing::object(held, range), Some(told))
            }
            Wanted::Beyond => {
                (StatusCode::RANGE_NOT_SATISFIABLE, Outgoing::default(), Some(format!("bytes */{}", held.length)))
            }
        };
        let mut answer = Response::new(body);
        *answer.status_mut() = status;
        let headers = answer.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("video/mp4"));
        headers.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
        if let Some(range) = range.and_then(|range| HeaderValue::from_maybe_shared(Bytes::from(range)).ok()) {
            headers.insert(header::CONTENT_RANGE, range);
        }
        answer
    }

    /// What all have; and a `HEAD` gets all but the body.
    fn finish(self, mut answer: Response<Outgoing>) -> Response<Outgoing> {
        let length = answer.body().len();
        answer.headers_mut().insert(header::CONTENT_LENGTH, length.into());
        open(answer.headers_mut());
        if self.method == Method::HEAD { answer.map(|_| Outgoing::default()) } else { answer }
    }
}

fn refusal(reason: Reason, body: Outgoing) -> Response<Outgoing> {
    let mut answer = Response::new(body);
    *answer.status_mut() = StatusCode::from_u16(reason.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let headers = answer.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    match reason {
        Reason::Late | Reason::Busy | Reason::OriginUnreachable => {
            headers.insert(header::RETRY_AFTER, HeaderValue::from_static(RETRY_AFTER_S));
        }
        Reason::MethodNotAllowed => {
            headers.insert(header::ALLOW, HeaderValue::from_static(METHODS));
        }
        Reason::BadDirectives
        | Reason::TooFarAhead
        | Reason::TlsRequired
        | Reason::PassRefused
        | Reason::NotFound
        | Reason::NotHere
        | Reason::Gone => {}
    }
    answer
}

/// Streams are for every page, and are what they say they are.
fn open(headers: &mut HeaderMap) {
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static(EXPOSED));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
}

/// Whether gzip is among what a client takes (RFC 9110, 12.5.3).
fn accepts_gzip(headers: &HeaderMap) -> bool {
    let lists = headers.get_all(header::ACCEPT_ENCODING).iter().filter_map(|list| list.to_str().ok());
    lists.flat_map(|list| list.split(',')).any(|coding| {
        let (name, weight) = coding.split_once(';').unwrap_or((coding, ""));
        let refused = weight.trim().strip_prefix("q=").is_some_and(|weight| weight.parse() == Ok(0.0));
        name.trim().eq_ignore_ascii_case("gzip") && !refused
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gzip_is_for_those_who_take_it() {
        for (accepted, gzip) in [
            ("gzip", true),
            ("br, GZIP;q=0.5", true),
            ("gzip;q=0", false),
            ("gzip; q=0.000", false),
            ("br", false),
            ("identity", false),
        ] {
            let headers = [(header::ACCEPT_ENCODING, HeaderValue::from_static(accepted))].into_iter().collect();
            assert_eq!(accepts_gzip(&headers), gzip, "{accepted}");
        }
        assert!(!accepts_gzip(&HeaderMap::new()));
    }
}
