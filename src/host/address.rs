//! Which addresses clients are told: where they reach a worker's socket.

use super::config::advertise::Advertise;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};

/// Any address outside: connecting a UDP socket to it sends nothing, but makes the kernel choose
/// the interface (documentation networks, RFC 5737 and RFC 3849).
const OUTSIDE_V4: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);
const OUTSIDE_V6: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1);

/// A port mapping that has no port for one of the workers.
#[derive(Debug, thiserror::Error)]
#[error("rtc.advertise: {0} has no port for worker {1}: use a lower port, or fewer workers")]
pub struct NoPort(Advertise, u16);

/// The addresses of worker `index` bound to `bound`: those configured, else the one it is bound to,
/// else those of the default route's interface, else loopback.
///
/// # Errors
/// The ports from a configured one upwards do not suffice.
pub fn advertised(
    configured: &[Advertise],
    index: u16,
    bound: SocketAddr,
) -> Result<Vec<SocketAddr>, NoPort> {
    let addresses = if !configured.is_empty() {
        configured.to_vec()
    } else if !bound.ip().is_unspecified() {
        vec![bound.ip().into()]
    } else {
        let found = by_route(bound.is_ipv6());
        found.into_iter().map(Advertise::from).collect()
    };
    let told = |address: Advertise| {
        address
            .of_worker(index, bound.port())
            .ok_or(NoPort(address, index))
    };
    addresses.into_iter().map(told).collect()
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
        let public: Advertise = "203.0.113.7".parse().unwrap();
        assert_eq!(
            advertised(&[public], 0, bound).unwrap(),
            ["203.0.113.7:7882".parse().unwrap()]
        );
        let loopback: SocketAddr = "127.0.0.1:9".parse().unwrap();
        assert_eq!(advertised(&[], 0, loopback).unwrap(), [loopback]);
        let found = advertised(&[], 0, bound).unwrap();
        assert!(!found.is_empty() && found.iter().all(|a| !a.ip().is_unspecified()));
    }

    #[test]
    fn a_mapped_port_is_that_of_the_first_worker_and_the_others_take_those_above() {
        let bound: SocketAddr = "0.0.0.0:40000".parse().unwrap();
        let both = ["203.0.113.7:65534", "198.51.100.7"].map(|text| text.parse().unwrap());
        let told = advertised(&both, 1, bound).unwrap();
        let expected = ["203.0.113.7:65535", "198.51.100.7:40000"];
        assert_eq!(told, expected.map(|text| text.parse().unwrap()));
        let problem = advertised(&both, 2, bound).unwrap_err().to_string();
        assert!(
            problem.contains("203.0.113.7:65534 has no port for worker 2"),
            "{problem}"
        );
    }
}
