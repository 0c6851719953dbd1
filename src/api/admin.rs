//! The listener for operators: metrics, health, and the word to read the configuration again. Not for the
//! public.

use super::caller::Json as Body;
use super::ports::ledger::Within;
use super::problem::Problem;
use super::webhooks::body::{EndpointNow, Replayed};
use super::webhooks::hooks::{Hooks, named};
use crate::base::ProjectId;
use axum::extract::{Path, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::Serialize;
use std::sync::Arc;

/// What a reload of the configuration did.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Reloaded {
    /// The keys of the configuration that hold from now on.
    pub changed: Vec<String>,
    /// Those that are different in the file, and hold after a restart alone.
    pub restart_needed: Vec<&'static str>,
}

/// What the host answers.
pub struct Admin {
    /// The metrics page in Prometheus' text format; may block.
    pub metrics: Box<dyn Fn() -> String + Send + Sync>,
    /// Why no new session should come here; none if one may.
    pub unready: Box<dyn Fn() -> Option<String> + Send + Sync>,
    /// Reads the configuration again; refused, with all that is wrong, it changes nothing. May block.
    pub reload: Box<dyn Fn() -> Result<Reloaded, String> + Send + Sync>,
    /// The webhooks of all projects.
    pub webhooks: Arc<Hooks>,
}

/// `/metrics`, `/healthz`, `/readyz`, `POST /reload`, and what changes the delivery of webhooks.
pub fn admin_router(admin: Arc<Admin>) -> Router {
    Router::new()
        .route("/metrics", get(metrics))
        .route("/healthz", get(async || "OK"))
        .route("/readyz", get(ready))
        .route("/reload", post(reload))
        .route("/webhooks/{project}/{endpoint}/replay", post(replay))
        .route("/webhooks/{project}/{endpoint}/enable", post(enable))
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

async fn reload(State(admin): State<Arc<Admin>>) -> Result<Json<Reloaded>, Problem> {
    let done = tokio::task::spawn_blocking(move || (admin.reload)()).await;
    let failed = |_| Problem::unavailable("the configuration was not read: see the log");
    done.map_err(failed)?
        .map(Json)
        .map_err(Problem::configuration)
}

/// The endpoint in the address, with its project.
type Place = Path<(String, String)>;

fn within(Path((project, endpoint)): Place) -> Within<String> {
    Within::new(&ProjectId::from(project.as_str()), endpoint)
}

async fn replay(
    State(admin): State<Arc<Admin>>,
    place: Place,
    Body(body): Body,
) -> Result<Json<Replayed>, Problem> {
    let events = named(&body)?;
    admin.webhooks.replay(within(place), events).await.map(Json)
}

async fn enable(
    State(admin): State<Arc<Admin>>,
    place: Place,
) -> Result<Json<EndpointNow>, Problem> {
    admin.webhooks.enable(within(place)).await.map(Json)
}

async fn ready(State(admin): State<Arc<Admin>>) -> (StatusCode, String) {
    match (admin.unready)() {
        Some(why) => (StatusCode::SERVICE_UNAVAILABLE, why),
        None => (StatusCode::OK, "OK".to_owned()),
    }
}
