//! Recordings on disk: segments while a session runs, finished files afterwards.

pub(super) mod api_adapter;
mod catalogue;
mod check;
mod export;
mod finisher;
#[cfg(test)]
pub(crate) mod fixture;
pub(super) mod inspect;
pub(super) mod janitor;
mod key;
mod listing;
mod make;
pub(super) mod mark;
mod object_store;
mod pace;
mod place;
pub mod retention;
pub(super) mod start;
mod terminal;
#[cfg(test)]
mod tests;
pub(super) mod writer;

pub use writer::{Held, Lost, Outlet, SegmentWriter, WriterStats, Writing};
