//! The two sides of a session, and whose packets decide about them.

use super::members::{Attendance, Member, Members};
use crate::base::{Identity, Mono, Role};
use crate::session::{Basis, Floor, OnBreach, PRESENCE};

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

/// An absence of a side. A presence that is shorter than the time for which one packet would hold does not
/// end it: who shows up for a moment every now and then stays away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Absence {
    since: Mono,
    /// The side is here for now, since then.
    back: Option<Mono>,
}

impl Absence {
    /// The absence after a look at the side at `t`.
    fn follow(absence: Option<Absence>, here: bool, t: Mono) -> Option<Absence> {
        let Some(absence) = absence else {
            return (!here).then_some(Absence {
                since: t,
                back: None,
            });
        };
        let stayed = absence.back.is_some_and(|back| t.since(back) >= PRESENCE);
        if here {
            let back = Some(absence.back.unwrap_or(t));
            return (!stayed).then_some(Absence { back, ..absence });
        }
        let since = if stayed { t } else { absence.since };
        Some(Absence { since, back: None })
    }
}

/// Since when each side is away.
#[derive(Debug, Default)]
pub(super) struct Away {
    expert: Option<Absence>,
    customer: Option<Absence>,
}

impl Away {
    /// The sides at `t`.
    pub(super) fn follow(&mut self, sides: Sides, t: Mono) {
        self.expert = Absence::follow(self.expert, sides.expert, t);
        self.customer = Absence::follow(self.customer, sides.customer, t);
    }

    /// Since when one of them is.
    pub(super) fn earliest(&self) -> Option<Mono> {
        let away = [self.expert, self.customer].into_iter().flatten();
        let away = away.filter(|absence| absence.back.is_none());
        away.map(|absence| absence.since).min()
    }
}

/// A set of participants whose presence decides something once `need` of them are here.
#[derive(Debug)]
pub(in crate::session) struct Group {
    pub(in crate::session) need: usize,
    /// Each with whether they are here at the watermark.
    pub(in crate::session) members: Vec<(Identity, bool)>,
}

impl Members {
    /// The sides that drive the billing clock.
    pub(super) fn clock_sides(&self) -> Sides {
        match self.basis {
            Basis::Overlap => self.role_sides(),
            Basis::Connected => {
                let here = self.any(Attendance::Here, attends);
                let reconnecting = !here && self.any(Attendance::Vanished, attends);
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
                self.any(Attendance::Here, |m| side(m) == Some(Side::Expert)),
                self.any(Attendance::Here, |m| side(m) == Some(Side::Customer)),
            )
        } else {
            self.sides_without_roles()
        };
        let reconnecting = self.any(Attendance::Vanished, |m| {
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
        let counted = || self.people.values().filter(|m| m.standing.counts);
        let here = counted().filter(|m| m.is_here()).count();
        let first = counted()
            .min_by_key(|m| m.order)
            .is_some_and(|m| m.is_here());
        (here >= 2 || first, here >= 2 || (here == 1 && !first))
    }

    /// Media was heard once from an expert (without roles: from anyone who counts).
    pub(super) fn media_once(&self) -> bool {
        self.basis == Basis::Connected
            || self.people.values().any(|m| {
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
        if !sides.both() || !self.people.values().any(Member::breached) {
            return false;
        }
        let good = |m: &Member| !m.breached();
        if self.basis == Basis::Connected {
            return !self.any(Attendance::Here, |m| attends(m) && good(m));
        }
        if self.roles {
            return ![Side::Expert, Side::Customer]
                .iter()
                .all(|of| self.any(Attendance::Here, |m| side(m) == Some(*of) && good(m)));
        }
        let pair = self.people.values();
        pair.filter(|m| m.is_here() && m.standing.counts && good(m))
            .count()
            < 2
    }

    fn any(&self, attendance: Attendance, of: impl Fn(&Member) -> bool) -> bool {
        self.people
            .values()
            .any(|member| member.attendance == attendance && of(member))
    }

    /// Whose packets decide how far event time may go, in groups; everyone, where nobody of those
    /// is connected, is the last. While someone is breached, it matters who else is here.
    pub(super) fn groups(&self, floor: &Floor) -> Vec<Group> {
        let mut groups = self.sides_of(|_| true);
        let matters = [OnBreach::PauseBilling, OnBreach::End]
            .iter()
            .any(|action| floor.does(*action));
        if matters && self.people.values().any(Member::breached) {
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
        if self.basis == Basis::Connected {
            groups.push(self.group(1, |m| attends(m) && of(m)));
        }
        groups
    }

    /// Everyone.
    pub(super) fn everyone(&self) -> Group {
        self.group(1, |_| true)
    }

    fn group(&self, need: usize, of: impl Fn(&Member) -> bool) -> Group {
        let members = self.people.iter().filter(|(_, member)| of(member));
        Group {
            need,
            members: members
                .map(|(who, member)| (who.clone(), member.is_here()))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_shows_up_for_a_moment_stays_away() {
        let at = Mono::from_millis;
        for (name, looks, expected) in [
            ("here from the start", vec![(0, true)], None),
            ("gone", vec![(0, true), (9_000, false)], Some(9_000)),
            ("back", vec![(9_000, false), (20_000, true)], None),
            (
                "back for one packet",
                vec![(9_000, false), (20_000, true), (20_000, false)],
                Some(9_000),
            ),
            (
                "back for less than five seconds, twice",
                vec![
                    (9_000, false),
                    (20_000, true),
                    (24_999, false),
                    (30_000, true),
                    (34_999, false),
                ],
                Some(9_000),
            ),
            (
                "back for five seconds",
                vec![(9_000, false), (20_000, true), (25_000, false)],
                Some(25_000),
            ),
            (
                "looked at in between",
                vec![
                    (9_000, false),
                    (20_000, true),
                    (25_000, true),
                    (26_000, false),
                ],
                Some(26_000),
            ),
        ] {
            let mut absence = None;
            for (ms, here) in looks {
                absence = Absence::follow(absence, here, at(ms));
            }
            let since = absence.filter(|absence| absence.back.is_none());
            assert_eq!(
                since.map(|absence| absence.since),
                expected.map(at),
                "{name}"
            );
        }
    }
}
