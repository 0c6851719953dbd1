//! The state behind the router, in parts: each handler takes those that it needs.

use super::dev::receiver::Dev;
use super::events::{ApiEvent, Counters, Preflighted};
use super::gate::{Gate, Rules};
use super::idempotency::repeats::Repeats;
use super::livekit::admission::Admission;
use super::livekit::join::Entrance;
use super::locks::lock;
use super::lost_sessions::{LostSession, LostSessions};
use super::ports::clock::ReadClock;
use super::ports::ledger::{Ledger, Work};
use super::ports::recordings::Recordings;
use super::ports::webhooks::Webhooks;
use super::ports::worker::{WorkerDoor, Workers};
use super::preflights::book::Preflights;
use super::sessions::bookings::Bookings;
use super::sessions::links::JoinLinks;
use super::sessions::running::Sessions;
use super::site::Site;
use super::sockets::Sockets;
use super::webhooks::hooks::Hooks;
use crate::base::{NodeId, PreflightId, Rng, RoomKey};
use crate::node::preflight::Outcome;
use crate::node::{Capacity, Control, News, Settings};
use axum::extract::FromRef;
use std::collections::BTreeMap;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex};

/// What the host puts the state together from.
pub struct AppParts {
    /// Who may sign tokens, and the policy templates.
    pub settings: Settings,
    /// Both clocks.
    pub clock: ReadClock,
    /// Which room is where.
    pub control: Control,
    /// The workers, in the order of `Control::place`.
    pub workers: Vec<WorkerDoor>,
    /// What everybody who knocks is held against.
    pub rules: Rules,
    /// The web page.
    pub site: Site,
    /// This node.
    pub node: NodeId,
    /// The ways to the ledger.
    pub ledger: Ledger,
    /// The ways to the recordings.
    pub recordings: Recordings,
    /// The ways to the delivery of webhooks.
    pub webhooks: Webhooks,
    /// Decide names and ids: of bookings, and of preflights.
    pub seeds: [u64; 2],
    /// Set with `--dev`.
    pub dev: Option<Dev>,
    /// Sessions that a crash or a stop of the node ended.
    pub lost: BTreeMap<RoomKey, LostSession>,
    /// Counts what happens.
    pub counters: Arc<Counters>,
}

/// The state behind the router.
#[derive(Clone)]
pub struct AppState {
    gate: Arc<Gate>,
    site: Arc<Site>,
    ledger: Arc<Ledger>,
    entrance: Arc<Entrance>,
    sessions: Arc<Sessions>,
    bookings: Arc<Bookings>,
    repeats: Arc<Repeats>,
    recordings: Arc<Recordings>,
    hooks: Arc<Hooks>,
    dev: Option<Arc<Dev>>,
}

/// Makes parts of the state extractable with `State`.
macro_rules! parts {
    ($($part:ident: $type:ty,)*) => {
        $(impl FromRef<AppState> for $type {
            fn from_ref(state: &AppState) -> $type {
                state.$part.clone()
            }
        })*
    };
}

parts! {
    gate: Arc<Gate>,
    site: Arc<Site>,
    ledger: Arc<Ledger>,
    entrance: Arc<Entrance>,
    sessions: Arc<Sessions>,
    bookings: Arc<Bookings>,
    repeats: Arc<Repeats>,
    recordings: Arc<Recordings>,
    hooks: Arc<Hooks>,
    dev: Option<Arc<Dev>>,
}

impl AppState {
    /// Introduces the parts to each other.
    pub fn new(parts: AppParts) -> AppState {
        let [ids, measurements] = parts.seeds;
        let control = Arc::new(Mutex::new(parts.control));
        let preflights = Preflights::new(parts.rules.preflights, measurements);
        let gate = Arc::new(Gate::new(parts.settings, parts.rules, parts.clock));
        let site = Arc::new(parts.site);
        let ledger = Arc::new(parts.ledger);
        let links = Arc::new(JoinLinks::new(gate.clone()));
        let workers = Arc::new(Workers::new(control.clone(), parts.workers));
        let preflights = Arc::new(Mutex::new(preflights));
        let lost = Arc::new(LostSessions::new(parts.lost));
        let admission = Admission::new(control.clone(), gate.clone(), lost.clone());
        let repeats = Arc::new(Repeats {
            gate: gate.clone(),
            ledger: ledger.clone(),
            counters: parts.counters.clone(),
            asking: Mutex::default(),
        });
        let entrance = Entrance {
            gate: gate.clone(),
            admission: Arc::new(admission),
            workers: workers.clone(),
            ledger: ledger.clone(),
            preflights: preflights.clone(),
            counters: parts.counters,
        };
        let sessions = Sessions {
            gate: gate.clone(),
            ledger: ledger.clone(),
            workers,
            preflights,
            links: links.clone(),
        };
        let bookings = Bookings {
            gate: gate.clone(),
            control,
            lost,
            ledger: ledger.clone(),
            links,
            node: parts.node,
            rng: Mutex::new(Rng::from_seed(ids)),
            repeats: repeats.clone(),
        };
        let hooks = Hooks::new(Arc::new(parts.webhooks), ledger.clone());
        AppState {
            gate,
            site,
            ledger,
            entrance: Arc::new(entrance),
            sessions: Arc::new(sessions),
            bookings: Arc::new(bookings),
            repeats,
            recordings: Arc::new(parts.recordings),
            hooks: Arc::new(hooks),
            dev: parts.dev.map(Arc::new),
        }
    }

    /// The workers, and which room is where.
    pub fn workers(&self) -> &Workers {
        &self.entrance.workers
    }

    /// Who may sign tokens, and the policy templates, as they are now.
    pub fn settings(&self) -> Arc<Settings> {
        self.gate.settings()
    }

    /// The configuration changed: this holds for every request from now on.
    pub fn set_settings(&self, settings: Settings) {
        self.gate.set_settings(settings);
    }

    /// The configuration changed: this holds for whoever comes from now on.
    pub fn set_rules(&self, rules: Rules, capacity: Capacity) {
        lock(&self.entrance.preflights).set_limits(rules.preflights);
        lock(&self.entrance.workers.control).set_capacity(capacity);
        self.gate.set_rules(rules);
    }

    /// Who is let in at the doors, as one listener needs it.
    pub fn sockets(&self) -> Arc<Sockets> {
        let (gate, counters) = (self.gate.clone(), self.entrance.counters.clone());
        Arc::new(Sockets::new(gate, counters))
    }

    /// What happens at the doors.
    pub fn counters(&self) -> &Counters {
        &self.entrance.counters
    }

    /// The web page.
    pub fn site(&self) -> &Site {
        &self.site
    }

    /// The webhooks, for the operator's listener.
    pub fn webhooks(&self) -> Arc<Hooks> {
        self.hooks.clone()
    }

    /// Set with `--dev`.
    pub fn dev(&self) -> Option<&Dev> {
        self.dev.as_deref()
    }

    /// No new joins from now on.
    pub fn drain(&self) {
        self.entrance.admission.draining.store(true, Relaxed);
        lock(&self.entrance.workers.control).drain();
    }

    /// Whether there are no new joins.
    pub fn is_draining(&self) -> bool {
        self.entrance.admission.draining.load(Relaxed)
    }

    /// A worker tells of a room.
    pub fn handle_news(&self, news: &News) {
        let now = self.gate.now().mono;
        lock(&self.entrance.workers.control).handle_news(news, now);
    }

    /// A room is over: whoever comes next starts anew. A room that was never opened (`lived` is
    /// false) leaves a lost session to be continued.
    pub fn handle_room_ended(&self, room: &RoomKey, lived: bool) {
        self.entrance.admission.handle_room_ended(room, lived);
    }

    /// The session of a room that panicked is closed: whoever comes next continues it.
    pub fn handle_closed(&self, room: &RoomKey, lost: Option<LostSession>) {
        self.entrance.admission.handle_closed(room, lost);
    }

    /// A worker tells how a preflight ended.
    pub fn handle_preflighted(&self, id: &PreflightId, outcome: Outcome) {
        self.entrance.counters.note(match outcome {
            Outcome::Done(verdict) if verdict.passed => ApiEvent::Preflight(Preflighted::Passed),
            Outcome::Done(_) => ApiEvent::Preflight(Preflighted::Below),
            Outcome::Failed(_) => ApiEvent::Preflight(Preflighted::Failed),
        });
        lock(&self.entrance.preflights).handle_outcome(id, outcome);
    }

    /// Writes that the wall clock was set.
    pub async fn note_clock_step(&self, step_ms: i64) {
        if let Err(error) = self.ledger.written(Work::ClockStep(step_ms)).await {
            tracing::warn!(%error, "that the wall clock was set is not in the ledger yet");
        }
    }

    /// Ends the bookings whose time is over. Call it about once a second.
    pub async fn expire_bookings(&self) {
        self.bookings.expire().await;
    }
}
