//! The routes under `/v1/webhooks`.

use super::{change, list};
use crate::api::problem::Problem;
use crate::api::state::AppState;
use axum::Router;
use axum::routing::{get, post};

/// The routes under `/v1/webhooks`.
pub(in crate::api) fn routes() -> Router<AppState> {
    Router::new()
        .route("/v1/webhooks", get(list::endpoints))
        .route(
            "/v1/webhooks/{endpoint}/dead-letters",
            get(list::dead_letters),
        )
        .route("/v1/webhooks/{endpoint}/replay", post(change::replay))
        .route("/v1/webhooks/{endpoint}/enable", post(change::enable))
        .method_not_allowed_fallback(async || Problem::method())
}
