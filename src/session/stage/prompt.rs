//! "Still there?": asked after so much live time, answered or not. The time to answer runs while the
//! session is live, or paused because nobody answered; while another reason holds it stands still,
//! and it never starts anew.

use super::Stage;
use super::clocks::minutes;
use super::members::{Attendance, Members};
use super::output::{Output, Prompt};
use super::sides::{attends, side};
use crate::base::{
    EndReason, Identity, Mono, OpenPrompt, PauseReason, Role, SessionState, TermsChange, Warning,
    WarningKind,
};
use crate::session::{Basis, Who};

impl Stage {
    /// When to ask.
    pub(super) fn prompt_due(&self) -> Option<Mono> {
        let runs = self.state == SessionState::Live && self.terms.prompt.is_none();
        let mark = self.terms.ask_at_ms.filter(|_| runs)?;
        Some(self.clocks.reaches_used(mark))
    }

    /// When the time to answer is over.
    pub(super) fn prompt_ends(&self) -> Option<Mono> {
        let prompt = self.terms.prompt.as_ref().filter(|_| runs(self.state))?;
        Some(self.clocks.reaches_asked(prompt.due_ms))
    }

    /// The open prompt at `t`, which is not before the newest fact.
    pub(in crate::session) fn prompt(&self, t: Mono) -> Option<Prompt> {
        let open = self.terms.prompt.as_ref().filter(|_| !self.ended())?;
        let left = self.prompt_ends().map_or_else(
            || open.due_ms.saturating_sub(self.clocks.asked()),
            |ends| ends.since(t),
        );
        Some(Prompt::new(open, self.policy.presence.who, left))
    }

    pub(super) fn on_prompt_due(&mut self, t: Mono) {
        let grace = self.policy.presence.time_to_answer();
        self.terms.ask_at_ms = None;
        self.terms.prompt = Some(OpenPrompt {
            due_ms: self.clocks.asked() + grace,
            overdue: false,
            confirmed: std::collections::BTreeMap::new(),
        });
        self.say_terms(t, None);
        self.warn(t, [Warning::left(WarningKind::Presence, grace)]);
    }

    /// The time to answer is over: the clock stands; after as long again the session ends.
    pub(super) fn on_unanswered(&mut self, t: Mono) {
        let due = self.clocks.asked() + self.policy.presence.time_to_answer();
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
        let Some(prompt) = &mut self.terms.prompt else {
            return;
        };
        let new = who
            .as_ref()
            .is_none_or(|who| confirm(prompt, &self.members, who));
        if !new {
            return;
        }
        if who.is_none() || answered(prompt, &self.members, self.policy.presence.who) {
            self.terms.prompt = None;
            self.terms.ask_at_ms =
                minutes(self.policy.presence.repeat_min).map(|repeat| self.clocks.used() + repeat);
        }
        self.say_terms(t, Some(TermsChange::Confirmed(who)));
    }

    pub(super) fn say_terms(&mut self, at: Mono, change: Option<TermsChange>) {
        let terms = self.terms.clone();
        self.outputs.push_back(Output::Terms { at, terms, change });
    }
}

/// The time to answer runs.
const fn runs(state: SessionState) -> bool {
    matches!(
        state,
        SessionState::Live | SessionState::Paused(PauseReason::PresenceUnconfirmed)
    )
}

/// Notes that someone is still there. False: their answer does not count, or is in already.
fn confirm(prompt: &mut OpenPrompt, members: &Members, who: &Identity) -> bool {
    may_answer(members, who)
        .is_some_and(|role| prompt.confirmed.insert(who.clone(), role).is_none())
}

/// The role of one whose answer counts: an expert or a customer; without roles, or with the basis
/// `connected`, anyone who takes part. They need to have been here once.
fn may_answer(members: &Members, who: &Identity) -> Option<Option<Role>> {
    let member = members.people.get(who)?;
    let counts = if members.basis == Basis::Connected {
        attends(member)
    } else if members.roles {
        side(member).is_some()
    } else {
        member.standing.counts
    };
    (counts && member.attendance != Attendance::Expected).then_some(member.standing.role)
}

/// Enough answered: someone of each side, where the policy asks for that and there are sides.
fn answered(prompt: &OpenPrompt, members: &Members, by: Who) -> bool {
    let said = |role| prompt.confirmed.values().any(|of| *of == Some(role));
    if by == Who::Any || members.basis == Basis::Connected {
        !prompt.confirmed.is_empty()
    } else if members.roles {
        said(Role::Expert) && said(Role::Customer)
    } else {
        prompt.confirmed.len() >= 2
    }
}
