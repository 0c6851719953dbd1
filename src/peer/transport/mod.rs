//! One peer connection, and the one door to str0m. [`Transport`] is what `node` drives; inside it
//! has two halves that do not know each other.
//!
//! | half | owns | gives |
//! |---|---|---|
//! | `control` | str0m's `Rtc`, the open offer, data channels, the state of ICE and DTLS | datagrams, descriptions, messages |
//! | `media` | numbers and payload types of the sections, keyframe throttle, link, evidence of presence | packets, keyframe requests, link reports |
//!
//! From control to media cross str0m's events about media, and that a section has another track;
//! from media to control nothing but what it writes into the `Rtc` that it is lent. `wire` will take
//! the place of `media` behind the same methods.
//!
//! `probe` is the other kind of connection: a measurement before a session.

mod anchor;
mod connection;
mod control;
mod error;
mod factory;
mod held_data;
mod media;
mod output;
mod probe;

pub use connection::Transport;
pub use control::{
    Change, Channel, MAX_SDP_BYTES, Opus, Origin, Section, Wanted, announce_stereo, check_length,
    rewrite_msid, sections,
};
pub use error::TransportError;
pub use factory::Factory;
pub use media::{LinkReport, Purpose};
pub use output::{Offered, Output, Stats};
pub use probe::{PROBE_CHANNEL, Probe, ProbeOutput, Sent};
