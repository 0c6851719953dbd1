//! What tests and benchmarks share: a node with real clients in virtual time ([`World`]), the links between
//! them, the payloads that they send, and a reader of segments that knows nothing of their writer.
//!
//! It is a package of its own, which `beistand` depends on for development alone. So `tests/sim` and `benches`
//! compile it once and import it by name, nothing of it reaches the program that is shipped, and str0m and
//! LiveKit's messages, which it needs as a client does, stay behind their doors in `src`. The price: it is linked
//! against the library as others see it, so unit tests inside `src` can use of it only what names no type of
//! `beistand` ([`segment`], [`BentPackets`]). What they share lies in their rooms, in `fixture.rs`, compiled for tests alone; that
//! way the imports of tests go down as all others do.

#![allow(missing_docs, clippy::unwrap_used, reason = "for tests alone")]

mod check;
mod client;
mod link;
mod packets;
mod payload;
pub mod segment;
mod wire;
mod world;

pub use check::nominating;
pub use client::Client;
pub use link::{Link, Rough};
pub use packets::{BentPackets, FORGED};
pub use payload::{AUDIO, DELTA, KEYFRAME, MIDDLE};
pub use wire::Wire;
pub use world::{SECRET, TENANT, World};
