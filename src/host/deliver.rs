//! Posts events to the operator's endpoints: runs the outbox machine on tokio, with one HTTP client
//! per endpoint. Redirects are never followed and no proxy is taken from the environment.

mod reach;
mod target;

#[cfg(test)]
mod tests;

pub use reach::{Refused, check_host, may_be_private};
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
use target::{Attempt, Target};
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
    /// Not tried: the host is not on the public Internet.
    pub refused: AtomicU64,
    /// Events given up.
    pub dead: AtomicU64,
    /// Endpoints that are gone (410) and get nothing until the configuration is read again: an alarm.
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
            Outcome::Refused => &self.refused,
        };
        counter.fetch_add(1, Relaxed);
    }
}

/// The way from the store's thread to the delivery. It cannot overflow: a lane is pending or it is
/// not, and only as many heads are asked for as lanes may be at work.
#[derive(Clone)]
pub struct Inlet(Arc<Inbox>);

struct Inbox {
    letters: Mutex<Letters>,
    /// Endpoints that are gone (410), for whoever asks.
    disabled: Mutex<BTreeSet<Arc<str>>>,
    wake: Notify,
}

#[derive(Default)]
struct Letters {
    /// The endpoints, for new events.
    endpoints: Vec<Arc<str>>,
    /// The configuration changed.
    change: Option<Targets>,
    /// Endpoints that are said to be well.
    enabled: Vec<Arc<str>>,
    pending: BTreeSet<Lane>,
    heads: Vec<(Lane, Option<OutboxRow>)>,
    /// At most one for each [`Job::Bury`] under way.
    buried: Vec<(Arc<str>, u64)>,
    /// The answer to [`Job::Lanes`], of which one is under way at most: where to go on.
    named: Option<Option<Lane>>,
}

/// How far the store has named the lanes that were pending before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Naming {
    /// To the end.
    Done,
    /// A part is on its way.
    Asked,
    /// Likewise, and the endpoints have changed since: from the beginning after that.
    Stale,
}

/// Checked endpoints with their clients, and the limit of an attempt.
pub struct Targets {
    targets: BTreeMap<Arc<str>, Arc<Target>>,
    limit: Duration,
}

impl Targets {
    /// Checks the endpoints and builds their clients; nothing is changed by that.
    ///
    /// # Errors
    /// An endpoint has an unusable name, URL or secret, or the name of another.
    pub fn new(endpoints: &[Endpoint], limit: Millis) -> Result<Targets, EndpointError> {
        let mut targets = BTreeMap::new();
        for endpoint in endpoints {
            let target = Arc::new(Target::new(endpoint)?);
            let name = Arc::from(endpoint.name.as_str());
            if targets.insert(name, target).is_some() {
                return Err(EndpointError::Twice(endpoint.name.clone()));
            }
        }
        let limit = limit.duration();
        Ok(Targets { targets, limit })
    }

    fn names(&self) -> Vec<Arc<str>> {
        self.targets.keys().cloned().collect()
    }
}

impl Inlet {
    /// An inlet for these endpoints: made before the store starts, whose `on_reply` feeds it.
    pub fn new(endpoints: &[Endpoint]) -> Inlet {
        let endpoints = endpoints
            .iter()
            .map(|endpoint| Arc::from(endpoint.name.as_str()))
            .collect();
        Inlet(Arc::new(Inbox {
            letters: Mutex::new(Letters {
                endpoints,
                ..Letters::default()
            }),
            disabled: Mutex::default(),
            wake: Notify::new(),
        }))
    }

    /// The endpoints' names, for the store's config.
    pub fn names(&self) -> Vec<Arc<str>> {
        self.0.letters().endpoints.clone()
    }

    /// The endpoints that are gone (410) and get nothing.
    pub fn disabled(&self) -> BTreeSet<Arc<str>> {
        self.0.disabled().clone()
    }

    /// Somebody says that this endpoint is well: it is posted to again. Any other name does nothing.
    pub fn handle_enable(&self, endpoint: &str) {
        self.0.letters().enabled.push(Arc::from(endpoint));
        self.0.wake.notify_one();
    }

    /// The configuration changed: from now on these are posted to, and no others. One that was disabled
    /// is posted to again.
    pub fn handle_targets(&self, targets: Targets) {
        let mut letters = self.0.letters();
        letters.endpoints = targets.names();
        letters.change = Some(targets);
        drop(letters);
        self.0.wake.notify_one();
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
                let mut letters = self.0.letters();
                let Letters {
                    endpoints, pending, ..
                } = &mut *letters;
                let lanes = endpoints.iter().filter(own).map(|endpoint| Lane {
                    endpoint: endpoint.clone(),
                    session: session.clone(),
                });
                pending.extend(lanes);
            }
            StoreReply::Lanes(named) => {
                let mut letters = self.0.letters();
                letters.pending.extend(named.lanes.iter().cloned());
                letters.named = Some(named.next.clone());
            }
            StoreReply::Head { lane, row } => {
                self.0.letters().heads.push((lane.clone(), row.clone()));
            }
            StoreReply::Replayed(lanes) => self.0.letters().pending.extend(lanes.iter().cloned()),
            StoreReply::Buried(buried) => self.0.letters().buried.extend(buried.clone()),
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

    fn disabled(&self) -> MutexGuard<'_, BTreeSet<Arc<str>>> {
        self.disabled.lock().unwrap_or_else(PoisonError::into_inner)
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
    posts: JoinSet<Attempt>,
    /// Whose lane a task posts for, so that even a panic of it frees the lane.
    flights: HashMap<Id, Lane>,
    jobs: VecDeque<Job>,
    naming: Naming,
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
        let Targets { targets, limit } = Targets::new(&config.endpoints, config.timeout_ms)?;
        let machine = Outbox::new(config.outbox, targets.keys().cloned(), config.seed);
        Ok(Delivery {
            inbox: inlet.0.clone(),
            store,
            clock,
            machine,
            targets,
            limit,
            posts: JoinSet::new(),
            flights: HashMap::new(),
            jobs: VecDeque::from([Job::Bury, Job::Lanes { after: None }]),
            naming: Naming::Asked,
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
        let letters = {
            let mut letters = self.inbox.letters();
            let endpoints = letters.endpoints.clone();
            let fresh = Letters {
                endpoints,
                ..Letters::default()
            };
            std::mem::replace(&mut *letters, fresh)
        };
        if let Some(change) = letters.change {
            self.take_change(change);
        }
        self.take_enabled(&letters.enabled);
        for (endpoint, count) in letters.buried {
            self.stats.dead.fetch_add(count, Relaxed);
            tracing::error!(%endpoint, count,
                "events for an endpoint that is not configured any more: dead letters");
            self.jobs.push_back(Job::Bury);
        }
        if let Some(next) = letters.named {
            self.take_named(next);
        }
        for (lane, row) in letters.heads {
            self.machine.handle_head(&lane, row, now);
        }
        letters
            .pending
            .into_iter()
            .for_each(|lane| self.machine.handle_pending(lane));
    }

    /// New events have rows for the new endpoints behind [`Job::Endpoints`]; what was written before, and
    /// what waits for one that was disabled, is named by [`Job::Lanes`].
    fn take_change(&mut self, change: Targets) {
        let names = change.names();
        let mut named = BTreeMap::new();
        let old = std::mem::take(&mut self.targets);
        for (name, target) in change.targets {
            let kept = old.get(&name).filter(|old| old.endpoint == target.endpoint);
            named.insert(name.clone(), kept.is_none());
            // The connections of one that did not change stay open.
            self.targets.insert(name, kept.cloned().unwrap_or(target));
        }
        self.limit = change.limit;
        self.machine.handle_endpoints(&named);
        self.inbox.disabled().clear();
        self.jobs.extend([Job::Endpoints(names), Job::Bury]);
        self.name_lanes_anew();
    }

    /// What waits for one that was disabled is named by [`Job::Lanes`].
    fn take_enabled(&mut self, enabled: &[Arc<str>]) {
        for endpoint in enabled {
            self.machine.handle_enabled(endpoint);
            if self.inbox.disabled().remove(endpoint) {
                tracing::info!(%endpoint, "this endpoint is enabled: it is posted to again");
                self.name_lanes_anew();
            }
        }
    }

    fn name_lanes_anew(&mut self) {
        match self.naming {
            Naming::Done => self.name_lanes(None),
            Naming::Asked | Naming::Stale => self.naming = Naming::Stale,
        }
    }

    fn name_lanes(&mut self, after: Option<Lane>) {
        self.naming = Naming::Asked;
        self.jobs.push_back(Job::Lanes { after });
    }

    fn take_named(&mut self, next: Option<Lane>) {
        match (self.naming, next) {
            (Naming::Stale, _) => self.name_lanes(None),
            (Naming::Asked, Some(after)) => self.name_lanes(Some(after)),
            (Naming::Asked, None) | (Naming::Done, _) => self.naming = Naming::Done,
        }
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
                    tracing::error!(%endpoint,
                        "this endpoint answers 410 Gone: it gets nothing until it is enabled (`beistand webhooks enable`), or the configuration is read again");
                    self.inbox.disabled().insert(endpoint);
                }
            }
        }
        let stats = self.machine.stats();
        self.stats.lanes.store(stats.lanes as u64, Relaxed);
        self.stats.disabled.store(stats.disabled as u64, Relaxed);
        self.stats.waiting.store(stats.waiting as u64, Relaxed);
    }

    fn post(&mut self, row: OutboxRow, timestamp_secs: u64) {
        let (lane, limit) = (row.lane.clone(), self.limit);
        // The machine posts only to the endpoints that it was told of.
        let Some(target) = self.targets.get(&lane.endpoint).cloned() else {
            return self
                .machine
                .handle_delivered(&lane, Outcome::Network, (self.clock)());
        };
        let task = self
            .posts
            .spawn(async move { target.post(row, timestamp_secs, limit).await });
        self.flights.insert(task.id(), lane);
    }

    fn on_posted(&mut self, done: Result<(Id, Attempt), JoinError>) {
        let (id, Attempt { outcome, refused }) = match done {
            Ok(done) => done,
            Err(error) => {
                tracing::error!(%error, "an attempt to post panicked");
                (error.id(), Attempt::from(Outcome::Network))
            }
        };
        self.stats.count(outcome);
        if let Some(lane) = self.flights.remove(&id) {
            let refused = refused.map(|refused| refused.to_string());
            if let Some(why) = refused.or_else(|| failure(outcome)) {
                tracing::info!(endpoint = %lane.endpoint, session = %lane.session, why,
                    "a delivery failed");
            }
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

/// Why an attempt failed, if it did.
fn failure(outcome: Outcome) -> Option<String> {
    match outcome {
        Outcome::Status { code, .. } if (200..300).contains(&code) => None,
        Outcome::Status { code, .. } => Some(format!("it answers {code}")),
        Outcome::TimedOut => Some("no answer in time".to_owned()),
        Outcome::Network => Some("no connection, or a broken answer".to_owned()),
        Outcome::Refused => Some("its host is not on the public Internet".to_owned()),
    }
}

/// What ended the sleep.
enum Wake {
    Stop,
    Letters,
    Posted(Result<(Id, Attempt), JoinError>),
}
