//! The billed clock that is shown, beside what is on disk at that moment: each claim is one of the
//! disk's, none is long behind it, and what was told to clients is at most a second behind.

use crate::scenario::{MS, Micros};
use beistand::base::{Millis, Mono, SessionState};
use beistand::node::billing::{Billing, Clock};
use beistand::usage::{Checkpoint, Entry};

/// News of a commit are heard within this time: 20 ms on their way, and a worker that is busy for 50 ms.
const NEWS: Micros = 80 * MS;
/// What the contract allows for what clients were told.
const BEHIND: Millis = Millis(1_000);

/// What a row on disk says of the billed clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Claim {
    on_disk: Micros,
    state: SessionState,
    accrued: Millis,
    /// None where the terms are those of the row before.
    quota_s: Option<Option<u64>>,
}

impl Claim {
    pub fn of_entry(entry: &Entry, on_disk: Micros) -> Claim {
        Claim {
            on_disk,
            state: entry.state,
            accrued: entry.totals.accrued_ms,
            quota_s: entry.terms.as_ref().map(|terms| terms.quota_s),
        }
    }

    pub fn of_checkpoint(checkpoint: &Checkpoint, on_disk: Micros) -> Claim {
        Claim {
            on_disk,
            state: checkpoint.state,
            accrued: checkpoint.totals.accrued_ms,
            quota_s: checkpoint.terms.as_ref().map(|terms| terms.quota_s),
        }
    }

    /// Terms that did not change are left out of a row.
    pub fn inherit(&mut self, before: Option<&Claim>) {
        self.quota_s = self.quota_s.or(before.and_then(|claim| claim.quota_s));
    }

    /// Whether `clock` says this, where a chain had used so much before.
    fn is(&self, clock: &Clock, before: Millis) -> bool {
        let used = before + self.accrued;
        let left = self
            .quota_s
            .flatten()
            .map(|quota| Millis::from_secs(quota).saturating_sub(used));
        (clock.state, clock.accrued_ms, clock.quota_left_ms) == (self.state, self.accrued, left)
    }
}

/// What was shown and told in the course of a session.
#[derive(Clone, Debug, Default)]
pub struct Shown {
    told: Option<Clock>,
    /// The furthest that what was told lay behind the disk, without the time that news take.
    pub behind: Millis,
    /// How often it was told.
    pub times: u64,
    /// The first thing that was wrong.
    pub fault: Option<String>,
}

impl Shown {
    /// After a round of the worker.
    pub fn look(&mut self, billing: &mut Billing, claims: &[Claim], (now, mono): (Micros, Mono)) {
        if billing.shown().is_due(mono) {
            self.told = billing.shown_mut().tell(mono);
            self.times += 1;
        }
        let shown = billing.shown().newest();
        let before = billing.facts().carried.used_ms;
        // All but the newest have been heard of.
        let heard = claims.partition_point(|claim| claim.on_disk + NEWS <= now);
        let Some(newest) = heard.checked_sub(1) else {
            return self.check(
                shown.is_none_or(|clock| among(claims, &clock, before)),
                || format!("{shown:?} is shown, and nothing is on disk"),
            );
        };
        let late = &claims[newest..];
        self.check(
            shown.is_some_and(|clock| among(late, &clock, before)),
            || format!("at {now}: {shown:?} is shown; on disk since {NEWS} us, or later: {late:?}"),
        );
        let told = self.told;
        let accrued = told.map_or(Millis::ZERO, |clock| clock.accrued_ms);
        self.behind = self.behind.max(late[0].accrued.saturating_sub(accrued));
        let behind = late[0].accrued > accrued + BEHIND;
        let state = told.is_some_and(|clock| late.iter().any(|claim| claim.state == clock.state));
        self.check(!behind && state, || {
            format!("at {now}: {told:?} is what was told; on disk: {late:?}")
        });
    }

    fn check(&mut self, holds: bool, what: impl FnOnce() -> String) {
        if !holds && self.fault.is_none() {
            self.fault = Some(what());
        }
    }
}

fn among(claims: &[Claim], clock: &Clock, before: Millis) -> bool {
    claims.iter().any(|claim| claim.is(clock, before))
}
