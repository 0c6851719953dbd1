//! What a client asks, carried out.

use super::live_room::{Context, LiveRoom};
use super::member::Side;
use crate::peer::signal::token::is_server_owned;
use crate::peer::signal::{LeaveReason, Request, RequestRefusal, Response, Target, TrackSetting};
use crate::room::{MemberKey, TrackSettings};
use std::collections::BTreeMap;

impl LiveRoom {
    pub(super) fn handle_request(
        &mut self,
        key: usize,
        request: Request,
        text: bool,
        context: &mut Context<'_>,
    ) {
        let Some(member) = self.members.get_mut(key) else {
            return;
        };
        member.text = text;
        if let Some(pong) = request.pong(context.now.unix) {
            return self.send(key, pong, context);
        }
        match request {
            Request::Offer(id, sdp) => self.on_offer(key, id, &sdp, context),
            Request::Answer(id, sdp) => self.on_answer(key, id, &sdp, context),
            Request::Candidate(target, candidate) => {
                self.on_candidate(key, target, &candidate, context);
            }
            Request::AddTrack(request) => self.on_add_track(key, *request, context),
            Request::Mute(sid, muted) => self.on_mute(key, &sid, muted, context),
            Request::Subscription(tracks, on) => self.on_subscription(key, &tracks, on, context),
            Request::TrackSetting(tracks, setting) => {
                self.on_track_setting(key, &tracks, track_settings(setting), context);
            }
            Request::Leave => self.remove(key, LeaveReason::ClientInitiated, true, context),
            Request::Metadata {
                request,
                name,
                metadata,
                attributes,
            } => {
                self.on_metadata(key, request, (&name, &metadata, &attributes), context);
            }
            Request::Ping | Request::PingRequest(_) | Request::Other => {}
        }
        if self.members.contains(key) {
            for side in Side::BOTH {
                self.hear(key, side, context);
            }
        }
    }

    fn on_answer(&mut self, key: usize, id: u32, sdp: &str, context: &mut Context<'_>) {
        let member = &mut self.members[key];
        let answered = member
            .negotiation
            .handle_answer(&mut member.subscriber, id, sdp);
        match answered {
            Ok(ready) => {
                for (sid, mid) in ready {
                    if let Some(track) = self.room.track_by_sid(sid.as_str()) {
                        self.room.handle_section(MemberKey(key), track, mid);
                    }
                }
                // What changed while the offer was open.
                self.offer(key, context);
            }
            Err(error) => {
                tracing::debug!(%error, "an answer was refused");
                context.stats.signal_errors += 1;
            }
        }
    }

    fn on_candidate(
        &mut self,
        key: usize,
        target: Target,
        candidate: &str,
        context: &mut Context<'_>,
    ) {
        let side = match target {
            Target::Publisher => Side::Publisher,
            Target::Subscriber => Side::Subscriber,
        };
        let transport = self.members[key].transport(side);
        if let Err(error) = transport.handle_candidate(candidate) {
            tracing::debug!(%error, "a candidate was refused");
            context.stats.signal_errors += 1;
        }
    }

    fn on_subscription(
        &mut self,
        key: usize,
        tracks: &[String],
        on: bool,
        context: &mut Context<'_>,
    ) {
        for sid in tracks {
            match self.room.track_by_sid(sid) {
                Some(track) if on => {
                    self.room.subscribe(MemberKey(key), track);
                }
                Some(track) => self.room.unsubscribe(MemberKey(key), track),
                None => {
                    context.stats.signal_errors += 1;
                    if on {
                        self.send(key, Response::SubscriptionFailed(sid.clone()), context);
                    }
                }
            }
        }
        self.settle(context);
    }

    fn on_track_setting(
        &mut self,
        key: usize,
        tracks: &[String],
        settings: TrackSettings,
        context: &mut Context<'_>,
    ) {
        for sid in tracks {
            // Settings of a track that has just gone crossed that news on its way.
            if let Some(track) = self.room.track_by_sid(sid) {
                self.room
                    .handle_track_settings(MemberKey(key), track, settings);
            }
        }
        // More is wanted of a publisher at once.
        self.room.handle_timeout(context.now.mono);
        self.settle(context);
    }

    fn on_metadata(
        &mut self,
        key: usize,
        request: u32,
        (name, metadata, attributes): (&str, &str, &BTreeMap<String, String>),
        context: &mut Context<'_>,
    ) {
        let member = &mut self.members[key];
        let outcome = if !member.join.permissions.can_update_own_metadata {
            (
                RequestRefusal::NotAllowed,
                "the token does not grant canUpdateOwnMetadata",
            )
        } else if attributes.keys().any(|name| is_server_owned(name)) {
            (
                RequestRefusal::NotAllowed,
                "role, policy, minor, recording and beistand.* are the server's",
            )
        } else if !member.card.update(name, metadata, attributes) {
            (
                RequestRefusal::LimitExceeded,
                "name 256 bytes, attributes 64 KiB, metadata 512 KiB",
            )
        } else {
            (RequestRefusal::Ok, "")
        };
        self.send(
            key,
            Response::Outcome(request, outcome.0, outcome.1),
            context,
        );
        if outcome.0 == RequestRefusal::Ok {
            self.broadcast(key, context);
        }
    }
}

const fn track_settings(setting: TrackSetting) -> TrackSettings {
    TrackSettings {
        enabled: setting.enabled,
        quality: setting.quality,
        size: setting.size,
        fps: setting.fps,
        priority: setting.priority,
    }
}
