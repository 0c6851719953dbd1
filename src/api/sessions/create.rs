//! `POST /v1/sessions`: books a session.

use super::body::{Created, NewSession, SessionStage};
use super::bookings::Bookings;
use super::fields::{Fields, fits_in_json};
use super::links::Mint;
use super::policy::overridden;
use super::tokens::{TTL_RANGE_S, TTL_S, guest};
use crate::api::caller::{Caller, Json};
use crate::api::events::Repeated;
use crate::api::idempotency::key::{IdempotencyKey, idempotency_key, used_otherwise};
use crate::api::locks::lock;
use crate::api::ports::ledger::{KeyFound, Request, Within, read, request_key};
use crate::api::problem::{Always, InTheWay, Problem, WithBody};
use crate::api::reached::Reached;
use crate::base::crypto::{hex, sha256};
use crate::base::{Grants, RoomKey, SessionId, Unix};
use crate::node::{Booking, Guest};
use crate::peer::signal::token::Duty;
use axum::Json as JsonAnswer;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::Value;
use std::collections::BTreeSet;
use std::sync::Arc;

/// Most participants with a token: the largest capacity of a policy.
const PARTICIPANTS: usize = 50;
/// Longest room name, in bytes (livekit-server 1.13.5).
const ROOM_BYTES: usize = 256;

/// Books a session. It begins when the first participant joins its room, and lapses when its
/// window closes, or a day after it was booked, with the end reason `no_show`.
///
/// The same `Idempotency-Key` with the same body gets the same answer for a day.
#[utoipa::path(
    post,
    path = "/v1/sessions",
    tag = "sessions",
    params(IdempotencyKey),
    request_body = NewSession,
    responses(
        (status = 201, description = "The session is booked, and on disk.", body = Created,
         headers(("Location" = String, description = "Where its record is."))),
        Always, InTheWay, WithBody
    ),
    security(("token" = []))
)]
pub(crate) async fn create(
    State(bookings): State<Arc<Bookings>>,
    caller: Caller,
    Reached(base): Reached,
    headers: HeaderMap,
    Json(body): Json,
) -> Result<Response, Problem> {
    caller.may(Duty::Create)?;
    let Some(key) = idempotency_key(&headers)? else {
        let drafted = draft(&bookings, &caller, base, &body)?;
        return answer(&bookings, &caller, &*bookings.book(drafted, None).await?);
    };
    let request = Request {
        digest: hex(&sha256(body.to_string().as_bytes())),
        key: request_key(caller.project(), key),
    };
    let turn = bookings.repeats.turn(&request.key)?;
    match asked_before(&bookings, &caller, key).await? {
        Earlier::Booked(digest, booking) if digest == request.digest => {
            bookings.repeats.note(Repeated::Answered);
            answer(&bookings, &caller, &booking)
        }
        Earlier::Booked(..) | Earlier::Otherwise => {
            bookings.repeats.note(Repeated::Otherwise);
            Err(used_otherwise())
        }
        Earlier::Free => {
            let drafted = draft(&bookings, &caller, base, &body)?;
            answer(
                &bookings,
                &caller,
                &*bookings.book(drafted, Some((request, turn))).await?,
            )
        }
    }
}

/// For what the caller's project has used an idempotency key.
enum Earlier {
    Free,
    /// For this booking, with the digest of its request.
    Booked(String, Box<Booking>),
    /// For something that is no booking.
    Otherwise,
}

async fn asked_before(bookings: &Bookings, caller: &Caller, key: &str) -> Result<Earlier, Problem> {
    let name = request_key(caller.project(), key);
    let other = caller.within(bookings.repeats.lookup(&name, String::new()));
    let mut names = vec![name];
    if caller.project().is_default() {
        // As it was called before there were projects: for a day after the upgrade.
        names.push(format!("{}:{key}", caller.claims.key));
    }
    let names = names.into_iter().map(|name| caller.within(name));
    let names: Vec<Within<String>> = names.collect();
    let found = read(&bookings.ledger, move |ledger| {
        for name in names {
            if let Some((digest, booking)) = (ledger.request)(&name)? {
                return Ok(Earlier::Booked(digest, Box::new(booking)));
            }
        }
        Ok(match (ledger.answer)(&other)? {
            KeyFound::Answer(..) => Earlier::Otherwise,
            KeyFound::Free { .. } => Earlier::Free,
        })
    });
    Ok(found.await?)
}

/// Reads the body.
fn draft(
    bookings: &Bookings,
    caller: &Caller,
    base: String,
    body: &Value,
) -> Result<Booking, Problem> {
    let mut fields = Fields::of(body, "")?;
    let room = fields.text("room", 1..=ROOM_BYTES)?;
    fits_in_json("room", room)?;
    let template = fields.text("policy", 1..=64)?.unwrap_or("default");
    let project = caller.project();
    let settings = bookings.gate.settings();
    let Some(rules) = settings.policies.get(project, template) else {
        let names: Vec<&str> = settings.policies.names(project).collect();
        return Err(Problem::body("policy", &names.join(", ")));
    };
    let mut policy = match fields.any("overrides") {
        Some(changes) => overridden(rules, changes, "overrides")?,
        None => rules.clone(),
    };
    let external = fields.text("external_ref", 0..=256)?;
    fits_in_json("external_ref", external)?;
    if let Some(external) = external {
        policy.external_ref = Some(external.to_owned());
    }
    if let Some(metadata) = fields.any("metadata") {
        policy.metadata = Some(metadata.clone());
    }
    policy
        .validate()
        .map_err(|_| Problem::body("metadata", "JSON of at most 4096 bytes"))?;
    let closes = policy.window.closes_at.unwrap_or(u64::MAX);
    if closes <= caller.now.unix.secs() {
        let place = "overrides.window.closes_at";
        return Err(Problem::body(
            place,
            "a time to come, in seconds since 1970",
        ));
    }
    let participants = participants(&mut fields)?;
    let token_ttl_s = fields.whole("token_ttl_s", TTL_RANGE_S)?.unwrap_or(TTL_S);
    fields.finish()?;
    let mut rng = lock(&bookings.rng);
    Ok(Booking {
        session: SessionId::random(&mut rng),
        room: room.map_or_else(
            || RoomKey::new(project, format!("room-{}", rng.alphanumeric(16))),
            |name| RoomKey::new(project, name),
        ),
        template: template.to_owned(),
        policy,
        participants,
        key: caller.claims.key.clone(),
        base,
        token_ttl_s,
        created_unix_ms: caller.now.unix,
        grants: Grants::default(),
        first: None,
    })
}

fn participants(fields: &mut Fields<'_>) -> Result<Vec<Guest>, Problem> {
    let Some(listed) = fields.any("participants") else {
        return Ok(Vec::new());
    };
    let listed = listed.as_array().filter(|list| list.len() <= PARTICIPANTS);
    let listed = listed.ok_or_else(|| Problem::body("participants", "a list of at most 50"))?;
    let mut seen = BTreeSet::new();
    let each = |(index, value): (usize, &Value)| {
        let path = format!("participants.{index}");
        let mut fields = Fields::of(value, &path)?;
        let guest = guest(&mut fields)?;
        if !seen.insert(guest.identity.clone()) {
            let place = fields.place("identity");
            return Err(Problem::body(
                &place,
                "an identity that is not in the list twice",
            ));
        }
        fields.finish()?;
        Ok(guest)
    };
    listed.iter().enumerate().map(each).collect()
}

/// The answer follows from the booking alone, so it is the same each time; but for the signatures once
/// the key that booked is gone: the keys of a project are interchangeable.
fn answer(bookings: &Bookings, caller: &Caller, booking: &Booking) -> Result<Response, Problem> {
    let mint = Mint {
        room: &booking.room.name,
        session: booking.session.as_str(),
        template: &booking.template,
        key: caller.signer(&booking.key, &bookings.gate.settings().keys),
        base: &booking.base,
        ttl_s: booking.token_ttl_s,
        from: Unix(booking.created_unix_ms.0),
    };
    let tokens = booking.participants.iter();
    let tokens = tokens.map(|guest| bookings.links.token(&mint, guest));
    let created = Created {
        id: booking.session.to_string(),
        room: booking.room.name.to_string(),
        state: SessionStage::Scheduled,
        policy_name: booking.template.clone(),
        policy: serde_json::to_value(booking.first_policy()).unwrap_or_default(),
        external_ref: booking.policy.external_ref.clone(),
        metadata: booking.policy.metadata.clone().unwrap_or_default(),
        created_unix_ms: booking.created_unix_ms.0,
        participants: tokens.collect::<Result<_, _>>()?,
    };
    let place = [(
        header::LOCATION,
        format!("/v1/sessions/{}", booking.session),
    )];
    Ok((StatusCode::CREATED, place, JsonAnswer(created)).into_response())
}

#[cfg(test)]
mod tests;
