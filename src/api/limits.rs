//! What strangers and clients may cost: token buckets say how often one address may join and one
//! socket may speak.

use crate::base::Mono;
use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv6Addr};
use std::time::Duration;

/// Addresses that are remembered. Beyond, those whose bucket is full again are forgotten, then the
/// one not seen for the longest time: an attacker with many addresses costs memory of this size.
const MAX_ADDRESSES: usize = 16_384;

/// Largest body: that of a webhook, whose metadata and lists stay far below.
pub(super) const BODY_BYTES: usize = 1024 * 1024;

/// How much at once, and how much a second.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// A second.
    pub per_s: u32,
    /// At once.
    pub burst: u32,
}

/// What strangers and clients may cost.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// WebSockets at once.
    pub connections: usize,
    /// Joins from one address.
    pub joins: Rate,
    /// Requests to the Sessions API from one address.
    pub requests: Rate,
    /// Messages on one socket.
    pub messages: Rate,
    /// Longest message, in bytes.
    pub message_bytes: usize,
    /// Most bytes that wait for a client that does not read.
    pub queue_bytes: usize,
    /// Time for a handshake and for the first request.
    pub handshake: Duration,
}

/// One bucket, in millionths of a token: integers, and a microsecond refills `per_s` of them.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bucket {
    level: u64,
    at: Mono,
}

const TOKEN: u64 = 1_000_000;

impl Bucket {
    pub fn full(rate: Rate, now: Mono) -> Bucket {
        Bucket {
            level: u64::from(rate.burst.max(1)) * TOKEN,
            at: now,
        }
    }

    fn refill(&mut self, rate: Rate, now: Mono) {
        let micros = now.micros().saturating_sub(self.at.micros());
        let most = u64::from(rate.burst.max(1)) * TOKEN;
        let more = micros.saturating_mul(u64::from(rate.per_s));
        self.level = self.level.saturating_add(more).min(most);
        self.at = self.at.max(now);
    }

    /// Takes a token, if there is one.
    pub fn take(&mut self, rate: Rate, now: Mono) -> bool {
        self.refill(rate, now);
        let taken = self.level.checked_sub(TOKEN);
        self.level = taken.unwrap_or(self.level);
        taken.is_some()
    }

    fn is_full(mut self, rate: Rate, now: Mono) -> bool {
        self.refill(rate, now);
        self.level == u64::from(rate.burst.max(1)) * TOKEN
    }
}

/// A bucket for each address; one for each /64 of IPv6, since a host has a whole one.
#[derive(Debug, Default)]
pub struct Addresses(BTreeMap<IpAddr, Bucket>);

impl Addresses {
    /// Whether this address may join now.
    pub fn take(&mut self, address: IpAddr, rate: Rate, now: Mono) -> bool {
        let key = network(address);
        if !self.0.contains_key(&key) && self.0.len() >= MAX_ADDRESSES {
            self.evict(rate, now);
        }
        let bucket = self.0.entry(key).or_insert_with(|| Bucket::full(rate, now));
        bucket.take(rate, now)
    }

    fn evict(&mut self, rate: Rate, now: Mono) {
        self.0.retain(|_, bucket| !bucket.is_full(rate, now));
        while self.0.len() >= MAX_ADDRESSES {
            let oldest = self
                .0
                .iter()
                .min_by_key(|(_, bucket)| bucket.at)
                .map(|(key, _)| *key);
            let Some(oldest) = oldest else { break };
            self.0.remove(&oldest);
        }
    }
}

pub(super) fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => IpAddr::V4(address),
        IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(
            address.to_bits() & !u128::from(u64::MAX),
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATE: Rate = Rate { per_s: 2, burst: 3 };

    #[test]
    fn a_burst_is_allowed_and_then_the_rate() {
        let mut addresses = Addresses::default();
        let address = IpAddr::from([192, 0, 2, 1]);
        let mut at = |ms| addresses.take(address, RATE, Mono::from_millis(ms));
        assert_eq!([at(0), at(0), at(0), at(0)], [true, true, true, false]);
        assert_eq!(
            [at(500), at(500), at(999), at(1000)],
            [true, false, false, true]
        );
    }

    #[test]
    fn the_addresses_of_one_ipv6_network_share_a_bucket() {
        let mut addresses = Addresses::default();
        let taken = (0..4).map(|host| {
            let address = Ipv6Addr::new(0x2001, 0xdb8, 0, 1, 0, 0, 0, host);
            addresses.take(address.into(), RATE, Mono::ZERO)
        });
        assert_eq!(taken.collect::<Vec<_>>(), [true, true, true, false]);
    }

    #[test]
    fn a_flood_of_addresses_is_forgotten_again() {
        let mut addresses = Addresses::default();
        for n in 0..u32::try_from(MAX_ADDRESSES).unwrap() + 100 {
            let at = Mono::from_micros(n.into());
            assert!(addresses.take(IpAddr::V4(n.into()), RATE, at));
        }
        assert!(addresses.0.len() <= MAX_ADDRESSES);
    }
}
