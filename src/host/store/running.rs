//! The store before and after its thread starts, and the handles that send it jobs.

use super::batch::{self, Chain};
use super::job::Message;
use super::writer::{self, Writer};
use super::{Fatal, Job, OpenError, SendError, StoreReply, StoreStats, boot, schema};
use crate::base::{NodeId, Now, RoomName};
use crate::node::Booking;
use crate::usage::SessionFacts;
use crate::usage::ledger::SessionRecord;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{SyncSender, TrySendError, sync_channel};
use std::thread::JoinHandle;
use std::time::Duration;

/// Jobs on their way to the writer. A worker sends one append per transition and one batch of
/// checkpoints per 500 ms, so this holds seconds of a slow disk. When it is full the job goes back
/// to its sender, counted in `queue_full_total`.
const QUEUE_JOBS: usize = 4_096;

/// Reads both clocks; made by `host/clock`.
pub type ReadClock = Arc<dyn Fn() -> Now + Send + Sync>;

/// Where the ledger lies and whom it tells.
#[derive(Clone, Debug)]
pub struct StoreConfig {
    /// The data directory; made if missing.
    pub dir: PathBuf,
    /// The node's id, if the config names one. Otherwise the one in the ledger, or a new one.
    pub node: Option<NodeId>,
    /// Names of the webhook endpoints: each event gets one outbox row for each.
    pub endpoints: Vec<Arc<str>>,
}

/// What start-up found and did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Boot {
    /// This node, the same at every start.
    pub node: NodeId,
    /// Which start this is, from 1.
    pub epoch: u64,
    /// The sessions that a crash left open; their stop entries and events are written.
    pub closed: Vec<SessionFacts>,
    /// By room, the sessions that ended with `node_lost` less than 10 minutes ago and were not
    /// continued since: a rejoin of the room opens a session that `continues` this one.
    pub recent: BTreeMap<RoomName, SessionRecord>,
    /// What is booked and has not begun.
    pub bookings: Vec<Booking>,
}

/// Whom the writer thread calls. All are called on that thread, and must not block it.
pub struct Hooks {
    /// A job is on disk (or read).
    pub on_reply: Box<dyn Fn(StoreReply) + Send>,
    /// The file can no longer be written: the process must exit, non-zero, within a second. The
    /// thread has stopped; nothing is retried.
    pub on_fatal: Box<dyn Fn(Fatal) + Send>,
    /// How long a commit took, its fsync included.
    pub on_commit: Box<dyn Fn(Duration) + Send>,
    /// Both clocks.
    pub clock: ReadClock,
}

/// An open ledger whose writer has not started.
pub struct Store {
    pub(super) conn: rusqlite::Connection,
    pub(super) lock: std::fs::File,
    pub(super) chain: Chain,
    pub(super) stats: Arc<StoreStats>,
}

impl Store {
    /// Opens the ledger in `config.dir`, making it if needed, writes the boot entry, and closes the
    /// sessions that a crash left open: one transaction, so a crash in the middle changes nothing.
    ///
    /// # Errors
    /// Another process runs on the directory, or the file is damaged, newer, of another node, or
    /// cannot be written.
    pub fn open(config: &StoreConfig, now: Now) -> Result<(Store, Boot), OpenError> {
        let (lock, mut conn) = schema::open(&config.dir)?;
        let (boot, chain) = boot::boot(&mut conn, config, now)?;
        let stats = Arc::new(StoreStats::default());
        batch::refresh(&conn, &stats).map_err(OpenError::sqlite(&config.dir))?;
        Ok((
            Store {
                conn,
                lock,
                chain,
                stats,
            },
            boot,
        ))
    }

    /// Starts the writer thread.
    ///
    /// # Errors
    /// The operating system gives no thread.
    pub fn start(self, hooks: Hooks) -> std::io::Result<RunningStore> {
        let (queue, jobs) = sync_channel(QUEUE_JOBS);
        let handle = StoreHandle {
            queue,
            stats: self.stats.clone(),
        };
        let writer = Writer::new(self, hooks);
        let thread = std::thread::Builder::new()
            .name("ledger-writer".to_owned())
            .spawn(move || writer::run_fenced(writer, &jobs))?;
        Ok(RunningStore { handle, thread })
    }
}

/// The running writer, and the only way to close it cleanly.
pub struct RunningStore {
    handle: StoreHandle,
    thread: JoinHandle<()>,
}

impl RunningStore {
    /// A handle for whoever sends jobs.
    pub fn handle(&self) -> StoreHandle {
        self.handle.clone()
    }

    /// Writes what is queued, empties the WAL into the file, and closes. Blocks until done.
    pub fn close(self) {
        // Both fail only after the writer ended by itself, which `on_fatal` told.
        drop(self.handle.queue.send(Message::Close));
        drop(self.thread.join());
    }
}

/// Sends jobs to the writer. Never waits.
#[derive(Clone)]
pub struct StoreHandle {
    queue: SyncSender<Message>,
    stats: Arc<StoreStats>,
}

impl StoreHandle {
    /// Queues a job.
    ///
    /// # Errors
    /// The queue is full (the job comes back: keep it, and its order, and send it again), or the
    /// writer has ended (`on_fatal` told why).
    pub fn send(&self, job: Job) -> Result<(), SendError> {
        self.queue
            .try_send(Message::Job(Box::new(job)))
            .map_err(|error| match error {
                TrySendError::Full(Message::Job(job)) => {
                    self.stats.queue_full();
                    SendError::Full(job)
                }
                TrySendError::Full(Message::Close) | TrySendError::Disconnected(_) => {
                    SendError::Closed
                }
            })
    }

    /// Counters and alarms, for metrics and admission.
    pub fn stats(&self) -> &StoreStats {
        &self.stats
    }
}
