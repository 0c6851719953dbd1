//! Publishers that bend to what their link carries: what the floor upwards is taken for.

use super::*;
use crate::base::{Bitrate, Direction, FloorState, Millis, Rng};

const FLOOR: u64 = 1_000;
const DEMAND: u64 = 1_700;
const WIDE: u64 = 2_500;
/// More than this waits nowhere: it is dropped.
const LONGEST_QUEUE_MS: u64 = 300;

/// A publisher whose congestion control climbs until a queue grows, and backs off, before a
/// bottleneck; ten steps a second. Rates in kbit/s.
struct Publisher {
    rng: Rng,
    rate: u64,
    /// Bits in the queue, in thousands.
    queue: u64,
    link: u64,
    /// Hundredths of what arrives that are left after a queue, and that are added in a second.
    back_off: u64,
    climb: u64,
    /// What arrived in each step of the last second.
    arrived: [u64; 10],
    lost: [u64; 10],
    hold: u64,
    step: usize,
}

impl Publisher {
    fn new(seed: u64) -> Publisher {
        let mut rng = Rng::from_seed(seed);
        Publisher {
            rate: DEMAND,
            queue: 0,
            link: WIDE,
            back_off: 35 + rng.below(55),
            climb: 3 + rng.below(6),
            arrived: [DEMAND / 10; 10],
            lost: [0; 10],
            hold: 0,
            step: 0,
            rng,
        }
    }

    fn wait_ms(&self) -> u64 {
        self.queue * 1_000 / self.link
    }

    fn received(&self) -> u64 {
        self.arrived.iter().sum()
    }

    /// A tenth of a second: what the node sees of it.
    fn step(&mut self) -> UplinkReport {
        // An encoder wavers.
        let sent = self.rate * (85 + self.rng.below(30)) / 1_000;
        let arrives = (self.queue + sent).min(self.link / 10);
        let left = self.queue + sent - arrives;
        self.queue = left.min(self.link * LONGEST_QUEUE_MS / 1_000);
        let index = self.step % 10;
        self.arrived[index] = arrives;
        self.lost[index] = (left - self.queue) * 1_000 / sent.max(1);
        self.step += 1;
        self.control();
        UplinkReport {
            received: Bitrate::kbps(self.received()),
            queue: Some(Millis(self.wait_ms())),
            lost: u32::try_from(self.lost.iter().sum::<u64>() / 10).unwrap(),
        }
    }

    fn control(&mut self) {
        if self.hold > 0 {
            self.hold -= 1;
        } else if self.wait_ms() >= 60 {
            // The delay grows: below what arrives.
            self.rate = self.received() * self.back_off / 100;
            self.hold = 3;
        } else if self.step.is_multiple_of(10) {
            self.rate = (self.rate * (100 + self.climb) / 100 + 10).min(DEMAND);
        }
    }
}

fn promise() -> Floor {
    Floor::new(FloorConfig {
        direction: Direction::Up,
        floor: Bitrate::kbps(FLOOR),
        short_after: Millis(3_000),
        breach_after: Millis(10_000),
        restore_after: Millis(5_000),
    })
}

/// One life: wide for 20 s, narrow for 60 s, wide for 60 s. Returns the changes of the floor's state.
fn life(seed: u64, narrow: u64) -> (Vec<(u64, FloorState)>, Vec<u64>) {
    let mut publisher = Publisher::new(seed);
    let mut uplink = Uplink::new(Bitrate::kbps(FLOOR));
    let mut floor = promise();
    let (mut changes, mut received) = (Vec::new(), Vec::new());
    for at in (0..140_000).step_by(100) {
        publisher.link = if (20_000..80_000).contains(&at) {
            narrow
        } else {
            WIDE
        };
        let report = publisher.step();
        received.push(report.received.0 / 1_000);
        let now = Mono::from_millis(at);
        let decision = uplink.handle_report(report, Bitrate::kbps(DEMAND), now);
        if floor.handle_reading(decision.reading, now) {
            changes.push((at, floor.state()));
        }
    }
    (changes, received)
}

#[test]
fn whatever_a_publisher_bends_to_the_breach_comes_in_time_and_lasts_as_long_as_the_link_is_narrow()
{
    for seed in 0..300 {
        let narrow = 120 + Rng::from_seed(seed).below(600);
        let (changes, received) = life(seed, narrow);
        let name = format!("seed {seed}, {narrow} kbit/s: {changes:?}");
        let states: Vec<FloorState> = changes.iter().map(|change| change.1).collect();
        let story = [FloorState::Met, FloorState::Short, FloorState::Breached];
        assert_eq!(states.get(..3), Some(story.as_slice()), "{name}");
        let breached = changes[2].0;
        assert!((30_000..=31_000).contains(&breached), "{name}");
        let restored = changes.get(3).map(|change| change.0);
        let enough = (800..received.len()).find(|index| received[*index] >= FLOOR);
        let enough = enough.map(|index| u64::try_from(index).unwrap() * 100);
        assert!(restored.is_some_and(|at| at >= 85_000), "{name}");
        assert!(
            restored <= enough.map(|at| at + 5_000),
            "{name}, {enough:?}"
        );
        assert!(
            states[3..]
                .iter()
                .all(|state| *state != FloorState::Breached),
            "{name}"
        );
    }
}

/// A source that sends what it likes for five minutes on a link that stalls every 20 s for so long: the
/// worst that its floor comes to.
fn by_choice(seed: u64, stall_ms: u64) -> FloorState {
    let mut rng = Rng::from_seed(seed);
    let (mut uplink, mut floor) = (Uplink::new(Bitrate::kbps(FLOOR)), promise());
    let (mut rate, mut worst) = (100, FloorState::Unproven);
    for at in (0..300_000).step_by(100) {
        if rng.below(50) == 0 {
            rate = 20 + rng.below(900);
        }
        let stalls = at % 20_000 < stall_ms;
        let report = UplinkReport {
            received: Bitrate::kbps(rate),
            queue: Some(Millis(if stalls { 200 } else { rng.below(30) })),
            lost: u32::try_from(rng.below(100)).unwrap(),
        };
        let now = Mono::from_millis(at);
        let decision = uplink.handle_report(report, Bitrate::kbps(DEMAND), now);
        floor.handle_reading(decision.reading, now);
        worst = worst.max(floor.state());
    }
    worst
}

#[test]
fn a_source_that_sends_less_by_choice_is_never_short_though_its_link_stalls_for_a_moment() {
    for seed in 0..300 {
        for stall_ms in [0, 300, 900] {
            let worst = by_choice(seed, stall_ms);
            assert!(worst <= FloorState::Met, "seed {seed}, {stall_ms} ms");
        }
    }
}
