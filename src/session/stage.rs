//! The state machine of the contract, in event time: it is told each fact at its moment, in order,
//! and never looks ahead. Everything it announces is final.

use super::presence::Fact;
use super::{Basis, NOBODY, Policy, Standing};
use crate::base::{EndReason, Identity, Millis, Mono, PauseReason, Role, SessionState};
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// What a session announces, in event-time order (a participant whose coming or going moves no
/// side may be announced a little late, with their own earlier time).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// A connection took its place; its participant may become present from now on.
    Joined {
        /// When.
        at: Mono,
        /// Whose.
        who: Identity,
    },
    /// A participant became present or absent.
    Presence {
        /// When: their first or last authenticated packet, or their leave.
        at: Mono,
        /// Who.
        who: Identity,
        /// Present from then on.
        present: bool,
    },
    /// An absence became final: they left, or the grace time is over.
    Gone {
        /// When they were last present.
        at: Mono,
        /// Who.
        who: Identity,
    },
    /// An expert and a customer are both present, or no longer.
    Overlap {
        /// From when.
        at: Mono,
        /// Both present.
        both: bool,
    },
    /// The state changed.
    State {
        /// From when.
        at: Mono,
        /// To what.
        state: SessionState,
    },
    /// Time for an interim report.
    Interim {
        /// When.
        at: Mono,
    },
}

impl Output {
    /// The moment it speaks of.
    pub const fn at(&self) -> Mono {
        match self {
            Output::Joined { at, .. }
            | Output::Presence { at, .. }
            | Output::Gone { at, .. }
            | Output::Overlap { at, .. }
            | Output::State { at, .. }
            | Output::Interim { at } => *at,
        }
    }
}

/// Why a session wants to be woken. Ordered: of two deadlines at one moment the first comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reason {
    /// `duration.max_min` is over.
    MaxDuration,
    /// A side stayed away.
    Abandoned,
    /// Nobody is here.
    Nobody,
    /// Someone's grace time is over.
    Grace,
    /// An interim report is due.
    Interim,
    /// Someone was not heard for too long.
    Vanished,
}

/// Where a participant is, as far as event time has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// Connected, not heard yet.
    Expected,
    /// Present.
    Here,
    /// Absent, within the grace time.
    Vanished,
    /// Absent for good, unless they come again.
    Gone { explicit: bool },
}

#[derive(Debug)]
struct Member {
    standing: Standing,
    /// Position in the order of first joins.
    order: usize,
    place: Place,
    /// Since when they are in that place; for an absence their last moment present.
    since: Mono,
    media: bool,
}

/// The two sides of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Side {
    Expert,
    Customer,
}

/// Both sides at one moment.
#[derive(Clone, Copy, Debug)]
struct Sides {
    expert: bool,
    customer: bool,
    /// A side is away, and one of its members vanished less than the grace time ago.
    reconnecting: bool,
}

impl Sides {
    const fn both(self) -> bool {
        self.expert && self.customer
    }
}

/// A set of participants whose presence decides something once `need` of them are here.
#[derive(Debug)]
pub(super) struct Group {
    pub(super) need: usize,
    /// Each with whether they are here at the watermark.
    pub(super) members: Vec<(Identity, bool)>,
}

/// State, sides and deadlines of one session.
#[derive(Debug)]
pub(super) struct Stage {
    policy: Policy,
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
    duration_ends: Option<Mono>,
    /// What a session that this one continues has used of `duration.max_min`.
    duration_used: Millis,
    next_interim: Option<Mono>,
    outputs: VecDeque<Output>,
}

impl Stage {
    pub(super) fn new(policy: Policy, duration_used: Millis, at: Mono) -> Stage {
        Stage {
            policy,
            members: BTreeMap::new(),
            roles: false,
            state: SessionState::Waiting,
            overlap: false,
            expert_away: Some(at),
            customer_away: Some(at),
            stirred: at,
            duration_ends: None,
            duration_used,
            next_interim: None,
            outputs: VecDeque::new(),
        }
    }

    pub(super) const fn state(&self) -> SessionState {
        self.state
    }

    pub(super) const fn ended(&self) -> bool {
        matches!(self.state, SessionState::Ended(_))
    }

    pub(super) fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// A fact, true at `at` and applied at `t` (later only where it came too late to matter).
    pub(super) fn handle_fact(&mut self, at: Mono, t: Mono, who: Identity, fact: Fact) {
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

    fn on_joined(&mut self, at: Mono, who: Identity, standing: Standing) {
        let order = self.members.len();
        self.roles |= standing.role.is_some();
        let member = self.members.entry(who.clone()).or_insert(Member {
            standing,
            order,
            place: Place::Expected,
            since: at,
            media: false,
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

    /// The earliest deadline.
    pub(super) fn next_deadline(&self) -> Option<(Mono, Reason)> {
        if self.ended() {
            return None;
        }
        let away = [self.expert_away, self.customer_away]
            .into_iter()
            .flatten()
            .min();
        let abandoned = away
            .filter(|_| self.state != SessionState::Waiting)
            .map(|at| {
                (
                    at + Millis::from_secs(self.policy.abandon_after_s),
                    Reason::Abandoned,
                )
            });
        let nobody = self
            .members
            .values()
            .all(|member| member.place != Place::Here)
            .then(|| {
                (
                    self.stirred + NOBODY.max(self.policy.grace()),
                    Reason::Nobody,
                )
            });
        let grace = self
            .members
            .values()
            .filter(|member| member.place == Place::Vanished)
            .map(|member| (member.since + self.policy.grace(), Reason::Grace))
            .min();
        let duration = self.duration_ends.map(|at| (at, Reason::MaxDuration));
        let interim = self.next_interim.map(|at| (at, Reason::Interim));
        [duration, abandoned, nobody, grace, interim]
            .into_iter()
            .flatten()
            .min()
    }

    /// A deadline of [`Stage::next_deadline`] came at `t`.
    pub(super) fn handle_deadline(&mut self, t: Mono, reason: Reason) {
        match reason {
            Reason::MaxDuration => self.end(t, EndReason::MaxDuration),
            Reason::Abandoned => self.end(t, EndReason::Abandoned),
            Reason::Nobody => self.end(t, self.nobody_reason()),
            Reason::Grace => self.on_grace_over(t),
            Reason::Interim => {
                self.outputs.push_back(Output::Interim { at: t });
                self.next_interim = Some(t + Millis::from_secs(self.policy.billing.interim_s));
            }
            // Known by `Presence`, and a fact before it comes here.
            Reason::Vanished => {}
        }
    }

    /// Ends the session.
    pub(super) fn end(&mut self, t: Mono, reason: EndReason) {
        if !self.ended() {
            self.set_state(t, SessionState::Ended(reason));
        }
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

    /// Looks at the sides again and moves to the state that follows.
    fn refresh(&mut self, t: Mono) {
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
        let next = match self.state {
            SessionState::Waiting if sides.both() && self.media_once() => SessionState::Live,
            SessionState::Live | SessionState::Paused(_) => holds(sides)
                .first()
                .map_or(SessionState::Live, |first| SessionState::Paused(*first)),
            SessionState::Waiting | SessionState::Ended(_) => self.state,
        };
        if next != self.state {
            self.set_state(t, next);
        }
    }

    fn set_state(&mut self, t: Mono, state: SessionState) {
        self.state = state;
        self.next_interim = None;
        if state == SessionState::Live {
            self.next_interim = Some(t + Millis::from_secs(self.policy.billing.interim_s));
            let max = Millis(self.policy.duration.max_min * 60_000);
            self.duration_ends
                .get_or_insert(t + max.saturating_sub(self.duration_used));
        }
        self.outputs.push_back(Output::State { at: t, state });
    }

    /// The sides that drive the billing clock.
    fn clock_sides(&self) -> Sides {
        match self.policy.billing.basis {
            Basis::Overlap => self.role_sides(),
            Basis::Connected => {
                let here = self.any(Place::Here, attends);
                let reconnecting = !here && self.any(Place::Vanished, attends);
                Sides {
                    expert: here,
                    customer: here,
                    reconnecting,
                }
            }
        }
    }

    /// Expert and customer.
    fn role_sides(&self) -> Sides {
        let (expert, customer) = if self.roles {
            (
                self.any(Place::Here, |m| side(m) == Some(Side::Expert)),
                self.any(Place::Here, |m| side(m) == Some(Side::Customer)),
            )
        } else {
            self.sides_without_roles()
        };
        let reconnecting = self.any(Place::Vanished, |m| {
            if self.roles {
                side(m) == Some(Side::Expert) && !expert
                    || side(m) == Some(Side::Customer) && !customer
            } else {
                m.standing.counts && !(expert && customer)
            }
        });
        Sides {
            expert,
            customer,
            reconnecting,
        }
    }

    /// Any two are the two sides; of one alone, the earliest joiner stands for the expert.
    fn sides_without_roles(&self) -> (bool, bool) {
        let counted = || self.members.values().filter(|m| m.standing.counts);
        let here = counted().filter(|m| m.place == Place::Here).count();
        let first = counted()
            .min_by_key(|m| m.order)
            .is_some_and(|m| m.place == Place::Here);
        (here >= 2 || first, here >= 2 || (here == 1 && !first))
    }

    /// Media was heard once from an expert (without roles: from anyone who counts).
    fn media_once(&self) -> bool {
        self.policy.billing.basis == Basis::Connected
            || self.members.values().any(|m| {
                m.media
                    && if self.roles {
                        side(m) == Some(Side::Expert)
                    } else {
                        m.standing.counts
                    }
            })
    }

    fn any(&self, place: Place, of: impl Fn(&Member) -> bool) -> bool {
        self.members
            .values()
            .any(|member| member.place == place && of(member))
    }

    /// Whose packets decide how far event time may go, in groups; everyone, where nobody of those
    /// is connected, is the last.
    pub(super) fn groups(&self) -> Vec<Group> {
        let mut groups = if self.roles {
            vec![
                self.group(1, |m| side(m) == Some(Side::Expert)),
                self.group(1, |m| side(m) == Some(Side::Customer)),
            ]
        } else {
            vec![self.group(2, |m| m.standing.counts)]
        };
        if self.policy.billing.basis == Basis::Connected {
            groups.push(self.group(1, attends));
        }
        groups
    }

    /// Everyone.
    pub(super) fn everyone(&self) -> Group {
        self.group(1, |_| true)
    }

    fn group(&self, need: usize, of: impl Fn(&Member) -> bool) -> Group {
        let members = self.members.iter().filter(|(_, member)| of(member));
        Group {
            need,
            members: members
                .map(|(who, member)| (who.clone(), member.place == Place::Here))
                .collect(),
        }
    }
}

/// Every reason for a pause that holds now; the first in the order of precedence is the reason.
fn holds(sides: Sides) -> BTreeSet<PauseReason> {
    let mut holds = BTreeSet::new();
    if sides.reconnecting {
        holds.insert(PauseReason::Reconnecting);
    }
    if !sides.expert {
        holds.insert(PauseReason::ExpertAway);
    }
    if !sides.customer {
        holds.insert(PauseReason::CustomerAway);
    }
    holds
}

/// Takes part in a session whose basis is `connected`.
fn attends(member: &Member) -> bool {
    match member.standing.role {
        Some(Role::Observer) => false,
        Some(Role::Expert | Role::Customer | Role::Guest) => true,
        None => member.standing.counts,
    }
}

/// The side that a role stands for.
fn side(member: &Member) -> Option<Side> {
    match member.standing.role {
        Some(Role::Expert) => Some(Side::Expert),
        Some(Role::Customer) => Some(Side::Customer),
        Some(Role::Guest | Role::Observer) | None => None,
    }
}
