//! What follows in the forwarding room, carried out: sections, keyframe requests, and what both sides
//! are told.

use super::membership::Membership;
use super::parts::Parts;
use crate::base::Mono;
use crate::node::member::Side;
use crate::peer::negotiate::Sending;
use crate::peer::signal::Response;
use crate::room::{Event, Room, TrackKey};

impl Parts {
    /// Carries out what followed in the forwarding room.
    pub(in crate::node) fn drain_events(&mut self, now: Mono) {
        while let Some(event) = self.room.poll_output() {
            if let Some((key, response)) = notice_of(&event, &self.room, &self.members) {
                self.notices.tell(key, response);
            }
            match event {
                Event::Subscribed { member, track } => self.on_subscribed(member.0, track),
                Event::Unsubscribed { member, track } => {
                    if let Some(subscriber) = self.members.at_mut(member.0) {
                        subscriber.negotiation.remove(&track);
                        self.subscriptions.request_offer(member.0);
                    }
                }
                Event::KeyframeWanted { publisher, stream } => {
                    if let Some(publisher) = self.members.at_mut(publisher.0) {
                        let transport = publisher.connections.write(Side::Publisher);
                        transport.request_keyframe(stream, now);
                    }
                }
                Event::Admitted { .. }
                | Event::FirstSubscribed { .. }
                | Event::StreamState { .. }
                | Event::QualityWanted { .. } => {}
            }
        }
    }

    fn on_subscribed(&mut self, key: usize, track: TrackKey) {
        let sending = sending(track, &self.room, &self.members);
        if let (Some(sending), Some(subscriber)) = (sending, self.members.at_mut(key)) {
            subscriber.negotiation.add(sending);
            self.subscriptions.request_offer(key);
        }
    }
}

fn sending(track: TrackKey, room: &Room, members: &Membership) -> Option<Sending> {
    let publication = room.publication(track)?;
    let publisher = members.at(publication.publisher.0)?;
    let sid = &publication.spec.sid;
    let published = publisher.tracks.get(sid);
    Some(Sending {
        track: sid.clone(),
        publisher: publisher.sid.clone(),
        kind: publication.spec.kind,
        stereo: published.is_some_and(|track| track.wanted.opus.stereo),
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
        let publisher = members.at(publication.publisher.0)?;
        Some((publication, publisher))
    };
    match event {
        Event::FirstSubscribed { track } => {
            let (publication, _) = publication(track)?;
            let told = Response::TrackSubscribed(publication.spec.sid.to_string());
            Some((publication.publisher.0, told))
        }
        Event::Admitted {
            member,
            track,
            admitted,
        } => {
            let (publication, publisher) = publication(track)?;
            let sids = (publisher.sid.to_string(), publication.spec.sid.to_string());
            let told = Response::SubscriptionPermission(sids.0, sids.1, *admitted);
            Some((member.0, told))
        }
        Event::StreamState {
            member,
            track,
            paused,
        } => {
            let (publication, publisher) = publication(track)?;
            let sids = (publisher.sid.to_string(), publication.spec.sid.to_string());
            Some((member.0, Response::StreamState(sids.0, sids.1, *paused)))
        }
        Event::QualityWanted { track, quality } => {
            let (publication, publisher) = publication(track)?;
            let sid = &publication.spec.sid;
            let codec = publisher.tracks.get(sid)?.wanted.codec;
            let told = Response::QualityWanted(sid.to_string(), *quality, codec);
            Some((publication.publisher.0, told))
        }
        Event::Subscribed { .. } | Event::Unsubscribed { .. } | Event::KeyframeWanted { .. } => {
            None
        }
    }
}
