//! The outbox: in which order, when and how often events are posted. Bodies stay on disk; in memory
//! is one small state per lane, and the heads that are being posted. A lane is one endpoint and one
//! session: its events go out one after another, and lanes do not wait for each other.

#[cfg(test)]
mod tests;

use crate::base::{Millis, Mono, Now, Rng, SessionId, Unix};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
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
    /// The last HTTP status, if there was an answer.
    pub last_status: Option<u16>,
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
    /// The endpoint answered 410: raise the alarm. Its rows stay pending until a restart.
    Disabled(Arc<str>),
}

/// Why the outbox wants to be woken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// A lane's wait is over.
    Retry,
}

/// Limits and delays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OutboxConfig {
    /// Wait after the first failure; doubles with each further one.
    pub first_retry: Millis,
    /// Longest wait, and the longest `Retry-After` that is honoured.
    pub longest_retry: Millis,
    /// A failure this long after the event's creation makes it a dead letter.
    pub give_up_after: Millis,
    /// Lanes of one endpoint at work at once.
    pub per_endpoint: usize,
    /// Lanes at work at once in all: each holds one body in memory.
    pub in_all: usize,
}

impl Default for OutboxConfig {
    /// 1 s doubling to 1 h for 72 h (docs/contract.md, "Delivery"); 16 connections are kind to a small
    /// receiver, and 128 bodies of ≤ 64 KiB are at most 8 MiB.
    fn default() -> OutboxConfig {
        OutboxConfig {
            first_retry: Millis::from_secs(1),
            longest_retry: Millis::from_secs(3_600),
            give_up_after: Millis::from_secs(72 * 3_600),
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
    /// Endpoints that answered 410.
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

/// Where a lane stands. A lane with nothing pending does not exist.
#[derive(Debug)]
enum State {
    /// In its endpoint's queue for a free place.
    Queued { fresh: bool },
    /// Its head is being read.
    Loading { fresh: bool, more: bool },
    /// Its head is on its way.
    Posting { mark: Mark, created: Unix },
    /// Waiting after a failure, until this instant.
    Waiting { until: Mono },
}

#[derive(Debug, Default)]
struct Endpoint {
    queue: VecDeque<SessionId>,
    busy: usize,
    disabled: bool,
}

/// The machine. One per node.
#[derive(Debug)]
pub struct Outbox {
    config: OutboxConfig,
    rng: Rng,
    endpoints: BTreeMap<Arc<str>, Endpoint>,
    lanes: BTreeMap<Lane, State>,
    timers: BTreeSet<(Mono, Lane)>,
    outputs: VecDeque<Output>,
    /// The endpoint served last: the next free place goes to the one after it.
    turn: Option<Arc<str>>,
    busy: usize,
    stats: OutboxStats,
}

impl Outbox {
    /// An outbox for these endpoints; events for any other are ignored and counted.
    pub fn new(
        config: OutboxConfig,
        endpoints: impl IntoIterator<Item = Arc<str>>,
        seed: u64,
    ) -> Outbox {
        Outbox {
            config,
            rng: Rng::from_seed(seed),
            endpoints: endpoints
                .into_iter()
                .map(|name| (name, Endpoint::default()))
                .collect(),
            lanes: BTreeMap::new(),
            timers: BTreeSet::new(),
            outputs: VecDeque::new(),
            turn: None,
            busy: 0,
            stats: OutboxStats::default(),
        }
    }

    /// Something is pending in the lane: a new event, or one that the last process left.
    pub fn handle_pending(&mut self, lane: Lane) {
        match self.endpoints.get(&lane.endpoint) {
            None | Some(Endpoint { disabled: true, .. }) => self.stats.ignored_total += 1,
            Some(Endpoint {
                disabled: false, ..
            }) => match self.lanes.get_mut(&lane) {
                // The head may have been read before the new event was written: read once more.
                Some(State::Loading { more, .. }) => *more = true,
                Some(State::Queued { .. } | State::Posting { .. } | State::Waiting { .. }) => {}
                None => self.enqueue(lane, true),
            },
        }
        self.start_queued();
    }

    /// The oldest pending row of the lane, or none.
    pub fn handle_head(&mut self, lane: &Lane, head: Option<OutboxRow>, now: Now) {
        let Some(State::Loading { fresh, more }) = self.lanes.get(lane) else {
            return;
        };
        let (fresh, more) = (*fresh, *more);
        if self.is_disabled(lane) {
            self.retire(lane);
        } else if let Some(row) = head {
            let wait = Millis(row.next_unix_ms.0.saturating_sub(now.unix.0));
            if fresh && wait > Millis::ZERO {
                // A label from before a clock jump may lie far ahead: never wait longer than a retry.
                self.wait(lane, now.mono + wait.min(self.config.longest_retry));
            } else {
                self.post(row, now);
            }
        } else {
            self.retire(lane);
            if more {
                self.enqueue(lane.clone(), true);
            }
        }
        self.start_queued();
    }

    /// How the attempt to post the lane's head ended.
    pub fn handle_delivered(&mut self, lane: &Lane, outcome: Outcome, now: Now) {
        let Some(State::Posting { .. }) = self.lanes.get(lane) else {
            return;
        };
        let Some(State::Posting { mark, created }) = self.retire(lane) else {
            return;
        };
        match outcome {
            Outcome::Status {
                code: 200..=299, ..
            } => self.on_success(mark, status(outcome), now),
            Outcome::Status { code: 410, .. } => self.on_gone(mark, now),
            Outcome::Status { retry_after, .. } => {
                let failure = Failure {
                    created,
                    retry_after,
                    last_status: status(outcome),
                };
                self.on_failure(mark, failure, now);
            }
            Outcome::TimedOut | Outcome::Network => {
                let failure = Failure {
                    created,
                    retry_after: None,
                    last_status: None,
                };
                self.on_failure(mark, failure, now);
            }
        }
        self.start_queued();
    }

    /// Wakes the lanes whose wait is over.
    pub fn handle_timeout(&mut self, now: Now) {
        while let Some((until, lane)) = self.timers.first().cloned() {
            if until > now.mono {
                break;
            }
            self.timers.remove(&(until, lane.clone()));
            self.enqueue(lane, false);
        }
        self.start_queued();
    }

    /// What to do next.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// When to call [`Outbox::handle_timeout`].
    pub fn poll_timeout(&self) -> Option<(Mono, Reason)> {
        self.timers
            .first()
            .map(|(until, _)| (*until, Reason::Retry))
    }

    /// Where the lanes stand.
    pub fn stats(&self) -> OutboxStats {
        OutboxStats {
            lanes: self.lanes.len(),
            busy: self.busy,
            queued: self
                .endpoints
                .values()
                .map(|endpoint| endpoint.queue.len())
                .sum(),
            waiting: self.timers.len(),
            disabled: self
                .endpoints
                .values()
                .filter(|endpoint| endpoint.disabled)
                .count(),
            ..self.stats
        }
    }

    fn on_success(&mut self, mark: Mark, last_status: Option<u16>, now: Now) {
        self.stats.delivered_total += 1;
        self.mark(
            Mark {
                verdict: Verdict::Delivered,
                last_status,
                ..mark
            },
            now,
        );
    }

    fn on_failure(&mut self, mark: Mark, failure: Failure, now: Now) {
        let last_status = failure.last_status;
        let age = Millis(now.unix.0.saturating_sub(failure.created.0));
        if age >= self.config.give_up_after {
            self.stats.dead_total += 1;
            return self.mark(
                Mark {
                    verdict: Verdict::Dead,
                    last_status,
                    ..mark
                },
                now,
            );
        }
        self.stats.retried_total += 1;
        let wait = self.backoff(mark.attempts, failure.retry_after);
        let lane = mark.lane.clone();
        let verdict = Verdict::Retry(Unix(now.unix.0 + wait.0));
        self.outputs.push_back(Output::Mark(Mark {
            verdict,
            last_status,
            at_unix_ms: now.unix,
            ..mark
        }));
        self.wait(&lane, now.mono + wait);
    }

    /// The row goes first after a restart; until then the endpoint is left alone.
    fn on_gone(&mut self, mark: Mark, now: Now) {
        let name = mark.lane.endpoint.clone();
        let (verdict, last_status) = (Verdict::Retry(now.unix), Some(410));
        self.outputs.push_back(Output::Mark(Mark {
            verdict,
            last_status,
            at_unix_ms: now.unix,
            ..mark
        }));
        let Some(endpoint) = self.endpoints.get_mut(&name) else {
            return;
        };
        if std::mem::replace(&mut endpoint.disabled, true) {
            return;
        }
        endpoint.queue.clear();
        self.timers.retain(|(_, lane)| lane.endpoint != name);
        self.lanes.retain(|lane, state| {
            lane.endpoint != name || matches!(state, State::Loading { .. } | State::Posting { .. })
        });
        self.outputs.push_back(Output::Disabled(name));
    }

    /// Writes a final outcome and goes on with the lane's next row.
    fn mark(&mut self, mark: Mark, now: Now) {
        let lane = mark.lane.clone();
        self.outputs.push_back(Output::Mark(Mark {
            at_unix_ms: now.unix,
            ..mark
        }));
        if !self.is_disabled(&lane) {
            self.enqueue(lane, false);
        }
    }

    fn post(&mut self, row: OutboxRow, now: Now) {
        let mark = Mark {
            event_id: row.event_id.clone(),
            lane: row.lane.clone(),
            verdict: Verdict::Dead,
            attempts: row.attempts.saturating_add(1),
            last_status: None,
            at_unix_ms: now.unix,
        };
        let created = row.created_unix_ms;
        self.lanes
            .insert(row.lane.clone(), State::Posting { mark, created });
        self.outputs.push_back(Output::Post {
            row,
            timestamp_secs: now.unix.secs(),
        });
    }

    /// Waits until `until`, giving up the lane's place if it has one.
    fn wait(&mut self, lane: &Lane, until: Mono) {
        self.retire(lane);
        if !self.is_disabled(lane) {
            self.lanes.insert(lane.clone(), State::Waiting { until });
            self.timers.insert((until, lane.clone()));
        }
    }

    /// Forgets the lane's state and frees what it holds.
    fn retire(&mut self, lane: &Lane) -> Option<State> {
        let state = self.lanes.remove(lane)?;
        match &state {
            State::Loading { .. } | State::Posting { .. } => {
                self.busy -= 1;
                if let Some(endpoint) = self.endpoints.get_mut(&lane.endpoint) {
                    endpoint.busy -= 1;
                }
            }
            State::Waiting { until } => {
                self.timers.remove(&(*until, lane.clone()));
            }
            State::Queued { .. } => {}
        }
        Some(state)
    }

    fn enqueue(&mut self, lane: Lane, fresh: bool) {
        if let Some(endpoint) = self.endpoints.get_mut(&lane.endpoint) {
            endpoint.queue.push_back(lane.session.clone());
            self.lanes.insert(lane, State::Queued { fresh });
        }
    }

    /// Gives free places to queued lanes, endpoint by endpoint in turn.
    fn start_queued(&mut self) {
        while self.busy < self.config.in_all {
            let Some(lane) = self.next_in_turn() else {
                return;
            };
            let fresh = matches!(self.lanes.get(&lane), Some(State::Queued { fresh: true }));
            self.busy += 1;
            self.lanes
                .insert(lane.clone(), State::Loading { fresh, more: false });
            self.outputs.push_back(Output::LoadHead(lane));
        }
    }

    fn next_in_turn(&mut self) -> Option<Lane> {
        let limit = self.config.per_endpoint;
        let ready = |(_, endpoint): &(&Arc<str>, &mut Endpoint)| {
            endpoint.busy < limit && !endpoint.queue.is_empty()
        };
        let turn = self.turn.take();
        let after = |name: &Arc<str>| turn.as_ref().is_none_or(|turn| name > turn);
        let names: Vec<Arc<str>> = self
            .endpoints
            .iter_mut()
            .filter(ready)
            .map(|(name, _)| name.clone())
            .collect();
        let name = names
            .iter()
            .find(|name| after(name))
            .or_else(|| names.first())
            .cloned();
        self.turn = name.clone().or(turn);
        let name = name?;
        let endpoint = self.endpoints.get_mut(&name)?;
        endpoint.busy += 1;
        let session = endpoint.queue.pop_front()?;
        Some(Lane {
            endpoint: name,
            session,
        })
    }

    fn is_disabled(&self, lane: &Lane) -> bool {
        self.endpoints
            .get(&lane.endpoint)
            .is_none_or(|endpoint| endpoint.disabled)
    }

    /// Exponential, and jittered over its upper half, so that lanes which failed together do not
    /// come back together. `Retry-After` is a floor, not a replacement.
    fn backoff(&mut self, attempts: u32, asked: Option<Millis>) -> Millis {
        let longest = self.config.longest_retry.0;
        let doublings = attempts.saturating_sub(1).min(32);
        let full = self
            .config
            .first_retry
            .0
            .saturating_mul(1 << doublings)
            .min(longest);
        let jittered = full / 2 + self.rng.below(full - full / 2 + 1);
        Millis(jittered.max(asked.map_or(0, |asked| asked.0.min(longest))))
    }
}

/// An attempt that failed.
#[derive(Clone, Copy, Debug)]
struct Failure {
    /// When its event was created.
    created: Unix,
    /// The wait that the endpoint asked for.
    retry_after: Option<Millis>,
    /// The status that it answered with; none where no answer came.
    last_status: Option<u16>,
}

fn status(outcome: Outcome) -> Option<u16> {
    match outcome {
        Outcome::Status { code, .. } => Some(code),
        Outcome::TimedOut | Outcome::Network => None,
    }
}
