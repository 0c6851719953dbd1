//! The Sessions API: sessions are booked, listed, read, extended, paused and ended over HTTP.

mod body;
mod change;
mod create;
mod expire;
mod fields;
mod list;
mod policy;
mod record;
mod recorded;
mod tokens;

pub use expire::lapse as expire;

pub(super) use body::{Created, Session, SessionList, Token};
pub(super) use body::{NewSession, NewToken, Patch};
pub(super) use policy::PolicyDocument;
pub(super) use recorded::refused;
pub(super) use recorded::{NewConsent, NewRecording, RecordingNow, RecordingsNow, TakenConsent};

use super::problem::Problem;
use super::state::Doors;
use axum::Router;
use axum::routing::{get, post};
use std::sync::Arc;

/// The operations, for the document.
pub(super) mod operations {
    pub use super::change::{
        __path_confirm, __path_end, __path_extend, __path_pause, __path_resume,
    };
    pub use super::create::__path_create;
    pub use super::list::__path_list;
    pub use super::record::__path_show;
    pub use super::recorded::{__path_consent, __path_record};
    pub use super::tokens::__path_issue;
}

/// The routes under `/v1`.
pub(super) fn routes() -> Router<Arc<Doors>> {
    Router::new()
        .route("/v1/sessions", get(list::list).post(create::create))
        .route("/v1/sessions/{id}", get(record::show).patch(change::extend))
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
