//! Posts events to the operator's endpoints: runs the outbox machine on tokio, with one HTTP client
//! per endpoint. Redirects are never followed and no proxy is taken from the environment.

mod target;

#[cfg(test)]
mod tests;

pub use target::{Endpoint, EndpointError};

use super::store::job::{Job, SendError, StoreReply};
use super::store::running::StoreHandle;
use crate::api::ReadClock;
use crate::base::{Millis, Now};
use crate::usage::outbox::{Lane, Outbox, OutboxConfig, OutboxRow, Outcome, Output, Verdict};
use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::future::Future;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use target::Target;
use tokio::sync::Notify;
use tokio::task::{Id, JoinError, JoinSet};
use tokio::time::timeout;

/// A whole attempt, from connecting to the end of the answer.
pub const DEFAULT_TIMEOUT: Millis = Millis(15_000);
/// How long attempts under way may take once the node stops: it has 10 s in all.
const STOP_GRACE: Duration = Duration::from_secs(3);
/// When to offer jobs again that found the store's queue full.
const STORE_RETRY: Duration = Duration::from_millis(50);
/// Longest sleep: a wake-up that is early costs nothing.
const LONGEST_SLEEP: Duration = Duration::from_secs(60);

/// What is posted where, and how patiently.
pub struct DeliverConfig {
    /// The endpoints of the config.
    pub endpoints: Vec<Endpoint>,
    /// Limit of a whole attempt.
    pub timeout_ms: Millis,
    /// Limits and delays of the outbox.
    pub outbox: OutboxConfig,
    /// Seed of its jitter.
    pub seed: u64,
}

/// Attempts by outcome, and the state of the lanes. Readable from any thread.
#[derive(Debug, Default)]
pub struct DeliverStats {
    /// Answered 2xx.
    pub ok: AtomicU64,
    /// Answered 3xx (never followed) or below 200.
    pub redirect: AtomicU64,
    /// Answered 4xx.
    pub client_error: AtomicU64,
    /// Answered 5xx and above.
    pub server_error: AtomicU64,
    /// Not answered in time.
    pub timeout: AtomicU64,
    /// No connection, bad TLS, a broken answer.
    pub network: AtomicU64,
    /// Events given up.
    pub dead: AtomicU64,
    /// Endpoints that answered 410 and get nothing until a restart: an alarm.
    pub disabled: AtomicU64,
    /// Lanes with something to deliver.
    pub lanes: AtomicU64,
    /// Lanes that wait after a failure.
    pub waiting: AtomicU64,
}

impl DeliverStats {
    fn count(&self, outcome: Outcome) {
        let counter = match outcome {
            Outcome::Status {
                code: 200..=299, ..
            } => &self.ok,
            Outcome::Status { code: 0..=399, .. } => &self.redirect,
            Outcome::Status {
                code: 400..=499, ..
            } => &self.client_error,
            Outcome::Status { code: 500.., .. } => &self.server_error,
            Outcome::TimedOut => &self.timeout,
            Outcome::Network => &self.network,
        };
        counter.fetch_add(1, Relaxed);
    }
}

/// The way from the store's thread to the delivery. It cannot overflow: a lane is pending or it is
/// not, and only as many heads are asked for as lanes may be at work.
#[derive(Clone)]
pub struct Inlet(Arc<Inbox>);

struct Inbox {
    endpoints: Vec<Arc<str>>,
    letters: Mutex<Letters>,
    wake: Notify,
}

#[derive(Default)]
struct Letters {
    pending: BTreeSet<Lane>,
    heads: Vec<(Lane, Option<OutboxRow>)>,
}

impl Inlet {
    /// An inlet for these endpoints: made before the store starts, whose `on_reply` feeds it.
    pub fn new(endpoints: &[Endpoint]) -> Inlet {
        let endpoints = endpoints
            .iter()
            .map(|endpoint| Arc::from(endpoint.name.as_str()))
            .collect();
        Inlet(Arc::new(Inbox {
            endpoints,
            letters: Mutex::default(),
            wake: Notify::new(),
        }))
    }

    /// The endpoints' names, for the store's config.
    pub fn names(&self) -> Vec<Arc<str>> {
        self.0.endpoints.clone()
    }

    /// Takes what concerns the delivery. Never blocks.
    pub fn handle_reply(&self, reply: &StoreReply) {
        match reply {
            StoreReply::Appended {
                session,
                project,
                events: 1..,
                ..
            } => {
                let own = |endpoint: &&Arc<str>| project.owns(endpoint);
                let lanes = self.0.endpoints.iter().filter(own).map(|endpoint| Lane {
                    endpoint: endpoint.clone(),
                    session: session.clone(),
                });
                self.0.letters().pending.extend(lanes);
            }
            StoreReply::Lanes(lanes) => self.0.letters().pending.extend(lanes.iter().cloned()),
            StoreReply::Head { lane, row } => {
                self.0.letters().heads.push((lane.clone(), row.clone()));
            }
            StoreReply::Appended { events: 0, .. }
            | StoreReply::CheckpointsStored { .. }
            | StoreReply::Marked { .. }
            | StoreReply::Written(_)
            | StoreReply::Abandoned { .. }
            | StoreReply::Noted { .. } => return,
        }
        self.0.wake.notify_one();
    }
}

impl Inbox {
    /// Nobody panics while holding it; and if, the letters are whole.
    fn letters(&self) -> MutexGuard<'_, Letters> {
        self.letters.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The task that delivers.
pub struct Delivery {
    inbox: Arc<Inbox>,
    store: StoreHandle,
    clock: ReadClock,
    machine: Outbox,
    targets: BTreeMap<Arc<str>, Arc<Target>>,
    limit: Duration,
    posts: JoinSet<Outcome>,
    /// Whose lane a task posts for, so that even a panic of it frees the lane.
    flights: HashMap<Id, Lane>,
    jobs: VecDeque<Job>,
    stats: Arc<DeliverStats>,
}

impl Delivery {
    /// Checks the endpoints and builds their clients.
    ///
    /// # Errors
    /// An endpoint has an unusable name, URL or secret.
    pub fn new(
        config: DeliverConfig,
        inlet: &Inlet,
        store: StoreHandle,
        clock: ReadClock,
    ) -> Result<Delivery, EndpointError> {
        let mut targets = BTreeMap::new();
        for endpoint in &config.endpoints {
            let target = Arc::new(Target::new(endpoint)?);
            if targets
                .insert(Arc::from(endpoint.name.as_str()), target)
                .is_some()
            {
                return Err(EndpointError::Twice(endpoint.name.clone()));
            }
        }
        let machine = Outbox::new(config.outbox, targets.keys().cloned(), config.seed);
        Ok(Delivery {
            inbox: inlet.0.clone(),
            store,
            clock,
            machine,
            targets,
            limit: config.timeout_ms.duration(),
            posts: JoinSet::new(),
            flights: HashMap::new(),
            jobs: VecDeque::from([Job::Lanes]),
            stats: Arc::default(),
        })
    }

    /// Counters, for metrics.
    pub fn stats(&self) -> Arc<DeliverStats> {
        self.stats.clone()
    }

    /// Delivers until `stop` completes; then gives attempts under way a moment to end, and their
    /// outcomes to the store. Close the store after this.
    pub async fn run(mut self, stop: impl Future<Output = ()>) {
        let mut stop = std::pin::pin!(stop);
        loop {
            let now = (self.clock)();
            self.take_letters(now);
            self.machine.handle_timeout(now);
            self.drain_outputs();
            if !self.send_jobs() {
                break;
            }
            let sleep = self.sleep(now);
            let wake = timeout(sleep, async {
                tokio::select! {
                    () = &mut stop => Wake::Stop,
                    () = self.inbox.wake.notified() => Wake::Letters,
                    Some(done) = self.posts.join_next_with_id() => Wake::Posted(done),
                }
            });
            match wake.await {
                Ok(Wake::Stop) => break,
                Ok(Wake::Posted(done)) => self.on_posted(done),
                Ok(Wake::Letters) | Err(_) => {}
            }
        }
        self.finish().await;
    }

    fn take_letters(&mut self, now: Now) {
        let letters = std::mem::take(&mut *self.inbox.letters());
        for (lane, row) in letters.heads {
            self.machine.handle_head(&lane, row, now);
        }
        letters
            .pending
            .into_iter()
            .for_each(|lane| self.machine.handle_pending(lane));
    }

    fn drain_outputs(&mut self) {
        while let Some(output) = self.machine.poll_output() {
            match output {
                Output::LoadHead(lane) => self.jobs.push_back(Job::Head(lane)),
                Output::Post {
                    row,
                    timestamp_secs,
                } => self.post(row, timestamp_secs),
                Output::Mark(mark) => {
                    if mark.verdict == Verdict::Dead {
                        self.stats.dead.fetch_add(1, Relaxed);
                        tracing::error!(event = %mark.event_id, endpoint = %mark.lane.endpoint,
                            status = mark.last_status, "an event could not be delivered: dead letter");
                    }
                    self.jobs.push_back(Job::Mark(mark));
                }
                Output::Disabled(endpoint) => {
                    self.stats.disabled.fetch_add(1, Relaxed);
                    tracing::error!(%endpoint,
                        "this endpoint answered 410 Gone: it gets nothing until the node is restarted");
                }
            }
        }
        let stats = self.machine.stats();
        self.stats.lanes.store(stats.lanes as u64, Relaxed);
        self.stats.waiting.store(stats.waiting as u64, Relaxed);
    }

    fn post(&mut self, row: OutboxRow, timestamp_secs: u64) {
        // The machine posts only to the endpoints that it was made for.
        let Some(target) = self.targets.get(&row.lane.endpoint).cloned() else {
            return;
        };
        let (lane, limit) = (row.lane.clone(), self.limit);
        let task = self
            .posts
            .spawn(async move { target.post(row, timestamp_secs, limit).await });
        self.flights.insert(task.id(), lane);
    }

    fn on_posted(&mut self, done: Result<(Id, Outcome), JoinError>) {
        let (id, outcome) = match done {
            Ok((id, outcome)) => (id, outcome),
            Err(error) => {
                tracing::error!(%error, "an attempt to post panicked");
                (error.id(), Outcome::Network)
            }
        };
        self.stats.count(outcome);
        if let Some(lane) = self.flights.remove(&id) {
            self.machine
                .handle_delivered(&lane, outcome, (self.clock)());
        }
    }

    /// False once the store is closed.
    fn send_jobs(&mut self) -> bool {
        while let Some(job) = self.jobs.pop_front() {
            match self.store.send(job) {
                Ok(()) => {}
                Err(SendError::Full(job)) => {
                    self.jobs.push_front(*job);
                    return true;
                }
                Err(SendError::Closed) => return false,
            }
        }
        true
    }

    fn sleep(&self, now: Now) -> Duration {
        if !self.jobs.is_empty() {
            return STORE_RETRY;
        }
        // A deadline within the current millisecond would otherwise be waited for in a busy loop.
        let until = self
            .machine
            .poll_timeout()
            .map(|(at, _)| at.since(now.mono).duration());
        until.map_or(LONGEST_SLEEP, |until| {
            until.clamp(Duration::from_millis(1), LONGEST_SLEEP)
        })
    }

    async fn finish(mut self) {
        let landing = timeout(STOP_GRACE, async {
            while let Some(done) = self.posts.join_next_with_id().await {
                self.on_posted(done);
                self.keep_marks();
            }
            self.keep_marks();
            while !self.jobs.is_empty() && self.send_jobs() {
                drop(timeout(STORE_RETRY, std::future::pending::<()>()).await);
            }
        });
        if landing.await.is_err() {
            tracing::warn!(
                posts = self.flights.len(),
                jobs = self.jobs.len(),
                "the delivery stopped with attempts under way: they are repeated after the next start"
            );
        }
    }

    /// Outcomes go to the store; nothing new begins.
    fn keep_marks(&mut self) {
        while let Some(output) = self.machine.poll_output() {
            match output {
                Output::Mark(mark) => self.jobs.push_back(Job::Mark(mark)),
                Output::LoadHead(_) | Output::Post { .. } | Output::Disabled(_) => {}
            }
        }
    }
}

/// What ended the sleep.
enum Wake {
    Stop,
    Letters,
    Posted(Result<(Id, Outcome), JoinError>),
}
