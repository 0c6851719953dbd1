//! Looks, while the node runs, at a ledger that is too long to be looked at before: the newest rows first,
//! and a few at a time, so that no WAL waits for it.

use super::columns::{int, uint};
use super::error::{LEDGER_FILE, OpenError};
use super::schema::{damaged, is_damage, open_read_only};
use super::stats::StoreStats;
use crate::base::NodeId;
use crate::usage::ledger::{ChainPosition, chain_hash};
use rusqlite::{Connection, params};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::Duration;

/// Rows of one read.
const ROWS: u64 = 2_000;
/// Between two reads: it has time, and the disk has other work.
const PAUSE: Duration = Duration::from_millis(10);
/// How often it is said how far it is, in rows.
const TELL_ROWS: u64 = 1_000_000;

/// What is found to be wrong.
pub(super) type Finding = String;

/// The look at a ledger, on a thread of its own.
pub(super) struct Check {
    stop: Option<SyncSender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Check {
    /// Begins it.
    ///
    /// # Errors
    /// The operating system gives no thread.
    pub fn start(dir: &Path, stats: Arc<StoreStats>) -> io::Result<Check> {
        let (stop, stopped) = sync_channel(0);
        let dir = dir.to_path_buf();
        let thread = std::thread::Builder::new().name("ledger-check".to_owned());
        let thread = thread.spawn(move || {
            if let Err(error) = run(&dir, &stats, &stopped) {
                tell(&dir, &stats, &error);
            }
        })?;
        Ok(Check {
            stop: Some(stop),
            thread: Some(thread),
        })
    }
}

impl Drop for Check {
    fn drop(&mut self) {
        self.stop = None;
        if let Some(thread) = self.thread.take() {
            drop(thread.join());
        }
    }
}

fn tell(dir: &Path, stats: &StoreStats, error: &rusqlite::Error) {
    if is_damage(error) {
        stats.set_damaged();
        tracing::error!(error = %damaged(dir, error), "no new sessions");
    } else {
        tracing::warn!(%error, "the ledger could not be looked at to its end");
    }
}

fn run(dir: &Path, stats: &StoreStats, stopped: &Receiver<()>) -> rusqlite::Result<()> {
    let Ok(conn) = open_read_only(dir) else {
        return Ok(());
    };
    let mut look = Look::new(&conn)?;
    tracing::info!(
        rows = look.left,
        "the ledger is long: it is looked at while the node runs"
    );
    while look.step(&conn)? {
        if let Some(finding) = look.finding.take() {
            stats.set_damaged();
            let file: PathBuf = dir.join(LEDGER_FILE);
            let error = OpenError::Damaged { file, finding };
            tracing::error!(%error, "no new sessions");
        }
        stats.set_unchecked(look.left);
        if look.is_to_tell() {
            tracing::info!(
                left = look.left,
                "rows of the ledger are still to be looked at"
            );
        }
        if stopped.recv_timeout(PAUSE) != Err(RecvTimeoutError::Timeout) {
            return Ok(());
        }
    }
    stats.set_unchecked(0);
    tracing::info!("the ledger was looked at to its beginning");
    Ok(())
}

/// How far it is.
pub(super) struct Look {
    /// What is before this place is not looked at yet.
    before: (i64, i64),
    /// The row behind, which names the hash of the one before it.
    behind: Option<(u64, Vec<u8>)>,
    /// Rows that are left, nearly.
    pub left: u64,
    told: u64,
    pub finding: Option<Finding>,
}

impl Look {
    pub fn new(conn: &Connection) -> rusqlite::Result<Look> {
        // Each chain has no gaps: its newest number is its length.
        let sql = "SELECT coalesce(sum((SELECT max(chain_seq) FROM entry
                   WHERE entry.boot_epoch = boot.epoch)), 0) FROM boot";
        let left = uint(conn.query_row(sql, [], |row| row.get(0))?);
        Ok(Look {
            before: (i64::MAX, i64::MAX),
            behind: None,
            left,
            told: left,
            finding: None,
        })
    }

    /// Looks at the next rows; false if there are none.
    pub fn step(&mut self, conn: &Connection) -> rusqlite::Result<bool> {
        let sql = "SELECT boot.node, entry.boot_epoch, chain_seq, prev_hash, hash, body
                   FROM entry LEFT JOIN boot ON boot.epoch = entry.boot_epoch
                   WHERE (entry.boot_epoch, chain_seq) < (?1, ?2)
                   ORDER BY entry.boot_epoch DESC, chain_seq DESC LIMIT ?3";
        let mut select = conn.prepare_cached(sql)?;
        let mut rows = select.query(params![self.before.0, self.before.1, int(ROWS)])?;
        let mut any = false;
        while let Some(row) = rows.next()? {
            any = true;
            self.before = (row.get(1)?, row.get(2)?);
            self.left = self.left.saturating_sub(1);
            let place = ChainPosition {
                node: NodeId::from(row.get::<_, Option<String>>(0)?.unwrap_or_default()),
                boot_epoch: uint(self.before.0),
                chain_seq: uint(self.before.1),
            };
            let (prev, hash): (Vec<u8>, Vec<u8>) = (row.get(3)?, row.get(4)?);
            let body: String = row.get(5)?;
            if !self.fits(&place, (&prev, &hash), &body) {
                let (epoch, seq) = self.before;
                self.finding = Some(format!("row {epoch}/{seq} is not what was written"));
            }
            self.behind = Some((place.boot_epoch, prev));
        }
        Ok(any)
    }

    fn fits(&self, place: &ChainPosition, (prev, hash): (&[u8], &[u8]), body: &str) -> bool {
        let named = self.behind.as_ref();
        let named = named.filter(|(epoch, _)| *epoch == place.boot_epoch);
        let follows = named.is_none_or(|(_, prev)| prev == hash);
        let made = crate::usage::ledger::Hash::from_slice(prev)
            .map(|prev| chain_hash(&prev, place, body.as_bytes()));
        follows && made.is_some_and(|made| made.0 == *hash)
    }

    fn is_to_tell(&mut self) -> bool {
        let far = self.told.saturating_sub(self.left) >= TELL_ROWS;
        if far {
            self.told = self.left;
        }
        far
    }
}
