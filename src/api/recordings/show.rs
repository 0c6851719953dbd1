//! `GET /v1/recordings/{id}`: a recording, with links to its files.

use super::body::{RecordingDetail, files};
use super::which::{Which, row, unreadable};
use crate::api::caller::Caller;
use crate::api::ports::ledger::read;
use crate::api::ports::recordings::{Recordings, Standing};
use crate::api::problem::{Always, OfRecording, Problem};
use crate::base::Unix;
use crate::peer::signal::token::{AdminRefusal, authorize_recordings};
use crate::usage::ledger::RecordingRecord;
use axum::Json;
use axum::extract::State;
use std::sync::Arc;

/// A recording, with links to its files; each link is good for an hour.
#[utoipa::path(
    get,
    path = "/v1/recordings/{id}",
    tag = "recordings",
    operation_id = "show_recording",
    params(("id" = String, Path, description = "The recording.")),
    responses(
        (status = 200, description = "The recording.", body = RecordingDetail),
        Always, OfRecording
    ),
    security(("token" = []))
)]
pub(crate) async fn show(
    State(recordings): State<Arc<Recordings>>,
    caller: Caller,
    Which { id, .. }: Which,
) -> Result<Json<RecordingDetail>, Problem> {
    let reach = authorize_recordings(&caller.claims).map_err(Problem::forbidden)?;
    let row = row(&recordings, &caller, &id).await?;
    let part = reach.see(row.room.name.as_str(), id.purpose());
    if let Some(part) = part.map_err(Problem::forbidden)? {
        let asked = (id.session().clone(), part.clone());
        if !read(&recordings, move |recordings| (recordings.is_part)(&asked)).await? {
            return Err(Problem::forbidden(AdminRefusal::OtherSession));
        }
    }
    detail(&recordings, &row, caller.now.unix).await.map(Json)
}

/// All that is known of a recording.
pub(super) async fn detail(
    recordings: &Arc<Recordings>,
    row: &RecordingRecord,
    now: Unix,
) -> Result<RecordingDetail, Problem> {
    let id = row.id.clone();
    let consents = read(recordings, move |recordings| (recordings.consents)(&id)).await?;
    let there = match Standing::of(row) {
        Standing::Ready => (recordings.files)(row.id.clone()).await,
        Standing::Recording
        | Standing::Stopped
        | Standing::Finishing
        | Standing::Failed
        | Standing::Deleted => Ok(Vec::new()),
    };
    let there = there.map_err(|error| unreadable(&error))?;
    let finishing = Standing::of(row) == Standing::Finishing;
    Ok(RecordingDetail {
        recording: row.into(),
        files: files(&recordings.link_key, &row.id, &there, now),
        consents: consents.into_iter().map(Into::into).collect(),
        progress: finishing.then(|| (recordings.progress)(&row.id)).flatten(),
    })
}
