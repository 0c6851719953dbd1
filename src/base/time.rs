//! Time as plain integers: a monotonic reading and a wall-clock reading, made together in `host/clock`.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::iter::Sum;
use std::ops::{Add, AddAssign, Sub};
use std::time::Duration;

/// A span of whole milliseconds. Never rounded up: billing rounds, we do not.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Millis(pub u64);

impl Millis {
    /// No time at all.
    pub const ZERO: Millis = Millis(0);

    /// A span of whole seconds.
    pub const fn from_secs(secs: u64) -> Millis {
        Millis(secs * 1000)
    }

    /// The same span for the standard library.
    pub const fn duration(self) -> Duration {
        Duration::from_millis(self.0)
    }

    /// `self - other`, or zero where `other` is longer.
    pub const fn saturating_sub(self, other: Millis) -> Millis {
        Millis(self.0.saturating_sub(other.0))
    }
}

impl Add for Millis {
    type Output = Millis;
    fn add(self, other: Millis) -> Millis {
        Millis(self.0 + other.0)
    }
}

impl AddAssign for Millis {
    fn add_assign(&mut self, other: Millis) {
        self.0 += other.0;
    }
}

impl Sum for Millis {
    fn sum<I: Iterator<Item = Millis>>(iter: I) -> Millis {
        iter.fold(Millis::ZERO, Add::add)
    }
}

impl fmt::Display for Millis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ms", self.0)
    }
}

/// A monotonic instant: microseconds since this process started.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Mono(u64);

impl Mono {
    /// The start of the process.
    pub const ZERO: Mono = Mono(0);
    /// Later than any instant that occurs.
    pub const MAX: Mono = Mono(u64::MAX);

    /// `micros` microseconds after the start.
    pub const fn from_micros(micros: u64) -> Mono {
        Mono(micros)
    }

    /// `millis` milliseconds after the start.
    pub const fn from_millis(millis: u64) -> Mono {
        Mono(millis * 1000)
    }

    /// Microseconds since the start.
    pub const fn micros(self) -> u64 {
        self.0
    }

    /// Whole milliseconds since the start. Differences of this reading telescope: sums of
    /// neighbouring intervals lose nothing to rounding.
    pub const fn millis(self) -> Millis {
        Millis(self.0 / 1000)
    }

    /// Time from `earlier` until `self` in the millisecond readings of both; zero if not later.
    pub const fn since(self, earlier: Mono) -> Millis {
        self.millis().saturating_sub(earlier.millis())
    }
}

impl Add<Millis> for Mono {
    type Output = Mono;
    fn add(self, span: Millis) -> Mono {
        Mono(self.0.saturating_add(span.0.saturating_mul(1000)))
    }
}

impl Add<Duration> for Mono {
    type Output = Mono;
    fn add(self, span: Duration) -> Mono {
        Mono(
            self.0
                .saturating_add(u64::try_from(span.as_micros()).unwrap_or(u64::MAX)),
        )
    }
}

impl Sub<Millis> for Mono {
    type Output = Mono;
    fn sub(self, span: Millis) -> Mono {
        Mono(self.0.saturating_sub(span.0.saturating_mul(1000)))
    }
}

/// Wall-clock time: milliseconds since 1970-01-01T00:00:00Z. For labels only, never subtracted.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Unix(pub u64);

impl Unix {
    /// Whole seconds since 1970.
    pub const fn secs(self) -> u64 {
        self.0 / 1000
    }

    /// `2026-11-24T06:00:00.000Z` (RFC 3339).
    pub fn rfc3339(self) -> String {
        let time = std::time::UNIX_EPOCH + Duration::from_millis(self.0);
        humantime::format_rfc3339_millis(time).to_string()
    }
}

/// One reading of both clocks, taken once per batch of input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Now {
    /// The monotonic reading: all arithmetic uses it.
    pub mono: Mono,
    /// The wall-clock reading: labels records.
    pub unix: Unix,
}

/// A wall clock that differs by more from what was expected was set; adjustment by rate is slower.
const CLOCK_SET: Millis = Millis(500);

impl Now {
    /// By how many milliseconds the wall clock was set since `before`, forward or (less than zero) back;
    /// none if it was not.
    pub fn set_since(self, before: Now) -> Option<i64> {
        let signed = |unix: Unix| i64::try_from(unix.0).unwrap_or(i64::MAX);
        let step = signed(self.unix).saturating_sub(signed(before.unix_at(self.mono)));
        (step.unsigned_abs() > CLOCK_SET.0).then_some(step)
    }

    /// The wall-clock label of another monotonic instant, by way of this pair.
    pub fn unix_at(self, at: Mono) -> Unix {
        if at >= self.mono {
            Unix(self.unix.0 + at.since(self.mono).0)
        } else {
            Unix(self.unix.0.saturating_sub(self.mono.since(at).0))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbouring_intervals_sum_to_the_whole_whatever_the_microseconds() {
        let (a, b, c) = (
            Mono::from_micros(1_999),
            Mono::from_micros(3_001),
            Mono::from_micros(9_999),
        );
        assert_eq!(b.since(a) + c.since(b), c.since(a));
    }

    #[test]
    fn a_wall_clock_label_is_derived_on_both_sides_of_now() {
        let now = Now {
            mono: Mono::from_millis(5_000),
            unix: Unix(1_000_000),
        };
        assert_eq!(now.unix_at(Mono::from_millis(4_000)), Unix(999_000));
        assert_eq!(now.unix_at(Mono::from_millis(6_500)), Unix(1_001_500));
    }

    #[test]
    fn a_label_prints_as_rfc3339_in_utc() {
        assert_eq!(
            Unix(1_763_964_000_123).rfc3339(),
            "2025-11-24T06:00:00.123Z"
        );
    }
}
