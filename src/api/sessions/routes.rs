//! The routes under `/v1`.

use super::{change, clock, create, grants, intervals, list, recorded, show, tokens};
use crate::api::problem::Problem;
use crate::api::state::AppState;
use axum::Router;
use axum::routing::{get, post};

/// The routes under `/v1`.
pub(in crate::api) fn routes() -> Router<AppState> {
    Router::new()
        .route("/v1/sessions", get(list::list).post(create::create))
        .route("/v1/sessions/{id}", get(show::show).patch(change::extend))
        .route("/v1/sessions/{id}/intervals", get(intervals::intervals))
        .route("/v1/sessions/{id}/clock", get(clock::clock))
        .route("/v1/sessions/{id}/grants", post(grants::grant))
        .route("/v1/sessions/{id}/end", post(change::end))
        .route("/v1/sessions/{id}/pause", post(change::pause))
        .route("/v1/sessions/{id}/resume", post(change::resume))
        .route("/v1/sessions/{id}/presence", post(change::confirm))
        .route("/v1/sessions/{id}/consent", post(recorded::consent))
        .route("/v1/sessions/{id}/recordings", post(recorded::record))
        .route("/v1/sessions/{id}/tokens", post(tokens::issue))
        .route("/v1", get(absent).fallback(absent))
        .route("/v1/{*rest}", get(absent).fallback(absent))
        .method_not_allowed_fallback(async || Problem::method())
}

async fn absent() -> Problem {
    Problem::absent("there is nothing at this address: `/openapi.json` names all there is")
}
