//! Directories, clocks and a reader for tests on real files.

use super::open::Store;
use super::parts::{Boot, Hooks, StoreConfig};
use super::pending::{Confirmed, Pending};
use super::read::LedgerReader;
use super::running::RunningStore;
use crate::api::ReadClock;
use crate::base::{Mono, Now, Unix};
use crate::usage::ledger::fixture::START;
use crate::usage::ledger::{Report, Verifier};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Takes away what each version of the schema added, from version 2 on.
const ADDED: [&str; 7] = [
    "DROP TABLE session; DROP TABLE booking; DROP TABLE request;",
    "DROP TABLE recording; DROP INDEX entry_stop; DROP INDEX entry_consent;",
    "DROP INDEX session_project; ALTER TABLE session DROP COLUMN project;",
    "ALTER TABLE outbox DROP COLUMN tried_ms;",
    "DROP TABLE answer; DROP TABLE answer_tally;",
    "DROP TRIGGER outbox_queued; DROP TRIGGER outbox_changed; DROP TRIGGER outbox_removed;
     DROP TABLE outbox_tally; DROP INDEX session_scheduled; DROP INDEX session_cut;
     ALTER TABLE session DROP COLUMN cut_unix_ms;",
    "DROP INDEX outbox_dead; ALTER TABLE outbox DROP COLUMN last_failure;",
];

/// Longest wait for a reply: a failed test, not a synchronisation.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// A directory of its own for each test, removed at the end.
pub struct Dir(pub PathBuf);

impl Dir {
    /// A new one.
    pub fn new() -> Dir {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let name = format!(
            "beistand-store-{}-{}",
            std::process::id(),
            NEXT.fetch_add(1, Ordering::Relaxed)
        );
        Dir(std::env::temp_dir().join(name))
    }

    /// What a kill leaves: the files as they lie there, the lock not among them.
    pub fn copy(&self) -> Dir {
        let copy = Dir::new();
        std::fs::create_dir_all(&copy.0).unwrap();
        for file in ["ledger.sqlite", "ledger.sqlite-wal", "alive"] {
            if self.0.join(file).exists() {
                std::fs::copy(self.0.join(file), copy.0.join(file)).unwrap();
            }
        }
        copy
    }

    /// The file, for someone behind our back.
    pub fn sqlite(&self) -> rusqlite::Connection {
        rusqlite::Connection::open(self.0.join("ledger.sqlite")).unwrap()
    }

    /// Makes it a ledger of this version of the schema, as an older program would have left it.
    pub fn age(&self, version: u16) {
        let conn = self.sqlite();
        for undo in ADDED.iter().skip(usize::from(version) - 1).rev() {
            conn.execute_batch(undo).unwrap();
        }
        conn.pragma_update(None, "user_version", version).unwrap();
    }

    /// What `ledger verify` says.
    pub fn verify(&self) -> Report {
        let mut verifier = Verifier::default();
        LedgerReader::open(&self.0)
            .unwrap()
            .rows(|row| verifier.handle_row(&row))
            .unwrap();
        verifier.finish()
    }
}

impl Drop for Dir {
    fn drop(&mut self) {
        drop(std::fs::remove_dir_all(&self.0));
    }
}

/// A reading of the clocks at this label.
pub fn at(unix: u64) -> Now {
    Now {
        mono: Mono::ZERO,
        unix: Unix(unix),
    }
}

/// A little after every life of the fixture.
pub fn soon() -> Now {
    at(START.0 + 100_000)
}

/// A running clock that starts at [`soon`].
#[expect(
    clippy::disallowed_methods,
    reason = "the writer measures its waits with this; host/clock is not there yet"
)]
pub fn clock() -> ReadClock {
    let start = std::time::Instant::now();
    Arc::new(move || {
        let mono = Mono::ZERO + start.elapsed();
        Now {
            mono,
            unix: Unix(soon().unix.0 + mono.millis().0),
        }
    })
}

/// A running ledger in `dir`, the way for those who wait for it, and what start-up found.
pub fn running(dir: &Path) -> (RunningStore, Confirmed, Boot) {
    let config = StoreConfig {
        dir: dir.to_path_buf(),
        node: None,
        endpoints: Vec::new(),
        ballast_bytes: 0,
    };
    let (store, boot) = Store::open(&config, soon()).unwrap();
    let pending = Pending::default();
    let waiting = pending.clone();
    let hooks = Hooks {
        on_reply: Box::new(move |reply| waiting.handle_reply(&reply)),
        on_fatal: Box::new(|_| {}),
        on_commit: Box::new(|_| {}),
        clock: clock(),
    };
    let running = store.start(hooks).unwrap();
    let store = running.handle();
    (running, Confirmed { store, pending }, boot)
}
