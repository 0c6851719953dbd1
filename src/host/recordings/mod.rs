//! Recordings on disk: segments while a session runs.

mod writer;

pub use writer::{Held, Lost, Outlet, Writer, WriterStats, Writing};
