//! The session in the address.

use super::refusals::no_session;
use crate::api::caller::placed;
use crate::api::problem::Problem;
use crate::base::SessionId;
use axum::extract::FromRequestParts;
use axum::http::request::Parts;

/// Longest id that is looked up, in bytes.
const ID_BYTES: usize = 64;

/// The session in the address.
pub(in crate::api) struct Id(pub SessionId);

impl<S: Send + Sync> FromRequestParts<S> for Id {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Id, Problem> {
        let [id] = placed(parts, ["id"]).await?;
        let id = id.filter(|id| id.len() <= ID_BYTES);
        id.map(|id| Id(SessionId::from(id))).ok_or_else(no_session)
    }
}
