//! How to connect, and who we are.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use async_nats::{Client, ConnectErrorKind, ConnectOptions, Event, ServerAddr};

use super::backoff;
use crate::SUBSCRIPTION_MESSAGES_MAX;

/// A server that does not answer a ping within two more of these is dead.
const PING_INTERVAL: Duration = Duration::from_secs(2);

/// How long connecting to one address may take, TLS and login included.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);

/// Messages on their way to the connection. They are sent once it is back if it breaks before the
/// loss is noticed; publishing waits when they are this many.
const OUTGOING_MESSAGES_MAX: usize = 2_048;

/// A connection to NATS.
#[derive(Clone, Debug, Default)]
pub struct NatsOptions {
    /// As `nats://host:port` or `tls://host:port`; without a password, which would reach logs.
    pub servers: Vec<String>,
    /// Name of this client in the server's monitoring.
    pub name: String,
    /// Certificates. With any of them, a server without TLS is refused.
    pub tls: NatsTls,
    /// Who we are.
    pub auth: NatsAuth,
}

/// Certificates, read again with each connection; PEM.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NatsTls {
    /// Authorities to trust; those of the system if absent.
    pub ca: Option<PathBuf>,
    /// Our certificate and its key.
    pub identity: Option<(PathBuf, PathBuf)>,
}

/// Who we are.
#[derive(Clone, Default)]
pub enum NatsAuth {
    /// Anybody.
    #[default]
    None,
    /// User and password.
    Password {
        /// User.
        user: String,
        /// Password.
        password: String,
    },
    /// A token.
    Token(String),
    /// The seed of an nkey.
    Nkey(String),
    /// A file with a JWT and the seed of its nkey.
    Credentials(PathBuf),
}

/// Nothing of a secret is shown.
impl fmt::Debug for NatsAuth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => f.write_str("None"),
            Self::Password { user, .. } => f.debug_struct("Password").field("user", user).finish_non_exhaustive(),
            Self::Token(_) => f.write_str("Token(***)"),
            Self::Nkey(_) => f.write_str("Nkey(***)"),
            Self::Credentials(path) => f.debug_tuple("Credentials").field(path).finish(),
        }
    }
}

impl NatsOptions {
    pub(super) async fn connect(
        self,
        listener: impl Fn(Event) + Send + Sync + 'static,
    ) -> Result<Client, ConnectError> {
        let servers = self.servers.iter().map(|url| server(url)).collect::<Result<Vec<_>, _>>()?;
        let options = self
            .auth
            .apply(self.tls.apply(ConnectOptions::new()))
            .await?
            .name(&self.name)
            .ping_interval(PING_INTERVAL)
            .connection_timeout(CONNECT_TIMEOUT)
            .reconnect_delay_callback(backoff::wait)
            .client_capacity(OUTGOING_MESSAGES_MAX)
            .subscription_capacity(SUBSCRIPTION_MESSAGES_MAX)
            .event_callback(move |event| {
                listener(event);
                std::future::ready(())
            });
        options.connect(servers).await.map_err(ConnectError::from)
    }
}

impl NatsTls {
    fn apply(self, options: ConnectOptions) -> ConnectOptions {
        // Else whoever stands between could offer a connection without it.
        let options = options.require_tls(self != Self::default());
        let options = match self.ca {
            Some(ca) => options.add_root_certificates(ca),
            None => options,
        };
        match self.identity {
            Some((certificate, key)) => options.add_client_certificate(certificate, key),
            None => options,
        }
    }
}

impl NatsAuth {
    async fn apply(self, options: ConnectOptions) -> Result<ConnectOptions, ConnectError> {
        Ok(match self {
            Self::None => options,
            Self::Password { user, password } => options.user_and_password(user, password),
            Self::Token(token) => options.token(token),
            Self::Nkey(seed) => options.nkey(seed),
            Self::Credentials(path) => options
                .credentials_file(&path)
                .await
                .map_err(|error| ConnectError::Refused(format!("{}: {error}", path.display())))?,
        })
    }
}

fn server(url: &str) -> Result<ServerAddr, ConnectError> {
    let address: ServerAddr =
        url.parse().map_err(|error| ConnectError::Refused(format!("{url} is no address of NATS: {error}")))?;
    if address.has_user_pass() {
        return Err(ConnectError::Refused("an address of NATS must not hold a password".to_owned()));
    }
    Ok(address)
}

/// Why the first connection failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConnectError {
    /// Who we are, or what we were told, will not do. Another attempt would fail as well.
    #[error("NATS refuses the connection: {0}")]
    Refused(String),
    /// No server could be reached, or it did not pass as the right one; another attempt may succeed.
    #[error("NATS cannot be reached: {0}")]
    Unreachable(String),
}

impl ConnectError {
    /// Whether another attempt may succeed.
    pub fn is_retryable(&self) -> bool {
        matches!(self, Self::Unreachable(_))
    }
}

impl From<async_nats::ConnectError> for ConnectError {
    fn from(error: async_nats::ConnectError) -> Self {
        let text = error.to_string();
        match error.kind() {
            ConnectErrorKind::ServerParse
            | ConnectErrorKind::Authentication
            | ConnectErrorKind::AuthorizationViolation
            | ConnectErrorKind::Tls => Self::Refused(text),
            ConnectErrorKind::Dns
            | ConnectErrorKind::TimedOut
            | ConnectErrorKind::Io
            | ConnectErrorKind::MaxReconnects => Self::Unreachable(text),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_do_not_show() {
        let password = NatsAuth::Password { user: "velella".into(), password: "hunter2".into() };
        for auth in [password, NatsAuth::Token("hunter2".into()), NatsAuth::Nkey("hunter2".into())] {
            let shown = format!("{:?}", NatsOptions { auth, ..NatsOptions::default() });
            assert!(!shown.contains("hunter2"), "{shown}");
        }
    }

    #[test]
    fn an_address_holds_no_password() {
        assert!(server("nats://example.com:4222").is_ok());
        let refused = server("nats://velella:hunter2@example.com").unwrap_err();
        assert!(!refused.to_string().contains("hunter2"));
    }
}
