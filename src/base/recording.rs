//! The words of recording: for what, with whose consent, and how far it is.

use super::{Identity, Millis, SessionId, Unix};
use serde::{Deserialize, Serialize};
use std::fmt;

/// What a recording is for. One recording per purpose, since retention differs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Purpose {
    /// Quality assurance: for the provider's own eyes, and for a short time.
    Qa,
    /// For the participants of the session.
    Shared,
}

impl Purpose {
    /// Every purpose.
    pub const ALL: [Purpose; 2] = [Purpose::Qa, Purpose::Shared];

    /// The word used in records, paths and on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Purpose::Qa => "qa",
            Purpose::Shared => "shared",
        }
    }

    /// The purpose of this word.
    pub fn parse(word: &str) -> Option<Purpose> {
        Purpose::ALL
            .into_iter()
            .find(|purpose| purpose.as_str() == word)
    }
}

impl fmt::Display for Purpose {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Where someone's consent to one purpose stands. Who has not answered has none of these.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ConsentState {
    /// May be recorded.
    Given,
    /// Was asked, and said no.
    Refused,
    /// Said yes, and then no.
    Withdrawn,
}

impl ConsentState {
    /// The word used in records and on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            ConsentState::Given => "given",
            ConsentState::Refused => "refused",
            ConsentState::Withdrawn => "withdrawn",
        }
    }
}

/// By whose hand something was said.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Actor {
    /// The participant's own client, in the session.
    Participant,
    /// The app, by the API.
    App,
    /// The node itself, by a rule (retention, a full disk).
    Node,
}

impl Actor {
    /// The word used in records.
    pub const fn as_str(self) -> &'static str {
        match self {
            Actor::Participant => "participant",
            Actor::App => "app",
            Actor::Node => "node",
        }
    }
}

/// A change of consent, as evidence: who, when, by whose hand, and which wording they had before them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Consent {
    /// Who is or is not to be recorded.
    pub identity: Identity,
    /// For what.
    pub purpose: Purpose,
    /// The state from then on.
    pub state: ConsentState,
    /// By whose hand.
    pub actor: Actor,
    /// Version of the text that was shown, in the app's own words (at most 64 bytes).
    pub wording: String,
}

/// A recording: one per session and purpose, so the id is made of both (`RC_…_qa`).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct RecordingId {
    session: SessionId,
    purpose: Purpose,
}

const RECORDING_PREFIX: &str = "RC_";
const SESSION_PREFIX: &str = "SE_";

impl RecordingId {
    /// The recording of a session for a purpose.
    pub const fn new(session: SessionId, purpose: Purpose) -> RecordingId {
        RecordingId { session, purpose }
    }

    /// Reads an id; `None` unless it is one of ours, letter by letter, so that it is safe in a path.
    pub fn parse(text: &str) -> Option<RecordingId> {
        let (random, purpose) = text.strip_prefix(RECORDING_PREFIX)?.split_once('_')?;
        let known = !random.is_empty() && random.len() <= 32;
        if !known || !random.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
            return None;
        }
        let session = SessionId::from(format!("{SESSION_PREFIX}{random}"));
        Some(RecordingId::new(session, Purpose::parse(purpose)?))
    }

    /// Of which session.
    pub const fn session(&self) -> &SessionId {
        &self.session
    }

    /// For what.
    pub const fn purpose(&self) -> Purpose {
        self.purpose
    }
}

impl fmt::Display for RecordingId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let session = self.session.as_str();
        let random = session.strip_prefix(SESSION_PREFIX).unwrap_or(session);
        write!(f, "{RECORDING_PREFIX}{random}_{}", self.purpose)
    }
}

impl From<RecordingId> for String {
    fn from(id: RecordingId) -> String {
        id.to_string()
    }
}

impl TryFrom<String> for RecordingId {
    type Error = NoRecordingId;

    fn try_from(text: String) -> Result<RecordingId, NoRecordingId> {
        RecordingId::parse(&text).ok_or(NoRecordingId)
    }
}

/// A text that names no recording.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a recording's id looks like RC_0123456789ab_shared")]
pub struct NoRecordingId;

/// How far a recording is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RecordingStep {
    /// Someone is recorded from now on.
    Started,
    /// Nobody is recorded from now on; it may start again while the session lasts.
    Stopped,
    /// It cannot go on (a full or slow disk), or cannot be finished.
    Failed,
    /// Its files are finished, and may be fetched.
    Ready,
    /// Its files are gone.
    Deleted,
}

impl RecordingStep {
    /// The word used in records.
    pub const fn as_str(self) -> &'static str {
        match self {
            RecordingStep::Started => "started",
            RecordingStep::Stopped => "stopped",
            RecordingStep::Failed => "failed",
            RecordingStep::Ready => "ready",
            RecordingStep::Deleted => "deleted",
        }
    }

    /// The cause of the entry that it makes.
    pub const fn cause(self) -> &'static str {
        match self {
            RecordingStep::Started => "recording_started",
            RecordingStep::Stopped => "recording_stopped",
            RecordingStep::Failed => "recording_failed",
            RecordingStep::Ready => "recording_ready",
            RecordingStep::Deleted => "recording_deleted",
        }
    }
}

/// A step of a recording, as the ledger keeps it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordingNote {
    /// Which.
    pub id: RecordingId,
    /// What happened.
    pub step: RecordingStep,
    /// By whose hand.
    pub actor: Actor,
    /// In words, where it failed, ended early or was deleted.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub reason: Option<String>,
    /// The result, once it is ready.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub result: Option<RecordingResult>,
}

/// The result of a recording.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordingResult {
    /// From its first to its last frame.
    pub duration_ms: Millis,
    /// Bytes of all its files.
    pub bytes: u64,
    /// How many files, the manifest not among them.
    pub files: u64,
    /// SHA-256 of the manifest, in lower-case hexadecimal.
    pub manifest_sha256: String,
    /// When it is deleted; none: it is kept.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub expires_unix_ms: Option<Unix>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_read_back_and_nothing_else_is_one() {
        let id = RecordingId::new(SessionId::from("SE_abcDEF012345"), Purpose::Qa);
        assert_eq!(id.to_string(), "RC_abcDEF012345_qa");
        assert_eq!(RecordingId::parse("RC_abcDEF012345_qa"), Some(id));
        for bad in [
            "",
            "RC_",
            "RC__qa",
            "RC_abc",
            "RC_abc_other",
            "RC_../x_qa",
            "RC_a/b_qa",
            "RC_a.b_qa",
            "SE_abc_qa",
            "RC_abc_qa ",
            "RC_0123456789012345678901234567890123456789_qa",
        ] {
            assert_eq!(RecordingId::parse(bad), None, "{bad}");
        }
    }
}
