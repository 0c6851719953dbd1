//! The words of the outbox: what goes in, what comes out, and its limits.

use crate::base::{Millis, SessionId, Unix};
use std::sync::Arc;

/// The events of one session for one endpoint.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Lane {
    /// Name of the endpoint in the config.
    pub endpoint: Arc<str>,
    /// The session.
    pub session: SessionId,
}

/// The oldest event of a lane that is not yet delivered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutboxRow {
    /// The event's id, the same at every attempt.
    pub event_id: String,
    /// Its lane.
    pub lane: Lane,
    /// Its number in the session.
    pub event_seq: u64,
    /// Its type, such as `session.usage`.
    pub kind: String,
    /// Exactly these bytes are signed and posted.
    pub body: String,
    /// Wall-clock label of its creation.
    pub created_unix_ms: Unix,
    /// Attempts so far.
    pub attempts: u32,
    /// How long it has been tried so far: see [`OutboxConfig::give_up_after`].
    pub tried: Millis,
    /// Not before this wall-clock label; heeded for a lane that this process has not yet tried.
    pub next_unix_ms: Unix,
}

/// How an attempt ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The endpoint answered.
    Status {
        /// The HTTP status; only 2xx is success.
        code: u16,
        /// What its `Retry-After` asks for.
        retry_after: Option<Millis>,
    },
    /// No answer within the time limit.
    TimedOut,
    /// No connection, bad TLS, a broken answer.
    Network,
    /// Not tried: the endpoint's host may not be posted to.
    Refused,
}

/// The state of a row after an attempt: columns, never an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Answered 2xx.
    Delivered,
    /// Given up: kept, listed, replayable.
    Dead,
    /// Again, not before this label.
    Retry(Unix),
}

/// The outcome to write to a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mark {
    /// The event.
    pub event_id: String,
    /// Its lane.
    pub lane: Lane,
    /// The outcome.
    pub verdict: Verdict,
    /// Attempts so far.
    pub attempts: u32,
    /// How long it has been tried so far.
    pub tried: Millis,
    /// The last HTTP status, if there was an answer.
    pub last_status: Option<u16>,
    /// Why the last attempt failed: `status`, `timeout`, `network` or `refused`.
    pub last_failure: Option<&'static str>,
    /// Wall-clock label of the outcome.
    pub at_unix_ms: Unix,
}

/// What the outbox asks of `host`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// Read the oldest pending row of the lane; answer with [`Outbox::handle_head`].
    LoadHead(Lane),
    /// Sign with this timestamp (whole seconds) and post; answer with [`Outbox::handle_delivered`].
    Post {
        /// What to post.
        row: OutboxRow,
        /// The moment of this attempt.
        timestamp_secs: u64,
    },
    /// Write the outcome. A `LoadHead` that follows must see it.
    Mark(Mark),
    /// The endpoint is gone: raise the alarm. Its rows stay pending until it is named anew.
    Disabled(Arc<str>),
}

/// Why the outbox wants to be woken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// The wait of a lane, or the rest of an endpoint, is over.
    Retry,
}

/// Limits and delays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OutboxConfig {
    /// Wait after the first failure; doubles with each further one.
    pub first_retry: Millis,
    /// Longest wait, and the longest `Retry-After` that is honoured.
    pub longest_retry: Millis,
    /// A failure makes an event a dead letter once it was tried for so long: the time between its
    /// attempts, and within them, by the monotonic clock of the processes that made them. What passes
    /// while no process runs, while the event waits behind another, or while its endpoint is disabled
    /// counts nothing; nor does it count how the wall clock is set. What a restart cuts off a wait is not
    /// counted either, so an event is tried for longer rather than shorter.
    pub give_up_after: Millis,
    /// …and not before so many attempts.
    pub give_up_attempts: u32,
    /// So many 410s…
    pub gone_answers: u32,
    /// …over so long a time, without a success between, disable an endpoint.
    pub gone_after: Millis,
    /// Lanes of one endpoint at work at once.
    pub per_endpoint: usize,
    /// Lanes at work at once in all: each holds one body in memory.
    pub in_all: usize,
}

impl Default for OutboxConfig {
    /// 1 s doubling to 1 h for 72 h and 12 attempts, 410 three times over 10 minutes (docs/contract.md,
    /// "Delivery"); 16 connections are kind to a small
    /// receiver, and 128 bodies of ≤ 64 KiB are at most 8 MiB.
    fn default() -> OutboxConfig {
        OutboxConfig {
            first_retry: Millis::from_secs(1),
            longest_retry: Millis::from_secs(3_600),
            give_up_after: Millis::from_secs(72 * 3_600),
            give_up_attempts: 12,
            gone_answers: 3,
            gone_after: Millis::from_secs(600),
            per_endpoint: 16,
            in_all: 128,
        }
    }
}

/// Where the lanes stand, and what happened so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OutboxStats {
    /// Lanes with something to deliver.
    pub lanes: usize,
    /// Lanes at work: loading or posting.
    pub busy: usize,
    /// Lanes that wait for a free place.
    pub queued: usize,
    /// Lanes that wait after a failure.
    pub waiting: usize,
    /// Endpoints that asked for a rest, or that get one, and have at most one attempt under way.
    pub resting: usize,
    /// Endpoints that are gone.
    pub disabled: usize,
    /// Events answered 2xx.
    pub delivered_total: u64,
    /// Attempts that failed and are repeated.
    pub retried_total: u64,
    /// Events given up.
    pub dead_total: u64,
    /// Notices that a disabled or unknown endpoint has something pending.
    pub ignored_total: u64,
}

impl OutboxConfig {
    /// The wait after so many failures in a row: exponential, without jitter.
    pub(super) fn wait_after(&self, failures: u32) -> Millis {
        let doublings = failures.saturating_sub(1).min(32);
        let full = self.first_retry.0.saturating_mul(1 << doublings);
        Millis(full.min(self.longest_retry.0))
    }
}
