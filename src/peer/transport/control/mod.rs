//! Control of one peer connection: ICE-lite, DTLS, SDP, SCTP with its data channels.
//!
//! It owns str0m's `Rtc` and the socket's side of the connection. Media borrows that `Rtc` for a
//! step ([`Engine`]) and gets str0m's events about media ([`Polled::Media`]), since str0m does both
//! for now. With `wire` both go, and SRTP keys cross instead.

mod channel;
#[allow(
    clippy::module_inception,
    reason = "the type that the folder is named after"
)]
mod control;
mod description;
mod sdp;

pub use channel::Channel;
pub(super) use control::{Control, DTLS_PROBE, Engine, Polled};
pub(super) use description::{Candidates, take_candidates};
pub use description::{MAX_SDP_BYTES, check_length};
pub use sdp::{Change, Opus, Origin, Section, Wanted, announce_stereo, rewrite_msid, sections};
