//! When to fill a link up to its estimate with padding: it lets the estimate grow towards a better
//! layer, and keeps a narrow link on the brink of its queue.

use crate::base::{Bitrate, Millis, Mono};

/// Long enough for a controller to see whether there is more.
const PAD: Millis = Millis::from_secs(3);
/// It brought something if the estimate grew to more than so many hundredths.
const GREW_PERCENT: u64 = 120;
/// Rest after it brought nothing; doubled each time.
const FIRST_REST: Millis = Millis::from_secs(4);
/// Longest rest: a link that is wide again is to be noticed within 15 s.
const LONGEST_REST: Millis = Millis::from_secs(8);

/// The padding of one connection.
#[derive(Clone, Debug)]
pub struct Padding {
    /// When it began, or brought something last, and the estimate then.
    since: Option<(Mono, Bitrate)>,
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
    /// True while padding is to flow. `wanted`: there is a better layer to be had; `estimate`: none where the
    /// link is congested.
    pub fn handle_demand(&mut self, wanted: bool, estimate: Option<Bitrate>, now: Mono) -> bool {
        if !wanted {
            *self = Padding::default();
            return false;
        }
        if now < self.resting_until {
            return false;
        }
        let at = estimate.unwrap_or(Bitrate::ZERO);
        let (since, from) = *self.since.get_or_insert((now, at));
        if from > Bitrate::ZERO && at > from.percent(GREW_PERCENT) {
            // It brings something: on it goes.
            self.since = Some((now, at));
            self.rest = FIRST_REST;
            return true;
        }
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
            padding.handle_demand(wanted, Some(Bitrate::kbps(400)), now)
        };
        let story: String = (0..40)
            .map(|second| if flows(second, true) { '#' } else { '.' })
            .collect();
        assert_eq!(story, "###....###........###........###........");
        assert!(!flows(40, false));
        assert!(flows(41, true));
    }

    #[test]
    fn it_goes_on_while_it_brings_something() {
        for (name, grows_until, congested, expected) in [
            ("it grows for six seconds", 6, false, "########....###."),
            (
                "it grows for want of a queue alone",
                6,
                true,
                "###....###......",
            ),
        ] {
            let mut padding = Padding::default();
            let mut estimate = 400;
            let story: String = (0..16)
                .map(|second| {
                    estimate = if second <= grows_until {
                        400 + 150 * second
                    } else {
                        estimate
                    };
                    let known = (!congested).then_some(Bitrate::kbps(estimate));
                    let flows =
                        padding.handle_demand(true, known, Mono::from_millis(second * 1_000));
                    if flows { '#' } else { '.' }
                })
                .collect();
            assert_eq!(story, expected, "{name}");
        }
    }
}
