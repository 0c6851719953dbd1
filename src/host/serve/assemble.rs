//! Puts a node together: store, recordings, deliveries, state, workers, listeners.

use super::bind::{Sockets, bind_workers};
use super::node::Node;
use super::parts::{control, delivery, endpoints, open_store, rules, settings};
use super::reload::{Again, Reloader, Reloading};
use crate::api::{
    self, Admin, AppParts, AppState, Counters, Dev, Listener, LostSession, ReadClock, Recordings,
    Site, WorkerDoor,
};
use crate::base::crypto::entropy_seed;
use crate::base::{Millis, Now, RoomKey, SessionId};
use crate::host::clock::Clock;
use crate::host::config::schema::Config;
use crate::host::deliver::{Delivery, Endpoint, Inlet};
use crate::host::gauges::{Gauges, note};
use crate::host::hooks::webhooks;
use crate::host::ledger::ledger;
use crate::host::metrics::Metrics;
use crate::host::recordings::start as recordings;
use crate::host::recordings::writer::Outlet;
use crate::host::roll::Roll;
use crate::host::shutdown::{Alarm, Phase};
use crate::host::store::job::StoreReply;
use crate::host::store::parts::{Boot, Hooks};
use crate::host::store::pending::{Confirmed, Pending};
use crate::host::store::running::RunningStore;
use crate::host::tls::{self, Certificate};
use crate::host::worker::{self, Closed, Prepared, WorkerEnds};
use crate::host::{address, admission};
use crate::node::{Continued, Settings, Shard, ShardConfig};
use crate::peer::transport::Factory;
use crate::usage::Stored;
use crate::usage::ledger::SessionRecord;
use anyhow::Context;
use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::oneshot;
use tokio::task::JoinSet;

/// A rejoin of a room within this time after a crash or a stop goes on with its session
/// (docs/contract.md).
const CONTINUES_MS: u64 = 600_000;

/// What a node stands on: its sockets and its ledger.
struct Ground {
    certificate: Option<Certificate>,
    workers: Vec<Prepared>,
    sockets: Sockets,
    metrics: Metrics,
    endpoints: Vec<Endpoint>,
    /// Where the receiver of `--dev` is.
    receiver: Option<SocketAddr>,
    inlet: Inlet,
    store: RunningStore,
    writer: Confirmed,
    boot: Boot,
}

impl Ground {
    async fn lay(config: &Config, dev: bool, clock: Clock, alarm: Alarm) -> anyhow::Result<Ground> {
        let certificate = tls::load(&config.tls)?;
        let workers = bind_workers(&config.rtc)?;
        let sockets = Sockets::bind(config, dev)?;
        let metrics = Metrics::new(clock.started())?;
        let receiver = dev.then(|| sockets.receiver_address()).transpose()?;
        let endpoints = endpoints(config, receiver);
        let inlet = Inlet::new(&endpoints);
        let (store, boot) = open_store(config, &inlet, clock.now())?;
        let pending = Pending::default();
        let informed = Informed {
            clock,
            alarm,
            inlet: inlet.clone(),
            pending: pending.clone(),
            workers: workers.iter().map(Prepared::ends).collect(),
            metrics: metrics.clone(),
        };
        let store = store.start(informed.hooks());
        let store = store.context("the ledger's thread cannot be started")?;
        let writer = Confirmed {
            store: store.handle(),
            pending,
        };
        Ok(Ground {
            certificate,
            workers,
            sockets,
            metrics,
            endpoints,
            receiver,
            inlet,
            store,
            writer,
            boot,
        })
    }
}

impl Node {
    /// Starts a node: its sockets, its threads, its tasks.
    ///
    /// # Errors
    /// It cannot start; says why.
    pub async fn start(
        again: Again,
        (config, dev): (&Config, bool),
        clock: Clock,
        alarm: Alarm,
    ) -> anyhow::Result<Node> {
        let ground = Ground::lay(config, dev, clock, alarm).await?;
        let (sockets, boot, roll) = (ground.sockets, ground.boot, Roll::default());
        let ends: Vec<WorkerEnds> = ground.workers.iter().map(Prepared::ends).collect();
        let recordings = recordings::start(config, &ends, ground.writer.clone(), (clock, &roll))?;
        let (settings, inlet, store) = (settings(config)?, &ground.inlet, ground.store.handle());
        let outbox = delivery(config, ground.endpoints, inlet, store.clone(), read(clock))?;
        let assembly = Assembly {
            config,
            dev,
            tls: ground.certificate.is_some(),
            clock,
            workers: &ends,
            boot: &boot,
            metrics: ground.metrics.clone(),
            inlet: &ground.inlet,
        };
        let state = assembly.state(settings.clone(), ground.writer, recordings.adapter.open())?;
        let reloader = Reloader::new(Reloading {
            again,
            running: config.clone(),
            state: state.clone(),
            workers: ends.clone(),
            inlet: ground.inlet,
            receiver: ground.receiver,
            certificate: ground.certificate.clone(),
        });
        let gauges = Gauges {
            metrics: ground.metrics,
            clock,
            workers: ends.clone(),
            store,
            deliveries: outbox.stats(),
            state: state.clone(),
            roll: roll.clone(),
            ledger: config.data.dir.clone(),
            writer: recordings.writer_stats,
            janitor: recordings.janitor_stats,
            told: Mutex::default(),
        };
        let mut node = Node {
            clock,
            state,
            roll,
            reloader: Arc::new(reloader),
            http: sockets.http.local_addr()?,
            admin: sockets.admin.local_addr()?,
            udp: Vec::new(),
            threads: Vec::new(),
            ends,
            store: ground.store,
            janitor: recordings.janitor,
            delivery: JoinSet::new(),
            stop_delivery: None,
            listening: api::Listening::new(),
            tasks: JoinSet::new(),
        };
        node.deliver(outbox);
        let workers = ground.workers.into_iter().zip(recordings.outlets);
        node.start_workers(config, workers, (&boot, &settings))?;
        // It ends when the workers have, and is waited for after them.
        node.threads.push(recordings.thread);
        node.start_listening(sockets, config, ground.certificate, gauges);
        Ok(node)
    }

    fn deliver(&mut self, delivery: Delivery) {
        let (stop, stopped) = oneshot::channel::<()>();
        self.stop_delivery = Some(stop);
        let present = self.roll.enter("delivery".to_owned());
        self.delivery.spawn(async move {
            let _here = present;
            delivery
                .run(async {
                    // A dropped sender asks for the same.
                    drop(stopped.await);
                })
                .await;
        });
    }

    fn start_workers(
        &mut self,
        config: &Config,
        prepared: impl Iterator<Item = (Prepared, Outlet)>,
        (boot, settings): (&Boot, &Settings),
    ) -> anyhow::Result<()> {
        let factory = Factory::new(self.clock.anchor())?;
        for (index, (prepared, outlet)) in (0..).zip(prepared) {
            let bound = prepared.local_addr()?;
            let advertised = address::advertised(&config.rtc.advertise, index, bound)?;
            tracing::info!(%bound, ?advertised, "media");
            self.udp.push(bound);
            let shard = ShardConfig {
                factory: factory.clone(),
                advertised,
                node: boot.node.clone(),
                keys: settings.keys.clone(),
                policies: settings.policies.clone(),
            };
            let [ended, heard, told, came] = std::array::from_fn(|_| self.state.clone());
            let clock = self.clock;
            let context = worker::Context {
                clock: self.clock,
                store: self.store.handle(),
                recordings: outlet,
                on_room_ended: Arc::new(move |room: &RoomKey, lived| {
                    ended.handle_room_ended(room, lived)
                }),
                on_news: Arc::new(move |news| heard.handle_news(news)),
                on_preflighted: Arc::new(move |id, outcome| told.handle_preflighted(id, outcome)),
                on_closed: Arc::new(move |closed| {
                    let record = closed.record.as_deref();
                    let lost = record.map(|record| lost(record, clock.now()));
                    came.handle_closed(&closed.room, lost);
                }),
                present: self.roll.enter(format!("worker-{index}")),
            };
            let shard = Shard::new(shard, entropy_seed()?, self.clock.now());
            let thread = prepared.start(usize::from(index), shard, context);
            self.threads
                .push(thread.context("a worker's thread cannot be started")?);
        }
        Ok(())
    }

    fn start_listening(
        &mut self,
        bound: Sockets,
        config: &Config,
        certificate: Option<Certificate>,
        gauges: Gauges,
    ) {
        let handshake = config.limits.handshake_timeout_ms.duration();
        let listening = self.listening.clone();
        let listener = |socket: TcpListener, tls: Option<api::Tls>, sockets| Listener {
            socket,
            tls,
            listening: listening.clone(),
            handshake,
            sockets,
        };
        let sockets = Some(self.state.sockets());
        let tls = certificate
            .as_ref()
            .map(|certificate| certificate.tls.clone());
        let app = api::router(self.state.clone());
        if let Some(receiver) = bound.receiver {
            self.serve(api::serve(listener(receiver, None, None), app.clone()));
        }
        self.serve(api::serve(listener(bound.http, tls, sockets), app));
        let watch = admission::watch(self.state.clone(), self.store.handle(), self.clock);
        self.work("watch", watch);
        let page = api::admin_router(Arc::new(self.admin_page(gauges)));
        self.serve(api::serve(listener(bound.admin, None, None), page));
        if let Some(certificate) = certificate {
            self.work("tls", tls::watch(certificate));
        }
    }

    /// Starts a task that works for as long as the node does.
    fn work(&mut self, name: &str, task: impl Future<Output = ()> + Send + 'static) {
        let present = self.roll.enter(name.to_owned());
        self.tasks.spawn(async move {
            let _here = present;
            task.await;
        });
    }

    fn admin_page(&self, gauges: Gauges) -> Admin {
        let state = self.state.clone();
        let (store, roll) = (gauges.store.clone(), self.roll.clone());
        let reloader = self.reloader.clone();
        Admin {
            metrics: Box::new(move || gauges.render()),
            unready: Box::new(move || {
                let draining = state.is_draining().then_some("shutting down");
                let trouble = store.stats().trouble().map(|trouble| trouble.to_string());
                let draining = draining.map(str::to_owned);
                draining.or(trouble).or_else(|| roll.missing())
            }),
            reload: Box::new(move || reloader.reload()),
            webhooks: self.state.webhooks(),
        }
    }

    fn serve(&mut self, serving: impl Future<Output = std::io::Result<()>> + Send + 'static) {
        let present = self.roll.enter("listener".to_owned());
        self.tasks.spawn(async move {
            let _here = present;
            if let Err(error) = serving.await {
                tracing::error!(%error, "a listener ended");
            }
        });
    }
}

/// The host's clock, as the layers below read it.
fn read(clock: Clock) -> ReadClock {
    Arc::new(move || clock.now())
}

/// Who hears what the ledger's writer tells.
struct Informed {
    clock: Clock,
    alarm: Alarm,
    inlet: Inlet,
    pending: Pending,
    workers: Vec<WorkerEnds>,
    metrics: Metrics,
}

impl Informed {
    fn hooks(self) -> Hooks {
        let Informed {
            clock,
            alarm,
            inlet,
            pending,
            workers,
            metrics,
        } = self;
        Hooks {
            on_reply: Box::new(move |reply| {
                inlet.handle_reply(&reply);
                pending.handle_reply(&reply);
                let stored: Vec<(SessionId, Stored)> = match reply {
                    StoreReply::Appended {
                        session, entry_seq, ..
                    } => vec![(session, Stored::entry(entry_seq))],
                    StoreReply::CheckpointsStored { sessions } => sessions
                        .into_iter()
                        .map(|(session, number)| (session, Stored::checkpoint(number)))
                        .collect(),
                    StoreReply::Abandoned {
                        room,
                        session,
                        record,
                    } => {
                        let closed = Closed {
                            room,
                            session,
                            record,
                        };
                        let tell = |worker: &WorkerEnds| worker.handle_closed(closed.clone());
                        return workers.iter().for_each(tell);
                    }
                    StoreReply::Head { .. }
                    | StoreReply::Lanes(_)
                    | StoreReply::Buried(_)
                    | StoreReply::Replayed(_)
                    | StoreReply::Marked { .. }
                    | StoreReply::Written(_)
                    | StoreReply::Noted { .. } => return,
                };
                workers
                    .iter()
                    .for_each(|worker| worker.handle_committed(&stored));
            }),
            on_fatal: Box::new(move |_| {
                alarm.send_replace(Phase::Lost);
            }),
            on_commit: Box::new(move |took: Duration| metrics.ledger_fsynced(took)),
            clock: read(clock),
        }
    }
}

/// What the state behind the doors is put together from.
struct Assembly<'a> {
    config: &'a Config,
    dev: bool,
    tls: bool,
    clock: Clock,
    workers: &'a [WorkerEnds],
    boot: &'a Boot,
    metrics: Metrics,
    inlet: &'a Inlet,
}

impl Assembly<'_> {
    fn state(
        self,
        settings: Settings,
        writer: Confirmed,
        recordings: Recordings,
    ) -> anyhow::Result<AppState> {
        let Assembly { config, boot, .. } = self;
        let dev = self
            .dev
            .then(|| Dev::new(config.keys.keys().next().map_or("", String::as_str)))
            .transpose()?;
        let metrics = self.metrics;
        let parts = AppParts {
            settings,
            clock: read(self.clock),
            control: control(config, self.workers.len(), boot)?,
            workers: self.workers.iter().map(door).collect(),
            rules: rules(config)?,
            site: Site {
                web_dir: config.http.web_dir.clone(),
                tls: self.tls,
            },
            node: boot.node.clone(),
            ledger: ledger(&config.data.dir, writer),
            recordings,
            webhooks: webhooks(&config.data.dir, self.inlet),
            seeds: [entropy_seed()?, entropy_seed()?],
            dev,
            lost: recent(boot, self.clock.now()).collect(),
            counters: Arc::new(Counters::new(move |event| note(&metrics, event))),
        };
        Ok(AppState::new(parts))
    }
}

/// The sessions that a crash or a stop ended a short while ago.
fn recent(boot: &Boot, now: Now) -> impl Iterator<Item = (RoomKey, LostSession)> {
    let recent = boot.recent.iter();
    recent.map(move |(room, record)| (room.clone(), lost(record, now)))
}

fn lost(record: &SessionRecord, now: Now) -> LostSession {
    let left = (record.at_unix_ms.0 + CONTINUES_MS).saturating_sub(now.unix.0);
    LostSession {
        session: Continued {
            facts: record.facts.clone(),
            inherited: record.inherited(),
        },
        people: record.totals.participants.keys().cloned().collect(),
        until: now.mono + Millis(left.min(CONTINUES_MS)),
    }
}

fn door(ends: &WorkerEnds) -> WorkerDoor {
    let woken = ends.clone();
    WorkerDoor {
        queue: ends.queue.clone(),
        wake: Arc::new(move || woken.wake()),
    }
}
