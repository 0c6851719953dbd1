//! The way from one participant to the node: a report of the link in, one decision out.

use super::capacity_bound::{CapacityBound, Look};
use super::publisher_probe::{Moment, PublisherProbe};
use crate::base::{Bitrate, FloorState, Millis, Mono};
use crate::room::floor::{Evidence, LESS_PERCENT, LOST, Reading};

/// Packets that wait this long wait in a queue, which a publisher's controller lets grow no further than
/// some tens of milliseconds.
const QUEUED: Millis = Millis(30);
/// An uplink that is short without a queue is asked for filler: the floor for so long.
const FILLER: Millis = Millis::from_secs(1);
/// At most this often, and so long after the last queue: filler on a link that is full costs sound.
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
    /// The publisher is to be asked for its lowest layers alone: what follows makes it probe.
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
    /// When it was asked for filler last.
    filled: Option<Mono>,
    bound: CapacityBound,
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
            bound: CapacityBound::default(),
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
        let pressed = queued || report.lost >= LOST;
        if queued {
            self.queued = Some(now);
        }
        if pressed {
            self.pressed = Some(now);
        }
        let look = Look {
            received: report.received,
            needed: demand.min(self.floor).percent(LESS_PERCENT),
            pressed,
        };
        let moment = Moment {
            pressed: self.pressed.map(|at| now.since(at)),
            received: report.received,
            demand,
        };
        UplinkDecision {
            lowest_only: self.publisher_probe.handle_moment(moment, now),
            reading: Reading {
                measured: Some(report.received),
                evidence: self.evidence(look, now),
            },
        }
    }

    fn evidence(&mut self, look: Look, now: Mono) -> Evidence {
        let shown = self.bound.handle_look(look, now);
        if look.received >= self.floor {
            Evidence::Enough
        } else if look.received < look.needed && (look.pressed || shown) {
            Evidence::Less
        } else {
            Evidence::Nothing
        }
    }

    /// How the floor stands after this look: returns the filler to be asked for, if the uplink is short
    /// without a queue lately. Then its sender may have bent to loss by chance, or to a link that is
    /// wide again; filler that arrives says so.
    pub fn handle_floor(&mut self, state: FloorState, now: Mono) -> Option<Filler> {
        let lately = |at: Option<Mono>| at.is_some_and(|at| now.since(at) < FILLER_EVERY);
        let is_short = match state {
            FloorState::Short | FloorState::Breached => true,
            FloorState::Met | FloorState::Unproven => false,
        };
        if !is_short || lately(self.queued) || lately(self.filled) {
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
    use crate::base::Direction;
    use crate::room::floor::{Floor, FloorConfig};
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
    fn less_is_evidence_under_pressure_alone() {
        for (name, received, demand, queue, expected) in [
            ("plenty", 1_000, 2_000, 30, Enough),
            ("a static picture", 200, 2_000, 0, Nothing),
            ("pressed", 380, 2_000, 30, Less),
            ("pressed but all there", 200, 200, 30, Nothing),
            ("camera off", 40, 0, 30, Nothing),
        ] {
            let mut uplink = Uplink::new(FLOOR);
            let report = report(received, queue, 0);
            let decision = uplink.handle_report(report, Bitrate::kbps(demand), Mono::ZERO);
            assert_eq!(decision.reading.evidence, expected, "{name}");
        }
    }

    #[test]
    fn a_burst_that_waits_for_a_moment_is_no_shortage_of_a_source_that_sends_little() {
        // A camera's first pictures, or those after a hand-over, on a link that carries the floor.
        let started = [stretch(900, 300, 250), stretch(30_000, 130, 0)];
        assert_eq!(story(&started), []);
        let mut often = Vec::new();
        for _ in 0..10 {
            often.extend([stretch(500, 300, 60), stretch(6_500, 130, 0)]);
        }
        assert_eq!(story(&often), []);
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
    fn filler_is_asked_for_half_a_minute_after_a_queue_and_at_most_as_often() {
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
            (120_000, 0, FloorState::Unproven, None),
            (130_000, 0, FloorState::Breached, filler),
            (170_000, 0, FloorState::Met, None),
        ] {
            let now = Mono::from_millis(at);
            uplink.handle_report(report(380, queue, 200), demand, now);
            assert_eq!(uplink.handle_floor(state, now), expected, "{at}");
        }
    }

    /// A stretch of a publisher's way: how long, what comes, and how long it waits. More than comes is
    /// asked for.
    #[derive(Clone, Copy)]
    struct Stretch {
        ms: u64,
        kbps: u64,
        queue: u64,
        demand: u64,
    }

    const fn stretch(ms: u64, kbps: u64, queue: u64) -> Stretch {
        Stretch {
            ms,
            kbps,
            queue,
            demand: 1_700,
        }
    }

    /// The changes of the floor's state, and when, in milliseconds.
    fn story(stretches: &[Stretch]) -> Vec<(u64, &'static str)> {
        let mut uplink = Uplink::new(FLOOR);
        let mut floor = Floor::new(FloorConfig {
            direction: Direction::Up,
            floor: FLOOR,
            short_after: Millis(3_000),
            breach_after: Millis(10_000),
            restore_after: Millis(5_000),
        });
        let (mut at, mut changes) = (0, Vec::new());
        for stretch in stretches {
            for _ in 0..stretch.ms / 100 {
                let now = Mono::from_millis(at);
                let report = report(stretch.kbps, stretch.queue, 0);
                let decision = uplink.handle_report(report, Bitrate::kbps(stretch.demand), now);
                if floor.handle_reading(decision.reading, now) {
                    changes.push((at, floor.state().as_str()));
                }
                at += 100;
            }
        }
        changes
    }

    /// The link gets narrow: what the publisher sends too much waits, until it sends less.
    const NARROW: [Stretch; 2] = [stretch(10_000, 1_500, 0), stretch(1_500, 400, 250)];

    fn after_narrow(more: &[Stretch]) -> Vec<(u64, &'static str)> {
        let mut stretches = Vec::from(NARROW);
        stretches.extend_from_slice(more);
        story(&stretches)
    }

    #[test]
    fn a_publisher_that_backed_off_is_short_without_a_queue_until_more_than_the_link_carried_comes()
    {
        let breach = [(0, "met"), (13_000, "short"), (20_000, "breached")];
        // Far below what the link carries, with a queue so seldom that none is left as evidence.
        let mut rarely = Vec::new();
        for _ in 0..3 {
            rarely.extend([stretch(14_900, 150, 0), stretch(100, 160, 40)]);
        }
        assert_eq!(after_narrow(&rarely), breach);
        // At the edge of it.
        assert_eq!(after_narrow(&[stretch(30_000, 470, 0)]), breach);
        // Wide again, and the publisher climbs: the floor is there.
        let back = [
            stretch(13_500, 150, 0),
            stretch(2_000, 470, 0),
            stretch(1_000, 700, 0),
            stretch(9_000, 1_200, 0),
        ];
        let mut told = Vec::from(breach);
        told.push((32_000, "met"));
        assert_eq!(after_narrow(&back), told);
    }

    #[test]
    fn a_shortage_ends_as_unproven_when_the_demand_goes_and_begins_anew_with_its_evidence() {
        let camera_off = Stretch {
            demand: 0,
            ..stretch(10_000, 40, 0)
        };
        let told = after_narrow(&[
            stretch(14_500, 150, 0),
            camera_off,
            stretch(10_000, 150, 0),
            stretch(1_500, 400, 250),
            stretch(14_500, 150, 0),
        ]);
        let expected = [
            (0, "met"),
            (13_000, "short"),
            (20_000, "breached"),
            (31_000, "unproven"),
            (49_000, "short"),
            (56_000, "breached"),
        ];
        assert_eq!(told, expected);
    }

    #[test]
    fn filler_that_arrives_ends_a_shortage_and_filler_that_does_not_leaves_it() {
        let held = [stretch(15_000, 150, 0)];
        let breach = [(0, "met"), (13_000, "short"), (20_000, "breached")];
        let carried = [held[0], stretch(1_000, 1_150, 0), stretch(60_000, 150, 0)];
        let mut told = Vec::from(breach);
        told.extend([(31_500, "met"), (32_400, "unproven")]);
        assert_eq!(after_narrow(&carried), told);
        let stuck = [held[0], stretch(1_300, 400, 290), stretch(60_000, 150, 0)];
        assert_eq!(after_narrow(&stuck), breach);
    }
}
