//! What was asked of a server and what it answered: all that the checker ever sees.

use std::time::Duration;

use url::Url;

/// One request with its answer.
#[derive(Debug, Clone)]
pub struct Observation {
    pub request: Request,
    pub response: Response,
}

/// What was asked. Times count from the beginning of the observation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// Without delivery directives.
    pub url: Url,
    pub purpose: Purpose,
    pub range: Option<Range>,
    pub sent: Duration,
}

/// First byte, and the number of bytes where it is known.
pub type Range = (u64, Option<u64>);

/// Why it was asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    Multivariant,
    /// A media playlist.
    Playlist(Directives),
    Object(Object),
    /// Something that no playlist ever named.
    Nothing,
}

/// The query of a request for a media playlist.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Directives {
    pub msn: Option<u64>,
    pub part: Option<u64>,
    pub skip: bool,
}

/// Something that a media playlist names; `rendition` counts the playlists in the order of the checker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Object {
    pub rendition: usize,
    pub kind: ObjectKind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ObjectKind {
    Init,
    Segment {
        msn: u64,
    },
    Part {
        msn: u64,
        index: usize,
    },
    /// What a hint named, asked for before it was listed: the part with this place, or the next segment's first.
    Hint {
        msn: u64,
        index: usize,
    },
}

/// What was answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Response {
    pub status: u16,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    /// Without content encoding.
    pub body: Vec<u8>,
    pub protocol: Protocol,
    /// When the first byte of the body was there, and when the last.
    pub first_byte: Duration,
    pub received: Duration,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    Http1,
    Http2,
    Http3,
}

impl Request {
    /// The address with the directives in its query.
    #[must_use]
    pub fn address(&self) -> Url {
        let mut url = self.url.clone();
        if let Purpose::Playlist(directives) = self.purpose {
            let numbers = [("_HLS_msn", directives.msn), ("_HLS_part", directives.part)];
            for (name, number) in numbers.into_iter().filter_map(|(name, number)| Some((name, number?))) {
                url.query_pairs_mut().append_pair(name, &number.to_string());
            }
            if directives.skip {
                url.query_pairs_mut().append_pair("_HLS_skip", "YES");
            }
        }
        url
    }
}

impl Response {
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    #[must_use]
    pub fn is_ok(&self) -> bool {
        matches!(self.status, 200 | 206)
    }

    /// Whether a cache answered with something that it had.
    #[must_use]
    pub fn is_from_cache(&self) -> bool {
        self.header("age").is_some_and(|age| age.trim() != "0")
    }

    /// `max-age` of `Cache-Control`, 0 where it forbids storing or reuse.
    #[must_use]
    pub fn lifetime(&self) -> Option<Duration> {
        let control = self.header("cache-control")?.to_ascii_lowercase();
        let mut directives = control.split(',').map(str::trim);
        if directives.clone().any(|directive| matches!(directive, "no-store" | "no-cache")) {
            return Some(Duration::ZERO);
        }
        directives.find_map(|directive| directive.strip_prefix("max-age=")?.parse().ok()).map(Duration::from_secs)
    }
}
