//! Recordings on disk: segments while a session runs.

mod start;
mod writer;

pub use start::{Started, open, start};
pub use writer::{Held, Lost, Outlet, Writer, WriterStats, Writing};
