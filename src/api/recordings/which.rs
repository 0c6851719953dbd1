//! The recording in the address, and what the ledger knows of it.

use crate::api::caller::{Caller, placed};
use crate::api::ports::ledger::{Unreadable, read};
use crate::api::ports::recordings::Recordings;
use crate::api::problem::Problem;
use crate::base::RecordingId;
use crate::usage::ledger::RecordingRecord;
use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use std::sync::Arc;

/// The recording in the address; and the file in it, where the address has one.
pub(crate) struct Which {
    /// The recording.
    pub id: RecordingId,
    /// The name of a file, as it stands there.
    pub name: String,
}

impl<S: Send + Sync> FromRequestParts<S> for Which {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Which, Problem> {
        let [id, name] = placed(parts, ["id", "name"]).await?;
        let id = id.as_deref().and_then(RecordingId::parse);
        Ok(Which {
            id: id.ok_or_else(no_recording)?,
            name: name.unwrap_or_default(),
        })
    }
}

pub(super) fn no_recording() -> Problem {
    Problem::absent("there is no recording of this id: ask for the ids with `GET /v1/recordings`")
}

pub(super) fn unreadable(error: &Unreadable) -> Problem {
    tracing::error!(%error, "the files of a recording cannot be read");
    Problem::unavailable("the files of the recording cannot be read now")
}

/// A recording of the caller's project that the ledger knows.
pub(super) async fn row(
    recordings: &Arc<Recordings>,
    caller: &Caller,
    id: &RecordingId,
) -> Result<RecordingRecord, Problem> {
    let asked = caller.within(id.clone());
    let found = read(recordings, move |recordings| (recordings.row)(&asked)).await?;
    found.ok_or_else(no_recording)
}

/// The recording to which a good link leads.
pub(super) async fn linked(
    recordings: &Arc<Recordings>,
    id: &RecordingId,
) -> Result<RecordingRecord, Problem> {
    let asked = id.clone();
    let found = read(recordings, move |recordings| (recordings.linked)(&asked)).await?;
    found.ok_or_else(no_recording)
}
