//! One peer connection: ICE-lite, DTLS, SDP, SCTP, and for now RTP through str0m's RTP mode. The
//! one door to str0m. `wire` takes over everything about RTP behind the same inputs and outputs.

mod client;
mod connection;
mod error;
mod evidence;
mod factory;
mod keyframes;
mod link;
mod output;
mod probe;
mod rtp;
mod sdp;

pub use connection::Transport;
pub use error::TransportError;
pub use factory::{Factory, Purpose};
pub use link::LinkReport;
pub use output::{Channel, Output, Stats};
pub use probe::{PROBE_CHANNEL, Probe, ProbeOutput, Sent};
pub use sdp::{Change, Offered, Origin, Section, rewrite_msid, sections};
