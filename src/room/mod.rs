//! L2, the SFU proper: who publishes what, who gets it, and in which numbers. No word of money, no
//! wire format, no clock.

mod allocation;
mod congestion;
mod dynacast;
mod event;
mod floor;
mod forwarding;
mod keys;
mod members;
#[allow(
    clippy::module_inception,
    reason = "the room is the central noun of this room of the house"
)]
mod room;
mod tracks;

pub use allocation::stream_allocation::{Allocated, Budget, View};
pub use congestion::downlink::{
    Downlink, DownlinkConfig, DownlinkDecision, DownlinkLook, DownlinkReport,
};
pub use congestion::uplink::{Filler, Uplink, UplinkDecision, UplinkReport};
pub use event::Event;
pub use floor::{Evidence, Floor, FloorConfig, FloorView, Reading};
pub use forwarding::forward::{Drops, Forward};
pub use keys::{MemberKey, Subscriber, TrackKey};
pub use members::MemberOptions;
pub use room::Room;
pub use tracks::audience::{Audience, Share};
pub use tracks::layer::{LayerSpec, Rung};
pub use tracks::publication::{Publication, PublicationSpec};
pub use tracks::subscription::TrackSettings;

#[cfg(test)]
mod tests;
