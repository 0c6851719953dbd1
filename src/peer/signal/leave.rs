//! How and why a client's connection ends.

use livekit_protocol as proto;

/// What a client is to do after a `leave`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LeaveAction {
    /// Stay away.
    Disconnect,
    /// Join again in full.
    Reconnect,
}

/// Why (LiveKit's `DisconnectReason`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LeaveReason {
    /// The client asked for it.
    ClientInitiated,
    /// The same identity joined again.
    DuplicateIdentity,
    /// The node is going down.
    ServerShutdown,
    /// Nothing is known of the connection to be resumed.
    StateMismatch,
    /// It never connected.
    JoinFailure,
    /// The session is over.
    RoomClosed,
    /// The app ended the session.
    RoomDeleted,
    /// Nothing was heard for too long.
    ConnectionTimeout,
    /// The media connection broke.
    MediaFailure,
}

impl LeaveReason {
    pub(super) const fn to_proto(self) -> proto::DisconnectReason {
        match self {
            LeaveReason::ClientInitiated => proto::DisconnectReason::ClientInitiated,
            LeaveReason::DuplicateIdentity => proto::DisconnectReason::DuplicateIdentity,
            LeaveReason::ServerShutdown => proto::DisconnectReason::ServerShutdown,
            LeaveReason::StateMismatch => proto::DisconnectReason::StateMismatch,
            LeaveReason::JoinFailure => proto::DisconnectReason::JoinFailure,
            LeaveReason::RoomClosed => proto::DisconnectReason::RoomClosed,
            LeaveReason::RoomDeleted => proto::DisconnectReason::RoomDeleted,
            LeaveReason::ConnectionTimeout => proto::DisconnectReason::ConnectionTimeout,
            LeaveReason::MediaFailure => proto::DisconnectReason::MediaFailure,
        }
    }
}
