//! The ledger's file: SQLite (WAL, `synchronous=FULL`), one process, one writer thread, group commit.
//!
//! [`Store::open`] locks the directory, checks the file, writes the boot entry and closes what a
//! crash left open, all before anything else happens. [`Store::start`] hands the file to the writer
//! thread; from then on there are only jobs and, once they are on disk, replies.

mod alive;
mod answers;
mod ballast;
mod batch;
mod bookings;
mod boot;
mod check;
mod columns;
pub(super) mod dead_letters;
pub(super) mod error;
pub(super) mod job;
pub(super) mod open;
mod orphan;
mod outbox;
pub(super) mod parts;
pub(super) mod pending;
pub mod read;
pub(super) mod recordings;
pub(super) mod running;
mod schema;
pub(super) mod stats;
mod wal;
mod writer;

#[cfg(test)]
pub(crate) mod fixture;
#[cfg(test)]
mod tests;

pub use error::{Fatal, OpenError};
pub use job::{Job, SendError, StoreReply};
pub use open::Store;
pub use parts::{Boot, Hooks, StoreConfig};
pub use pending::{Confirmed, Pending};
pub use recordings::RecordingQuery;
pub use running::{RunningStore, StoreHandle};
pub use stats::StoreStats;
