//! L0, the vocabulary: time, ids, units and the words of the contract. Imports nothing of ours.

mod bitrate;
pub mod crypto;
mod grants;
mod ids;
mod json;
mod pii;
mod project;
mod recording;
mod rng;
mod terms;
mod time;
mod verdict;
mod words;

pub use bitrate::Bitrate;
pub use grants::{Drawn, Grant, GrantKey, GrantRefusal, Grants, MOST_GRANTS, MOST_QUOTA_S};
pub use ids::{
    ConnectionId, Identity, NodeId, ParticipantSid, PreflightId, RoomName, RoomSid, SessionId,
    TrackSid,
};
pub use json::{MAX_JSON_BYTES, json_len};
pub use pii::Pii;
pub use project::{ProjectId, RoomKey};
pub use recording::{
    Actor, Consent, ConsentState, NoRecordingId, Purpose, RecordingId, RecordingNote,
    RecordingResult, RecordingStep,
};
pub use rng::Rng;
pub use terms::{FloorReport, Inherited, OpenPrompt, Terms, TermsChange, Warning, WarningKind};
pub use time::{Millis, Mono, Now, Unix};
pub use verdict::Verdict;
pub use words::{
    Direction, EndReason, FloorState, LimitedBy, PauseReason, Role, SessionState, TrackKind,
    TrackSource,
};
