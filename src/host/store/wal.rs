//! The WAL, and who keeps it from being emptied: it may only be begun anew once nobody reads what is in it.

use super::error::LEDGER_FILE;
use super::stats::StoreStats;
use crate::base::{Millis, Mono};
use rusqlite::Connection;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Rows written between two times that it is copied into the file: about 4 to 8 MiB.
const WAL_ROWS: u64 = 2_000;
/// It is not left longer than this, if no reader stays.
pub(super) const WAL_BYTES: u64 = 16 << 20;
/// How long the writer waits for a lock while the node runs: it holds what is to be written meanwhile.
pub(super) const WRITER_BUSY: Duration = Duration::from_millis(250);
/// How often one that a reader holds is looked at again.
pub(super) const HELD_LOOK: Millis = Millis::from_secs(5);
/// How often a reader that stays is named.
const NAMED_EVERY: Millis = Millis::from_secs(60);
/// The locks of all processes (proc(5)).
const LOCKS: &str = "/proc/locks";
/// The bytes of the shared-memory file whose locks say that someone reads (the WAL-index format, "WAL
/// Locks": `WAL_READ_LOCK(0)` to `(4)`).
const READ_LOCKS: std::ops::RangeInclusive<u64> = 123..=127;

/// What a copying of the WAL left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Emptied {
    /// Someone reads, or writes.
    busy: bool,
}

/// The WAL of the writer.
pub(super) struct Wal {
    file: PathBuf,
    shared: PathBuf,
    rows: u64,
    /// A reader holds it: when it is looked at again, though nothing is written.
    held: Option<Mono>,
    named: Option<Mono>,
}

impl Wal {
    pub fn new(dir: &Path) -> Wal {
        Wal {
            file: dir.join(format!("{LEDGER_FILE}-wal")),
            shared: dir.join(format!("{LEDGER_FILE}-shm")),
            rows: 0,
            held: None,
            named: None,
        }
    }

    /// So many rows were written.
    pub fn handle_written(&mut self, rows: u64) {
        self.rows += rows;
    }

    /// A reader held it when it was to be cut.
    pub const fn is_held(&self) -> bool {
        self.held.is_some()
    }

    /// Copies it into the file if it is long. One that grew too long is cut, unless someone reads it.
    pub fn empty_if_long(
        &mut self,
        conn: &Connection,
        stats: &StoreStats,
        now: Mono,
    ) -> rusqlite::Result<()> {
        let is_due = self.held.is_some_and(|at| at <= now);
        if self.rows < WAL_ROWS && !is_due {
            return Ok(());
        }
        Wal::empty(conn, "PASSIVE")?;
        self.rows = 0;
        self.held = None;
        let mut readers = Vec::new();
        if self.bytes() > WAL_BYTES && Wal::cut(conn)?.busy {
            self.held = Some(now + HELD_LOOK);
            readers = readers_of(&self.shared);
            self.name(&readers, now);
        }
        let count = u64::try_from(readers.len()).unwrap_or(u64::MAX);
        stats.set_wal(self.bytes(), count);
        Ok(())
    }

    /// Copies it into the file. That a reader holds it back is no error: the next time does it.
    pub fn empty(conn: &Connection, how: &str) -> rusqlite::Result<Emptied> {
        conn.query_row(&format!("PRAGMA wal_checkpoint({how})"), [], |row| {
            let busy = row.get::<_, i64>(0)? != 0;
            Ok(Emptied { busy })
        })
    }

    /// Begins it anew, without waiting for a reader.
    fn cut(conn: &Connection) -> rusqlite::Result<Emptied> {
        conn.busy_timeout(Duration::ZERO)?;
        let emptied = Wal::empty(conn, "TRUNCATE");
        conn.busy_timeout(WRITER_BUSY)?;
        emptied
    }

    fn bytes(&self) -> u64 {
        std::fs::metadata(&self.file).map_or(0, |file| file.len())
    }

    fn name(&mut self, readers: &[String], now: Mono) {
        if self.named.is_some_and(|at| now.since(at) < NAMED_EVERY) {
            return;
        }
        self.named = Some(now);
        tracing::warn!(
            bytes = self.bytes(),
            readers = readers.join(", "),
            "someone reads the ledger for long: until they end, its WAL grows"
        );
    }

    /// Who else uses the file, for the log.
    pub fn users(&self) -> String {
        let ledger = self.shared.with_file_name(LEDGER_FILE);
        let mut all = [locks(&ledger, |_| true), locks(&self.shared, |_| true)].concat();
        all.dedup();
        all.join(", ")
    }
}

/// The other processes that read: `NAME (PID)`.
fn readers_of(shared: &Path) -> Vec<String> {
    locks(shared, |byte| READ_LOCKS.contains(&byte))
}

fn locks(file: &Path, wanted: impl Fn(u64) -> bool) -> Vec<String> {
    let (Ok(meta), Ok(text)) = (std::fs::metadata(file), std::fs::read_to_string(LOCKS)) else {
        return Vec::new();
    };
    let mut pids = holders(&text, meta.ino(), wanted);
    pids.retain(|pid| *pid != std::process::id());
    let name = |pid: &u32| {
        let comm = std::fs::read_to_string(format!("/proc/{pid}/comm"));
        format!("{} ({pid})", comm.as_deref().unwrap_or("?").trim())
    };
    pids.iter().map(name).collect()
}

/// The processes that hold a lock on a byte of the file with this inode number: each once.
fn holders(locks: &str, inode: u64, wanted: impl Fn(u64) -> bool) -> Vec<u32> {
    let holder = |line: &str| -> Option<u32> {
        // `1: POSIX ADVISORY READ 4711 fe:00:131 123 123`; who waits has `->` behind the number.
        let mut words = line.split_whitespace().skip(4);
        let pid: u32 = words.next()?.parse().ok()?;
        let (_, found) = words.next()?.rsplit_once(':')?;
        let (first, last): (u64, &str) = (words.next()?.parse().ok()?, words.next()?);
        let last = last.parse().unwrap_or(u64::MAX);
        let bytes = first..=last.min(first.saturating_add(u64::from(u8::MAX)));
        let here = found.parse() == Ok(inode) && bytes.into_iter().any(&wanted);
        here.then_some(pid)
    };
    let mut pids: Vec<u32> = locks.lines().filter_map(holder).collect();
    pids.sort_unstable();
    pids.dedup();
    pids
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::store::fixture::Dir;

    #[test]
    fn one_that_a_reader_held_is_cut_soon_after_though_nothing_is_written() {
        let dir = Dir::new();
        std::fs::create_dir_all(&dir.0).unwrap();
        let open = || Connection::open(dir.0.join(LEDGER_FILE)).unwrap();
        let (writer, reader, stats) = (open(), open(), StoreStats::default());
        let table = "PRAGMA journal_mode = WAL; CREATE TABLE t (b BLOB)";
        writer.execute_batch(table).unwrap();
        reader.execute_batch("BEGIN; SELECT * FROM t").unwrap();
        let rows = "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 5000)
                    INSERT INTO t SELECT randomblob(4000) FROM n";
        writer.execute(rows, []).unwrap();
        let mut wal = Wal::new(&dir.0);
        wal.handle_written(5_000);
        let look = |wal: &mut Wal, ms: u64| {
            wal.empty_if_long(&writer, &stats, Mono::from_millis(ms))
                .unwrap();
            wal.bytes() > WAL_BYTES
        };
        assert!(look(&mut wal, 0) && wal.is_held());
        drop(reader);
        assert!(look(&mut wal, 4_999), "not at each commit");
        assert!(!look(&mut wal, 5_000) && !wal.is_held());
    }

    #[test]
    fn who_reads_is_found_by_the_locks_of_the_shared_memory() {
        let text = "\
1: POSIX  ADVISORY  READ 4711 fe:00:131 124 124
2: POSIX  ADVISORY  READ 4712 fe:00:131 128 128
3: POSIX  ADVISORY  WRITE 4713 fe:00:131 120 120
4: FLOCK  ADVISORY  WRITE 4714 fe:00:999 0 EOF
5: POSIX  ADVISORY  READ 4711 fe:00:131 126 127
5: -> POSIX  ADVISORY  READ 4715 fe:00:131 124 124
6: OFDLCK ADVISORY  READ -1 fe:00:131 124 124
";
        let reads = |byte: u64| READ_LOCKS.contains(&byte);
        assert_eq!(holders(text, 131, reads), [4711]);
        assert_eq!(holders(text, 131, |_| true), [4711, 4712, 4713]);
        assert_eq!(holders(text, 999, |byte| byte == 7), [4714]);
        assert_eq!(holders("garbage\n", 131, |_| true), Vec::<u32>::new());
    }
}
