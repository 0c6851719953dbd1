//! The store while its thread runs, and the handles that send it jobs.

use super::alive::Heart;
use super::check::Check;
use super::job::{Job, Message, SendError};
use super::open::Store;
use super::parts::Hooks;
use super::schema;
use super::stats::StoreStats;
use super::writer::{self, Writer};
use std::sync::Arc;
use std::sync::mpsc::{SyncSender, TrySendError, sync_channel};
use std::thread::JoinHandle;

/// Jobs on their way to the writer. A worker sends one append per transition and one batch of
/// checkpoints per 500 ms, so this holds seconds of a slow disk. When it is full the job goes back
/// to its sender, counted in `queue_full_total`.
const QUEUE_JOBS: usize = 4_096;

impl Store {
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
        let heart = Heart::start(&self.dir, self.boot_epoch, hooks.clock.clone())?;
        let check = (!schema::is_small(&self.dir))
            .then(|| Check::start(&self.dir, self.stats.clone()))
            .transpose()?;
        let writer = Writer::new(self, hooks);
        let thread = std::thread::Builder::new()
            .name("ledger-writer".to_owned())
            .spawn(move || writer::run_fenced(writer, &jobs))?;
        Ok(RunningStore {
            handle,
            thread,
            heart,
            check,
        })
    }
}

/// The running writer, and the only way to close it cleanly.
pub struct RunningStore {
    handle: StoreHandle,
    thread: JoinHandle<bool>,
    heart: Heart,
    check: Option<Check>,
}

impl RunningStore {
    /// A handle for whoever sends jobs.
    pub fn handle(&self) -> StoreHandle {
        self.handle.clone()
    }

    /// Writes what is queued, empties the WAL into the file, and closes. Blocks until done. False if
    /// something that it was given is not on disk.
    pub fn close(self) -> bool {
        drop(self.check);
        // Both fail only after the writer ended by itself, which `on_fatal` told.
        drop(self.handle.queue.send(Message::Close));
        let whole = self.thread.join().unwrap_or(false);
        drop(self.heart);
        whole
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
