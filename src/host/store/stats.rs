//! Counters and alarms of the store, readable from any thread.

use crate::base::RecordingStep;
use crate::node::LedgerTrouble;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};

/// What the writer tells metrics and admission. Each value stands for itself.
#[derive(Debug, Default)]
pub struct StoreStats {
    full: AtomicBool,
    locked: AtomicBool,
    damaged: AtomicBool,
    unchecked: AtomicU64,
    wal_bytes: AtomicU64,
    wal_readers: AtomicU64,
    held: AtomicU64,
    dropped: AtomicU64,
    refused: AtomicU64,
    queue_full: AtomicU64,
    commits: AtomicU64,
    entries: AtomicU64,
    checkpoints: AtomicU64,
    ready: AtomicU64,
    failed: AtomicU64,
    deleted: AtomicU64,
    open_sessions: AtomicU64,
    outbox_depth: AtomicU64,
    /// 0: nothing is pending.
    oldest_pending: AtomicU64,
}

impl StoreStats {
    /// The alarm: accept no new sessions while it holds.
    pub fn trouble(&self) -> Option<LedgerTrouble> {
        let alarms = [
            (&self.damaged, LedgerTrouble::Damaged),
            (&self.full, LedgerTrouble::Full),
            (&self.locked, LedgerTrouble::Locked),
        ];
        let raised = alarms.into_iter().find(|(alarm, _)| alarm.load(Relaxed));
        raised.map(|(_, trouble)| trouble)
    }

    /// The disk is full.
    pub fn full(&self) -> bool {
        self.full.load(Relaxed)
    }

    /// Another process has locked the file.
    pub fn locked(&self) -> bool {
        self.locked.load(Relaxed)
    }

    /// What lies there is not what was written.
    pub fn damaged(&self) -> bool {
        self.damaged.load(Relaxed)
    }

    /// Rows that were not looked at since the start.
    pub fn unchecked(&self) -> u64 {
        self.unchecked.load(Relaxed)
    }

    /// Length of the WAL.
    pub fn wal_bytes(&self) -> u64 {
        self.wal_bytes.load(Relaxed)
    }

    /// Other processes that read, and keep the WAL from being emptied.
    pub fn wal_readers(&self) -> u64 {
        self.wal_readers.load(Relaxed)
    }

    /// Appends kept in memory until the disk has space again.
    pub fn held(&self) -> u64 {
        self.held.load(Relaxed)
    }

    /// Appends lost because the disk stayed full for too long: their sessions are cut there.
    pub fn dropped_total(&self) -> u64 {
        self.dropped.load(Relaxed)
    }

    /// Appends refused because they did not follow their session's entry before: a defect of ours.
    pub fn refused_total(&self) -> u64 {
        self.refused.load(Relaxed)
    }

    /// Jobs given back because the queue was full.
    pub fn queue_full_total(&self) -> u64 {
        self.queue_full.load(Relaxed)
    }

    /// Transactions committed.
    pub fn commits_total(&self) -> u64 {
        self.commits.load(Relaxed)
    }

    /// Entries written.
    pub fn entries_total(&self) -> u64 {
        self.entries.load(Relaxed)
    }

    /// Checkpoints written.
    pub fn checkpoints_total(&self) -> u64 {
        self.checkpoints.load(Relaxed)
    }

    /// Recordings that became ready, that failed, and that were deleted.
    pub fn recordings_total(&self) -> [u64; 3] {
        [&self.ready, &self.failed, &self.deleted].map(|count| count.load(Relaxed))
    }

    /// Sessions with a start entry and no stop entry.
    pub fn open_sessions(&self) -> u64 {
        self.open_sessions.load(Relaxed)
    }

    /// Outbox rows not yet delivered, those of removed endpoints included.
    pub fn outbox_depth(&self) -> u64 {
        self.outbox_depth.load(Relaxed)
    }

    /// Wall-clock label (ms since 1970) of the oldest outbox row not yet delivered.
    pub fn oldest_pending_unix_ms(&self) -> Option<u64> {
        Some(self.oldest_pending.load(Relaxed)).filter(|unix| *unix != 0)
    }

    pub(super) fn set_full(&self, full: bool) {
        self.full.store(full, Relaxed);
    }

    pub(super) fn set_locked(&self, locked: bool) {
        self.locked.store(locked, Relaxed);
    }

    pub(super) fn set_damaged(&self) {
        self.damaged.store(true, Relaxed);
    }

    pub(super) fn set_unchecked(&self, rows: u64) {
        self.unchecked.store(rows, Relaxed);
    }

    pub(super) fn set_wal(&self, bytes: u64, readers: u64) {
        self.wal_bytes.store(bytes, Relaxed);
        self.wal_readers.store(readers, Relaxed);
    }

    pub(super) fn set_held(&self, held: usize) {
        self.held.store(held as u64, Relaxed);
    }

    pub(super) fn dropped(&self) {
        self.dropped.fetch_add(1, Relaxed);
    }

    pub(super) fn queue_full(&self) {
        self.queue_full.fetch_add(1, Relaxed);
    }

    pub(super) fn committed(&self, tally: &Tally) {
        self.commits.fetch_add(1, Relaxed);
        self.entries.fetch_add(tally.entries, Relaxed);
        self.refused.fetch_add(tally.refused, Relaxed);
        self.checkpoints.fetch_add(tally.checkpoints, Relaxed);
        self.ready.fetch_add(tally.ready, Relaxed);
        self.failed.fetch_add(tally.failed, Relaxed);
        self.deleted.fetch_add(tally.deleted, Relaxed);
        self.outbox_depth.fetch_add(tally.queued, Relaxed);
        // Only rows counted before leave, so this never wraps.
        self.outbox_depth.fetch_sub(tally.settled, Relaxed);
    }

    pub(super) fn set_sessions(&self, open: usize) {
        self.open_sessions.store(open as u64, Relaxed);
    }

    pub(super) fn set_depth(&self, depth: u64) {
        self.outbox_depth.store(depth, Relaxed);
    }

    pub(super) fn set_oldest(&self, unix_ms: Option<u64>) {
        self.oldest_pending.store(unix_ms.unwrap_or(0), Relaxed);
    }
}

/// What one transaction did.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Tally {
    pub entries: u64,
    pub refused: u64,
    pub checkpoints: u64,
    /// Recordings that became ready.
    pub ready: u64,
    /// Recordings that failed.
    pub failed: u64,
    /// Recordings that were deleted.
    pub deleted: u64,
    /// Outbox rows added.
    pub queued: u64,
    /// Outbox rows delivered or dead.
    pub settled: u64,
}

impl Tally {
    /// Counts a step of a recording, where it is final.
    pub const fn step(&mut self, step: RecordingStep) {
        match step {
            RecordingStep::Started | RecordingStep::Stopped => {}
            RecordingStep::Ready => self.ready += 1,
            RecordingStep::Failed => self.failed += 1,
            RecordingStep::Deleted => self.deleted += 1,
        }
    }

    /// Rows that the transaction wrote.
    pub const fn rows(&self) -> u64 {
        self.entries + self.checkpoints + self.queued + self.settled
    }

    /// True if the outbox changed.
    pub const fn touched_outbox(&self) -> bool {
        self.queued + self.settled > 0
    }
}
