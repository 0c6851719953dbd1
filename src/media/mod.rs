//! L1, what a packet is: streams, codecs, layers, keyframes, and how numbers stay continuous.

mod arrival;
mod codec;
mod munge;
mod packet;
mod rate;
mod stun;
mod vp8;

pub use arrival::Arrival;
pub use codec::Codec;
pub use munge::{Munged, Munger};
pub use packet::{Mid, Packet, Rid, SenderTime, StreamId};
pub use rate::RateMeter;
pub use stun::{StunPeek, is_rtcp, is_stun};
pub use vp8::{Picture, Temporal, Vp8};
