//! RTSP messages (RFC 2326 section 4 to 7), read leniently.

use std::fmt::Write;

use bytes::Bytes;

/// Most header lines of one message.
const HEADERS_MAX: usize = 64;

/// The name under which cameras know us. Some refuse clients without one.
const USER_AGENT: &str = concat!("velella/", env!("CARGO_PKG_VERSION"));

/// What a camera answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Response {
    pub(crate) status: u16,
    pub(crate) headers: Headers,
    pub(crate) body: Bytes,
}

/// The first lines of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Head {
    Response { status: u16, headers: Headers },
    Request { method: String, headers: Headers },
}

/// Header lines in their order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Headers(Vec<(String, String)>);

impl Headers {
    pub(crate) fn first(&self, name: &str) -> Option<&str> {
        self.all(name).next()
    }

    pub(crate) fn all(&self, name: &str) -> impl Iterator<Item = &str> {
        self.0.iter().filter(move |(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    /// What can stand in a URL or a header line of ours, so without spaces and control characters.
    pub(crate) fn graphic(&self, name: &str) -> Option<&str> {
        self.first(name).filter(|value| !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_graphic()))
    }
}

impl Head {
    /// Reads all lines up to the empty one.
    pub(crate) fn parse(text: &[u8]) -> Option<Self> {
        let text = String::from_utf8_lossy(text);
        let mut lines = text.lines();
        let first = lines.next()?;
        let mut headers = Vec::new();
        for line in lines.filter(|line| !line.is_empty()) {
            if headers.len() == HEADERS_MAX {
                return None;
            }
            // A line without a colon says nothing that we could use.
            if let Some((name, value)) = line.split_once(':') {
                headers.push((name.trim().to_owned(), value.trim().to_owned()));
            }
        }
        let headers = Headers(headers);
        let mut words = first.split_ascii_whitespace();
        let word = words.next()?;
        if word.starts_with("RTSP/") || word.starts_with("HTTP/") {
            return Some(Self::Response { status: words.next()?.parse().ok()?, headers });
        }
        Some(Self::Request { method: word.to_owned(), headers })
    }

    pub(crate) fn headers(&self) -> &Headers {
        match self {
            Self::Response { headers, .. } | Self::Request { headers, .. } => headers,
        }
    }
}

/// Writes a request. Values must be free of line breaks.
pub(crate) fn write_request(method: &str, uri: &str, cseq: u32, headers: &[(&str, &str)]) -> String {
    let mut text = format!("{method} {uri} RTSP/1.0\r\nCSeq: {cseq}\r\nUser-Agent: {USER_AGENT}\r\n");
    for (name, value) in headers {
        // Writing to a string cannot fail.
        let _ = write!(text, "{name}: {value}\r\n");
    }
    text + "\r\n"
}

/// Writes an answer to what a camera asks.
pub(crate) fn write_answer(method: &str, headers: &Headers) -> String {
    let status = match method {
        "OPTIONS" | "GET_PARAMETER" | "SET_PARAMETER" => "200 OK",
        _ => "501 Not Implemented",
    };
    let cseq = headers.graphic("CSeq").unwrap_or("0");
    format!("RTSP/1.0 {status}\r\nCSeq: {cseq}\r\nUser-Agent: {USER_AGENT}\r\n\r\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_response_is_read_leniently() {
        let head = Head::parse(b"RTSP/1.0 200\r\ncseq:3\r\nnonsense\r\nPublic:  OPTIONS, PLAY \r\n\r\n").unwrap();
        let Head::Response { status, headers } = head else { panic!("{head:?}") };
        assert_eq!(status, 200);
        assert_eq!(headers.first("CSeq"), Some("3"));
        assert_eq!(headers.first("Public"), Some("OPTIONS, PLAY"));
        assert_eq!(headers.graphic("Public"), None);
    }

    #[test]
    fn what_is_no_message_is_none() {
        assert_eq!(Head::parse(b""), None);
        assert_eq!(Head::parse(b"RTSP/1.0 fine\r\n\r\n"), None);
        let flood = format!("RTSP/1.0 200 OK\r\n{}\r\n", "A: b\r\n".repeat(HEADERS_MAX + 1));
        assert_eq!(Head::parse(flood.as_bytes()), None);
    }

    #[test]
    fn a_request_has_its_number_and_our_name() {
        let text = write_request("PLAY", "rtsp://cam/x", 4, &[("Session", "17")]);
        let lines: Vec<_> = text.lines().collect();
        assert_eq!(lines, ["PLAY rtsp://cam/x RTSP/1.0", "CSeq: 4", "User-Agent: velella/0.1.0", "Session: 17", ""]);
    }

    #[test]
    fn what_a_camera_asks_for_is_answered() {
        let Some(Head::Request { method, headers }) = Head::parse(b"OPTIONS * RTSP/1.0\r\nCSeq: 9\r\n\r\n") else {
            panic!("no request")
        };
        assert!(write_answer(&method, &headers).starts_with("RTSP/1.0 200 OK\r\nCSeq: 9\r\n"));
        assert!(write_answer("REDIRECT", &headers).starts_with("RTSP/1.0 501"));
    }
}
