//! One participant of a room: its connections, its tracks, what it may do and how it is doing.

mod connections;
mod heard;
mod links;
#[allow(
    clippy::module_inception,
    reason = "the member is the central noun of this room of the house"
)]
mod member;
mod outgoing_data;
mod send_window;
mod token_refresh;
mod tracks;

pub(in crate::node) use connections::{Connections, Side};
pub(in crate::node) use links::{downward, upward};
pub(in crate::node) use member::{DisconnectCause, Member, NewMember, is_minor};
pub(in crate::node) use outgoing_data::{MAX_WAITING, RESUME_AT, Unsent};
pub(in crate::node) use tracks::{Announced, Published, wanted_of};
