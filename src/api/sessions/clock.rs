//! `GET /v1/sessions/{id}/clock`: what is billed so far, and whether that is final: also for who took part.

use super::body::BilledClock;
use super::id::Id;
use super::record::summary;
use super::recorded::whose;
use super::running::Sessions;
use crate::api::caller::Caller;
use crate::api::ports::ledger::Known;
use crate::api::problem::{Always, OfOne, Problem};
use crate::base::{Actor, Identity};
use crate::peer::signal::token::{Claims, Duty, authorize_admin};
use axum::Json;
use axum::extract::State;
use std::sync::Arc;

/// The billed clock as it is on disk; once the session has ended, it is final. Good for the app
/// (`roomAdmin`), and for whoever took part, with their own room token.
#[utoipa::path(
    get,
    path = "/v1/sessions/{id}/clock",
    tag = "sessions",
    params(("id" = String, Path, description = "The session.")),
    responses((status = 200, description = "The clock.", body = BilledClock), Always, OfOne),
    security(("token" = []))
)]
pub(crate) async fn clock(
    State(sessions): State<Arc<Sessions>>,
    caller: Caller,
    Id(id): Id,
) -> Result<Json<BilledClock>, Problem> {
    // Who may never look learns nothing of the session.
    let administers = authorize_admin(&caller.claims, Duty::Administer);
    if caller.claims.video.room_join != Some(true) {
        administers.map_err(Problem::forbidden)?;
    }
    let known = sessions.known(&caller, &id).await?;
    may_look(&caller.claims, &known).map_err(Problem::forbidden)?;
    let summary = summary(&known);
    Ok(Json(BilledClock {
        session: summary.id,
        goes_on: known.end_reason().is_none_or(|reason| reason.is_of_node()),
        state: summary.state,
        reason: summary.reason,
        accrued_ms: summary.accrued_ms,
        billable_ms: summary.billable_ms,
    }))
}

/// A room's name is used again and again: who only has a token of the room was not in all of its sessions.
fn may_look(claims: &Claims, known: &Known) -> Result<(), NotTheirSession> {
    let identity = Identity::from(claims.identity.as_str());
    let record = known.record.as_ref();
    let was_here = record.is_some_and(|record| record.totals.participants.contains_key(&identity));
    match whose(claims, known, &identity) {
        Ok(Actor::App) => Ok(()),
        Ok(Actor::Participant) if was_here => Ok(()),
        Ok(Actor::Participant | Actor::Node) | Err(_) => Err(NotTheirSession),
    }
}

/// A token that may not see this session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the access token may not see this session: send the room token of somebody who took part in it, or \
     one with the grant `roomAdmin`"
)]
struct NotTheirSession;
