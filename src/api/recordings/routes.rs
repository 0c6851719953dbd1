//! The routes under `/v1/recordings`.

use super::{download, list, remove, show};
use crate::api::problem::Problem;
use crate::api::state::AppState;
use axum::Router;
use axum::routing::get;

/// The routes under `/v1/recordings`.
pub(in crate::api) fn routes() -> Router<AppState> {
    Router::new()
        .route("/v1/recordings", get(list::list))
        .route(
            "/v1/recordings/{id}",
            get(show::show).delete(remove::remove),
        )
        .route("/v1/recordings/{id}/files/{name}", get(download::download))
        .method_not_allowed_fallback(async || Problem::method())
}
