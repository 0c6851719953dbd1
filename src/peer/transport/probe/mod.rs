//! A peer connection that measures its link before a session: the node's side, which answers, and
//! our own client's, which offers.

#[allow(
    clippy::module_inception,
    reason = "the type that the folder is named after"
)]
mod probe;
mod prober;

pub use probe::{PROBE_CHANNEL, Probe, ProbeOutput, Sent};
