//! Announced tracks, negotiated sections, and what is published where they meet.

use super::live_room::{Context, LiveRoom};
use super::member::{Announced, Member, Published};
use crate::base::{Bitrate, Mono, TrackSid};
use crate::media::{Codec, Mid};
use crate::peer::signal::{AnnouncedLayer, PublishRequest, RequestRefusal, Response};
use crate::peer::transport::{Section, sections};
use crate::room::{LayerSpec, MemberKey, PublicationSpec};
use std::collections::BTreeMap;

/// Tracks of one participant, published or announced: a help session needs four; more than this is
/// an attack (reliability.md, "simulcast bomb").
const MAX_TRACKS: usize = 16;

impl LiveRoom {
    pub(super) fn on_add_track(
        &mut self,
        key: usize,
        request: PublishRequest,
        context: &mut Context<'_>,
    ) {
        let member = &mut self.members[key];
        let permissions = &member.join.permissions;
        let known = member.announced.len() + member.published.len();
        let refusal = if !permissions.allows_source(request.source()) || request.kind().is_none() {
            Some((
                RequestRefusal::NotAllowed,
                "the token does not allow this track",
            ))
        } else if known >= MAX_TRACKS {
            Some((
                RequestRefusal::LimitExceeded,
                "a participant has at most 16 tracks",
            ))
        } else {
            None
        };
        if let Some((refusal, message)) = refusal {
            context.stats.signal_errors += 1;
            return self.send(key, Response::Outcome(0, refusal, message), context);
        }
        let sid = TrackSid::random(request.letters(), context.rng);
        member.card.add_track(&sid, &request, context.now);
        let card = Box::new(member.card.clone());
        let published = Response::TrackPublished(request.cid().to_owned(), card, sid.to_string());
        member.announced.push(Announced { sid, request });
        self.send(key, published, context);
        self.match_sections(key, context);
    }

    pub(super) fn on_offer(&mut self, key: usize, id: u32, sdp: &str, context: &mut Context<'_>) {
        let member = &mut self.members[key];
        if !member.join.permissions.can_publish && !member.join.permissions.can_publish_data {
            context.stats.signal_errors += 1;
            return;
        }
        let offered = sections(sdp);
        let mut unmatched: Vec<Section> = offered
            .iter()
            .filter(|s| s.sends && !member.published.values().any(|t| t.mid == s.mid))
            .cloned()
            .collect();
        let wanted = wanted_codecs(member, &unmatched);
        let answer = member
            .publisher
            .handle_offer(sdp, |mid| wanted.get(&mid).copied());
        let answer = match answer {
            Ok(answer) => answer,
            Err(error) => {
                tracing::debug!(%error, "an offer was refused");
                context.stats.signal_errors += 1;
                return;
            }
        };
        let gone: Vec<TrackSid> = member
            .published
            .iter()
            .filter(|(_, track)| !offered.iter().any(|s| s.mid == track.mid && s.sends))
            .map(|(sid, _)| sid.clone())
            .collect();
        let answered = sections(&answer);
        for section in &mut unmatched {
            let same = answered.iter().find(|answered| answered.mid == section.mid);
            section.codec = same.and_then(|answered| answered.codec);
        }
        member.unmatched = unmatched;
        self.send(key, Response::Answer(id, answer), context);
        for sid in gone {
            self.unpublish(key, &sid, context);
        }
        self.match_sections(key, context);
    }

    /// Publishes each announced track whose section is negotiated.
    fn match_sections(&mut self, key: usize, context: &mut Context<'_>) {
        let sections = std::mem::take(&mut self.members[key].unmatched);
        let mut left = Vec::new();
        for section in sections {
            let announced = &self.members[key].announced;
            match announced_in(&section, announced.iter().map(|track| &track.request)) {
                Some(index) => {
                    let announced = self.members[key].announced.remove(index);
                    self.publish(key, announced, &section, context);
                }
                None => left.push(section),
            }
        }
        self.members[key].unmatched = left;
    }

    fn publish(
        &mut self,
        key: usize,
        announced: Announced,
        section: &Section,
        context: &mut Context<'_>,
    ) {
        let Announced { sid, request } = announced;
        let layer = |layer: AnnouncedLayer| LayerSpec {
            quality: layer.quality,
            width: layer.width,
            height: layer.height,
            bitrate: Bitrate(u64::from(layer.bps)),
        };
        let spec = PublicationSpec {
            sid: sid.clone(),
            kind: section.kind,
            source: request.source(),
            layers: request.layers().into_iter().map(layer).collect(),
        };
        let track = self.room.publish(MemberKey(key), spec);
        let member = &mut self.members[key];
        let mid = section.mid.as_str();
        member.card.bind_track(&sid, mid, section.codec);
        let published = Published {
            key: track,
            source: request.source(),
            mid: section.mid,
            codec: request.codec(),
            encrypted: request.encrypted(),
        };
        member.published.insert(sid.clone(), published);
        self.room.handle_muted(track, request.muted());
        self.report_published(key, &sid, !request.muted(), context.now.mono);
        // Clients drop a track of which they have not heard when its section arrives.
        self.broadcast(key, context);
        self.room.bind(track, section.mid);
        self.settle(context);
        self.review_recordings(context);
    }

    fn unpublish(&mut self, key: usize, sid: &TrackSid, context: &mut Context<'_>) {
        self.report_published(key, sid, false, context.now.mono);
        let Some(published) = self.members[key].published.remove(sid) else {
            return;
        };
        self.members[key].card.remove_track(sid);
        self.room.unpublish(published.key);
        self.broadcast(key, context);
        self.settle(context);
        self.review_recordings(context);
    }

    pub(super) fn on_mute(
        &mut self,
        key: usize,
        sid: &str,
        muted: bool,
        context: &mut Context<'_>,
    ) {
        let sid = TrackSid::from(sid);
        let member = &mut self.members[key];
        if let Some(announced) = member.announced.iter().find(|track| track.sid == sid) {
            member.card.set_muted(&announced.sid, muted);
        } else if let Some(published) = member.published.get(&sid) {
            self.room.handle_muted(published.key, muted);
            member.card.set_muted(&sid, muted);
            self.report_published(key, &sid, !muted, context.now.mono);
        } else {
            context.stats.signal_errors += 1;
            return;
        }
        self.broadcast(key, context);
    }

    /// Tells billing whether an unmuted track of the source is there.
    pub(super) fn report_published(&mut self, key: usize, sid: &TrackSid, on: bool, at: Mono) {
        let member = &self.members[key];
        let Some(published) = member.published.get(sid) else {
            return;
        };
        self.billing
            .handle_published(&member.join.identity, published.source, at, on);
    }
}

/// The place of the announced track that a section carries: by the id in the description, else
/// (Firefox and Safari invent their own) the first announced track of the kind.
fn announced_in<'a>(
    section: &Section,
    announced: impl Iterator<Item = &'a PublishRequest> + Clone,
) -> Option<usize> {
    let id = section.track_id.as_deref();
    let named = announced
        .clone()
        .position(|track| track.cids().any(|cid| Some(cid) == id));
    let mut of_kind = announced;
    named.or_else(|| of_kind.position(|track| track.kind() == Some(section.kind)))
}

/// What shall come first in the answer. That holds for published tracks too: a client that reads
/// another order there changes its codec.
fn wanted_codecs(member: &Member, unmatched: &[Section]) -> BTreeMap<Mid, Codec> {
    let published = member
        .published
        .values()
        .filter_map(|track| Some((track.mid, track.codec?)));
    let mut wanted: BTreeMap<Mid, Codec> = published.collect();
    let mut announced: Vec<&PublishRequest> = member.announced.iter().map(|t| &t.request).collect();
    for section in unmatched {
        let request = announced_in(section, announced.iter().copied());
        if let Some(codec) = request.and_then(|index| announced.remove(index).codec()) {
            wanted.insert(section.mid, codec);
        }
    }
    wanted
}
