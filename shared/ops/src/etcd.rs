//! The store of a cluster, as an operator sets it.

use std::path::PathBuf;
use std::time::Duration;

use velella_store::etcd::{EtcdOptions, EtcdStore, EtcdTls};

use crate::Secret;
use crate::config::Mistake;

/// Where etcd listens by default.
const URL_DEFAULT: &str = "http://127.0.0.1:2379";

/// Wait before a cluster that cannot be reached is tried again.
const RETRY: Duration = Duration::from_secs(1);

/// etcd, and who we are there.
#[derive(Clone, Debug, clap::Args)]
#[group(id = "etcd")]
#[command(next_help_heading = "etcd")]
pub struct EtcdConfig {
    /// Members of etcd, as `http://host:2379` or `https://host:2379`, several with commas
    #[arg(long, env = "VELELLA_ETCD_URL", value_delimiter = ',', default_value = URL_DEFAULT, value_parser = url)]
    pub etcd_url: Vec<String>,

    /// PEM file with the authorities that members of etcd are trusted by; those of the system if absent
    #[arg(long, env = "VELELLA_ETCD_CA")]
    pub etcd_ca: Option<PathBuf>,

    /// PEM file with the certificate that is shown to etcd
    #[arg(long, env = "VELELLA_ETCD_CERT")]
    pub etcd_cert: Option<PathBuf>,

    /// PEM file with the key of that certificate
    #[arg(long, env = "VELELLA_ETCD_KEY")]
    pub etcd_key: Option<PathBuf>,

    /// User at etcd
    #[arg(long, env = "VELELLA_ETCD_USER")]
    pub etcd_user: Option<String>,

    /// Password of that user
    #[arg(long, env = "VELELLA_ETCD_PASSWORD", hide_env_values = true)]
    pub etcd_password: Option<Secret>,
}

impl EtcdConfig {
    /// Connects; tries for as long as no member can be reached, so drop the future to give up. What
    /// another attempt would not change is a [`Mistake`].
    pub async fn connect(&self) -> Result<EtcdStore, Mistake> {
        let options = self.options()?;
        loop {
            match EtcdStore::connect(options.clone()).await {
                Ok(store) => return Ok(store),
                Err(error) if error.is_retryable() => {
                    tracing::warn!(%error, members = ?self.etcd_url, "waiting for etcd");
                    tokio::time::sleep(RETRY).await;
                }
                Err(error) => return Err(Mistake::new(format!("etcd: {error}"))),
            }
        }
    }

    fn options(&self) -> Result<EtcdOptions, Mistake> {
        let identity = match (&self.etcd_cert, &self.etcd_key) {
            (Some(certificate), Some(key)) => Some((certificate.clone(), key.clone())),
            (None, None) => None,
            (Some(_), None) | (None, Some(_)) => {
                return Err(Mistake::new("--etcd-cert and --etcd-key need each other".to_owned()));
            }
        };
        let user = match (&self.etcd_user, &self.etcd_password) {
            (Some(user), Some(password)) => Some((user.clone(), password.expose().to_owned())),
            (None, None) => None,
            (Some(_), None) | (None, Some(_)) => {
                return Err(Mistake::new("--etcd-user and --etcd-password need each other".to_owned()));
            }
        };
        let tls = EtcdTls { ca: self.etcd_ca.clone(), identity };
        Ok(EtcdOptions { endpoints: self.etcd_url.clone(), tls, user })
    }
}

/// A scheme and an authority, without a password, which would reach logs.
fn url(text: &str) -> Result<String, String> {
    let host = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
    match host {
        Some(host) if !host.is_empty() && !host.contains(|c: char| c.is_whitespace() || "/@".contains(c)) => {
            Ok(text.to_owned())
        }
        _ => Err("expected a member of etcd like https://etcd-0:2379".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Cli {
        #[command(flatten)]
        etcd: EtcdConfig,
    }

    fn options(arguments: &[&str]) -> Result<EtcdOptions, String> {
        let cli = Cli::try_parse_from([&["velella"], arguments].concat()).unwrap();
        cli.etcd.options().map_err(|mistake| mistake.to_string())
    }

    #[test]
    fn everything_set_arrives() {
        let set = ["--etcd-url=https://a:1,https://b:2", "--etcd-ca=ca", "--etcd-cert=c", "--etcd-key=k"];
        let options = options(&[&set[..], &["--etcd-user=u", "--etcd-password=p"]].concat()).unwrap();
        assert_eq!(options.endpoints, ["https://a:1", "https://b:2"]);
        let identity = Some((PathBuf::from("c"), PathBuf::from("k")));
        assert_eq!(options.tls, EtcdTls { ca: Some("ca".into()), identity });
        assert_eq!(options.user, Some(("u".to_owned(), "p".to_owned())));
    }

    #[test]
    fn half_a_login_is_a_mistake() {
        for set in ["--etcd-cert=c", "--etcd-key=k", "--etcd-user=u", "--etcd-password=p"] {
            assert!(options(&[set]).is_err(), "{set:?}");
        }
    }

    #[test]
    fn a_member_has_a_scheme_and_a_host() {
        for text in ["", "etcd:2379", "https://", "http://u:p@etcd", "http://etcd/path"] {
            assert!(url(text).is_err(), "{text:?}");
        }
    }
}
