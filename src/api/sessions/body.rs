//! What requests and answers look like.

use super::policy::PolicyDocument;
use super::recorded_body::RecordingNow;
use crate::base::{FloorReport, FloorState, Identity, LimitedBy, Role, SessionState, Verdict};
use crate::node::SubscriptionView;
use crate::session::{Prompt, Who};
use serde::Serialize;
use serde_json::Value;
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// Where a session stands, in the words of the contract; `scheduled` is booked and not begun.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = State)]
pub(crate) enum SessionStage {
    /// Booked; nobody has joined.
    Scheduled,
    /// Someone is here, but the two sides have not met.
    Waiting,
    /// The billing clock runs.
    Live,
    /// The billing clock stands.
    Paused,
    /// Over for good.
    Ended,
}

impl From<SessionState> for SessionStage {
    fn from(state: SessionState) -> SessionStage {
        match state {
            SessionState::Waiting => SessionStage::Waiting,
            SessionState::Live => SessionStage::Live,
            SessionState::Paused(_) => SessionStage::Paused,
            SessionState::Ended(_) => SessionStage::Ended,
        }
    }
}

/// A role of the contract.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[expect(dead_code, reason = "the document is made of it")]
pub(crate) enum RoleWord {
    /// Gives help.
    Expert,
    /// Gets help and pays.
    Customer,
    /// Takes part without billing.
    Guest,
    /// Watches.
    Observer,
}

/// A session to be booked. Everything may be left out.
#[derive(ToSchema, Serialize)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({
    "room": "lesson-7",
    "policy": "default",
    "overrides": {"duration": {"quota_s": 1800, "on_exhausted": "pause_billing"}},
    "external_ref": "booking-4711",
    "metadata": {"product": "lesson"},
    "participants": [
        {"identity": "erika", "name": "Erika", "role": "expert"},
        {"identity": "karl", "name": "Karl", "role": "customer"}
    ],
    "token_ttl_s": 7200
}))]
pub(crate) struct NewSession {
    /// The room; a name is made if there is none.
    #[schema(min_length = 1, max_length = 256)]
    room: Option<String>,
    /// Name of a policy template of this node; `default` if there is none.
    #[schema(min_length = 1, max_length = 64)]
    policy: Option<String>,
    /// What differs from the template.
    #[schema(value_type = Option<PolicyDocument>)]
    overrides: Option<Value>,
    /// The app's own booking id.
    #[schema(max_length = 256)]
    external_ref: Option<String>,
    /// The app's own JSON, at most 4096 bytes, echoed in every event.
    #[schema(value_type = Option<Value>)]
    metadata: Option<Value>,
    /// For whom tokens are made: at most 50.
    #[schema(max_items = 50)]
    participants: Option<Vec<NewParticipant>>,
    /// Validity of the tokens, in seconds; 6 hours if nothing is said.
    #[schema(minimum = 60, maximum = 31_536_000)]
    token_ttl_s: Option<u64>,
}

/// Someone for whom a token is made.
#[derive(ToSchema, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewParticipant {
    /// Who: unique in the room, and the same at every join.
    #[schema(min_length = 1, max_length = 256)]
    identity: String,
    /// The name shown to others.
    #[schema(max_length = 256)]
    name: Option<String>,
    /// What they are to the session.
    role: RoleWord,
    /// A minor, who is never recorded, whatever anyone says; their token says so.
    minor: Option<bool>,
}

/// A token to be made.
#[derive(ToSchema, Serialize)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"identity": "gustav", "name": "Gustav", "role": "guest", "ttl_s": 3600}))]
pub(crate) struct NewToken {
    /// Who: unique in the room, and the same at every join.
    #[schema(min_length = 1, max_length = 256)]
    identity: String,
    /// The name shown to others.
    #[schema(max_length = 256)]
    name: Option<String>,
    /// What they are to the session.
    role: RoleWord,
    /// A minor, who is never recorded, whatever anyone says; the token says so.
    minor: Option<bool>,
    /// Validity, in seconds; 6 hours if nothing is said.
    #[schema(minimum = 60, maximum = 31_536_000)]
    ttl_s: Option<u64>,
}

/// New totals of what a session may use; more or less than before. What is left out stays.
#[derive(ToSchema, Serialize)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"quota_s": 3600}))]
pub(crate) struct Patch {
    /// Prepaid seconds in all.
    #[schema(minimum = 1, maximum = 31_536_000)]
    quota_s: Option<u64>,
    /// Minutes in all since the session first went live.
    #[schema(minimum = 1, maximum = 1440)]
    max_min: Option<u64>,
}

/// More prepaid time.
#[derive(ToSchema, Serialize)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"seconds": 600}))]
pub(crate) struct NewGrant {
    /// What is added.
    #[schema(minimum = 1, maximum = 31_536_000)]
    seconds: u64,
}

/// Prepaid time that was added.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct Granted {
    /// The session.
    pub session: String,
    /// What was added.
    pub seconds: u64,
    /// The prepaid seconds in all that it came to then.
    pub quota_s: u64,
}

/// A booked session, with a token and a link for each participant.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct Created {
    /// The session.
    pub id: String,
    /// Its room.
    pub room: String,
    /// `scheduled`.
    pub state: SessionStage,
    /// Name of the policy template.
    pub policy_name: String,
    /// The rules that hold.
    #[schema(value_type = PolicyDocument)]
    pub policy: Value,
    /// The app's own booking id.
    pub external_ref: Option<String>,
    /// The app's own JSON.
    #[schema(value_type = Value)]
    pub metadata: Value,
    /// When it was booked, in milliseconds since 1970.
    pub created_unix_ms: u64,
    /// In the order of the request.
    pub participants: Vec<Token>,
}

/// A token, and the link with which a browser joins by it.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct Token {
    /// Who.
    pub identity: String,
    /// The name shown to others.
    pub name: String,
    /// What they are to the session.
    #[schema(value_type = RoleWord)]
    pub role: Role,
    /// For any `LiveKit` client.
    pub token: String,
    /// For a browser.
    pub join_url: String,
    /// Until when both are good, in milliseconds since 1970.
    pub expires_unix_ms: u64,
}

/// Sessions in the order in which they were made.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct SessionList {
    /// At most `limit`.
    pub sessions: Vec<Summary>,
    /// For the next request, as `after`; `null` at the end.
    pub next: Option<String>,
}

/// The intervals of a session in their order.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct IntervalList {
    /// How many there are in all.
    pub count: usize,
    /// At most `limit`, as in events.
    #[schema(value_type = Vec<Object>)]
    pub intervals: Vec<Value>,
    /// For the next request, as `after`; `null` at the end.
    pub next: Option<String>,
}

/// A session in short.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct Summary {
    /// The session.
    pub id: String,
    /// Its room.
    pub room: String,
    /// Where it stands.
    pub state: SessionStage,
    /// Why, if it is paused or ended.
    pub reason: Option<String>,
    /// Name of the policy template.
    pub policy_name: String,
    /// The app's own booking id.
    pub external_ref: Option<String>,
    /// When it was booked, or begun if it was not, in milliseconds since 1970.
    pub created_unix_ms: u64,
    /// The billing clock.
    pub accrued_ms: u64,
    /// What is to be billed.
    pub billable_ms: u64,
}

/// The full record of a session. Totals are those of the ledger, on disk.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct Session {
    /// In short.
    #[serde(flatten)]
    pub summary: Summary,
    /// The session that a crash cut off and this one goes on with.
    pub continues: Option<String>,
    /// The rules that hold; `null` where the ledger does not tell.
    #[schema(value_type = Option<PolicyDocument>)]
    pub policy: Option<Value>,
    /// What is left of the quota; `null` without one, and unless the session runs.
    pub quota_left_ms: Option<u64>,
    /// What is left until `duration.max_min`; `null` before it was live, and unless it runs.
    pub time_left_ms: Option<u64>,
    /// The question "still there?", while it is open.
    pub presence: Option<Presence>,
    /// The app's own JSON.
    #[schema(value_type = Value)]
    pub metadata: Value,
    /// Milliseconds by meter, and every interval, as in events; `null` before it begins.
    pub totals: Option<Totals>,
    /// True where a crash cut it off: the truth is at most `bound_ms` more.
    pub estimated: bool,
    /// Largest possible error of an estimate.
    pub bound_ms: Option<u64>,
    /// Everyone who was booked or has been here.
    pub participants: Vec<Participant>,
    /// Who gets what now.
    pub subscriptions: Vec<Subscription>,
    /// What is recorded now, one for each purpose of the policy; empty where it records nothing, and
    /// unless the session runs: `GET /v1/recordings?session=ID` has what there is of it.
    pub recordings: Vec<RecordingNow>,
}

/// What is billed of a session so far.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct BilledClock {
    /// The session.
    pub session: String,
    /// Whether it can be come back to: it has not ended, or only the node has.
    pub goes_on: bool,
    /// Where it stands. `ended`: the rest is final.
    pub state: SessionStage,
    /// Why it is paused, or ended.
    pub reason: Option<String>,
    /// The billing clock.
    pub accrued_ms: u64,
    /// What is to be billed.
    pub billable_ms: u64,
}

/// The open question "still there?".
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct Presence {
    /// `any` or `each`: who must answer.
    #[schema(value_type = String)]
    pub who: Who,
    /// What is left of the time to answer; once that is over, until the session ends.
    pub left_ms: u64,
    /// The time to answer is over, and the clock stands.
    pub overdue: bool,
    /// Who has answered.
    pub confirmed: Vec<String>,
}

impl From<Prompt> for Presence {
    fn from(prompt: Prompt) -> Presence {
        Presence {
            who: prompt.who,
            left_ms: prompt.left.0,
            overdue: prompt.overdue,
            confirmed: prompt.confirmed.iter().map(Identity::to_string).collect(),
        }
    }
}

/// The meters of a session; there may be more than are named here.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct Totals {
    /// The billing clock.
    pub accrued_ms: u64,
    /// What is to be billed.
    pub billable_ms: u64,
    /// Everything, as in events.
    #[serde(flatten)]
    #[schema(additional_properties)]
    pub all: BTreeMap<String, Value>,
}

/// Someone in the record of a session.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct Participant {
    /// Who.
    pub identity: String,
    /// From the token, or as booked.
    #[schema(value_type = Option<RoleWord>)]
    pub role: Option<Role>,
    /// A token was made for them when the session was booked.
    pub booked: bool,
    /// Connected now.
    pub connected: bool,
    /// Their meters, as in events.
    #[schema(value_type = Option<Object>)]
    pub totals: Option<Value>,
    /// How the promised bandwidth stands; `null` while they are not connected.
    pub floor: Option<Floors>,
    /// What their preflight measured before they joined, or in the last 10 minutes: `up_bps`, `down_bps`, `rtt_ms`,
    /// `jitter_ms`, losses, the floors that were needed, and whether it `passed`.
    #[schema(value_type = Option<Object>)]
    pub preflight: Option<Verdict>,
}

/// How the promised bandwidth of a participant stands.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
pub(crate) struct Floors {
    /// From the participant to the node.
    pub up: FloorNow,
    /// From the node to the participant.
    pub down: FloorNow,
}

/// How the promised bandwidth stands in one direction.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
#[schema(as = Floor)]
pub(crate) struct FloorNow {
    /// `unproven`, `met`, `short` or `breached`.
    #[schema(value_type = String)]
    pub state: FloorState,
    /// What is promised, in bits a second.
    pub floor_bps: u64,
    /// What was measured, in bits a second.
    pub measured_bps: Option<u64>,
    /// `uplink`, `downlink`, `source`, `request` or `policy`.
    #[schema(value_type = Option<String>)]
    pub limited_by: Option<LimitedBy>,
}

impl From<FloorReport> for FloorNow {
    fn from(view: FloorReport) -> FloorNow {
        FloorNow {
            state: view.state,
            floor_bps: view.floor_bps,
            measured_bps: view.measured_bps,
            limited_by: view.limited_by,
        }
    }
}

/// What a subscriber gets of a track.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct Subscription {
    /// Who gets it.
    pub subscriber: String,
    /// Who publishes it.
    pub publisher: String,
    /// The track.
    pub track: String,
    /// `camera`, `microphone`, `screen_share`, `screen_share_audio` or `unknown`.
    pub source: String,
    /// The spatial layer: `low`, `medium` or `high`; `null` where nothing flows.
    pub layer: Option<&'static str>,
    /// The temporal layer.
    pub temporal: Option<u8>,
    /// What keeps it from more: `uplink`, `downlink`, `source`, `request` or `policy`.
    #[schema(value_type = String)]
    pub limited_by: LimitedBy,
    /// Nothing flows for want of bandwidth.
    pub paused: bool,
}

impl From<SubscriptionView> for Subscription {
    fn from(view: SubscriptionView) -> Subscription {
        let source = serde_json::to_value(view.source).ok();
        let source = source.as_ref().and_then(Value::as_str);
        Subscription {
            subscriber: view.subscriber.to_string(),
            publisher: view.publisher.to_string(),
            track: view.track.to_string(),
            source: source.unwrap_or("unknown").to_owned(),
            layer: view.layer.map(|layer| match layer {
                0 => "low",
                1 => "medium",
                _ => "high",
            }),
            temporal: view.temporal,
            limited_by: view.limited_by,
            paused: view.paused,
        }
    }
}
