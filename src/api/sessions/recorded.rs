//! What is recorded of a running session: consents, start and stop, and how it stands.

use super::fields::Fields;
use super::id::Id;
use super::recorded_body::{NewConsent, NewRecording, RecordingsNow, TakenConsent};
use super::refusals::running;
use super::running::Sessions;
use crate::api::caller::{Caller, Json};
use crate::api::idempotency::asker::Asker;
use crate::api::idempotency::key::IdempotencyKey;
use crate::api::idempotency::once::Once;
use crate::api::ports::ledger::{Answer, Known};
use crate::api::problem::{Always, InTheWay, OfOne, Problem, WithBody};
use crate::base::{Actor, Identity, Purpose, SessionId};
use crate::node::{RecordedView, SessionCommand, SessionView};
use crate::peer::signal::token::{Claims, Duty, authorize_admin, authorize_recordings, session_of};
use crate::session::{ConsentAnswer, MAX_WORDING_BYTES};
use axum::Json as JsonAnswer;
use axum::extract::State;
use std::sync::Arc;

/// Longest identity, in bytes (livekit-server 1.13.5).
const IDENTITY_BYTES: usize = 256;

/// Takes down what a participant says about being recorded: at the app's word (`roomAdmin`), or at
/// their own, with their own room token.
#[utoipa::path(
    post,
    path = "/v1/sessions/{id}/consent",
    tag = "recordings",
    params(("id" = String, Path, description = "The session."), IdempotencyKey),
    request_body = NewConsent,
    responses(
        (status = 200, description = "What was taken down.", body = TakenConsent),
        Always, OfOne, InTheWay, WithBody
    ),
    security(("token" = []))
)]
pub(crate) async fn consent(
    State(sessions): State<Arc<Sessions>>,
    caller: Caller,
    Id(id): Id,
    once: Once,
    Json(body): Json,
) -> Result<Answer, Problem> {
    // Who may never say anything here learns nothing of the session or of the body.
    let administers = authorize_admin(&caller.claims, Duty::Administer);
    if caller.claims.video.room_join != Some(true) {
        administers.map_err(Problem::forbidden)?;
    }
    let answer = said(&body)?;
    let known = sessions.known(&caller, &id).await?;
    let actor = whose(&caller.claims, &known, &answer.identity);
    let answer = ConsentAnswer {
        actor: actor.map_err(Problem::forbidden)?,
        ..answer
    };
    let asker = match answer.actor {
        Actor::Participant => Asker::participant(&known.room(), &answer.identity),
        Actor::App | Actor::Node => Asker::app(&caller),
    };
    let work = async move {
        running(&known)?;
        take_down(&sessions, &id, answer).await.map(JsonAnswer)
    };
    once.answer(asker, &body, work).await
}

async fn take_down(
    sessions: &Sessions,
    id: &SessionId,
    answer: ConsentAnswer,
) -> Result<TakenConsent, Problem> {
    let (identity, purpose, given) = (answer.identity.clone(), answer.purpose, answer.given);
    let consent = SessionCommand::Consent(answer);
    let view = sessions.command(id, consent).await?;
    let stands = stands(&view, purpose, &identity);
    Ok(TakenConsent {
        session: id.to_string(),
        identity: identity.to_string(),
        purpose,
        given,
        state: stands.and_then(|person| person.consent),
        recorded: stands.is_some_and(|person| person.recorded),
    })
}

fn stands<'a>(view: &'a SessionView, purpose: Purpose, who: &Identity) -> Option<&'a RecordedView> {
    let mut recordings = view.recordings.iter();
    let recording = recordings.find(|recording| recording.id.purpose() == purpose)?;
    recording
        .people
        .iter()
        .find(|person| &person.identity == who)
}

/// The answer in a body; whose hand it is follows from the token.
fn said(body: &serde_json::Value) -> Result<ConsentAnswer, Problem> {
    let mut fields = Fields::of(body, "")?;
    let identity = fields.needed("identity", 1..=IDENTITY_BYTES)?;
    let purpose = purpose(&mut fields)?.ok_or_else(|| {
        let allowed = "qa, shared; it must be there";
        Problem::body("purpose", allowed)
    })?;
    let given = fields.any("given").and_then(serde_json::Value::as_bool);
    let allowed = "true or false, which must be there";
    let given = given.ok_or_else(|| Problem::body("given", allowed))?;
    // A no is heard whatever comes with it.
    let wording = if given {
        fields.needed("wording", 1..=MAX_WORDING_BYTES)?
    } else {
        fields
            .any("wording")
            .and_then(serde_json::Value::as_str)
            .unwrap_or_default()
    };
    fields.finish()?;
    Ok(ConsentAnswer {
        identity: Identity::from(identity),
        purpose,
        given,
        actor: Actor::Participant,
        wording: wording.to_owned(),
    })
}

fn purpose(fields: &mut Fields<'_>) -> Result<Option<Purpose>, Problem> {
    let Some(word) = fields.any("purpose") else {
        return Ok(None);
    };
    let purpose = word.as_str().and_then(Purpose::parse);
    purpose
        .map(Some)
        .ok_or_else(|| Problem::body("purpose", "qa, shared"))
}

/// By whose hand someone speaks for `identity` in a session: their own, by a token that lets them join it,
/// or the app's.
pub(super) fn whose(
    claims: &Claims,
    known: &Known,
    identity: &Identity,
) -> Result<Actor, NotTheirs> {
    let (room, session) = (known.room(), session_of(claims));
    let room = room.name.as_str();
    let joins = claims.video.room_join == Some(true);
    let here = claims.video.room.as_deref() == Some(room) && known.serves(session.as_ref());
    if joins && here && claims.identity == identity.as_str() {
        return Ok(Actor::Participant);
    }
    let app = authorize_admin(claims, Duty::AdministerRoom(room));
    app.map(|()| Actor::App).map_err(|_| NotTheirs)
}

/// A token that may not speak for someone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the access token may not speak for this participant: send their own room token, or one with \
     the grant `roomAdmin`"
)]
pub(super) struct NotTheirs;

/// Starts or stops the recording of a running session; nobody is recorded without their consent.
#[utoipa::path(
    post,
    path = "/v1/sessions/{id}/recordings",
    tag = "recordings",
    params(("id" = String, Path, description = "The session."), IdempotencyKey),
    request_body = NewRecording,
    responses(
        (status = 200, description = "How the recordings stand.", body = RecordingsNow),
        Always, OfOne, InTheWay, WithBody
    ),
    security(("token" = []))
)]
pub(crate) async fn record(
    State(sessions): State<Arc<Sessions>>,
    caller: Caller,
    Id(id): Id,
    once: Once,
    Json(body): Json,
) -> Result<Answer, Problem> {
    let reach = authorize_recordings(&caller.claims).map_err(Problem::forbidden)?;
    let (on, purpose) = ordered(&body)?;
    let known = sessions.known(&caller, &id).await?;
    reach
        .direct(known.room().name.as_str())
        .map_err(Problem::forbidden)?;
    let asker = Asker::app(&caller);
    let work = async move {
        running(&known)?;
        direct(&sessions, &id, on, purpose).await.map(JsonAnswer)
    };
    once.answer(asker, &body, work).await
}

async fn direct(
    sessions: &Sessions,
    id: &SessionId,
    on: bool,
    purpose: Option<Purpose>,
) -> Result<RecordingsNow, Problem> {
    let mut view = sessions.command(id, SessionCommand::Inspect).await?;
    let purposes = match purpose {
        Some(purpose) => vec![purpose],
        None => view.policy.recording.purposes.clone(),
    };
    for purpose in purposes {
        let actor = Actor::App;
        let asked = SessionCommand::Record { purpose, on, actor };
        view = sessions.command(id, asked).await?;
    }
    let recordings = view.recordings.into_iter().map(Into::into).collect();
    Ok(RecordingsNow { recordings })
}

fn ordered(body: &serde_json::Value) -> Result<(bool, Option<Purpose>), Problem> {
    let mut fields = Fields::of(body, "")?;
    let on = match fields.any("action").and_then(serde_json::Value::as_str) {
        Some("start") => true,
        Some("stop") => false,
        Some(_) | None => return Err(Problem::body("action", "start, stop")),
    };
    let purpose = purpose(&mut fields)?;
    fields.finish()?;
    Ok((on, purpose))
}

#[cfg(test)]
mod tests;
