//! The listener for operators: metrics and health. Not for the public.

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use std::sync::Arc;

/// What the host answers.
pub struct Admin {
    /// The metrics page in Prometheus' text format; may block.
    pub metrics: Box<dyn Fn() -> String + Send + Sync>,
    /// Why no new session should come here; none if one may.
    pub unready: Box<dyn Fn() -> Option<String> + Send + Sync>,
}

/// `/metrics`, `/healthz`, `/readyz`.
pub fn admin_router(admin: Arc<Admin>) -> Router {
    Router::new()
        .route("/metrics", get(metrics))
        .route("/healthz", get(async || "OK"))
        .route("/readyz", get(ready))
        .with_state(admin)
}

async fn metrics(State(admin): State<Arc<Admin>>) -> Response {
    let made = tokio::task::spawn_blocking(move || (admin.metrics)()).await;
    let Ok(page) = made else {
        let told = "the metrics page cannot be made: see the log";
        return (StatusCode::INTERNAL_SERVER_ERROR, told).into_response();
    };
    let kind = [(
        header::CONTENT_TYPE,
        "text/plain; version=0.0.4; charset=utf-8",
    )];
    (kind, page).into_response()
}

async fn ready(State(admin): State<Arc<Admin>>) -> (StatusCode, String) {
    match (admin.unready)() {
        Some(why) => (StatusCode::SERVICE_UNAVAILABLE, why),
        None => (StatusCode::OK, "OK".to_owned()),
    }
}
