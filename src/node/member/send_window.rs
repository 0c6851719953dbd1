//! How much reliable data may be under way to one client, so that its sound does not wait behind it.
//!
//! SCTP fills the queue of a narrow link until that overflows, and sound stands in the same queue. So the
//! window follows the delay: it grows while acknowledgements come about as fast as they ever did, and
//! shrinks where data waits, as LEDBAT does (RFC 6817). Sound and pictures have their own congestion control.

use crate::base::{Millis, Mono};
use std::collections::VecDeque;

/// Before anything is known of the link: 130 ms at 1 Mbit/s.
const FIRST: usize = 16 * 1_024;
/// Always under way: 65 ms at 1 Mbit/s.
const LEAST: usize = 8 * 1_024;
/// Never more: 40 Mbit/s over 100 ms.
const MOST: usize = 512 * 1_024;
/// How long data may wait in a queue on its way (RFC 6817: at most 100 ms).
const TARGET: Millis = Millis(50);
/// The shortest round trip is that of this time or twice it: the way may change.
const EPOCH: Millis = Millis::from_secs(30);

/// The window of one channel. Positions are bytes since its beginning.
#[derive(Debug)]
pub(super) struct SendWindow {
    bytes: usize,
    /// It has been seen to wait: no more doubling.
    has_waited: bool,
    /// Messages under way: where each ends, and when it went.
    sent: VecDeque<(u64, Mono)>,
    written: u64,
    taken: u64,
    shortest: Shortest,
    shrunk: Mono,
}

/// The shortest round trip of late.
#[derive(Debug, Default)]
struct Shortest {
    before: Option<Millis>,
    now: Option<Millis>,
    since: Mono,
}

impl Shortest {
    fn handle(&mut self, trip: Millis, now: Mono) -> Millis {
        if now.since(self.since) >= EPOCH {
            self.before = self.now.take();
            self.since = now;
        }
        let shortest = self.now.map_or(trip, |known| known.min(trip));
        self.now = Some(shortest);
        self.before.map_or(shortest, |before| before.min(shortest))
    }
}

impl Default for SendWindow {
    fn default() -> SendWindow {
        SendWindow {
            bytes: FIRST,
            has_waited: false,
            sent: VecDeque::new(),
            written: 0,
            taken: 0,
            shortest: Shortest::default(),
            shrunk: Mono::ZERO,
        }
    }
}

impl SendWindow {
    /// Whether another message may go; the last one may reach beyond the window.
    pub(super) fn is_open(&self) -> bool {
        self.under_way() < u64::try_from(self.bytes).unwrap_or(u64::MAX)
    }

    /// Bytes that were sent and not acknowledged.
    pub(super) const fn under_way(&self) -> u64 {
        self.written - self.taken
    }

    /// Bytes that were acknowledged since the beginning.
    pub(super) const fn taken(&self) -> u64 {
        self.taken
    }

    /// A message of this many bytes went.
    pub(super) fn handle_sent(&mut self, bytes: usize, now: Mono) {
        self.written += u64::try_from(bytes).unwrap_or(0);
        self.sent.push_back((self.written, now));
    }

    /// This much of what was sent is not acknowledged now.
    pub(super) fn handle_unacknowledged(&mut self, bytes: usize, now: Mono) {
        let unacknowledged = u64::try_from(bytes).unwrap_or(0).min(self.under_way());
        let before = self.taken;
        self.taken = self.written - unacknowledged;
        let mut trip = None;
        while let Some((end, at)) = self.sent.front().copied() {
            if end > self.taken {
                break;
            }
            self.sent.pop_front();
            // The last of all may be acknowledged late: receivers wait for another (RFC 9260, 6.2).
            if unacknowledged > 0 {
                trip = Some(now.since(at));
            }
        }
        if let Some(trip) = trip {
            let acknowledged = usize::try_from(self.taken - before).unwrap_or(usize::MAX);
            self.handle_trip(trip, acknowledged, now);
        }
    }

    fn handle_trip(&mut self, trip: Millis, acknowledged: usize, now: Mono) {
        let shortest = self.shortest.handle(trip, now);
        if trip <= shortest + TARGET {
            let growth = if self.has_waited {
                // One message of SCTP for each window that is acknowledged.
                acknowledged.min(self.bytes) * 1_200 / self.bytes
            } else {
                acknowledged
            };
            self.bytes = (self.bytes + growth).min(MOST);
        } else if now.since(self.shrunk) >= trip {
            self.has_waited = true;
            self.shrunk = now;
            self.bytes = (self.bytes / 8 * 7).max(LEAST);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MESSAGE: usize = 1_000;

    /// A link of so many bytes per millisecond, 20 ms long, that always has something to carry: the delay
    /// that is added, in ms, at most over the second half of so many seconds, and the share of the link used.
    fn over(rate: u64, seconds: u64) -> (u64, u64) {
        let mut window = SendWindow::default();
        let (mut queue, mut done): (VecDeque<(u64, Mono)>, u64) = (VecDeque::new(), 0);
        let (mut free, mut waits, mut carried) = (0_u64, 0, 0);
        for at in 0..seconds * 1_000 {
            let now = Mono::from_millis(at);
            while queue.front().is_some_and(|(_, arrives)| *arrives <= now) {
                let (bytes, _) = queue.pop_front().unwrap();
                done += bytes;
            }
            let unacknowledged = usize::try_from(window.written - done).unwrap();
            window.handle_unacknowledged(unacknowledged, now);
            while window.is_open() {
                window.handle_sent(MESSAGE, now);
                // In microseconds: when the link is free again.
                free = free.max(at * 1_000) + 1_000_000 / rate;
                let arrives = free / 1_000 + 20;
                queue.push_back((1_000, Mono::from_millis(arrives)));
                if at >= seconds * 500 {
                    waits = waits.max(free / 1_000 - at);
                    carried += 1_000;
                }
            }
        }
        (waits, carried * 100 / (rate * seconds * 500))
    }

    #[test]
    fn a_narrow_link_is_filled_without_a_long_queue_and_a_wide_one_is_filled_too() {
        for (kbps, longest) in [(500, 150), (1_000, 80), (8_000, 75), (40_000, 75)] {
            let (waits, used) = over(kbps / 8, 20);
            assert!(waits <= longest, "{kbps} kbit/s: {waits} ms");
            assert!(used >= 85, "{kbps} kbit/s: {used} % of it");
        }
    }

    #[test]
    fn the_last_message_says_nothing_of_the_way_since_it_may_be_acknowledged_late() {
        let mut window = SendWindow::default();
        window.handle_sent(MESSAGE, Mono::ZERO);
        window.handle_unacknowledged(0, Mono::from_millis(220));
        assert_eq!(window.shortest.now, None);
        assert_eq!((window.under_way(), window.taken()), (0, 1_000));
        window.handle_sent(MESSAGE, Mono::from_millis(300));
        window.handle_sent(MESSAGE, Mono::from_millis(301));
        window.handle_unacknowledged(MESSAGE, Mono::from_millis(320));
        assert_eq!(window.shortest.now, Some(Millis(20)));
    }

    #[test]
    fn a_longer_way_is_believed_in_time() {
        let mut shortest = Shortest::default();
        assert_eq!(
            shortest.handle(Millis(20), Mono::from_millis(1)),
            Millis(20)
        );
        let at = |seconds: u64| Mono::from_millis(seconds * 1_000);
        assert_eq!(shortest.handle(Millis(90), at(31)), Millis(20));
        assert_eq!(shortest.handle(Millis(90), at(62)), Millis(90));
    }
}
