//! What a session may use in all, and how an app changes it.

use super::Policy;
use serde::{Deserialize, Serialize};

/// What a session may use in all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Allowance {
    /// Prepaid seconds; none where there is no quota.
    pub quota_s: Option<u64>,
    /// Minutes since it first went live.
    pub max_min: u64,
}

/// New totals, validated; `None` leaves one as it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Extension {
    /// Prepaid seconds in all.
    pub quota_s: Option<u64>,
    /// Minutes in all since the session first went live.
    pub max_min: Option<u64>,
    /// Only where the totals are one of these still: nobody has changed them meanwhile.
    pub only_if: Option<Vec<Allowance>>,
}

/// The totals are not those of which the caller knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the totals are no longer those of `If-Match`: read the session again, its `ETag` tells how they stand"
)]
pub struct Changed;

impl Allowance {
    /// By these rules.
    pub const fn of(policy: &Policy) -> Allowance {
        Allowance {
            quota_s: policy.duration.quota_s,
            max_min: policy.duration.max_min,
        }
    }

    /// These rules with these totals.
    pub fn applied_to(self, policy: &Policy) -> Policy {
        let mut policy = policy.clone();
        policy.duration.quota_s = self.quota_s;
        policy.duration.max_min = self.max_min;
        policy
    }
}

impl Extension {
    /// Whether it may be carried out where the totals are `now`.
    ///
    /// # Errors
    /// They have changed.
    pub fn check(&self, now: Allowance) -> Result<(), Changed> {
        let fits = self.only_if.as_ref().is_none_or(|one| one.contains(&now));
        fits.then_some(()).ok_or(Changed)
    }

    /// The totals that follow from those of `now`.
    ///
    /// # Errors
    /// They have changed.
    pub fn apply(&self, now: Allowance) -> Result<Allowance, Changed> {
        self.check(now)?;
        Ok(Allowance {
            quota_s: self.quota_s.or(now.quota_s),
            max_min: self.max_min.unwrap_or(now.max_min),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_out_stays_and_what_has_changed_meanwhile_is_not_overwritten() {
        let mut policy = Policy::default();
        let before = Allowance::of(&policy);
        let quota = |quota_s, only_if| Extension {
            quota_s: Some(quota_s),
            max_min: None,
            only_if,
        };
        let now = Allowance {
            quota_s: Some(100),
            max_min: before.max_min,
        };
        assert_eq!(quota(100, Some(vec![before])).apply(before), Ok(now));
        policy = now.applied_to(&policy);
        assert_eq!(Allowance::of(&policy), now);
        let second = quota(200, Some(vec![before]));
        assert_eq!(second.apply(now), Err(Changed));
        for (only_if, expected) in [
            (Some(vec![before, now]), Ok(())),
            (None, Ok(())),
            (Some(vec![]), Err(Changed)),
        ] {
            assert_eq!(quota(200, only_if).check(now), expected);
        }
    }
}
