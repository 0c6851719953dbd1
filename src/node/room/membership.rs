//! Who is in a room. Whoever has to go is queued, and leaves at the end of the step: until then every
//! key stays what it was.

use crate::base::{Identity, Millis, Mono};
use crate::node::member::{DisconnectCause, Member};
use crate::peer::signal::{LeaveAction, LeaveReason};
use slab::Slab;
use std::collections::VecDeque;

/// Departed participants that are remembered for the length of the grace time.
const MAX_DEPARTED: usize = 256;

/// How billing is to take a leave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::node) enum Departure {
    /// The participant said so, or was removed.
    Explicit,
    /// The connection was lost: they may come back.
    Lost,
    /// A newer join goes on where this one ends, or the session is over: billing hears nothing.
    Unbilled,
}

/// How a member leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::node) struct Leave {
    /// What the client is to do.
    pub(in crate::node) action: LeaveAction,
    /// Why, for the client and for the others.
    pub(in crate::node) reason: LeaveReason,
    pub(in crate::node) departure: Departure,
}

impl Leave {
    /// By the participant's own will, or because they never came in.
    pub(in crate::node) const fn explicit(reason: LeaveReason) -> Leave {
        Leave {
            action: LeaveAction::Disconnect,
            reason,
            departure: Departure::Explicit,
        }
    }

    /// The connection is gone; the client joins again.
    pub(in crate::node) const fn lost(reason: LeaveReason) -> Leave {
        Leave {
            action: LeaveAction::Reconnect,
            reason,
            departure: Departure::Lost,
        }
    }

    pub(in crate::node) const fn unbilled(action: LeaveAction, reason: LeaveReason) -> Leave {
        Leave {
            action,
            reason,
            departure: Departure::Unbilled,
        }
    }
}

impl From<DisconnectCause> for Leave {
    fn from(cause: DisconnectCause) -> Leave {
        match cause {
            DisconnectCause::NeverConnected => Leave::explicit(LeaveReason::JoinFailure),
            DisconnectCause::Silent => Leave::lost(LeaveReason::ConnectionTimeout),
            DisconnectCause::Unanswered | DisconnectCause::Closed | DisconnectCause::Stalled => {
                Leave::lost(LeaveReason::MediaFailure)
            }
        }
    }
}

/// The members of a room.
pub(in crate::node) struct Membership {
    members: Slab<Member>,
    leaving: VecDeque<(usize, Leave)>,
    /// Who left lately: their rejoin is never refused by capacity.
    departed: VecDeque<(Identity, Mono)>,
    grace: Millis,
}

impl Membership {
    /// `grace`: for how long whoever left has a place.
    pub(in crate::node) fn new(grace: Millis) -> Membership {
        Membership {
            members: Slab::new(),
            leaving: VecDeque::new(),
            departed: VecDeque::new(),
            grace,
        }
    }

    pub(in crate::node) fn insert(&mut self, member: Member) -> usize {
        self.members.insert(member)
    }

    pub(in crate::node) fn at(&self, key: usize) -> Option<&Member> {
        self.members.get(key)
    }

    pub(in crate::node) fn at_mut(&mut self, key: usize) -> Option<&mut Member> {
        self.members.get_mut(key)
    }

    pub(in crate::node) fn len(&self) -> usize {
        self.members.len()
    }

    /// In the order of their keys.
    pub(in crate::node) fn iter(&self) -> impl Iterator<Item = (usize, &Member)> {
        self.members.iter()
    }

    pub(in crate::node) fn iter_mut(&mut self) -> impl Iterator<Item = (usize, &mut Member)> {
        self.members.iter_mut()
    }

    pub(in crate::node) fn keys(&self) -> Vec<usize> {
        self.members.iter().map(|(key, _)| key).collect()
    }

    pub(in crate::node) fn find(&self, identity: &Identity) -> Option<usize> {
        let mut members = self.members.iter();
        let found = members.find(|(_, member)| member.identity() == identity);
        found.map(|(key, _)| key)
    }

    /// A member has to go, at the end of this step. The first word counts.
    pub(in crate::node) fn leave(&mut self, key: usize, leave: Leave) {
        let known = self.leaving.iter().any(|(leaving, _)| *leaving == key);
        if self.members.contains(key) && !known {
            self.leaving.push_back((key, leave));
        }
    }

    /// Everyone has to go.
    pub(in crate::node) fn leave_all(&mut self, leave: Leave) {
        for key in self.keys() {
            self.leave(key, leave);
        }
    }

    /// The next one to go. The key is free after `remove`.
    pub(in crate::node) fn poll_leaving(&mut self) -> Option<(usize, Leave)> {
        self.leaving.pop_front()
    }

    pub(in crate::node) fn remove(&mut self, key: usize, now: Mono) -> Option<Member> {
        let member = self.members.try_remove(key)?;
        if self.departed.len() == MAX_DEPARTED {
            self.departed.pop_front();
        }
        self.departed.push_back((member.identity().clone(), now));
        Some(member)
    }

    pub(in crate::node) fn left_lately(&mut self, identity: &Identity, now: Mono) -> bool {
        let grace = self.grace;
        self.departed.retain(|(_, at)| now.since(*at) < grace);
        self.departed.iter().any(|(left, _)| left == identity)
    }
}
