//! The way from one participant to the node: a report of the link in, one decision out.

use super::publisher_probe::{Moment, PublisherProbe};
use crate::base::{Bitrate, FloorState, Millis, Mono};
use crate::room::floor::{Evidence, LESS_PERCENT, LOST, Reading};

/// Packets that wait this long wait in a queue; its controller lets it grow no further than some
/// tens of milliseconds.
const QUEUED: Millis = Millis(30);
/// A publisher's controller fills the queue every few seconds and drains it in between: that long
/// one filling is evidence.
const PRESSED: Millis = Millis::from_secs(6);
/// An uplink of which only loss says that it is short is asked for filler: the floor for so long.
const FILLER: Millis = Millis::from_secs(1);
/// At most this often.
const FILLER_EVERY: Millis = Millis::from_secs(30);

/// What is known of the link now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct UplinkReport {
    /// What came in the last second, filler and lower layers included.
    pub received: Bitrate,
    /// How long packets wait in a queue; none where the peer does not tell.
    pub queue: Option<Millis>,
    /// Packets that were lost over the last second, in thousandths.
    pub lost: u32,
}

/// What to do, and what the moment says of the floor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UplinkDecision {
    /// The publisher shall be asked for its lowest layers alone: what follows makes it probe.
    pub lowest_only: bool,
    /// What the moment says of the floor.
    pub reading: Reading,
}

/// Filler to be asked of a client, to find out what its link carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Filler {
    /// So much.
    pub rate: Bitrate,
    /// For so long.
    pub span: Millis,
}

/// One participant's uplink.
#[derive(Clone, Debug)]
pub struct Uplink {
    floor: Bitrate,
    /// When it last lost or queued much.
    pressed: Option<Mono>,
    /// When it last queued much: a link that is full, and no loss by chance.
    queued: Option<Mono>,
    filled: Option<Mono>,
    publisher_probe: PublisherProbe,
}

impl Uplink {
    /// A new link, of which nothing is known; `floor` is the promised minimum.
    pub fn new(floor: Bitrate) -> Uplink {
        Uplink {
            floor,
            pressed: None,
            queued: None,
            filled: None,
            publisher_probe: PublisherProbe::default(),
        }
    }

    /// How the link is now. `demand` is what would come if it carried it: what is announced, not
    /// muted, and wanted by someone.
    pub fn handle_report(
        &mut self,
        report: UplinkReport,
        demand: Bitrate,
        now: Mono,
    ) -> UplinkDecision {
        let queued = report.queue.is_some_and(|queue| queue >= QUEUED);
        if queued {
            self.queued = Some(now);
        }
        if queued || report.lost >= LOST {
            self.pressed = Some(now);
        }
        let moment = Moment {
            pressed: self.pressed.map(|at| now.since(at)),
            received: report.received,
            demand,
        };
        UplinkDecision {
            lowest_only: self.publisher_probe.handle_moment(moment, now),
            reading: Reading {
                measured: Some(report.received),
                evidence: self.evidence(moment),
            },
        }
    }

    fn evidence(&self, moment: Moment) -> Evidence {
        if moment.received >= self.floor {
            return Evidence::Enough;
        }
        let needed = moment.demand.min(self.floor).percent(LESS_PERCENT);
        let pressed = moment.pressed.is_some_and(|since| since <= PRESSED);
        if pressed && moment.received < needed {
            Evidence::Less
        } else {
            Evidence::Nothing
        }
    }

    /// The floor's state changed: returns the filler to be asked for, if the uplink seems short by
    /// loss alone, which its sender may have bent to without need.
    pub fn handle_floor(&mut self, state: FloorState, now: Mono) -> Option<Filler> {
        let lately = |at: Option<Mono>| at.is_some_and(|at| now.since(at) < FILLER_EVERY);
        if state != FloorState::Short || lately(self.queued) || lately(self.filled) {
            return None;
        }
        self.filled = Some(now);
        Some(Filler {
            rate: self.floor,
            span: FILLER,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Evidence::{Enough, Less, Nothing};

    const FLOOR: Bitrate = Bitrate::kbps(1_000);

    fn report(kbps: u64, queue: u64, lost: u32) -> UplinkReport {
        UplinkReport {
            received: Bitrate::kbps(kbps),
            queue: Some(Millis(queue)),
            lost,
        }
    }

    #[test]
    fn an_uplink_is_short_only_under_pressure() {
        for (name, received, demand, pressed, expected) in [
            ("plenty", 1_000, 2_000, Some(0), Enough),
            ("a static picture", 200, 2_000, None, Nothing),
            ("pressed long ago", 200, 2_000, Some(7_000), Nothing),
            ("pressed", 380, 2_000, Some(2_000), Less),
            ("pressed but all there", 200, 200, Some(0), Nothing),
            ("camera off", 40, 0, Some(0), Nothing),
        ] {
            let mut uplink = Uplink::new(FLOOR);
            let demand = Bitrate::kbps(demand);
            if pressed.is_some() {
                uplink.handle_report(report(received, 30, 0), demand, Mono::ZERO);
            }
            let now = Mono::from_millis(pressed.unwrap_or_default());
            let reading = uplink.handle_report(report(received, 0, 0), demand, now);
            assert_eq!(reading.reading.evidence, expected, "{name}");
        }
    }

    #[test]
    fn loss_and_a_queue_press_and_a_little_of_both_does_not() {
        for (queue, lost, expected) in [(0, 100, Less), (30, 0, Less), (29, 99, Nothing)] {
            let mut uplink = Uplink::new(FLOOR);
            let report = report(380, queue, lost);
            let decision = uplink.handle_report(report, Bitrate::kbps(2_000), Mono::ZERO);
            assert_eq!(decision.reading.evidence, expected, "{queue} ms, {lost}");
        }
    }

    #[test]
    fn filler_is_asked_for_where_loss_alone_speaks_and_at_most_every_half_minute() {
        let filler = Some(Filler {
            rate: FLOOR,
            span: Millis(1_000),
        });
        let mut uplink = Uplink::new(FLOOR);
        let demand = Bitrate::kbps(2_000);
        for (at, queue, state, expected) in [
            (0, 0, FloorState::Met, None),
            (3_000, 0, FloorState::Short, filler),
            (32_900, 0, FloorState::Short, None),
            (33_000, 0, FloorState::Short, filler),
            (64_000, 30, FloorState::Short, None),
            (93_900, 0, FloorState::Short, None),
            (94_000, 0, FloorState::Short, filler),
        ] {
            let now = Mono::from_millis(at);
            uplink.handle_report(report(380, queue, 200), demand, now);
            assert_eq!(uplink.handle_floor(state, now), expected, "{at}");
        }
    }
}
