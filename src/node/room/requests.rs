//! What a client asks on its signalling socket: each request goes to the part that it concerns.

use super::audience;
use super::membership::Leave;
use super::metadata::{self, Update};
use super::parts::Parts;
use super::subscriptions::{SubscriberAnswer, SubscriptionRequest, track_settings};
use crate::base::{Now, TrackSid};
use crate::node::context::Context;
use crate::node::member::Side;
use crate::peer::signal::{
    Admission, LeaveReason, Request, RequestRefusal, Response, Target, TooMuch, TrackSetting,
};
use crate::peer::transport::TransportError;
use crate::room::{Audience, MemberKey};

/// Carries out what a client asks. False if it asked for something that cannot be.
pub(in crate::node) fn handle(
    parts: &mut Parts,
    key: usize,
    request: Request,
    context: &mut Context<'_>,
) -> bool {
    let now = context.now;
    match request {
        Request::Offer(id, sdp) => parts.handle_offer(key, (id, &sdp), now),
        Request::Answer(id, sdp) => handle_answer(parts, key, SubscriberAnswer { id, sdp: &sdp }),
        Request::Candidate(target, candidate) => handle_candidate(parts, key, target, &candidate),
        Request::AddTrack(request) => {
            let sid = TrackSid::random(request.letters(), context.rng);
            parts.announce(key, *request, sid, now)
        }
        Request::Mute(sid, muted) => parts.mute(key, &sid.into(), muted, now.mono),
        Request::Subscription(tracks, on) => {
            let tracks = &tracks;
            handle_subscription(parts, key, SubscriptionRequest { tracks, on }, now)
        }
        Request::TrackSetting(tracks, setting) => {
            handle_track_setting(parts, key, &tracks, setting);
            // More is wanted of a publisher at once.
            parts.room.handle_timeout(now.mono);
            true
        }
        Request::Audience(named) => {
            let done = handle_audience(parts, key, named);
            // More is wanted of a publisher at once.
            parts.room.handle_timeout(now.mono);
            done
        }
        Request::Leave => {
            let leave = Leave::explicit(LeaveReason::ClientInitiated);
            parts.members.leave(key, leave);
            true
        }
        Request::Metadata {
            request,
            name,
            metadata,
            attributes,
        } => {
            let update = Update {
                name: &name,
                metadata: &metadata,
                attributes: &attributes,
            };
            handle_metadata(parts, key, request, &update);
            true
        }
        Request::TooMuch {
            request,
            allowed: TooMuch(why),
        } => {
            let refusal = RequestRefusal::LimitExceeded;
            parts
                .notices
                .tell(key, Response::Outcome(request, refusal, why));
            false
        }
        Request::Ping | Request::PingRequest(_) | Request::Other => true,
    }
}

fn handle_answer(parts: &mut Parts, key: usize, answer: SubscriberAnswer<'_>) -> bool {
    let Some(member) = parts.members.at_mut(key) else {
        return false;
    };
    let answered = parts
        .subscriptions
        .handle_answer(key, member, answer, &mut parts.room);
    accepted("an answer", answered)
}

fn handle_candidate(parts: &mut Parts, key: usize, target: Target, candidate: &str) -> bool {
    let side = match target {
        Target::Publisher => Side::Publisher,
        Target::Subscriber => Side::Subscriber,
    };
    parts.members.at_mut(key).is_some_and(|member| {
        let transport = member.connections.write(side);
        accepted("a candidate", transport.handle_candidate(candidate))
    })
}

fn handle_subscription(
    parts: &mut Parts,
    key: usize,
    request: SubscriptionRequest<'_>,
    now: Now,
) -> bool {
    let refused = parts
        .subscriptions
        .handle_request(key, request, &mut parts.room, now.mono);
    let all = refused.is_empty();
    for sid in refused {
        parts.notices.tell(key, Response::SubscriptionFailed(sid));
    }
    all
}

fn handle_track_setting(parts: &mut Parts, key: usize, tracks: &[String], setting: TrackSetting) {
    for sid in tracks {
        // A setting for a track that has just gone crossed that news on its way.
        if let Some(track) = parts.room.track_by_sid(sid) {
            parts
                .room
                .handle_track_settings(MemberKey(key), track, track_settings(setting));
        }
    }
}

fn handle_audience(parts: &mut Parts, key: usize, named: Option<Vec<Admission>>) -> bool {
    let audience = match named {
        Some(named) => audience::of(named, &parts.members),
        None => Some(Audience::Everyone),
    };
    let Some(audience) = audience else {
        return false;
    };
    parts.room.handle_audience(MemberKey(key), audience);
    true
}

fn handle_metadata(parts: &mut Parts, key: usize, request: u32, update: &Update<'_>) {
    let Some(member) = parts.members.at_mut(key) else {
        return;
    };
    let (refusal, why) = metadata::update(member, update);
    let outcome = Response::Outcome(request, refusal, why);
    parts.notices.tell(key, outcome);
    if refusal == RequestRefusal::Ok {
        parts.notices.card(key);
    }
}

/// Whether a client's message was of use.
pub(super) fn accepted(what: &str, done: Result<(), TransportError>) -> bool {
    done.inspect_err(|error| tracing::debug!(%error, "{what} was refused"))
        .is_ok()
}
