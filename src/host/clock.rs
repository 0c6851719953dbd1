//! The only clock reads of the program.

use crate::base::{Mono, Now, Unix};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Both clocks: the monotonic one from the start of the process, and the wall clock as it is now, so that
/// a correction of it holds at once. Durations never come from it.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    anchor: Instant,
    started: Unix,
}

impl Clock {
    /// Anchors the monotonic clock here and now. One per process: clones share the anchor.
    #[expect(
        clippy::disallowed_methods,
        clippy::new_without_default,
        reason = "the one clock: made on purpose"
    )]
    pub fn new() -> Clock {
        Clock {
            anchor: Instant::now(),
            started: unix(wall()),
        }
    }

    /// Reads both clocks.
    pub fn now(&self) -> Now {
        Now {
            mono: Mono::ZERO + self.anchor.elapsed(),
            unix: unix(wall()),
        }
    }

    /// The wall clock since 1970, as the kernel stamps datagrams.
    pub fn wall(&self) -> Duration {
        wall()
    }

    /// The instant of [`Mono::ZERO`].
    pub const fn anchor(&self) -> Instant {
        self.anchor
    }

    /// The instant of a monotonic reading, for libraries that want one.
    pub fn instant(&self, at: Mono) -> Instant {
        self.anchor
            .checked_add(Duration::from_micros(at.micros()))
            .unwrap_or(self.anchor)
    }

    /// Wall time at the start of the process.
    pub const fn started(&self) -> Unix {
        self.started
    }
}

#[expect(clippy::disallowed_methods, reason = "the one clock")]
fn wall() -> Duration {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or(Duration::ZERO)
}

fn unix(wall: Duration) -> Unix {
    Unix(u64::try_from(wall.as_millis()).unwrap_or(u64::MAX))
}

/// Finds out when the wall clock was set.
#[derive(Debug)]
pub struct StepDetector {
    before: Now,
}

impl StepDetector {
    /// From `now` on.
    pub const fn new(now: Now) -> StepDetector {
        StepDetector { before: now }
    }

    /// Looks again: by how many milliseconds the clock was set since, forward or (less than zero) back.
    pub fn handle_now(&mut self, now: Now) -> Option<i64> {
        let step = now.set_since(self.before);
        self.before = now;
        step
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_that_is_set_is_noticed_and_one_that_drifts_is_not() {
        let at = |mono: u64, unix: u64| Now {
            mono: Mono::from_millis(mono),
            unix: Unix(unix),
        };
        let mut detector = StepDetector::new(at(0, 1_000_000));
        for (mono, unix, step) in [
            (1_000, 1_001_000, None),
            (2_000, 1_002_500, None),
            (3_000, 1_003_000, None),
            (4_000, 1_904_000, Some(900_000)),
            (5_000, 1_905_000, None),
            (6_000, 1_006_000, Some(-900_000)),
            (90_000, 1_089_600, None),
            (91_000, 1_090_099, Some(-501)),
        ] {
            assert_eq!(detector.handle_now(at(mono, unix)), step, "{mono}");
        }
    }

    #[test]
    fn an_instant_and_its_reading_are_the_same_moment_in_every_clone() {
        let clock = Clock::new();
        let later = clock.instant(Mono::from_millis(1500));
        assert_eq!(later - clock.anchor(), Duration::from_millis(1500));
        let clone = clock;
        assert_eq!(clone.anchor(), clock.anchor());
    }
}
