//! What is recorded of a room. [`Recordings`] is a machine: it is told who is here, what they publish and what they
//! say, and answers with what is to be written, told and subscribed to, in that order.
//!
//! The recorders take what the room forwards to a subscriber of their own, which has no connection and a perfect link:
//! layers are chosen, and keyframes asked for, as for anyone else.

mod announcements;
#[cfg(test)]
pub(in crate::node) mod fixture;
mod gates;
mod io;
mod messages;
mod recorders;
mod recordings;
#[cfg(test)]
mod tests;
mod views;

pub(in crate::node) use io::{Output, Person, RECORDED, Source};
pub(in crate::node) use recordings::Recordings;
