//! Who may look after webhooks, and the endpoint in the address.

use crate::api::caller::{Caller, placed};
use crate::api::gate::Gate;
use crate::api::problem::Problem;
use crate::peer::signal::token::{AdminRefusal, Duty, room_of};
use axum::extract::{FromRef, FromRequestParts};
use axum::http::request::Parts;
use std::sync::Arc;

/// A caller who administers all of their project, and the endpoint in the address.
pub(in crate::api) struct Operator {
    pub caller: Caller,
    /// Empty where the address names none.
    pub endpoint: String,
}

impl<S> FromRequestParts<S> for Operator
where
    Arc<Gate>: FromRef<S>,
    S: Send + Sync,
{
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Operator, Problem> {
        let caller = Caller::from_request_parts(parts, state).await?;
        caller.may(Duty::Administer)?;
        // Events tell of every room.
        if room_of(&caller.claims).is_some() {
            return Err(Problem::forbidden(AdminRefusal::OtherRoom));
        }
        let [endpoint] = placed(parts, ["endpoint"]).await?;
        let endpoint = endpoint.unwrap_or_default();
        Ok(Operator { caller, endpoint })
    }
}
