//! What clients ask, in our own words.

use super::bounds::{self, TooMuch};
use super::frame::{Frame, FrameError};
use super::{PublishRequest, Response};
use crate::base::Unix;
use livekit_protocol as proto;
use livekit_protocol::signal_request::Message as Wire;
use prost::Message;
use std::collections::BTreeMap;

/// Which peer connection of the client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// The one in which the client offers.
    Publisher,
    /// The one in which we offer.
    Subscriber,
}

/// A message of a client.
#[derive(Clone, Debug)]
pub enum Request {
    /// Publisher offer: id and SDP.
    Offer(u32, String),
    /// Subscriber answer: id and SDP.
    Answer(u32, String),
    /// An ICE candidate.
    Candidate(Target, String),
    /// A track will be published.
    AddTrack(Box<PublishRequest>),
    /// Mute or unmute one's own track.
    Mute(String, bool),
    /// Subscribe to, or unsubscribe from, tracks.
    Subscription(Vec<String>, bool),
    /// What is wanted of tracks.
    TrackSetting(Vec<String>, TrackSetting),
    /// Who may have the client's own tracks; none: everyone.
    Audience(Option<Vec<Admission>>),
    /// Goodbye.
    Leave,
    /// Old-style ping.
    Ping,
    /// Ping: the client's time in its milliseconds.
    PingRequest(i64),
    /// Change of one's own name, metadata, attributes.
    Metadata {
        /// To be named in the answer.
        request: u32,
        /// Empty means unchanged.
        name: String,
        /// Empty means unchanged.
        metadata: String,
        /// An empty value deletes.
        attributes: BTreeMap<String, String>,
    },
    /// More than one message may hold.
    TooMuch {
        /// To be named in the answer; 0 where the message has no id.
        request: u32,
        /// What is allowed.
        allowed: TooMuch,
    },
    /// A message of the protocol that asks nothing of this version.
    Other,
}

/// What a client wants of a track.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TrackSetting {
    /// Forward at all.
    pub enabled: bool,
    /// Best layer: 0 low, 1 medium, 2 high.
    pub quality: u8,
    /// Width and height in pixels; they say more than the quality, which is low where it is not set.
    pub size: Option<(u32, u32)>,
    /// Frames a second; 0 is not set.
    pub fps: u32,
    /// 1 is the most important; 0 is not set.
    pub priority: u32,
}

/// Whom a publisher admits to its tracks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Admission {
    /// By identity; may be empty where the id is not.
    pub identity: String,
    /// By participant id; counts where the identity is empty.
    pub sid: String,
    /// To all of them, those to come as well.
    pub all_tracks: bool,
    /// To these.
    pub tracks: Vec<String>,
}

/// Reads a frame.
///
/// # Errors
/// It is no message of the protocol.
pub fn decode(frame: &Frame) -> Result<Request, FrameError> {
    let request = match frame {
        Frame::Binary(bytes) => proto::SignalRequest::decode(bytes.as_ref())?,
        Frame::Text(text) => serde_json::from_str(text)?,
    };
    let Some(message) = request.message else {
        return Ok(Request::Other);
    };
    Ok(match bounds::check(&message) {
        Ok(()) => translate(message),
        Err(allowed) => Request::TooMuch {
            request: if let Wire::UpdateMetadata(update) = &message {
                update.request_id
            } else {
                0
            },
            allowed,
        },
    })
}

#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "messages that ask nothing of this version are ignored, as the protocol demands"
)]
fn translate(message: Wire) -> Request {
    match message {
        Wire::Offer(offer) => Request::Offer(offer.id, offer.sdp),
        Wire::Answer(answer) => Request::Answer(answer.id, answer.sdp),
        Wire::Trickle(trickle) => candidate(&trickle),
        Wire::AddTrack(request) => Request::AddTrack(Box::new(PublishRequest::new(request))),
        Wire::Mute(mute) => Request::Mute(mute.sid, mute.muted),
        Wire::Subscription(update) => {
            let nested = update
                .participant_tracks
                .into_iter()
                .flat_map(|list| list.track_sids);
            let tracks = update.track_sids.into_iter().chain(nested).collect();
            Request::Subscription(tracks, update.subscribe)
        }
        Wire::TrackSetting(setting) => {
            let size = (setting.width > 0).then_some((setting.width, setting.height));
            let wanted = TrackSetting {
                enabled: !setting.disabled,
                quality: u8::try_from(setting.quality.clamp(0, 2)).unwrap_or(2),
                size,
                fps: setting.fps,
                priority: setting.priority,
            };
            Request::TrackSetting(setting.track_sids, wanted)
        }
        Wire::SubscriptionPermission(permission) => audience(permission),
        Wire::Leave(_) => Request::Leave,
        Wire::Ping(_) => Request::Ping,
        Wire::PingReq(ping) => Request::PingRequest(ping.timestamp),
        Wire::UpdateMetadata(update) => Request::Metadata {
            request: update.request_id,
            name: update.name,
            metadata: update.metadata,
            attributes: update.attributes.into_iter().collect(),
        },
        _ => Request::Other,
    }
}

fn audience(permission: proto::SubscriptionPermission) -> Request {
    let admitted = |one: proto::TrackPermission| Admission {
        identity: one.participant_identity,
        sid: one.participant_sid,
        all_tracks: one.all_tracks,
        tracks: one.track_sids,
    };
    let named = permission.track_permissions.into_iter().map(admitted);
    Request::Audience((!permission.all_participants).then(|| named.collect()))
}

fn candidate(trickle: &proto::TrickleRequest) -> Request {
    let target = if trickle.target == proto::SignalTarget::Subscriber as i32 {
        Target::Subscriber
    } else {
        Target::Publisher
    };
    let init: serde_json::Value = serde_json::from_str(&trickle.candidate_init).unwrap_or_default();
    let text = init
        .get("candidate")
        .and_then(|value| value.as_str())
        .unwrap_or_default();
    Request::Candidate(target, text.to_owned())
}

impl Request {
    /// The answers to the two pings (server time in milliseconds), which need no state.
    pub fn pong(&self, now: Unix) -> Option<Response> {
        match self {
            Request::Ping => Some(Response::Pong(now)),
            Request::PingRequest(timestamp) => Some(Response::PongTo(*timestamp, now)),
            Request::Offer(..)
            | Request::Answer(..)
            | Request::Candidate(..)
            | Request::AddTrack(_)
            | Request::Mute(..)
            | Request::Subscription(..)
            | Request::TrackSetting(..)
            | Request::Audience(_)
            | Request::Leave
            | Request::Metadata { .. }
            | Request::TooMuch { .. }
            | Request::Other => None,
        }
    }
}
