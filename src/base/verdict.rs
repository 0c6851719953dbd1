//! What a preflight measured, and whether that is enough.

use super::{Millis, Unix};
use serde::{Deserialize, Serialize};

/// A verdict lets its participant in for this long (contract: 10 minutes).
const HOLDS: Millis = Millis::from_secs(600);

/// What a preflight measured of one participant's link to this node, and what was needed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verdict {
    /// Carried from the participant to the node, in bits a second of the link.
    pub up_bps: u64,
    /// Carried from the node to the participant, in bits a second of the link.
    pub down_bps: u64,
    /// The floor that was promised upwards when it was measured.
    pub up_floor_bps: u64,
    /// The floor that was promised downwards when it was measured.
    pub down_floor_bps: u64,
    /// Shortest round trip on the idle link.
    pub rtt_ms: u64,
    /// Jitter under load (RFC 3550, section 6.4.1), of the worse direction.
    pub jitter_ms: u64,
    /// Packets lost upwards, of a thousand.
    pub up_loss_permille: u64,
    /// Packets lost downwards, of a thousand.
    pub down_loss_permille: u64,
    /// Both directions reach their floors.
    pub passed: bool,
    /// When it was measured.
    pub at_unix_ms: Unix,
}

impl Verdict {
    /// A measurement of two rates, held against no floor yet. What else was measured is filled in by
    /// struct update.
    pub const fn new(up_bps: u64, down_bps: u64, at_unix_ms: Unix) -> Verdict {
        Verdict {
            up_bps,
            down_bps,
            up_floor_bps: 0,
            down_floor_bps: 0,
            rtt_ms: 0,
            jitter_ms: 0,
            up_loss_permille: 0,
            down_loss_permille: 0,
            passed: true,
            at_unix_ms,
        }
    }

    /// The same, judged by these floors.
    #[must_use]
    pub const fn against(self, up_floor_bps: u64, down_floor_bps: u64) -> Verdict {
        Verdict {
            up_floor_bps,
            down_floor_bps,
            passed: self.meets(up_floor_bps, down_floor_bps),
            ..self
        }
    }

    /// Whether it still counts.
    pub const fn is_fresh(&self, now: Unix) -> bool {
        now.0 < self.at_unix_ms.0.saturating_add(HOLDS.0)
    }

    /// Whether what was measured is enough for these floors, up and down.
    pub const fn meets(&self, up_floor_bps: u64, down_floor_bps: u64) -> bool {
        self.up_bps >= up_floor_bps && self.down_bps >= down_floor_bps
    }

    /// One plain sentence: what was measured, and what is needed.
    pub fn text(&self) -> String {
        self.text_for(self.up_floor_bps, self.down_floor_bps)
    }

    /// The same, held against other floors.
    pub fn text_for(&self, up_floor_bps: u64, down_floor_bps: u64) -> String {
        let verdict = if self.meets(up_floor_bps, down_floor_bps) {
            "the connection is good enough"
        } else {
            "the connection is too slow"
        };
        format!(
            "{verdict}: measured were {} up and {} down, needed are {} up and {} down",
            mbps(self.up_bps),
            mbps(self.down_bps),
            mbps(up_floor_bps),
            mbps(down_floor_bps)
        )
    }
}

/// Megabits a second with two digits, rounded down: what is shown as enough is enough.
fn mbps(bps: u64) -> String {
    let hundredths = bps / 10_000;
    format!("{}.{:02} Mbit/s", hundredths / 100, hundredths % 100)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict() -> Verdict {
        Verdict::new(799_999, 1_500_000, Unix(1_000)).against(1_000_000, 1_000_000)
    }

    #[test]
    fn a_verdict_passes_if_it_meets_the_floors_that_it_is_held_against() {
        assert!(!verdict().passed);
        assert!(verdict().against(799_999, 1_500_000).passed);
        assert_eq!(verdict().against(1, 2).up_floor_bps, 1);
        assert_eq!(verdict().against(1, 2).down_floor_bps, 2);
    }

    #[test]
    fn a_verdict_says_what_was_measured_and_what_is_needed() {
        assert_eq!(
            verdict().text(),
            "the connection is too slow: measured were 0.79 Mbit/s up and 1.50 Mbit/s down, \
             needed are 1.00 Mbit/s up and 1.00 Mbit/s down"
        );
        assert!(
            verdict()
                .text_for(500_000, 0)
                .starts_with("the connection is good enough")
        );
    }

    #[test]
    fn a_verdict_counts_for_ten_minutes_and_not_a_millisecond_more() {
        assert!(verdict().is_fresh(Unix(1_000)));
        assert!(verdict().is_fresh(Unix(600_999)));
        assert!(!verdict().is_fresh(Unix(601_000)));
    }

    #[test]
    fn both_directions_must_reach_their_floors() {
        assert!(verdict().meets(799_999, 1_500_000));
        assert!(!verdict().meets(800_000, 1_500_000));
        assert!(!verdict().meets(0, 1_500_001));
    }
}
