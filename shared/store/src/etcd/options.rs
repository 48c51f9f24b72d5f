//! How to connect, and who we are.

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use etcd_client::{Certificate, ConnectOptions, Identity, TlsOptions};

use crate::StoreError;

/// How long connecting to one member may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);

/// Pings on a connection that is in use. etcd ends connections that ping more often than every 5 s,
/// or without need.
const PING_INTERVAL: Duration = Duration::from_secs(6);

/// A connection that does not answer a ping for this long is dead.
const PING_TIMEOUT: Duration = Duration::from_secs(3);

/// A client of etcd.
#[derive(Clone, Default)]
pub struct EtcdOptions {
    /// The members, as `http://host:port` or `https://host:port`.
    pub endpoints: Vec<String>,
    /// Certificates, for `https`.
    pub tls: EtcdTls,
    /// User and password.
    pub user: Option<(String, String)>,
}

/// Certificates, read when the client is made; PEM.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EtcdTls {
    /// Authorities to trust; those of the system if absent.
    pub ca: Option<PathBuf>,
    /// Our certificate and its key.
    pub identity: Option<(PathBuf, PathBuf)>,
}

/// Nothing of the password is shown.
impl fmt::Debug for EtcdOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let user = self.user.as_ref().map(|(user, _)| user);
        let (endpoints, tls) = (&self.endpoints, &self.tls);
        f.debug_struct("EtcdOptions").field("endpoints", endpoints).field("tls", tls).field("user", &user).finish()
    }
}

impl EtcdOptions {
    /// What the client library takes, for one endpoint.
    pub(super) fn of(&self, endpoint: &str) -> Result<ConnectOptions, StoreError> {
        let secure = endpoint.starts_with("https://");
        if !secure && self.tls != EtcdTls::default() {
            return Err(StoreError::Denied(format!("{endpoint} would not use the certificates: it is not https")));
        }
        let options = ConnectOptions::new()
            .with_connect_timeout(CONNECT_TIMEOUT)
            .with_keep_alive(PING_INTERVAL, PING_TIMEOUT)
            .with_keep_alive_while_idle(false)
            // A member that lost the others then says so, instead of leaving watches silent.
            .with_require_leader(true)
            .with_auto_token_refresh(true);
        let options = match &self.user {
            Some((user, password)) => options.with_user(user, password),
            None => options,
        };
        Ok(if secure { options.with_tls(self.tls.load()?) } else { options })
    }
}

impl EtcdTls {
    fn load(&self) -> Result<TlsOptions, StoreError> {
        let tls = match &self.ca {
            Some(ca) => TlsOptions::new().ca_certificate(Certificate::from_pem(read(ca)?)),
            None => TlsOptions::new().with_native_roots(),
        };
        Ok(match &self.identity {
            Some((certificate, key)) => tls.identity(Identity::from_pem(read(certificate)?, read(key)?)),
            None => tls,
        })
    }
}

fn read(path: &Path) -> Result<Vec<u8>, StoreError> {
    std::fs::read(path).map_err(|error| StoreError::Denied(format!("{}: {error}", path.display())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_password_does_not_show() {
        let options = EtcdOptions { user: Some(("velella".into(), "hunter2".into())), ..EtcdOptions::default() };
        assert!(!format!("{options:?}").contains("hunter2"));
    }

    #[test]
    fn certificates_are_not_left_unused() {
        let tls = EtcdTls { ca: Some("ca.pem".into()), identity: None };
        let options = EtcdOptions { tls, ..EtcdOptions::default() };
        assert!(matches!(options.of("http://127.0.0.1:2379"), Err(StoreError::Denied(_))));
    }
}
