//! Which addresses clients are told: where they reach a worker's socket.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};

/// Any address outside: connecting a UDP socket to it sends nothing, but makes the kernel choose
/// the interface (documentation networks, RFC 5737 and RFC 3849).
const OUTSIDE_V4: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);
const OUTSIDE_V6: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1);

/// The addresses of a worker bound to `bound`: those configured, else the one it is bound to, else
/// those of the default route's interface, else loopback.
pub fn advertised(configured: &[IpAddr], bound: SocketAddr) -> Vec<SocketAddr> {
    let addresses = if !configured.is_empty() {
        configured.to_vec()
    } else if !bound.ip().is_unspecified() {
        vec![bound.ip()]
    } else {
        by_route(bound.is_ipv6())
    };
    addresses
        .into_iter()
        .map(|ip| SocketAddr::new(ip, bound.port()))
        .collect()
}

fn by_route(with_v6: bool) -> Vec<IpAddr> {
    let v4 = route(Ipv4Addr::UNSPECIFIED.into(), OUTSIDE_V4.into());
    let v6 = with_v6
        .then(|| route(Ipv6Addr::UNSPECIFIED.into(), OUTSIDE_V6.into()))
        .flatten();
    let found: Vec<IpAddr> = v4.into_iter().chain(v6).collect();
    if found.is_empty() {
        vec![Ipv4Addr::LOCALHOST.into()]
    } else {
        found
    }
}

fn route(from: IpAddr, to: IpAddr) -> Option<IpAddr> {
    let socket = UdpSocket::bind((from, 0)).ok()?;
    socket.connect((to, 9)).ok()?;
    let ip = socket.local_addr().ok()?.ip();
    (!ip.is_unspecified()).then_some(ip)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn configured_addresses_win_then_a_specific_bind_and_never_none() {
        let bound: SocketAddr = "0.0.0.0:7882".parse().unwrap();
        let public: IpAddr = "203.0.113.7".parse().unwrap();
        assert_eq!(
            advertised(&[public], bound),
            ["203.0.113.7:7882".parse().unwrap()]
        );
        let loopback: SocketAddr = "127.0.0.1:9".parse().unwrap();
        assert_eq!(advertised(&[], loopback), [loopback]);
        let found = advertised(&[], bound);
        assert!(!found.is_empty() && found.iter().all(|a| !a.ip().is_unspecified()));
    }
}
