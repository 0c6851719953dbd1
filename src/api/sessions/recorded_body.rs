//! What requests and answers about recording look like.

use crate::api::words::{ConsentWord, PurposeWord};
use crate::base::{ConsentState, Purpose};
use crate::node::{RecordedView, RecordingView};
use serde::Serialize;
use utoipa::ToSchema;

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
    pub session: String,
    /// Who.
    pub identity: String,
    /// For what.
    #[schema(value_type = PurposeWord)]
    pub purpose: Purpose,
    /// Yes or no.
    pub given: bool,
    /// The state from now on; `null` while they are not connected.
    #[schema(value_type = Option<ConsentWord>)]
    pub state: Option<ConsentState>,
    /// They are recorded for this purpose now.
    pub recorded: bool,
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
    pub recordings: Vec<RecordingNow>,
}

/// How the recording for a purpose stands while its session runs.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct RecordingNow {
    /// The recording, for `GET /v1/recordings/{id}` once someone has been recorded.
    pub id: String,
    /// For what.
    #[schema(value_type = PurposeWord)]
    pub purpose: Purpose,
    /// It shall run.
    pub requested: bool,
    /// Someone is recorded now.
    pub active: bool,
    /// Why it cannot go on.
    pub failed: Option<String>,
    /// Everyone connected, in the order of joining.
    pub participants: Vec<RecordedNow>,
}

/// How a participant stands to a recording.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct RecordedNow {
    /// Who.
    pub identity: String,
    /// What they said; `null`: they have not answered.
    #[schema(value_type = Option<ConsentWord>)]
    pub consent: Option<ConsentState>,
    /// Marked as a minor, and never recorded.
    pub minor: bool,
    /// All that they publish is encrypted end to end, which cannot be recorded.
    pub encrypted: bool,
    /// Recorded now.
    pub recorded: bool,
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
