//! Who gets which track: wishes for tracks that are not there yet, the sections that are negotiated for
//! those that are, and what both sides are told of it.

use super::awaited_tracks::AwaitedTracks;
use super::membership::Membership;
use super::notices::Notices;
use super::parts::Parts;
use crate::base::{Mono, Now, TrackSid};
use crate::node::member::{Member, Side};
use crate::peer::negotiate::Sending;
use crate::peer::signal::{Response, TrackSetting};
use crate::peer::transport::TransportError;
use crate::room::{Event, MemberKey, Room, TrackKey, Wish};
use std::collections::BTreeSet;

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
        (tracks, on): (&[String], bool),
        room: &mut Room,
        now: Mono,
    ) -> Vec<String> {
        let mut refused = Vec::new();
        for sid in tracks {
            match (room.track_by_sid(sid), on) {
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
            let Some(member) = members.get_mut(key) else {
                continue;
            };
            let transport = member.connections.write(Side::Subscriber);
            match member.negotiation.poll_offer(transport, now) {
                Ok(Some(offer)) => notices.to(key, Response::Offer(offer)),
                Ok(None) => {}
                // Our defect, and no fault of the member's: what flows goes on, the next change tries again.
                Err(error) => tracing::error!(%error, participant = %member.sid, "no offer could be made"),
            }
        }
    }

    /// The answer to the open offer: packets may flow in its sections.
    ///
    /// # Errors
    /// It is for no open offer, or does not fit.
    pub(in crate::node) fn handle_answer(
        &mut self,
        (key, member): (usize, &mut Member),
        (id, sdp): (u32, &str),
        room: &mut Room,
    ) -> Result<(), TransportError> {
        let transport = member.connections.write(Side::Subscriber);
        let ready = member.negotiation.handle_answer(transport, id, sdp)?;
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

    /// Whoever waited too long is told that the track cannot be had.
    pub(in crate::node) fn handle_timeout(&mut self, notices: &mut Notices, now: Mono) {
        for (member, sid) in self.awaited.expire(now) {
            notices.to(member, Response::SubscriptionFailed(sid.to_string()));
        }
    }
}

impl Parts {
    /// Carries out what followed in the forwarding room.
    pub(in crate::node) fn drain_events(&mut self, now: Mono) {
        while let Some(event) = self.room.poll_output() {
            if let Some((key, response)) = notice_of(&event, &self.room, &self.members) {
                self.notices.to(key, response);
            }
            match event {
                Event::Subscribed { member, track } => self.on_subscribed(member.0, track),
                Event::Unsubscribed { member, track } => {
                    if let Some(subscriber) = self.members.get_mut(member.0) {
                        subscriber.negotiation.remove(&track);
                        self.subscriptions.request_offer(member.0);
                    }
                }
                Event::KeyframeWanted { publisher, stream } => {
                    if let Some(publisher) = self.members.get_mut(publisher.0) {
                        let transport = publisher.connections.write(Side::Publisher);
                        transport.request_keyframe(stream, now);
                    }
                }
                Event::FirstSubscribed { .. }
                | Event::StreamState { .. }
                | Event::QualityWanted { .. } => {}
            }
        }
    }

    fn on_subscribed(&mut self, key: usize, track: TrackKey) {
        let sending = sending(track, &self.room, &self.members);
        if let (Some(sending), Some(subscriber)) = (sending, self.members.get_mut(key)) {
            subscriber.negotiation.add(sending);
            self.subscriptions.request_offer(key);
        }
    }
}

fn sending(track: TrackKey, room: &Room, members: &Membership) -> Option<Sending> {
    let publication = room.publication(track)?;
    let publisher = members.get(publication.publisher.0)?;
    Some(Sending {
        track: publication.spec.sid.clone(),
        publisher: publisher.sid.clone(),
        kind: publication.spec.kind,
    })
}

/// Whom an event of the forwarding room is told to, and how; none where it is no news for a client.
pub(in crate::node) fn notice_of(
    event: &Event,
    room: &Room,
    members: &Membership,
) -> Option<(usize, Response)> {
    let publication = |track: &TrackKey| {
        let publication = room.publication(*track)?;
        let publisher = members.get(publication.publisher.0)?;
        Some((publication, publisher))
    };
    match event {
        Event::FirstSubscribed { track } => {
            let (publication, _) = publication(track)?;
            let told = Response::TrackSubscribed(publication.spec.sid.to_string());
            Some((publication.publisher.0, told))
        }
        Event::StreamState {
            member,
            track,
            paused,
        } => {
            let (publication, publisher) = publication(track)?;
            let sids = (
                publisher.sid.to_string(),
                publication.spec.sid.to_string(),
            );
            Some((member.0, Response::StreamState(sids.0, sids.1, *paused)))
        }
        Event::QualityWanted { track, quality } => {
            let (publication, publisher) = publication(track)?;
            let sid = &publication.spec.sid;
            let codec = publisher.tracks.get(sid)?.codec;
            let told = Response::QualityWanted(sid.to_string(), *quality, codec);
            Some((publication.publisher.0, told))
        }
        Event::Subscribed { .. } | Event::Unsubscribed { .. } | Event::KeyframeWanted { .. } => None,
    }
}

/// What a client's `track_setting` says.
pub(in crate::node) const fn track_settings(setting: TrackSetting) -> Wish {
    Wish {
        enabled: setting.enabled,
        quality: setting.quality,
        size: setting.size,
        fps: setting.fps,
        priority: setting.priority,
    }
}
