//! L4, our own headless client: it speaks as any client does, over HTTP and WebRTC.

mod link;
mod preflight;

pub use preflight::{PreflightError, PreflightOptions, Report, preflight};
