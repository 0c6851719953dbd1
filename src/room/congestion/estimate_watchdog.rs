//! An estimate that stands still while more is wanted: its controller waits for packets that nobody
//! sends, or holds after a loss, and would wait for long. It is then started anew.

use crate::base::{Bitrate, Millis, Mono};

/// A controller at work moves its estimate several times a second.
const STILL: Millis = Millis::from_secs(3);
/// Longest time between two starts that brought nothing.
const LONGEST: Millis = Millis::from_secs(30);
/// A start brought something if the estimate grew to more than so many hundredths.
const GREW_PERCENT: u64 = 105;

/// Watches one estimate.
#[derive(Clone, Debug)]
pub struct EstimateWatchdog {
    estimate: Bitrate,
    since: Mono,
    wait: Millis,
}

impl Default for EstimateWatchdog {
    fn default() -> EstimateWatchdog {
        EstimateWatchdog {
            estimate: Bitrate::ZERO,
            since: Mono::ZERO,
            wait: STILL,
        }
    }
}

impl EstimateWatchdog {
    /// True if the controller is to start anew. `more_wanted`: than the estimate is.
    pub fn handle_estimate(&mut self, estimate: Bitrate, more_wanted: bool, now: Mono) -> bool {
        if estimate != self.estimate || !more_wanted {
            if estimate > self.estimate.percent(GREW_PERCENT) {
                self.wait = STILL;
            }
            self.estimate = estimate;
            self.since = now;
            return false;
        }
        let stalled = now.since(self.since) >= self.wait;
        if stalled {
            self.since = now;
            self.wait = Millis(self.wait.0 * 2).min(LONGEST);
        }
        stalled
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_want_and_an_estimate_that_stands_still_start_it_anew_and_ever_more_rarely() {
        let mut watchdog = EstimateWatchdog::default();
        let mut starts = Vec::new();
        for tenth in 0..1_500 {
            let now = Mono::from_millis(tenth * 100);
            let (estimate, more_wanted) = match tenth {
                0..100 => (400, false),
                100..200 => (400 + tenth % 2, true),
                _ => (400, true),
            };
            if watchdog.handle_estimate(Bitrate::kbps(estimate), more_wanted, now) {
                starts.push(tenth / 10);
            }
        }
        assert_eq!(starts, [23, 29, 41, 65, 95, 125]);
        assert!(!watchdog.handle_estimate(Bitrate::kbps(500), true, Mono::from_millis(150_000)));
        assert!(watchdog.handle_estimate(Bitrate::kbps(500), true, Mono::from_millis(153_000)));
    }
}
