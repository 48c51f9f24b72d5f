//! The URL of a source: parsed once, secret where it has to be.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};
use std::str::FromStr;

use percent_encoding::percent_decode_str;

use crate::redact::{SECRET, write_path};

/// Longest URL that is taken.
pub const URL_BYTES_MAX: usize = 4_096;

/// Most places where a host is looked for behind a password that should have been escaped.
const CANDIDATES_MAX: usize = 8;

/// Longest name of a host (RFC 1035 2.3.4).
const NAME_BYTES_MAX: usize = 253;

/// The URL of a camera or another source.
///
/// Neither `Debug` nor `Display` tells its secrets: not the credentials, not the key of an RTMP
/// stream, and of the query only what is known to be harmless. No part of it holds a control
/// character or a space, so that it can stand in a request.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct SourceUrl {
    scheme: Scheme,
    credentials: Option<Credentials>,
    host: Host,
    port: Option<u16>,
    /// Empty, or from its first `/` or `?` on.
    path: String,
}

/// How a source is spoken to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scheme {
    /// RTSP (RFC 2326).
    Rtsp,
    /// RTSP over TLS.
    Rtsps,
    /// RTMP.
    Rtmp,
    /// RTMP over TLS.
    Rtmps,
    /// SRT.
    Srt,
    /// HTTP.
    Http,
    /// HTTP over TLS.
    Https,
}

/// Where a source is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Host {
    /// At an address.
    Address(IpAddr),
    /// At what a name resolves to.
    Name(String),
}

/// Who the source is told one is.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Credentials {
    /// As it was before it was escaped for the URL.
    pub username: String,
    /// As it was before it was escaped for the URL; empty when there is none.
    pub password: String,
}

impl SourceUrl {
    /// How it is spoken to.
    #[must_use]
    pub fn scheme(&self) -> Scheme {
        self.scheme
    }

    /// Where it is.
    #[must_use]
    pub fn host(&self) -> &Host {
        &self.host
    }

    /// The port it names, else the usual one of its scheme; `None` where there is none.
    #[must_use]
    pub fn port(&self) -> Option<u16> {
        self.port.or_else(|| self.scheme.port())
    }

    /// Who the source is told one is.
    #[must_use]
    pub fn credentials(&self) -> Option<&Credentials> {
        self.credentials.as_ref()
    }

    /// Empty, or from its first `/` or `?` on. May hold secrets.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The URL without credentials, to stand in a request. May hold secrets in its path.
    #[must_use]
    pub fn request_uri(&self) -> String {
        let port = self.port.map(|port| format!(":{port}")).unwrap_or_default();
        format!("{}://{}{port}{}", self.scheme, self.host, self.path)
    }

    /// Where the source sends its visitor: an absolute URL, or an absolute path. The credentials go
    /// along only to the same host and port.
    ///
    /// # Errors
    /// When that is no URL, or leaves encryption.
    pub fn redirected(&self, location: &str) -> Result<Self, UrlError> {
        if location.starts_with('/') && !location.starts_with("//") {
            return Ok(Self { path: checked_path(location)?, ..self.clone() });
        }
        let mut to: Self = location.parse()?;
        if self.scheme.encrypted() && !to.scheme.encrypted() {
            return Err(UrlError::Unencrypted);
        }
        if to.credentials.is_none() && (&to.host, to.port()) == (&self.host, self.port()) {
            to.credentials.clone_from(&self.credentials);
        }
        Ok(to)
    }
}

impl FromStr for SourceUrl {
    type Err = UrlError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let text = text.trim();
        if text.len() > URL_BYTES_MAX {
            return Err(UrlError::TooLong);
        }
        let (scheme, rest) = text.split_once("://").ok_or(UrlError::NoScheme)?;
        let scheme = scheme.parse()?;
        let parts = Parts::strict(rest);
        // People paste passwords as they are. Where that leaves no host, look for one behind them.
        let (parts, (host, port)) = match parse_host_and_port(parts.host) {
            Ok(host) => (parts, host),
            Err(error) => Parts::lenient(rest).ok_or(error)?,
        };
        let credentials = parts.userinfo.filter(|userinfo| !userinfo.is_empty()).map(Credentials::parse).transpose()?;
        Ok(Self { scheme, credentials, host, port, path: checked_path(parts.path)? })
    }
}

/// A URL behind its scheme, taken apart.
#[derive(Clone, Copy)]
struct Parts<'a> {
    userinfo: Option<&'a str>,
    host: &'a str,
    path: &'a str,
}

impl<'a> Parts<'a> {
    /// As RFC 3986 says, but for an `@` in a password, which is common.
    fn strict(rest: &'a str) -> Self {
        let (authority, path) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
        let (userinfo, host) = authority.rsplit_once('@').map_or((None, authority), |(user, host)| (Some(user), host));
        Self { userinfo, host, path }
    }

    /// With a password that holds what should have been escaped: `/`, `?` or `#`. The host stands behind
    /// the first `@` where there is an address, a name with a dot, or a port.
    fn lenient(rest: &'a str) -> Option<(Self, (Host, Option<u16>))> {
        let ends = rest.match_indices('@').map(|(at, _)| at);
        let candidates = ends.filter_map(|at| {
            let parts = Self::strict(rest.get(at + 1..)?);
            let host = parse_host_and_port(parts.host).ok().filter(|_| parts.userinfo.is_none())?;
            Some((Self { userinfo: rest.get(..at), ..parts }, host))
        });
        let plausible = |(parts, (host, port)): &(Self, (Host, Option<u16>))| {
            matches!(host, Host::Address(_)) || port.is_some() || parts.host.contains('.')
        };
        let candidates: Vec<_> = candidates.take(CANDIDATES_MAX).collect();
        candidates.iter().find(|candidate| plausible(candidate)).or_else(|| candidates.first()).cloned()
    }
}

fn parse_host_and_port(text: &str) -> Result<(Host, Option<u16>), UrlError> {
    let (host, port) = match text.strip_prefix('[') {
        Some(bracketed) => {
            let (host, behind) = bracketed.split_once(']').ok_or(UrlError::Host)?;
            let address: Ipv6Addr = host.parse().map_err(|_| UrlError::Host)?;
            (Host::Address(IpAddr::V6(address)), behind)
        }
        None => {
            let (host, port) = text.split_at(text.find(':').unwrap_or(text.len()));
            (Host::parse(host)?, port)
        }
    };
    match port.strip_prefix(':') {
        None if port.is_empty() => Ok((host, None)),
        Some("") => Ok((host, None)),
        Some(port) if port.bytes().all(|byte| byte.is_ascii_digit()) => match port.parse() {
            Ok(0) | Err(_) => Err(UrlError::Port),
            Ok(port) => Ok((host, Some(port))),
        },
        Some(_) | None => Err(UrlError::Port),
    }
}

fn checked_path(path: &str) -> Result<String, UrlError> {
    // What stands behind `#` is for the reader, not for the source.
    let path = path.split('#').next().unwrap_or_default();
    if path.bytes().any(|byte| !(b'!'..=b'~').contains(&byte)) {
        return Err(UrlError::Character);
    }
    Ok(path.to_owned())
}

impl Host {
    fn parse(text: &str) -> Result<Self, UrlError> {
        if text.is_empty() {
            return Err(UrlError::NoHost);
        }
        if let Ok(address) = text.parse() {
            return Ok(Self::Address(IpAddr::V4(address)));
        }
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
        if text.len() > NAME_BYTES_MAX || !text.bytes().all(allowed) {
            return Err(UrlError::Host);
        }
        Ok(Self::Name(text.to_ascii_lowercase()))
    }
}

impl Credentials {
    fn parse(userinfo: &str) -> Result<Self, UrlError> {
        let decode = |text: &str| {
            let decoded = percent_decode_str(text).decode_utf8().map_err(|_| UrlError::Character)?;
            if decoded.chars().any(char::is_control) { Err(UrlError::Character) } else { Ok(decoded.into_owned()) }
        };
        let (username, password) = userinfo.split_once(':').unwrap_or((userinfo, ""));
        Ok(Self { username: decode(username)?, password: decode(password)? })
    }
}

impl Scheme {
    const ALL: [(Self, &'static str, Option<u16>); 7] = [
        (Self::Rtsp, "rtsp", Some(554)),
        (Self::Rtsps, "rtsps", Some(322)),
        (Self::Rtmp, "rtmp", Some(1935)),
        (Self::Rtmps, "rtmps", Some(443)),
        (Self::Srt, "srt", None),
        (Self::Http, "http", Some(80)),
        (Self::Https, "https", Some(443)),
    ];

    fn row(self) -> (&'static str, Option<u16>) {
        Self::ALL.iter().find(|row| row.0 == self).map_or(("", None), |row| (row.1, row.2))
    }

    /// The usual port.
    fn port(self) -> Option<u16> {
        self.row().1
    }

    /// Whether nobody between reads along.
    #[must_use]
    pub fn encrypted(self) -> bool {
        matches!(self, Self::Rtsps | Self::Rtmps | Self::Https)
    }
}

impl FromStr for Scheme {
    type Err = UrlError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let known = Self::ALL.iter().find(|row| text.eq_ignore_ascii_case(row.1));
        known.map(|row| row.0).ok_or(UrlError::Scheme)
    }
}

impl fmt::Display for Scheme {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.row().0)
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(IpAddr::V6(address)) => write!(f, "[{address}]"),
            Self::Address(IpAddr::V4(address)) => address.fmt(f),
            Self::Name(name) => f.write_str(name),
        }
    }
}

impl fmt::Display for SourceUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://", self.scheme)?;
        if self.credentials.is_some() {
            write!(f, "{SECRET}@")?;
        }
        self.host.fmt(f)?;
        if let Some(port) = self.port {
            write!(f, ":{port}")?;
        }
        write_path(f, self.scheme, &self.path)
    }
}

impl fmt::Debug for SourceUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(SECRET)
    }
}

/// Why something is no URL of a source. None of them repeats it: it may hold a password.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UrlError {
    /// Above [`URL_BYTES_MAX`].
    #[error("the URL is longer than {URL_BYTES_MAX} bytes")]
    TooLong,
    /// Nothing before `://`.
    #[error("the URL has to begin with a scheme, like rtsp://")]
    NoScheme,
    /// One that is not known.
    #[error("the scheme of the URL is none of rtsp, rtsps, rtmp, rtmps, srt, http and https")]
    Scheme,
    /// Nothing between `://` and the path.
    #[error("the URL names no host")]
    NoHost,
    /// Neither a name nor an address.
    #[error(
        "the host of the URL is neither a name nor an address; special characters of a password have to be escaped, as @ by %40"
    )]
    Host,
    /// No number from 1 to 65535.
    #[error(
        "the port of the URL is no number from 1 to 65535; special characters of a password have to be escaped, as @ by %40"
    )]
    Port,
    /// A space, a control character, or one beyond ASCII.
    #[error("the URL holds a character that has to be escaped, as a space by %20")]
    Character,
    /// A redirect from TLS to what anybody can read.
    #[error("the source sends its visitors from an encrypted URL to one that is not")]
    Unencrypted,
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn url(text: &str) -> SourceUrl {
        text.parse().unwrap()
    }

    fn credentials(text: &str) -> (String, String) {
        let credentials = url(text).credentials().unwrap().clone();
        (credentials.username, credentials.password)
    }

    fn named(user: &str, password: &str) -> (String, String) {
        (user.to_owned(), password.to_owned())
    }

    #[test]
    fn a_url_is_taken_apart() {
        let camera = url("RTSP://admin:secret@Cam1.example:8554/h264?channel=1#here");
        assert_eq!(camera.scheme(), Scheme::Rtsp);
        assert_eq!(camera.host(), &Host::Name("cam1.example".to_owned()));
        assert_eq!(camera.port(), Some(8554));
        assert_eq!(camera.request_uri(), "rtsp://cam1.example:8554/h264?channel=1");
        assert_eq!(url("rtsps://[2001:db8::1]/x").request_uri(), "rtsps://[2001:db8::1]/x");
        assert_eq!(url("rtsps://[2001:db8::1]/x").port(), Some(322));
        assert_eq!(url("rtsp://10.0.0.1").host(), &Host::Address([10, 0, 0, 1].into()));
        assert_eq!(url("rtsp://10.0.0.1?x").path(), "?x");
        assert_eq!(url("srt://example.com").port(), None);
    }

    #[test]
    fn passwords_survive_escaped_and_as_people_paste_them() {
        assert_eq!(credentials("rtsp://admin:p%40ss%3A%2F@cam/"), named("admin", "p@ss:/"));
        assert_eq!(credentials("rtsp://admin:p@ss@cam/"), named("admin", "p@ss"));
        assert_eq!(credentials("rtsp://admin:a:b@cam/"), named("admin", "a:b"));
        assert_eq!(credentials("rtsp://admin:100%@cam/"), named("admin", "100%"));
        assert_eq!(credentials("rtsp://admin:a#b/c?d@10.0.0.1:554/x?y=me@home"), named("admin", "a#b/c?d"));
        assert_eq!(credentials("rtsp://admin:a#b@c@cam/x"), named("admin", "a#b@c"));
        assert_eq!(credentials("rtsp://admin:p#s@s/1@10.0.0.1/x"), named("admin", "p#s@s/1"));
        assert_eq!(credentials("rtsp://admin@cam/"), named("admin", ""));
        assert_eq!(url("rtsp://@cam/").credentials(), None);
        assert_eq!(url("rtsp://cam/x?y=me@home").credentials(), None);
    }

    #[test]
    fn nothing_secret_is_shown() {
        let shown = [
            ("rtsp://admin:secret@cam:554/h264?channel=1&token=secret", "rtsp://***@cam:554/h264?channel=1&token=***"),
            ("rtsp://cam/user=secret&password=secret&channel=1", "rtsp://cam/user=***&password=***&channel=1"),
            ("rtsp://cam/x?secret", "rtsp://cam/x?***"),
            ("rtsp://cam/x?stream=1/secret=secret", "rtsp://cam/x?stream=***"),
            ("rtsp://cam/x?token=a/secret", "rtsp://cam/x?token=***"),
            ("rtmp://live.example/app/secret", "rtmp://live.example/app/***"),
            ("rtmp://live.example/app/secret?k=secret", "rtmp://live.example/app/***?k=***"),
            ("srt://live.example:9000?streamid=secret&mode=caller", "srt://live.example:9000?streamid=***&mode=caller"),
        ];
        for (text, expected) in shown {
            assert_eq!(url(text).to_string(), expected);
            assert_eq!(format!("{:?}", url(text)), expected);
        }
        assert_eq!(format!("{:?}", url("rtsp://admin:secret@cam").credentials()), "Some(***)");
    }

    #[test]
    fn what_is_no_url_gets_a_reason() {
        let cases = [
            ("", UrlError::NoScheme),
            ("cam/x", UrlError::NoScheme),
            ("file:///etc/passwd", UrlError::Scheme),
            ("rtsp:///x", UrlError::NoHost),
            ("rtsp://a:b@/x", UrlError::NoHost),
            ("rtsp://ca!m/x", UrlError::Host),
            ("rtsp://[::1", UrlError::Host),
            ("rtsp://[fe80::1%eth0]/", UrlError::Host),
            ("rtsp://cam:0/x", UrlError::Port),
            ("rtsp://cam:65536/x", UrlError::Port),
            ("rtsp://cam:+1/x", UrlError::Port),
            ("rtsp://[::1]554/x", UrlError::Port),
            ("rtsp://cam/x\r\nTEARDOWN", UrlError::Character),
            ("rtsp://cam/x y", UrlError::Character),
            ("rtsp://a%0d%0a:b@cam/x", UrlError::Character),
        ];
        for (text, expected) in cases {
            assert_eq!(text.parse::<SourceUrl>(), Err(expected), "{text:?}");
        }
        assert_eq!(format!("rtsp://cam/{}", "x".repeat(URL_BYTES_MAX)).parse::<SourceUrl>(), Err(UrlError::TooLong));
    }

    #[test]
    fn credentials_go_along_only_to_the_same_host() {
        let camera = url("rtsp://admin:secret@cam/x");
        assert_eq!(camera.redirected("/y").unwrap(), url("rtsp://admin:secret@cam/y"));
        assert_eq!(camera.redirected("rtsp://cam:554/y").unwrap().credentials(), camera.credentials());
        assert_eq!(camera.redirected("rtsp://cam:8554/y").unwrap().credentials(), None);
        assert_eq!(camera.redirected("rtsp://other/y").unwrap().credentials(), None);
        assert_eq!(camera.redirected("//other/y"), Err(UrlError::NoScheme));
        assert_eq!(url("rtsps://cam/x").redirected("rtsp://cam/x"), Err(UrlError::Unencrypted));
    }

    proptest! {
        #[test]
        fn what_is_parsed_can_stand_in_a_request_and_reads_the_same(text in "rtsps?://[ -~]{0,60}") {
            if let Ok(url) = text.parse::<SourceUrl>() {
                let request = url.request_uri();
                prop_assert!(request.bytes().all(|byte| byte.is_ascii_graphic()));
                let again: SourceUrl = request.parse().unwrap();
                prop_assert_eq!((again.host(), again.port(), again.path()), (url.host(), url.port(), url.path()));
            }
        }

        #[test]
        fn no_password_is_shown(password in "[a-zA-Z0-9@:/?#&=%]{1,20}") {
            if let Ok(url) = format!("rtsp://admin:{password}@cam.example/stream").parse::<SourceUrl>()
                && url.host() == &Host::Name("cam.example".to_owned())
            {
                prop_assert_eq!(url.to_string(), "rtsp://***@cam.example/stream");
            }
        }
    }
}
