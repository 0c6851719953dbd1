//! Beistand: a media server for help sessions, with a provable record of what was delivered.
//!
//! The plan of the house: each room imports strictly downward (see `ARCHITECTURE.md`).

pub mod api;
#[deny(missing_docs)]
pub mod base;
pub mod client;
pub mod host;
#[deny(missing_docs)]
pub mod media;
pub mod node;
#[deny(missing_docs)]
pub mod peer;
#[deny(missing_docs)]
pub mod record;
#[deny(missing_docs)]
pub mod room;
#[deny(missing_docs)]
pub mod session;
#[deny(missing_docs)]
pub mod usage;
