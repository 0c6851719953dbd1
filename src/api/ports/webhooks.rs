//! What is asked of the delivery of webhooks and of its dead letters, in words of our own.

use super::ledger::{Read, Within};
use crate::base::{ProjectId, Unix};

/// Dead letters that are looked up: those of one endpoint of a project.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DeadLetterFilter {
    /// The endpoint, as the configuration of the project calls it.
    pub endpoint: String,
    /// Only these events; all for none.
    pub events: Vec<String>,
    /// After this place.
    pub after: u64,
    /// How many at most.
    pub limit: u64,
}

/// An event that was given up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeadLetter {
    /// Its place among those of its endpoint.
    pub seq: u64,
    /// The event's id, the same at every attempt.
    pub event_id: String,
    /// Its session.
    pub session: String,
    /// Its number in the session.
    pub event_seq: u64,
    /// Its type, such as `session.ended`.
    pub kind: String,
    /// When it was made.
    pub created_unix_ms: Unix,
    /// When it was given up.
    pub dead_unix_ms: Unix,
    /// Attempts until then.
    pub attempts: u32,
    /// What it was answered last, if it was.
    pub last_status: Option<u16>,
    /// Why the last attempt failed: `status`, `timeout`, `network` or `refused`; or `removed`: its endpoint
    /// was not configured any more.
    pub reason: Option<String>,
}

/// What the ledger has for an endpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EndpointTally {
    /// The endpoint, as the configuration of its project calls it.
    pub name: String,
    /// Events that are not delivered yet.
    pub pending: u64,
    /// Events that were given up.
    pub dead_letters: u64,
}

/// An endpoint that the configuration names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Configured {
    /// As the configuration of its project calls it.
    pub name: String,
    /// It said that it is gone (410), and gets nothing.
    pub is_disabled: bool,
}

/// The endpoints of a project, in the order of their names.
pub type Configuration = Box<dyn Fn(&ProjectId) -> Vec<Configured> + Send + Sync>;
/// Posts to this endpoint again. It takes effect at once.
pub type Enable = Box<dyn Fn(&Within<String>) + Send + Sync>;

/// The ways to the delivery of webhooks.
pub struct Webhooks {
    /// What is configured.
    pub configured: Configuration,
    /// What the ledger has for the endpoints of a project, in the order of their names; for those as well
    /// that are not configured any more.
    pub tallies: Read<ProjectId, Vec<EndpointTally>>,
    /// Dead letters in the order in which they were made.
    pub dead_letters: Read<Within<DeadLetterFilter>, Vec<DeadLetter>>,
    /// Enables an endpoint.
    pub enable: Enable,
}
