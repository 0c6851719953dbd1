//! Measurements of a participant's link before the join.

pub(in crate::api) mod book;
pub(in crate::api) mod measure;
