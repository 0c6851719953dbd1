//! Which of our addresses each peer has asked. A socket on the wildcard has all of the machine's, and the
//! kernel would answer from the one that it prefers, which the peer does not know.

use crate::media::is_stun;
use std::collections::{HashMap, VecDeque};
use std::net::{IpAddr, SocketAddr};

/// Peers of a generation. A flood of strangers makes the kernel choose for those who say nothing while two
/// generations pass, and costs memory of this size.
const PEERS: usize = 8_192;
/// STUN requests to another address than the peer's whose answer is not sent yet: a worker answers within
/// the round.
const REQUESTS: usize = 256;

const BINDING_REQUEST: [u8; 2] = [0x00, 0x01];
const BINDING_ANSWERS: [[u8; 2]; 2] = [[0x01, 0x01], [0x01, 0x11]];

/// The transaction of a STUN message (RFC 8489 §5).
type Transaction = [u8; 12];

/// Addresses of ours, by the peer that uses them. A peer moves to another one by what is no STUN: an ICE
/// agent checks several, of which it then uses one.
#[derive(Debug, Default)]
pub(super) struct Asked {
    /// A socket with one address has nothing to choose.
    is_wildcard: bool,
    /// Who asked last, and which.
    last: Option<(SocketAddr, IpAddr)>,
    young: HashMap<SocketAddr, IpAddr>,
    old: HashMap<SocketAddr, IpAddr>,
    requests: VecDeque<(Transaction, IpAddr)>,
}

impl Asked {
    pub fn new(bound: IpAddr) -> Asked {
        Asked {
            is_wildcard: bound.is_unspecified(),
            ..Asked::default()
        }
    }

    /// A datagram of this peer came to this address of ours.
    pub fn heard(&mut self, peer: SocketAddr, own: Option<IpAddr>, datagram: &[u8]) {
        let Some(own) = own.filter(|own| self.is_wildcard && is_one_machine(*own)) else {
            return;
        };
        if self.last == Some((peer, own)) {
            return;
        }
        let known = self.of(peer);
        if known.is_some_and(|known| known != own) && is_stun(datagram) {
            if let (BINDING_REQUEST, Some(transaction)) = (kind(datagram), transaction(datagram)) {
                self.requests.truncate(REQUESTS - 1);
                self.requests.push_front((transaction, own));
            }
            return;
        }
        if self.young.len() >= PEERS {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(peer, own);
        self.last = Some((peer, own));
    }

    /// Where what is for this peer leaves from; none: let the kernel choose.
    pub fn of(&self, peer: SocketAddr) -> Option<IpAddr> {
        match self.last {
            Some((last, own)) if last == peer => Some(own),
            Some(_) | None => self
                .young
                .get(&peer)
                .or_else(|| self.old.get(&peer))
                .copied(),
        }
    }

    /// Where this answer to a check leaves from, if that is not the peer's address.
    pub fn of_answer(&mut self, datagram: &[u8]) -> Option<IpAddr> {
        if self.requests.is_empty() || !BINDING_ANSWERS.contains(&kind(datagram)) {
            return None;
        }
        let wanted = transaction(datagram)?;
        let at = self
            .requests
            .iter()
            .position(|(known, _)| *known == wanted)?;
        self.requests.remove(at).map(|(_, own)| own)
    }

    /// The address of this peer is not ours any more.
    pub fn forget(&mut self, peer: SocketAddr) {
        self.last = None;
        self.young.remove(&peer);
        self.old.remove(&peer);
    }
}

/// Not to all of a net, from which nothing can be sent.
fn is_one_machine(own: IpAddr) -> bool {
    match own.to_canonical() {
        IpAddr::V4(ip) => !ip.is_multicast() && !ip.is_broadcast() && !ip.is_unspecified(),
        IpAddr::V6(ip) => !ip.is_multicast() && !ip.is_unspecified(),
    }
}

fn kind(datagram: &[u8]) -> [u8; 2] {
    datagram.first_chunk().copied().unwrap_or([0xff; 2])
}

fn transaction(datagram: &[u8]) -> Option<Transaction> {
    datagram.get(8..20)?.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIRST: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1));
    const SECOND: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 2));
    const MEDIA: [u8; 20] = [0x80; 20];

    fn peer(port: u16) -> SocketAddr {
        SocketAddr::from(([198, 51, 100, 1], port))
    }

    fn stun(kind: [u8; 2], transaction: u8) -> Vec<u8> {
        let mut message = vec![kind[0], kind[1], 0, 0, 0x21, 0x12, 0xa4, 0x42];
        message.extend([transaction; 12]);
        message
    }

    fn wildcard() -> Asked {
        Asked::new("0.0.0.0".parse().unwrap())
    }

    #[test]
    fn each_peer_is_answered_from_the_address_that_it_asked_and_moves_by_what_is_no_check() {
        let mut asked = wildcard();
        asked.heard(peer(1), Some(FIRST), &MEDIA);
        asked.heard(peer(2), Some(SECOND), &MEDIA);
        assert_eq!(
            [asked.of(peer(1)), asked.of(peer(2)), asked.of(peer(3))],
            [Some(FIRST), Some(SECOND), None]
        );
        asked.heard(peer(1), Some(SECOND), &stun(BINDING_REQUEST, 1));
        assert_eq!(asked.of(peer(1)), Some(FIRST));
        asked.heard(peer(1), Some(SECOND), &MEDIA);
        assert_eq!(asked.of(peer(1)), Some(SECOND));
        asked.forget(peer(1));
        assert_eq!(asked.of(peer(1)), None);
    }

    #[test]
    fn checks_of_one_peer_to_two_addresses_are_each_answered_from_their_own() {
        let mut asked = wildcard();
        asked.heard(peer(1), Some(FIRST), &stun(BINDING_REQUEST, 1));
        asked.heard(peer(1), Some(SECOND), &stun(BINDING_REQUEST, 2));
        asked.heard(peer(1), Some(FIRST), &stun(BINDING_REQUEST, 3));
        let of = |asked: &mut Asked, transaction| {
            let own = asked.of_answer(&stun(BINDING_ANSWERS[0], transaction));
            own.or_else(|| asked.of(peer(1)))
        };
        assert_eq!(
            [1, 2, 3].map(|n| of(&mut asked, n)),
            [Some(FIRST), Some(SECOND), Some(FIRST)]
        );
        assert!(asked.requests.is_empty());
        for n in 0..=255 {
            asked.heard(peer(1), Some(SECOND), &stun(BINDING_REQUEST, n));
            asked.heard(peer(1), Some(SECOND), &stun(BINDING_REQUEST, n));
        }
        assert_eq!(asked.requests.len(), REQUESTS);
    }

    #[test]
    fn a_flood_of_strangers_costs_bounded_memory_and_moves_nobody_who_speaks() {
        let mut asked = wildcard();
        let stranger = |n: u32| SocketAddr::from((n.to_be_bytes(), 9));
        for n in 0..100_000 {
            if n % 1_000 == 0 {
                asked.heard(peer(1), Some(FIRST), &MEDIA);
            }
            asked.heard(stranger(n), Some(SECOND), &MEDIA);
            assert_eq!(asked.of(peer(1)), Some(FIRST), "after {n} strangers");
        }
        assert!(asked.young.len() <= PEERS && asked.old.len() <= PEERS);
    }

    #[test]
    fn a_socket_with_one_address_keeps_nothing_and_what_is_for_a_whole_net_is_no_address_of_ours() {
        let mut one = Asked::new(FIRST);
        one.heard(peer(1), Some(FIRST), &MEDIA);
        assert!(one.of(peer(1)).is_none() && one.young.is_empty());
        let mut asked = wildcard();
        for net in [
            "255.255.255.255",
            "224.0.0.1",
            "ff02::1",
            "::ffff:224.0.0.1",
            "0.0.0.0",
        ] {
            asked.heard(peer(1), net.parse().ok(), &MEDIA);
        }
        asked.heard(peer(1), None, &MEDIA);
        assert!(asked.young.is_empty());
    }
}
