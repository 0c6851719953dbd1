//! The parts of a room, each with a state of its own: [`super::live_room`] introduces them to each other.

pub(in crate::node) mod recording;
