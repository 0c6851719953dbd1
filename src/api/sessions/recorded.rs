//! What is recorded of a running session: consents, start and stop, and how it stands.

use super::caller::{Caller, Id, Json, command, no_session, read};
use super::change::{between, has_ended};
use super::fields::Fields;
use super::ledger::Known;
use super::record::room_of;
use crate::api::doors::Doors;
use crate::api::problem::{Always, InTheWay, OfOne, Problem, WithBody};
use crate::api::recordings::{ConsentWord, PurposeWord};
use crate::base::{Actor, ConsentState, Identity, Purpose, SessionId};
use crate::node::{RecordedView, RecordingView, SessionCommand, SessionView};
use crate::peer::signal::token::{Claims, Duty, authorize_admin, authorize_recordings};
use crate::session::{ConsentAnswer, MAX_WORDING_BYTES, RecordingRefusal};
use axum::Json as JsonAnswer;
use axum::extract::State;
use serde::Serialize;
use std::sync::Arc;
use utoipa::ToSchema;

/// Longest identity, in bytes (livekit-server 1.13.5).
const IDENTITY_BYTES: usize = 256;

/// What a participant says about being recorded.
#[derive(ToSchema, Serialize)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({
    "identity": "karl", "purpose": "shared", "given": true, "wording": "2026-11"
}))]
pub(crate) struct NewConsent {
    /// Who is or is not to be recorded.
    #[schema(min_length = 1, max_length = 256)]
    identity: String,
    /// For what.
    purpose: PurposeWord,
    /// Yes or no; no after a yes takes it back, at once.
    given: bool,
    /// Version of the text that was shown to them. A yes needs it; a no is heard without.
    #[schema(min_length = 1, max_length = 64, required = false)]
    wording: String,
}

/// What was taken down.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = Consent)]
pub(crate) struct TakenConsent {
    /// The session.
    session: String,
    /// Who.
    identity: String,
    /// For what.
    #[schema(value_type = PurposeWord)]
    purpose: Purpose,
    /// Yes or no.
    given: bool,
    /// The state from now on; `null` while they are not connected.
    #[schema(value_type = Option<ConsentWord>)]
    state: Option<ConsentState>,
    /// They are recorded for this purpose now.
    recorded: bool,
}

/// What a recording shall do.
#[derive(ToSchema, Serialize)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"action": "start", "purpose": "shared"}))]
pub(crate) struct NewRecording {
    /// Start or stop; it may start again while the session lasts.
    action: Action,
    /// For what; all purposes of the policy if nothing is said.
    purpose: Option<PurposeWord>,
}

/// Start or stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[expect(dead_code, reason = "the document is made of it")]
pub(crate) enum Action {
    /// It shall run: whoever consents is recorded.
    Start,
    /// It shall not.
    Stop,
}

/// How the recordings of a session stand.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct RecordingsNow {
    /// One for each purpose of the policy.
    recordings: Vec<RecordingNow>,
}

/// How the recording for a purpose stands while its session runs.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct RecordingNow {
    /// The recording, for `GET /v1/recordings/{id}` once someone has been recorded.
    id: String,
    /// For what.
    #[schema(value_type = PurposeWord)]
    purpose: Purpose,
    /// It shall run.
    requested: bool,
    /// Someone is recorded now.
    active: bool,
    /// Why it cannot go on.
    failed: Option<String>,
    /// Everyone connected, in the order of joining.
    participants: Vec<RecordedNow>,
}

/// How a participant stands to a recording.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct RecordedNow {
    /// Who.
    identity: String,
    /// What they said; `null`: they have not answered.
    #[schema(value_type = Option<ConsentWord>)]
    consent: Option<ConsentState>,
    /// Marked as a minor, and never recorded.
    minor: bool,
    /// All that they publish is encrypted end to end, which cannot be recorded.
    encrypted: bool,
    /// Recorded now.
    recorded: bool,
}

impl From<RecordingView> for RecordingNow {
    fn from(view: RecordingView) -> RecordingNow {
        RecordingNow {
            id: view.id.to_string(),
            purpose: view.id.purpose(),
            requested: view.requested,
            active: view.active,
            failed: view.failed,
            participants: view.people.into_iter().map(Into::into).collect(),
        }
    }
}

impl From<RecordedView> for RecordedNow {
    fn from(view: RecordedView) -> RecordedNow {
        RecordedNow {
            identity: view.identity.to_string(),
            consent: view.consent,
            minor: view.minor,
            encrypted: view.encrypted,
            recorded: view.recorded,
        }
    }
}

/// What speaks against it, as a problem.
pub(super) fn refused(refusal: RecordingRefusal) -> Problem {
    match refusal {
        RecordingRefusal::Minor => Problem::forbidden(refusal),
        RecordingRefusal::Wording => Problem::body("wording", "a text of 1 to 64 bytes"),
        RecordingRefusal::Off
        | RecordingRefusal::NotForThat(_)
        | RecordingRefusal::Nobody
        | RecordingRefusal::TooMany => Problem::conflict(refusal, None),
    }
}

/// Takes down what a participant says about being recorded: at the app's word (`roomAdmin`), or at
/// their own, with their own room token.
#[utoipa::path(
    post,
    path = "/v1/sessions/{id}/consent",
    tag = "recordings",
    params(("id" = String, Path, description = "The session.")),
    request_body = NewConsent,
    responses(
        (status = 200, description = "What was taken down.", body = TakenConsent),
        Always, OfOne, InTheWay, WithBody
    ),
    security(("token" = []))
)]
pub(crate) async fn consent(
    State(doors): State<Arc<Doors>>,
    caller: Caller,
    Id(id): Id,
    Json(body): Json,
) -> Result<JsonAnswer<TakenConsent>, Problem> {
    // Who may never say anything here learns nothing of the session or of the body.
    let administers = authorize_admin(&caller.claims, Duty::Administer);
    if caller.claims.video.room_join != Some(true) {
        administers.map_err(Problem::forbidden)?;
    }
    let answer = said(&body)?;
    let known = found(&doors, &id).await?;
    let actor = whose(&caller.claims, room_of(&known).as_str(), &answer.identity);
    let answer = ConsentAnswer {
        actor: actor.map_err(Problem::forbidden)?,
        ..answer
    };
    running(&known)?;
    let (identity, purpose, given) = (answer.identity.clone(), answer.purpose, answer.given);
    let view = command(&doors, &id, SessionCommand::Consent(answer)).await?;
    let view = view.ok_or_else(between)?;
    let stands = stands(&view, purpose, &identity);
    Ok(JsonAnswer(TakenConsent {
        session: id.to_string(),
        identity: identity.to_string(),
        purpose,
        given,
        state: stands.and_then(|person| person.consent),
        recorded: stands.is_some_and(|person| person.recorded),
    }))
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

/// By whose hand someone speaks for `identity` in a room: their own, or the app's.
fn whose(claims: &Claims, room: &str, identity: &Identity) -> Result<Actor, NotTheirs> {
    let joins = claims.video.room_join == Some(true);
    let here = claims.video.room.as_deref() == Some(room);
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
struct NotTheirs;

/// Starts or stops the recording of a running session; nobody is recorded without their consent.
#[utoipa::path(
    post,
    path = "/v1/sessions/{id}/recordings",
    tag = "recordings",
    params(("id" = String, Path, description = "The session.")),
    request_body = NewRecording,
    responses(
        (status = 200, description = "How the recordings stand.", body = RecordingsNow),
        Always, OfOne, InTheWay, WithBody
    ),
    security(("token" = []))
)]
pub(crate) async fn record(
    State(doors): State<Arc<Doors>>,
    caller: Caller,
    Id(id): Id,
    Json(body): Json,
) -> Result<JsonAnswer<RecordingsNow>, Problem> {
    let reach = authorize_recordings(&caller.claims).map_err(Problem::forbidden)?;
    let (on, purpose) = ordered(&body)?;
    let known = found(&doors, &id).await?;
    reach
        .direct(room_of(&known).as_str())
        .map_err(Problem::forbidden)?;
    running(&known)?;
    let view = command(&doors, &id, SessionCommand::Inspect).await?;
    let mut view = view.ok_or_else(between)?;
    let purposes = match purpose {
        Some(purpose) => vec![purpose],
        None => view.policy.recording.purposes.clone(),
    };
    for purpose in purposes {
        let actor = Actor::App;
        let asked = SessionCommand::Record { purpose, on, actor };
        view = command(&doors, &id, asked).await?.ok_or_else(between)?;
    }
    let recordings = view.recordings.into_iter().map(Into::into).collect();
    Ok(JsonAnswer(RecordingsNow { recordings }))
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

async fn found(doors: &Arc<Doors>, id: &SessionId) -> Result<Known, Problem> {
    let asked = id.clone();
    let known = read(doors, move |doors| (doors.ledger.session)(asked.as_str())).await?;
    known.ok_or_else(no_session)
}

fn running(known: &Known) -> Result<(), Problem> {
    if known.has_ended() {
        return Err(has_ended());
    }
    if known.record.is_none() {
        let what = "the session has not begun: it begins when the first participant joins";
        return Err(Problem::conflict(what, None));
    }
    Ok(())
}

#[cfg(test)]
mod tests;
