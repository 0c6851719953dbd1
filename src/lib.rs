//! Beistand: a media server for help sessions, with a provable record of what was delivered.
//!
//! The plan of the house: each room imports strictly downward (see `ARCHITECTURE.md`).

pub mod base;
pub mod media;
pub mod node;
pub mod peer;
pub mod room;
pub mod session;
pub mod usage;
