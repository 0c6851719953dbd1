//! One direction of a link as a machine in virtual time: loss, a queue before a bottleneck, then the
//! way with its delay and jitter.

use beistand::base::Rng;
use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

/// What IPv4 and UDP add to a payload on the wire.
pub const HEADER_BYTES: u64 = 28;
/// The queue of the slowest link still holds two full packets.
const LEAST_QUEUE_BYTES: u64 = 3_000;
/// Bits are counted in parts of 10⁻⁹, so that bits per second times nanoseconds need no division.
const PARTS_PER_BYTE: u128 = 8_000_000_000;

/// What a lane does to its packets. The default does nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    /// Bits per second on the wire; none means that there is no bottleneck.
    pub rate_bps: Option<u64>,
    /// How long a packet may wait at that rate; one that would wait longer is dropped.
    pub queue_ms: u64,
    /// Time of each packet on the way.
    pub delay_ms: u64,
    /// Time more on the way, from 0 to this, uniform. Packets may overtake each other.
    pub jitter_ms: u64,
    /// Packets lost at random, of a thousand.
    pub loss_permille: u64,
}

impl Default for Shape {
    fn default() -> Shape {
        Shape {
            rate_bps: None,
            queue_ms: 300,
            delay_ms: 0,
            jitter_ms: 0,
            loss_permille: 0,
        }
    }
}

impl Shape {
    /// A bottleneck of so many bits per second.
    pub fn rate(rate_bps: u64) -> Shape {
        Shape {
            rate_bps: Some(rate_bps),
            ..Shape::default()
        }
    }

    /// The same with so much time on the way.
    pub fn delayed(self, delay_ms: u64) -> Shape {
        Shape { delay_ms, ..self }
    }

    fn queue_bytes(&self) -> u64 {
        self.rate_bps.map_or(u64::MAX, |rate| {
            (rate * self.queue_ms / 8_000).max(LEAST_QUEUE_BYTES)
        })
    }
}

/// What went through a lane since its start. Bytes count headers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Packets that came.
    pub packets: u64,
    /// Packets that left the bottleneck.
    pub passed: u64,
    /// Their bytes.
    pub passed_bytes: u64,
    /// Packets dropped because the queue was full.
    pub dropped: u64,
    /// Packets lost at random.
    pub lost: u64,
    /// Most bytes that waited.
    pub queue_max_bytes: u64,
}

/// The lane. Times count from any one moment, and never go back.
#[derive(Debug)]
pub struct Lane<T> {
    shape: Shape,
    rng: Rng,
    queue: VecDeque<(u64, T)>,
    queued_bytes: u64,
    /// What is still to be sent of the first in the queue, as of `since`.
    left: u128,
    since: Duration,
    way: BTreeMap<(Duration, u64), T>,
    latest: Duration,
    counters: Counters,
}

impl<T> Lane<T> {
    /// A lane that does nothing yet.
    pub fn new(seed: u64) -> Lane<T> {
        Lane {
            shape: Shape::default(),
            rng: Rng::from_seed(seed),
            queue: VecDeque::new(),
            queued_bytes: 0,
            left: 0,
            since: Duration::ZERO,
            way: BTreeMap::new(),
            latest: Duration::ZERO,
            counters: Counters::default(),
        }
    }

    /// Changes it. What waits goes on at the new rate; what is on its way is not touched.
    pub fn set(&mut self, shape: Shape, now: Duration) {
        self.advance(now);
        if let Some(rate) = self.shape.rate_bps {
            let sent = now.saturating_sub(self.since).as_nanos() * u128::from(rate);
            self.left = self.left.saturating_sub(sent);
        }
        self.since = self.since.max(now);
        self.shape = shape;
        self.advance(now);
    }

    /// A packet of so many bytes of payload comes.
    pub fn handle_packet(&mut self, payload_bytes: usize, packet: T, now: Duration) {
        self.advance(now);
        self.counters.packets += 1;
        if self.rng.below(1_000) < self.shape.loss_permille {
            self.counters.lost += 1;
            return;
        }
        let bytes = payload_bytes as u64 + HEADER_BYTES;
        if self.queued_bytes + bytes > self.shape.queue_bytes() {
            self.counters.dropped += 1;
            return;
        }
        if self.queue.is_empty() {
            self.since = self.since.max(now);
            self.left = u128::from(bytes) * PARTS_PER_BYTE;
        }
        self.queue.push_back((bytes, packet));
        self.queued_bytes += bytes;
        let most = &mut self.counters.queue_max_bytes;
        *most = self.queued_bytes.max(*most);
        self.advance(now);
    }

    /// The next packet that has arrived by now, with the time at which it did.
    pub fn poll_packet(&mut self, now: Duration) -> Option<(T, Duration)> {
        self.advance(now);
        let first = self.way.first_entry()?;
        let at = first.key().0;
        (at <= now).then(|| (first.remove(), at))
    }

    /// When to look again.
    pub fn poll_timeout(&self) -> Option<Duration> {
        let arrives = self.way.first_key_value().map(|((at, _), _)| *at);
        [self.head_ends(), arrives].into_iter().flatten().min()
    }

    /// Counters.
    pub fn counters(&self) -> Counters {
        self.counters
    }

    /// When the first in the queue is sent as a whole.
    fn head_ends(&self) -> Option<Duration> {
        self.queue.front()?;
        let nanos = self
            .shape
            .rate_bps
            .map_or(0, |rate| self.left.div_ceil(u128::from(rate.max(1))));
        let nanos = u64::try_from(nanos).unwrap_or(u64::MAX);
        Some(self.since.saturating_add(Duration::from_nanos(nanos)))
    }

    fn advance(&mut self, now: Duration) {
        while let Some(end) = self.head_ends().filter(|end| *end <= now) {
            let Some((bytes, packet)) = self.queue.pop_front() else {
                return;
            };
            self.queued_bytes -= bytes;
            self.counters.passed += 1;
            self.counters.passed_bytes += bytes;
            self.depart(packet, end);
            self.since = end;
            self.left = self
                .queue
                .front()
                .map_or(0, |(bytes, _)| u128::from(*bytes) * PARTS_PER_BYTE);
        }
    }

    fn depart(&mut self, packet: T, at: Duration) {
        let jitter_us = self.rng.below(self.shape.jitter_ms * 1_000 + 1);
        let mut arrival =
            at + Duration::from_millis(self.shape.delay_ms) + Duration::from_micros(jitter_us);
        if self.shape.jitter_ms == 0 {
            // A delay that was made shorter turns nothing round.
            arrival = arrival.max(self.latest);
        }
        self.latest = arrival.max(self.latest);
        self.way.insert((arrival, self.counters.passed), packet);
    }
}

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

/// The numbers of the packets that come by `now`, with the times at which they do.
fn arrivals(lane: &mut Lane<u64>, until: Duration) -> Vec<(u64, Duration)> {
    let mut seen = Vec::new();
    while let Some(at) = lane.poll_timeout().filter(|at| *at <= until) {
        while let Some((number, arrived)) = lane.poll_packet(at) {
            seen.push((number, arrived));
        }
    }
    seen
}

#[test]
fn a_bottleneck_sends_one_after_the_other_at_its_rate() {
    let mut lane = Lane::new(1);
    // 1,250 bytes on the wire take 100 ms.
    lane.set(Shape::rate(100_000).delayed(20), ms(0));
    for number in 0..3 {
        lane.handle_packet(1_222, number, ms(10));
    }
    let seen = arrivals(&mut lane, ms(1_000));
    assert_eq!(seen, [(0, ms(130)), (1, ms(230)), (2, ms(330))]);
    assert_eq!(lane.counters().passed_bytes, 3_750);
    assert_eq!(lane.poll_timeout(), None);
}

#[test]
fn a_full_queue_drops_the_newest() {
    let mut lane = Lane::new(1);
    lane.set(Shape::rate(100_000), ms(0));
    for number in 0..10 {
        lane.handle_packet(1_222, number, ms(0));
    }
    let seen = arrivals(&mut lane, ms(5_000));
    assert_eq!(seen, [(0, ms(100)), (1, ms(200)), (2, ms(300))]);
    let counters = lane.counters();
    assert_eq!((counters.dropped, counters.queue_max_bytes), (7, 3_750));
}

#[test]
fn a_change_of_rate_counts_from_its_moment_for_what_waits() {
    let mut lane = Lane::new(1);
    lane.set(Shape::rate(100_000), ms(0));
    lane.handle_packet(1_222, 0, ms(0));
    lane.handle_packet(1_222, 1, ms(0));
    // Half of the first is gone; the other half takes twice as long, as does all of the second.
    lane.set(Shape::rate(50_000), ms(50));
    assert_eq!(arrivals(&mut lane, ms(200)), [(0, ms(150))]);
    lane.set(Shape::default(), ms(200));
    assert_eq!(arrivals(&mut lane, ms(200)), [(1, ms(200))]);
}

#[test]
fn jitter_stays_in_its_bounds_and_loss_is_the_same_for_the_same_seed() {
    let run = |seed| {
        let mut lane = Lane::new(seed);
        let shape = Shape {
            jitter_ms: 30,
            loss_permille: 100,
            ..Shape::default()
        };
        lane.set(shape.delayed(50), ms(0));
        for number in 0..10_000 {
            lane.handle_packet(100, number, ms(number));
        }
        let seen = arrivals(&mut lane, ms(20_000));
        (seen, lane.counters())
    };
    let (seen, counters) = run(7);
    for (number, at) in &seen {
        assert!(
            (ms(number + 50)..=ms(number + 80)).contains(at),
            "{number}: {at:?}"
        );
    }
    assert!(
        seen.windows(2).any(|two| two[0].0 > two[1].0),
        "none overtook"
    );
    // Three times the standard deviation of 10,000 draws is 90.
    assert!((910..=1_090).contains(&counters.lost), "{counters:?}");
    assert_eq!(run(7).0, seen);
    assert_ne!(run(8).0, seen);
}
