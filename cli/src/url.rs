//! Where a coordinator answers.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use ureq::http::Uri;

/// A base of addresses, without a slash at its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Url {
    text: String,
    host: String,
}

impl Url {
    /// Whether it leads to this machine, as far as its text tells.
    pub(crate) fn is_loopback(&self) -> bool {
        let address = self.host.trim_start_matches('[').trim_end_matches(']');
        self.host == "localhost" || address.parse().is_ok_and(|ip: IpAddr| ip.is_loopback())
    }

    pub(crate) fn is_encrypted(&self) -> bool {
        self.text.starts_with("https://")
    }
}

impl FromStr for Url {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || "expected something like https://meet.example.com".to_owned();
        let uri: Uri = text.parse().map_err(|_| wrong())?;
        let host = uri.host().filter(|host| !host.is_empty()).ok_or_else(wrong)?.to_ascii_lowercase();
        let is_plain = matches!(uri.scheme_str(), Some("http" | "https"))
            && uri.query().is_none()
            && !uri.authority().is_some_and(|authority| authority.as_str().contains('@'));
        if is_plain { Ok(Self { text: text.trim_end_matches('/').to_owned(), host }) } else { Err(wrong()) }
    }
}

impl fmt::Display for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> Url {
        text.parse().unwrap()
    }

    #[test]
    fn this_machine_is_known_by_name_and_by_number() {
        for local in ["http://localhost:5002", "http://127.0.0.1:1/", "http://127.8.0.1", "https://[::1]:5002"] {
            assert!(url(local).is_loopback(), "{local}");
        }
        for other in ["http://192.0.2.1:5002", "http://localhost.example.com", "https://meet.example.com/cluster"] {
            assert!(!url(other).is_loopback(), "{other}");
        }
    }

    #[test]
    fn what_is_no_base_is_refused() {
        for text in ["", "meet.example.com", "ftp://a", "http://", "http://a?b=c", "http://me:secret@127.0.0.1"] {
            assert!(text.parse::<Url>().is_err(), "{text}");
        }
        assert_eq!(url("http://a:1/").to_string(), "http://a:1");
    }
}
