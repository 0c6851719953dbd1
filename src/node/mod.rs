//! L3, the whole server as sans-IO machines: one [`Shard`] per worker and one [`Control`]. They
//! introduce the rooms below to each other.

mod bandwidth;
pub mod billing;
mod contract;
mod control;
mod data;
mod demux;
mod live_room;
mod member;
mod packets;
pub mod preflight;
mod publishing;
mod shard;
mod signalling;

pub use control::{Control, Refusal};
pub use shard::{Continued, JoinRequest, Output, Shard, ShardConfig, Stats};
