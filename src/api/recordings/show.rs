//! `GET /v1/recordings/{id}`: a recording, with links to its files.

use super::body::{RecordingDetail, files};
use crate::api::caller::{Caller, read};
use crate::api::ports::ledger::Unreadable;
use crate::api::ports::recordings::Standing;
use crate::api::problem::{Always, OfRecording, Problem};
use crate::api::state::Doors;
use crate::base::{RecordingId, Unix};
use crate::peer::signal::token::authorize_recordings;
use crate::usage::ledger::RecordingRecord;
use axum::Json;
use axum::extract::{FromRequestParts, RawPathParams, State};
use axum::http::request::Parts;
use std::sync::Arc;

/// The recording in the address; and the file in it, where the address has one.
pub(crate) struct Which {
    /// The recording.
    pub id: RecordingId,
    /// The name of a file, as it stands there.
    pub name: String,
}

impl FromRequestParts<Arc<Doors>> for Which {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, doors: &Arc<Doors>) -> Result<Which, Problem> {
        let found = RawPathParams::from_request_parts(parts, doors).await;
        let found = found.map_err(|_| Problem::malformed("the address cannot be decoded"))?;
        let of = |wanted: &str| {
            let mut pairs = found.iter();
            pairs
                .find(|(name, _)| *name == wanted)
                .map(|(_, value)| value)
        };
        let id = of("id").and_then(RecordingId::parse);
        Ok(Which {
            id: id.ok_or_else(no_recording)?,
            name: of("name").unwrap_or_default().to_owned(),
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

/// A recording that the ledger knows.
pub(super) async fn row(doors: &Arc<Doors>, id: &RecordingId) -> Result<RecordingRecord, Problem> {
    let asked = id.clone();
    let found = read(doors, move |doors| (doors.recordings.row)(&asked)).await?;
    found.ok_or_else(no_recording)
}

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
    State(doors): State<Arc<Doors>>,
    caller: Caller,
    Which { id, .. }: Which,
) -> Result<Json<RecordingDetail>, Problem> {
    let reach = authorize_recordings(&caller.claims).map_err(Problem::forbidden)?;
    let row = row(&doors, &id).await?;
    reach
        .see(row.room.as_str(), id.purpose())
        .map_err(Problem::forbidden)?;
    detail(&doors, &row, caller.now.unix).await.map(Json)
}

/// All that is known of a recording.
pub(super) async fn detail(
    doors: &Arc<Doors>,
    row: &RecordingRecord,
    now: Unix,
) -> Result<RecordingDetail, Problem> {
    let id = row.id.clone();
    let consents = read(doors, move |doors| (doors.recordings.consents)(&id)).await?;
    let shelf = &doors.recordings;
    let there = match Standing::of(row) {
        Standing::Ready => (shelf.files)(row.id.clone()).await,
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
        files: files(&shelf.link_key, &row.id, &there, now),
        consents: consents.into_iter().map(Into::into).collect(),
        progress: finishing.then(|| (shelf.progress)(&row.id)).flatten(),
    })
}
