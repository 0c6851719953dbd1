//! What is asked of the host about recordings, in words of our own: the ledger says which there are,
//! the store has their files.

use crate::api::ports::ledger::{Read, Unreadable, Within};
use crate::base::{Actor, Consent, Identity, Purpose, RecordingId, RoomName, SessionId, Unix};
use crate::peer::signal::token::Part;
use crate::usage::ledger::{RecordingRecord, Stage};
use axum::body::Bytes;
use serde::Serialize;
use std::ops::Range;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use utoipa::ToSchema;

/// How a recording stands, as it is seen from outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    /// The session runs, and someone is recorded.
    Recording,
    /// The session runs, and nobody is recorded now.
    Stopped,
    /// The session is over; the files are in the making.
    Finishing,
    /// The files may be fetched.
    Ready,
    /// It could not go on, or could not be finished.
    Failed,
    /// The files are gone.
    Deleted,
}

impl Standing {
    /// All of them.
    pub const ALL: [Standing; 6] = [
        Standing::Recording,
        Standing::Stopped,
        Standing::Finishing,
        Standing::Ready,
        Standing::Failed,
        Standing::Deleted,
    ];

    /// The word on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Standing::Recording => "recording",
            Standing::Stopped => "stopped",
            Standing::Finishing => "finishing",
            Standing::Ready => "ready",
            Standing::Failed => "failed",
            Standing::Deleted => "deleted",
        }
    }

    /// Where a recording stands that the ledger knows.
    pub const fn of(row: &RecordingRecord) -> Standing {
        match (row.stage, row.ended_unix_ms) {
            (Stage::Recording | Stage::Stopped | Stage::Broken, Some(_)) => Standing::Finishing,
            (Stage::Recording, None) => Standing::Recording,
            (Stage::Stopped, None) => Standing::Stopped,
            (Stage::Broken, None) | (Stage::Failed, _) => Standing::Failed,
            (Stage::Ready, _) => Standing::Ready,
            (Stage::Deleted, _) => Standing::Deleted,
        }
    }
}

/// Which recordings are listed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RecordingFilter {
    /// After this place in the list.
    pub after: u64,
    /// Of this session.
    pub session: Option<SessionId>,
    /// Of this room.
    pub room: Option<RoomName>,
    /// For this.
    pub purpose: Option<Purpose>,
    /// That stand so.
    pub state: Option<Standing>,
    /// Of the sessions that are of this part.
    pub part: Option<Part>,
}

/// What someone said, and when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StatedConsent {
    /// When.
    pub at: Unix,
    /// What.
    pub consent: Consent,
}

/// A finished file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FinishedFile {
    /// Its name within its recording.
    pub name: String,
    /// Its length.
    pub bytes: u64,
    /// SHA-256, in lower-case hexadecimal.
    pub sha256: String,
    /// Whose picture and sound, where it is of one participant.
    pub identity: Option<Identity>,
}

/// How far the making of the files is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = Progress)]
pub struct MakingProgress {
    /// Bytes that are done.
    pub done_bytes: u64,
    /// Bytes in all.
    pub all_bytes: u64,
}

/// Part of a file: at most [`CHUNK_BYTES`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Piece {
    /// Of this recording.
    pub id: RecordingId,
    /// Of this file.
    pub name: String,
    /// From this byte to before that.
    pub range: Range<u64>,
}

/// Why a recording is not deleted.
#[derive(Debug, thiserror::Error)]
pub enum DeleteRefusal {
    /// Its session runs.
    #[error("the session still runs: end it, or wait until it has ended")]
    Running,
    /// Its files are in the making.
    #[error("the recording is being finished: delete it once it is ready")]
    Finishing,
    /// The store or the ledger does not answer.
    #[error("the recording cannot be deleted now: {0}")]
    Unable(String),
}

/// An answer on its way.
pub type Answering<A> = Pin<Box<dyn Future<Output = A> + Send>>;
/// An answer that takes its time, and blocks no thread meanwhile.
pub type Later<Q, A> = Box<dyn Fn(Q) -> Answering<A> + Send + Sync>;

/// What is read of a file at a time: so much of it is in memory for each download, and no more is
/// read before the client has taken it.
pub const CHUNK_BYTES: u64 = 256 * 1024;

/// Asks how far the making of a recording's files is.
pub type ReadProgress = Box<dyn Fn(&RecordingId) -> Option<MakingProgress> + Send + Sync>;

/// The ways to the recordings.
pub struct Recordings {
    /// Signs links; derived from the node's own key.
    pub link_key: [u8; 32],
    /// Recordings in the order in which they first started, and how many at most.
    pub list: Read<Within<(RecordingFilter, u64)>, Vec<RecordingRecord>>,
    /// One recording.
    pub row: Read<Within<RecordingId>, Option<RecordingRecord>>,
    /// The recording to which a signed link leads: whoever has the link is let in, of whatever project.
    pub linked: Read<RecordingId, Option<RecordingRecord>>,
    /// Whether a session is of this part.
    pub is_part: Read<(SessionId, Part), bool>,
    /// What was said about a recording, in its order.
    pub consents: Read<RecordingId, Vec<StatedConsent>>,
    /// The finished files of a recording; none unless it is ready.
    pub files: Later<RecordingId, Result<Vec<FinishedFile>, Unreadable>>,
    /// Reads part of a file; none if it is gone.
    pub read: Later<Piece, Result<Option<Bytes>, Unreadable>>,
    /// Deletes the files, and has that on disk in the ledger when it answers.
    pub delete: Later<(RecordingId, Actor), Result<(), DeleteRefusal>>,
    /// How far the making of its files is, while they are made.
    pub progress: ReadProgress,
    /// Downloads that are open now.
    pub downloads: Arc<AtomicUsize>,
}
