//! L2, billable time: integers from meter to webhook. No floating point, no clock, no file.

mod entry;

pub use entry::{
    Append, Checkpoint, Entry, EntryKind, Event, EventKind, Interval, ParticipantTotals, SessionFacts,
    Totals,
};
