//! The state machine of the contract, in event time: it is told each fact at its moment, in order,
//! and never looks ahead. Everything it announces is final.

mod clocks;
mod deadlines;
mod output;
mod prompt;
mod sides;

pub use output::{Change, Output, Reason};
pub use prompt::Prompt;
pub(super) use sides::Group;

use super::presence::Fact;
use super::{OnBreach, OnExhausted, Policy, Standing};
use crate::base::{
    Direction, EndReason, FloorReport, FloorState, Identity, Inherited, Millis, Mono, Now,
    PauseReason, SessionState, Terms, Warning,
};
use clocks::Clocks;
use sides::{Member, Place, Sides, slot};
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// Something that the app, the node or a participant wants, or reports, at a moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Command {
    /// The app asks for a pause.
    Pause,
    /// The app asks for its end.
    Resume,
    /// Someone is still there; nobody: the app says so.
    Confirm(Option<Identity>),
    /// New totals.
    Extend {
        quota_s: Option<u64>,
        max_min: Option<u64>,
    },
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
    members: BTreeMap<Identity, Member>,
    /// Someone had a role once: from then on roles make the sides.
    roles: bool,
    state: SessionState,
    overlap: bool,
    /// Since when each side is away.
    expert_away: Option<Mono>,
    customer_away: Option<Mono>,
    /// The last moment at which anyone was here or was let in.
    stirred: Mono,
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
            members: BTreeMap::new(),
            roles: false,
            state: SessionState::Waiting,
            overlap: false,
            expert_away: Some(at),
            customer_away: Some(at),
            stirred: at,
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
        match fact {
            Fact::Joined(standing) => self.on_joined(at, who, standing),
            Fact::Present => self.on_present(at, who),
            Fact::Vanished => self.on_absent(at, who, Place::Vanished),
            Fact::Left => self.on_left(at, who),
            Fact::Media => {
                if let Some(member) = self.members.get_mut(&who) {
                    member.media = true;
                }
            }
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
            Command::Extend { quota_s, max_min } => {
                self.on_extend(t, quota_s, max_min);
                self.say_terms(t, Some(Change::Extended));
            }
            Command::Floor(who, direction, report) => self.on_floor(t, &who, direction, report),
            Command::Warn(warning) => self.warn(t, *warning),
        }
        self.refresh(t);
    }

    /// What was last reported of someone's floor, while they are here.
    pub(super) fn floor(&self, who: &Identity, direction: Direction) -> Option<FloorReport> {
        self.members.get(who)?.floor[slot(direction)]
    }

    fn on_joined(&mut self, at: Mono, who: Identity, standing: Standing) {
        let order = self.members.len();
        self.roles |= standing.role.is_some();
        let member = self.members.entry(who.clone()).or_insert(Member {
            standing,
            order,
            place: Place::Expected,
            since: at,
            media: false,
            floor: [None; 2],
        });
        member.standing = standing;
        self.stirred = self.stirred.max(at);
        self.outputs.push_back(Output::Joined { at, who });
    }

    fn on_present(&mut self, at: Mono, who: Identity) {
        let Some(member) = self.members.get_mut(&who) else {
            return;
        };
        member.place = Place::Here;
        member.since = at;
        self.outputs.push_back(Output::Presence {
            at,
            who,
            present: true,
        });
    }

    fn on_absent(&mut self, at: Mono, who: Identity, place: Place) {
        let Some(member) = self.members.get_mut(&who) else {
            return;
        };
        if member.place != Place::Here {
            return;
        }
        member.place = place;
        member.since = at;
        // What was promised to them is promised anew when they come again.
        member.floor = [None; 2];
        self.stirred = self.stirred.max(at);
        self.outputs.push_back(Output::Presence {
            at,
            who,
            present: false,
        });
    }

    /// Present until the leave, unless they had vanished before: then until their last packet.
    fn on_left(&mut self, at: Mono, who: Identity) {
        self.on_absent(at, who.clone(), Place::Vanished);
        let Some(member) = self.members.get_mut(&who) else {
            return;
        };
        match member.place {
            Place::Vanished => {
                let at = member.since;
                self.outputs.push_back(Output::Gone { at, who });
                member.place = Place::Gone { explicit: true };
            }
            Place::Gone { .. } => member.place = Place::Gone { explicit: true },
            Place::Here | Place::Expected => {}
        }
    }

    /// A pause by request, or its end. There is none before the session was live.
    fn on_request(&mut self, t: Mono, pause: bool) {
        let running = matches!(self.state, SessionState::Live | SessionState::Paused(_));
        if (running || !pause) && self.terms.paused != pause {
            self.terms.paused = pause;
            self.say_terms(t, None);
        }
    }

    fn on_floor(&mut self, t: Mono, who: &Identity, direction: Direction, report: FloorReport) {
        let Some(member) = self.members.get_mut(who) else {
            return;
        };
        if member.place != Place::Here {
            return;
        }
        let is = |report: &FloorReport| report.state == FloorState::Breached;
        let before = member.floor[slot(direction)].replace(report);
        let (was, breached) = (before.as_ref().is_some_and(is), is(&report));
        let by = before.and_then(|before| before.limited_by);
        if was != breached || (breached && by != report.limited_by) {
            self.outputs.push_back(Output::Floor {
                at: t,
                who: who.clone(),
                direction,
                breached,
                limited_by: report.limited_by,
            });
        }
        if was != breached && self.policy.floor.does(OnBreach::Notify) {
            self.warn(t, Warning::floor(who, direction, report));
        }
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
        let sides = self.clock_sides();
        let both = self.role_sides().both();
        if both != self.overlap {
            self.overlap = both;
            self.outputs.push_back(Output::Overlap { at: t, both });
        }
        self.expert_away = if sides.expert {
            None
        } else {
            self.expert_away.or(Some(t))
        };
        self.customer_away = if sides.customer {
            None
        } else {
            self.customer_away.or(Some(t))
        };
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
            SessionState::Waiting if sides.both() && self.media_once() => SessionState::Live,
            SessionState::Live | SessionState::Paused(_) => {
                let below = self.below_floor(sides);
                self.below_since = below.then(|| self.below_since.unwrap_or(t));
                self.tell_exhausted(t);
                let ends = self.policy.duration.on_exhausted == OnExhausted::End;
                if ends && self.exhausted() {
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
            (PauseReason::QuotaExhausted, pauses && self.exhausted()),
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
        self.state = state;
        self.next_interim = None;
        if state == SessionState::Live {
            self.next_interim = Some(t + Millis::from_secs(self.policy.billing.interim_s));
            self.on_live(t);
        }
        self.outputs.push_back(Output::State { at: t, state });
    }
}
