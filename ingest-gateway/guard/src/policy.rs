//! Which addresses a gateway may connect to.

use std::net::IpAddr;

use crate::cidr::Cidr;
use crate::kind::AddressKind;

/// What may be reached besides the public Internet. By default nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Policy {
    /// Ranges that may be reached though they are not public: where the cameras are.
    pub allow: Vec<Cidr>,
}

impl Policy {
    /// Whether this address may be reached.
    ///
    /// # Errors
    /// With the kind of the address, when it may not. What clouds tell of themselves is never
    /// reached, whatever is allowed.
    pub fn check(&self, address: IpAddr) -> Result<(), AddressKind> {
        let address = address.to_canonical();
        let kind = AddressKind::of(address);
        let allowed = kind != AddressKind::Metadata && self.allow.iter().any(|range| range.contains(address));
        if allowed || kind == AddressKind::Public { Ok(()) } else { Err(kind) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(allow: &[&str], address: &str) -> Result<(), AddressKind> {
        let allow = allow.iter().map(|range| range.parse().unwrap()).collect();
        Policy { allow }.check(address.parse().unwrap())
    }

    #[test]
    fn by_default_only_the_public_internet_is_reached() {
        assert_eq!(check(&[], "8.8.8.8"), Ok(()));
        assert_eq!(check(&[], "10.0.0.7"), Err(AddressKind::Private));
        assert_eq!(check(&[], "::ffff:10.0.0.7"), Err(AddressKind::Private));
        assert_eq!(check(&[], "::1"), Err(AddressKind::Loopback));
    }

    #[test]
    fn what_is_allowed_is_reached_and_nothing_beside_it() {
        assert_eq!(check(&["10.0.0.0/24"], "10.0.0.7"), Ok(()));
        assert_eq!(check(&["10.0.0.0/24"], "::ffff:10.0.0.7"), Ok(()));
        assert_eq!(check(&["10.0.0.0/24"], "10.0.1.7"), Err(AddressKind::Private));
    }

    #[test]
    fn no_allow_list_opens_the_way_to_metadata() {
        let all = &["0.0.0.0/0", "::/0"];
        assert_eq!(check(all, "127.0.0.1"), Ok(()));
        assert_eq!(check(all, "169.254.169.254"), Err(AddressKind::Metadata));
        assert_eq!(check(all, "fd00:ec2::254"), Err(AddressKind::Metadata));
        assert_eq!(check(all, "64:ff9b::a9fe:a9fe"), Err(AddressKind::Metadata));
    }
}
