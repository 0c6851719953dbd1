//! Media of one peer connection: RTP and RTCP, what its way carries, the throttle of keyframe
//! requests, and the evidence that the peer is there.
//!
//! It works on str0m's RTP mode, borrowed from control for a step. `wire` takes the place of this
//! folder: it will get SRTP keys and datagrams instead, and keep what [`Media`] offers.

mod codecs;
mod evidence;
mod extensions;
mod keyframes;
mod link;
#[allow(
    clippy::module_inception,
    reason = "the type that the folder is named after"
)]
mod media;
mod replays;
mod rtp;

pub use codecs::Purpose;
pub(super) use codecs::configure;
pub(super) use evidence::{Evidence, counting};
pub(super) use extensions::extensions;
pub use link::LinkReport;
pub(super) use media::Media;
pub(super) use replays::Replays;
