//! All deadlines of a session, in event time.

use super::Stage;
use super::output::{Output, Reason};
use crate::base::{EndReason, Millis, Mono, SessionState};
use crate::session::{NOBODY, OnBreach};

impl Stage {
    /// The earliest deadline.
    pub(in crate::session) fn next_deadline(&self) -> Option<(Mono, Reason)> {
        if self.ended() {
            return None;
        }
        let while_live = |at: Option<Mono>| at.filter(|_| self.state == SessionState::Live);
        [
            (self.clocks.duration_ends(&self.terms), Reason::MaxDuration),
            (
                while_live(self.clocks.quota_ends(&self.terms)),
                Reason::QuotaExhausted,
            ),
            (self.prompt_ends(), Reason::Unanswered),
            (self.breach_ends(), Reason::FloorBreached),
            (self.window_closes(), Reason::WindowCloses),
            (self.abandoned_at(), Reason::Abandoned),
            (self.nobody_at(), Reason::Nobody),
            (self.grace_over(), Reason::Grace),
            (
                self.clocks.next_duration_warning(&self.terms),
                Reason::DurationWarning,
            ),
            (
                while_live(self.clocks.next_quota_warning(&self.terms)),
                Reason::QuotaWarning,
            ),
            (self.prompt_due(), Reason::PromptDue),
            (self.next_interim, Reason::Interim),
        ]
        .into_iter()
        .filter_map(|(at, reason)| Some((at?, reason)))
        .min()
    }

    /// A deadline of [`Stage::next_deadline`] came at `t`.
    pub(in crate::session) fn handle_deadline(&mut self, t: Mono, reason: Reason) {
        self.count(t);
        match reason {
            Reason::MaxDuration => self.end(t, EndReason::MaxDuration),
            Reason::QuotaExhausted => self.refresh(t),
            Reason::Unanswered => self.on_unanswered(t),
            Reason::FloorBreached => self.end(t, EndReason::FloorBreached),
            Reason::WindowCloses => self.end(t, EndReason::NoShow),
            Reason::Abandoned => self.end(t, EndReason::Abandoned),
            Reason::Nobody => self.end(t, self.members.deserted_reason(self.state)),
            Reason::Grace => self.on_grace_over(t),
            Reason::DurationWarning => {
                let warning = self.clocks.on_duration_warning();
                self.warn(t, warning);
            }
            Reason::QuotaWarning => {
                let warning = self.clocks.on_quota_warning();
                self.warn(t, warning);
            }
            Reason::PromptDue => self.on_prompt_due(t),
            Reason::Interim => {
                self.outputs.push_back(Output::Interim { at: t });
                self.next_interim = Some(t + Millis::from_secs(self.policy.billing.interim_s));
            }
            // Known by `PresenceTracker`, and a fact before it comes here.
            Reason::Vanished => {}
        }
    }

    /// A side is away for too long in a session that was live once.
    fn abandoned_at(&self) -> Option<Mono> {
        let away = self.away.earliest();
        away.filter(|_| self.state != SessionState::Waiting)
            .map(|at| at + Millis::from_secs(self.policy.abandon_after_s))
    }

    fn nobody_at(&self) -> Option<Mono> {
        let since = self.members.deserted_since()?;
        Some(since + NOBODY.max(self.policy.grace()))
    }

    fn grace_over(&self) -> Option<Mono> {
        let vanished = self.members.first_vanished()?;
        Some(vanished + self.policy.grace())
    }

    fn breach_ends(&self) -> Option<Mono> {
        let since = self.below_since?;
        let ends = self.policy.floor.does(OnBreach::End);
        ends.then(|| since + Millis(self.policy.floor.end_after_ms))
    }

    fn window_closes(&self) -> Option<Mono> {
        self.window_closes
            .filter(|_| self.state == SessionState::Waiting)
    }

    fn on_grace_over(&mut self, t: Mono) {
        let grace = self.policy.grace();
        self.members.handle_grace_over(t, grace, &mut self.outputs);
        self.refresh(t);
    }
}
