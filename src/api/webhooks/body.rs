//! What answers about webhooks look like, and what is asked.

use crate::api::ports::webhooks::DeadLetter;
use serde::Serialize;
use utoipa::ToSchema;

/// The endpoints of the project, in the order of their names.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct EndpointList {
    /// All of them.
    pub endpoints: Vec<EndpointNow>,
}

/// How an endpoint stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct EndpointNow {
    /// Its name in the configuration.
    pub name: String,
    /// Whether it is posted to.
    pub state: EndpointState,
    /// Events that are not delivered yet.
    pub pending: u64,
    /// Events that were given up.
    pub dead_letters: u64,
}

/// Whether an endpoint is posted to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum EndpointState {
    /// Yes.
    Active,
    /// It answered 410 Gone: not until it is enabled, or the configuration is read again.
    Disabled,
    /// The configuration does not name it any more: its events are dead letters.
    Removed,
}

/// What was given up, in the order in which it was made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct DeadLetterList {
    /// At most `limit`.
    pub dead_letters: Vec<DeadLetterBody>,
    /// For the next request, as `cursor`; `null` at the end.
    pub next: Option<String>,
}

/// An event that was given up. It is kept, and can be delivered again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = DeadLetter)]
pub(crate) struct DeadLetterBody {
    /// The event's `id`, the same at every attempt.
    pub event: String,
    /// Its session.
    pub session: String,
    /// Its number in the session.
    pub event_seq: u64,
    /// Its type.
    #[serde(rename = "type")]
    pub kind: String,
    /// When it was made, in milliseconds since 1970.
    pub created_unix_ms: u64,
    /// When it was given up, in milliseconds since 1970.
    pub dead_unix_ms: u64,
    /// Attempts until then.
    pub attempts: u32,
    /// The HTTP status that it was answered last; `null` if there was none.
    pub last_status: Option<u16>,
    /// Why the last attempt failed: `status`, `timeout`, `network`, `refused` (its host may not be posted to),
    /// or `removed` (its endpoint was not configured any more); `null` where nobody wrote it down.
    pub reason: Option<String>,
}

impl From<&DeadLetter> for DeadLetterBody {
    fn from(letter: &DeadLetter) -> DeadLetterBody {
        DeadLetterBody {
            event: letter.event_id.clone(),
            session: letter.session.clone(),
            event_seq: letter.event_seq,
            kind: letter.kind.clone(),
            created_unix_ms: letter.created_unix_ms.0,
            dead_unix_ms: letter.dead_unix_ms.0,
            attempts: letter.attempts,
            last_status: letter.last_status,
            reason: letter.reason.clone(),
        }
    }
}

/// Which dead letters are delivered again.
#[derive(ToSchema, Serialize)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({}))]
pub(crate) struct NewReplay {
    /// These events; the oldest 100 if nothing is said.
    #[schema(min_items = 1, max_items = 100)]
    events: Option<Vec<String>>,
}

/// What is delivered again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct Replayed {
    /// So many events.
    pub replayed: u64,
    /// There are more dead letters at this endpoint.
    pub more: bool,
}
