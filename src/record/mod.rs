//! L2, packets in, container bytes out: one [`Recorder`] per session and purpose. No file, no clock, no
//! thread; `host` writes what comes out, and `node` says who may be recorded.

mod depacketize;
pub mod matroska;
mod output;
mod recorder;
mod reorder;
mod segment;
mod stats;
mod take;
#[cfg(test)]
mod tests;
mod timeline;

pub use output::{Output, SegmentId, TrackFacts, TrackKey};
pub use recorder::{Recorder, RecorderConfig};
pub use stats::Stats;
