//! Recordings over HTTP: listed, shown, deleted, and their files fetched with links that expire.

mod body;
mod download;
#[cfg(test)]
mod fixture;
mod link;
mod list;
mod range;
mod remove;
mod show;
#[cfg(test)]
mod tests;

pub(super) use body::{Recording, RecordingDetail, RecordingList};

use super::problem::Problem;
use super::state::Doors;
use axum::Router;
use axum::routing::get;
use std::sync::Arc;

/// The operations, for the document.
pub(super) mod operations {
    pub use super::download::__path_download;
    pub use super::list::__path_list;
    pub use super::remove::__path_remove;
    pub use super::show::__path_show;
}

/// The routes under `/v1/recordings`.
pub(super) fn routes() -> Router<Arc<Doors>> {
    Router::new()
        .route("/v1/recordings", get(list::list))
        .route(
            "/v1/recordings/{id}",
            get(show::show).delete(remove::remove),
        )
        .route("/v1/recordings/{id}/files/{name}", get(download::download))
        .method_not_allowed_fallback(async || Problem::method())
}
