//! One room as it lives.

pub(super) mod bandwidth;
pub(super) mod commands;
pub(super) mod counts;
mod data;
mod egress;
pub(super) mod live_room;
pub(super) mod notices;
mod publishing;
mod signalling;
