//! Who is in the room, and what they may get.

use super::keys::{MemberKey, TrackKey};
use super::tracks::audience::Audience;
use crate::base::{Identity, Role, TrackSid};
use crate::media::Mid;
use std::collections::BTreeMap;

/// What a member may and wants to get.
#[derive(Clone, Debug)]
pub struct MemberOptions {
    /// By which publishers name it.
    pub identity: Identity,
    /// The others are not told of it, so nobody gets what it publishes.
    pub hidden: bool,
    /// Subscribe to everything without being asked.
    pub auto_subscribe: bool,
    /// The token allows subscribing.
    pub can_subscribe: bool,
    /// From the token: whose camera comes first depends on it.
    pub role: Option<Role>,
}

/// A member, and what it sends.
#[derive(Debug)]
pub(super) struct Member {
    pub(super) options: MemberOptions,
    /// Subscribes to all that is published once the member's connection is up.
    pub(super) active: bool,
    /// Who may have what it publishes.
    pub(super) audience: Audience,
    /// Its media sections, and the tracks that they carry.
    pub(super) sections: BTreeMap<Mid, TrackKey>,
}

/// Whether a member may have a track.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Access {
    /// It may.
    Granted,
    /// Its publisher does not want that, and may change its mind.
    Denied,
    /// Its token forbids that, or it was not told of the publisher.
    Never,
}

/// All members.
#[derive(Debug, Default)]
pub(super) struct Members(BTreeMap<MemberKey, Member>);

impl Members {
    pub(super) fn insert(&mut self, member: MemberKey, options: MemberOptions) {
        let state = Member {
            options,
            active: false,
            audience: Audience::default(),
            sections: BTreeMap::new(),
        };
        self.0.insert(member, state);
    }

    pub(super) fn remove(&mut self, member: MemberKey) {
        self.0.remove(&member);
    }

    pub(super) fn member(&self, member: MemberKey) -> Option<&Member> {
        self.0.get(&member)
    }

    pub(super) fn member_mut(&mut self, member: MemberKey) -> Option<&mut Member> {
        self.0.get_mut(&member)
    }

    pub(super) fn role(&self, member: MemberKey) -> Option<Role> {
        self.member(member).and_then(|member| member.options.role)
    }

    /// Whether a member may have a publisher's track.
    pub(super) fn access(
        &self,
        member: MemberKey,
        publisher: MemberKey,
        track: &TrackSid,
    ) -> Access {
        let (Some(member), Some(publisher)) = (self.member(member), self.member(publisher)) else {
            return Access::Never;
        };
        if !member.options.can_subscribe || publisher.options.hidden {
            Access::Never
        } else if publisher.audience.admits(&member.options.identity, track) {
            Access::Granted
        } else {
            Access::Denied
        }
    }

    /// What carries the track carries it no longer.
    pub(super) fn forget(&mut self, publisher: MemberKey, track: TrackKey) {
        if let Some(member) = self.0.get_mut(&publisher) {
            member.sections.retain(|_, carried| *carried != track);
        }
    }

    /// Those who take whatever is published.
    pub(super) fn willing(&self) -> impl Iterator<Item = MemberKey> {
        let willing = |member: &Member| member.active && member.options.auto_subscribe;
        let members = self.0.iter();
        members.filter_map(move |(key, member)| willing(member).then_some(*key))
    }
}
