//! The writer thread: gathers jobs, writes them in one transaction, then answers. While the disk is
//! full it keeps them in order and tries again each second; any other failure ends it for good.

use super::ballast::Ballast;
use super::batch::{Batch, Chain, refresh_oldest};
use super::error::Fatal;
use super::job::{Job, Message};
use super::open::Store;
use super::parts::Hooks;
use super::stats::StoreStats;
use super::wal::{HELD_LOOK, Wal};
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
/// Runs the writer; a panic of it is as fatal as a failed write.
/// True if everything that it was given is on disk.
pub(super) fn run_fenced(mut writer: Writer, jobs: &Receiver<Message>) -> bool {
    let ran = catch_unwind(AssertUnwindSafe(|| writer.run(jobs)));
    match ran {
        Ok(Ok(())) => return writer.close(),
        Ok(Err(error)) => writer.fail(Fatal::Write(error)),
        Err(_) => writer.fail(Fatal::Panicked),
    }
    false
}

/// Whether something is missing in the ledger without it. An attempt that is not noted is made again.
const fn is_lost(job: &Job) -> bool {
    match job {
        Job::Append(_)
        | Job::Abandon { .. }
        | Job::Checkpoints(_)
        | Job::Write { .. }
        | Job::Note { .. } => true,
        Job::Head(_) | Job::Lanes { .. } | Job::Mark(_) | Job::Endpoints(_) | Job::Bury => false,
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
    wal: Wal,
    /// Nothing can be written now: the disk is full, or the file locked.
    full: bool,
    ballast: Ballast,
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
            ballast,
            dir,
            boot_epoch: _,
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
            wal: Wal::new(&dir),
            full: false,
            ballast,
            held_appends: HELD_APPENDS,
        }
    }

    fn run(&mut self, jobs: &Receiver<Message>) -> rusqlite::Result<()> {
        loop {
            let gathered = self.gather(jobs);
            let mut trouble = Wait::of(self.write())?;
            if trouble == Some(Wait::Full) {
                trouble = self.make_room()?;
            }
            self.ballast.handle_timeout((self.hooks.clock)().mono);
            self.set_trouble(trouble);
            if gathered == Gathered::Close {
                return Ok(());
            }
        }
    }

    /// Gives up the ballast, and writes into the space.
    fn make_room(&mut self) -> rusqlite::Result<Option<Wait>> {
        if !self.ballast.give_up((self.hooks.clock)().mono) {
            return Ok(Some(Wait::Full));
        }
        tracing::error!(
            "the ledger's disk is full: the space that was kept for it is given up, no new sessions; free space"
        );
        Wait::of(self.write())
    }

    /// Waits for the first job, then a moment for company; while the disk is full, for a second.
    fn gather(&mut self, jobs: &Receiver<Message>) -> Gathered {
        if !self.full {
            // The ballast and the WAL are looked after though nothing is to be written.
            let longest = if self.ballast.is_given_up() {
                FULL_RETRY.duration()
            } else if self.wal.is_held() {
                HELD_LOOK.duration()
            } else {
                Duration::MAX
            };
            match jobs.recv_timeout(longest) {
                Ok(Message::Job(job)) => self.hold(*job),
                Ok(Message::Close) | Err(RecvTimeoutError::Disconnected) => return Gathered::Close,
                Err(RecvTimeoutError::Timeout) => return Gathered::Jobs,
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
            | Job::Abandon { .. }
            | Job::Head(_)
            | Job::Lanes { .. }
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
            self.empty_wal()?;
        }
        // A full disk may have left it long.
        self.empty_wal()
    }

    fn empty_wal(&mut self) -> rusqlite::Result<()> {
        let now = (self.hooks.clock)().mono;
        self.wal.empty_if_long(&self.conn, &self.stats, now)
    }

    fn write_batch(&mut self) -> rusqlite::Result<()> {
        let now = (self.hooks.clock)();
        let count = self.backlog.len().min(BATCH_JOBS);
        let mut batch = Batch::begin(&mut self.conn, &self.chain, now)?;
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
        self.wal.handle_written(outcome.tally.rows());
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
    fn set_trouble(&mut self, trouble: Option<Wait>) {
        let full = trouble.is_some();
        match trouble {
            Some(Wait::Full) if !self.full => tracing::error!(
                "the ledger's disk is full: no new sessions; free space, running sessions go on"
            ),
            Some(Wait::Locked) if !self.full => tracing::error!(
                users = self.wal.users(),
                "another process has locked the ledger: no new sessions until it lets go, running sessions go on"
            ),
            None if self.full => tracing::warn!("the ledger can be written again"),
            Some(_) | None => {}
        }
        self.full = full;
        let given_up = self.ballast.is_given_up();
        self.stats.set_full(trouble == Some(Wait::Full) || given_up);
        self.stats.set_locked(trouble == Some(Wait::Locked));
        if full {
            let backlog = std::mem::take(&mut self.backlog);
            backlog.into_iter().for_each(|job| match job {
                Job::Checkpoints(checkpoints) => self.coalesce(checkpoints),
                Job::Append(_)
                | Job::Abandon { .. }
                | Job::Head(_)
                | Job::Lanes { .. }
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

    /// True if everything that it was given is on disk.
    fn close(self) -> bool {
        let lost = self.backlog.iter().filter(|job| is_lost(job)).count() + self.held.len();
        if lost > 0 {
            tracing::error!(
                jobs = lost,
                "the disk is still full at shutdown: these are lost, the next start closes their sessions from what is stored"
            );
        }
        let whole = lost == 0 && self.stats.dropped_total() == 0;
        if let Err(error) = Wal::empty(&self.conn, "TRUNCATE") {
            tracing::warn!(%error, "the WAL could not be emptied; the next start reads it");
        }
        if let Err((_, error)) = self.conn.close() {
            tracing::warn!(%error, "the ledger was not closed cleanly; the next start reads its WAL");
        }
        // The lock outlives the file's last write.
        drop(self.lock);
        whole
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
        self.set_trouble(None);
        jobs.into_iter().for_each(|job| self.hold(job));
        self.write().expect("there is space");
    }
}

/// What is waited for: nothing is wrong with what lies on the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wait {
    /// The disk is full.
    Full,
    /// Another process has locked the file.
    Locked,
}

impl Wait {
    /// What a failed write waits for.
    ///
    /// # Errors
    /// It failed for good.
    fn of(done: rusqlite::Result<()>) -> rusqlite::Result<Option<Wait>> {
        let Err(error) = done else {
            return Ok(None);
        };
        match error.sqlite_error_code() {
            Some(rusqlite::ErrorCode::DiskFull) => Ok(Some(Wait::Full)),
            Some(rusqlite::ErrorCode::DatabaseBusy | rusqlite::ErrorCode::DatabaseLocked) => {
                Ok(Some(Wait::Locked))
            }
            Some(_) | None => Err(error),
        }
    }
}
