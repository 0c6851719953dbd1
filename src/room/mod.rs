//! L2, the SFU proper: who publishes what, who gets it, and in which numbers. No word of money, no
//! wire format, no clock.

mod allocate;
mod allocation;
mod calm;
mod floor;
mod forward;
mod ladder;
mod padding;
mod publication;
mod pulse;
mod reach;
#[allow(
    clippy::module_inception,
    reason = "the room is the central noun of this room of the house"
)]
mod room;
mod rouse;
mod stall;
mod subscription;

pub use allocation::{Allocated, Budget, View};
pub use calm::Calm;
pub use floor::{Downlink, Evidence, Floor, FloorConfig, Uplink};
pub use forward::{Drops, Forward};
pub use padding::Padding;
pub use publication::{LayerSpec, Publication, PublicationSpec, Rung, TrackKey};
pub use reach::Reach;
pub use room::{Event, MemberKey, MemberOptions, Room};
pub use rouse::Rouse;
pub use stall::Stall;
pub use subscription::Wish;

#[cfg(test)]
mod tests;
