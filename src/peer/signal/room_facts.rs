//! A room as clients see it.

use crate::base::Unix;

/// Facts of a room for `join`.
#[derive(Clone, Debug, Default)]
pub struct RoomFacts {
    /// `RM_…`.
    pub sid: String,
    /// The app's name.
    pub name: String,
    /// The app's text.
    pub metadata: String,
    /// Creation, for the clients' own sorting.
    pub created: Unix,
    /// Seconds after the last one left.
    pub departure_timeout_s: u32,
    /// 0 is unlimited.
    pub max_participants: u32,
    /// Now in the room.
    pub num_participants: u32,
    /// Someone is recorded.
    pub active_recording: bool,
}
