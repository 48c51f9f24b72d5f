//! What an operator may set. Flags and environment; the all-in-one nests this struct.

use std::net::SocketAddr;
use std::time::Duration;

use velella_model::CoordinatorId;
use velella_ops::Secret;

/// Where HTTP is served by default: reachable from this machine only.
const LISTEN_DEFAULT: &str = "127.0.0.1:5002";

/// How long a peer token is valid by default: a working day with some air.
const TOKEN_TTL_DEFAULT: &str = "24h";

/// Shortest secret that signs tokens: as long as the hash of HS256.
pub const TOKEN_SECRET_BYTES_MIN: usize = 32;

/// The coordinator's settings.
#[derive(Clone, Debug, clap::Args)]
#[group(id = "coordinator")]
pub struct Config {
    /// Address of the HTTP API, the sockets and the page
    #[arg(long, env = "VELELLA_LISTEN", default_value = LISTEN_DEFAULT)]
    pub listen: SocketAddr,

    /// Token that servers use for the management API
    #[arg(long, env = "VELELLA_MANAGEMENT_TOKEN", hide_env_values = true)]
    pub management_token: Option<Secret>,

    /// Secret that signs peer tokens, at least 32 bytes, the same at all coordinators
    #[arg(long, env = "VELELLA_TOKEN_SECRET", hide_env_values = true)]
    pub token_secret: Option<Secret>,

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
    #[arg(long, env = "VELELLA_PUBLIC_URL")]
    pub public_url: Option<String>,

    /// Let anybody open demo rooms through the page, without a token
    #[arg(long, env = "VELELLA_DEMO")]
    pub demo: bool,
}

/// Reads a number with a unit: `s`, `m`, `h` or `d`.
fn duration(text: &str) -> Result<Duration, String> {
    let split = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(split);
    let factor = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 60 * 60,
        "d" => 24 * 60 * 60,
        _ => return Err("expected a number with a unit: s, m, h or d".into()),
    };
    let number: u64 = number.parse().map_err(|_| "expected a number with a unit: s, m, h or d")?;
    let seconds = number.checked_mul(factor).filter(|s| (1..=DURATION_S_MAX).contains(s));
    seconds.map(Duration::from_secs).ok_or_else(|| "expected something between 1 second and 10 years".into())
}

/// Ten years; more is a mistake.
const DURATION_S_MAX: u64 = 10 * 365 * 24 * 60 * 60;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_units_and_bounds() {
        assert_eq!(duration("90s"), Ok(Duration::from_secs(90)));
        assert_eq!(duration("24h"), Ok(Duration::from_secs(86_400)));
        for text in ["", "24", "h", "1w", "-1s", "0s", "99999999999d"] {
            assert!(duration(text).is_err(), "{text:?}");
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
