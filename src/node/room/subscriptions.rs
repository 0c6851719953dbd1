//! Who gets which track: those that are not there yet are waited for, and sections are negotiated for those
//! that are.

use super::awaited_tracks::AwaitedTracks;
use super::membership::Membership;
use super::notices::Notices;
use crate::base::{Mono, Now, TrackSid};
use crate::node::member::{Member, Side};
use crate::peer::signal::{Response, TrackSetting};
use crate::peer::transport::TransportError;
use crate::room::{MemberKey, Room, TrackKey, TrackSettings};
use std::collections::BTreeSet;

/// Tracks that a member wants, or wants no more.
#[derive(Clone, Copy, Debug)]
pub(in crate::node) struct SubscriptionRequest<'a> {
    pub(in crate::node) tracks: &'a [String],
    pub(in crate::node) on: bool,
}

/// A client's answer to an offer of ours; the id is 0 where the client does not name one.
#[derive(Clone, Copy, Debug)]
pub(in crate::node) struct SubscriberAnswer<'a> {
    pub(in crate::node) id: u32,
    pub(in crate::node) sdp: &'a str,
}

/// The subscriptions of a room's members.
#[derive(Default)]
pub(in crate::node) struct Subscriptions {
    awaited: AwaitedTracks,
    /// Members to whom something new is to be offered.
    due: BTreeSet<usize>,
}

impl Subscriptions {
    /// A member wants tracks, or wants them no more. A track that is not there yet is waited for;
    /// returns those that cannot be, for want of room.
    pub(in crate::node) fn handle_request(
        &mut self,
        member: usize,
        request: SubscriptionRequest<'_>,
        room: &mut Room,
        now: Mono,
    ) -> Vec<String> {
        let mut refused = Vec::new();
        for sid in request.tracks {
            match (room.track_for(MemberKey(member), sid), request.on) {
                (Some(track), true) => {
                    room.subscribe(MemberKey(member), track);
                }
                (Some(track), false) => room.unsubscribe(MemberKey(member), track),
                (None, true) => {
                    if !self.awaited.want(member, TrackSid::from(sid.as_str()), now) {
                        refused.push(sid.clone());
                    }
                }
                (None, false) => self.awaited.forget(member, sid),
            }
        }
        refused
    }

    /// A track can be had from now on: whoever waited for it gets it.
    pub(in crate::node) fn handle_published(&mut self, track: TrackKey, room: &mut Room) {
        let Some(publication) = room.publication(track) else {
            return;
        };
        let sid = publication.spec.sid.clone();
        for member in self.awaited.take(&sid) {
            room.subscribe(MemberKey(member), track);
        }
    }

    /// Something is to be offered to a member, at the end of the step.
    pub(in crate::node) fn request_offer(&mut self, member: usize) {
        self.due.insert(member);
    }

    /// Offers what is due.
    pub(in crate::node) fn offer(
        &mut self,
        members: &mut Membership,
        notices: &mut Notices,
        now: Now,
    ) {
        while let Some(key) = self.due.pop_first() {
            let Some(member) = members.at_mut(key) else {
                continue;
            };
            let transport = member.connections.write(Side::Subscriber);
            if let Some(offer) = member.negotiation.poll_offer(transport, now) {
                notices.tell(key, Response::Offer(offer));
            }
        }
    }

    /// The answer to the open offer: packets may flow in its sections.
    ///
    /// # Errors
    /// It is for no open offer, or does not fit.
    pub(in crate::node) fn handle_answer(
        &mut self,
        key: usize,
        member: &mut Member,
        answer: SubscriberAnswer<'_>,
        room: &mut Room,
    ) -> Result<(), TransportError> {
        let transport = member.connections.write(Side::Subscriber);
        let ready = member
            .negotiation
            .handle_answer(transport, answer.id, answer.sdp)?;
        for (sid, mid) in ready {
            if let Some(track) = room.track_by_sid(sid.as_str()) {
                room.handle_section(MemberKey(key), track, mid);
            }
        }
        // What changed while the offer was open.
        self.due.insert(key);
        Ok(())
    }

    pub(in crate::node) fn handle_left(&mut self, member: usize) {
        self.awaited.forget_all(member);
        self.due.remove(&member);
    }

    /// Whoever waited too long is told that the track cannot be had. Returns how many did.
    pub(in crate::node) fn handle_timeout(&mut self, notices: &mut Notices, now: Mono) -> u64 {
        let mut expired = 0;
        for (member, sid) in self.awaited.expire(now) {
            expired += 1;
            notices.tell(member, Response::SubscriptionFailed(sid.to_string()));
        }
        expired
    }
}

/// What a client's `track_setting` says.
pub(in crate::node) const fn track_settings(setting: TrackSetting) -> TrackSettings {
    TrackSettings {
        enabled: setting.enabled,
        quality: setting.quality,
        size: setting.size,
        fps: setting.fps,
        priority: setting.priority,
    }
}
