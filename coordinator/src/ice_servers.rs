//! STUN and TURN servers that clients are told of, with what they need to log in there.
//!
//! Workers need none: their addresses can be reached. These are for clients behind firewalls that let only a TURN
//! server through.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_lc_rs::hmac;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use velella_ops::Secret;
use velella_ops::config::Mistake;

/// How long a login lasts that is made for one client: a working day, since a TURN server asks for it again whenever
/// the client renews what it was given there.
const LOGIN_TTL: Duration = Duration::from_hours(12);

/// The servers, and who may use them.
#[derive(Clone, Debug, Default)]
pub(crate) struct IceServers {
    urls: Vec<String>,
    login: Option<Login>,
}

#[derive(Clone, Debug)]
enum Login {
    /// The same for all.
    Fixed { username: String, credential: Secret },
    /// Made for each client of what we share with the TURN server (draft-uberti-behave-turn-rest-00).
    Made(Secret),
}

/// One of them as a client is told of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct IceServer {
    pub(crate) url: String,
    /// User name and credential.
    pub(crate) login: Option<(String, String)>,
}

impl IceServers {
    /// As an operator set them; what does not go together is a mistake.
    pub(crate) fn new(
        urls: Vec<String>,
        username: Option<String>,
        credential: Option<Secret>,
        shared: Option<Secret>,
    ) -> Result<Self, Mistake> {
        let login = match (username, credential, shared) {
            (None, None, None) => None,
            (Some(username), Some(credential), None) => Some(Login::Fixed { username, credential }),
            (None, None, Some(shared)) => Some(Login::Made(shared)),
            (Some(_) | None, _, _) => {
                return Err(Mistake::new("set --turn-username with --turn-credential, or --turn-secret alone"));
            }
        };
        if login.is_none() && urls.iter().any(|url| is_turn(url)) {
            return Err(Mistake::new("a TURN server needs --turn-secret, or --turn-username with --turn-credential"));
        }
        Ok(Self { urls, login })
    }

    /// What one client is told.
    pub(crate) fn of_client(&self, client: &str, now: SystemTime) -> Vec<IceServer> {
        let login = self.login.as_ref().map(|login| login.of_client(client, now));
        let tell = |url: &String| IceServer { url: url.clone(), login: login.clone().filter(|_| is_turn(url)) };
        self.urls.iter().map(tell).collect()
    }
}

impl Login {
    fn of_client(&self, client: &str, now: SystemTime) -> (String, String) {
        match self {
            Self::Fixed { username, credential } => (username.clone(), credential.expose().to_owned()),
            Self::Made(shared) => {
                let ends = (now + LOGIN_TTL).duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
                let username = format!("{ends}:{client}");
                let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, shared.expose().as_bytes());
                let credential = STANDARD.encode(hmac::sign(&key, username.as_bytes()));
                (username, credential)
            }
        }
    }
}

impl IceServer {
    /// The value of a `Link` header (RFC 9725 section 4.6).
    pub(crate) fn link(&self) -> String {
        let Self { url, login } = self;
        let login = login.as_ref().map(|(username, credential)| {
            let (username, credential) = (quoted(username), quoted(credential));
            format!("; username={username}; credential={credential}; credential-type=\"password\"")
        });
        format!("<{url}>; rel=\"ice-server\"{}", login.unwrap_or_default())
    }
}

/// A STUN or TURN URL (RFC 7064, RFC 7065) of characters that a header can hold.
pub(crate) fn url(text: &str) -> Result<String, String> {
    let host = ["stun:", "stuns:", "turn:", "turns:"].iter().find_map(|scheme| text.strip_prefix(scheme));
    let is_plain = |byte: u8| byte.is_ascii_graphic() && !b"<>\"/@".contains(&byte);
    match host {
        Some(host) if !host.is_empty() && !host.starts_with('?') && host.bytes().all(is_plain) => Ok(text.to_owned()),
        _ => Err("expected a URL like stun:stun.example.com:3478 or turn:turn.example.com?transport=tcp".into()),
    }
}

/// A user name or credential of characters that a header can hold.
pub(crate) fn printable(text: &str) -> Result<String, String> {
    let is_printable = !text.is_empty() && text.bytes().all(|byte| byte == b' ' || byte.is_ascii_graphic());
    if is_printable { Ok(text.to_owned()) } else { Err("expected printable characters of ASCII".into()) }
}

fn is_turn(url: &str) -> bool {
    url.starts_with("turn")
}

/// RFC 9110 section 5.6.4.
fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_login_is_for_turn_alone_and_stands_in_the_link() {
        let urls = ["stun:stun.example.com", "turns:turn.example.com:443?transport=tcp"].map(String::from);
        let servers = IceServers::new(urls.into(), Some(r#"a"b"#.into()), Some(secret("c")), None).unwrap();
        let links: Vec<_> = servers.of_client("p", UNIX_EPOCH).iter().map(IceServer::link).collect();
        let turn = "<turns:turn.example.com:443?transport=tcp>; rel=\"ice-server\"; username=\"a\\\"b\"; \
            credential=\"c\"; credential-type=\"password\"";
        assert_eq!(links, ["<stun:stun.example.com>; rel=\"ice-server\"", turn]);
    }

    #[test]
    fn a_login_that_is_made_for_a_client_ends_and_is_signed() {
        let servers = IceServers::new(vec!["turn:t".into()], None, None, Some(secret("north"))).unwrap();
        let told = servers.of_client("p", UNIX_EPOCH + Duration::from_secs(1_000_000));
        // As `printf 1043200:p | openssl dgst -sha1 -hmac north -binary | base64` makes it.
        let login = ("1043200:p".to_owned(), "xOvxKuM4NGyA3V2tQOdQBe+XDYI=".to_owned());
        assert_eq!(told, [IceServer { url: "turn:t".into(), login: Some(login) }]);
    }

    #[test]
    fn what_does_not_go_together_is_a_mistake() {
        let turn = || vec!["turn:t".to_owned()];
        assert!(IceServers::new(turn(), None, None, None).is_err());
        assert!(IceServers::new(turn(), Some("u".into()), None, None).is_err());
        assert!(IceServers::new(turn(), None, Some(secret("c")), None).is_err());
        assert!(IceServers::new(turn(), Some("u".into()), Some(secret("c")), Some(secret("s"))).is_err());
        assert!(IceServers::new(vec!["stun:s".into()], None, None, None).is_ok());
    }

    #[test]
    fn a_url_fits_into_a_header() {
        for text in ["stun:a", "turn:[2001:db8::1]:3478?transport=udp", "turns:a:443"] {
            assert_eq!(url(text).as_deref(), Ok(text));
        }
        for text in ["", "stun:", "turn:?transport=udp", "turn://a", "http:a", "stun:a b", "stun:a>", "turn:u@h"] {
            assert!(url(text).is_err(), "{text:?}");
        }
        assert!(printable("a b\\\"").is_ok() && printable("a\n").is_err() && printable("").is_err());
    }

    fn secret(text: &str) -> Secret {
        text.parse().unwrap()
    }
}
