//! Tokens and join links of a session's participants.

use super::body::{NewToken, Token};
use super::fields::{Fields, fits_in_json};
use super::id::Id;
use super::links::{LinkMaker, Mint};
use super::refusals::unended;
use super::running::Sessions;
use crate::api::caller::Json;
use crate::api::idempotency::asker::Asker;
use crate::api::idempotency::key::IdempotencyKey;
use crate::api::idempotency::once::Once;
use crate::api::problem::{Always, InTheWay, OfOne, Problem, WithBody};
use crate::base::{Identity, Role, Unix};
use crate::node::Guest;
use crate::peer::signal::token::Duty;
use axum::Json as JsonAnswer;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use std::ops::RangeInclusive;
use std::sync::Arc;

/// Validity of a token unless told otherwise, as LiveKit's SDKs have it: 6 h.
pub(super) const TTL_S: u64 = 6 * 3600;
/// Shortest and longest validity: a minute, a year.
pub(super) const TTL_RANGE_S: RangeInclusive<u64> = 60..=31_536_000;
/// Longest name and identity, in bytes (livekit-server 1.13.5).
const NAME_BYTES: usize = 256;

/// Reads identity, name, role, and whether they are a minor.
pub(super) fn guest(fields: &mut Fields<'_>) -> Result<Guest, Problem> {
    let needed = |field: String, allowed: &str| Problem::body(&field, allowed);
    let identity = fields.needed("identity", 1..=NAME_BYTES)?;
    fits_in_json(&fields.place("identity"), Some(identity))?;
    let name = fields.text("name", 0..=NAME_BYTES)?.unwrap_or_default();
    let word = fields.any("role").and_then(|word| word.as_str());
    let role: Option<Role> = word.and_then(|word| word.parse().ok());
    let role =
        role.ok_or_else(|| needed(fields.place("role"), "expert, customer, guest, observer"))?;
    Ok(Guest {
        identity: Identity::from(identity),
        name: name.to_owned(),
        role,
        minor: fields.flag("minor")?.unwrap_or(false),
    })
}

/// Makes a token for one more participant of a session.
#[utoipa::path(
    post,
    path = "/v1/sessions/{id}/tokens",
    tag = "sessions",
    params(("id" = String, Path, description = "The session."), IdempotencyKey),
    request_body = NewToken,
    responses(
        (status = 200, description = "The token, and a join link with it.", body = Token),
        Always, OfOne, InTheWay, WithBody
    ),
    security(("token" = []))
)]
pub(crate) async fn issue(
    State(sessions): State<Arc<Sessions>>,
    LinkMaker { caller, base }: LinkMaker,
    Id(id): Id,
    once: Once,
    Json(body): Json,
) -> Result<JsonAnswer<Token>, Problem> {
    caller.may(Duty::Administer)?;
    let mut fields = Fields::of(&body, "")?;
    let guest = guest(&mut fields)?;
    let ttl_s = fields.whole("ttl_s", TTL_RANGE_S)?.unwrap_or(TTL_S);
    fields.finish()?;
    let known = sessions.known(&caller, &id).await?;
    let room = known.room();
    caller.may(Duty::AdministerRoom(room.name.as_str()))?;
    let made = Made {
        template: known.template().to_owned(),
        key: caller.claims.key.clone(),
        base,
        from_unix_ms: caller.now.unix,
    };
    let work = async move { unended(&known).map(|()| JsonAnswer(made)) };
    let made = once.answer(Asker::app(&caller), &body, work).await?;
    let made: Made = made.json()?;
    let mint = Mint {
        room: &room.name,
        session: id.as_str(),
        template: &made.template,
        key: caller.signer(&made.key, &sessions.gate.settings().keys),
        base: &made.base,
        ttl_s,
        from: made.from_unix_ms,
    };
    sessions.links.token(&mint, &guest).map(JsonAnswer)
}

/// What a token follows from, beside its request: the ledger keeps that, and no secret.
#[derive(Serialize, Deserialize)]
struct Made {
    template: String,
    key: String,
    base: String,
    from_unix_ms: Unix,
}
