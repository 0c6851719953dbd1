//! Recordings on disk: segments while a session runs.

mod desk;
mod start;
mod writer;

pub use desk::{Progresses, Shelves, shelves};
pub use start::{Started, open, start};
pub use writer::{Held, Lost, Outlet, Writer, WriterStats, Writing};
