//! L2, the SFU proper: who publishes what, who gets it, and in which numbers. No word of money, no
//! wire format, no clock.

mod allocation;
mod congestion;
mod floor;
mod forwarding;
#[allow(
    clippy::module_inception,
    reason = "the room is the central noun of this room of the house"
)]
mod room;
mod tracks;

pub use allocation::stream_allocation::{Allocated, Budget, View};
pub use congestion::congestion_detector::CongestionDetector;
pub use congestion::estimate_watchdog::EstimateWatchdog;
pub use congestion::padding::Padding;
pub use congestion::probe_ceiling::ProbeCeiling;
pub use congestion::publisher_probe::PublisherProbe;
pub use floor::{Downlink, Evidence, Floor, FloorConfig, Uplink};
pub use forwarding::forward::{Drops, Forward};
pub use room::{Event, MemberKey, MemberOptions, Room};
pub use tracks::publication::{LayerSpec, Publication, PublicationSpec, Rung, TrackKey};
pub use tracks::subscription::TrackSettings;

#[cfg(test)]
mod tests;
