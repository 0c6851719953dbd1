//! `POST /v1/sessions/{id}/grants`: adds to the prepaid time.

use super::administered::Administered;
use super::body::{Granted, NewGrant};
use super::bookings::Bookings;
use super::fields::Fields;
use super::refusals::unended;
use crate::api::caller::Json;
use crate::api::idempotency::key::needed_key;
use crate::api::ports::ledger::Known;
use crate::api::problem::{Always, InTheWay, OfOne, Problem, WithBody};
use crate::base::{Grant, GrantKey, GrantRefusal, Grants, MOST_QUOTA_S, SessionId};
use crate::node::SessionCommand;
use axum::Json as JsonAnswer;
use axum::extract::State;
use axum::http::HeaderMap;
use std::sync::Arc;

/// Adds to the prepaid time of a session, or of a booking. Media goes on.
///
/// Grants add up whatever their order, and each is given once: a repeat with the same `Idempotency-Key`
/// gets the first answer, as long as the record of the session is kept.
#[utoipa::path(
    post,
    path = "/v1/sessions/{id}/grants",
    tag = "sessions",
    params(
        ("id" = String, Path, description = "The session."),
        ("Idempotency-Key" = String, Header,
         description = "Names the grant within the session: one that is asked for twice is given once.",
         min_length = 1, max_length = 255, pattern = "^[!-~]+$")
    ),
    request_body = NewGrant,
    responses(
        (status = 200, description = "It is given, and on disk.", body = Granted),
        Always, OfOne, InTheWay, WithBody
    ),
    security(("token" = []))
)]
pub(crate) async fn grant(
    State(bookings): State<Arc<Bookings>>,
    of: Administered,
    headers: HeaderMap,
    Json(body): Json,
) -> Result<JsonAnswer<Granted>, Problem> {
    let key = needed_key(&headers)?;
    let mut fields = Fields::of(&body, "")?;
    let seconds = fields.whole("seconds", 1..=MOST_QUOTA_S)?;
    let needed = || {
        Problem::body(
            "seconds",
            &format!("1 to {MOST_QUOTA_S}, which must be there"),
        )
    };
    let seconds = seconds.ok_or_else(needed)?;
    fields.finish()?;
    let key = GrantKey::of(key);
    if let Some(given) = given(&of.known, &key) {
        return answer(&of.id, given, seconds);
    }
    unended(&of.known)?;
    let booked = bookings.rebook(&of.id, |booking| booking.grant(&key, seconds));
    if let Some(grant) = booked.await? {
        return answer(&of.id, &grant, seconds);
    }
    let asked = SessionCommand::Grant {
        key: key.clone(),
        seconds,
    };
    of.sessions.command(&of.id, asked).await?;
    let known = of.sessions.known(&of.caller, &of.id).await?;
    // The command is answered once its entry is on disk.
    let given = given(&known, &key).ok_or_else(|| Problem::unavailable(SILENT))?;
    answer(&of.id, given, seconds)
}

const SILENT: &str =
    "the grant was asked for, and the ledger does not have it yet: repeat it with the same key";

fn given<'a>(known: &'a Known, key: &GrantKey) -> Option<&'a Grant> {
    let recorded = known.record.as_ref().map(|record| &record.grants);
    let booked = known.booking.as_ref().map(|booking| &booking.grants);
    let grants: Option<&Grants> = recorded.or(booked);
    grants?.get(key)
}

fn answer(id: &SessionId, given: &Grant, seconds: u64) -> Result<JsonAnswer<Granted>, Problem> {
    if given.seconds != seconds {
        return Err(GrantRefusal::KeyUsed(given.seconds).into());
    }
    Ok(JsonAnswer(Granted {
        session: id.to_string(),
        seconds,
        quota_s: given.quota_s,
    }))
}
