//! The address of a camera: what of it may be shown, and what is a secret.

use std::net::Ipv6Addr;

use crate::http::failure::Failure;

/// Longer ones are none that a camera has.
const SOURCE_URI_BYTES_MAX: usize = 2048;

/// An address that was looked at. It has no `Debug`: it holds a password.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct SourceUri {
    whole: String,
    shown: String,
}

impl SourceUri {
    /// Of the option `name`. What is wrong is never told back: it may be a password that was mistyped.
    pub(crate) fn parse(name: &str, text: &str) -> Result<Self, Failure> {
        let wrong = || Failure::bad_request(format!("Expected {name} to be a URL of rtsp or rtsps"));
        let is_plain = |c: char| c.is_ascii_graphic();
        if text.len() > SOURCE_URI_BYTES_MAX || !text.chars().all(is_plain) {
            return Err(wrong());
        }
        let (scheme, rest) = text.split_once("://").ok_or_else(wrong)?;
        let scheme = scheme.to_ascii_lowercase();
        let (authority, path) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
        // The last one: passwords hold the others.
        let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
        if !matches!(scheme.as_str(), "rtsp" | "rtsps") || !is_host_and_port(host) {
            return Err(wrong());
        }
        let path = path.split(['?', '#']).next().unwrap_or_default();
        Ok(Self { shown: format!("{scheme}://{host}{}", shown_path(path)), whole: text.to_owned() })
    }

    /// Without user, password and query.
    pub(crate) fn shown(&self) -> &str {
        &self.shown
    }

    /// All of it, to be sealed.
    pub(crate) fn into_secret(self) -> Vec<u8> {
        self.whole.into_bytes()
    }
}

/// Some cameras take their password in the path, as `user=admin_password=…`; and the rest of a password with
/// a slash in it looks like a path, up to the `@`.
fn shown_path(path: &str) -> String {
    let shown = |segment| if str::contains(segment, ['=', '@', '&', ';']) { "…" } else { segment };
    path.split('/').map(shown).collect::<Vec<_>>().join("/")
}

fn is_host_and_port(text: &str) -> bool {
    let (is_host, port) = match text.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((address, port)) => (address.parse::<Ipv6Addr>().is_ok(), port),
        None => {
            let (name, port) = text.split_at(text.find(':').unwrap_or(text.len()));
            let is_of_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_');
            (!name.is_empty() && name.chars().all(is_of_name), port)
        }
    };
    is_host && (port.is_empty() || port.strip_prefix(':').is_some_and(is_port))
}

fn is_port(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit()) && text.parse::<u16>().is_ok_and(|port| port > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_shown_holds_no_secret() {
        let table = [
            ("rtsp://camera/live", "rtsp://camera/live"),
            ("RTSPS://10.0.0.1:322/a/b", "rtsps://10.0.0.1:322/a/b"),
            ("rtsp://u:p@camera:554/live", "rtsp://camera:554/live"),
            ("rtsp://u:p@ss:w@camera/live", "rtsp://camera/live"),
            ("rtsp://u:p@camera/live?token=secret#x", "rtsp://camera/live"),
            ("rtsp://camera?token=secret", "rtsp://camera"),
            ("rtsp://u:1/23@camera/live", "rtsp://u:1/…/live"),
            ("rtsp://camera/user=admin_password=x_channel=1.sdp", "rtsp://camera/…"),
            ("rtsp://u:p@[fe80::1]:554/", "rtsp://[fe80::1]:554/"),
            ("rtsp://[::1]", "rtsp://[::1]"),
        ];
        for (whole, shown) in table {
            let uri = SourceUri::parse("sourceUri", whole).unwrap_or_else(|_| panic!("{whole}"));
            assert_eq!(uri.shown(), shown, "{whole}");
            assert_eq!(uri.into_secret(), whole.as_bytes());
        }
    }

    #[test]
    fn what_is_no_address_of_a_camera_is_refused_and_not_told_back() {
        let long = format!("rtsp://camera/{}", "x".repeat(SOURCE_URI_BYTES_MAX));
        let table = [
            "",
            "camera",
            "http://camera/",
            "file:///etc/passwd",
            "rtsp://",
            "rtsp:///x",
            "rtsp://u:p@/x",
            "rtsp://a b/",
            "rtsp://camera:0/",
            "rtsp://camera:+1/",
            "rtsp://camera:99999/",
            "rtsp://u:pa/ss@camera/",
            "rtsp://[::1/",
            "rtsp://[x]/",
            "rtsp://[::1]x/",
            "rtsp://camera/\n",
            "rtsp://cämera/",
            &long,
        ];
        for wrong in table {
            let Err(failure) = SourceUri::parse("sourceUri", wrong) else { panic!("{wrong}") };
            assert_eq!(failure, Failure::bad_request("Expected sourceUri to be a URL of rtsp or rtsps".into()));
        }
    }
}
