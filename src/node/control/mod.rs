//! What is decided for the whole node: which worker runs which room, what is booked, who may join.

mod admission;
mod booked;
pub(super) mod booking;
mod placement;
#[cfg(test)]
mod tests;
pub mod verdicts;

pub use admission::{Capacity, Cpu, LedgerTrouble, Refusal, Reserved};
pub use placement::{Arrival, BookRefusal, Control, News, Place};
