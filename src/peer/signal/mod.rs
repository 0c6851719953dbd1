//! The LiveKit signalling protocol, v0: tokens, frames, and the messages as our own words. The one
//! door to LiveKit's protobuf types (protocol 17, livekit-protocol 0.8.2).

mod card;
mod client;
mod data;
mod frame;
mod protobuf_fields;
mod request;
mod response;
pub mod token;

pub use card::{Card, PublishRequest};
pub use client::ClientParams;
pub use data::{Destinations, server_packet, stamp, user_message};
pub use frame::{Frame, FrameError};
pub use request::{Request, RoomFacts, Target, TrackSetting, decode};
pub use response::{LeaveAction, LeaveReason, RequestRefusal, Response, encode};
