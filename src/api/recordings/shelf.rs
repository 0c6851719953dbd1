//! What is asked of the host about recordings, in words of our own: the ledger says which there are,
//! the store has their files.

use crate::api::sessions::{Read, Unreadable};
use crate::base::{
    Actor, Consent, Identity, Purpose, RecordingId, RecordingResult, RecordingStep, RoomName,
    SessionId, Unix,
};
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

    /// From its newest step, and whether its session is over.
    pub const fn of(step: RecordingStep, over: bool) -> Standing {
        match (step, over) {
            (RecordingStep::Started, false) => Standing::Recording,
            (RecordingStep::Stopped, false) => Standing::Stopped,
            (RecordingStep::Started | RecordingStep::Stopped, true) => Standing::Finishing,
            (RecordingStep::Failed, _) => Standing::Failed,
            (RecordingStep::Ready, _) => Standing::Ready,
            (RecordingStep::Deleted, _) => Standing::Deleted,
        }
    }
}

/// Which recordings are listed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
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
}

/// A recording that the ledger knows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// Its place in the list: later ones have a greater one.
    pub seq: u64,
    /// Which.
    pub id: RecordingId,
    /// Of which room.
    pub room: RoomName,
    /// Its newest step.
    pub step: RecordingStep,
    /// Its session is over.
    pub over: bool,
    /// When it first started.
    pub started: Unix,
    /// When it last stopped; none while it runs.
    pub ended: Option<Unix>,
    /// When it is deleted; none: it is kept.
    pub expires: Option<Unix>,
    /// In words, where it failed or was deleted.
    pub reason: Option<String>,
    /// What came of it.
    pub result: Option<RecordingResult>,
}

impl Row {
    /// How it stands.
    pub const fn standing(&self) -> Standing {
        Standing::of(self.step, self.over)
    }
}

/// What someone said, and when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Said {
    /// When.
    pub at: Unix,
    /// What.
    pub consent: Consent,
}

/// A finished file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct File {
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
pub struct Progress {
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
pub enum Kept {
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

/// The ways to the recordings.
pub struct Recordings {
    /// Signs links; derived from the node's own key.
    pub link_key: [u8; 32],
    /// Recordings in the order in which they first started, and how many at most.
    pub list: Read<(Filter, u64), Vec<Row>>,
    /// One recording.
    pub row: Read<RecordingId, Option<Row>>,
    /// What was said about a recording, in its order.
    pub consents: Read<RecordingId, Vec<Said>>,
    /// The finished files of a recording; none unless it is ready.
    pub files: Later<RecordingId, Result<Vec<File>, Unreadable>>,
    /// Reads part of a file; none if it is gone.
    pub read: Later<Piece, Result<Option<Bytes>, Unreadable>>,
    /// Deletes the files, and has that on disk in the ledger when it answers.
    pub delete: Later<(RecordingId, Actor), Result<(), Kept>>,
    /// How far the making of its files is, while they are made.
    pub progress: Box<dyn Fn(&RecordingId) -> Option<Progress> + Send + Sync>,
    /// Downloads that are open now.
    pub downloads: Arc<AtomicUsize>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_seen_follows_from_the_newest_step_and_the_end_of_the_session() {
        for (step, running, over) in [
            (
                RecordingStep::Started,
                Standing::Recording,
                Standing::Finishing,
            ),
            (
                RecordingStep::Stopped,
                Standing::Stopped,
                Standing::Finishing,
            ),
            (RecordingStep::Failed, Standing::Failed, Standing::Failed),
            (RecordingStep::Ready, Standing::Ready, Standing::Ready),
            (RecordingStep::Deleted, Standing::Deleted, Standing::Deleted),
        ] {
            let seen = [false, true].map(|over| Standing::of(step, over));
            assert_eq!(seen, [running, over], "{step:?}");
        }
    }
}
