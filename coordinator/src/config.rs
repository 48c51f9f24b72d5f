//! What an operator may set. Flags and environment; the all-in-one nests this struct.

use std::net::SocketAddr;
use std::time::Duration;

use velella_model::CoordinatorId;
use velella_ops::config::duration;
use velella_ops::{EmptySecret, Secret};

use crate::ice_servers;

/// Where HTTP is served by default: reachable from this machine only.
const LISTEN_DEFAULT: &str = "127.0.0.1:5002";

/// How long a peer token is valid by default: a working day with some air.
const TOKEN_TTL_DEFAULT: &str = "24h";

/// Shortest secret that signs tokens: as long as the hash of HS256.
pub const TOKEN_SECRET_BYTES_MIN: usize = 32;

/// The coordinator's settings.
#[derive(Clone, Debug, clap::Args)]
#[group(id = "coordinator")]
#[command(next_help_heading = "Coordinator")]
pub struct Config {
    /// Address of the HTTP API, the sockets and the page
    #[arg(long, env = "VELELLA_LISTEN", default_value = LISTEN_DEFAULT)]
    pub listen: SocketAddr,

    /// Token that servers use for the management API
    #[arg(long, env = "VELELLA_MANAGEMENT_TOKEN", hide_env_values = true)]
    pub management_token: Option<Secret>,

    /// Secret that signs peer tokens, at least 32 bytes, the same at all coordinators
    #[arg(long, env = "VELELLA_TOKEN_SECRET", hide_env_values = true, value_parser = token_secret)]
    pub token_secret: Option<Secret>,

    /// Secret that seals the addresses of cameras in the store, the same at all coordinators and gateways; the one that
    /// signs tokens if absent
    #[arg(long, env = "VELELLA_SOURCE_SECRET", hide_env_values = true, value_parser = token_secret)]
    pub source_secret: Option<Secret>,

    /// How long peer tokens are valid (for example 90s, 30m, 24h, 7d)
    #[arg(long, env = "VELELLA_TOKEN_TTL", default_value = TOKEN_TTL_DEFAULT, value_parser = duration)]
    pub token_ttl: Duration,

    /// Name of this coordinator, unique in the cluster; a random one if absent
    #[arg(long, env = "VELELLA_COORDINATOR_ID")]
    pub coordinator_id: Option<CoordinatorId>,

    /// Region whose workers are preferred for new rooms
    #[arg(long, env = "VELELLA_PREFER_REGION", default_value = "")]
    pub prefer_region: String,

    /// Public base URL of this cluster (for example `https://meet.example.com`); taken from the request if absent
    #[arg(long, env = "VELELLA_PUBLIC_URL", value_parser = base_url)]
    pub public_url: Option<String>,

    /// Pages that may open sockets, as `https://meet.example.com`, several with commas; any if absent
    #[arg(long, env = "VELELLA_ALLOWED_ORIGINS", value_delimiter = ',', value_parser = origin)]
    pub allowed_origins: Vec<String>,

    /// Where notifications of rooms without a webhook of their own go
    #[arg(long, env = "VELELLA_WEBHOOK_URL", value_parser = webhook_url)]
    pub webhook_url: Option<String>,

    /// Secret that signs webhooks, in the header `x-fishjam-signature-256`
    #[arg(long, env = "VELELLA_WEBHOOK_SECRET", hide_env_values = true)]
    pub webhook_secret: Option<Secret>,

    /// STUN and TURN servers that clients are told of, with commas (for example
    /// `stun:stun.example.com,turn:turn.example.com?transport=tcp`)
    #[arg(long, env = "VELELLA_ICE_SERVERS", value_delimiter = ',', value_parser = ice_servers::url)]
    pub ice_servers: Vec<String>,

    /// User name at the TURN servers, the same for all clients; with --turn-credential
    #[arg(long, env = "VELELLA_TURN_USERNAME", value_parser = ice_servers::printable)]
    pub turn_username: Option<String>,

    /// Credential at the TURN servers, the same for all clients
    #[arg(long, env = "VELELLA_TURN_CREDENTIAL", hide_env_values = true, value_parser = turn_credential)]
    pub turn_credential: Option<Secret>,

    /// Secret that is shared with the TURN servers, by which each client gets a login of its own for 12 hours (coturn:
    /// use-auth-secret); instead of --turn-username
    #[arg(long, env = "VELELLA_TURN_SECRET", hide_env_values = true)]
    pub turn_secret: Option<Secret>,

    /// Let anybody open demo rooms through the page, without a token
    #[arg(long, env = "VELELLA_DEMO")]
    pub demo: bool,
}

/// A URL that can be posted to: http or https, and a host.
fn webhook_url(text: &str) -> Result<String, String> {
    let expected = || "expected a URL like https://example.com/webhook".to_owned();
    let uri: hyper::Uri = text.parse().map_err(|_| expected())?;
    let known = matches!(uri.scheme_str(), Some("http" | "https")) && uri.host().is_some_and(|host| !host.is_empty());
    if known { Ok(text.to_owned()) } else { Err(expected()) }
}

/// Too short a secret could be guessed from a token that it signed.
fn token_secret(text: &str) -> Result<Secret, String> {
    if text.len() < TOKEN_SECRET_BYTES_MIN {
        return Err(format!("it needs at least {TOKEN_SECRET_BYTES_MIN} bytes"));
    }
    text.parse().map_err(|error: EmptySecret| error.to_string())
}

fn turn_credential(text: &str) -> Result<Secret, String> {
    ice_servers::printable(text)?.parse().map_err(|error: EmptySecret| error.to_string())
}

/// Of the page that a client is sent to: a scheme and a host, so that paths can follow.
fn base_url(text: &str) -> Result<String, String> {
    let host = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
    match host {
        Some(host) if !host.is_empty() && !host.contains(char::is_whitespace) => Ok(text.to_owned()),
        _ => Err("expected a URL that begins with http:// or https://".into()),
    }
}

/// As browsers write it: scheme, host, and the port where it is not the scheme's own.
fn origin(text: &str) -> Result<String, String> {
    match base_url(text) {
        Ok(url) if url.matches('/').count() == 2 => Ok(url.to_ascii_lowercase()),
        _ => Err("expected an origin such as https://meet.example.com, without a path".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_that_signs_is_long() {
        assert!(token_secret(&"x".repeat(TOKEN_SECRET_BYTES_MIN)).is_ok());
        assert_eq!(token_secret("short").unwrap_err(), "it needs at least 32 bytes");
    }

    #[test]
    fn a_public_url_has_scheme_and_host() {
        assert!(base_url("https://meet.example.com/velella").is_ok());
        for text in ["", "meet.example.com", "https://", "ftp://a", "http://a b"] {
            assert!(base_url(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn an_origin_has_no_path() {
        assert_eq!(origin("https://Meet.example.com:8443").as_deref(), Ok("https://meet.example.com:8443"));
        for text in ["*", "meet.example.com", "https://meet.example.com/"] {
            assert!(origin(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn a_webhook_has_a_scheme_and_a_host() {
        assert!(webhook_url("https://example.com/hook?x=1").is_ok());
        for text in ["", "example.com", "/hook", "ftp://example.com/", "http://"] {
            assert!(webhook_url(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn secrets_do_not_show() {
        #[derive(clap::Parser)]
        struct Cli {
            #[command(flatten)]
            config: Config,
        }
        let cli: Cli = clap::Parser::try_parse_from(["c", "--management-token", "hunter2"]).unwrap();
        assert!(!format!("{:?}", cli.config).contains("hunter2"));
    }
}
