//! What a peer's packets tell of the way to us: how much comes, and whether it waits in a queue.

use super::RateMeter;
use crate::base::{Bitrate, Millis, Mono};
use std::collections::VecDeque;

/// The shortest way of the last while is the way without a queue. Congestion control drains the
/// queue every few seconds; two clocks that differ by 200 ppm drift 4 ms apart in that time.
const BASELINE: Millis = Millis::from_secs(20);
/// A queue is what not even the fastest packet of this time escaped: jitter is shorter.
const QUEUE: Millis = Millis(300);
/// Minima are kept for stretches of this length.
const STRETCH: Millis = Millis(100);
/// A way that is suddenly this much shorter or longer is another clock, not another queue.
const OTHER_CLOCK_US: i64 = 10_000_000;

/// Bytes and delays of what arrives on one connection.
#[derive(Debug, Default)]
pub struct Arrival {
    rate: RateMeter<10>,
    /// Shortest way (arrival minus departure, of two clocks) in each stretch, oldest first: at most
    /// `BASELINE / STRETCH`.
    shortest: VecDeque<(Mono, i64)>,
}

impl Arrival {
    /// A datagram of `bytes`, lower layers included, came.
    pub fn handle_bytes(&mut self, bytes: usize, now: Mono) {
        self.rate.add(bytes, now);
    }

    /// A packet that left after `way_us` microseconds before `now`, by the sender's clock.
    pub fn handle_one_way_delay(&mut self, way_us: i64, now: Mono) {
        let other = |(_, last): &(Mono, i64)| (way_us - last).abs() > OTHER_CLOCK_US;
        if self.shortest.back().is_some_and(other) {
            self.shortest.clear();
        }
        match self.shortest.back_mut() {
            Some((start, shortest)) if now.since(*start) < STRETCH => {
                *shortest = way_us.min(*shortest);
            }
            Some(_) | None => self.shortest.push_back((now, way_us)),
        }
        while self
            .shortest
            .front()
            .is_some_and(|(start, _)| now.since(*start) > BASELINE)
        {
            self.shortest.pop_front();
        }
    }

    /// What came in the last second, lower layers included.
    pub fn rate(&mut self, now: Mono) -> Bitrate {
        self.rate.rate(now)
    }

    /// How long packets wait now, above the shortest way of late; `None` where departures are not
    /// told, or nothing came lately.
    pub fn queue(&self, now: Mono) -> Option<Millis> {
        let baseline = self.shortest.iter().map(|(_, way)| *way).min()?;
        let lately = self
            .shortest
            .iter()
            .rev()
            .take_while(|(start, _)| now.since(*start) <= QUEUE);
        let shortest = lately.map(|(_, way)| *way).min()?;
        let above = u64::try_from(shortest - baseline).unwrap_or(0);
        Some(Millis(above / 1_000))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(at: u64) -> Mono {
        Mono::from_millis(at)
    }

    #[test]
    fn jitter_is_no_queue_and_a_queue_is_known_within_half_a_second() {
        let mut arrival = Arrival::default();
        for at in (0..5_000).step_by(20) {
            arrival.handle_one_way_delay(7_000 + i64::try_from(at % 60).unwrap() * 500, ms(at));
        }
        assert_eq!(arrival.queue(ms(5_000)), Some(Millis(0)));
        for at in (5_000..5_500).step_by(20) {
            arrival.handle_one_way_delay(107_000, ms(at));
        }
        assert_eq!(arrival.queue(ms(5_500)), Some(Millis(100)));
    }

    #[test]
    fn a_slow_drift_of_clocks_is_no_queue() {
        let mut arrival = Arrival::default();
        for at in (0..120_000_i64).step_by(50) {
            arrival.handle_one_way_delay(at / 5, ms(u64::try_from(at).unwrap()));
        }
        assert!(arrival.queue(ms(120_000)).unwrap() <= Millis(5));
    }

    #[test]
    fn another_clock_starts_anew_and_silence_says_nothing() {
        let mut arrival = Arrival::default();
        arrival.handle_one_way_delay(-3_000_000, ms(0));
        arrival.handle_one_way_delay(60_000_000, ms(100));
        assert_eq!(arrival.queue(ms(100)), Some(Millis(0)));
        assert_eq!(arrival.queue(ms(2_000)), None);
        assert_eq!(Arrival::default().queue(ms(0)), None);
    }
}
