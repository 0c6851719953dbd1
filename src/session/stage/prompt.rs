//! "Still there?": asked after so much live time, answered or not. The time to answer runs while the
//! session is live, or paused because nobody answered; while another reason holds it stands still,
//! and it never starts anew.

use super::sides::{Place, attends, side};
use super::{Change, Stage};
use crate::base::{
    EndReason, Identity, Millis, Mono, OpenPrompt, PauseReason, Role, SessionState, Warning,
    WarningKind,
};
use crate::session::stage::clocks::minutes;
use crate::session::{Basis, Output, Who};

/// The open prompt, as clients are shown it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Prompt {
    /// Who must answer.
    pub who: Who,
    /// What is left of the time to answer; once that is over, until the session ends.
    pub left: Millis,
    /// The time to answer is over, and the clock stands.
    pub overdue: bool,
    /// Who has answered.
    pub confirmed: Vec<Identity>,
}

impl Stage {
    fn time_to_answer(&self) -> Millis {
        Millis::from_secs(self.policy.presence.grace_min * 60)
    }

    fn prompt_runs(&self) -> bool {
        matches!(
            self.state,
            SessionState::Live | SessionState::Paused(PauseReason::PresenceUnconfirmed)
        )
    }

    /// When to ask.
    pub(super) fn prompt_due(&self) -> Option<Mono> {
        let runs = self.state == SessionState::Live && self.terms.prompt.is_none();
        let mark = self.terms.ask_at_ms.filter(|_| runs)?;
        Some(self.reaches_used(mark))
    }

    /// When the time to answer is over.
    pub(super) fn prompt_ends(&self) -> Option<Mono> {
        let prompt = self.terms.prompt.as_ref().filter(|_| self.prompt_runs())?;
        Some(self.reaches_asked(prompt.due_ms))
    }

    /// The open prompt at `t`, which is not before the newest fact.
    pub(in crate::session) fn prompt(&self, t: Mono) -> Option<Prompt> {
        let open = self.terms.prompt.as_ref().filter(|_| !self.ended())?;
        let left = self.prompt_ends().map_or_else(
            || open.due_ms.saturating_sub(self.clocks.asked),
            |ends| ends.since(t),
        );
        Some(Prompt {
            who: self.policy.presence.who,
            left,
            overdue: open.overdue,
            confirmed: open.confirmed.keys().cloned().collect(),
        })
    }

    pub(super) fn on_prompt_due(&mut self, t: Mono) {
        let grace = self.time_to_answer();
        self.terms.ask_at_ms = None;
        self.terms.prompt = Some(OpenPrompt {
            due_ms: self.clocks.asked + grace,
            overdue: false,
            confirmed: std::collections::BTreeMap::new(),
        });
        self.say_terms(t, None);
        self.warn(t, Warning::left(WarningKind::Presence, grace));
    }

    /// The time to answer is over: the clock stands; after as long again the session ends.
    pub(super) fn on_unanswered(&mut self, t: Mono) {
        let due = self.clocks.asked + self.time_to_answer();
        let Some(prompt) = &mut self.terms.prompt else {
            return;
        };
        if prompt.overdue {
            return self.end(t, EndReason::PresenceTimeout);
        }
        prompt.overdue = true;
        prompt.due_ms = due;
        self.say_terms(t, None);
        self.refresh(t);
    }

    /// Someone is still there (`None`: the app says so of all of them).
    pub(super) fn on_confirm(&mut self, t: Mono, who: Option<Identity>) {
        if self.terms.prompt.is_none() {
            return;
        }
        if let Some(who) = &who {
            let Some(role) = self.may_answer(who) else {
                return;
            };
            let Some(prompt) = &mut self.terms.prompt else {
                return;
            };
            if prompt.confirmed.insert(who.clone(), role).is_some() {
                return;
            }
        }
        if who.is_none() || self.answered() {
            self.terms.prompt = None;
            self.terms.ask_at_ms =
                minutes(self.policy.presence.repeat_min).map(|repeat| self.clocks.used + repeat);
        }
        self.say_terms(t, Some(Change::Confirmed(who)));
    }

    /// The role of one whose answer counts: an expert or a customer; without roles, or with the basis
    /// `connected`, anyone who takes part. They need to have been here once.
    fn may_answer(&self, who: &Identity) -> Option<Option<Role>> {
        let member = self.members.get(who)?;
        let counts = if self.policy.billing.basis == Basis::Connected {
            attends(member)
        } else if self.roles {
            side(member).is_some()
        } else {
            member.standing.counts
        };
        (counts && member.place != Place::Expected).then_some(member.standing.role)
    }

    /// Enough answered: someone of each side, where the policy asks for that and there are sides.
    fn answered(&self) -> bool {
        let Some(prompt) = &self.terms.prompt else {
            return false;
        };
        let said = |role| prompt.confirmed.values().any(|of| *of == Some(role));
        let any = self.policy.presence.who == Who::Any;
        if any || self.policy.billing.basis == Basis::Connected {
            !prompt.confirmed.is_empty()
        } else if self.roles {
            said(Role::Expert) && said(Role::Customer)
        } else {
            prompt.confirmed.len() >= 2
        }
    }

    pub(super) fn say_terms(&mut self, at: Mono, change: Option<Change>) {
        let terms = self.terms.clone();
        self.outputs.push_back(Output::Terms { at, terms, change });
    }
}
