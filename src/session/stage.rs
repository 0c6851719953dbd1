//! The state machine of the contract, in event time: it is told each fact at its moment, in order,
//! and never looks ahead. Everything it announces is final.

mod clocks;
mod deadlines;
mod members;
mod output;
mod prompt;
mod sides;

pub use output::{Output, Prompt, Reason};
pub(super) use sides::Group;

use super::presence::Fact;
use super::{OnBreach, OnExhausted, Policy};
use crate::base::{
    Direction, EndReason, FloorReport, Identity, Inherited, Millis, Mono, Now, PauseReason,
    SessionState, Terms, TermsChange, Warning,
};
use clocks::Clocks;
use members::Members;
use sides::{Away, Sides};
use std::collections::{BTreeSet, VecDeque};

/// Prepaid seconds and minutes in all; none stays as it is.
pub(super) type NewTotals = (Option<u64>, Option<u64>);

/// Something that the app, the node or a participant wants, or reports, at a moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Command {
    /// The app asks for a pause.
    Pause,
    /// The app asks for its end.
    Resume,
    /// Someone is still there; nobody: the app says so.
    Confirm(Option<Identity>),
    /// New totals, and why.
    Extend(NewTotals, TermsChange),
    /// How someone's floor stands.
    Floor(Identity, Direction, FloorReport),
    /// Somebody else has to warn of something.
    Warn(Box<Warning>),
}

/// State, sides and deadlines of one session.
#[derive(Debug)]
pub(super) struct Stage {
    policy: Policy,
    terms: Terms,
    clocks: Clocks,
    members: Members,
    state: SessionState,
    overlap: bool,
    away: Away,
    /// Since when both sides are here and no pair of them without a breach.
    below_since: Option<Mono>,
    /// A session that was never live ends here.
    window_closes: Option<Mono>,
    next_interim: Option<Mono>,
    outputs: VecDeque<Output>,
}

impl Stage {
    pub(super) fn new(policy: Policy, inherited: &Inherited, now: Now) -> Stage {
        let (terms, at) = (clocks::terms(&policy, inherited), now.mono);
        // Who comes again after a crash was let in before.
        let opening = inherited.terms.is_none();
        let closes = policy.window.closes_at.filter(|_| opening);
        Stage {
            clocks: Clocks::new(inherited, &terms, at),
            terms,
            members: Members::new(policy.billing.basis, at),
            state: SessionState::Waiting,
            overlap: false,
            away: Away::default(),
            below_since: None,
            window_closes: closes
                .map(|secs| at + Millis::from_secs(secs).saturating_sub(Millis(now.unix.0))),
            next_interim: None,
            outputs: VecDeque::new(),
            policy,
        }
    }

    pub(super) const fn state(&self) -> SessionState {
        self.state
    }

    pub(super) const fn ended(&self) -> bool {
        matches!(self.state, SessionState::Ended(_))
    }

    pub(super) const fn terms(&self) -> &Terms {
        &self.terms
    }

    pub(super) fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// A fact, true at `at` and applied at `t` (later only where it came too late to matter).
    pub(super) fn handle_fact(&mut self, at: Mono, t: Mono, who: Identity, fact: Fact) {
        self.count(t);
        let outputs = &mut self.outputs;
        match fact {
            Fact::Joined(standing) => self.members.handle_joined(at, who, standing, outputs),
            Fact::Present => self.members.handle_present(at, who, outputs),
            Fact::Vanished => self.members.handle_vanished(at, who, outputs),
            Fact::Left => self.members.handle_left(at, who, outputs),
            Fact::Media => self.members.handle_media(&who),
        }
        self.refresh(t);
    }

    /// A command, given at `t`.
    pub(super) fn handle_command(&mut self, t: Mono, command: Command) {
        self.count(t);
        match command {
            Command::Pause => self.on_request(t, true),
            Command::Resume => self.on_request(t, false),
            Command::Confirm(who) => self.on_confirm(t, who),
            Command::Extend(totals, change) => self.on_extend(t, totals, change),
            Command::Floor(who, direction, report) => self.on_floor(t, &who, direction, report),
            Command::Warn(warning) => self.warn(t, [*warning]),
        }
        self.refresh(t);
    }

    /// What was last reported of someone's floor, while they are here.
    pub(super) fn floor(&self, who: &Identity, direction: Direction) -> Option<FloorReport> {
        self.members.floor(who, direction)
    }

    /// What is left of `duration.max_min` at `t`, by these terms; nothing to say before it is live.
    pub(super) fn time_left(&self, terms: &Terms, t: Mono) -> Option<Millis> {
        self.clocks.time_left(terms, t)
    }

    /// What is left of the quota at `t`, which is not before the newest fact.
    pub(super) fn quota_left(&self, t: Mono) -> Option<Millis> {
        self.clocks.quota_left(&self.terms, self.state, t)
    }

    /// Whose packets decide how far event time may go, in groups.
    pub(super) fn groups(&self) -> Vec<Group> {
        self.members.groups(&self.policy.floor)
    }

    /// Everyone, for where nobody of the groups is connected.
    pub(super) fn everyone(&self) -> Group {
        self.members.everyone()
    }

    /// Counts the time up to `t` in the state that it was spent in.
    fn count(&mut self, t: Mono) {
        self.clocks.count(self.state, t);
    }

    /// A pause by request, or its end. There is none before the session was live.
    fn on_request(&mut self, t: Mono, pause: bool) {
        let running = matches!(self.state, SessionState::Live | SessionState::Paused(_));
        if (running || !pause) && self.terms.paused != pause {
            self.terms.paused = pause;
            self.say_terms(t, None);
        }
    }

    /// New totals of quota and duration.
    fn on_extend(&mut self, t: Mono, (quota_s, max_min): NewTotals, change: TermsChange) {
        if quota_s.is_some() {
            self.terms.quota_s = quota_s;
            self.clocks.on_quota(&self.terms);
        }
        if let Some(max_min) = max_min {
            self.terms.max_min = max_min;
            self.clocks.on_duration(&self.terms, t);
        }
        self.say_terms(t, Some(change));
    }

    fn on_floor(&mut self, t: Mono, who: &Identity, direction: Direction, report: FloorReport) {
        let news = self.members.handle_floor(t, who, direction, report);
        let turned = news.turned && self.policy.floor.does(OnBreach::Notify);
        self.outputs.extend(news.output);
        self.warn(t, turned.then(|| Warning::floor(who, direction, report)));
    }

    /// Ends the session.
    pub(super) fn end(&mut self, t: Mono, reason: EndReason) {
        if !self.ended() {
            self.count(t);
            self.set_state(t, SessionState::Ended(reason));
        }
    }

    /// Looks at the sides again and moves to the state that follows.
    fn refresh(&mut self, t: Mono) {
        if self.ended() {
            return;
        }
        let sides = self.members.clock_sides();
        let both = self.members.role_sides().both();
        if both != self.overlap {
            self.overlap = both;
            self.outputs.push_back(Output::Overlap { at: t, both });
        }
        self.away.follow(sides, t);
        // Waiting, live, and at once paused, where that holds already.
        loop {
            let next = self.next_state(t, sides);
            if next == self.state {
                return;
            }
            self.set_state(t, next);
        }
    }

    fn next_state(&mut self, t: Mono, sides: Sides) -> SessionState {
        match self.state {
            SessionState::Waiting if sides.both() && self.members.media_once() => {
                SessionState::Live
            }
            SessionState::Live | SessionState::Paused(_) => {
                let below = self.members.below_floor(sides);
                self.below_since = below.then(|| self.below_since.unwrap_or(t));
                if self.policy.duration.on_exhausted == OnExhausted::Continue {
                    let warning = self.clocks.on_exhausted(&self.terms);
                    self.warn(t, warning);
                }
                let ends = self.policy.duration.on_exhausted == OnExhausted::End;
                if ends && self.clocks.exhausted(&self.terms) {
                    return SessionState::Ended(EndReason::QuotaExhausted);
                }
                self.holds(sides)
                    .first()
                    .map_or(SessionState::Live, |first| SessionState::Paused(*first))
            }
            SessionState::Waiting | SessionState::Ended(_) => self.state,
        }
    }

    /// Every reason for a pause that holds now; the first in the order of precedence is the reason.
    fn holds(&self, sides: Sides) -> BTreeSet<PauseReason> {
        let pauses = self.policy.duration.on_exhausted == OnExhausted::PauseBilling;
        let overdue = self.terms.prompt.as_ref().is_some_and(|open| open.overdue);
        let below = self.below_since.is_some() && self.policy.floor.does(OnBreach::PauseBilling);
        [
            (PauseReason::ByRequest, self.terms.paused),
            (
                PauseReason::QuotaExhausted,
                pauses && self.clocks.exhausted(&self.terms),
            ),
            (PauseReason::PresenceUnconfirmed, overdue),
            (PauseReason::Reconnecting, sides.reconnecting),
            (PauseReason::ExpertAway, !sides.expert),
            (PauseReason::CustomerAway, !sides.customer),
            (PauseReason::BelowFloor, below),
        ]
        .into_iter()
        .filter_map(|(reason, holds)| holds.then_some(reason))
        .collect()
    }

    fn set_state(&mut self, t: Mono, state: SessionState) {
        if self.state == SessionState::Waiting {
            // They have met: how long one waited for the other is no absence.
            self.away = Away::default();
        }
        self.state = state;
        self.next_interim = None;
        if state == SessionState::Live {
            self.next_interim = Some(t + Millis::from_secs(self.policy.billing.interim_s));
            self.clocks.on_live(&self.terms, t);
        }
        self.outputs.push_back(Output::State { at: t, state });
    }

    fn warn(&mut self, at: Mono, warnings: impl IntoIterator<Item = Warning>) {
        let warnings = warnings.into_iter();
        self.outputs
            .extend(warnings.map(|warning| Output::Warning { at, warning }));
    }
}
