//! `GET /v1/sessions/{id}`: the full record of a session.

use super::body::Session;
use super::etag::Tagged;
use super::id::Id;
use super::running::Sessions;
use crate::api::caller::Caller;
use crate::api::problem::{Always, OfOne, Problem};
use axum::Json;
use axum::extract::State;
use std::sync::Arc;

/// The full record of a session.
#[utoipa::path(
    get,
    path = "/v1/sessions/{id}",
    tag = "sessions",
    params(("id" = String, Path, description = "The session.")),
    responses(
        (status = 200, description = "The record.", body = Session,
         headers(("ETag" = String, description = "Of the totals that a PATCH changes, for its `If-Match`."))),
        Always, OfOne
    ),
    security(("token" = []))
)]
pub(crate) async fn show(
    State(sessions): State<Arc<Sessions>>,
    caller: Caller,
    Id(id): Id,
) -> Result<Tagged, Problem> {
    let Json(session) = sessions.answer(&caller, &id).await?;
    Ok(Tagged(session))
}
