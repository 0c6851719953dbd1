//! The way of datagrams between a client and the node.

use beistand::base::{Bitrate, Millis, Mono, Rng};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

/// A way with a rate, a queue that is not endless, and a delay; without a rate nothing waits.
#[derive(Debug, Default)]
pub struct Link {
    pub rate: Option<Bitrate>,
    /// Every so many datagrams one is lost.
    pub lost: Option<u64>,
    pub rough: Option<Rough>,
    sent: u64,
    queue: BTreeMap<(Mono, u64), (SocketAddr, Vec<u8>)>,
    /// When the last datagram of the queue will have left.
    free: Mono,
    pub dropped: u64,
    /// Bits carried, lower layers included.
    pub bits: u64,
}

/// What befalls each datagram by itself.
#[derive(Debug)]
pub struct Rough {
    pub rng: Rng,
    pub lost_percent: u64,
    /// It comes up to so much later, and may be overtaken.
    pub jitter: Millis,
}

/// Longest wait in a queue, and the time on the way after it.
const QUEUE: Millis = Millis(300);
const DELAY: Millis = Millis(20);
/// IPv4 and UDP headers.
const HEADERS: u64 = 28;

impl Link {
    /// The datagram, if it arrives at once.
    pub(crate) fn send(&mut self, address: SocketAddr, bytes: &[u8], now: Mono) -> Option<Vec<u8>> {
        self.sent += 1;
        if self.lost.is_some_and(|each| self.sent.is_multiple_of(each)) {
            return None;
        }
        let Some(rate) = self.rate else {
            return Some(bytes.to_vec());
        };
        let start = self.free.max(now);
        if start.since(now) > QUEUE {
            self.dropped += 1;
            return None;
        }
        let bits = (bytes.len() as u64 + HEADERS) * 8;
        self.bits += bits;
        self.free = start + Duration::from_micros(bits * 1_000_000 / rate.0);
        let mut at = self.free + DELAY;
        if let Some(rough) = &mut self.rough {
            if rough.rng.below(100) < rough.lost_percent {
                return None;
            }
            at = at + Millis(rough.rng.below(rough.jitter.0 + 1));
        }
        self.queue
            .insert((at, self.sent), (address, bytes.to_vec()));
        None
    }

    pub(crate) fn arrive(&mut self, now: Mono) -> Option<(SocketAddr, Vec<u8>)> {
        let first = self.queue.first_entry()?;
        (first.key().0 <= now).then(|| first.remove())
    }
}
