//! L3, the whole server as sans-IO machines: one [`Shard`] per worker and one [`Control`]. They
//! introduce the rooms below to each other.

mod bandwidth;
pub mod billing;
mod booking;
mod command;
mod contract;
mod control;
mod data;
mod demux;
mod live_room;
mod member;
mod packets;
pub mod preflight;
mod publishing;
mod recording;
mod room;
mod shard;
mod signalling;
mod tally;
pub mod verdicts;

pub use bandwidth::Links;
pub use booking::{Booking, Guest};
pub use command::{
    CommandRefusal, ParticipantView, RecordedView, RecordingView, SessionCommand, SessionView,
    SubscriptionView,
};
pub use control::{Arrival, BookRefusal, Capacity, Control, Cpu, News, Place, Refusal, Reserved};
pub use shard::{Continued, JoinRequest, Output, Shard, ShardConfig, Stats};
