//! Whom to trust when connecting to others over TLS: the authorities that this system knows.

use std::sync::Arc;

use rustls::{ClientConfig, RootCertStore};

/// A client's side of TLS; `what` fails if the system knows no authorities, and is told so in the log.
#[must_use]
pub fn tls_client(what: &str) -> ClientConfig {
    let found = rustls_native_certs::load_native_certs();
    let mut roots = RootCertStore::empty();
    let (known, _) = roots.add_parsable_certificates(found.certs);
    if known == 0 {
        tracing::warn!("this system has no certificates of authorities: {what} will fail");
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("the provider of this build has the default versions of TLS")
        .with_root_certificates(roots)
        .with_no_client_auth()
}
