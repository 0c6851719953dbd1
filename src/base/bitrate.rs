//! How much in how much time.

use super::Millis;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::iter::Sum;
use std::ops::{Add, AddAssign};

/// Bits a second.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Bitrate(pub u64);

impl Bitrate {
    /// Nothing.
    pub const ZERO: Bitrate = Bitrate(0);

    /// Thousands of bits a second.
    pub const fn kbps(kilobits: u64) -> Bitrate {
        Bitrate(kilobits * 1_000)
    }

    /// `bytes` in `span`; zero for no time at all.
    pub const fn of(bytes: u64, span: Millis) -> Bitrate {
        match bytes.saturating_mul(8_000).checked_div(span.0) {
            Some(bits) => Bitrate(bits),
            None => Bitrate::ZERO,
        }
    }

    /// So many hundredths of it.
    #[must_use]
    pub const fn percent(self, hundredths: u64) -> Bitrate {
        Bitrate(self.0.saturating_mul(hundredths) / 100)
    }

    /// The same share of it as `part` is of `whole`; all of it where `whole` is nothing.
    #[must_use]
    pub fn share(self, part: Bitrate, whole: Bitrate) -> Bitrate {
        let scaled = u128::from(self.0) * u128::from(part.0);
        let share = scaled.checked_div(u128::from(whole.0));
        share.map_or(self, |bps| Bitrate(u64::try_from(bps).unwrap_or(u64::MAX)))
    }

    /// What is left after `other`; zero if that is more.
    #[must_use]
    pub const fn saturating_sub(self, other: Bitrate) -> Bitrate {
        Bitrate(self.0.saturating_sub(other.0))
    }
}

impl Add for Bitrate {
    type Output = Bitrate;
    fn add(self, other: Bitrate) -> Bitrate {
        Bitrate(self.0.saturating_add(other.0))
    }
}

impl AddAssign for Bitrate {
    fn add_assign(&mut self, other: Bitrate) {
        *self = *self + other;
    }
}

impl Sum for Bitrate {
    fn sum<I: Iterator<Item = Bitrate>>(rates: I) -> Bitrate {
        rates.fold(Bitrate::ZERO, |sum, rate| sum + rate)
    }
}

impl fmt::Display for Bitrate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} kbit/s", self.0 / 1_000)
    }
}
