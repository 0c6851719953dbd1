//! What becomes of a member's announcements and offers: tracks that others can have.

use super::evidence;
use super::parts::Parts;
use super::requests::accepted;
use crate::base::{Bitrate, Mono, Now, TrackSid};
use crate::node::member::{Announced, Published, Side, wanted_of};
use crate::peer::signal::{AnnouncedLayer, PublishRequest, RequestRefusal, Response};
use crate::peer::transport::{Section, check_length, sections};
use crate::room::{LayerSpec, MemberKey, PublicationSpec};

impl Parts {
    /// A track is announced: it has an id and a place from now on. Nobody but its publisher hears of it
    /// before its section comes. False if it is refused.
    pub(in crate::node) fn announce(
        &mut self,
        key: usize,
        request: PublishRequest,
        sid: TrackSid,
        now: Now,
    ) -> bool {
        let Some(member) = self.members.at_mut(key) else {
            return false;
        };
        let permissions = &member.join.permissions;
        if let Err((refusal, why)) = member.tracks.may_announce(&request, permissions) {
            self.notices.tell(key, Response::Outcome(0, refusal, why));
            return false;
        }
        let announced = member.tracks.announced().chain([&request]);
        if !member.card.has_room_for(announced) {
            let why = "what others are told of a participant has at most 16 KiB";
            let outcome = Response::Outcome(0, RequestRefusal::LimitExceeded, why);
            self.notices.tell(key, outcome);
            return false;
        }
        let mut card = member.card.clone();
        card.add_track(&sid, &request, now);
        let cid = request.cid().to_owned();
        let answer = Response::TrackPublished(cid, Box::new(card), sid.to_string());
        self.notices.tell(key, answer);
        member.tracks.announce(sid, request, now.mono);
        self.publish_matched(key, now);
        true
    }

    /// A publisher's offer. False if it is refused.
    pub(in crate::node) fn handle_offer(
        &mut self,
        key: usize,
        (id, sdp): (u32, &str),
        now: Now,
    ) -> bool {
        let Some(member) = self.members.at_mut(key) else {
            return false;
        };
        let permissions = &member.join.permissions;
        if !permissions.can_publish && !permissions.can_publish_data {
            return false;
        }
        if let Err(error) = check_length(sdp) {
            return accepted("an offer", Err(error));
        }
        let offered = sections(sdp);
        let wanted = member.tracks.wanted(&offered);
        let transport = member.connections.write(Side::Publisher);
        let answer = match transport
            .handle_offer(sdp, |mid| wanted.get(&mid).copied().unwrap_or_default())
        {
            Ok(answer) => answer,
            Err(error) => return accepted("an offer", Err(error)),
        };
        let ended = member.tracks.handle_answered(&offered, &sections(&answer));
        self.notices.tell(key, Response::Answer(id, answer));
        for sid in ended {
            self.unpublish(key, &sid, now.mono);
        }
        self.publish_matched(key, now);
        true
    }

    /// Publishes each announced track whose section is negotiated: from now on it is on its publisher's
    /// card, and whoever may have it gets it.
    fn publish_matched(&mut self, key: usize, now: Now) {
        while let Some(member) = self.members.at_mut(key)
            && let Some((announced, section)) = member.tracks.poll_match()
        {
            let Announced { sid, request, .. } = announced;
            let track = self
                .room
                .publish(MemberKey(key), spec(&sid, &request, &section));
            member.card.add_track(&sid, &request, now);
            let mid = section.mid.as_str();
            member.card.bind_track(&sid, mid, section.codec);
            let published = Published {
                key: track,
                source: request.source(),
                mid: section.mid,
                wanted: wanted_of(Some(&request), &section),
                encrypted: request.encrypted(),
            };
            member.tracks.publish(sid.clone(), published);
            self.room.handle_muted(track, request.muted());
            let audible = (&sid, !request.muted());
            evidence::published(member, audible, &mut self.billing, now.mono);
            // Clients drop a track of which they have not heard when its section arrives.
            self.notices.card(key);
            self.room.bind(track, section.mid);
            if !member.hidden() {
                self.subscriptions.handle_published(track, &mut self.room);
            }
        }
    }

    fn unpublish(&mut self, key: usize, sid: &TrackSid, now: Mono) {
        let Some(member) = self.members.at_mut(key) else {
            return;
        };
        evidence::published(member, (sid, false), &mut self.billing, now);
        if let Some(track) = member.tracks.unpublish(sid) {
            member.card.remove_track(sid);
            self.room.unpublish(track.key);
            self.notices.card(key);
        }
    }

    /// Mutes or unmutes a track. False if the member has none of this id.
    pub(in crate::node) fn mute(
        &mut self,
        key: usize,
        sid: &TrackSid,
        muted: bool,
        now: Mono,
    ) -> bool {
        let Some(member) = self.members.at_mut(key) else {
            return false;
        };
        let Some(track) = member.tracks.get(sid) else {
            return member.tracks.mute_announced(sid, muted);
        };
        self.room.handle_muted(track.key, muted);
        member.card.set_muted(sid, muted);
        evidence::published(member, (sid, !muted), &mut self.billing, now);
        self.notices.card(key);
        true
    }
}

fn spec(sid: &TrackSid, request: &PublishRequest, section: &Section) -> PublicationSpec {
    PublicationSpec {
        sid: sid.clone(),
        kind: section.kind,
        source: request.source(),
        layers: request.layers().into_iter().map(layer).collect(),
    }
}

fn layer(layer: AnnouncedLayer) -> LayerSpec {
    LayerSpec {
        quality: layer.quality,
        width: layer.width,
        height: layer.height,
        bitrate: Bitrate(u64::from(layer.bps)),
    }
}
