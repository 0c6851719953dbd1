//! The LiveKit signalling protocol, v0: tokens, frames, and the messages as our own words. The one
//! door to LiveKit's protobuf types (protocol 17, livekit-protocol 0.8.2).

mod bounds;
mod card;
mod client;
mod data_packet;
mod frame;
mod leave;
mod protobuf_fields;
mod request;
mod response;
mod room_facts;
pub mod token;
mod topic;

pub use bounds::TooMuch;
pub use card::{AnnouncedLayer, Card, PublishRequest};
pub use client::ClientParams;
pub use data_packet::{ClientPacket, Destinations, PacketRefusal, Sender, server_packet};
pub use frame::{Frame, FrameError};
pub use leave::{LeaveAction, LeaveReason};
pub use request::{Admission, Request, Target, TrackSetting, decode};
pub use response::{RequestRefusal, Response, encode};
pub use room_facts::RoomFacts;
