//! The session in the address, for a caller who may administer it.

use super::id::Id;
use super::running::Sessions;
use crate::api::caller::Caller;
use crate::api::gate::Gate;
use crate::api::ports::ledger::Known;
use crate::api::problem::Problem;
use crate::base::SessionId;
use axum::extract::{FromRef, FromRequestParts};
use axum::http::request::Parts;
use std::sync::Arc;

/// The session in the address, as the ledger knows it.
pub(in crate::api) struct Administered {
    pub sessions: Arc<Sessions>,
    pub caller: Caller,
    pub id: SessionId,
    pub known: Known,
}

impl<S> FromRequestParts<S> for Administered
where
    Arc<Sessions>: FromRef<S>,
    Arc<Gate>: FromRef<S>,
    S: Send + Sync,
{
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Administered, Problem> {
        let caller = Caller::from_request_parts(parts, state).await?;
        let Id(id) = Id::from_request_parts(parts, state).await?;
        let sessions = Arc::<Sessions>::from_ref(state);
        let known = sessions.administered(&caller, &id).await?;
        Ok(Administered {
            sessions,
            caller,
            id,
            known,
        })
    }
}
