//! All deadlines of a session, in event time.

use super::Stage;
use super::output::{Output, Reason};
use super::sides::Place;
use crate::base::{EndReason, Millis, Mono, SessionState};
use crate::session::{NOBODY, OnBreach};

impl Stage {
    /// The earliest deadline.
    pub(in crate::session) fn next_deadline(&self) -> Option<(Mono, Reason)> {
        if self.ended() {
            return None;
        }
        [
            (self.duration_ends(), Reason::MaxDuration),
            (self.quota_ends(), Reason::QuotaExhausted),
            (self.prompt_ends(), Reason::Unanswered),
            (self.breach_ends(), Reason::FloorBreached),
            (self.window_closes(), Reason::WindowCloses),
            (self.abandoned_at(), Reason::Abandoned),
            (self.nobody_at(), Reason::Nobody),
            (self.grace_over(), Reason::Grace),
            (self.next_duration_warning(), Reason::DurationWarning),
            (self.next_quota_warning(), Reason::QuotaWarning),
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
            Reason::Nobody => self.end(t, self.nobody_reason()),
            Reason::Grace => self.on_grace_over(t),
            Reason::DurationWarning => self.on_duration_warning(t),
            Reason::QuotaWarning => self.on_quota_warning(t),
            Reason::PromptDue => self.on_prompt_due(t),
            Reason::Interim => {
                self.outputs.push_back(Output::Interim { at: t });
                self.next_interim = Some(t + Millis::from_secs(self.policy.billing.interim_s));
            }
            // Known by `Presence`, and a fact before it comes here.
            Reason::Vanished => {}
        }
    }

    /// A side is away for too long in a session that was live once.
    fn abandoned_at(&self) -> Option<Mono> {
        let away = [self.expert_away, self.customer_away]
            .into_iter()
            .flatten()
            .min();
        away.filter(|_| self.state != SessionState::Waiting)
            .map(|at| at + Millis::from_secs(self.policy.abandon_after_s))
    }

    fn nobody_at(&self) -> Option<Mono> {
        self.members
            .values()
            .all(|member| member.place != Place::Here)
            .then(|| self.stirred + NOBODY.max(self.policy.grace()))
    }

    fn grace_over(&self) -> Option<Mono> {
        self.members
            .values()
            .filter(|member| member.place == Place::Vanished)
            .map(|member| member.since + self.policy.grace())
            .min()
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

    fn nobody_reason(&self) -> EndReason {
        if self.state == SessionState::Waiting {
            return EndReason::NoShow;
        }
        let last = self.members.values().filter(|m| m.place != Place::Expected);
        match last
            .max_by_key(|member| member.since)
            .map(|member| member.place)
        {
            Some(Place::Gone { explicit: true }) => EndReason::Left,
            Some(
                Place::Gone { explicit: false } | Place::Vanished | Place::Here | Place::Expected,
            )
            | None => EndReason::Abandoned,
        }
    }

    fn on_grace_over(&mut self, t: Mono) {
        let grace = self.policy.grace();
        for (who, member) in &mut self.members {
            if member.place == Place::Vanished && member.since + grace <= t {
                member.place = Place::Gone { explicit: false };
                self.outputs.push_back(Output::Gone {
                    at: member.since,
                    who: who.clone(),
                });
            }
        }
        self.refresh(t);
    }
}
