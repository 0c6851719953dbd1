//! When datagrams came: before they were read, if the worker was busy. A worker that is late is not to be
//! taken for a link with a queue, and feedback to publishers tells the moments of arrival.

use crate::base::{Mono, Now};
use std::time::Duration;

/// The newest moment that the shard was told.
#[derive(Debug, Default)]
pub struct Arrivals(Mono);

impl Arrivals {
    /// The moment at which a datagram came that had `waited` to be read at `now`. Not before what the
    /// shard was told last: time does not run backwards, and a step of the wall clock, by which the
    /// kernel stamps, shifts an arrival by no more than a round.
    pub fn at(&mut self, now: Now, waited: Duration) -> Now {
        let micros = u64::try_from(waited.as_micros()).unwrap_or(u64::MAX);
        let came = Mono::from_micros(now.mono.micros().saturating_sub(micros));
        self.0 = self.0.max(came).min(now.mono);
        Now {
            mono: self.0,
            unix: now.unix_at(self.0),
        }
    }

    /// The shard was told of `now`.
    pub fn handle_round(&mut self, now: Mono) {
        self.0 = now;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::Unix;

    #[test]
    fn an_arrival_is_what_the_kernel_noted_and_never_before_the_last_round() {
        let mut arrivals = Arrivals::default();
        arrivals.handle_round(Mono::from_millis(1_000));
        let now = Now {
            mono: Mono::from_millis(1_100),
            unix: Unix(50_100),
        };
        for (name, waited, expected) in [
            ("it waited", 60, 1_040),
            ("the next came later", 59, 1_041),
            ("stamps out of order", 80, 1_041),
            ("the clock was set forward", 3_600_000, 1_041),
            ("just now", 0, 1_100),
        ] {
            let at = arrivals.at(now, Duration::from_millis(waited));
            assert_eq!(at.mono, Mono::from_millis(expected), "{name}");
            assert_eq!(at.unix, Unix(49_000 + expected), "{name}");
        }
    }
}
