//! When to fill a link up to its estimate with padding: it lets the estimate grow towards a better
//! layer, and keeps a narrow link on the brink of its queue.

use crate::base::{Millis, Mono};

/// Long enough for a controller to see whether there is more.
const PAD: Millis = Millis::from_secs(3);
/// Rest after it brought nothing; doubled each time.
const FIRST_REST: Millis = Millis::from_secs(4);
/// Longest rest: a link that is wide again is to be noticed within 15 s.
const LONGEST_REST: Millis = Millis::from_secs(8);

/// The padding of one connection.
#[derive(Clone, Debug)]
pub struct Padding {
    since: Option<Mono>,
    rest: Millis,
    resting_until: Mono,
}

impl Default for Padding {
    fn default() -> Padding {
        Padding {
            since: None,
            rest: FIRST_REST,
            resting_until: Mono::ZERO,
        }
    }
}

impl Padding {
    /// True while padding is to flow. `wanted`: there is a better layer to be had.
    pub fn handle_demand(&mut self, wanted: bool, now: Mono) -> bool {
        if !wanted {
            *self = Padding::default();
            return false;
        }
        if now < self.resting_until {
            return false;
        }
        let since = *self.since.get_or_insert(now);
        if now.since(since) < PAD {
            return true;
        }
        self.since = None;
        self.resting_until = now + self.rest;
        self.rest = Millis(self.rest.0 * 2).min(LONGEST_REST);
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_flows_for_three_seconds_and_rests_for_four_then_eight() {
        let mut padding = Padding::default();
        let mut flows = |second: u64, wanted| {
            let now = Mono::from_millis(second * 1_000);
            padding.handle_demand(wanted, now)
        };
        let story: String = (0..40)
            .map(|second| if flows(second, true) { '#' } else { '.' })
            .collect();
        assert_eq!(story, "###....###........###........###........");
        assert!(!flows(40, false));
        assert!(flows(41, true));
    }
}
