//! L3, the whole server as sans-IO machines: one [`Shard`] per worker and one [`Control`]. They
//! introduce the rooms below to each other.

pub mod billing;
mod context;
mod control;
mod demux;
mod io;
mod member;
pub mod preflight;
mod room;
mod shard;

pub use control::booking::{Booking, Guest};
pub use control::{
    Arrival, BookRefusal, Capacity, Control, Cpu, News, Place, Refusal, Reserved, verdicts,
};
pub use io::{
    CommandRefusal, Continued, JoinRequest, LinkCounts, Output, ParticipantView, RecordedView,
    RecordingView, SessionCommand, SessionView, Settings, ShardConfig, Stats, SubscriptionView,
};
pub use shard::Shard;
