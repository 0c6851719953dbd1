//! Recordings as the command line lists and shows them.

use crate::base::{ProjectId, Purpose, SessionId, Unix};
use crate::record::manifest::{ConsentAt, Manifest};
use crate::usage::ledger::RecordingRecord;
use serde::Serialize;

/// A recording, as the ledger has it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Listed {
    /// The recording.
    pub id: String,
    /// Its session.
    pub session: SessionId,
    /// Its room.
    pub room: String,
    /// Whose it is.
    pub project: ProjectId,
    /// For what.
    pub purpose: Purpose,
    /// How it stands.
    pub state: &'static str,
    /// Why, where it failed or was deleted.
    pub reason: Option<String>,
    /// First start, RFC 3339.
    pub started: String,
    /// End of its session, RFC 3339; `null` while it runs.
    pub ended: Option<String>,
    /// When it is deleted, RFC 3339.
    pub expires: Option<String>,
    /// From its first to its last frame.
    pub duration_ms: Option<u64>,
    /// Bytes of its files.
    pub bytes: Option<u64>,
    /// SHA-256 of its manifest.
    pub manifest_sha256: Option<String>,
}

impl From<&RecordingRecord> for Listed {
    fn from(record: &RecordingRecord) -> Listed {
        let label = |at: Option<Unix>| at.map(Unix::rfc3339);
        let result = record.result.as_ref();
        Listed {
            id: record.id.to_string(),
            session: record.id.session().clone(),
            room: record.room.name.to_string(),
            project: record.room.project.clone(),
            purpose: record.id.purpose(),
            state: record.state(),
            reason: record.reason.clone(),
            started: record.started_unix_ms.rfc3339(),
            ended: label(record.ended_unix_ms),
            expires: label(record.expires_unix_ms),
            duration_ms: result.map(|result| result.duration_ms.0),
            bytes: result.map(|result| result.bytes),
            manifest_sha256: result.map(|result| result.manifest_sha256.clone()),
        }
    }
}

/// All that is known of one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Shown {
    /// In short.
    #[serde(flatten)]
    pub listed: Listed,
    /// What was said about it, from the ledger.
    pub consents: Vec<ConsentAt>,
    /// What was signed, while it is kept.
    pub manifest: Option<Manifest>,
}
