//! Who gets how much of one subscriber's downlink: pure functions over plain structs.

use crate::base::Bitrate;

/// A rung is climbed only if so many hundredths of it fit: an estimate wavers by some per cent.
const CLIMB_PERCENT: u64 = 115;

/// The lowest one is begun with less to spare: a picture that wavers is better than none.
const BEGIN_PERCENT: u64 = 105;

/// A picture that flows goes on for a while with so many hundredths of what it costs: an estimate
/// often dips for a moment.
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
    /// It must not climb now: the last attempt failed.
    pub held: bool,
    /// Its lowest rung did not fit for a while already.
    pub pinched: bool,
}

/// Shares `budget` among `wants`, the most important first: each gets its lowest rung before anyone
/// gets a second one. Returns the rung of each; none: it does not fit. With `may_pause` false the
/// lowest rung always fits.
pub fn allocate(budget: Bitrate, wants: &[Want], may_pause: bool) -> Vec<Option<usize>> {
    let mut left = budget;
    let mut rungs = Vec::with_capacity(wants.len());
    for want in wants {
        let rung = want.rungs.first().filter(|lowest| {
            let needed = match want.at {
                None => lowest.most.percent(BEGIN_PERCENT),
                Some(_) if want.pinched => lowest.now,
                Some(_) => lowest.now.percent(DIP_PERCENT),
            };
            !may_pause || needed <= left
        });
        if let Some(lowest) = rung {
            left = left.saturating_sub(lowest.now);
        }
        rungs.push(rung.map(|_| 0));
    }
    for (want, rung) in wants.iter().zip(&mut rungs) {
        if rung.is_some() {
            let (best, cost) = climb(want, left);
            left = left.saturating_sub(cost);
            *rung = Some(best);
        }
    }
    rungs
}

/// The best rung that `left` pays for beyond the lowest, and what it costs beyond that.
fn climb(want: &Want, left: Bitrate) -> (usize, Bitrate) {
    let lowest = want.rungs.first().map_or(Bitrate::ZERO, |cost| cost.now);
    let at = want.at.unwrap_or(0);
    let fits = |(index, cost): (usize, &Cost)| {
        let needed = if index > at {
            cost.most.percent(CLIMB_PERCENT)
        } else {
            cost.now
        };
        let may = index <= at || !want.held;
        (may && needed.saturating_sub(lowest) <= left)
            .then(|| (index, cost.now.saturating_sub(lowest)))
    };
    want.rungs
        .iter()
        .enumerate()
        .rev()
        .find_map(fits)
        .unwrap_or((0, Bitrate::ZERO))
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
            held: false,
            pinched: true,
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
        held.held = true;
        assert_eq!(share(9_000, std::slice::from_ref(&held)), [Some(1)]);
        assert_eq!(share(200, &[held]), [Some(0)]);
    }

    #[test]
    fn a_rung_that_is_cheap_for_a_moment_is_not_climbed_and_a_dip_pauses_nothing() {
        let mut camera = want(&[100, 300], Some(0));
        camera.rungs[1].most = Bitrate::kbps(900);
        assert_eq!(share(1_000, std::slice::from_ref(&camera)), [Some(0)]);
        camera.at = Some(1);
        assert_eq!(share(300, std::slice::from_ref(&camera)), [Some(1)]);
        camera.pinched = false;
        assert_eq!(share(60, std::slice::from_ref(&camera)), [Some(0)]);
        assert_eq!(share(59, std::slice::from_ref(&camera)), [None]);
        camera.pinched = true;
        assert_eq!(share(60, &[camera]), [None]);
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
