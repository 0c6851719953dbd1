//! One participant of a room.

#[allow(
    clippy::module_inception,
    reason = "the member is the central noun of this room of the house"
)]
mod member;

pub(super) use member::*;
