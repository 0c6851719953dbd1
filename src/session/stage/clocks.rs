//! The clocks of a session: live time over all sessions of a chain (quota and prompts), time in which
//! an open prompt runs, and time since it first went live. All in differences of millisecond readings, as
//! the meter has them: a quota is used up at exactly that accrued millisecond.

use crate::base::{
    Inherited, Millis, Mono, PauseReason, SessionState, Terms, Warning, WarningKind,
};
use crate::session::Policy;

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
    used: Millis,
    /// Live, or paused because nobody answered; in this session.
    asked: Millis,
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

    fn arm_duration(&mut self, terms: &Terms, t: Mono) {
        self.duration_armed = self.time_left(terms, t).unwrap_or(Millis::ZERO);
    }

    /// Live time so far, over all sessions of the chain.
    pub(super) const fn used(&self) -> Millis {
        self.used
    }

    /// Time so far in which an open prompt ran.
    pub(super) const fn asked(&self) -> Millis {
        self.asked
    }

    /// Counts the time up to `t`, which was spent in `state`.
    pub(super) fn count(&mut self, state: SessionState, t: Mono) {
        let span = t.since(self.to);
        match state {
            SessionState::Live => {
                self.used += span;
                self.asked += span;
            }
            SessionState::Paused(PauseReason::PresenceUnconfirmed) => self.asked += span,
            SessionState::Waiting | SessionState::Paused(_) | SessionState::Ended(_) => {}
        }
        self.to = self.to.max(t);
    }

    /// It went live at `t`.
    pub(super) fn on_live(&mut self, terms: &Terms, t: Mono) {
        if self.first_live.is_none() {
            self.first_live = Some(t);
            self.arm_duration(terms, t);
        }
    }

    /// The quota of the terms is a new one. Marks that lie ahead are warned of (again).
    pub(super) fn on_quota(&mut self, terms: &Terms) {
        self.arm_quota(terms);
    }

    /// The same of the duration.
    pub(super) fn on_duration(&mut self, terms: &Terms, t: Mono) {
        self.arm_duration(terms, t);
    }

    pub(super) fn duration_ends(&self, terms: &Terms) -> Option<Mono> {
        let max = Millis::from_secs(terms.max_min * 60);
        let left = max.saturating_sub(self.lasted);
        self.first_live.map(|live| live + left)
    }

    /// What is left of `duration.max_min` at `t`; nothing to say before it is live.
    pub(super) fn time_left(&self, terms: &Terms, t: Mono) -> Option<Millis> {
        let live = self.first_live.is_some_and(|live| live <= t);
        let ends = self.duration_ends(terms).filter(|_| live);
        ends.map(|ends| ends.since(t))
    }

    /// What is left of the quota at `t`, which is not before the newest fact and was reached in `state`.
    pub(super) fn quota_left(&self, terms: &Terms, state: SessionState, t: Mono) -> Option<Millis> {
        let running = if state == SessionState::Live {
            t.since(self.to)
        } else {
            Millis::ZERO
        };
        total(terms).map(|total| total.saturating_sub(self.used + running))
    }

    /// Nothing of the quota is left.
    pub(super) fn exhausted(&self, terms: &Terms) -> bool {
        total(terms).is_some_and(|total| self.used >= total)
    }

    /// When the quota is used up, if the clock goes on running. None once that is behind us and told.
    pub(super) fn quota_ends(&self, terms: &Terms) -> Option<Mono> {
        let total = total(terms).filter(|_| !self.quota_told)?;
        Some(self.reaches_used(total))
    }

    /// Says once that the quota is used up.
    pub(super) fn on_exhausted(&mut self, terms: &Terms) -> Option<Warning> {
        let news = self.exhausted(terms) && !std::mem::replace(&mut self.quota_told, true);
        news.then(|| Warning::left(WarningKind::Quota, Millis::ZERO))
    }

    /// When to warn of the quota, if the clock goes on running.
    pub(super) fn next_quota_warning(&self, terms: &Terms) -> Option<Mono> {
        let (total, mark) = (total(terms)?, next(&QUOTA_MARKS, self.quota_armed)?);
        Some(self.reaches_used(total.saturating_sub(mark)))
    }

    pub(super) fn next_duration_warning(&self, terms: &Terms) -> Option<Mono> {
        let mark = next(&DURATION_MARKS, self.duration_armed)?;
        self.duration_ends(terms).map(|ends| ends - mark)
    }

    pub(super) fn on_quota_warning(&mut self) -> Option<Warning> {
        self.quota_armed = next(&QUOTA_MARKS, self.quota_armed)?;
        Some(Warning::left(WarningKind::Quota, self.quota_armed))
    }

    pub(super) fn on_duration_warning(&mut self) -> Option<Warning> {
        self.duration_armed = next(&DURATION_MARKS, self.duration_armed)?;
        Some(Warning::left(WarningKind::Duration, self.duration_armed))
    }

    /// When live time comes to `mark`, if the clock goes on running.
    pub(super) fn reaches_used(&self, mark: Millis) -> Mono {
        self.reaches(self.used, mark)
    }

    /// When the time in which an open prompt runs comes to `mark`, if it goes on running.
    pub(super) fn reaches_asked(&self, mark: Millis) -> Mono {
        self.reaches(self.asked, mark)
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
