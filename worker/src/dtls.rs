//! DTLS instances that share one validated configuration.
//!
//! str0m's own provider builds a `dimpl::Config` for every connection, which checks the whole crypto
//! provider with real key operations: 1.1 to 1.8 ms each, against 17 µs with a shared one. Five
//! hundred people joining at once would otherwise stall a core for most of a second.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use str0m::config::{DtlsCert, DtlsVersion};
use str0m::crypto::dtls::{DtlsImplError, DtlsInstance, DtlsOutput, DtlsProvider, ProtocolVersion};
use str0m::crypto::{CryptoError, CryptoProvider, from_feature_flags};

/// The engine's crypto with the shared DTLS configuration.
pub(crate) fn crypto_provider() -> CryptoProvider {
    static PROVIDER: SharedConfigs = SharedConfigs { by_mtu: Mutex::new(Vec::new()) };
    CryptoProvider { dtls_provider: &PROVIDER, ..from_feature_flags() }
}

/// Configurations by packet size; a process uses one or two.
#[derive(Debug)]
struct SharedConfigs {
    by_mtu: Mutex<Vec<(Option<usize>, Arc<dimpl::Config>)>>,
}

impl SharedConfigs {
    fn config(&self, mtu: Option<usize>) -> Result<Arc<dimpl::Config>, CryptoError> {
        let mut configs = self.by_mtu.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, config)) = configs.iter().find(|(m, _)| *m == mtu) {
            return Ok(config.clone());
        }
        // ICE has proved that the peer receives at its address before DTLS starts; a cookie would
        // prove it again for one more round trip.
        let builder = dimpl::Config::builder().use_server_cookie(false);
        let builder = match mtu {
            Some(mtu) => builder.mtu(mtu),
            None => builder,
        };
        let config = builder.build().map_err(|e| CryptoError::Other(format!("DTLS configuration: {e}")))?;
        let config = Arc::new(config);
        configs.push((mtu, config.clone()));
        Ok(config)
    }
}

impl DtlsProvider for SharedConfigs {
    fn generate_certificate(&self) -> Option<DtlsCert> {
        from_feature_flags().dtls_provider.generate_certificate()
    }

    fn new_dtls(
        &self,
        cert: &DtlsCert,
        now: Instant,
        version: DtlsVersion,
        mtu: Option<usize>,
    ) -> Result<Box<dyn DtlsInstance>, CryptoError> {
        let config = self.config(mtu)?;
        let dtls = match version {
            DtlsVersion::Dtls12 => dimpl::Dtls::new_12(config, cert.clone(), now),
            DtlsVersion::Dtls13 => dimpl::Dtls::new_13(config, cert.clone(), now),
            // The engine's enum is open.
            DtlsVersion::Auto | _ => dimpl::Dtls::new_auto(config, cert.clone(), now),
        };
        Ok(Box::new(Instance(dtls)))
    }
}

struct Instance(dimpl::Dtls);

impl fmt::Debug for Instance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Instance")
    }
}

impl DtlsInstance for Instance {
    fn set_active(&mut self, active: bool) {
        self.0.set_active(active);
    }

    fn handle_packet(&mut self, packet: &[u8]) -> Result<(), DtlsImplError> {
        self.0.handle_packet(packet)
    }

    fn poll_output<'a>(&mut self, buf: &'a mut [u8]) -> DtlsOutput<'a> {
        self.0.poll_output(buf)
    }

    fn handle_timeout(&mut self, now: Instant) -> Result<(), DtlsImplError> {
        self.0.handle_timeout(now)
    }

    fn send_application_data(&mut self, data: &[u8]) -> Result<usize, DtlsImplError> {
        self.0.send_application_data(data)
    }

    fn is_active(&self) -> bool {
        self.0.is_active()
    }

    fn protocol_version(&self) -> Option<ProtocolVersion> {
        self.0.protocol_version()
    }

    fn is_closing(&self) -> bool {
        self.0.is_closing()
    }

    fn is_closed(&self) -> bool {
        self.0.is_closed()
    }

    fn close(&mut self) -> Result<(), DtlsImplError> {
        self.0.close()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_of_one_packet_size_share_one_configuration() {
        let configs = SharedConfigs { by_mtu: Mutex::new(Vec::new()) };
        let first = configs.config(Some(1200)).unwrap();
        assert!(Arc::ptr_eq(&first, &configs.config(Some(1200)).unwrap()));
        assert!(!Arc::ptr_eq(&first, &configs.config(None).unwrap()));
    }
}
