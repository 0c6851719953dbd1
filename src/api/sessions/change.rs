//! What changes a session: more time, a pause, a confirmation, the end.

use super::administered::Administered;
use super::body::{Patch, Session};
use super::bookings::Bookings;
use super::etag::{Tagged, if_match};
use super::fields::Fields;
use super::id::Id;
use super::refusals::{running, unended};
use super::running::Sessions;
use crate::api::caller::{Caller, Json};
use crate::api::idempotency::asker::Asker;
use crate::api::idempotency::key::IdempotencyKey;
use crate::api::idempotency::once::Once;
use crate::api::ports::ledger::Answer;
use crate::api::problem::{Always, IfMatch, InTheWay, OfOne, Problem, WithBody, WithKey};
use crate::base::{EndReason, PauseReason, SessionState};
use crate::node::SessionCommand;
use crate::session::Extension;
use axum::Json as JsonAnswer;
use axum::extract::State;
use axum::http::HeaderMap;
use serde_json::Value;
use std::sync::Arc;

fn is_paused(state: Option<SessionState>) -> bool {
    state == Some(SessionState::Paused(PauseReason::ByRequest))
}

/// Changes what a session may use: new totals, more or less than before. Media goes on.
#[utoipa::path(
    patch,
    path = "/v1/sessions/{id}",
    tag = "sessions",
    params(
        ("id" = String, Path, description = "The session."),
        ("If-Match" = Option<String>, Header,
         description = "The `ETag` of the session as the caller knows it: 412 if the totals have changed since.")
    ),
    request_body = Patch,
    responses(
        (status = 200, description = "The record, with the new policy.", body = Session,
         headers(("ETag" = String, description = "Of the new totals."))),
        Always, OfOne, InTheWay, IfMatch, WithBody
    ),
    security(("token" = []))
)]
pub(crate) async fn extend(
    State(bookings): State<Arc<Bookings>>,
    of: Administered,
    headers: HeaderMap,
    Json(body): Json,
) -> Result<Tagged, Problem> {
    let only_if = if_match(&headers)?;
    let mut fields = Fields::of(&body, "")?;
    let quota_s = fields.whole("quota_s", 1..=31_536_000)?;
    let max_min = fields.whole("max_min", 1..=1_440)?;
    fields.finish()?;
    unended(&of.known)?;
    let extension = Extension {
        quota_s,
        max_min,
        only_if,
    };
    let booked = bookings.rebook(&of.id, |booking| booking.extend(&extension));
    if booked.await?.is_none() {
        let asked = SessionCommand::Extend(extension);
        of.sessions.command(&of.id, asked).await?;
    }
    let JsonAnswer(session) = of.sessions.answer(&of.caller, &of.id).await?;
    Ok(Tagged(session))
}

/// Ends a session. One that has not begun is begun and ended in one step, so that billing knows.
#[utoipa::path(
    post,
    path = "/v1/sessions/{id}/end",
    tag = "sessions",
    params(("id" = String, Path, description = "The session."), IdempotencyKey),
    responses(
        (status = 200, description = "The final record.", body = Session),
        Always, OfOne, InTheWay, WithKey
    ),
    security(("token" = []))
)]
pub(crate) async fn end(
    State(sessions): State<Arc<Sessions>>,
    State(bookings): State<Arc<Bookings>>,
    caller: Caller,
    Id(id): Id,
    once: Once,
) -> Result<Answer, Problem> {
    let known = sessions.administered(&caller, &id).await?;
    let asker = Asker::app(&caller);
    // A repeat of one that the disk did not confirm in time: it is done.
    let is_done = once.has_key() && known.end_reason() == Some(EndReason::EndedByApi);
    let work = async move {
        if is_done {
            return sessions.answer(&caller, &id).await;
        }
        unended(&known)?;
        if !bookings.cancel(&id).await? {
            let asked = SessionCommand::End(EndReason::EndedByApi);
            sessions.command(&id, asked).await?;
        }
        sessions.answer(&caller, &id).await
    };
    once.answer(asker, &Value::Null, work).await
}

/// An operation that gives one command to a running session, and answers with its record once the
/// state fits.
macro_rules! step {
    ($(#[$doc:meta])* $name:ident, $path:literal, $command:expr, $done:expr) => {
        $(#[$doc])*
        #[utoipa::path(
            post,
            path = $path,
            tag = "sessions",
            params(("id" = String, Path, description = "The session."), IdempotencyKey),
            responses(
                (status = 200, description = "The record.", body = Session),
                Always, OfOne, InTheWay, WithKey
            ),
            security(("token" = []))
        )]
        pub(crate) async fn $name(
            State(sessions): State<Arc<Sessions>>,
            caller: Caller,
            Id(id): Id,
            once: Once,
        ) -> Result<Answer, Problem> {
            let known = sessions.administered(&caller, &id).await?;
            let asker = Asker::app(&caller);
            let work = async move {
                running(&known)?;
                sessions.settle(&caller, &id, $command, $done).await
            };
            once.answer(asker, &Value::Null, work).await
        }
    };
}

step! {
    /// Lets the billing clock stand (`paused`, `by_request`). Media goes on.
    pause, "/v1/sessions/{id}/pause", SessionCommand::Pause, is_paused
}

step! {
    /// Takes the pause back.
    resume, "/v1/sessions/{id}/resume", SessionCommand::Resume, |state| !is_paused(state)
}

step! {
    /// Confirms for all that they are still there, while they are asked.
    confirm, "/v1/sessions/{id}/presence", SessionCommand::Confirm(None), |_| true
}
