//! A member's own tracks: announced, matched with the sections of its offers, published.

use crate::base::{Millis, Mono, TrackSid, TrackSource};
use crate::media::Mid;
use crate::peer::signal::token::Permissions;
use crate::peer::signal::{PublishRequest, RequestRefusal};
use crate::peer::transport::{Opus, Section, Wanted};
use crate::room::TrackKey;
use std::collections::BTreeMap;

/// Tracks of one participant, published or announced: a help session needs four; more than this is
/// an attack by announcements.
const MAX_TRACKS: usize = 16;

/// An announced track whose section has not come by then is forgotten: clients negotiate within a
/// second, and give up after 15 (livekit-client 2.23).
const BIND_WITHIN: Millis = Millis::from_secs(30);

/// A track that is announced, and published once its section is negotiated.
#[derive(Clone, Debug)]
pub(in crate::node) struct Announced {
    pub(in crate::node) sid: TrackSid,
    pub(in crate::node) request: PublishRequest,
    since: Mono,
}

/// A published track.
#[derive(Clone, Debug)]
pub(in crate::node) struct Published {
    pub(in crate::node) key: TrackKey,
    pub(in crate::node) source: TrackSource,
    pub(in crate::node) mid: Mid,
    /// How the publisher was told to send it.
    pub(in crate::node) wanted: Wanted,
    /// End to end: it cannot be recorded.
    pub(in crate::node) encrypted: bool,
}

/// A member's own tracks.
#[derive(Debug, Default)]
pub(in crate::node) struct Tracks {
    announced: Vec<Announced>,
    /// Sending sections of the newest offer that no announcement matched yet.
    unmatched: Vec<Section>,
    published: BTreeMap<TrackSid, Published>,
}

impl Tracks {
    /// Whether one more may be announced.
    ///
    /// # Errors
    /// The token forbids it, or there are too many.
    pub(in crate::node) fn may_announce(
        &self,
        request: &PublishRequest,
        permissions: &Permissions,
    ) -> Result<(), (RequestRefusal, &'static str)> {
        if !permissions.allows_source(request.source()) || request.kind().is_none() {
            let why = "the token does not allow this track";
            return Err((RequestRefusal::NotAllowed, why));
        }
        if self.announced.len() + self.published.len() >= MAX_TRACKS {
            let why = "a participant has at most 16 tracks";
            return Err((RequestRefusal::LimitExceeded, why));
        }
        Ok(())
    }

    /// What is announced and not published.
    pub(in crate::node) fn announced(&self) -> impl Iterator<Item = &PublishRequest> {
        self.announced.iter().map(|track| &track.request)
    }

    /// A track is announced: it has a place from now on, and nobody else hears of it yet.
    pub(in crate::node) fn announce(&mut self, sid: TrackSid, request: PublishRequest, now: Mono) {
        self.announced.push(Announced {
            sid,
            request,
            since: now,
        });
    }

    /// The sections of an offer in which something new is sent.
    fn fresh(&self, offered: &[Section]) -> Vec<Section> {
        let known = |section: &Section| self.published.values().any(|t| t.mid == section.mid);
        let fresh = offered.iter().filter(|s| s.sends && !known(s));
        fresh.cloned().collect()
    }

    /// How each section is wanted in the answer. That holds for published tracks too: a client that reads
    /// another order or other parameters there changes what it sends.
    pub(in crate::node) fn wanted(&self, offered: &[Section]) -> BTreeMap<Mid, Wanted> {
        let published = self.published.values();
        let published = published.map(|track| (track.mid, track.wanted));
        let mut wanted: BTreeMap<Mid, Wanted> = published.collect();
        let mut announced: Vec<&PublishRequest> = self.announced().collect();
        for section in &self.fresh(offered) {
            let request = announced_in(section, announced.iter().copied());
            let request = request.map(|index| announced.remove(index));
            wanted.insert(section.mid, wanted_of(request, section));
        }
        wanted
    }

    /// An offer with these sections was answered. Returns the tracks that it ends.
    pub(in crate::node) fn handle_answered(
        &mut self,
        offered: &[Section],
        answered: &[Section],
    ) -> Vec<TrackSid> {
        self.unmatched = self.fresh(offered);
        for section in &mut self.unmatched {
            let same = answered.iter().find(|answered| answered.mid == section.mid);
            section.codec = same.and_then(|answered| answered.codec);
        }
        let ends = |track: &Published| !offered.iter().any(|s| s.mid == track.mid && s.sends);
        let ended = self.published.iter().filter(|(_, track)| ends(track));
        ended.map(|(sid, _)| sid.clone()).collect()
    }

    /// The next announced track whose section is negotiated: it is to be published.
    pub(in crate::node) fn poll_match(&mut self) -> Option<(Announced, Section)> {
        let announced = &self.announced;
        let find = |(at, section): (usize, &Section)| {
            let requests = announced.iter().map(|track| &track.request);
            Some((at, announced_in(section, requests)?))
        };
        let (section, track) = self.unmatched.iter().enumerate().find_map(find)?;
        Some((self.announced.remove(track), self.unmatched.remove(section)))
    }

    pub(in crate::node) fn publish(&mut self, sid: TrackSid, track: Published) {
        self.published.insert(sid, track);
    }

    pub(in crate::node) fn unpublish(&mut self, sid: &TrackSid) -> Option<Published> {
        self.published.remove(sid)
    }

    /// Takes away what was announced and came in no section; their places are free again.
    pub(in crate::node) fn expire(&mut self, now: Mono) -> Vec<TrackSid> {
        let stale = |track: &mut Announced| now.since(track.since) >= BIND_WITHIN;
        let stale = self.announced.extract_if(.., stale);
        stale.map(|track| track.sid).collect()
    }

    /// Mutes or unmutes a track that is announced. False if there is none of this id.
    pub(in crate::node) fn mute_announced(&mut self, sid: &TrackSid, muted: bool) -> bool {
        let track = self.announced.iter_mut().find(|track| track.sid == *sid);
        track.map(|track| track.request.set_muted(muted)).is_some()
    }

    pub(in crate::node) fn get(&self, sid: &TrackSid) -> Option<&Published> {
        self.published.get(sid)
    }

    pub(in crate::node) fn iter(&self) -> impl Iterator<Item = (&TrackSid, &Published)> {
        self.published.iter()
    }
}

/// How a track is wanted: as it is announced, and where nothing is said there, as it is offered.
pub(in crate::node) fn wanted_of(request: Option<&PublishRequest>, section: &Section) -> Wanted {
    Wanted {
        codec: request.and_then(PublishRequest::codec),
        opus: Opus {
            dtx: request.map_or(section.opus.dtx, PublishRequest::may_pause),
            stereo: section.opus.stereo || request.is_some_and(PublishRequest::is_stereo),
        },
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

#[cfg(test)]
mod tests;
