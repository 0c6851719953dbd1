//! The words of the contract (`docs/contract.md`) that several rooms share.

use serde::{Deserialize, Serialize};

/// What a participant is to the session; from the signed token alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Gives help. One of the two sides.
    Expert,
    /// Gets help and pays. One of the two sides.
    Customer,
    /// Takes part, but never starts, holds or pauses billing.
    Guest,
    /// Watches; a room of observers alone stays `waiting`.
    Observer,
}

impl Role {
    /// The word used in tokens and records.
    pub const fn as_str(self) -> &'static str {
        match self {
            Role::Expert => "expert",
            Role::Customer => "customer",
            Role::Guest => "guest",
            Role::Observer => "observer",
        }
    }
}

impl std::str::FromStr for Role {
    type Err = UnknownRole;
    fn from_str(text: &str) -> Result<Role, UnknownRole> {
        match text {
            "expert" => Ok(Role::Expert),
            "customer" => Ok(Role::Customer),
            "guest" => Ok(Role::Guest),
            "observer" => Ok(Role::Observer),
            _ => Err(UnknownRole),
        }
    }
}

/// A role that is none of the four.
#[derive(Debug, thiserror::Error)]
#[error("a role is one of: expert, customer, guest, observer")]
pub struct UnknownRole;

/// Why the billing clock stands still. Ordered by precedence: the first that holds is the reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PauseReason {
    /// The app asked for it.
    ByRequest,
    /// The prepaid seconds are used up.
    QuotaExhausted,
    /// Nobody answered "still there?".
    PresenceUnconfirmed,
    /// A side vanished less than the grace time ago.
    Reconnecting,
    /// No expert is here.
    ExpertAway,
    /// No customer is here.
    CustomerAway,
    /// The promised bandwidth is not met.
    BelowFloor,
}

impl PauseReason {
    /// The word used in records.
    pub const fn as_str(self) -> &'static str {
        match self {
            PauseReason::ByRequest => "by_request",
            PauseReason::QuotaExhausted => "quota_exhausted",
            PauseReason::PresenceUnconfirmed => "presence_unconfirmed",
            PauseReason::Reconnecting => "reconnecting",
            PauseReason::ExpertAway => "expert_away",
            PauseReason::CustomerAway => "customer_away",
            PauseReason::BelowFloor => "below_floor",
        }
    }
}

/// Why a session ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EndReason {
    /// Everyone left by themselves.
    Left,
    /// The Sessions API ended it.
    EndedByApi,
    /// The room was deleted.
    RoomDeleted,
    /// `duration.max_min` since first live.
    MaxDuration,
    /// Nobody confirmed to be there.
    PresenceTimeout,
    /// The promised bandwidth was not met for too long.
    FloorBreached,
    /// The prepaid seconds are used up.
    QuotaExhausted,
    /// The two sides never met.
    NoShow,
    /// A side stayed away, or everyone vanished.
    Abandoned,
    /// The node crashed.
    NodeLost,
    /// The node was shut down in an orderly way.
    NodeDrained,
}

impl EndReason {
    /// The word used in records.
    pub const fn as_str(self) -> &'static str {
        match self {
            EndReason::Left => "left",
            EndReason::EndedByApi => "ended_by_api",
            EndReason::RoomDeleted => "room_deleted",
            EndReason::MaxDuration => "max_duration",
            EndReason::PresenceTimeout => "presence_timeout",
            EndReason::FloorBreached => "floor_breached",
            EndReason::QuotaExhausted => "quota_exhausted",
            EndReason::NoShow => "no_show",
            EndReason::Abandoned => "abandoned",
            EndReason::NodeLost => "node_lost",
            EndReason::NodeDrained => "node_drained",
        }
    }

    /// The node ended, and the session only with it: a rejoin continues it.
    pub const fn is_of_node(self) -> bool {
        matches!(self, EndReason::NodeLost | EndReason::NodeDrained)
    }
}

/// Where a session stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(tag = "state", content = "reason", rename_all = "snake_case")]
pub enum SessionState {
    /// Someone may be here, but the two sides have not met.
    Waiting,
    /// The billing clock runs.
    Live,
    /// The billing clock stands, the media goes on.
    Paused(PauseReason),
    /// Over for good.
    Ended(EndReason),
}

impl SessionState {
    /// The word used in records, without the reason.
    pub const fn as_str(self) -> &'static str {
        match self {
            SessionState::Waiting => "waiting",
            SessionState::Live => "live",
            SessionState::Paused(_) => "paused",
            SessionState::Ended(_) => "ended",
        }
    }

    /// The reason of a pause or an end.
    pub const fn reason(self) -> Option<&'static str> {
        match self {
            SessionState::Waiting | SessionState::Live => None,
            SessionState::Paused(reason) => Some(reason.as_str()),
            SessionState::Ended(reason) => Some(reason.as_str()),
        }
    }
}

/// Audio or video.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TrackKind {
    /// Sound.
    Audio,
    /// Pictures.
    Video,
}

/// What a track shows, as LiveKit names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TrackSource {
    /// The client did not say.
    Unknown,
    /// A camera.
    Camera,
    /// A microphone.
    Microphone,
    /// A shared screen.
    ScreenShare,
    /// The sound of a shared screen.
    ScreenShareAudio,
}

/// Which way media goes, seen from a participant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// From the participant to the node.
    Up,
    /// From the node to the participant.
    Down,
}

impl Direction {
    /// Both.
    pub const BOTH: [Direction; 2] = [Direction::Up, Direction::Down];

    /// The word used in records.
    pub const fn as_str(self) -> &'static str {
        match self {
            Direction::Up => "up",
            Direction::Down => "down",
        }
    }
}

/// How the promised bandwidth stands, per participant and direction.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum FloorState {
    /// Nothing says that the floor is met, and nothing that it is not: too little is sent to know.
    #[default]
    Unproven,
    /// The floor is met.
    Met,
    /// There is evidence of less, for a short while.
    Short,
    /// There is evidence of less, for long.
    Breached,
}

impl FloorState {
    /// All of them.
    pub const ALL: [FloorState; 4] = [
        FloorState::Unproven,
        FloorState::Met,
        FloorState::Short,
        FloorState::Breached,
    ];

    /// The word used in records.
    pub const fn as_str(self) -> &'static str {
        match self {
            FloorState::Unproven => "unproven",
            FloorState::Met => "met",
            FloorState::Short => "short",
            FloorState::Breached => "breached",
        }
    }
}

/// What holds a subscription or a direction below what was wished.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LimitedBy {
    /// The publisher's way to the node.
    Uplink,
    /// The node's way to the subscriber.
    Downlink,
    /// The publisher sends no more than this.
    Source,
    /// The subscriber asked for no more.
    Request,
    /// The session's policy.
    Policy,
}

impl LimitedBy {
    /// All of them.
    pub const ALL: [LimitedBy; 5] = [
        LimitedBy::Uplink,
        LimitedBy::Downlink,
        LimitedBy::Source,
        LimitedBy::Request,
        LimitedBy::Policy,
    ];

    /// The word used in records.
    pub const fn as_str(self) -> &'static str {
        match self {
            LimitedBy::Uplink => "uplink",
            LimitedBy::Downlink => "downlink",
            LimitedBy::Source => "source",
            LimitedBy::Request => "request",
            LimitedBy::Policy => "policy",
        }
    }
}
