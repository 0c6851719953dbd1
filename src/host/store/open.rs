//! The ledger from its opening to the start of its writer.

use super::ballast::Ballast;
use super::batch::{Chain, refresh};
use super::boot::boot;
use super::error::OpenError;
use super::parts::{Boot, StoreConfig};
use super::schema;
use super::stats::StoreStats;
use super::wal::WRITER_BUSY;
use crate::base::Now;
use crate::host::space;
use std::path::PathBuf;
use std::sync::Arc;

/// An open ledger whose writer has not started.
pub struct Store {
    pub(super) conn: rusqlite::Connection,
    pub(super) lock: std::fs::File,
    pub(super) chain: Chain,
    pub(super) stats: Arc<StoreStats>,
    pub(super) dir: PathBuf,
    pub(super) ballast: Ballast,
    pub(super) boot_epoch: u64,
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
        let (boot, chain) = boot(&mut conn, config, now)?;
        let stats = Arc::new(StoreStats::default());
        refresh(&conn, &stats).map_err(OpenError::sqlite(&config.dir))?;
        let told = |source| OpenError::Dir {
            dir: config.dir.clone(),
            source,
        };
        conn.busy_timeout(WRITER_BUSY)
            .map_err(OpenError::sqlite(&config.dir))?;
        let look = space::at(&config.dir).map_err(told)?;
        let ballast = Ballast::new(&config.dir, config.ballast_bytes, look).map_err(told)?;
        Ok((
            Store {
                conn,
                lock,
                chain,
                stats,
                dir: config.dir.clone(),
                ballast,
                boot_epoch: boot.epoch,
            },
            boot,
        ))
    }
}
