//! The ledger's file: SQLite (WAL, `synchronous=FULL`), one process, one writer thread, group commit.
//!
//! [`Store::open`] locks the directory, checks the file, writes the boot entry and closes what a
//! crash left open, all before anything else happens. [`Store::start`] hands the file to the writer
//! thread; from then on there are only jobs and, once they are on disk, replies.

mod batch;
mod bookings;
mod boot;
mod error;
mod job;
pub mod read;
mod recordings;
mod running;
mod schema;
mod stats;
mod writer;

#[cfg(test)]
pub(crate) mod fixture;
#[cfg(test)]
mod tests;

pub use bookings::Desk;
pub use error::{Fatal, OpenError};
pub use job::{Job, SendError, StoreReply};
pub use recordings::RecordingFilter;
pub(super) use recordings::expires;
pub use running::{Boot, Hooks, ReadClock, RunningStore, Store, StoreConfig, StoreHandle};
pub use stats::StoreStats;
