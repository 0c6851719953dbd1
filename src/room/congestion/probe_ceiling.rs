//! How far a congestion controller looks beyond its estimate: a probe of ten times what a link
//! carries fills its queue, and one that follows each wavering of the estimate never ends.

use crate::base::Bitrate;

/// The first step; estimates are seldom lower.
const LEAST: Bitrate = Bitrate::kbps(125);
/// A step is so many hundredths of the one below: str0m's probes go up to twice as far as the estimate.
const STEP_PERCENT: u64 = 200;
/// A step is left for the one below when it is more than so many hundredths of the estimate: an
/// estimate wavers by less.
const FAR_PERCENT: u64 = 300;

/// A step that follows one estimate: twice as far when it is reached, half as far when not even a
/// third of it is.
#[derive(Clone, Copy, Debug)]
pub struct ProbeCeiling(Bitrate);

impl Default for ProbeCeiling {
    fn default() -> ProbeCeiling {
        ProbeCeiling(LEAST)
    }
}

impl ProbeCeiling {
    /// How far to look, at most.
    pub fn handle_estimate(&mut self, estimate: Bitrate) -> Bitrate {
        while estimate >= self.0 && self.0.0 < u64::MAX / 2 {
            self.0 = self.0.percent(STEP_PERCENT);
        }
        while estimate.percent(FAR_PERCENT) < self.0 && self.0 > LEAST {
            self.0 = self.0.percent(100 * 100 / STEP_PERCENT).max(LEAST);
        }
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_follows_in_steps_and_not_each_wavering() {
        let mut ceiling = ProbeCeiling::default();
        let mut look = |kbps| ceiling.handle_estimate(Bitrate::kbps(kbps)).0 / 1_000;
        let looks = [100, 125, 130, 110, 260].map(&mut look);
        assert_eq!(looks, [125, 250, 250, 250, 500]);
        assert_eq!([170, 166, 80].map(&mut look), [500, 250, 125]);
        assert_eq!([4_000, 0].map(&mut look), [8_000, 125]);
    }
}
