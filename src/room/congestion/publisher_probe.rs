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
/// And of what it sent while its link was calm: announced rates are the most that a source may need, and a
/// picture that stands still sends a tenth of them by choice. It wavers by less than this.
const USUAL_PERCENT: u64 = 50;
/// What it sends usually is an average over so long.
const USUAL: Millis = Millis::from_secs(10);
/// Nothing is usual before it was calm for so long: a connection that begins has not climbed yet.
const USUAL_AFTER: Millis = Millis::from_secs(5);

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
    usual: Usual,
}

/// What a publisher sends on a calm link.
#[derive(Clone, Copy, Debug, Default)]
struct Usual {
    /// Of the average, in bits a second.
    rate: Option<Bitrate>,
    /// The calm since then, and the look before.
    calm: Option<(Mono, Mono)>,
}

impl Usual {
    fn handle_moment(&mut self, moment: Moment, now: Mono) {
        if moment.pressed.is_some_and(|since| since < AFTER) {
            self.calm = None;
            return;
        }
        let (began, before) = self.calm.unwrap_or((now, now));
        self.calm = Some((began, now));
        if now.since(began) < USUAL_AFTER {
            return;
        }
        let old = self.rate.unwrap_or(moment.received);
        let weight = now.since(before).min(USUAL).0;
        let sum = old.0 * (USUAL.0 - weight) + moment.received.0 * weight;
        self.rate = Some(Bitrate(sum / USUAL.0));
    }

    /// Whether so little comes that something must hold the publisher back. Where nothing is known of it,
    /// what it announced has to do.
    fn is_missed(self, received: Bitrate) -> bool {
        self.rate
            .is_none_or(|usual| received < usual.percent(USUAL_PERCENT))
    }
}

impl Default for PublisherProbe {
    fn default() -> PublisherProbe {
        PublisherProbe {
            less_since: None,
            next: Mono::ZERO,
            wait: FIRST_WAIT,
            usual: Usual::default(),
        }
    }
}

impl PublisherProbe {
    /// True while the publisher is to be asked for its lowest layers alone.
    pub fn handle_moment(&mut self, moment: Moment, now: Mono) -> bool {
        if self.less_since.is_none() {
            self.usual.handle_moment(moment, now);
        }
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
        let less = moment.received < moment.demand.percent(LITTLE_PERCENT)
            && self.usual.is_missed(moment.received);
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

    /// Calm for a minute at what the publisher sends then, in kbit/s; then a burst of losses, and what it
    /// sends after it: how often it is asked for less in the minute that follows.
    fn asked_after(usual: u64, after: u64) -> usize {
        let mut probe = PublisherProbe::default();
        let (mut starts, mut before) = (0, false);
        for at in (0..120_000_u64).step_by(100) {
            let lost = at.checked_sub(60_000);
            let wavers = 70 + at / 100 * 37 % 61;
            let sends = if lost.is_some() { after } else { usual };
            let moment = Moment {
                pressed: lost.map(Millis),
                received: Bitrate::kbps(sends * wavers / 100),
                demand: Bitrate::kbps(1_500),
            };
            let less = probe.handle_moment(moment, Mono::from_millis(at));
            starts += usize::from(less && !before);
            before = less;
        }
        starts
    }

    #[test]
    fn a_picture_that_stands_still_is_no_shortage_whatever_was_announced() {
        for kbps in [40, 150, 600, 1_100] {
            assert_eq!(asked_after(kbps, kbps), 0, "{kbps} kbit/s");
        }
        assert_eq!(asked_after(100, 700), 0, "it moves again");
        assert!(asked_after(1_400, 300) >= 4, "it is held back");
    }
}
