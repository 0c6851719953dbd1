//! Measurements of a participant's link before the join.

pub(in crate::api) mod book;

pub use book::{PreflightLimits, Preflighted, Preflights};
