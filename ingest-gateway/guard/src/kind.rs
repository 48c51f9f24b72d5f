//! What an address is for: the public Internet, or something that only the inside reaches.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Where clouds tell a machine its secrets. Most are link-local, some look public.
const METADATA: [IpAddr; 9] = [
    // AWS, Azure, Google and most others; of ECS tasks; of EKS pods.
    IpAddr::V4(Ipv4Addr::new(169, 254, 169, 254)),
    IpAddr::V4(Ipv4Addr::new(169, 254, 170, 2)),
    IpAddr::V4(Ipv4Addr::new(169, 254, 170, 23)),
    IpAddr::V6(Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254)),
    IpAddr::V6(Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x23)),
    // Google, over IPv6.
    IpAddr::V6(Ipv6Addr::new(0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254)),
    // Azure's wire server, Alibaba, Oracle.
    IpAddr::V4(Ipv4Addr::new(168, 63, 129, 16)),
    IpAddr::V4(Ipv4Addr::new(100, 100, 100, 200)),
    IpAddr::V4(Ipv4Addr::new(192, 0, 0, 192)),
];

/// What an address is for (IANA special-purpose registries, RFC 6890).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum AddressKind {
    /// Reached from anywhere.
    Public,
    /// Where a cloud tells a machine its secrets.
    Metadata,
    /// This machine.
    Loopback,
    /// No address at all.
    Unspecified,
    /// This network segment.
    LinkLocal,
    /// A network of its own (RFC 1918, and site-local).
    Private,
    /// Behind a carrier's translation (RFC 6598).
    CarrierNat,
    /// A network of its own (RFC 4193).
    UniqueLocal,
    /// Many at once.
    Multicast,
    /// For documents, benchmarks, protocols and the future.
    Reserved,
}

impl AddressKind {
    /// Of this address. One that carries an IPv4 address for a translator is what that one is, when
    /// that one is not public.
    #[must_use]
    pub fn of(address: IpAddr) -> Self {
        let address = address.to_canonical();
        if METADATA.contains(&address) {
            return Self::Metadata;
        }
        match address {
            IpAddr::V4(v4) => Self::of_v4(v4),
            IpAddr::V6(v6) => match carried(v6).map(|v4| Self::of(IpAddr::V4(v4))) {
                Some(Self::Public) | None => Self::of_v6(v6),
                Some(carried) => carried,
            },
        }
    }

    fn of_v4(v4: Ipv4Addr) -> Self {
        match v4.octets() {
            _ if v4.is_loopback() => Self::Loopback,
            _ if v4.is_unspecified() => Self::Unspecified,
            _ if v4.is_link_local() => Self::LinkLocal,
            _ if v4.is_private() => Self::Private,
            _ if v4.is_multicast() => Self::Multicast,
            [100, 64..=127, ..] => Self::CarrierNat,
            [0, ..] | [192, 0, 0, _] | [192, 88, 99, _] | [198, 18..=19, ..] | [240..=255, ..] => Self::Reserved,
            _ if v4.is_documentation() => Self::Reserved,
            _ => Self::Public,
        }
    }

    fn of_v6(v6: Ipv6Addr) -> Self {
        match v6.segments() {
            _ if v6.is_loopback() => Self::Loopback,
            _ if v6.is_unspecified() => Self::Unspecified,
            _ if v6.is_multicast() => Self::Multicast,
            _ if v6.is_unicast_link_local() => Self::LinkLocal,
            _ if v6.is_unique_local() => Self::UniqueLocal,
            // Site-local, given up in RFC 3879, still routed by some.
            [0xfec0..=0xfeff, ..] => Self::Private,
            // A translator inside the network (RFC 8215); public by what it carries only in 64:ff9b::/96.
            [0x64, 0xff9b, 1, ..] => Self::Private,
            [0x64, 0xff9b, 0, 0, 0, 0, ..] => Self::Public,
            // Only 2000::/3 is given out, and not all of it.
            [0x2001, 0x0000..=0x01ff, ..] | [0x2001, 0x0db8, ..] | [0x3fff, 0x0000..=0x0fff, ..] => Self::Reserved,
            [0x2000..=0x3fff, ..] => Self::Public,
            _ => Self::Reserved,
        }
    }
}

/// The IPv4 address to which a packet for this address may be translated.
fn carried(v6: Ipv6Addr) -> Option<Ipv4Addr> {
    let v4 = |high: u16, low: u16| Some(Ipv4Addr::from_bits(u32::from(high) << 16 | u32::from(low)));
    match v6.segments() {
        // IPv4-compatible (RFC 4291), without :: and ::1; IPv4-translated (RFC 2765).
        [0, 0, 0, 0, 0, 0, high, low] if high != 0 => v4(high, low),
        [0, 0, 0, 0, 0xffff, 0, high, low] => v4(high, low),
        // NAT64 (RFC 6052, RFC 8215) and 6to4 (RFC 3056).
        [0x64, 0xff9b, 0 | 1, _, _, _, high, low] => v4(high, low),
        [0x2002, high, low, ..] => v4(high, low),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(address: &str) -> AddressKind {
        AddressKind::of(address.parse().unwrap())
    }

    #[test]
    fn every_kind_of_address_is_known() {
        let cases = [
            ("8.8.8.8", AddressKind::Public),
            ("2606:4700::1111", AddressKind::Public),
            ("127.8.0.1", AddressKind::Loopback),
            ("::1", AddressKind::Loopback),
            ("0.0.0.0", AddressKind::Unspecified),
            ("::", AddressKind::Unspecified),
            ("169.254.1.1", AddressKind::LinkLocal),
            ("fe80::1", AddressKind::LinkLocal),
            ("10.1.2.3", AddressKind::Private),
            ("172.16.0.1", AddressKind::Private),
            ("172.32.0.1", AddressKind::Public),
            ("192.168.0.1", AddressKind::Private),
            ("fec0::1", AddressKind::Private),
            ("100.64.0.1", AddressKind::CarrierNat),
            ("100.128.0.1", AddressKind::Public),
            ("fc00::1", AddressKind::UniqueLocal),
            ("fd12::1", AddressKind::UniqueLocal),
            ("224.0.0.1", AddressKind::Multicast),
            ("ff02::1", AddressKind::Multicast),
            ("0.1.2.3", AddressKind::Reserved),
            ("198.18.0.1", AddressKind::Reserved),
            ("203.0.113.9", AddressKind::Reserved),
            ("255.255.255.255", AddressKind::Reserved),
            ("2001:db8::1", AddressKind::Reserved),
            ("4000::1", AddressKind::Reserved),
        ];
        for (address, expected) in cases {
            assert_eq!(kind(address), expected, "{address}");
        }
    }

    #[test]
    fn metadata_is_known_wherever_it_hides() {
        for address in
            ["169.254.169.254", "fd00:ec2::254", "100.100.100.200", "168.63.129.16", "::ffff:169.254.169.254"]
        {
            assert_eq!(kind(address), AddressKind::Metadata, "{address}");
        }
        assert_eq!(kind("64:ff9b::169.254.169.254"), AddressKind::Metadata);
    }

    #[test]
    fn an_ipv4_address_inside_an_ipv6_one_is_seen() {
        for address in ["::ffff:127.0.0.1", "::127.0.0.1", "64:ff9b::127.0.0.1", "2002:7f00:1::", "::ffff:0:127.0.0.1"]
        {
            assert_eq!(kind(address), AddressKind::Loopback, "{address}");
        }
        assert_eq!(kind("64:ff9b:1::10.0.0.1"), AddressKind::Private);
        assert_eq!(kind("64:ff9b:1::8.8.8.8"), AddressKind::Private);
        assert_eq!(kind("64:ff9b::8.8.8.8"), AddressKind::Public);
        assert_eq!(kind("2002:808:808::1"), AddressKind::Public);
        assert_eq!(kind("2001:0:7f00:1::"), AddressKind::Reserved);
    }
}
