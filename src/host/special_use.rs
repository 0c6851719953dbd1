//! Which addresses are not those of a host on the public Internet: the IANA special-purpose address
//! registries (RFC 6890; <https://www.iana.org/assignments/iana-ipv4-special-registry> and
//! `…/iana-ipv6-special-registry`), and multicast.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// A block of addresses for a special use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SpecialUse {
    /// What it is for.
    what: &'static str,
    base: IpAddr,
    prefix: u8,
}

impl fmt::Display for SpecialUse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, {}/{}", self.what, self.base, self.prefix)
    }
}

const fn v4(what: &'static str, base: [u8; 4], prefix: u8) -> SpecialUse {
    let [a, b, c, d] = base;
    SpecialUse {
        what,
        base: IpAddr::V4(Ipv4Addr::new(a, b, c, d)),
        prefix,
    }
}

const fn v6(what: &'static str, base: [u16; 4], prefix: u8) -> SpecialUse {
    let [a, b, c, d] = base;
    SpecialUse {
        what,
        base: IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0)),
        prefix,
    }
}

/// Those that the registry calls globally reachable (AS112, AMT, anycast of protocols) are services of
/// the network, and no app lives there.
const BLOCKS: &[SpecialUse] = &[
    v4("this network", [0, 0, 0, 0], 8),
    v4("private use", [10, 0, 0, 0], 8),
    v4("shared address space", [100, 64, 0, 0], 10),
    v4("loopback", [127, 0, 0, 0], 8),
    v4("link local", [169, 254, 0, 0], 16),
    v4("private use", [172, 16, 0, 0], 12),
    v4("IETF protocol assignments", [192, 0, 0, 0], 24),
    v4("documentation", [192, 0, 2, 0], 24),
    v4("AS112", [192, 31, 196, 0], 24),
    v4("AMT", [192, 52, 193, 0], 24),
    v4("6to4 relay anycast", [192, 88, 99, 0], 24),
    v4("private use", [192, 168, 0, 0], 16),
    v4("AS112", [192, 175, 48, 0], 24),
    v4("benchmarking", [198, 18, 0, 0], 15),
    v4("documentation", [198, 51, 100, 0], 24),
    v4("documentation", [203, 0, 113, 0], 24),
    v4("multicast", [224, 0, 0, 0], 4),
    v4("limited broadcast", [255, 255, 255, 255], 32),
    v4("reserved", [240, 0, 0, 0], 4),
    v6("unspecified", [0; 4], 128),
    SpecialUse {
        what: "loopback",
        base: IpAddr::V6(Ipv6Addr::LOCALHOST),
        prefix: 128,
    },
    v6("IPv4/IPv6 translation", [0x64, 0xff9b, 1, 0], 48),
    v6("discard only", [0x100, 0, 0, 0], 64),
    v6("dummy prefix", [0x100, 0, 0, 1], 64),
    v6("Teredo", [0x2001, 0, 0, 0], 32),
    v6("IETF protocol assignments", [0x2001, 0, 0, 0], 23),
    v6("documentation", [0x2001, 0xdb8, 0, 0], 32),
    v6("6to4", [0x2002, 0, 0, 0], 16),
    v6("AS112", [0x2620, 0x4f, 0x8000, 0], 48),
    v6("documentation", [0x3fff, 0, 0, 0], 20),
    v6("segment routing", [0x5f00, 0, 0, 0], 16),
    v6("unique local", [0xfc00, 0, 0, 0], 7),
    v6("link local", [0xfe80, 0, 0, 0], 10),
    v6("site local", [0xfec0, 0, 0, 0], 10),
    v6("multicast", [0xff00, 0, 0, 0], 8),
];

/// Of IPv6 only this is given to hosts on the Internet (RFC 4291, 2.4; IANA IPv6 address space).
const GLOBAL_UNICAST: SpecialUse = v6("global unicast", [0x2000, 0, 0, 0], 3);
const NOT_ASSIGNED: SpecialUse = v6("not assigned", [0; 4], 0);
/// The well-known prefix of NAT64 (RFC 6052, 2.1): the last 32 bits are the address that is reached.
const NAT64: SpecialUse = v6("NAT64", [0x64, 0xff9b, 0, 0], 96);

impl SpecialUse {
    fn contains(&self, address: IpAddr) -> bool {
        let (base, address, bits) = match (self.base, address) {
            (IpAddr::V4(base), IpAddr::V4(address)) => {
                (base.to_bits().into(), address.to_bits().into(), 32)
            }
            (IpAddr::V6(base), IpAddr::V6(address)) => (base.to_bits(), address.to_bits(), 128),
            (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => return false,
        };
        let differ: u128 = base ^ address;
        differ
            .checked_shr(bits - u32::from(self.prefix))
            .unwrap_or(0)
            == 0
    }
}

/// What the address is for, if it is not that of a host on the public Internet. One that carries an IPv4
/// address (mapped, or of NAT64) is judged by that.
pub fn special_use(address: IpAddr) -> Option<SpecialUse> {
    let address = reached(address);
    let block = BLOCKS.iter().find(|block| block.contains(address));
    let stray = address.is_ipv6() && !GLOBAL_UNICAST.contains(address);
    block.copied().or(stray.then_some(NOT_ASSIGNED))
}

fn reached(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) if NAT64.contains(address) => {
            let [.., a, b, c, d] = v6.octets();
            Ipv4Addr::new(a, b, c, d).into()
        }
        canonical @ (IpAddr::V4(_) | IpAddr::V6(_)) => canonical,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(address: &str) -> Option<&'static str> {
        special_use(address.parse().unwrap()).map(|block| block.what)
    }

    #[test]
    fn each_block_of_the_registries_is_known_from_its_first_to_its_last_address() {
        for block in BLOCKS {
            let (first, last): (IpAddr, IpAddr) = match block.base {
                IpAddr::V4(base) => {
                    let host = u32::MAX.checked_shr(block.prefix.into()).unwrap_or(0);
                    (base.into(), Ipv4Addr::from(base.to_bits() | host).into())
                }
                IpAddr::V6(base) => {
                    let host = u128::MAX.checked_shr(block.prefix.into()).unwrap_or(0);
                    (base.into(), Ipv6Addr::from(base.to_bits() | host).into())
                }
            };
            assert!(special_use(first).is_some(), "{first} of {block}");
            assert!(special_use(last).is_some(), "{last} of {block}");
        }
    }

    #[test]
    fn an_address_is_named_by_what_it_is_for() {
        for (address, what) in [
            ("0.0.0.0", "this network"),
            ("10.1.2.3", "private use"),
            ("100.64.0.1", "shared address space"),
            ("100.127.255.255", "shared address space"),
            ("127.0.0.1", "loopback"),
            ("127.255.255.254", "loopback"),
            ("169.254.169.254", "link local"),
            ("172.31.255.255", "private use"),
            ("192.0.0.8", "IETF protocol assignments"),
            ("192.88.99.1", "6to4 relay anycast"),
            ("198.19.0.1", "benchmarking"),
            ("239.255.255.250", "multicast"),
            ("255.255.255.255", "limited broadcast"),
            ("::", "unspecified"),
            ("::1", "loopback"),
            ("::ffff:127.0.0.1", "loopback"),
            ("::ffff:169.254.169.254", "link local"),
            ("::7f00:1", "not assigned"),
            ("64:ff9b::7f00:1", "loopback"),
            ("64:ff9b::a9fe:a9fe", "link local"),
            ("64:ff9b:1::808:808", "IPv4/IPv6 translation"),
            ("100::1", "discard only"),
            ("2001:0:a00:1::", "Teredo"),
            ("2001:2::1", "IETF protocol assignments"),
            ("2001:db8::1", "documentation"),
            ("2002:7f00:1::", "6to4"),
            ("2002:808:808::1", "6to4"),
            ("3fff:fff::1", "documentation"),
            ("5f00::1", "segment routing"),
            ("4000::1", "not assigned"),
            ("fd12:3456::1", "unique local"),
            ("fe80::1", "link local"),
            ("fec0::1", "site local"),
            ("ff02::1", "multicast"),
        ] {
            assert_eq!(found(address), Some(what), "{address}");
        }
    }

    #[test]
    fn an_address_of_the_public_internet_is_for_no_special_use() {
        for address in [
            "1.1.1.1",
            "9.255.255.255",
            "11.0.0.0",
            "100.63.255.255",
            "100.128.0.0",
            "126.255.255.255",
            "128.0.0.0",
            "172.15.255.255",
            "172.32.0.0",
            "192.0.1.1",
            "198.17.255.255",
            "198.20.0.0",
            "223.255.255.255",
            "::ffff:8.8.8.8",
            "64:ff9b::808:808",
            "2001:200::1",
            "2001:4860:4860::8888",
            "2003::1",
            "2606:4700::1111",
            "3ffe:ffff::1",
        ] {
            assert_eq!(found(address), None, "{address}");
        }
    }
}
