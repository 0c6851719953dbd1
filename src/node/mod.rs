//! L3, the whole server as sans-IO machines: one [`Shard`] per worker and one [`Control`]. They
//! introduce the rooms below to each other.

mod abandoned;
pub mod billing;
mod context;
mod control;
mod demux;
mod fence;
mod io;
mod member;
pub mod preflight;
mod room;
mod shard;

#[cfg(test)]
pub(crate) use control::booking::tests::booked;
pub use control::booking::{Booking, Guest};
pub use control::{
    Arrival, BookRefusal, Capacity, Control, Cpu, LedgerTrouble, News, Place, Refusal, Reserved,
    verdicts,
};
pub use io::{
    CommandRefusal, Continued, DataRefused, JoinRequest, LinkCounts, Output, ParticipantView,
    RecordedView, RecordingView, SessionCommand, SessionView, Settings, ShardConfig, Stats,
    SubscriptionView,
};
pub use shard::Shard;
