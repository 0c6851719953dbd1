//! What clients are told of the contract: the billed clock, warnings, and the question "still there?".

use super::membership::Membership;
use super::notices::Notices;
use crate::base::{Identity, Millis, Mono, Role, SessionId, Warning};
use crate::node::billing::{Billing, Clock};
use crate::node::context::Context;
use crate::node::io::Output;
use crate::session::{Prompt, Who};
use crate::usage::Stored;
use std::collections::VecDeque;

/// The billed clock is told once a second.
const CLOCK_EVERY: Millis = Millis::from_secs(1);

/// Clocks on their way to the disk; with a full disk the newest are shown late, not wrong.
const MAX_PENDING: usize = 256;

/// The attribute that shows who is asked whether they are still there.
const ASKED: &str = "beistand.presence";

/// What clients know of the contract.
pub(in crate::node) struct ContractNotices {
    session: SessionId,
    /// What the appends and checkpoints on their way to the disk say, in their order.
    pending: VecDeque<(Stored, Clock)>,
    /// The newest clock that is on disk: no other is ever told.
    shown: Option<Clock>,
    clock_told: Mono,
    /// What was told of the open prompt: overdue, and who has answered.
    prompt_told: Option<(bool, Vec<Identity>)>,
    /// Who has to confirm, by the policy.
    who: Who,
}

impl ContractNotices {
    pub(in crate::node) const fn new(session: SessionId, who: Who, now: Mono) -> ContractNotices {
        ContractNotices {
            session,
            pending: VecDeque::new(),
            shown: None,
            clock_told: now,
            prompt_told: None,
            who,
        }
    }

    /// The newest clock that is on disk.
    pub(in crate::node) const fn shown(&self) -> Option<Clock> {
        self.shown
    }

    /// An append or a checkpoint goes out now, and says this.
    pub(in crate::node) fn handle_written(&mut self, written: Stored, clock: Clock) {
        if self.pending.len() == MAX_PENDING {
            self.pending.pop_front();
        }
        self.pending.push_back((written, clock));
    }

    /// So much is on disk: the newest clock of it is shown, whatever was folded or left out on the way.
    /// True if that changed the state that is shown.
    pub(in crate::node) fn handle_committed(&mut self, stored: Stored) -> bool {
        let covered = |(written, _): &(Stored, Clock)| stored.covers(*written);
        let Some(newest) = self.pending.iter().rposition(covered) else {
            return false;
        };
        let Some((_, clock)) = self.pending.drain(..=newest).next_back() else {
            return false;
        };
        let before = self.shown.replace(clock);
        before.map(|before| before.state) != Some(clock.state)
    }

    /// Passes on what billing has for the ledger.
    pub(in crate::node) fn drain_billing(
        &mut self,
        billing: &mut Billing,
        notices: &mut Notices,
        context: &mut Context<'_>,
    ) {
        while let Some(append) = billing.poll_output() {
            let written = Stored::entry(append.entry.entry_seq);
            self.handle_written(written, billing.clock());
            if let Some(warning) = &append.entry.warning {
                tell_warning(warning, notices);
            }
            context.push(Output::Append(Box::new(append)));
        }
    }

    pub(in crate::node) fn clock_is_due(&self, now: Mono) -> bool {
        now.since(self.clock_told) >= CLOCK_EVERY
    }

    /// Tells the newest clock that is on disk, and while a prompt is open that as well, for those who
    /// came after it opened.
    pub(in crate::node) fn tell_clock(
        &mut self,
        prompt: Option<&Prompt>,
        notices: &mut Notices,
        now: Mono,
    ) {
        self.clock_told = now;
        if prompt.is_some() {
            self.tell_prompt(prompt, notices);
        }
        let Some(clock) = self.shown else { return };
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
                notices.card(key, member);
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::SessionState;

    fn clock(accrued: u64) -> Clock {
        Clock {
            state: SessionState::Live,
            accrued_ms: Millis(accrued),
            quota_left_ms: None,
            time_left_ms: None,
            settled: Mono::ZERO,
        }
    }

    #[test]
    fn what_is_shown_is_the_newest_that_is_on_disk_however_the_news_of_it_are_folded() {
        let (entry, checkpoint) = (Stored::entry, Stored::checkpoint);
        let written = [
            (entry(1), 10),
            (checkpoint(1), 20),
            (checkpoint(2), 30),
            (entry(2), 40),
            (checkpoint(3), 50),
            (entry(3), 60),
        ];
        for (name, stored, shown) in [
            ("nothing of ours", Stored::default(), None),
            ("one by one", entry(1), Some(10)),
            ("folded", entry(1).with(checkpoint(2)), Some(30)),
            ("a checkpoint was left out", entry(2), Some(40)),
            ("all of it", entry(3).with(checkpoint(3)), Some(60)),
        ] {
            let mut notices = ContractNotices::new(SessionId::from("SE_a"), Who::Any, Mono::ZERO);
            for (stored, accrued) in written {
                notices.handle_written(stored, clock(accrued));
            }
            notices.handle_committed(stored);
            let accrued = notices.shown().map(|clock| clock.accrued_ms.0);
            assert_eq!(accrued, shown, "{name}");
        }
    }

    #[test]
    fn after_a_stall_of_any_length_the_next_commit_shows_the_newest() {
        let mut notices = ContractNotices::new(SessionId::from("SE_a"), Who::Any, Mono::ZERO);
        let most = u64::try_from(MAX_PENDING).unwrap() * 3;
        for number in 1..=most {
            notices.handle_written(Stored::checkpoint(number), clock(number));
        }
        assert_eq!(notices.pending.len(), MAX_PENDING);
        notices.handle_committed(Stored::checkpoint(most));
        assert_eq!(notices.shown(), Some(clock(most)));
        assert!(notices.pending.is_empty());
    }
}
