//! L1, what a packet is: streams, codecs, layers, keyframes, and how numbers stay continuous.

mod codec;
mod munge;
mod packet;
mod stun;
mod vp8;

pub use codec::Codec;
pub use munge::{Munged, Munger};
pub use packet::{Mid, Packet, Rid, StreamId};
pub use stun::{StunPeek, is_stun};
pub use vp8::{Picture, Vp8};
