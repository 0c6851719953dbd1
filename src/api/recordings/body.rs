//! What answers about recordings look like.

use super::link::{Link, expiry};
use crate::api::ports::recordings::{FinishedFile, MakingProgress, Standing, StatedConsent};
use crate::api::words::{ActorWord, ConsentWord, PurposeWord};
use crate::base::{Actor, ConsentState, Purpose, RecordingId, Unix};
use crate::usage::ledger::RecordingRecord;
use serde::Serialize;
use utoipa::ToSchema;

/// Recordings in the order in which they first started.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct RecordingList {
    /// At most `limit`.
    pub recordings: Vec<Recording>,
    /// For the next request, as `cursor`; `null` at the end.
    pub next: Option<String>,
}

/// A recording in short: one for each session and purpose.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct Recording {
    /// The recording.
    pub id: String,
    /// Its session.
    pub session: String,
    /// Its room.
    pub room: String,
    /// What it is for.
    #[schema(value_type = PurposeWord)]
    pub purpose: Purpose,
    /// Where it stands.
    pub state: Standing,
    /// Why, where it failed, ended early or was deleted.
    pub reason: Option<String>,
    /// When it first started, in milliseconds since 1970.
    pub started_unix_ms: u64,
    /// When it last stopped, in milliseconds since 1970; `null` while it runs.
    pub ended_unix_ms: Option<u64>,
    /// When it is deleted, in milliseconds since 1970; `null`: it is kept, or its session runs.
    pub expires_unix_ms: Option<u64>,
    /// From its first to its last frame; `null` until it is finished.
    pub duration_ms: Option<u64>,
    /// Bytes of all its files; `null` until it is finished.
    pub bytes: Option<u64>,
    /// SHA-256 of the manifest; `null` until it is finished.
    pub manifest_sha256: Option<String>,
}

impl From<&RecordingRecord> for Recording {
    fn from(row: &RecordingRecord) -> Recording {
        let result = row.result.as_ref();
        Recording {
            id: row.id.to_string(),
            session: row.id.session().to_string(),
            room: row.room.name.to_string(),
            purpose: row.id.purpose(),
            state: Standing::of(row),
            reason: row.reason.clone(),
            started_unix_ms: row.started_unix_ms.0,
            ended_unix_ms: row.stopped_unix_ms.map(|at| at.0),
            expires_unix_ms: row.expires_unix_ms.map(|at| at.0),
            duration_ms: result.map(|result| result.duration_ms.0),
            bytes: result.map(|result| result.bytes),
            manifest_sha256: result.map(|result| result.manifest_sha256.clone()),
        }
    }
}

/// A recording with all that is known of it.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct RecordingDetail {
    /// In short.
    #[serde(flatten)]
    pub recording: Recording,
    /// Its files, once it is `ready`.
    pub files: Vec<RecordingFile>,
    /// What was said about it, in its order.
    pub consents: Vec<RecordingConsent>,
    /// How far the making of the files is, while it is `finishing`.
    pub progress: Option<MakingProgress>,
}

/// What a file holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum FileKind {
    /// Picture and sound of one participant.
    Participant,
    /// All tracks of the session.
    Session,
    /// A picture of it.
    Poster,
    /// What was recorded of whom, when, and with whose consent; with the SHA-256 of each file.
    Manifest,
    /// The manifest with the node's signature, as a JWS.
    Signature,
}

/// A file, and a link to it.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct RecordingFile {
    /// Its name.
    pub name: String,
    /// What it holds.
    pub kind: FileKind,
    /// Whose picture and sound, where it is of one participant.
    pub identity: Option<String>,
    /// Its media type.
    pub mime: &'static str,
    /// Its length.
    pub bytes: u64,
    /// SHA-256, in lower-case hexadecimal.
    pub sha256: String,
    /// Where it is fetched, on this node; the link alone lets in. `&download=1` behind it lets a
    /// browser save the file.
    pub url: String,
    /// Until when the link is good, in milliseconds since 1970.
    pub expires_unix_ms: u64,
}

/// What a participant said about being recorded.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct RecordingConsent {
    /// Who.
    pub identity: String,
    /// The state from then on.
    #[schema(value_type = ConsentWord)]
    pub state: ConsentState,
    /// By whose hand.
    #[schema(value_type = ActorWord)]
    pub actor: Actor,
    /// Version of the text that they had before them.
    pub wording: String,
    /// When, in milliseconds since 1970.
    pub at_unix_ms: u64,
}

impl From<StatedConsent> for RecordingConsent {
    fn from(said: StatedConsent) -> RecordingConsent {
        let consent = said.consent;
        RecordingConsent {
            identity: consent.identity.to_string(),
            state: consent.state,
            actor: consent.actor,
            wording: consent.wording,
            at_unix_ms: said.at.0,
        }
    }
}

/// What a file of this name holds, and its media type; none: no file of ours has this name.
pub(super) fn known(name: &str) -> Option<(FileKind, &'static str)> {
    match name {
        "poster.webp" => return Some((FileKind::Poster, "image/webp")),
        "manifest.json" => return Some((FileKind::Manifest, "application/json")),
        "manifest.jws" => return Some((FileKind::Signature, "application/jose")),
        _ => {}
    }
    let (stem, ending) = name.split_once('.')?;
    let mime = match ending {
        "webm" => "video/webm",
        "mkv" => "video/x-matroska",
        _ => return None,
    };
    if stem == "session" {
        return Some((FileKind::Session, mime));
    }
    let number = stem.strip_prefix("participant-")?;
    let counts = (1..=3).contains(&number.len()) && number.bytes().all(|b| b.is_ascii_digit());
    counts.then_some((FileKind::Participant, mime))
}

/// The files of a recording, each with a link that is good from now on.
pub(super) fn files(
    key: &[u8; 32],
    id: &RecordingId,
    files: &[FinishedFile],
    now: Unix,
) -> Vec<RecordingFile> {
    let expires_s = expiry(now);
    let told = |file: &FinishedFile| {
        let (kind, mime) = known(&file.name)?;
        Some(RecordingFile {
            name: file.name.clone(),
            kind,
            identity: file.identity.as_ref().map(ToString::to_string),
            mime,
            bytes: file.bytes,
            sha256: file.sha256.clone(),
            url: Link {
                id,
                name: &file.name,
                expires_s,
            }
            .address(key),
            expires_unix_ms: expires_s.saturating_mul(1_000),
        })
    };
    files.iter().filter_map(told).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_that_we_give_are_known() {
        for (name, kind) in [
            ("session.webm", FileKind::Session),
            ("session.mkv", FileKind::Session),
            ("participant-1.webm", FileKind::Participant),
            ("participant-12.mkv", FileKind::Participant),
            ("poster.webp", FileKind::Poster),
            ("manifest.json", FileKind::Manifest),
            ("manifest.jws", FileKind::Signature),
        ] {
            assert_eq!(known(name).map(|(kind, _)| kind), Some(kind), "{name}");
        }
        for name in [
            "",
            ".",
            "..",
            "../manifest.json",
            "session.webm/",
            "session.webm\0",
            "session",
            "session.mp4",
            "session.webm.bak",
            "participant-.webm",
            "participant-1234.webm",
            "participant-x.webm",
            "Manifest.json",
            "000001.mkv",
        ] {
            assert_eq!(known(name), None, "{name}");
        }
    }
}
