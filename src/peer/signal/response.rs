//! What the server says.

use super::card::Card;
use super::frame::Frame;
use super::leave::{LeaveAction, LeaveReason};
use super::room_facts::RoomFacts;
use crate::base::{NodeId, Unix};
use crate::media::Codec;
use crate::peer::negotiate::Offer;
use livekit_protocol as proto;
use livekit_protocol::signal_response::Message as Wire;
use prost::Message;

/// Announced protocol: with 18 and more the Rust-core clients expect pre-negotiated data channels,
/// and data silently never flows.
const PROTOCOL: i32 = 17;
/// livekit-client parses it as semver and changes its behaviour above 1.13.6.
const VERSION: &str = "1.9.0";
/// Seconds; 0 makes the Rust core panic.
const PING_INTERVAL_S: i32 = 5;
const PING_TIMEOUT_S: i32 = 15;

/// Why a request is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RequestRefusal {
    /// Not refused.
    Ok,
    /// The token does not allow it.
    NotAllowed,
    /// Too much.
    LimitExceeded,
}

/// A message of the server.
#[derive(Clone, Debug)]
pub enum Response {
    /// First message of a join.
    Join {
        /// The room.
        room: RoomFacts,
        /// The participant itself.
        me: Box<Card>,
        /// All visible others.
        others: Vec<Card>,
        /// This node.
        node: NodeId,
        /// The client may subscribe, so its subscriber connection decides that it is connected.
        subscriber_primary: bool,
        /// The client may publish.
        fast_publish: bool,
    },
    /// Publisher answer: id and SDP.
    Answer(u32, String),
    /// Subscriber offer.
    Offer(Offer),
    /// The room as it is now.
    Room(RoomFacts),
    /// Participants as they are now.
    Update(Vec<Card>),
    /// A participant is gone.
    Gone(Box<Card>),
    /// Confirms a publication: the client's own id, the card that carries the track, its id.
    TrackPublished(String, Box<Card>, String),
    /// A track of the client's own is no longer there: the announcement of a track that never came.
    TrackUnpublished(String),
    /// Somebody subscribed to a track for the first time.
    TrackSubscribed(String),
    /// Goodbye.
    Leave(LeaveAction, LeaveReason),
    /// A new token.
    RefreshToken(String),
    /// Server time.
    Pong(Unix),
    /// The client's time, and the server's.
    PongTo(i64, Unix),
    /// The best layer that anyone wants of a track (0 to 2), or that nobody wants any; its codec.
    QualityWanted(String, Option<u8>, Option<Codec>),
    /// Publisher and track whose video the downlink does not carry any more (true), or again.
    StreamState(String, String, bool),
    /// Publisher and track that the client may have (true), or may not by the publisher's will.
    SubscriptionPermission(String, String, bool),
    /// Outcome of a request with an id.
    Outcome(u32, RequestRefusal, &'static str),
    /// A track cannot be had.
    SubscriptionFailed(String),
}

/// The frame of a message, in the kind that the client speaks.
pub fn encode(response: Response, text: bool) -> Frame {
    let message = proto::SignalResponse {
        message: Some(translate(response)),
    };
    if text {
        Frame::Text(serde_json::to_string(&message).unwrap_or_default())
    } else {
        Frame::Binary(message.encode_to_vec().into())
    }
}

fn translate(response: Response) -> Wire {
    match response {
        Response::Join {
            room,
            me,
            others,
            node,
            subscriber_primary,
            fast_publish,
        } => {
            let mut join = join(&room, &node);
            join.participant = Some(me.into_proto());
            join.other_participants = others.into_iter().map(Card::into_proto).collect();
            join.subscriber_primary = subscriber_primary;
            join.fast_publish = fast_publish;
            Wire::Join(join)
        }
        Response::Answer(id, sdp) => Wire::Answer(description("answer", id, sdp)),
        Response::Offer(offer) => {
            let mut wire = description("offer", offer.id, offer.sdp);
            wire.mid_to_track_id = offer
                .tracks
                .iter()
                .map(|(mid, track)| (mid.to_string(), track.to_string()))
                .collect();
            Wire::Offer(wire)
        }
        Response::Room(room) => Wire::RoomUpdate(proto::RoomUpdate {
            room: Some(room_proto(&room)),
        }),
        Response::Update(cards) => Wire::Update(update(cards)),
        Response::Gone(card) => Wire::Update(update(vec![*card])),
        Response::TrackPublished(cid, card, sid) => {
            let mut tracks = card.into_proto().tracks.into_iter();
            let track = tracks.find(|track| track.sid == sid);
            Wire::TrackPublished(proto::TrackPublishedResponse { cid, track })
        }
        Response::TrackUnpublished(track_sid) => {
            Wire::TrackUnpublished(proto::TrackUnpublishedResponse { track_sid })
        }
        Response::TrackSubscribed(track_sid) => {
            Wire::TrackSubscribed(proto::TrackSubscribed { track_sid })
        }
        Response::QualityWanted(track, quality, codec) => {
            Wire::SubscribedQualityUpdate(quality_wanted(track, quality, codec))
        }
        Response::StreamState(publisher, track, paused) => {
            Wire::StreamStateUpdate(stream_state(publisher, track, paused))
        }
        Response::SubscriptionPermission(publisher, track, allowed) => {
            Wire::SubscriptionPermissionUpdate(permission(publisher, track, allowed))
        }
        Response::Leave(action, reason) => Wire::Leave(leave(action, reason)),
        Response::RefreshToken(token) => Wire::RefreshToken(token),
        Response::Pong(now) => Wire::Pong(millis(now)),
        Response::PongTo(last, now) => Wire::PongResp(proto::Pong {
            last_ping_timestamp: last,
            timestamp: millis(now),
        }),
        Response::Outcome(request_id, refusal, message) => {
            Wire::RequestResponse(outcome(request_id, refusal, message))
        }
        Response::SubscriptionFailed(track_sid) => {
            Wire::SubscriptionResponse(no_such_track(track_sid))
        }
    }
}

fn no_such_track(track_sid: String) -> proto::SubscriptionResponse {
    proto::SubscriptionResponse {
        track_sid,
        err: proto::SubscriptionError::SeTrackNotfound as i32,
    }
}

fn update(cards: Vec<Card>) -> proto::ParticipantUpdate {
    proto::ParticipantUpdate {
        participants: cards.into_iter().map(Card::into_proto).collect(),
    }
}

fn permission(
    participant_sid: String,
    track_sid: String,
    allowed: bool,
) -> proto::SubscriptionPermissionUpdate {
    proto::SubscriptionPermissionUpdate {
        participant_sid,
        track_sid,
        allowed,
    }
}

fn stream_state(
    participant_sid: String,
    track_sid: String,
    paused: bool,
) -> proto::StreamStateUpdate {
    let state = if paused {
        proto::StreamState::Paused
    } else {
        proto::StreamState::Active
    };
    proto::StreamStateUpdate {
        stream_states: vec![proto::StreamStateInfo {
            participant_sid,
            track_sid,
            state: state as i32,
        }],
    }
}

#[expect(deprecated, reason = "older clients still read this field")]
fn quality_wanted(
    track_sid: String,
    quality: Option<u8>,
    codec: Option<Codec>,
) -> proto::SubscribedQualityUpdate {
    let qualities: Vec<proto::SubscribedQuality> = (0..=2)
        .map(|layer| proto::SubscribedQuality {
            quality: i32::from(layer),
            enabled: Some(layer) <= quality,
        })
        .collect();
    proto::SubscribedQualityUpdate {
        track_sid,
        subscribed_qualities: qualities.clone(),
        // Clients compare the name with their own; without one the list above says it all.
        subscribed_codecs: codec
            .map(|codec| proto::SubscribedCodec {
                codec: codec.name().to_owned(),
                qualities,
            })
            .into_iter()
            .collect(),
    }
}

fn join(room: &RoomFacts, node: &NodeId) -> proto::JoinResponse {
    proto::JoinResponse {
        room: Some(room_proto(room)),
        server_version: VERSION.to_owned(),
        server_info: Some(proto::ServerInfo {
            edition: proto::server_info::Edition::Standard as i32,
            version: VERSION.to_owned(),
            protocol: PROTOCOL,
            node_id: node.to_string(),
            ..proto::ServerInfo::default()
        }),
        client_configuration: Some(proto::ClientConfiguration::default()),
        ping_interval: PING_INTERVAL_S,
        ping_timeout: PING_TIMEOUT_S,
        ..proto::JoinResponse::default()
    }
}

fn room_proto(room: &RoomFacts) -> proto::Room {
    let codec = |mime: &str| proto::Codec {
        mime: mime.to_owned(),
        fmtp_line: String::new(),
    };
    proto::Room {
        sid: room.sid.clone(),
        name: room.name.clone(),
        metadata: room.metadata.clone(),
        creation_time: millis(room.created) / 1000,
        creation_time_ms: millis(room.created),
        departure_timeout: room.departure_timeout_s,
        max_participants: room.max_participants,
        num_participants: room.num_participants,
        active_recording: room.active_recording,
        enabled_codecs: ["audio/opus", "video/VP8", "video/H264"]
            .map(codec)
            .to_vec(),
        ..proto::Room::default()
    }
}

fn leave(action: LeaveAction, reason: LeaveReason) -> proto::LeaveRequest {
    let wire = match action {
        LeaveAction::Disconnect => proto::leave_request::Action::Disconnect,
        LeaveAction::Reconnect => proto::leave_request::Action::Reconnect,
    };
    proto::LeaveRequest {
        can_reconnect: action == LeaveAction::Reconnect,
        reason: reason.to_proto() as i32,
        action: wire as i32,
        regions: None,
    }
}

fn outcome(request_id: u32, refusal: RequestRefusal, message: &str) -> proto::RequestResponse {
    let reason = match refusal {
        RequestRefusal::Ok => proto::request_response::Reason::Ok,
        RequestRefusal::NotAllowed => proto::request_response::Reason::NotAllowed,
        RequestRefusal::LimitExceeded => proto::request_response::Reason::LimitExceeded,
    };
    proto::RequestResponse {
        request_id,
        reason: reason as i32,
        message: message.to_owned(),
        request: None,
    }
}

fn description(kind: &str, id: u32, sdp: String) -> proto::SessionDescription {
    proto::SessionDescription {
        r#type: kind.to_owned(),
        sdp,
        id,
        mid_to_track_id: std::collections::HashMap::new(),
    }
}

fn millis(unix: Unix) -> i64 {
    i64::try_from(unix.0).unwrap_or(i64::MAX)
}
