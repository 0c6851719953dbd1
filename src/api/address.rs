//! Who is at the other end: the peer, or whom a trusted proxy speaks for.

use axum::http::HeaderMap;
use std::net::{IpAddr, SocketAddr};

/// The last address of `X-Forwarded-For` that is not a trusted proxy itself; without a trusted
/// peer, the peer: the header is then anybody's word.
pub(super) fn client(
    peer: SocketAddr,
    headers: &HeaderMap,
    is_trusted: &dyn Fn(IpAddr) -> bool,
) -> IpAddr {
    walk(peer.ip().to_canonical(), headers, is_trusted).0
}

/// How many trusted proxies the request came through, the peer included.
pub(super) fn hops(
    peer: IpAddr,
    headers: &HeaderMap,
    is_trusted: &dyn Fn(IpAddr) -> bool,
) -> usize {
    walk(peer, headers, is_trusted).1
}

fn walk(peer: IpAddr, headers: &HeaderMap, is_trusted: &dyn Fn(IpAddr) -> bool) -> (IpAddr, usize) {
    if !is_trusted(peer) {
        return (peer, 0);
    }
    let hops = headers
        .get_all("x-forwarded-for")
        .iter()
        .filter_map(|value| value.to_str().ok());
    let hops: Vec<&str> = hops
        .flat_map(|value| value.split(','))
        .map(str::trim)
        .collect();
    let (mut nearest, mut ours) = (peer, 1);
    for hop in hops.into_iter().rev() {
        let Some(address) = parse(hop) else { break };
        nearest = address;
        if !is_trusted(address) {
            break;
        }
        ours += 1;
    }
    (nearest, ours)
}

/// An address, with a port or without; one of IPv6 may be in brackets.
pub(super) fn parse(hop: &str) -> Option<IpAddr> {
    let bare = hop
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'));
    let address = bare
        .unwrap_or(hop)
        .parse::<IpAddr>()
        .or_else(|_| hop.parse::<SocketAddr>().map(|s| s.ip()));
    address.ok().map(|address| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_trusted_proxy_is_believed_and_only_its_own_word() {
        for (peer, header, expected) in [
            ("203.0.113.9:1", "198.51.100.1", "203.0.113.9"),
            ("10.0.0.1:1", "198.51.100.1", "198.51.100.1"),
            ("10.0.0.1:1", "6.6.6.6, 198.51.100.1", "198.51.100.1"),
            ("10.0.0.1:1", "198.51.100.1, 10.0.0.2", "198.51.100.1"),
            ("10.0.0.1:1", "nonsense", "10.0.0.1"),
            ("10.0.0.1:1", "", "10.0.0.1"),
            ("[::ffff:10.0.0.1]:1", "[2001:db8::1]:4", "2001:db8::1"),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert("x-forwarded-for", header.parse().unwrap());
            let trusted = |a: IpAddr| matches!(a, IpAddr::V4(a) if a.octets()[0] == 10);
            let got = client(peer.parse().unwrap(), &headers, &trusted);
            assert_eq!(got.to_string(), expected, "{peer} {header}");
        }
    }
}
