//! `GET /v1/sessions/{id}`: the full record of a session.

use super::body::Session;
use super::id::Id;
use super::running::{Answered, Sessions};
use crate::api::caller::Caller;
use crate::api::problem::{Always, OfOne};
use axum::extract::State;
use std::sync::Arc;

/// The full record of a session.
#[utoipa::path(
    get,
    path = "/v1/sessions/{id}",
    tag = "sessions",
    params(("id" = String, Path, description = "The session.")),
    responses((status = 200, description = "The record.", body = Session), Always, OfOne),
    security(("token" = []))
)]
pub(crate) async fn show(
    State(sessions): State<Arc<Sessions>>,
    caller: Caller,
    Id(id): Id,
) -> Answered {
    sessions.answer(&caller, &id).await
}
