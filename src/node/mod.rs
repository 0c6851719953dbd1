//! L3, the whole server as sans-IO machines: one [`Shard`] per worker and one [`Control`]. They
//! introduce the rooms below to each other.

pub mod billing;
mod control;
mod demux;
mod member;
pub mod preflight;
mod recording;
mod room;
mod shard;

pub use control::booking::{Booking, Guest};
pub use control::{
    Arrival, BookRefusal, Capacity, Control, Cpu, News, Place, Refusal, Reserved, verdicts,
};
pub use room::bandwidth::Links;
pub use room::commands::{
    CommandRefusal, ParticipantView, RecordedView, RecordingView, SessionCommand, SessionView,
    SubscriptionView,
};
pub use shard::{Continued, JoinRequest, Output, Shard, ShardConfig, Stats};
