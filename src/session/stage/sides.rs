//! The two sides of a session, and whose packets decide about them.

use super::Stage;
use crate::base::{Direction, FloorReport, FloorState, Identity, Mono, Role};
use crate::session::{Basis, OnBreach, Standing};

/// Where a participant is, as far as event time has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
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
pub(super) struct Member {
    pub(super) standing: Standing,
    /// Position in the order of first joins.
    pub(super) order: usize,
    pub(super) place: Place,
    /// Since when they are in that place; for an absence their last moment present.
    pub(super) since: Mono,
    pub(super) media: bool,
    /// What was last reported of their floor while they were here, up and down.
    pub(super) floor: [Option<FloorReport>; 2],
}

/// Which of the two reports of a member is that of a direction.
pub(super) const fn slot(direction: Direction) -> usize {
    match direction {
        Direction::Up => 0,
        Direction::Down => 1,
    }
}

impl Member {
    /// The promise to them is not kept, in either direction.
    pub(super) fn breached(&self) -> bool {
        self.floor
            .iter()
            .flatten()
            .any(|report| report.state == FloorState::Breached)
    }
}

/// The two sides of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    Expert,
    Customer,
}

/// Both sides at one moment.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sides {
    pub(super) expert: bool,
    pub(super) customer: bool,
    /// A side is away, and one of its members vanished less than the grace time ago.
    pub(super) reconnecting: bool,
}

impl Sides {
    pub(super) const fn both(self) -> bool {
        self.expert && self.customer
    }
}

/// A set of participants whose presence decides something once `need` of them are here.
#[derive(Debug)]
pub(in crate::session) struct Group {
    pub(in crate::session) need: usize,
    /// Each with whether they are here at the watermark.
    pub(in crate::session) members: Vec<(Identity, bool)>,
}

impl Stage {
    /// The sides that drive the billing clock.
    pub(super) fn clock_sides(&self) -> Sides {
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
    pub(super) fn role_sides(&self) -> Sides {
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
    pub(super) fn media_once(&self) -> bool {
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

    /// Both sides are here, and no pair of them without a breach (with the basis `connected`:
    /// nobody without one).
    pub(super) fn below_floor(&self, sides: Sides) -> bool {
        if !sides.both() || !self.members.values().any(Member::breached) {
            return false;
        }
        let good = |m: &Member| !m.breached();
        if self.policy.billing.basis == Basis::Connected {
            return !self.any(Place::Here, |m| attends(m) && good(m));
        }
        if self.roles {
            return ![Side::Expert, Side::Customer]
                .iter()
                .all(|of| self.any(Place::Here, |m| side(m) == Some(*of) && good(m)));
        }
        let pair = self.members.values();
        pair.filter(|m| m.place == Place::Here && m.standing.counts && good(m))
            .count()
            < 2
    }

    fn any(&self, place: Place, of: impl Fn(&Member) -> bool) -> bool {
        self.members
            .values()
            .any(|member| member.place == place && of(member))
    }

    /// Whose packets decide how far event time may go, in groups; everyone, where nobody of those
    /// is connected, is the last. While someone is breached, it matters who else is here.
    pub(in crate::session) fn groups(&self) -> Vec<Group> {
        let mut groups = self.sides_of(|_| true);
        let matters = [OnBreach::PauseBilling, OnBreach::End]
            .iter()
            .any(|action| self.policy.floor.does(*action));
        if matters && self.members.values().any(Member::breached) {
            groups.extend(self.sides_of(|m| !m.breached()));
        }
        groups
    }

    fn sides_of(&self, of: impl Fn(&Member) -> bool) -> Vec<Group> {
        let mut groups = if self.roles {
            vec![
                self.group(1, |m| side(m) == Some(Side::Expert) && of(m)),
                self.group(1, |m| side(m) == Some(Side::Customer) && of(m)),
            ]
        } else {
            vec![self.group(2, |m| m.standing.counts && of(m))]
        };
        if self.policy.billing.basis == Basis::Connected {
            groups.push(self.group(1, |m| attends(m) && of(m)));
        }
        groups
    }

    /// Everyone.
    pub(in crate::session) fn everyone(&self) -> Group {
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

/// Takes part in a session whose basis is `connected`.
pub(super) fn attends(member: &Member) -> bool {
    match member.standing.role {
        Some(Role::Observer) => false,
        Some(Role::Expert | Role::Customer | Role::Guest) => true,
        None => member.standing.counts,
    }
}

/// The side that a role stands for.
pub(super) fn side(member: &Member) -> Option<Side> {
    match member.standing.role {
        Some(Role::Expert) => Some(Side::Expert),
        Some(Role::Customer) => Some(Side::Customer),
        Some(Role::Guest | Role::Observer) | None => None,
    }
}
