//! `[floor]`: the promised minimum bandwidth, per participant and direction.

use super::error::{PolicyError, range};
use crate::base::Millis;
use serde::{Deserialize, Serialize};

/// Highest floor that can be promised: what one preflight can measure with 1.5 times as much.
const MAX_FLOOR_BPS: u64 = 20_000_000;

/// The promise, and what a breach of it does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Floor {
    /// Promised from the participant to the node, in bits a second; 0 promises nothing.
    pub up_bps: u64,
    /// Promised from the node to the participant, in bits a second; 0 promises nothing.
    pub down_bps: u64,
    /// What a failed or missing preflight does at the join.
    pub admission: Admission,
    /// Evidence of a shortage for this long: `Short`.
    pub short_after_ms: u64,
    /// And for this long in all: `Breached`.
    pub breach_after_ms: u64,
    /// Enough again for this long: `Restored`.
    pub restore_after_ms: u64,
    /// What a breach does.
    pub on_breach: Vec<OnBreach>,
    /// With `end`: the session ends after a breach of this length.
    pub end_after_ms: u64,
}

/// What a failed or missing preflight does at the join.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Admission {
    /// Nothing.
    Off,
    /// Lets in, and says so in an event.
    #[default]
    Warn,
    /// Refuses the join.
    Require,
}

/// What a breach does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnBreach {
    /// `session.warning`, and the clients are told.
    Notify,
    /// Less important video is paused to keep the rest.
    Shed,
    /// The billing clock stands while no expert and customer are left without a breach.
    PauseBilling,
    /// The session ends after `end_after_ms`.
    End,
}

impl Default for Floor {
    fn default() -> Floor {
        Floor {
            up_bps: 1_000_000,
            down_bps: 1_000_000,
            admission: Admission::Warn,
            short_after_ms: 3_000,
            breach_after_ms: 10_000,
            restore_after_ms: 5_000,
            on_breach: vec![OnBreach::Notify, OnBreach::Shed, OnBreach::PauseBilling],
            end_after_ms: 60_000,
        }
    }
}

impl Floor {
    /// True if a breach does this.
    pub fn does(&self, action: OnBreach) -> bool {
        self.on_breach.contains(&action)
    }

    /// Evidence for this long makes a shortage.
    pub const fn short_after(&self) -> Millis {
        Millis(self.short_after_ms)
    }

    /// And for this long a breach.
    pub const fn breach_after(&self) -> Millis {
        Millis(self.breach_after_ms)
    }

    /// Enough for this long restores the promise.
    pub const fn restore_after(&self) -> Millis {
        Millis(self.restore_after_ms)
    }

    pub(super) fn validate(&self) -> Result<(), PolicyError> {
        range("floor.up_bps", self.up_bps, 0, MAX_FLOOR_BPS)?;
        range("floor.down_bps", self.down_bps, 0, MAX_FLOOR_BPS)?;
        // Estimates settle within half a second; below it noise would be a breach.
        range("floor.short_after_ms", self.short_after_ms, 500, 60_000)?;
        let least = self.short_after_ms;
        range(
            "floor.breach_after_ms",
            self.breach_after_ms,
            least,
            600_000,
        )?;
        range(
            "floor.restore_after_ms",
            self.restore_after_ms,
            500,
            600_000,
        )?;
        range("floor.end_after_ms", self.end_after_ms, 1_000, 86_400_000)
    }
}
