//! TLS: whom to trust when connecting to others, and who we are to those who connect to us.

use std::path::Path;
use std::sync::Arc;

use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore, ServerConfig};

use crate::config::Mistake;

/// A client's side of TLS; `what` fails if the system knows no authorities, and is told so in the log.
#[must_use]
pub fn tls_client(what: &str) -> ClientConfig {
    let found = rustls_native_certs::load_native_certs();
    let mut roots = RootCertStore::empty();
    let (known, _) = roots.add_parsable_certificates(found.certs);
    if known == 0 {
        tracing::warn!("this system has no certificates of authorities: {what} will fail");
    }
    ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .expect("the provider of this build has the default versions of TLS")
        .with_root_certificates(roots)
        .with_no_client_auth()
}

/// A server's side of TLS, by the PEM files of a certificate, with those between it and its authority behind it, and of
/// its key. Both are read once.
///
/// # Errors
/// What an operator has to mend: a file that cannot be read, or two that do not belong together.
pub fn tls_server(certificate: &Path, key: &Path) -> Result<ServerConfig, Mistake> {
    let unreadable = |path: &Path, error: rustls::pki_types::pem::Error| {
        Mistake::new(format!("{} is no PEM file that can be read: {error}", path.display()))
    };
    let chain = CertificateDer::pem_file_iter(certificate).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    let chain = chain.map_err(|error| unreadable(certificate, error))?;
    let secret = PrivateKeyDer::from_pem_file(key).map_err(|error| unreadable(key, error))?;
    ServerConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .expect("the provider of this build has the default versions of TLS")
        .with_no_client_auth()
        .with_single_cert(chain, secret)
        .map_err(|error| {
            Mistake::new(format!("{} and {} are of no use: {error}", certificate.display(), key.display()))
        })
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::aws_lc_rs::default_provider())
}
