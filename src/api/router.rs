//! The public routes. CORS is on every answer, also on 401 and 404: without it a browser client
//! cannot read the status and never falls back to v0.

use super::dev::receiver::{self, Dev};
use super::headers::{guard, is_own_origin, only_own_host};
use super::limits::BODY_BYTES;
use super::pages::{may_be_served, only_plain};
use super::preflights::measure;
use super::reached::check_host;
use super::site::Site;
use super::state::AppState;
use super::{livekit, openapi, recordings, sessions, webhooks};
use axum::Router;
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::http::uri::PathAndQuery;
use axum::http::{Method, StatusCode, Uri, header};
use axum::middleware::{from_fn, from_fn_with_state, map_request};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tower_http::cors::{AllowHeaders, AllowOrigin, Any, CorsLayer};
use tower_http::services::{ServeDir, ServeFile};

/// How long a browser may remember a preflight (livekit-server 1.13.5).
const PREFLIGHT: Duration = Duration::from_secs(86_400);

/// The router of clients and apps.
pub fn router(state: AppState) -> Router {
    let routes = Router::new()
        .route("/", get(root))
        .route("/v1/preflights", post(measure::begin))
        .route("/v1/preflights/{id}", get(measure::result))
        .route("/openapi.json", get(openapi::document))
        .merge(livekit::routes::routes())
        .merge(recordings::routes::routes())
        .merge(webhooks::routes::routes())
        .merge(sessions::routes::routes());
    let routes = match &state.site().web_dir {
        Some(dir) => {
            let pages = Router::new().fallback_service(ServeDir::new(dir));
            let dir: Arc<Path> = Arc::from(dir.as_path());
            routes.fallback_service(pages.layer(from_fn_with_state(dir, only_plain)))
        }
        None => routes.fallback(async || StatusCode::NOT_FOUND),
    };
    // A layer of the inner router would run after its routes are chosen: hence the outer one.
    let open = Router::new()
        .fallback_service(routes.with_state(state.clone()))
        .layer(map_request(collapse))
        .layer(DefaultBodyLimit::max(BODY_BYTES))
        .layer(cors(state.dev().is_some()));
    let guard = from_fn_with_state(state.clone(), guard);
    if state.dev().is_none() {
        return open.layer(from_fn(check_host)).layer(guard);
    }
    // No CORS: a site that a developer visits has no business with links and webhooks.
    Router::new()
        .route("/dev/links", get(receiver::links))
        .route("/dev/webhooks", get(receiver::webhooks))
        .route("/dev/receiver", post(receiver::receiver))
        .layer(DefaultBodyLimit::max(BODY_BYTES))
        .layer(from_fn_with_state(state.clone(), only_own_host))
        .with_state(state)
        .fallback_service(open)
        .layer(from_fn(check_host))
        .layer(guard)
}

/// `*` does not cover `Authorization` (Fetch standard, CORS-unsafe request headers), so the headers
/// asked for are mirrored. With `--dev` everybody knows the secret: then a site that the developer visits
/// reads no answer.
fn cors(dev: bool) -> CorsLayer {
    let origins = if dev {
        AllowOrigin::predicate(is_own_origin)
    } else {
        AllowOrigin::any()
    };
    let methods = [
        Method::OPTIONS,
        Method::HEAD,
        Method::GET,
        Method::POST,
        Method::PATCH,
        Method::DELETE,
    ];
    CorsLayer::new()
        .allow_origin(origins)
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

/// The page for people, `OK` for programs.
async fn root(
    State(site): State<Arc<Site>>,
    State(dev): State<Option<Arc<Dev>>>,
    request: Request,
) -> Response {
    let accept = request
        .headers()
        .get(header::ACCEPT)
        .and_then(|value| value.to_str().ok());
    let wants_page = dev.is_some() || accept.is_some_and(|a| a.contains("text/html"));
    if let (true, Some(dir)) = (wants_page, &site.web_dir)
        && may_be_served(Arc::from(dir.as_path()), "/index.html".to_owned()).await
    {
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
