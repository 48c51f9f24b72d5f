//! Resolves the host of a source once, and gives out only addresses that may be reached.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use crate::kind::AddressKind;
use crate::policy::Policy;
use crate::source_url::{Host, SourceUrl};

/// Most addresses of one name that are looked at.
pub const ADDRESSES_MAX: usize = 16;

/// How long a name may take to resolve.
const RESOLVE_TIMEOUT: Duration = Duration::from_secs(5);

/// Holds sources against a policy.
#[derive(Clone, Debug, Default)]
pub struct Guard {
    policy: Policy,
}

/// An address that may be reached. Only a [`Guard`] makes one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Checked(SocketAddr);

impl Checked {
    /// The address, to connect to.
    #[must_use]
    pub fn address(self) -> SocketAddr {
        self.0
    }
}

impl Guard {
    /// That holds sources against this policy.
    #[must_use]
    pub fn new(policy: Policy) -> Self {
        Self { policy }
    }

    /// The addresses of a source that may be reached, in the order of the resolver; at least one.
    /// Addresses of the same name that may not are left out.
    ///
    /// # Errors
    /// When its name does not resolve, or no address of it may be reached.
    pub async fn resolve(&self, url: &SourceUrl) -> Result<Vec<Checked>, Refusal> {
        let port = url.port().ok_or(Refusal::NoPort)?;
        match url.host() {
            Host::Address(address) => self.admit([SocketAddr::new(*address, port)]),
            Host::Name(name) => {
                let lookup = tokio::net::lookup_host((name.as_str(), port));
                let found = tokio::time::timeout(RESOLVE_TIMEOUT, lookup).await.map_err(|_| Refusal::ResolveTimeout)?;
                self.admit(found.map_err(|_| Refusal::Unresolved)?)
            }
        }
    }

    fn admit(&self, candidates: impl IntoIterator<Item = SocketAddr>) -> Result<Vec<Checked>, Refusal> {
        let mut refused = Refusal::Unresolved;
        let mut admitted = Vec::new();
        for candidate in candidates.into_iter().take(ADDRESSES_MAX) {
            match self.policy.check(candidate.ip()) {
                Ok(()) => admitted.push(Checked(candidate)),
                Err(kind) => refused = Refusal::Address { address: candidate.ip(), kind },
            }
        }
        if admitted.is_empty() { Err(refused) } else { Ok(admitted) }
    }
}

/// Why a source is not connected to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Its scheme has no usual port.
    #[error("the URL has to name a port")]
    NoPort,
    /// No address for its name.
    #[error("the name of the host does not resolve to an address")]
    Unresolved,
    /// The resolver is silent.
    #[error("the name of the host did not resolve within {} s", RESOLVE_TIMEOUT.as_secs())]
    ResolveTimeout,
    /// None of its addresses may be reached; this is the last of them.
    #[error("the host is at {address}, {}", reason(*.kind))]
    Address {
        /// Where it is.
        address: IpAddr,
        /// What that address is for.
        kind: AddressKind,
    },
}

fn reason(kind: AddressKind) -> &'static str {
    match kind {
        AddressKind::Metadata => "where a cloud keeps secrets of this machine, which no source may name",
        AddressKind::Loopback => "on the gateway itself; the operator has to allow that range of addresses first",
        AddressKind::Unspecified => "which is no address of a host",
        AddressKind::Multicast => "a multicast address; only unicast sources are supported",
        AddressKind::LinkLocal
        | AddressKind::Private
        | AddressKind::CarrierNat
        | AddressKind::UniqueLocal
        | AddressKind::Reserved
        | AddressKind::Public => {
            "which is not on the public Internet; the operator has to allow that range of addresses first"
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn guard(allow: &[&str]) -> Guard {
        Guard::new(Policy { allow: allow.iter().map(|range| range.parse().unwrap()).collect() })
    }

    async fn resolve(guard: &Guard, url: &str) -> Result<Vec<SocketAddr>, Refusal> {
        let checked = guard.resolve(&url.parse().unwrap()).await?;
        Ok(checked.into_iter().map(Checked::address).collect())
    }

    #[tokio::test]
    async fn a_name_is_held_to_its_addresses() {
        let refused = resolve(&guard(&[]), "rtsp://localhost/x").await.unwrap_err();
        assert!(matches!(refused, Refusal::Address { kind: AddressKind::Loopback, .. }), "{refused}");
        let allowed = resolve(&guard(&["127.0.0.0/8", "::1"]), "rtsp://localhost:8554/x").await.unwrap();
        assert!(allowed.iter().all(|address| address.ip().is_loopback() && address.port() == 8554));
    }

    #[tokio::test]
    async fn spellings_of_loopback_that_resolvers_know_are_seen_through() {
        for host in ["127.0.0.1", "[::1]", "[::ffff:127.0.0.1]", "2130706433", "0x7f.1", "127.1", "0177.0.0.1"] {
            let refused = resolve(&guard(&[]), &format!("rtsp://{host}/x")).await.unwrap_err();
            assert!(
                matches!(refused, Refusal::Unresolved | Refusal::Address { kind: AddressKind::Loopback, .. }),
                "{host}: {refused}"
            );
        }
    }

    #[tokio::test]
    async fn a_url_without_any_port_leads_nowhere() {
        assert_eq!(resolve(&guard(&[]), "srt://8.8.8.8").await, Err(Refusal::NoPort));
    }

    #[test]
    fn of_many_addresses_only_those_that_may_be_reached_come_out() {
        let candidates = ["10.0.0.1:554", "8.8.8.8:554", "169.254.169.254:554"].map(|text| text.parse().unwrap());
        let admitted = guard(&[]).admit(candidates).unwrap();
        assert_eq!(admitted, [Checked("8.8.8.8:554".parse().unwrap())]);
    }

    #[test]
    fn a_refusal_names_the_address_and_what_to_do() {
        let refused = guard(&[]).admit(["192.168.1.2:554".parse().unwrap()]).unwrap_err();
        assert_eq!(
            refused.to_string(),
            "the host is at 192.168.1.2, which is not on the public Internet; the operator has to allow that range of \
             addresses first"
        );
    }
}
