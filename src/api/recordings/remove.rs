//! `DELETE /v1/recordings/{id}`: the files go, and the ledger keeps that they went.

use super::body::RecordingDetail;
use super::show::detail;
use super::which::{Which, row};
use crate::api::caller::Caller;
use crate::api::ports::recordings::{DeleteRefusal, Recordings, Standing};
use crate::api::problem::{Always, InTheWay, OfRecording, Problem};
use crate::base::Actor;
use crate::peer::signal::token::authorize_recordings;
use crate::usage::ledger::RecordingRecord;
use axum::Json;
use axum::extract::State;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::timeout;

/// A deletion is waited for so long: a disk takes seconds for large files, and it goes on without us.
const PATIENCE: Duration = Duration::from_secs(10);

/// Deletes a recording for good. That it was deleted stays in the ledger; asked again, it says so
/// again.
#[utoipa::path(
    delete,
    path = "/v1/recordings/{id}",
    tag = "recordings",
    operation_id = "delete_recording",
    params(("id" = String, Path, description = "The recording.")),
    responses(
        (status = 200, description = "The recording, `deleted`.", body = RecordingDetail),
        Always, OfRecording, InTheWay
    ),
    security(("token" = []))
)]
pub(crate) async fn remove(
    State(recordings): State<Arc<Recordings>>,
    caller: Caller,
    Which { id, .. }: Which,
) -> Result<Json<RecordingDetail>, Problem> {
    let reach = authorize_recordings(&caller.claims).map_err(Problem::forbidden)?;
    let found = row(&recordings, &caller, &id).await?;
    reach
        .direct(found.room.name.as_str())
        .map_err(Problem::forbidden)?;
    if Standing::of(&found) == Standing::Deleted {
        return detail(&recordings, &found, caller.now.unix).await.map(Json);
    }
    in_the_way(&found).map_err(|kept| told(&kept))?;
    let deleting = (recordings.delete)((id.clone(), Actor::App));
    let deleted = timeout(PATIENCE, deleting).await;
    let still = |_| Problem::unavailable("the recording is still being deleted: ask again");
    deleted.map_err(still)?.map_err(|kept| told(&kept))?;
    let gone = row(&recordings, &caller, &id).await?;
    detail(&recordings, &gone, caller.now.unix).await.map(Json)
}

/// What the ledger alone says against it; the host knows more.
const fn in_the_way(row: &RecordingRecord) -> Result<(), DeleteRefusal> {
    if row.ended_unix_ms.is_none() {
        return Err(DeleteRefusal::Running);
    }
    match Standing::of(row) {
        Standing::Recording | Standing::Stopped => Err(DeleteRefusal::Running),
        Standing::Finishing => Err(DeleteRefusal::Finishing),
        Standing::Ready | Standing::Failed | Standing::Deleted => Ok(()),
    }
}

fn told(kept: &DeleteRefusal) -> Problem {
    match kept {
        DeleteRefusal::Running | DeleteRefusal::Finishing => Problem::conflict(kept, None),
        DeleteRefusal::Unable(error) => {
            tracing::error!(error, "a recording cannot be deleted");
            Problem::unavailable("the recording cannot be deleted now")
        }
    }
}
