//! The outbox: in which order, when and how often events are posted. Bodies stay on disk; in memory
//! is one small state per lane, and the heads that are being posted. A lane is one endpoint and one
//! session: its events go out one after another, and lanes do not wait for each other, but where their
//! endpoint asked for a rest.

mod endpoint;
#[cfg(test)]
mod tests;
mod words;

pub use words::{
    Lane, Mark, OutboxConfig, OutboxRow, OutboxStats, Outcome, Output, Reason, Verdict,
};

use crate::base::{Millis, Mono, Now, Rng, SessionId, Unix};
use endpoint::{Endpoint, Finding, Standing, asked};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

/// Where a lane stands. A lane with nothing pending does not exist.
#[derive(Debug)]
enum State {
    /// In its endpoint's queue for a free place.
    Queued { fresh: bool },
    /// Its head is being read.
    Loading { fresh: bool, more: bool },
    /// Its head is on its way.
    Posting { mark: Mark, began: Mono },
    /// Waiting after a failure, until this instant.
    Waiting { until: Mono },
}

impl State {
    const fn is_busy(&self) -> bool {
        match self {
            State::Loading { .. } | State::Posting { .. } => true,
            State::Queued { .. } | State::Waiting { .. } => false,
        }
    }
}

/// What this process knows of the tries of a lane's head.
#[derive(Clone, Copy, Debug)]
struct Tries {
    /// Up to here their time is counted.
    counted: Mono,
    /// The endpoint's successes by then.
    successes: u64,
}

#[derive(Debug)]
struct Standby {
    state: State,
    tries: Option<Tries>,
}

/// Whose wait is over.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Due {
    Endpoint(Arc<str>),
    Lane(Lane),
}

/// The machine. One per node.
#[derive(Debug)]
pub struct Outbox {
    config: OutboxConfig,
    rng: Rng,
    endpoints: BTreeMap<Arc<str>, Endpoint>,
    lanes: BTreeMap<Lane, Standby>,
    timers: BTreeSet<(Mono, Due)>,
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

    /// The config names these endpoints from now on, each with whether it is another than before under
    /// its name. What was held against one that is another, or said that it is gone, is forgotten; what is
    /// pending for one that was disabled comes by [`Outbox::handle_pending`]. One that is not named gets
    /// nothing any more.
    pub fn handle_endpoints(&mut self, named: &BTreeMap<Arc<str>, bool>) {
        let known: Vec<Arc<str>> = self.endpoints.keys().cloned().collect();
        for name in known.iter().filter(|name| !named.contains_key(*name)) {
            self.shut(name, Standing::Removed);
        }
        for (name, is_other) in named {
            let endpoint = self.endpoints.entry(name.clone()).or_default();
            let before = std::mem::replace(&mut endpoint.standing, Standing::Active);
            if *is_other || before != Standing::Active || endpoint.is_doubted() {
                endpoint.revive();
                self.wake(name, waiting_at(&self.lanes, name));
            }
        }
        self.endpoints
            .retain(|_, endpoint| endpoint.standing != Standing::Removed || endpoint.busy > 0);
        self.start_queued();
    }

    /// Somebody says that the endpoint is well: what was held against it is forgotten. What is pending, if
    /// it was disabled, comes by [`Outbox::handle_pending`].
    pub fn handle_enabled(&mut self, name: &Arc<str>) {
        let known = self.endpoints.get_mut(name);
        if let Some(endpoint) = known.filter(|endpoint| endpoint.standing != Standing::Removed) {
            endpoint.standing = Standing::Active;
            endpoint.revive();
            self.wake(name, waiting_at(&self.lanes, name));
            self.start_queued();
        }
    }

    /// Something is pending in the lane: a new event, or one that the last process left.
    pub fn handle_pending(&mut self, lane: Lane) {
        if !self.is_active(&lane) {
            self.stats.ignored_total += 1;
            return;
        }
        match self.lanes.get_mut(&lane).map(|lane| &mut lane.state) {
            // The head may have been read before the new event was written: read once more.
            Some(State::Loading { more, .. }) => *more = true,
            Some(State::Queued { .. } | State::Posting { .. } | State::Waiting { .. }) => {}
            None => self.enqueue(lane, true, None),
        }
        self.start_queued();
    }

    /// The oldest pending row of the lane, or none.
    pub fn handle_head(&mut self, lane: &Lane, head: Option<OutboxRow>, now: Now) {
        let Some(Standby {
            state: State::Loading { fresh, more },
            tries,
        }) = self.lanes.get(lane)
        else {
            return;
        };
        let (fresh, more, tries) = (*fresh, *more, *tries);
        if !self.is_active(lane) {
            self.retire(lane);
        } else if let Some(row) = head {
            let wait = Millis(row.next_unix_ms.0.saturating_sub(now.unix.0));
            if fresh && wait > Millis::ZERO {
                // A label from before a clock jump may lie far ahead: never wait longer than a retry.
                let wait = wait.min(self.config.longest_retry);
                let tries = Some(self.tries(lane, now.mono));
                self.wait(lane, now.mono + wait, tries);
            } else {
                self.post(row, tries, now);
            }
        } else {
            self.retire(lane);
            if more {
                self.enqueue(lane.clone(), true, None);
            }
        }
        self.start_queued();
    }

    /// How the attempt to post the lane's head ended.
    pub fn handle_delivered(&mut self, lane: &Lane, outcome: Outcome, now: Now) {
        let Some(Standby {
            state: State::Posting { .. },
            ..
        }) = self.lanes.get(lane)
        else {
            return;
        };
        let Some(Standby {
            state: State::Posting { mark, began },
            tries,
        }) = self.retire(lane)
        else {
            return;
        };
        // Judged against what the endpoint had done before this answer.
        let own =
            tries.is_some_and(|tries| tries.successes != self.tries(lane, now.mono).successes);
        let finding = self.judge(lane, outcome, now.mono);
        let mark = Mark {
            last_status: status(outcome),
            last_failure: failure(outcome),
            at_unix_ms: now.unix,
            ..mark
        };
        if is_success(outcome) {
            self.stats.delivered_total += 1;
            self.settle(Mark {
                verdict: Verdict::Delivered,
                ..mark
            });
        } else {
            let counted = tries.map_or(began, |tries| tries.counted);
            let tried = mark.tried + now.mono.since(counted);
            self.on_failure(Mark { tried, ..mark }, (outcome, own), now);
        }
        if finding == Finding::Well {
            let hopeful = self.endpoints.get_mut(&lane.endpoint);
            let hopeful = hopeful.map(|endpoint| std::mem::take(&mut endpoint.hopeful));
            self.wake(&lane.endpoint, hopeful.unwrap_or_default());
        }
        self.start_queued();
    }

    /// Wakes the lanes whose wait is over.
    pub fn handle_timeout(&mut self, now: Now) {
        while let Some((until, due)) = self.timers.first().cloned() {
            if until > now.mono {
                break;
            }
            self.timers.pop_first();
            match due {
                Due::Lane(lane) => {
                    let tries = self.retire(&lane).and_then(|lane| lane.tries);
                    self.enqueue(lane, false, tries);
                }
                Due::Endpoint(name) => {
                    if let Some(endpoint) = self.endpoints.get_mut(&name) {
                        endpoint.on_rested(now.mono);
                    }
                }
            }
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
        let endpoints = || self.endpoints.values();
        let queued = endpoints().map(|endpoint| endpoint.queue.len()).sum();
        OutboxStats {
            lanes: self.lanes.len(),
            busy: self.busy,
            queued,
            // The rest: a lane is queued, at work, or waits.
            waiting: self.lanes.len() - self.busy - queued,
            resting: endpoints().filter(|endpoint| endpoint.rests()).count(),
            disabled: endpoints()
                .filter(|endpoint| endpoint.standing == Standing::Disabled)
                .count(),
            ..self.stats
        }
    }

    /// What the answer says of the lane's endpoint.
    fn judge(&mut self, lane: &Lane, outcome: Outcome, now: Mono) -> Finding {
        let Some(endpoint) = self.endpoints.get_mut(&lane.endpoint) else {
            return Finding::Nothing;
        };
        if !endpoint.is_active() {
            return Finding::Nothing;
        }
        let finding = endpoint.on_answer(&lane.session, outcome, now, &self.config);
        match finding {
            Finding::Rests(until) => {
                let due = Due::Endpoint(lane.endpoint.clone());
                self.timers.insert((until, due));
            }
            Finding::Gone => {
                self.shut(&lane.endpoint, Standing::Disabled);
                self.outputs
                    .push_back(Output::Disabled(lane.endpoint.clone()));
            }
            Finding::Well | Finding::Nothing => {}
        }
        finding
    }

    /// `own`: the endpoint took other events since this one failed before, so the fault is its own.
    fn on_failure(&mut self, mark: Mark, (outcome, own): (Outcome, bool), now: Now) {
        let config = &self.config;
        if mark.tried >= config.give_up_after && mark.attempts >= config.give_up_attempts {
            self.stats.dead_total += 1;
            return self.settle(Mark {
                verdict: Verdict::Dead,
                ..mark
            });
        }
        self.stats.retried_total += 1;
        let wait = backoff(config, &mut self.rng, mark.attempts, asked(outcome));
        let lane = mark.lane.clone();
        self.outputs.push_back(Output::Mark(Mark {
            verdict: Verdict::Retry(Unix(now.unix.0 + wait.0)),
            ..mark
        }));
        let tries = self.tries(&lane, now.mono);
        self.wait(&lane, now.mono + wait, Some(tries));
        let endpoint = self.endpoints.get_mut(&lane.endpoint);
        if let Some(endpoint) = endpoint.filter(|endpoint| !own && endpoint.is_active()) {
            endpoint.hopeful.insert(lane.session);
        }
    }

    /// Nothing begins at the endpoint any more; what is under way ends.
    fn shut(&mut self, name: &Arc<str>, standing: Standing) {
        let Some(endpoint) = self.endpoints.get_mut(name) else {
            return;
        };
        endpoint.standing = standing;
        endpoint.queue.clear();
        endpoint.hopeful.clear();
        self.timers.retain(|(_, due)| match due {
            Due::Endpoint(of) | Due::Lane(Lane { endpoint: of, .. }) => of != name,
        });
        self.lanes
            .retain(|lane, standby| lane.endpoint != *name || standby.state.is_busy());
    }

    /// These lanes of the endpoint, which wait, go to its queue.
    fn wake(&mut self, name: &Arc<str>, waiting: BTreeSet<SessionId>) {
        for session in waiting {
            let endpoint = name.clone();
            let lane = Lane { endpoint, session };
            let tries = self.retire(&lane).and_then(|lane| lane.tries);
            self.enqueue(lane, false, tries);
        }
    }

    /// Writes a final outcome and goes on with the lane's next row.
    fn settle(&mut self, mark: Mark) {
        let lane = mark.lane.clone();
        self.outputs.push_back(Output::Mark(mark));
        if self.is_active(&lane) {
            self.enqueue(lane, false, None);
        }
    }

    fn post(&mut self, row: OutboxRow, tries: Option<Tries>, now: Now) {
        let mark = Mark {
            event_id: row.event_id.clone(),
            lane: row.lane.clone(),
            verdict: Verdict::Dead,
            attempts: row.attempts.saturating_add(1),
            tried: row.tried,
            last_status: None,
            last_failure: None,
            at_unix_ms: now.unix,
        };
        let began = now.mono;
        let state = State::Posting { mark, began };
        self.lanes
            .insert(row.lane.clone(), Standby { state, tries });
        self.outputs.push_back(Output::Post {
            row,
            timestamp_secs: now.unix.secs(),
        });
    }

    /// Waits until `until`, giving up the lane's place if it has one.
    fn wait(&mut self, lane: &Lane, until: Mono, tries: Option<Tries>) {
        self.retire(lane);
        if self.is_active(lane) {
            let state = State::Waiting { until };
            self.lanes.insert(lane.clone(), Standby { state, tries });
            self.timers.insert((until, Due::Lane(lane.clone())));
        }
    }

    /// Forgets the lane's state and frees what it holds.
    fn retire(&mut self, lane: &Lane) -> Option<Standby> {
        let standby = self.lanes.remove(lane)?;
        if standby.state.is_busy() {
            self.busy -= 1;
        }
        let endpoint = self.endpoints.get_mut(&lane.endpoint);
        match (&standby.state, endpoint) {
            (State::Loading { .. }, Some(endpoint)) => {
                endpoint.busy -= 1;
                endpoint.on_unused(&lane.session);
            }
            (State::Posting { .. }, Some(endpoint)) => endpoint.busy -= 1,
            (State::Waiting { until }, endpoint) => {
                self.timers.remove(&(*until, Due::Lane(lane.clone())));
                if let Some(endpoint) = endpoint {
                    endpoint.hopeful.remove(&lane.session);
                }
            }
            (State::Queued { .. }, _) | (State::Loading { .. } | State::Posting { .. }, None) => {}
        }
        Some(standby)
    }

    fn enqueue(&mut self, lane: Lane, fresh: bool, tries: Option<Tries>) {
        if let Some(endpoint) = self.endpoints.get_mut(&lane.endpoint) {
            endpoint.queue.push_back(lane.session.clone());
            let state = State::Queued { fresh };
            self.lanes.insert(lane, Standby { state, tries });
        }
    }

    /// Gives free places to queued lanes, endpoint by endpoint in turn.
    fn start_queued(&mut self) {
        while self.busy < self.config.in_all {
            let Some(lane) = self.next_in_turn() else {
                return;
            };
            self.busy += 1;
            if let Some(standby) = self.lanes.get_mut(&lane) {
                let fresh = matches!(standby.state, State::Queued { fresh: true });
                standby.state = State::Loading { fresh, more: false };
            }
            self.outputs.push_back(Output::LoadHead(lane));
        }
    }

    fn next_in_turn(&mut self) -> Option<Lane> {
        let limit = self.config.per_endpoint;
        let mut ready = self
            .endpoints
            .iter()
            .filter(|(_, endpoint)| endpoint.has_place(limit))
            .map(|(name, _)| name);
        let first = ready.clone().next().cloned();
        let after = |name: &&Arc<str>| self.turn.as_ref().is_some_and(|turn| *name > turn);
        let name = ready.find(after).cloned().or(first)?;
        self.turn = Some(name.clone());
        let session = self.endpoints.get_mut(&name)?.begin()?;
        Some(Lane {
            endpoint: name,
            session,
        })
    }

    fn is_active(&self, lane: &Lane) -> bool {
        self.endpoints
            .get(&lane.endpoint)
            .is_some_and(Endpoint::is_active)
    }

    /// The tries of a lane's head are counted up to now.
    fn tries(&self, lane: &Lane, now: Mono) -> Tries {
        let endpoint = self.endpoints.get(&lane.endpoint);
        Tries {
            counted: now,
            successes: endpoint.map_or(0, |endpoint| endpoint.successes),
        }
    }
}

/// Exponential, and jittered over its upper half, so that lanes which failed together do not
/// come back together. `Retry-After` is a floor, not a replacement.
fn backoff(config: &OutboxConfig, rng: &mut Rng, attempts: u32, asked: Option<Millis>) -> Millis {
    let Millis(full) = config.wait_after(attempts);
    let jittered = full / 2 + rng.below(full - full / 2 + 1);
    let longest = config.longest_retry.0;
    Millis(jittered.max(asked.map_or(0, |asked| asked.0.min(longest))))
}

/// The sessions whose lanes at this endpoint wait.
fn waiting_at(lanes: &BTreeMap<Lane, Standby>, name: &Arc<str>) -> BTreeSet<SessionId> {
    let of_it = lanes.iter().filter(|(lane, standby)| {
        lane.endpoint == *name && matches!(standby.state, State::Waiting { .. })
    });
    of_it.map(|(lane, _)| lane.session.clone()).collect()
}

fn is_success(outcome: Outcome) -> bool {
    status(outcome).is_some_and(|code| (200..300).contains(&code))
}

fn status(outcome: Outcome) -> Option<u16> {
    match outcome {
        Outcome::Status { code, .. } => Some(code),
        Outcome::TimedOut | Outcome::Network | Outcome::Refused => None,
    }
}

/// Why an attempt failed, if it did, in the word that is kept.
fn failure(outcome: Outcome) -> Option<&'static str> {
    match outcome {
        Outcome::Status { code, .. } => (!(200..300).contains(&code)).then_some("status"),
        Outcome::TimedOut => Some("timeout"),
        Outcome::Network => Some("network"),
        Outcome::Refused => Some("refused"),
    }
}
