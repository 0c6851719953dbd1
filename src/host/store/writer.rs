//! The writer thread: gathers jobs, writes them in one transaction, then answers. While the disk is
//! full it keeps them in order and tries again each second; any other failure ends it for good.

use super::batch::{Batch, Chain, refresh_oldest};
use super::error::Fatal;
use super::job::{Job, Message};
use super::open::Store;
use super::parts::Hooks;
use super::stats::StoreStats;
use crate::base::{Millis, SessionId};
use crate::usage::Checkpoint;
use rusqlite::Connection;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;

/// How long the first job of a batch waits for company: long enough to share an fsync, far below
/// the 250 ms that a commit may take.
const COMPANY: Millis = Millis(10);
/// Jobs in one transaction: bounds its length, and the wait of the first one.
const BATCH_JOBS: usize = 1_024;
/// How often a full disk is tried again.
const FULL_RETRY: Millis = Millis(1_000);
/// Appends kept while the disk is full. 10 minutes of 5,000 sessions: ten interims and three
/// transitions each. Beyond, a session's record is cut at its last kept
/// entry (`dropped_total`), and the next start closes it from there.
const HELD_APPENDS: usize = 65_536;
/// Rows written between two times that the WAL is emptied into the file: about 4 to 8 MiB.
const WAL_ROWS: u64 = 2_000;

/// Runs the writer; a panic of it is as fatal as a failed write.
pub(super) fn run_fenced(mut writer: Writer, jobs: &Receiver<Message>) {
    let ran = catch_unwind(AssertUnwindSafe(|| writer.run(jobs)));
    match ran {
        Ok(Ok(())) => writer.close(),
        Ok(Err(error)) => writer.fail(Fatal::Write(error)),
        Err(_) => writer.fail(Fatal::Panicked),
    }
}

pub(super) struct Writer {
    conn: Connection,
    /// Held, never read: the kernel frees it with the process.
    lock: std::fs::File,
    chain: Chain,
    hooks: Hooks,
    stats: Arc<StoreStats>,
    backlog: VecDeque<Job>,
    /// The newest checkpoint of each session, while the disk is full.
    held: BTreeMap<SessionId, Checkpoint>,
    /// Sessions with a dropped append: nothing that follows may be written.
    cut: BTreeSet<SessionId>,
    wal_rows: u64,
    full: bool,
    /// [`HELD_APPENDS`], but for its test.
    held_appends: usize,
}

/// Whether there is more to come.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Gathered {
    Jobs,
    Close,
}

impl Writer {
    pub fn new(store: Store, hooks: Hooks) -> Writer {
        let Store {
            conn,
            lock,
            chain,
            stats,
        } = store;
        Writer {
            conn,
            lock,
            chain,
            hooks,
            stats,
            backlog: VecDeque::new(),
            held: BTreeMap::new(),
            cut: BTreeSet::new(),
            wal_rows: 0,
            full: false,
            held_appends: HELD_APPENDS,
        }
    }

    fn run(&mut self, jobs: &Receiver<Message>) -> rusqlite::Result<()> {
        loop {
            let gathered = self.gather(jobs);
            let full = match self.write() {
                Ok(()) => false,
                Err(error) if is_full(&error) => true,
                Err(error) => return Err(error),
            };
            self.set_full(full);
            if gathered == Gathered::Close {
                return Ok(());
            }
        }
    }

    /// Waits for the first job, then a moment for company; while the disk is full, for a second.
    fn gather(&mut self, jobs: &Receiver<Message>) -> Gathered {
        if !self.full {
            match jobs.recv() {
                Ok(Message::Job(job)) => self.hold(*job),
                Ok(Message::Close) | Err(_) => return Gathered::Close,
            }
        }
        let patience = if self.full { FULL_RETRY } else { COMPANY };
        let until = (self.hooks.clock)().mono + patience;
        while self.full || self.backlog.len() < BATCH_JOBS {
            let left = until.since((self.hooks.clock)().mono);
            if left == Millis::ZERO {
                break;
            }
            match jobs.recv_timeout(left.duration()) {
                Ok(Message::Job(job)) => self.hold(*job),
                Ok(Message::Close) | Err(RecvTimeoutError::Disconnected) => return Gathered::Close,
                Err(RecvTimeoutError::Timeout) => break,
            }
        }
        Gathered::Jobs
    }

    /// Takes a job into the backlog, within the bounds of memory.
    fn hold(&mut self, job: Job) {
        match job {
            Job::Append(append) => {
                let session = &append.entry.session;
                let overflows = self.full && self.backlog.len() >= self.held_appends;
                if overflows || self.cut.contains(session) {
                    self.cut.insert(session.clone());
                    self.stats.dropped();
                    tracing::error!(%session, entry_seq = append.entry.entry_seq,
                        "the disk was full for too long: an entry is lost, the session's record ends before it");
                } else {
                    self.backlog.push_back(Job::Append(append));
                }
            }
            Job::Checkpoints(checkpoints) if self.full => self.coalesce(checkpoints),
            job @ (Job::Checkpoints(_)
            | Job::Head(_)
            | Job::Lanes
            | Job::Mark(_)
            | Job::Endpoints(_)
            | Job::Bury
            | Job::Write { .. }
            | Job::Note { .. }) => {
                self.backlog.push_back(job);
            }
        }
    }

    fn coalesce(&mut self, checkpoints: Vec<Checkpoint>) {
        for checkpoint in checkpoints {
            self.held
                .insert(checkpoint.facts.session.clone(), checkpoint);
        }
    }

    /// Writes the whole backlog, a batch at a time.
    fn write(&mut self) -> rusqlite::Result<()> {
        loop {
            if self.backlog.is_empty() && !self.held.is_empty() {
                let held = std::mem::take(&mut self.held);
                self.backlog
                    .push_back(Job::Checkpoints(held.into_values().collect()));
            }
            if self.backlog.is_empty() {
                break;
            }
            self.write_batch()?;
            self.empty_wal_if_long()?;
        }
        // A full disk may have left it long.
        self.empty_wal_if_long()
    }

    fn empty_wal_if_long(&mut self) -> rusqlite::Result<()> {
        if self.wal_rows >= WAL_ROWS {
            empty_wal(&self.conn, "PASSIVE")?;
            self.wal_rows = 0;
        }
        Ok(())
    }

    fn write_batch(&mut self) -> rusqlite::Result<()> {
        let now = (self.hooks.clock)();
        let count = self.backlog.len().min(BATCH_JOBS);
        let mut batch = Batch::begin(&mut self.conn, &self.chain, now.unix)?;
        for job in self.backlog.iter().take(count) {
            batch.apply(job)?;
        }
        let began = (self.hooks.clock)().mono;
        let mut outcome = batch.commit()?;
        let took = (self.hooks.clock)()
            .mono
            .micros()
            .saturating_sub(began.micros());
        (self.hooks.on_commit)(Duration::from_micros(took));
        self.chain.commit(&mut outcome);
        self.backlog.drain(..count);
        self.stats.committed(&outcome.tally);
        self.stats.set_sessions(self.chain.sessions.len());
        self.wal_rows += outcome.tally.rows();
        if outcome.tally.touched_outbox() {
            refresh_oldest(&self.conn, &self.stats)?;
        }
        outcome
            .replies
            .into_iter()
            .for_each(|reply| (self.hooks.on_reply)(reply));
        Ok(())
    }

    /// Raises or clears the alarm.
    fn set_full(&mut self, full: bool) {
        if full && !self.full {
            tracing::error!(
                "the ledger's disk is full: no new sessions; free space, running sessions go on"
            );
        }
        if !full && self.full {
            tracing::warn!("the ledger's disk has space again");
        }
        self.full = full;
        self.stats.set_full(full);
        if full {
            let backlog = std::mem::take(&mut self.backlog);
            backlog.into_iter().for_each(|job| match job {
                Job::Checkpoints(checkpoints) => self.coalesce(checkpoints),
                Job::Append(_)
                | Job::Head(_)
                | Job::Lanes
                | Job::Mark(_)
                | Job::Endpoints(_)
                | Job::Bury
                | Job::Write { .. }
                | Job::Note { .. } => self.backlog.push_back(job),
            });
        }
        let appends = self
            .backlog
            .iter()
            .filter(|job| matches!(job, Job::Append(_)))
            .count();
        self.stats.set_held(appends);
    }

    fn close(self) {
        if !self.backlog.is_empty() {
            tracing::error!(
                jobs = self.backlog.len(),
                "the disk is still full at shutdown: these are lost, the next start closes their sessions from what is stored"
            );
        }
        if let Err(error) = empty_wal(&self.conn, "TRUNCATE") {
            tracing::warn!(%error, "the WAL could not be emptied; the next start reads it");
        }
        if let Err((_, error)) = self.conn.close() {
            tracing::warn!(%error, "the ledger was not closed cleanly; the next start reads its WAL");
        }
        // The lock outlives the file's last write.
        drop(self.lock);
    }

    fn fail(self, fatal: Fatal) {
        tracing::error!(error = %fatal, "the ledger is lost to this process");
        (self.hooks.on_fatal)(fatal);
    }
}

#[cfg(test)]
impl Writer {
    /// Takes jobs while the disk is full and only so many are kept.
    pub fn test_overflow(&mut self, held_appends: usize, jobs: impl IntoIterator<Item = Job>) {
        (self.full, self.held_appends) = (true, held_appends);
        jobs.into_iter().for_each(|job| self.hold(job));
    }

    /// Takes jobs after that, the disk having space again.
    pub fn test_settle(&mut self, jobs: impl IntoIterator<Item = Job>) {
        self.set_full(false);
        jobs.into_iter().for_each(|job| self.hold(job));
        self.write().expect("there is space");
    }
}

fn is_full(error: &rusqlite::Error) -> bool {
    error.sqlite_error_code() == Some(rusqlite::ErrorCode::DiskFull)
}

/// Copies the WAL into the file. That a reader holds it back is no error: the next time does it.
fn empty_wal(conn: &Connection, how: &str) -> rusqlite::Result<()> {
    conn.query_row(&format!("PRAGMA wal_checkpoint({how})"), [], |_| Ok(()))
}
