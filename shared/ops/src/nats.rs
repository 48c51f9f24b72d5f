//! The bus of a cluster, as an operator sets it.

use std::path::PathBuf;
use std::time::Duration;

use velella_bus::nats::{NatsAuth, NatsBus, NatsOptions, NatsTls};

use crate::Secret;
use crate::config::Mistake;

/// Where NATS listens by default.
const URL_DEFAULT: &str = "nats://127.0.0.1:4222";

/// Wait before a server that cannot be reached is tried again.
const RETRY: Duration = Duration::from_secs(1);

/// NATS, and who we are there. At most one kind of login.
#[derive(Clone, Debug, clap::Args)]
#[group(id = "nats")]
#[command(next_help_heading = "NATS")]
pub struct NatsConfig {
    /// Servers of NATS, as `nats://host:4222` or `tls://host:4222`, several with commas
    #[arg(long, env = "VELELLA_NATS_URL", value_delimiter = ',', default_value = URL_DEFAULT)]
    pub nats_url: Vec<String>,

    /// PEM file with the authorities that servers of NATS are trusted by; those of the system if absent
    #[arg(long, env = "VELELLA_NATS_CA")]
    pub nats_ca: Option<PathBuf>,

    /// PEM file with the certificate that is shown to NATS
    #[arg(long, env = "VELELLA_NATS_CERT")]
    pub nats_cert: Option<PathBuf>,

    /// PEM file with the key of that certificate
    #[arg(long, env = "VELELLA_NATS_KEY")]
    pub nats_key: Option<PathBuf>,

    /// User at NATS
    #[arg(long, env = "VELELLA_NATS_USER")]
    pub nats_user: Option<String>,

    /// Password of that user
    #[arg(long, env = "VELELLA_NATS_PASSWORD", hide_env_values = true)]
    pub nats_password: Option<Secret>,

    /// Token for NATS
    #[arg(long, env = "VELELLA_NATS_TOKEN", hide_env_values = true)]
    pub nats_token: Option<Secret>,

    /// Seed of an nkey for NATS
    #[arg(long, env = "VELELLA_NATS_NKEY", hide_env_values = true)]
    pub nats_nkey: Option<Secret>,

    /// Credentials file for NATS, with a JWT and the seed of its nkey
    #[arg(long, env = "VELELLA_NATS_CREDS_FILE")]
    pub nats_creds_file: Option<PathBuf>,
}

impl NatsConfig {
    /// Connects as `name`; tries for as long as no server can be reached, so drop the future to give
    /// up. What another attempt would not change is a [`Mistake`].
    pub async fn connect(&self, name: &str) -> Result<NatsBus, Mistake> {
        let options = self.options(name)?;
        loop {
            match NatsBus::connect(options.clone()).await {
                Ok(bus) => return Ok(bus),
                Err(error) if error.is_retryable() => {
                    tracing::warn!(%error, servers = ?self.nats_url, "waiting for NATS");
                    tokio::time::sleep(RETRY).await;
                }
                Err(error) => return Err(Mistake::new(error.to_string())),
            }
        }
    }

    fn options(&self, name: &str) -> Result<NatsOptions, Mistake> {
        let identity = match (&self.nats_cert, &self.nats_key) {
            (Some(certificate), Some(key)) => Some((certificate.clone(), key.clone())),
            (None, None) => None,
            (Some(_), None) | (None, Some(_)) => {
                return Err(Mistake::new("--nats-cert and --nats-key need each other".to_owned()));
            }
        };
        let tls = NatsTls { ca: self.nats_ca.clone(), identity };
        Ok(NatsOptions { servers: self.nats_url.clone(), name: name.to_owned(), tls, auth: self.auth()? })
    }

    fn auth(&self) -> Result<NatsAuth, Mistake> {
        let password = match (&self.nats_user, &self.nats_password) {
            (Some(user), Some(password)) => {
                Some(NatsAuth::Password { user: user.clone(), password: password.expose().to_owned() })
            }
            (None, None) => None,
            (Some(_), None) | (None, Some(_)) => {
                return Err(Mistake::new("--nats-user and --nats-password need each other".to_owned()));
            }
        };
        let token = self.nats_token.as_ref().map(|token| NatsAuth::Token(token.expose().to_owned()));
        let nkey = self.nats_nkey.as_ref().map(|seed| NatsAuth::Nkey(seed.expose().to_owned()));
        let credentials = self.nats_creds_file.clone().map(NatsAuth::Credentials);
        let mut logins = [password, token, nkey, credentials].into_iter().flatten();
        match (logins.next(), logins.next()) {
            (Some(_), Some(_)) => Err(Mistake::new(
                "NATS takes one login: a user, a token, an nkey or a credentials file, not several".to_owned(),
            )),
            (login, _) => Ok(login.unwrap_or_default()),
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Cli {
        #[command(flatten)]
        nats: NatsConfig,
    }

    fn options(arguments: &[&str]) -> Result<NatsOptions, String> {
        let cli = Cli::try_parse_from([&["velella"], arguments].concat()).unwrap();
        cli.nats.options("test").map_err(|mistake| mistake.to_string())
    }

    #[test]
    fn everything_set_arrives() {
        let set = ["--nats-url=tls://a:1,tls://b:2", "--nats-ca=ca", "--nats-cert=c", "--nats-key=k"];
        let options = options(&[&set[..], &["--nats-user=u", "--nats-password=p"]].concat()).unwrap();
        assert_eq!(options.servers, ["tls://a:1", "tls://b:2"]);
        let identity = Some((PathBuf::from("c"), PathBuf::from("k")));
        assert_eq!(options.tls, NatsTls { ca: Some("ca".into()), identity });
        assert!(matches!(options.auth, NatsAuth::Password { user, password } if user == "u" && password == "p"));
    }

    #[test]
    fn by_default_it_is_a_server_of_this_machine_for_everybody() {
        let options = options(&[]).unwrap();
        assert_eq!(options.servers, [URL_DEFAULT]);
        assert!(matches!(options.auth, NatsAuth::None));
    }

    #[test]
    fn half_a_login_and_two_logins_are_mistakes() {
        for set in [
            &["--nats-cert=c"][..],
            &["--nats-key=k"],
            &["--nats-user=u"],
            &["--nats-password=p"],
            &["--nats-token=t", "--nats-nkey=n"],
            &["--nats-token=t", "--nats-creds-file=f"],
        ] {
            assert!(options(set).is_err(), "{set:?}");
        }
    }

    #[tokio::test]
    async fn what_cannot_work_is_a_mistake_at_once() {
        let cli = Cli::try_parse_from(["velella", "--nats-url", "nats://u:hunter2@127.0.0.1"]).unwrap();
        let mistake = cli.nats.connect("test").await.unwrap_err().to_string();
        assert!(!mistake.contains("hunter2"), "{mistake}");
    }
}
