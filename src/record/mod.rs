//! L2, packets in, container bytes out: one [`Recorder`] per session and purpose. No file, no clock, no
//! thread; `host` writes what comes out, and `node` says who may be recorded.

pub mod matroska;
mod output;

pub use output::{Output, SegmentId, TrackFacts, TrackKey};
