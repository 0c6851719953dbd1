//! The only clock reads of the program.

use crate::base::{Mono, Now, Unix};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Both clocks, read once when the process starts. From then on wall time is that reading plus
/// monotonic time: a jump of the system's wall clock moves nothing until the next start.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    anchor: Instant,
    started: Unix,
}

impl Clock {
    /// Anchors both clocks here and now. One per process: clones share the anchor.
    #[expect(
        clippy::disallowed_methods,
        clippy::new_without_default,
        reason = "the one clock: made on purpose"
    )]
    pub fn new() -> Clock {
        let wall = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or(Duration::ZERO);
        Clock {
            anchor: Instant::now(),
            started: Unix(u64::try_from(wall.as_millis()).unwrap_or(u64::MAX)),
        }
    }

    /// Reads the monotonic clock.
    pub fn now(&self) -> Now {
        let mono = Mono::ZERO + self.anchor.elapsed();
        Now {
            mono,
            unix: Unix(self.started.0.saturating_add(mono.millis().0)),
        }
    }

    /// The system's wall clock since 1970, as the kernel stamps datagrams; [`Clock::now`] does not
    /// jump with it.
    #[expect(clippy::disallowed_methods, reason = "the one clock")]
    pub fn wall(&self) -> Duration {
        SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or(Duration::ZERO)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wall_time_is_the_start_plus_monotonic_time() {
        let clock = Clock::new();
        let (first, second) = (clock.now(), clock.now());
        assert!(second.mono >= first.mono);
        assert_eq!(second.unix.0, clock.started().0 + second.mono.millis().0);
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
