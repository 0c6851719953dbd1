//! The clocks of a session: live time over all sessions of a chain (quota and prompts), time in which
//! an open prompt runs, and time since it first went live. All in differences of millisecond readings, as
//! the meter has them: a quota is used up at exactly that accrued millisecond.

use super::Stage;
use crate::base::{
    Inherited, Millis, Mono, PauseReason, SessionState, Terms, Warning, WarningKind,
};
use crate::session::{OnExhausted, Output, Policy};

/// Warned when so much of `duration.max_min` is left (contract).
const DURATION_MARKS: [Millis; 3] = [
    Millis::from_secs(600),
    Millis::from_secs(300),
    Millis::from_secs(60),
];

/// Warned when so much of the quota is left (contract).
const QUOTA_MARKS: [Millis; 2] = [Millis::from_secs(300), Millis::from_secs(60)];

/// What was counted, up to a moment.
#[derive(Debug)]
pub(super) struct Clocks {
    /// Up to here.
    to: Mono,
    /// Live, over all sessions of the chain.
    pub(super) used: Millis,
    /// Live, or paused because nobody answered; in this session.
    pub(super) asked: Millis,
    first_live: Option<Mono>,
    /// What earlier sessions of the chain used of `duration.max_min`.
    lasted: Millis,
    /// Least that was left of the quota since it was last set: marks above it have passed.
    quota_armed: Millis,
    /// The same of `duration.max_min`, since the session went live.
    duration_armed: Millis,
    /// That the quota is used up and it goes on was said.
    quota_told: bool,
}

impl Clocks {
    pub(super) fn new(inherited: &Inherited, terms: &Terms, at: Mono) -> Clocks {
        let mut clocks = Clocks {
            to: at,
            used: inherited.used,
            asked: Millis::ZERO,
            first_live: None,
            lasted: inherited.lasted,
            quota_armed: Millis::ZERO,
            duration_armed: Millis::ZERO,
            quota_told: false,
        };
        clocks.arm_quota(terms);
        clocks.quota_told = total(terms).is_some_and(|total| clocks.used >= total);
        clocks
    }

    fn arm_quota(&mut self, terms: &Terms) {
        self.quota_told = false;
        self.quota_armed =
            total(terms).map_or(Millis::ZERO, |total| total.saturating_sub(self.used));
    }

    /// The moment at which a clock that runs comes to `mark`.
    fn reaches(&self, clock: Millis, mark: Millis) -> Mono {
        let reading = self.to.millis() + mark.saturating_sub(clock);
        Mono::from_millis(reading.0).max(self.to)
    }
}

fn total(terms: &Terms) -> Option<Millis> {
    terms.quota_s.map(Millis::from_secs)
}

/// The next mark that has not passed.
fn next(marks: &[Millis], armed: Millis) -> Option<Millis> {
    marks.iter().copied().find(|mark| *mark < armed)
}

/// The terms that a session begins with.
pub(super) fn terms(policy: &Policy, inherited: &Inherited) -> Terms {
    inherited.terms.clone().unwrap_or_else(|| Terms {
        quota_s: policy.duration.quota_s,
        max_min: policy.duration.max_min,
        paused: false,
        ask_at_ms: minutes(policy.presence.after_min),
        prompt: None,
    })
}

/// A length in minutes; none for zero.
pub(super) fn minutes(minutes: u64) -> Option<Millis> {
    (minutes > 0).then(|| Millis::from_secs(minutes * 60))
}

impl Stage {
    /// Counts the time up to `t` in the state that it was spent in.
    pub(super) fn count(&mut self, t: Mono) {
        let span = t.since(self.clocks.to);
        match self.state {
            SessionState::Live => {
                self.clocks.used += span;
                self.clocks.asked += span;
            }
            SessionState::Paused(PauseReason::PresenceUnconfirmed) => self.clocks.asked += span,
            SessionState::Waiting | SessionState::Paused(_) | SessionState::Ended(_) => {}
        }
        self.clocks.to = self.clocks.to.max(t);
    }

    /// It went live at `t`.
    pub(super) fn on_live(&mut self, t: Mono) {
        if self.clocks.first_live.is_none() {
            self.clocks.first_live = Some(t);
            self.arm_duration(t);
        }
    }

    fn arm_duration(&mut self, t: Mono) {
        self.clocks.duration_armed = self.time_left(t).unwrap_or(Millis::ZERO);
    }

    pub(super) fn duration_ends(&self) -> Option<Mono> {
        let max = Millis::from_secs(self.terms.max_min * 60);
        let left = max.saturating_sub(self.clocks.lasted);
        self.clocks.first_live.map(|live| live + left)
    }

    /// What is left of `duration.max_min` at `t`; nothing to say before it is live.
    pub(in crate::session) fn time_left(&self, t: Mono) -> Option<Millis> {
        self.duration_ends().map(|ends| ends.since(t))
    }

    /// What is left of the quota at `t`, which is not before the newest fact.
    pub(in crate::session) fn quota_left(&self, t: Mono) -> Option<Millis> {
        let running = if self.state == SessionState::Live {
            t.since(self.clocks.to)
        } else {
            Millis::ZERO
        };
        total(&self.terms).map(|total| total.saturating_sub(self.clocks.used + running))
    }

    /// Nothing of the quota is left.
    pub(super) fn exhausted(&self) -> bool {
        total(&self.terms).is_some_and(|total| self.clocks.used >= total)
    }

    /// When the quota is used up, while the clock runs. Nothing once that is behind us and goes on.
    pub(super) fn quota_ends(&self) -> Option<Mono> {
        let total = total(&self.terms).filter(|_| self.state == SessionState::Live)?;
        (!self.clocks.quota_told).then(|| self.clocks.reaches(self.clocks.used, total))
    }

    /// Says once that the quota is used up where it goes on all the same.
    pub(super) fn tell_exhausted(&mut self, t: Mono) {
        let goes_on = self.policy.duration.on_exhausted == OnExhausted::Continue;
        if goes_on && self.exhausted() && !std::mem::replace(&mut self.clocks.quota_told, true) {
            self.warn(t, Warning::left(WarningKind::Quota, Millis::ZERO));
        }
    }

    pub(super) fn next_quota_warning(&self) -> Option<Mono> {
        let total = total(&self.terms).filter(|_| self.state == SessionState::Live)?;
        let mark = next(&QUOTA_MARKS, self.clocks.quota_armed)?;
        Some(
            self.clocks
                .reaches(self.clocks.used, total.saturating_sub(mark)),
        )
    }

    pub(super) fn next_duration_warning(&self) -> Option<Mono> {
        let mark = next(&DURATION_MARKS, self.clocks.duration_armed)?;
        self.duration_ends().map(|ends| ends - mark)
    }

    pub(super) fn on_quota_warning(&mut self, t: Mono) {
        if let Some(mark) = next(&QUOTA_MARKS, self.clocks.quota_armed) {
            self.clocks.quota_armed = mark;
            self.warn(t, Warning::left(WarningKind::Quota, mark));
        }
    }

    pub(super) fn on_duration_warning(&mut self, t: Mono) {
        if let Some(mark) = next(&DURATION_MARKS, self.clocks.duration_armed) {
            self.clocks.duration_armed = mark;
            self.warn(t, Warning::left(WarningKind::Duration, mark));
        }
    }

    /// New totals of quota and duration. Marks that lie ahead are warned of (again).
    pub(super) fn on_extend(&mut self, t: Mono, quota_s: Option<u64>, max_min: Option<u64>) {
        if quota_s.is_some() {
            self.terms.quota_s = quota_s;
            self.clocks.arm_quota(&self.terms);
        }
        if let Some(max_min) = max_min {
            self.terms.max_min = max_min;
            self.arm_duration(t);
        }
    }

    pub(super) fn reaches_used(&self, mark: Millis) -> Mono {
        self.clocks.reaches(self.clocks.used, mark)
    }

    pub(super) fn reaches_asked(&self, mark: Millis) -> Mono {
        self.clocks.reaches(self.clocks.asked, mark)
    }

    pub(super) fn warn(&mut self, at: Mono, warning: Warning) {
        self.outputs.push_back(Output::Warning { at, warning });
    }
}
