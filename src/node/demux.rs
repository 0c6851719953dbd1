//! Which connection a datagram is for: STUN by our user fragment, anything else by the exact
//! 5-tuple that STUN has validated. Never a scan.

use crate::media::{StunPeek, is_stun};
use crate::node::member::Side;
use std::collections::HashMap;
use std::net::SocketAddr;

/// Addresses of one connection that are remembered; a browser uses a few, a roaming phone some.
const MAX_ADDRESSES: usize = 8;

/// One peer connection of this shard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::node) struct Route {
    pub(in crate::node) room: usize,
    pub(in crate::node) member: usize,
    pub(in crate::node) side: Side,
}

impl Route {
    pub(in crate::node) const fn new(room: usize, member: usize, side: Side) -> Route {
        Route { room, member, side }
    }
}

/// What came, and from where.
#[derive(Clone, Copy, Debug)]
pub(super) struct Datagram<'a> {
    pub(super) source: SocketAddr,
    pub(super) bytes: &'a [u8],
}

#[derive(Debug, Default)]
struct Known {
    addresses: Vec<SocketAddr>,
}

#[derive(Debug, Default)]
pub(in crate::node) struct Demux {
    by_ufrag: HashMap<String, (Route, Known)>,
    by_address: HashMap<SocketAddr, Route>,
}

impl Demux {
    pub(in crate::node) fn add(&mut self, ufrag: String, route: Route) {
        self.by_ufrag.insert(ufrag, (route, Known::default()));
    }

    /// Forgets a connection and its addresses.
    pub(in crate::node) fn remove(&mut self, ufrag: &str) {
        let Some((route, known)) = self.by_ufrag.remove(ufrag) else {
            return;
        };
        for address in known.addresses {
            if self.by_address.get(&address) == Some(&route) {
                self.by_address.remove(&address);
            }
        }
    }

    /// Forgets every connection of a room.
    pub(in crate::node) fn remove_room(&mut self, room: usize) {
        self.by_ufrag.retain(|_, (route, _)| route.room != room);
        self.by_address.retain(|_, route| route.room != room);
    }

    /// `None`: for nobody here; a counted, silent drop.
    pub(in crate::node) fn route(&self, source: SocketAddr, bytes: &[u8]) -> Option<Route> {
        if !is_stun(bytes) {
            return self.by_address.get(&source).copied();
        }
        let peek = StunPeek::parse(bytes)?;
        let ufrag = peek.local_ufrag.filter(|_| peek.is_binding_request)?;
        self.by_ufrag.get(ufrag).map(|(route, _)| *route)
    }

    /// STUN with valid credentials came from `source`.
    pub(in crate::node) fn validated(&mut self, ufrag: &str, source: SocketAddr) {
        let Some((route, known)) = self.by_ufrag.get_mut(ufrag) else {
            return;
        };
        if self.by_address.get(&source) == Some(route) {
            return;
        }
        if known.addresses.len() == MAX_ADDRESSES {
            self.by_address.remove(&known.addresses.remove(0));
        }
        known.addresses.push(source);
        self.by_address.insert(source, *route);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROUTE: Route = Route {
        room: 0,
        member: 0,
        side: Side::Publisher,
    };

    #[test]
    fn media_is_routed_only_from_validated_addresses_and_never_after_removal() {
        let mut demux = Demux::default();
        let source = SocketAddr::from(([127, 0, 0, 1], 9));
        demux.add("frag".into(), ROUTE);
        assert_eq!(demux.route(source, &[0x80; 20]), None);
        demux.validated("frag", source);
        assert_eq!(demux.route(source, &[0x80; 20]), Some(ROUTE));
        demux.remove("frag");
        assert_eq!(demux.route(source, &[0x80; 20]), None);
    }

    #[test]
    fn the_oldest_address_makes_room_for_the_ninth() {
        let mut demux = Demux::default();
        demux.add("frag".into(), ROUTE);
        let source = |port| SocketAddr::from(([127, 0, 0, 1], port));
        for port in 1..=9 {
            demux.validated("frag", source(port));
        }
        assert_eq!(demux.route(source(1), &[0x80; 20]), None);
        assert_eq!(demux.route(source(9), &[0x80; 20]), Some(ROUTE));
    }
}
