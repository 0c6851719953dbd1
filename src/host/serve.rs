//! `beistand serve`: puts the node together, runs it until it is told to stop, and takes it apart
//! in order: rooms, workers, deliveries, ledger.

use super::cli::{Exit, ServeArgs};
use super::clock::Clock;
use super::config::Config;
use super::deliver::{DeliverConfig, Delivery, Endpoint, Inlet};
use super::gauges::{Gauges, note};
use super::metrics::Metrics;
use super::shutdown::{self, Alarm, Phase};
use super::store::{Boot, Desk, Hooks, RunningStore, Store, StoreConfig, StoreHandle, StoreReply};
use super::worker::{Prepared, Surroundings, WorkerEnds};
use super::{address, admission, ledger, logs, recordings, run, tls};
use crate::api::{
    self, Addresses, Admin, Counters, Dev, Doors, Ledger, Limits, PreflightLimits, Preflights,
    Rate, ToWorker, WorkerDoor,
};
use crate::base::crypto::entropy_seed;
use crate::base::{Rng, RoomName};
use crate::node::{Capacity, Continued, Control, Shard, ShardConfig};
use crate::peer::transport::Factory;
use crate::usage::outbox::OutboxConfig;
use anyhow::Context;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::sync::oneshot;
use tokio::task::JoinSet;
use tokio::time::{interval, timeout};

/// Threads of the control plane: HTTP, sockets, deliveries. The media has its own.
const CONTROL_THREADS: usize = 2;
/// How often a condition is looked at while the node stops.
const STEP: Duration = Duration::from_millis(20);
/// The parts of a stop; with the delivery's own 3 s they stay within the promised 10 s: sockets
/// take their goodbye…
const GOODBYES: Duration = Duration::from_millis(1_500);
/// …the outbox may empty itself…
const DELIVERIES: Duration = Duration::from_millis(1_500);
/// …the last requests are answered.
const REQUESTS: Duration = Duration::from_millis(500);
/// A rejoin of a room within this time after a crash goes on with its session (`product.md`).
const CONTINUES_MS: u64 = 600_000;

/// Runs a node until it is told to stop.
///
/// # Errors
/// It cannot start; says why.
pub(super) fn serve(config: &Config, args: &ServeArgs) -> anyhow::Result<Exit> {
    let clock = Clock::new();
    logs::start(
        &config.log,
        std::env::var("BEISTAND_LOG").ok().as_deref(),
        clock,
    )?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(CONTROL_THREADS)
        .thread_name("control")
        .enable_all()
        .build()
        .context("the control plane's threads cannot be started")?;
    let done = runtime.block_on(live(config, args, clock));
    runtime.shutdown_timeout(REQUESTS);
    done
}

async fn live(config: &Config, args: &ServeArgs, clock: Clock) -> anyhow::Result<Exit> {
    let (alarm, raised) = shutdown::alarm();
    let node = Node::start(config, args.source.dev, (clock, alarm)).await?;
    node.announce(args)?;
    match shutdown::wait(raised).await? {
        Phase::Running => node.stop().await,
        Phase::Lost => return Ok(Exit::Failed),
    }
    Ok(Exit::Ok)
}

/// What listens, before anything is served.
struct Sockets {
    http: TcpListener,
    admin: TcpListener,
    /// With `--dev` and TLS: the receiver has no certificate that the delivery would trust.
    receiver: Option<TcpListener>,
    workers: Vec<Prepared>,
}

impl Sockets {
    fn bind(config: &Config, dev: bool) -> anyhow::Result<Sockets> {
        let tcp = |address: SocketAddr, what: &str| {
            TcpListener::bind(address).with_context(|| format!("{what} cannot listen on {address}"))
        };
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let udp = config.rtc.udp_bind;
        let workers = (0..config.rtc.worker_count(cores)).map(|index| {
            let port = if udp.port() == 0 {
                0
            } else {
                udp.port().saturating_add(index)
            };
            let address = SocketAddr::new(udp.ip(), port);
            Prepared::new(address)
                .with_context(|| format!("rtc.udp_bind: media cannot use UDP {address}"))
        });
        let workers = workers.collect::<anyhow::Result<_>>()?;
        let apart = dev && config.tls.cert.is_some();
        let loopback = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        Ok(Sockets {
            http: tcp(config.http.bind, "http.bind: the node")?,
            admin: tcp(config.admin.bind, "admin.bind: the node")?,
            receiver: apart
                .then(|| tcp(loopback, "--dev: the receiver"))
                .transpose()?,
            workers,
        })
    }

    /// Where the delivery reaches the receiver of `--dev`.
    fn receiver_address(&self) -> anyhow::Result<SocketAddr> {
        let bound = self.receiver.as_ref().unwrap_or(&self.http).local_addr()?;
        Ok(reachable(bound))
    }
}

/// A wildcard is no address to connect to.
fn reachable(bound: SocketAddr) -> SocketAddr {
    let ip = match bound.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip @ (IpAddr::V4(_) | IpAddr::V6(_)) => ip,
    };
    SocketAddr::new(ip, bound.port())
}

/// A running node.
struct Node {
    clock: Clock,
    doors: Arc<Doors>,
    http: SocketAddr,
    admin: SocketAddr,
    udp: Vec<SocketAddr>,
    threads: Vec<JoinHandle<()>>,
    store: RunningStore,
    keeping: recordings::Keeping,
    delivery: JoinSet<()>,
    stop_delivery: oneshot::Sender<()>,
    listening: api::Listening,
    tasks: JoinSet<()>,
}

impl Node {
    async fn start(
        config: &Config,
        dev: bool,
        (clock, alarm): (Clock, Alarm),
    ) -> anyhow::Result<Node> {
        let tls = tls::load(&config.tls).await?;
        let sockets = Sockets::bind(config, dev)?;
        let metrics = Metrics::new(clock.started())?;
        let endpoints = endpoints(config, dev.then(|| sockets.receiver_address()).transpose()?);
        let inlet = Inlet::new(&endpoints);
        let ends: Vec<WorkerEnds> = sockets.workers.iter().map(Prepared::ends).collect();
        let (store, boot) = open_store(config, &inlet, clock)?;
        let desk = Desk::default();
        let hooks = hooks((clock, alarm), (&inlet, &desk), &ends, &metrics);
        let store = store.start(hooks);
        let store = store.context("the ledger's thread cannot be started")?;
        let noted = (store.handle(), desk.clone());
        let ledger = ledger::ledger(&config.data.dir, store.handle(), desk);
        let recordings = recordings::start(config, &ends, noted, clock)?;
        let delivery = delivery(config, endpoints, (&inlet, store.handle()), clock)?;
        let deliveries = delivery.stats();
        let counters = Arc::new(Counters::new({
            let metrics = metrics.clone();
            move |happening| note(&metrics, happening)
        }));
        let served = (dev, tls.is_some());
        let books = (&boot, ledger, recordings.shelves);
        let doors = doors(config, served, (clock, &counters), &ends, books)?;
        let gauges = Gauges {
            metrics,
            clock,
            workers: ends,
            store: store.handle(),
            deliveries,
            counters,
            control: doors.control.clone(),
            recordings: (config.data.dir.clone(), recordings.stats),
            told: Mutex::default(),
        };
        let (stop_delivery, stopped) = oneshot::channel::<()>();
        let mut node = Node {
            clock,
            doors,
            http: sockets.http.local_addr()?,
            admin: sockets.admin.local_addr()?,
            udp: Vec::new(),
            threads: Vec::new(),
            store,
            keeping: recordings.keeping,
            delivery: JoinSet::new(),
            stop_delivery,
            listening: api::Listening::new(),
            tasks: JoinSet::new(),
        };
        node.delivery.spawn(delivery.run(async {
            // A dropped sender asks for the same.
            drop(stopped.await);
        }));
        let workers = sockets.workers.into_iter().zip(recordings.outlets);
        node.start_workers(config, workers, &boot)?;
        // It ends when the workers have, and is waited for after them.
        node.threads.push(recordings.thread);
        let listeners = (sockets.http, sockets.admin, sockets.receiver);
        node.start_listening(config, listeners, tls, gauges);
        let watch = admission::watch(node.doors.clone(), node.store.handle(), clock);
        node.tasks.spawn(watch);
        Ok(node)
    }

    fn start_workers(
        &mut self,
        config: &Config,
        prepared: impl Iterator<Item = (Prepared, recordings::Outlet)>,
        boot: &Boot,
    ) -> anyhow::Result<()> {
        let factory = Factory::new(self.clock.anchor())?;
        let policies = Arc::new(config.policies.clone());
        for (index, (prepared, outlet)) in (0..).zip(prepared) {
            let bound = prepared.local_addr()?;
            let advertised = address::advertised(&config.rtc.advertise, index, bound)?;
            tracing::info!(%bound, ?advertised, "media");
            self.udp.push(bound);
            let shard = ShardConfig {
                factory: factory.clone(),
                advertised,
                node: boot.node.clone(),
                keys: self.doors.keys.clone(),
                policies: policies.clone(),
            };
            let (doors, heard, told) = (self.doors.clone(), self.doors.clone(), self.doors.clone());
            let around = Surroundings {
                clock: self.clock,
                store: self.store.handle(),
                recordings: outlet,
                on_room_ended: Arc::new(move |room: &RoomName, lived| {
                    doors.handle_room_ended(room, lived)
                }),
                on_news: Arc::new(move |news| heard.handle_news(news)),
                on_preflighted: Arc::new(move |id, outcome| told.handle_preflighted(id, outcome)),
            };
            let shard = Shard::new(shard, entropy_seed()?, self.clock.now());
            let thread = prepared.start(usize::from(index), shard, around);
            self.threads
                .push(thread.context("a worker's thread cannot be started")?);
        }
        Ok(())
    }

    fn start_listening(
        &mut self,
        config: &Config,
        (http, admin, receiver): (TcpListener, TcpListener, Option<TcpListener>),
        tls: Option<(api::Tls, tls::Files)>,
        gauges: Gauges,
    ) {
        let handshake = config.limits.handshake_timeout_ms.duration();
        let how = (self.listening.clone(), handshake);
        let certificate = tls.as_ref().map(|(tls, _)| tls.clone());
        let app = api::router(self.doors.clone());
        if let Some(receiver) = receiver {
            self.serve(api::serve(receiver, None, app.clone(), how.clone()));
        }
        self.serve(api::serve(http, certificate, app, how.clone()));
        let doors = self.doors.clone();
        let store = gauges.store.clone();
        let admin_page = Admin {
            metrics: Box::new(move || gauges.render()),
            unready: Box::new(move || {
                let draining = doors.draining.load(Relaxed).then_some("shutting down");
                draining.or(store.stats().full().then_some("the ledger's disk is full"))
            }),
        };
        let admin_page = api::admin_router(Arc::new(admin_page));
        self.serve(api::serve(admin, None, admin_page, how));
        if let Some((tls, files)) = tls {
            self.tasks.spawn(tls::watch(tls, files));
        }
    }

    fn serve(&mut self, serving: impl Future<Output = std::io::Result<()>> + Send + 'static) {
        self.tasks.spawn(async move {
            if let Err(error) = serving.await {
                tracing::error!(%error, "a listener ended");
            }
        });
    }

    fn announce(&self, args: &ServeArgs) -> anyhow::Result<()> {
        tracing::info!(http = %self.http, admin = %self.admin, "ready");
        let links = self.links();
        if args.print_ports.is_some() {
            let ports = Ports {
                http: self.http,
                udp: &self.udp,
                admin: self.admin,
            };
            let ports = serde_json::to_string(&ports)?;
            run::print(&format!("{ports}\n"))?;
            return Ok(());
        }
        run::print(&links.unwrap_or_default())?;
        Ok(())
    }

    /// With `--dev`: what to open in a browser.
    fn links(&self) -> Option<String> {
        let dev = self.doors.dev.as_ref()?;
        let base = format!(
            "{}://{}",
            if self.doors.tls { "https" } else { "http" },
            reachable(self.http)
        );
        let [expert, customer] = dev.links(&self.doors.keys, &base, "demo", self.clock.now())?;
        Some(format!(
            "\nBeistand runs at {base}/\n\nOpen both links, in two windows or two browsers:\n\n  \
             expert    {expert}\n\n  customer  {customer}\n\n"
        ))
    }

    /// No new sessions, goodbye to all, the ledger closed. The receiver of `--dev` outlives the
    /// deliveries.
    async fn stop(mut self) {
        tracing::info!("stopping: no new sessions, and goodbye to those that run");
        self.doors.draining.store(true, Relaxed);
        self.doors
            .control
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .drain();
        self.tell_workers(|| ToWorker::Drain).await;
        let counters = self.doors.counters.clone();
        until(GOODBYES, || counters.connections.load(Relaxed) == 0).await;
        self.tell_workers(|| ToWorker::Stop).await;
        let threads = std::mem::take(&mut self.threads);
        let keeping = self.keeping;
        blocking(move || {
            threads.into_iter().for_each(|thread| drop(thread.join()));
            keeping.stop();
        })
        .await;
        let store = self.store.handle();
        until(DELIVERIES, || store.stats().outbox_depth() == 0).await;
        // It fails only if the delivery has ended already.
        let _ = self.stop_delivery.send(());
        while self.delivery.join_next().await.is_some() {}
        let store = self.store;
        blocking(move || store.close()).await;
        self.listening.graceful_shutdown(Some(REQUESTS));
        let listening = self.listening.clone();
        until(REQUESTS, || listening.connection_count() == 0).await;
        self.tasks.abort_all();
        tracing::info!("stopped: the ledger is closed");
    }

    async fn tell_workers(&self, message: impl Fn() -> ToWorker) {
        for worker in &self.doors.workers {
            // A worker that takes nothing for so long would not hear it anyway.
            drop(timeout(STEP * 10, worker.send(message())).await);
        }
    }
}

/// The line of `--print-ports json`.
#[derive(serde::Serialize)]
struct Ports<'a> {
    http: SocketAddr,
    udp: &'a [SocketAddr],
    admin: SocketAddr,
}

/// Waits for a condition, for at most `limit`.
async fn until(limit: Duration, holds: impl Fn() -> bool) {
    let mut step = interval(STEP);
    let waited = timeout(limit, async {
        while !holds() {
            step.tick().await;
        }
    });
    drop(waited.await);
}

/// Something that blocks, off the control plane's threads.
async fn blocking(work: impl FnOnce() + Send + 'static) {
    let mut set = JoinSet::new();
    set.spawn_blocking(work);
    while set.join_next().await.is_some() {}
}

fn endpoints(config: &Config, dev: Option<SocketAddr>) -> Vec<Endpoint> {
    let configured = config.webhooks.endpoints.iter().map(|endpoint| Endpoint {
        name: endpoint.name.clone(),
        url: endpoint.url.clone(),
        secret: endpoint.secret.expose().to_owned(),
        allow_http: endpoint.allow_http,
    });
    let ours = dev.map(|address| Endpoint {
        name: api::DEV_WEBHOOK_NAME.to_owned(),
        url: format!("http://{address}{}", api::DEV_WEBHOOK_PATH),
        secret: api::DEV_WEBHOOK_SECRET.to_owned(),
        allow_http: true,
    });
    configured.chain(ours).collect()
}

fn open_store(config: &Config, inlet: &Inlet, clock: Clock) -> anyhow::Result<(Store, Boot)> {
    let data = &config.data.dir;
    recordings::recognise(data, &config.recordings.dir(data))?;
    let store = StoreConfig {
        dir: data.clone(),
        node: None,
        endpoints: inlet.names(),
    };
    let (store, boot) = Store::open(&store, clock.now())?;
    tracing::info!(node = %boot.node, epoch = boot.epoch, "the ledger is open");
    if !boot.closed.is_empty() {
        let sessions = boot.closed.len();
        tracing::warn!(
            sessions,
            "the last process left sessions open: closed from checkpoints"
        );
    }
    Ok((store, boot))
}

fn delivery(
    config: &Config,
    endpoints: Vec<Endpoint>,
    (inlet, store): (&Inlet, StoreHandle),
    clock: Clock,
) -> anyhow::Result<Delivery> {
    let deliver = DeliverConfig {
        endpoints,
        timeout_ms: config.webhooks.timeout_ms,
        outbox: OutboxConfig::default(),
        seed: entropy_seed()?,
    };
    let clock = Arc::new(move || clock.now());
    Ok(Delivery::new(deliver, inlet, store, clock)?)
}

fn hooks(
    (clock, alarm): (Clock, Alarm),
    (inlet, desk): (&Inlet, &Desk),
    workers: &[WorkerEnds],
    metrics: &Metrics,
) -> Hooks {
    let (inlet, workers, metrics) = (inlet.clone(), workers.to_vec(), metrics.clone());
    let desk = desk.clone();
    Hooks {
        on_reply: Box::new(move |reply| {
            inlet.handle_reply(&reply);
            desk.handle_reply(&reply);
            let sessions = match reply {
                StoreReply::Appended { session, .. } => vec![session],
                StoreReply::CheckpointsStored { sessions } => sessions,
                StoreReply::Head { .. }
                | StoreReply::Lanes(_)
                | StoreReply::Marked { .. }
                | StoreReply::Desk(_)
                | StoreReply::Noted { .. } => return,
            };
            workers
                .iter()
                .for_each(|worker| worker.handle_committed(&sessions));
        }),
        on_fatal: Box::new(move |_| {
            alarm.send_replace(Phase::Lost);
        }),
        on_commit: Box::new(move |took| metrics.ledger_fsynced(took)),
        clock: Arc::new(move || clock.now()),
    }
}

fn doors(
    config: &Config,
    (dev, tls): (bool, bool),
    (clock, counters): (Clock, &Arc<Counters>),
    workers: &[WorkerEnds],
    (boot, ledger, shelves): (&Boot, Ledger, recordings::Shelves),
) -> anyhow::Result<Arc<Doors>> {
    let keys = Arc::new(config.api_keys()?);
    let dev = dev
        .then(|| Dev::new(keys.names().next().unwrap_or_default()))
        .transpose()?;
    let trusted = config.http.trusted_proxies.clone();
    let lost = boot.recent.iter().map(|(room, record)| {
        let until = crate::base::Unix(record.at_unix_ms.0 + CONTINUES_MS);
        let lost = Continued {
            facts: record.facts.clone(),
            inherited: record.inherited(),
        };
        (room.clone(), (lost, until))
    });
    let door = |ends: &WorkerEnds| WorkerDoor {
        queue: ends.queue.clone(),
        wake: Arc::new({
            let ends = ends.clone();
            move || ends.wake()
        }),
    };
    Ok(Arc::new(Doors {
        keys,
        clock: Arc::new(move || clock.now()),
        control: Arc::new(Mutex::new(control(config, workers.len(), boot)?)),
        workers: workers.iter().map(door).collect(),
        limits: limits(config)?,
        is_trusted: Box::new(move |ip| trusted.iter().any(|network| network.contains(ip))),
        web_dir: config.http.web_dir.clone(),
        node: boot.node.clone(),
        policies: config.policies.clone(),
        ledger,
        recordings: shelves.open(),
        asking: Mutex::default(),
        rng: Mutex::new(Rng::from_seed(entropy_seed()?)),
        dev: dev.map(Arc::new),
        tls,
        lost: Mutex::new(lost.collect()),
        draining: AtomicBool::new(false),
        counters: counters.clone(),
        addresses: Mutex::new(Addresses::default()),
        callers: Mutex::new(Addresses::default()),
        preflights: Mutex::new(Preflights::new(preflight_limits(config)?, entropy_seed()?)),
        last_connection: AtomicU64::new(0),
    }))
}

/// Admission, with what was booked before.
fn control(config: &Config, workers: usize, boot: &Boot) -> anyhow::Result<Control> {
    let capacity = Capacity {
        max_sessions: usize::try_from(config.limits.max_sessions)?,
        egress_bps: config.node.egress_bps,
        max_cpu: config.node.max_cpu,
    };
    let mut control = Control::new(workers, capacity);
    for booking in &boot.bookings {
        control.keep(booking.clone());
    }
    Ok(control)
}

fn preflight_limits(config: &Config) -> anyhow::Result<PreflightLimits> {
    Ok(PreflightLimits {
        at_once: usize::try_from(config.limits.max_preflights)?,
        per_address: usize::try_from(config.limits.preflights_per_address)?,
    })
}

fn limits(config: &Config) -> anyhow::Result<Limits> {
    let limits = &config.limits;
    Ok(Limits {
        connections: usize::try_from(limits.max_connections)?,
        joins: Rate {
            per_s: limits.joins_per_s,
            burst: limits.join_burst,
        },
        requests: Rate {
            per_s: limits.requests_per_s,
            burst: limits.request_burst,
        },
        messages: Rate {
            per_s: limits.ws_messages_per_s,
            burst: limits.ws_message_burst,
        },
        message_bytes: usize::try_from(limits.ws_message_bytes)?,
        queue_bytes: usize::try_from(limits.ws_queue_bytes)?,
        handshake: limits.handshake_timeout_ms.duration(),
    })
}
