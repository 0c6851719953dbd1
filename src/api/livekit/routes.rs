//! `/rtc` and what stands beside it (signalling v0).

use super::admission::JoinRefusal;
use super::join::{Entrance, Knock};
use super::ws;
use crate::api::state::AppState;
use axum::Router;
use axum::extract::ws::{WebSocketUpgrade, rejection::WebSocketUpgradeRejection};
use axum::extract::{ConnectInfo, State};
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get};
use std::net::SocketAddr;
use std::sync::Arc;

/// Where LiveKit's clients join. A true 404 under `/rtc/v1` makes them fall back to v0.
pub(in crate::api) fn routes() -> Router<AppState> {
    Router::new()
        .route("/rtc", any(rtc))
        .route("/rtc/validate", get(validate))
        .route("/rtc/v1", any(absent))
        .route("/rtc/v1/validate", any(absent))
        .route("/settings/regions", any(absent))
}

async fn absent() -> StatusCode {
    StatusCode::NOT_FOUND
}

async fn validate(
    State(entrance): State<Arc<Entrance>>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    headers: HeaderMap,
    uri: Uri,
) -> Result<&'static str, JoinRefusal> {
    let knock = Knock {
        peer,
        headers: &headers,
        uri: &uri,
    };
    entrance.check(&knock).await.map(|_| "success")
}

async fn rtc(
    State(entrance): State<Arc<Entrance>>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
    headers: HeaderMap,
    uri: Uri,
) -> Response {
    let Ok(upgrade) = upgrade else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let knock = Knock {
        peer,
        headers: &headers,
        uri: &uri,
    };
    match entrance.check(&knock).await {
        Ok(join) => ws::open(entrance, upgrade, Box::new(join)),
        Err(refusal) => refusal.into_response(),
    }
}
