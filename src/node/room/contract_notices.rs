//! What clients are told of the contract: the billed clock, warnings, and the question "still there?".

use super::membership::Membership;
use super::notices::Notices;
use crate::base::{Identity, Mono, Role, SessionId, Warning};
use crate::node::billing::Billing;
use crate::node::context::Context;
use crate::node::io::Output;
use crate::session::{Prompt, Who};

/// The attribute that shows who is asked whether they are still there.
const ASKED: &str = "beistand.presence";

/// What clients know of the contract.
pub(in crate::node) struct ContractNotices {
    session: SessionId,
    /// What was told of the open prompt: overdue, and who has answered.
    prompt_told: Option<(bool, Vec<Identity>)>,
    /// Who has to confirm, by the policy.
    who: Who,
}

impl ContractNotices {
    pub(in crate::node) const fn new(session: SessionId, who: Who) -> ContractNotices {
        ContractNotices {
            session,
            prompt_told: None,
            who,
        }
    }

    /// Passes on what billing has for the ledger.
    pub(in crate::node) fn drain_billing(
        &mut self,
        billing: &mut Billing,
        notices: &mut Notices,
        context: &mut Context<'_>,
    ) {
        while let Some(append) = billing.poll_output() {
            let warning = append.entry.warning.as_ref();
            if let Some(warning) = warning.filter(|warning| !warning.is_for_app_alone()) {
                tell_warning(warning, notices);
            }
            context.push(Output::Append(Box::new(append)));
        }
    }

    /// Tells the newest clock that is on disk, if that is due, and while a prompt is open that as well, for
    /// those who came after it opened.
    pub(in crate::node) fn handle_timeout(
        &self,
        billing: &mut Billing,
        notices: &mut Notices,
        now: Mono,
    ) {
        if !billing.shown().is_due(now) {
            return;
        }
        let prompt = billing.prompt();
        if prompt.is_some() {
            self.tell_prompt(prompt.as_ref(), notices);
        }
        let Some(clock) = billing.shown_mut().tell(now) else {
            return;
        };
        let json = serde_json::json!({
            "session": self.session.as_str(),
            "state": clock.state.as_str(),
            "reason": clock.state.reason(),
            "accrued_ms": clock.accrued_ms,
            "quota_left_ms": clock.quota_left_ms,
            "time_left_ms": clock.time_left_ms,
        });
        notices.data("beistand.clock", json.to_string());
    }

    /// Tells of a prompt that opened, was answered or closed, and keeps the attribute of who is asked.
    pub(in crate::node) fn handle_prompt(
        &mut self,
        prompt: Option<&Prompt>,
        members: &mut Membership,
        notices: &mut Notices,
    ) {
        let state = prompt.map(|prompt| (prompt.overdue, prompt.confirmed.clone()));
        if self.prompt_told != state {
            self.tell_prompt(prompt, notices);
            self.prompt_told = state;
        }
        for (key, member) in members.iter_mut() {
            let asked = prompt.filter(|_| is_asked(member.join.role));
            let value = asked.map(|prompt| {
                if prompt.confirmed.contains(member.identity()) {
                    "confirmed"
                } else {
                    "asked"
                }
            });
            if member.card.set_attribute(ASKED, value) {
                notices.card(key);
            }
        }
    }

    fn tell_prompt(&self, prompt: Option<&Prompt>, notices: &mut Notices) {
        let who = prompt.map_or(self.who, |prompt| prompt.who);
        let confirmed = prompt.map_or(&[][..], |prompt| &prompt.confirmed);
        let confirmed: Vec<&str> = confirmed.iter().map(|who| who.as_str()).collect();
        let json = serde_json::json!({
            "open": prompt.is_some(),
            "who": match who { Who::Any => "any", Who::Each => "each" },
            "left_ms": prompt.map(|prompt| prompt.left),
            "confirmed": confirmed,
        });
        notices.data("beistand.presence", json.to_string());
    }
}

/// Tells everyone what billing is warned of.
fn tell_warning(warning: &Warning, notices: &mut Notices) {
    let json = serde_json::json!({
        "kind": warning.kind.as_str(),
        "left_s": warning.left_s,
        "identity": warning.identity.as_ref().map(|who| who.as_str()),
        "direction": warning.direction.map(|direction| direction.as_str()),
    });
    notices.data("beistand.warning", json.to_string());
}

/// Whether the prompt is for one with this role: in a room without roles for everyone.
fn is_asked(role: Option<Role>) -> bool {
    match role {
        Some(Role::Expert | Role::Customer) | None => true,
        Some(Role::Guest | Role::Observer) => false,
    }
}
