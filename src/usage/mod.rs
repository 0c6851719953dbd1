//! L2, billable time: integers from meter to webhook. No floating point, no clock, no file.

pub mod account;
mod entry;
mod event;
pub mod ledger;
pub mod meter;
pub mod outbox;
pub mod webhook;

pub use account::Account;
pub use entry::{
    Append, Carried, Checkpoint, Entry, EntryKind, Event, EventKind, Interval, ParticipantTotals,
    SessionFacts, Stored, Totals,
};
pub use event::event;
pub use meter::Meter;
