//! What clients are told of the contract, and what they say to it: the billed clock, warnings, and the
//! question "still there?".

use super::live_room::{Context, LiveRoom};
use super::shard::JoinRequest;
use crate::base::{Role, Warning};
use crate::peer::signal::user_message;
use crate::room::MemberKey;
use crate::session::{Policy, Prompt, Who};

/// Topics that start with this are between a client and the server alone.
const RESERVED: &str = "beistand.";

/// The attribute that shows who is asked whether they are still there.
const ASKED: &str = "beistand.presence";

/// What a client says in answer to the prompt.
#[derive(serde::Deserialize)]
struct Answer {
    confirm: bool,
}

impl LiveRoom {
    /// Takes a client's packet that is for the server alone. True: it was one, and goes no further.
    pub(super) fn take_message(
        &mut self,
        key: usize,
        packet: &[u8],
        context: &mut Context<'_>,
    ) -> bool {
        let Some((topic, payload)) = user_message(packet) else {
            return false;
        };
        if !topic.starts_with(RESERVED) {
            return false;
        }
        context.stats.data_taken += 1;
        if topic == "beistand.presence"
            && serde_json::from_slice(&payload).is_ok_and(|answer: Answer| answer.confirm)
            && let Some(member) = self.members.get(key)
        {
            let identity = member.identity().clone();
            self.billing.handle_confirm(Some(&identity), context.now);
        } else {
            let from = MemberKey(key);
            self.with_recordings(context, |r, now| {
                r.handle_message(from, &topic, &payload, now);
            });
        }
        true
    }

    /// The newest clock that is on disk, and while a prompt is open that as well, for those who came
    /// after it opened.
    pub(super) fn send_clock(&mut self, context: &mut Context<'_>) {
        self.clock_sent = context.now.mono;
        if let Some(prompt) = self.billing.prompt() {
            self.tell_prompt(Some(&prompt));
        }
        let Some(clock) = self.shown else { return };
        let json = serde_json::json!({
            "session": self.session().as_str(),
            "state": clock.state.as_str(),
            "reason": clock.state.reason(),
            "accrued_ms": clock.accrued_ms,
            "quota_left_ms": clock.quota_left_ms,
            "time_left_ms": clock.time_left_ms,
        });
        self.tell_all("beistand.clock", &json.to_string());
    }

    /// Tells of a prompt that opened, was answered or closed, and keeps the attribute of who is asked.
    pub(super) fn tell_contract(&mut self, context: &mut Context<'_>) {
        let prompt = self.billing.prompt();
        let shape = |prompt: &Prompt| (prompt.overdue, prompt.confirmed.clone());
        let told = prompt.as_ref().map(shape);
        if self.prompt_told != told {
            self.tell_prompt(prompt.as_ref());
            self.prompt_told = told;
        }
        for key in self.keys() {
            let member = &mut self.members[key];
            let asked = prompt.as_ref().filter(|_| is_asked(member.join.role));
            let value = asked.map(|prompt| {
                if prompt.confirmed.contains(member.identity()) {
                    "confirmed"
                } else {
                    "asked"
                }
            });
            if member.card.set_attribute(ASKED, value) {
                self.broadcast(key, context);
            }
        }
    }

    fn tell_prompt(&mut self, prompt: Option<&Prompt>) {
        let who = prompt.map_or(self.policy.presence.who, |prompt| prompt.who);
        let confirmed = prompt.map_or(&[][..], |prompt| &prompt.confirmed);
        let confirmed: Vec<&str> = confirmed.iter().map(|who| who.as_str()).collect();
        let json = serde_json::json!({
            "open": prompt.is_some(),
            "who": match who { Who::Any => "any", Who::Each => "each" },
            "left_ms": prompt.map(|prompt| prompt.left),
            "confirmed": confirmed,
        });
        self.tell_all("beistand.presence", &json.to_string());
    }

    /// Tells everyone what billing is warned of.
    pub(super) fn tell_warning(&mut self, warning: &Warning) {
        let json = serde_json::json!({
            "kind": warning.kind.as_str(),
            "left_s": warning.left_s,
            "identity": warning.identity.as_ref().map(|who| who.as_str()),
            "direction": warning.direction.map(|direction| direction.as_str()),
        });
        self.tell_all("beistand.warning", &json.to_string());
    }
}

/// Whether the prompt is for one with this role: in a room without roles for everyone.
fn is_asked(role: Option<Role>) -> bool {
    match role {
        Some(Role::Expert | Role::Customer) | None => true,
        Some(Role::Guest | Role::Observer) => false,
    }
}

/// The token's `beistand.external_ref` and `beistand.metadata`, where they are valid. What was booked
/// says it all already.
pub(super) fn override_policy(policy: &mut Policy, join: &JoinRequest) {
    if join.booking.is_some() {
        return;
    }
    let attributes = &join.join.attributes;
    let template = policy.clone();
    if let Some(external) = attributes.get("beistand.external_ref") {
        policy.external_ref = Some(external.clone());
    }
    if let Some(text) = attributes.get("beistand.metadata") {
        let as_text = || serde_json::Value::String(text.clone());
        policy.metadata = Some(serde_json::from_str(text).unwrap_or_else(|_| as_text()));
    }
    if let Err(error) = policy.validate() {
        tracing::warn!(%error, "the token's beistand.external_ref or beistand.metadata is refused");
        *policy = template;
    }
}
