//! The public routes (`livekit-protocol.md` §2). CORS is on every answer, also on 401 and 404:
//! without it a browser client cannot read the status and never falls back to v0.

use super::dev;
use super::livekit::join::{Knock, Refusal, check};
use super::livekit::ws;
use super::state::Doors;
use super::{openapi, preflights, recordings, sessions};
use axum::Router;
use axum::extract::ws::{WebSocketUpgrade, rejection::WebSocketUpgradeRejection};
use axum::extract::{ConnectInfo, DefaultBodyLimit, Request, State};
use axum::http::uri::PathAndQuery;
use axum::http::{HeaderMap, Method, StatusCode, Uri, header};
use axum::middleware::map_request;
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get, post};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tower_http::cors::{AllowHeaders, Any, CorsLayer};
use tower_http::services::{ServeDir, ServeFile};

/// How long a browser may remember a preflight (livekit-server 1.13.5).
const PREFLIGHT: Duration = Duration::from_secs(86_400);
/// Largest body: that of a webhook, whose metadata and lists stay far below.
pub(super) const BODY_BYTES: usize = 1024 * 1024;

/// The router of clients and apps.
pub fn router(doors: Arc<Doors>) -> Router {
    let routes = Router::new()
        .route("/", get(root))
        .route("/rtc", any(rtc))
        .route("/rtc/validate", get(validate))
        .route("/rtc/v1", any(absent))
        .route("/rtc/v1/validate", any(absent))
        .route("/settings/regions", any(absent))
        .route("/v1/preflights", post(preflights::book::begin))
        .route("/v1/preflights/{id}", get(preflights::book::result))
        .route("/openapi.json", get(openapi::document))
        .merge(recordings::routes())
        .merge(sessions::routes());
    let routes = match &doors.web_dir {
        Some(dir) => routes.fallback_service(ServeDir::new(dir)),
        None => routes.fallback(absent),
    };
    // A layer of the inner router would run after its routes are chosen: hence the outer one.
    let open = Router::new()
        .fallback_service(routes.with_state(doors.clone()))
        .layer(map_request(collapse))
        .layer(DefaultBodyLimit::max(BODY_BYTES))
        .layer(cors());
    if doors.dev.is_none() {
        return open;
    }
    // No CORS: a site that a developer visits has no business with links and webhooks.
    Router::new()
        .route("/dev/links", get(dev::receiver::links))
        .route("/dev/webhooks", get(dev::receiver::webhooks))
        .route("/dev/receiver", post(dev::receiver::receiver))
        .layer(DefaultBodyLimit::max(BODY_BYTES))
        .with_state(doors)
        .fallback_service(open)
}

/// `*` does not cover `Authorization` (Fetch standard, CORS-unsafe request headers), so the headers
/// asked for are mirrored.
fn cors() -> CorsLayer {
    let methods = [
        Method::OPTIONS,
        Method::HEAD,
        Method::GET,
        Method::POST,
        Method::PATCH,
        Method::DELETE,
    ];
    CorsLayer::new()
        .allow_origin(Any)
        .allow_methods(methods)
        .allow_headers(AllowHeaders::mirror_request())
        .expose_headers(Any)
        .max_age(PREFLIGHT)
}

/// `wss://host//rtc`, as clients make it of a base with a slash at its end, is `/rtc`.
async fn collapse(mut request: Request) -> Request {
    let uri = request.uri();
    if !uri.path().contains("//") {
        return request;
    }
    let mut path = String::with_capacity(uri.path().len());
    for c in uri.path().chars() {
        if c != '/' || !path.ends_with('/') {
            path.push(c);
        }
    }
    if let Some(query) = uri.query() {
        path.push('?');
        path.push_str(query);
    }
    let mut parts = uri.clone().into_parts();
    if let Ok(path) = path.parse::<PathAndQuery>() {
        parts.path_and_query = Some(path);
        if let Ok(uri) = Uri::from_parts(parts) {
            *request.uri_mut() = uri;
        }
    }
    request
}

async fn absent() -> StatusCode {
    StatusCode::NOT_FOUND
}

/// The page for people, `OK` for programs.
async fn root(State(doors): State<Arc<Doors>>, request: Request) -> Response {
    let accept = request
        .headers()
        .get(header::ACCEPT)
        .and_then(|value| value.to_str().ok());
    let wants_page = doors.dev.is_some() || accept.is_some_and(|a| a.contains("text/html"));
    if let (true, Some(dir)) = (wants_page, &doors.web_dir) {
        let page = ServeFile::new(dir.join("index.html"))
            .try_call(request)
            .await;
        if let Ok(page) = page
            && (page.status().is_success() || page.status() == StatusCode::NOT_MODIFIED)
        {
            return page.into_response();
        }
    }
    "OK".into_response()
}

async fn validate(
    State(doors): State<Arc<Doors>>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    headers: HeaderMap,
    uri: Uri,
) -> Result<&'static str, Refusal> {
    check(
        &doors,
        &Knock {
            peer,
            headers: &headers,
            uri: &uri,
        },
    )
    .map(|_| "success")
}

async fn rtc(
    State(doors): State<Arc<Doors>>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
    headers: HeaderMap,
    uri: Uri,
) -> Response {
    let Ok(upgrade) = upgrade else {
        return StatusCode::NOT_FOUND.into_response();
    };
    match check(
        &doors,
        &Knock {
            peer,
            headers: &headers,
            uri: &uri,
        },
    ) {
        Ok(join) => ws::open(doors, upgrade, Box::new(join)),
        Err(refusal) => refusal.into_response(),
    }
}
