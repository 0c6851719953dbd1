//! L2, packets in, container bytes out: one [`Recorder`] per session and purpose. No file, no clock, no
//! thread; `host` writes what comes out, and `node` says who may be recorded.

mod audio_fill;
mod depacketize;
#[cfg(test)]
pub(crate) mod fixture;
mod label;
pub mod manifest;
pub mod matroska;
pub mod merge;
pub mod mux;
mod opus;
mod output;
pub mod plan;
pub mod poster;
pub mod read;
mod recorder;
mod reorder;
mod segment;
mod stats;
pub mod survey;
mod take;
#[cfg(test)]
mod tests;
mod timeline;

pub use label::source_word;
pub use output::{Output, SegmentId, TrackFacts, TrackKey};
pub use recorder::{Recorder, RecorderConfig};
pub use stats::Stats;
