//! The way from the node to one participant: a report of the link in, one decision out.
//!
//! A look has two halves, since what to look for depends on what is wanted: the report gives the
//! budget, the budget is shared among the subscriptions, and what they got and wanted gives the rest.

use super::congestion_detector::CongestionDetector;
use super::estimate_watchdog::EstimateWatchdog;
use super::padding::Padding;
use super::probe_ceiling::ProbeCeiling;
use crate::base::{Bitrate, Millis, Mono};
use crate::room::allocation::stream_allocation::{Allocated, Budget};
use crate::room::floor::{Evidence, LESS_PERCENT, LOST, Reading};

/// Before the first feedback (libwebrtc's own start).
const FIRST_ESTIMATE: Bitrate = Bitrate::kbps(300);
/// A congestion controller needs this long to find out what a new way carries.
const FINDING: Millis = Millis::from_secs(10);

/// What is known of the link now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DownlinkReport {
    /// What the congestion controller believes, probing up to the floor; none before its first feedback.
    pub estimate: Option<Bitrate>,
    /// Packets that were lost over the last second, in thousandths.
    pub lost: u32,
    /// There and back, as far as known.
    pub rtt: Option<Millis>,
}

/// What is promised downwards.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DownlinkConfig {
    /// The promised minimum.
    pub floor: Bitrate,
    /// Videos may be paused where the link does not suffice.
    pub may_pause: bool,
}

/// The first half of a look.
#[derive(Debug)]
pub struct DownlinkLook {
    /// What there is to share.
    pub budget: Budget,
    report: DownlinkReport,
}

/// The second half: what to do with the congestion controller, and what the moment says of the floor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DownlinkDecision {
    /// To be looked for, at most.
    pub look_for: Bitrate,
    /// To be kept flowing, with padding where nothing else flows; zero: no padding.
    pub pad_to: Bitrate,
    /// The congestion controller starts anew from here.
    pub restart: Option<Bitrate>,
    /// What the moment says of the floor.
    pub reading: Reading,
}

/// One participant's downlink.
#[derive(Clone, Debug)]
pub struct Downlink {
    config: DownlinkConfig,
    /// When the congestion controller began to work.
    since: Option<Mono>,
    detector: CongestionDetector,
    ceiling: ProbeCeiling,
    padding: Padding,
    watchdog: EstimateWatchdog,
}

impl Downlink {
    /// A new link, of which nothing is known.
    pub fn new(config: DownlinkConfig) -> Downlink {
        Downlink {
            config,
            since: None,
            detector: CongestionDetector::default(),
            ceiling: ProbeCeiling::default(),
            padding: Padding::default(),
            watchdog: EstimateWatchdog::default(),
        }
    }

    /// How the link is now: gives what there is to share.
    pub fn handle_report(&mut self, report: DownlinkReport, now: Mono) -> DownlinkLook {
        self.since.get_or_insert(now);
        self.detector.handle_report(report.lost, report.rtt, now);
        let budget = Budget {
            estimate: report.estimate.unwrap_or(FIRST_ESTIMATE),
            congested: self.detector.is_congested(),
            calm: self.detector.is_calm(now),
            may_pause: self.config.may_pause,
            floor: self.config.floor,
        };
        DownlinkLook { budget, report }
    }

    /// How the budget of this look was shared.
    pub fn handle_allocated(
        &mut self,
        look: DownlinkLook,
        allocated: Allocated,
        now: Mono,
    ) -> DownlinkDecision {
        let estimate = look.budget.estimate;
        let ceiling = self.ceiling.handle_estimate(estimate);
        let climbing = allocated.minimum > Bitrate::ZERO;
        let uncongested = (!look.budget.congested).then_some(estimate);
        let pads = self.padding.handle_demand(climbing, uncongested, now);
        let wanted = climbing || estimate < self.config.floor;
        let stands = self.watchdog.handle_estimate(estimate, wanted, now);
        DownlinkDecision {
            look_for: allocated.desired.min(ceiling),
            pad_to: if pads {
                allocated.minimum.min(ceiling)
            } else {
                Bitrate::ZERO
            },
            restart: stands.then_some(estimate),
            reading: Reading {
                measured: look.report.estimate,
                evidence: self.evidence(look.report, allocated, now),
            },
        }
    }

    fn evidence(&self, report: DownlinkReport, allocated: Allocated, now: Mono) -> Evidence {
        let floor = self.config.floor;
        let age = self.since.map_or(Millis::ZERO, |since| now.since(since));
        let Some(estimate) = report.estimate.filter(|_| age >= FINDING) else {
            return Evidence::Nothing;
        };
        let needed = allocated.demand.min(floor).percent(LESS_PERCENT);
        let carried = allocated.carried;
        let arrives = Bitrate(carried.0 / 1000 * u64::from(1000 - report.lost.min(1000)));
        if report.lost >= LOST && arrives < needed {
            // The estimate will follow.
            return Evidence::Less;
        }
        if estimate >= floor {
            return Evidence::Enough;
        }
        if estimate < floor.percent(LESS_PERCENT) && carried < needed {
            Evidence::Less
        } else {
            Evidence::Nothing
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Evidence::{Enough, Less, Nothing};

    const FLOOR: Bitrate = Bitrate::kbps(1_000);

    fn downlink() -> Downlink {
        Downlink::new(DownlinkConfig {
            floor: FLOOR,
            may_pause: true,
        })
    }

    /// A subscriber who wants 1,400 kbit/s and gets so much of it.
    fn gets(carried: u64) -> Allocated {
        let (carried, demand) = (Bitrate::kbps(carried), Bitrate::kbps(1_400));
        Allocated {
            demand,
            carried,
            desired: demand.percent(125),
            minimum: if carried < demand {
                demand
            } else {
                Bitrate::ZERO
            },
        }
    }

    fn estimated(kbps: u64) -> DownlinkReport {
        DownlinkReport {
            estimate: Some(Bitrate::kbps(kbps)),
            lost: 0,
            rtt: Some(Millis(40)),
        }
    }

    #[test]
    fn a_downlink_is_judged_by_what_is_estimated_wanted_and_carried() {
        for (name, estimate, demand, carried, lost, age, expected) in [
            ("no feedback", None, 2_000, 0, 0, 60, Nothing),
            ("young", Some(300), 2_000, 300, 0, 9, Nothing),
            ("plenty", Some(1_000), 2_000, 1_000, 0, 60, Enough),
            ("too little", Some(400), 2_000, 390, 0, 60, Less),
            ("wavering", Some(960), 2_000, 900, 0, 60, Nothing),
            ("all that is wanted", Some(400), 200, 200, 0, 60, Nothing),
            ("paused for want of it", Some(400), 600, 40, 0, 60, Less),
            ("much is lost", Some(2_000), 1_500, 1_500, 400, 60, Less),
            ("some is lost", Some(2_000), 1_500, 1_500, 200, 60, Enough),
        ] {
            let mut downlink = downlink();
            downlink.handle_report(DownlinkReport::default(), Mono::ZERO);
            let report = DownlinkReport {
                estimate: estimate.map(Bitrate::kbps),
                lost,
                rtt: None,
            };
            let allocated = Allocated {
                demand: Bitrate::kbps(demand),
                carried: Bitrate::kbps(carried),
                ..Allocated::default()
            };
            let now = Mono::from_millis(age * 1_000);
            let look = downlink.handle_report(report, now);
            let reading = downlink.handle_allocated(look, allocated, now).reading;
            assert_eq!(reading.evidence, expected, "{name}");
            assert_eq!(reading.measured, report.estimate, "{name}");
        }
    }

    #[test]
    fn the_budget_is_the_estimate_and_says_whether_the_link_is_congested_or_calm() {
        let mut downlink = downlink();
        let mut look = |at: u64, report: DownlinkReport| {
            let budget = downlink.handle_report(report, Mono::from_millis(at)).budget;
            let kbps = budget.estimate.0 / 1_000;
            (kbps, budget.congested, budget.calm)
        };
        let lossy = |report: DownlinkReport| DownlinkReport { lost: 30, ..report };
        assert_eq!(look(0, DownlinkReport::default()), (300, false, false));
        assert_eq!(look(4_900, estimated(400)), (400, false, false));
        assert_eq!(look(5_000, estimated(500)), (500, false, true));
        assert_eq!(look(5_100, lossy(estimated(500))), (500, true, false));
        assert_eq!(look(10_000, estimated(500)), (500, false, false));
        assert_eq!(look(10_100, estimated(500)), (500, false, true));
    }

    /// Ten looks a second for so long at an estimate that wavers by nothing: the seconds that begin
    /// with padding, and those in which the controller was started anew.
    fn story(seconds: u64, estimate: u64, carried: u64) -> (String, Vec<u64>) {
        let mut downlink = downlink();
        let (mut pads, mut restarts) = (String::new(), Vec::new());
        for at in (0..seconds * 1_000).step_by(100) {
            let now = Mono::from_millis(at);
            let look = downlink.handle_report(estimated(estimate), now);
            let decision = downlink.handle_allocated(look, gets(carried), now);
            assert!(decision.pad_to <= decision.look_for);
            if at % 1_000 == 0 {
                let pads_now = decision.pad_to > Bitrate::ZERO;
                pads.push(if pads_now { '#' } else { '.' });
            }
            if let Some(from) = decision.restart {
                assert_eq!(from, Bitrate::kbps(estimate));
                restarts.push(at / 1_000);
            }
        }
        (pads, restarts)
    }

    #[test]
    fn a_narrow_link_is_padded_at_times_and_an_estimate_that_stands_is_started_anew() {
        let (pads, restarts) = story(26, 400, 380);
        assert_eq!(pads, "###....###........###.....");
        assert_eq!(restarts, [3, 9, 21]);
    }

    #[test]
    fn a_link_that_carries_the_floor_and_all_that_is_wanted_is_left_alone() {
        let (pads, restarts) = story(40, 1_800, 1_400);
        assert!(!pads.contains('#') && restarts.is_empty(), "{pads}");
    }

    #[test]
    fn an_estimate_below_the_floor_is_started_anew_even_if_nothing_more_is_wanted() {
        let (pads, restarts) = story(10, 600, 1_400);
        assert!(!pads.contains('#'), "{pads}");
        assert_eq!(restarts, [3, 9]);
    }

    #[test]
    fn nothing_is_looked_for_beyond_the_ceiling_and_nothing_beyond_what_is_wanted() {
        let mut downlink = downlink();
        for (estimate, look_for) in [(100, 125), (200, 250), (600, 1_000), (2_000, 1_750)] {
            let look = downlink.handle_report(estimated(estimate), Mono::ZERO);
            let decision = downlink.handle_allocated(look, gets(100), Mono::ZERO);
            assert_eq!(decision.look_for, Bitrate::kbps(look_for), "{estimate}");
        }
    }
}
