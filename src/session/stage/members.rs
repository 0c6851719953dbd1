//! The participants of a session: who is expected, here, vanished or gone, as far as event time has come.

use super::output::Output;
use crate::base::{
    Direction, EndReason, FloorReport, FloorState, Identity, Millis, Mono, SessionState,
};
use crate::session::{Basis, Standing};
use std::collections::{BTreeMap, VecDeque};

/// Where a participant is, as far as event time has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Attendance {
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
    pub(super) attendance: Attendance,
    /// Since when that holds; for an absence their last moment present.
    pub(super) since: Mono,
    pub(super) media: bool,
    /// What was last reported of their floor while they were here, up and down.
    floor: [Option<FloorReport>; 2],
}

/// What a report of someone's floor changes.
#[derive(Debug, Default)]
pub(super) struct FloorNews {
    /// What to announce.
    pub(super) output: Option<Output>,
    /// It is breached from now on, or no longer.
    pub(super) turned: bool,
}

/// Which of the two reports of a member is that of a direction.
const fn slot(direction: Direction) -> usize {
    match direction {
        Direction::Up => 0,
        Direction::Down => 1,
    }
}

impl Member {
    pub(super) fn is_here(&self) -> bool {
        self.attendance == Attendance::Here
    }

    /// The promise to them is not kept, in either direction.
    pub(super) fn breached(&self) -> bool {
        self.floor
            .iter()
            .flatten()
            .any(|report| report.state == FloorState::Breached)
    }
}

/// Everyone who ever joined.
#[derive(Debug)]
pub(super) struct Members {
    /// What the billing clock goes by.
    pub(super) basis: Basis,
    pub(super) people: BTreeMap<Identity, Member>,
    /// Someone had a role once: from then on roles make the sides.
    pub(super) roles: bool,
    /// The last moment at which anyone was here or was let in.
    stirred: Mono,
}

impl Members {
    pub(super) const fn new(basis: Basis, at: Mono) -> Members {
        Members {
            basis,
            people: BTreeMap::new(),
            roles: false,
            stirred: at,
        }
    }

    pub(super) fn handle_joined(
        &mut self,
        at: Mono,
        who: Identity,
        standing: Standing,
        outputs: &mut VecDeque<Output>,
    ) {
        let order = self.people.len();
        self.roles |= standing.role.is_some();
        let member = self.people.entry(who.clone()).or_insert(Member {
            standing,
            order,
            attendance: Attendance::Expected,
            since: at,
            media: false,
            floor: [None; 2],
        });
        member.standing = standing;
        self.stirred = self.stirred.max(at);
        outputs.push_back(Output::Joined { at, who });
    }

    pub(super) fn handle_present(
        &mut self,
        at: Mono,
        who: Identity,
        outputs: &mut VecDeque<Output>,
    ) {
        let Some(member) = self.people.get_mut(&who) else {
            return;
        };
        member.attendance = Attendance::Here;
        member.since = at;
        outputs.push_back(Output::Presence {
            at,
            who,
            present: true,
        });
    }

    pub(super) fn handle_vanished(
        &mut self,
        at: Mono,
        who: Identity,
        outputs: &mut VecDeque<Output>,
    ) {
        let Some(member) = self.here(&who) else {
            return;
        };
        member.attendance = Attendance::Vanished;
        member.since = at;
        // What was promised to them is promised anew when they come again.
        member.floor = [None; 2];
        self.stirred = self.stirred.max(at);
        outputs.push_back(Output::Presence {
            at,
            who,
            present: false,
        });
    }

    /// Present until the leave, unless they had vanished before: then until their last packet.
    pub(super) fn handle_left(&mut self, at: Mono, who: Identity, outputs: &mut VecDeque<Output>) {
        self.handle_vanished(at, who.clone(), outputs);
        let Some(member) = self.people.get_mut(&who) else {
            return;
        };
        match member.attendance {
            Attendance::Vanished => {
                let at = member.since;
                outputs.push_back(Output::Gone { at, who });
                member.attendance = Attendance::Gone { explicit: true };
            }
            Attendance::Gone { .. } => member.attendance = Attendance::Gone { explicit: true },
            Attendance::Here | Attendance::Expected => {}
        }
    }

    pub(super) fn handle_media(&mut self, who: &Identity) {
        if let Some(member) = self.people.get_mut(who) {
            member.media = true;
        }
    }

    /// At `t` those are gone who vanished `grace` ago or earlier.
    pub(super) fn handle_grace_over(
        &mut self,
        t: Mono,
        grace: Millis,
        outputs: &mut VecDeque<Output>,
    ) {
        for (who, member) in &mut self.people {
            if member.attendance == Attendance::Vanished && member.since + grace <= t {
                member.attendance = Attendance::Gone { explicit: false };
                outputs.push_back(Output::Gone {
                    at: member.since,
                    who: who.clone(),
                });
            }
        }
    }

    /// How the floor of someone who is here stands at `t`.
    pub(super) fn handle_floor(
        &mut self,
        t: Mono,
        who: &Identity,
        direction: Direction,
        report: FloorReport,
    ) -> FloorNews {
        let Some(member) = self.here(who) else {
            return FloorNews::default();
        };
        let is = |report: &FloorReport| report.state == FloorState::Breached;
        let before = member.floor[slot(direction)].replace(report);
        let (was, breached) = (before.as_ref().is_some_and(is), is(&report));
        let by = before.and_then(|before| before.limited_by);
        let news = was != breached || (breached && by != report.limited_by);
        FloorNews {
            output: news.then(|| Output::Floor {
                at: t,
                who: who.clone(),
                direction,
                breached,
                limited_by: report.limited_by,
            }),
            turned: was != breached,
        }
    }

    /// What was last reported of someone's floor, while they are here.
    pub(super) fn floor(&self, who: &Identity, direction: Direction) -> Option<FloorReport> {
        self.people.get(who)?.floor[slot(direction)]
    }

    /// Someone who is here.
    fn here(&mut self, who: &Identity) -> Option<&mut Member> {
        self.people.get_mut(who).filter(|member| member.is_here())
    }

    /// Since when nobody is here; none while anyone is.
    pub(super) fn deserted_since(&self) -> Option<Mono> {
        let deserted = !self.people.values().any(Member::is_here);
        deserted.then_some(self.stirred)
    }

    /// When the first of those who vanished did so.
    pub(super) fn first_vanished(&self) -> Option<Mono> {
        let all = self.people.values();
        let vanished = all.filter(|member| member.attendance == Attendance::Vanished);
        vanished.map(|member| member.since).min()
    }

    /// Why a session ends that everyone has deserted: as the last of them went.
    pub(super) fn deserted_reason(&self, state: SessionState) -> EndReason {
        if state == SessionState::Waiting {
            return EndReason::NoShow;
        }
        let heard = |member: &&Member| member.attendance != Attendance::Expected;
        let last = self.people.values().filter(heard);
        match last
            .max_by_key(|member| member.since)
            .map(|member| member.attendance)
        {
            Some(Attendance::Gone { explicit: true }) => EndReason::Left,
            Some(
                Attendance::Gone { explicit: false }
                | Attendance::Vanished
                | Attendance::Here
                | Attendance::Expected,
            )
            | None => EndReason::Abandoned,
        }
    }
}
