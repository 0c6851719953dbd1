//! What a client asks on its signalling socket, carried out.

use super::membership::Leave;
use super::metadata::{self, Update};
use super::parts::Parts;
use super::subscriptions::track_settings;
use crate::base::{Now, TrackSid};
use crate::node::context::Context;
use crate::node::member::Side;
use crate::peer::signal::{LeaveReason, Request, RequestRefusal, Response, Target, TrackSetting};
use crate::peer::transport::TransportError;
use crate::room::MemberKey;

impl Parts {
    /// Carries out what a client asks. False if it asked for something that cannot be.
    pub(in crate::node) fn handle_request(
        &mut self,
        key: usize,
        request: Request,
        context: &mut Context<'_>,
    ) -> bool {
        let now = context.now;
        match request {
            Request::Offer(id, sdp) => self.handle_offer(key, (id, &sdp), now),
            Request::Answer(id, sdp) => self.handle_answer(key, (id, &sdp)),
            Request::Candidate(target, candidate) => self.handle_candidate(key, target, &candidate),
            Request::AddTrack(request) => {
                let sid = TrackSid::random(request.letters(), context.rng);
                self.announce(key, *request, sid, now)
            }
            Request::Mute(sid, muted) => self.mute(key, &sid.into(), muted, now.mono),
            Request::Subscription(tracks, on) => self.handle_subscription(key, (&tracks, on), now),
            Request::TrackSetting(tracks, setting) => {
                self.handle_track_setting(key, &tracks, setting);
                // More is wanted of a publisher at once.
                self.room.handle_timeout(now.mono);
                true
            }
            Request::Leave => {
                let leave = Leave::explicit(LeaveReason::ClientInitiated);
                self.members.leave(key, leave);
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
                self.handle_metadata(key, request, &update);
                true
            }
            Request::Ping | Request::PingRequest(_) | Request::Other => true,
        }
    }

    fn handle_answer(&mut self, key: usize, (id, sdp): (u32, &str)) -> bool {
        let Some(member) = self.members.get_mut(key) else {
            return false;
        };
        let done = self
            .subscriptions
            .handle_answer((key, member), (id, sdp), &mut self.room);
        accepted("an answer", done)
    }

    fn handle_candidate(&mut self, key: usize, target: Target, candidate: &str) -> bool {
        let side = match target {
            Target::Publisher => Side::Publisher,
            Target::Subscriber => Side::Subscriber,
        };
        self.members.get_mut(key).is_some_and(|member| {
            let transport = member.connections.write(side);
            accepted("a candidate", transport.handle_candidate(candidate))
        })
    }

    fn handle_subscription(
        &mut self,
        key: usize,
        wanted: (&[String], bool),
        now: Now,
    ) -> bool {
        let refused = self
            .subscriptions
            .handle_request(key, wanted, &mut self.room, now.mono);
        let all = refused.is_empty();
        for sid in refused {
            self.notices.to(key, Response::SubscriptionFailed(sid));
        }
        all
    }

    fn handle_track_setting(&mut self, key: usize, tracks: &[String], setting: TrackSetting) {
        for sid in tracks {
            // A setting for a track that has just gone crossed that news on its way.
            if let Some(track) = self.room.track_by_sid(sid) {
                self.room
                    .handle_wish(MemberKey(key), track, track_settings(setting));
            }
        }
    }

    fn handle_metadata(&mut self, key: usize, request: u32, update: &Update<'_>) {
        let Some(member) = self.members.get_mut(key) else {
            return;
        };
        let (refusal, why) = metadata::update(member, update);
        self.notices
            .to(key, Response::Outcome(request, refusal, why));
        if refusal == RequestRefusal::Ok {
            self.notices.card(key, member);
        }
    }
}

/// Whether a client's message was of use.
pub(super) fn accepted(what: &str, done: Result<(), TransportError>) -> bool {
    done.inspect_err(|error| tracing::debug!(%error, "{what} was refused"))
        .is_ok()
}
