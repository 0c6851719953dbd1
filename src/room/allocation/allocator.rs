//! Who gets how much of one subscriber's downlink: pure functions over plain structs.

use crate::base::Bitrate;

/// A rung is climbed only if so many hundredths of it fit: an estimate wavers by some per cent.
const CLIMB_PERCENT: u64 = 115;

/// The lowest one is begun with less to spare: a picture that wavers is better than none.
const BEGIN_PERCENT: u64 = 105;

/// A climb that is held is made all the same if so many hundredths of it fit.
const AMPLE_PERCENT: u64 = 200;

/// A lowest rung up to this is begun, and goes on, without regard to the estimate while the link is
/// calm: with little to send, estimates fall far below what a link carries.
const CHEAP: Bitrate = Bitrate::kbps(200);

/// A rung is kept with so many hundredths of what it costs while the link shows no congestion: an
/// estimate often dips for a moment.
const DIP_PERCENT: u64 = 60;

/// A rung's costs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cost {
    /// Now.
    pub now: Bitrate,
    /// At its most, lately: whoever climbs must be able to stay.
    pub most: Bitrate,
}

/// What one video may get.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Want {
    /// Costs of its rungs, lowest first, up to what the subscriber asked for. Empty: nothing flows.
    pub rungs: Vec<Cost>,
    /// The rung that it is on; none: it is paused.
    pub at: Option<usize>,
    /// The best rung to climb to for now; those above failed lately.
    pub held_at: Option<usize>,
    /// Its lowest rung did not fit for a while already.
    pub pinched: bool,
    /// The link loses or queues packets.
    pub congested: bool,
    /// It has done neither for a while.
    pub calm: bool,
}

/// Shares `budget` among `wants`, the most important first: each gets its lowest rung before anyone
/// gets a second one. Returns the rung of each; none: it does not fit. With `may_pause` false the
/// lowest rung always fits.
pub fn allocate(budget: Bitrate, wants: &[Want], may_pause: bool) -> Vec<Option<usize>> {
    let mut left = budget;
    // The rung of each, and what is set aside for it.
    let mut given = Vec::with_capacity(wants.len());
    for want in wants {
        let lowest = want.rungs.first().filter(|lowest| {
            let needed = begin(want, lowest);
            !may_pause || needed <= left
        });
        let aside = lowest.map(|lowest| lowest.now.min(left));
        left = left.saturating_sub(aside.unwrap_or_default());
        given.push(aside);
    }
    let climbs = wants.iter().zip(given).map(|(want, aside)| {
        let aside = aside?;
        let rung = climb(want, left + aside);
        let cost = want.rungs.get(rung).map_or(Bitrate::ZERO, |cost| cost.now);
        left = (left + aside).saturating_sub(cost);
        Some(rung)
    });
    climbs.collect()
}

/// What must be there for the lowest rung.
fn begin(want: &Want, lowest: &Cost) -> Bitrate {
    let cheap = lowest.most <= CHEAP;
    match want.at {
        None if cheap && want.calm => Bitrate::ZERO,
        None => lowest.most.percent(BEGIN_PERCENT),
        Some(_) if want.pinched => lowest.now,
        Some(_) if cheap => Bitrate::ZERO,
        Some(_) => lowest.now.percent(DIP_PERCENT),
    }
}

/// The best rung that `left` pays for; the lowest is paid for already.
fn climb(want: &Want, left: Bitrate) -> usize {
    let at = want.at.unwrap_or(0);
    let fits = |(index, cost): (usize, &Cost)| {
        let held = want.held_at.is_some_and(|most| index > most.max(at));
        let needed = match index > at {
            true if held => cost.most.percent(AMPLE_PERCENT),
            true => cost.most.percent(CLIMB_PERCENT),
            false if want.congested || index < at => cost.now,
            false => cost.now.percent(DIP_PERCENT),
        };
        (needed <= left).then_some(index)
    };
    let rungs = want.rungs.iter().enumerate().rev();
    rungs.into_iter().find_map(fits).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flat(kbps: u64) -> Cost {
        Cost {
            now: Bitrate::kbps(kbps),
            most: Bitrate::kbps(kbps),
        }
    }

    fn want(rungs: &[u64], at: Option<usize>) -> Want {
        Want {
            rungs: rungs.iter().map(|kbps| flat(*kbps)).collect(),
            at,
            held_at: None,
            pinched: true,
            congested: true,
            calm: false,
        }
    }

    fn share(kbps: u64, wants: &[Want]) -> Vec<Option<usize>> {
        allocate(Bitrate::kbps(kbps), wants, true)
    }

    #[test]
    fn one_video_gets_the_best_rung_that_fits_with_some_to_spare() {
        let camera = |at| [want(&[100, 300, 1_000], at)];
        for (kbps, at, rung) in [
            (99, Some(0), None),
            (100, Some(0), Some(0)),
            (104, None, None),
            (105, None, Some(0)),
            (344, Some(0), Some(0)),
            (345, Some(0), Some(1)),
            (300, Some(1), Some(1)),
            (299, Some(1), Some(0)),
            (5_000, Some(0), Some(2)),
        ] {
            assert_eq!(share(kbps, &camera(at)), [rung], "{kbps} kbit/s at {at:?}");
        }
    }

    #[test]
    fn everyone_is_seen_before_anyone_is_seen_better_and_the_first_climbs_first() {
        let two = [want(&[100, 500], Some(0)), want(&[100, 500], Some(0))];
        assert_eq!(share(150, &two), [Some(0), None]);
        assert_eq!(share(200, &two), [Some(0), Some(0)]);
        assert_eq!(share(700, &two), [Some(1), Some(0)]);
        assert_eq!(share(1_200, &two), [Some(1), Some(1)]);
    }

    #[test]
    fn who_is_held_stays_and_comes_down_at_once() {
        let mut held = want(&[100, 300, 1_000], Some(1));
        held.held_at = Some(1);
        assert_eq!(share(1_999, std::slice::from_ref(&held)), [Some(1)]);
        assert_eq!(share(2_000, std::slice::from_ref(&held)), [Some(2)]);
        assert_eq!(share(200, &[held]), [Some(0)]);
    }

    #[test]
    fn a_rung_that_is_cheap_for_a_moment_is_not_climbed_and_a_dip_pauses_nothing() {
        let mut camera = want(&[300, 500], Some(0));
        camera.rungs[1].most = Bitrate::kbps(900);
        assert_eq!(share(1_000, std::slice::from_ref(&camera)), [Some(0)]);
        camera.at = Some(1);
        assert_eq!(share(500, std::slice::from_ref(&camera)), [Some(1)]);
        assert_eq!(share(499, std::slice::from_ref(&camera)), [Some(0)]);
        camera.congested = false;
        assert_eq!(share(300, std::slice::from_ref(&camera)), [Some(1)]);
        assert_eq!(share(299, std::slice::from_ref(&camera)), [None]);
        camera.pinched = false;
        assert_eq!(share(180, std::slice::from_ref(&camera)), [Some(0)]);
        assert_eq!(share(179, std::slice::from_ref(&camera)), [None]);
        camera.pinched = true;
        assert_eq!(share(180, &[camera]), [None]);
    }

    #[test]
    fn a_cheap_picture_on_a_calm_link_needs_no_estimate_and_a_pinched_one_does() {
        let mut small = want(&[80, 300], None);
        small.calm = true;
        assert_eq!(share(10, std::slice::from_ref(&small)), [Some(0)]);
        small.calm = false;
        assert_eq!(share(10, std::slice::from_ref(&small)), [None]);
        small.at = Some(0);
        small.pinched = false;
        assert_eq!(share(10, std::slice::from_ref(&small)), [Some(0)]);
        small.pinched = true;
        assert_eq!(share(79, &[small]), [None]);
    }

    #[test]
    fn nothing_is_paused_that_must_not_be_and_what_does_not_flow_has_no_rung() {
        let wants = [want(&[100], None), want(&[], None)];
        assert_eq!(allocate(Bitrate::ZERO, &wants, false), [Some(0), None]);
    }

    #[test]
    fn no_sharing_exceeds_the_budget_whatever_the_rates() {
        let mut rng = crate::base::Rng::from_seed(7);
        for _ in 0..10_000 {
            let mut wants = Vec::new();
            for _ in 0..=rng.below(5) {
                let mut rate = 0;
                let rungs: Vec<u64> = (0..rng.below(5))
                    .map(|_| {
                        rate += 1 + rng.below(700);
                        rate
                    })
                    .collect();
                let at = rungs.len().checked_sub(1).filter(|_| rng.below(2) == 0);
                wants.push(want(&rungs, at));
            }
            let budget = rng.below(4_000);
            let used: Bitrate = share(budget, &wants)
                .iter()
                .zip(&wants)
                .filter_map(|(rung, want)| rung.map(|rung| want.rungs[rung].now))
                .sum();
            assert!(used <= Bitrate::kbps(budget), "{used} of {budget}");
        }
    }
}
