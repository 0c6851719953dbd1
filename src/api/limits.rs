//! What strangers and clients may cost: token buckets say how often one address and one participant may
//! join, and one socket may speak.

use crate::base::{Identity, Millis, Mono, RoomKey};
use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv6Addr};
use std::time::Duration;

/// Addresses that are remembered. Beyond, those whose bucket is full again are forgotten, then the
/// one not seen for the longest time: an attacker with many addresses costs memory of this size.
const MAX_ADDRESSES: usize = 16_384;

/// As many participants are remembered, and forgotten alike.
const MAX_IDENTITIES: usize = 16_384;

/// Joins of one participant into one room that may come at once: ten rounds of a client that loses its
/// connection and tries ten times, and some.
const JOINS_AT_ONCE: u32 = 120;

/// After those, one join each so long. Each join and the leave before it are entries and events; at this
/// pace one token makes less than 10 MB of ledger an hour.
const JOIN_EVERY: Millis = Millis::from_secs(20);

/// Largest body: that of a webhook, whose metadata and lists stay far below.
pub(super) const BODY_BYTES: usize = 1024 * 1024;

/// Within which a body has come to its end: 64 KiB at 64 kbit/s.
pub(super) const BODY_WITHIN: Duration = Duration::from_secs(10);

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
    /// Sockets at once, WebSockets among them.
    pub connections: usize,
    /// The same of one address, or one /64 of IPv6.
    pub connections_per_address: usize,
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

/// How many measurements before a join there may be at once.
#[derive(Clone, Copy, Debug)]
pub struct PreflightLimits {
    /// On this node.
    pub at_once: usize,
    /// From one address.
    pub per_address: usize,
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
        self.pay(TOKEN, rate, now).is_ok()
    }

    /// Takes so many millionths of a token, or says how many are missing.
    fn pay(&mut self, price: u64, rate: Rate, now: Mono) -> Result<(), u64> {
        self.refill(rate, now);
        let left = self.level.checked_sub(price);
        self.level = left.ok_or(price.saturating_sub(self.level))?;
        Ok(())
    }

    fn is_full(mut self, rate: Rate, now: Mono) -> bool {
        self.refill(rate, now);
        self.level == u64::from(rate.burst.max(1)) * TOKEN
    }
}

/// Buckets of one rate, by whose they are.
#[derive(Debug)]
struct Buckets<K>(BTreeMap<K, Bucket>);

impl<K> Default for Buckets<K> {
    fn default() -> Buckets<K> {
        Buckets(BTreeMap::new())
    }
}

impl<K: Ord + Clone> Buckets<K> {
    fn of(&mut self, key: K, most: usize, rate: Rate, now: Mono) -> &mut Bucket {
        if !self.0.contains_key(&key) && self.0.len() >= most {
            self.evict(most, rate, now);
        }
        self.0.entry(key).or_insert_with(|| Bucket::full(rate, now))
    }

    fn evict(&mut self, most: usize, rate: Rate, now: Mono) {
        self.0.retain(|_, bucket| !bucket.is_full(rate, now));
        while self.0.len() >= most {
            let oldest = self
                .0
                .iter()
                .min_by_key(|(_, bucket)| bucket.at)
                .map(|(key, _)| key.clone());
            let Some(oldest) = oldest else { break };
            self.0.remove(&oldest);
        }
    }
}

/// A bucket for each address; one for each /64 of IPv6, since a host has a whole one.
#[derive(Debug, Default)]
pub struct Addresses(Buckets<IpAddr>);

impl Addresses {
    /// Whether this address may join now.
    pub fn take(&mut self, address: IpAddr, rate: Rate, now: Mono) -> bool {
        let key = network(address);
        self.0.of(key, MAX_ADDRESSES, rate, now).take(rate, now)
    }
}

/// A second refills one token, which is a second of [`JOIN_EVERY`].
const JOINS: Rate = Rate {
    per_s: 1,
    burst: JOINS_AT_ONCE * JOIN_S,
};
const JOIN_S: u32 = (JOIN_EVERY.0 / 1_000) as u32;

/// A bucket for each participant, whatever their sessions: an identity in a room.
#[derive(Debug, Default)]
pub(super) struct Identities(Buckets<(RoomKey, Identity)>);

impl Identities {
    /// Whether this participant may join now, or in how many seconds.
    pub fn look(&self, room: &RoomKey, who: &Identity, now: Mono) -> Result<(), u32> {
        let bucket = self.0.0.get(&(room.clone(), who.clone()));
        bucket
            .copied()
            .map_or(Ok(()), |mut bucket| bucket.join(now))
    }

    /// They join now, if they may.
    pub fn take(&mut self, room: &RoomKey, who: &Identity, now: Mono) -> Result<(), u32> {
        let key = (room.clone(), who.clone());
        self.0.of(key, MAX_IDENTITIES, JOINS, now).join(now)
    }
}

impl Bucket {
    fn join(&mut self, now: Mono) -> Result<(), u32> {
        let missing = self.pay(u64::from(JOIN_S) * TOKEN, JOINS, now);
        missing.map_err(|missing| u32::try_from(missing.div_ceil(TOKEN)).unwrap_or(JOIN_S))
    }
}

/// Lines of the log that strangers cause: 10 a second keep a day below 200 MB.
const LINES: Rate = Rate {
    per_s: 10,
    burst: 100,
};

/// Which of the lines that strangers cause are written.
#[derive(Debug, Default)]
pub(super) struct Lines {
    bucket: Option<Bucket>,
    left_out: u64,
}

impl Lines {
    /// Whether a line may be written now, and how many were left out before it.
    pub fn take(&mut self, now: Mono) -> Option<u64> {
        let bucket = self.bucket.get_or_insert_with(|| Bucket::full(LINES, now));
        if bucket.take(LINES, now) {
            return Some(std::mem::take(&mut self.left_out));
        }
        self.left_out += 1;
        None
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
        assert!(addresses.0.0.len() <= MAX_ADDRESSES);
    }

    const KARL: &str = "karl";

    fn join(identities: &mut Identities, who: &str, at_ms: u64) -> Result<(), u32> {
        identities.take(
            &RoomKey::of_keys("room"),
            &who.into(),
            Mono::from_millis(at_ms),
        )
    }

    #[test]
    fn a_participant_who_leaves_and_joins_all_the_time_is_held_to_one_join_in_twenty_seconds() {
        let mut identities = Identities::default();
        let hour = (0..=36_000).map(|n| join(&mut identities, KARL, n * 100));
        let joins = hour.filter(Result::is_ok).count();
        let in_an_hour = 3_600 / JOIN_S + JOINS_AT_ONCE;
        assert_eq!(joins, usize::try_from(in_an_hour).unwrap());
        assert_eq!(in_an_hour, 300);
        assert_eq!(join(&mut identities, KARL, 3_601_000), Err(JOIN_S - 1));
        let look = identities.look(
            &RoomKey::of_keys("room"),
            &KARL.into(),
            Mono::from_millis(3_604_500),
        );
        assert_eq!(look, Err(JOIN_S - 4), "the wait is rounded up");
        assert_eq!(join(&mut identities, "erika", 3_601_000), Ok(()));
    }

    /// LiveKit's clients try ten times in 44 s (`DefaultReconnectPolicy`), and then an app may ask them
    /// to connect anew.
    #[test]
    fn a_client_whose_every_attempt_ends_at_once_is_not_held_up_for_eleven_minutes() {
        let mut identities = Identities::default();
        let delays = [
            0, 300, 1_200, 2_700, 4_800, 7_000, 7_000, 7_000, 7_000, 7_000,
        ];
        let mut at = 0;
        while at < 11 * 60_000 {
            for delay in delays {
                at += delay;
                assert_eq!(join(&mut identities, KARL, at), Ok(()), "at {at} ms");
            }
        }
    }

    #[test]
    fn a_flood_of_refusals_writes_ten_lines_a_second_and_says_how_many_are_missing() {
        let mut lines = Lines::default();
        let mut written = Vec::new();
        for ms in 0..60_000 {
            written.extend(lines.take(Mono::from_millis(ms)));
        }
        let most = LINES.burst + 60 * LINES.per_s;
        assert_eq!(written.len(), usize::try_from(most).unwrap() - 1);
        let missing: u64 = written.iter().sum();
        assert_eq!(
            missing + lines.left_out,
            60_000 - u64::try_from(written.len()).unwrap()
        );
    }

    #[test]
    fn a_flood_of_participants_is_forgotten_again() {
        let mut identities = Identities::default();
        for n in 0..MAX_IDENTITIES + 100 {
            let at = u64::try_from(n).unwrap();
            assert_eq!(join(&mut identities, &format!("karl-{n}"), at), Ok(()));
        }
        assert!(identities.0.0.len() <= MAX_IDENTITIES);
    }
}
