//! When one subscription may climb again: each climb that failed makes the next one wait longer.

use crate::base::{Millis, Mono};

/// A fall this soon after a climb means that the climb failed.
const FAILED_WITHIN: Millis = Millis::from_secs(10);
/// Wait after a fall; doubled by each failure.
const FIRST_WAIT: Millis = Millis::from_secs(4);
/// Longest wait: then at most one climb and one fall a minute.
const LONGEST_WAIT: Millis = Millis::from_secs(60);

/// The lowest rung may cost more than there is for so long.
const PINCH: Millis = Millis::from_secs(2);

/// The climbs and falls of one subscription.
#[derive(Clone, Copy, Debug)]
pub(in crate::room) struct UpgradeBackoff {
    climbed: Option<Mono>,
    wait: Millis,
    held_until: Mono,
    pinched_since: Option<Mono>,
    /// Changes of rung so far.
    pub(in crate::room) switches: u64,
}

impl Default for UpgradeBackoff {
    fn default() -> UpgradeBackoff {
        UpgradeBackoff {
            climbed: None,
            wait: FIRST_WAIT,
            held_until: Mono::ZERO,
            pinched_since: None,
            switches: 0,
        }
    }
}

impl UpgradeBackoff {
    /// The subscription moved up.
    pub(in crate::room) const fn handle_climb(&mut self, now: Mono) {
        self.switches += 1;
        self.climbed = Some(now);
    }

    /// It moved down: because the downlink does not carry more, or because there is no more.
    pub(in crate::room) fn handle_fall(&mut self, downlink: bool, now: Mono) {
        self.switches += 1;
        if !downlink {
            return;
        }
        let failed = self
            .climbed
            .is_some_and(|climbed| now.since(climbed) < FAILED_WITHIN);
        self.wait = if failed {
            Millis(self.wait.0 * 2).min(LONGEST_WAIT)
        } else {
            FIRST_WAIT
        };
        self.held_until = now + self.wait;
    }

    /// The lowest rung costs more than there is, or no longer.
    pub(in crate::room) fn handle_pinch(&mut self, pinched: bool, now: Mono) {
        if pinched {
            self.pinched_since.get_or_insert(now);
        } else {
            self.pinched_since = None;
        }
    }

    /// It did for too long.
    pub(in crate::room) fn pinched(&self, now: Mono) -> bool {
        self.pinched_since
            .is_some_and(|since| now.since(since) >= PINCH)
    }

    /// It must not climb now.
    pub(in crate::room) fn held(&self, now: Mono) -> bool {
        now < self.held_until
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn climbs_that_fail_come_at_most_once_a_minute_in_the_end() {
        let mut backoff = UpgradeBackoff::default();
        let mut climbs = Vec::new();
        for at in (0..400_000).step_by(100) {
            let now = Mono::from_millis(at);
            if !backoff.held(now) {
                climbs.push(at / 1_000);
                backoff.handle_climb(now);
                backoff.handle_fall(true, now + Millis(50));
            }
        }
        assert_eq!(climbs, [0, 8, 24, 56, 116, 176, 236, 296, 356]);
    }

    #[test]
    fn a_fall_long_after_a_climb_starts_with_the_first_wait() {
        let mut backoff = UpgradeBackoff::default();
        backoff.handle_climb(Mono::ZERO);
        backoff.handle_fall(false, Mono::from_millis(1_000));
        assert!(!backoff.held(Mono::from_millis(1_001)));
        let later = Mono::from_millis(60_000);
        backoff.handle_fall(true, later);
        assert!(backoff.held(later + Millis(3_999)));
        assert!(!backoff.held(later + Millis(4_000)));
    }
}
