//! A publisher whose link was narrow and is wide again: its own congestion control climbs for half a
//! minute, unless it has a reason to probe. Asked for less for a moment and then for all again, it
//! probes up to what is asked (libwebrtc's allocation probes, sent while it sends far below its
//! estimate).

use crate::base::{Bitrate, Millis, Mono};

/// No loss and no queue for so long: the link may be wide again.
const CALM: Millis = Millis::from_secs(2);
/// After a shortage publishers are asked to probe for so long; then they send little by choice.
const AFTER: Millis = Millis::from_secs(60);
/// Asked for less for so long: libwebrtc takes half a second to notice that it sends little.
const LESS: Millis = Millis(1_200);
/// Time for the probes and the climb after them, doubled each time.
const FIRST_WAIT: Millis = Millis::from_secs(4);
/// Longest time between two attempts.
const LONGEST_WAIT: Millis = Millis::from_secs(20);

/// Who sends less than so many hundredths of what is asked of it may be held back by its estimate.
const LITTLE_PERCENT: u64 = 80;

/// An uplink as it is now.
#[derive(Clone, Copy, Debug)]
pub struct Moment {
    /// How long since packets were last lost in numbers, or waited in a queue.
    pub pressed: Option<Millis>,
    /// What comes.
    pub received: Bitrate,
    /// What would come if the way carried it.
    pub demand: Bitrate,
}

/// Decides for one publisher.
#[derive(Clone, Debug)]
pub struct PublisherProbe {
    /// Less is asked for since then.
    less_since: Option<Mono>,
    next: Mono,
    wait: Millis,
}

impl Default for PublisherProbe {
    fn default() -> PublisherProbe {
        PublisherProbe {
            less_since: None,
            next: Mono::ZERO,
            wait: FIRST_WAIT,
        }
    }
}

impl PublisherProbe {
    /// True while the publisher is to be asked for its lowest layers alone.
    pub fn handle_moment(&mut self, moment: Moment, now: Mono) -> bool {
        if let Some(since) = self.less_since {
            if now.since(since) < LESS {
                return true;
            }
            self.less_since = None;
            self.next = now + self.wait;
            self.wait = Millis(self.wait.0 * 2).min(LONGEST_WAIT);
            return false;
        }
        let lately = |since: Millis| (CALM..AFTER).contains(&since);
        let after = moment.pressed.is_some_and(lately);
        let less = moment.received < moment.demand.percent(LITTLE_PERCENT);
        if !after || !less {
            if !after {
                self.wait = FIRST_WAIT;
            }
            return false;
        }
        if now < self.next {
            return false;
        }
        self.less_since = Some(now);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_after_a_shortage_and_ever_more_rarely() {
        let story = |pressed: fn(u64) -> Option<u64>, received: u64| {
            let mut probe = PublisherProbe::default();
            let mut starts = Vec::new();
            let mut before = false;
            for at in (0..40_000).step_by(100) {
                let moment = Moment {
                    pressed: pressed(at).map(Millis),
                    received: Bitrate::kbps(received),
                    demand: Bitrate::kbps(1_500),
                };
                let less = probe.handle_moment(moment, Mono::from_millis(at));
                if less && !before {
                    starts.push(at);
                }
                before = less;
            }
            starts
        };
        assert!(story(|_| None, 300).is_empty());
        assert!(story(|_| Some(500), 300).is_empty());
        assert!(story(Some, 1_300).is_empty());
        assert_eq!(story(Some, 300), [2_000, 7_200, 16_400, 33_600]);
    }
}
