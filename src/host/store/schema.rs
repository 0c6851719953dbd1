//! The file itself: lock, pragmas, `quick_check`, tables.

use super::error::{LEDGER_FILE, OpenError};
use super::wal::WAL_BYTES;
use rusqlite::{Connection, OpenFlags};
use std::fs::{DirBuilder, File, TryLockError};
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;
use std::time::Duration;

/// Locked by the one process that writes. A file of its own: readers must be able to open the ledger.
const LOCK_FILE: &str = "ledger.lock";
/// The schema below; `PRAGMA user_version` of the file.
pub(super) const SCHEMA: i64 = 8;
/// The first schema that has recordings.
pub(super) const WITH_RECORDINGS: i64 = 3;
/// The first schema that has projects.
pub(super) const WITH_PROJECTS: i64 = 4;
/// The first schema that says why an attempt failed.
pub(super) const WITH_FAILURES: i64 = 8;
/// The oldest schema that is read, and brought up to date when it is written to.
const OLDEST: i64 = 1;
/// A reader of a WAL never blocks the writer; this is for a person at the sqlite3 command.
const BUSY: Duration = Duration::from_secs(2);
/// A file up to this length is looked at as a whole before the node starts: less than a second.
const SMALL_BYTES: u64 = 64 << 20;
/// Of a longer one that which the start stands on; the rest while the node runs.
const HOT: [&str; 2] = ["checkpoint", "boot"];

/// Version 1.
///
/// `checkpoint` has one row for each session that is open, from its start entry on (without a body
/// until the first checkpoint) to its stop entry: what it holds at start-up are the orphans.
const TABLES: &str = "
CREATE TABLE boot (
    epoch           INTEGER PRIMARY KEY,
    node            TEXT NOT NULL,
    started_unix_ms INTEGER NOT NULL,
    version         TEXT NOT NULL
) STRICT;
CREATE TABLE entry (
    boot_epoch INTEGER NOT NULL REFERENCES boot (epoch),
    chain_seq  INTEGER NOT NULL,
    session    TEXT,
    entry_seq  INTEGER,
    kind       TEXT NOT NULL,
    at_unix_ms INTEGER NOT NULL,
    event_seq  INTEGER NOT NULL,
    prev_hash  BLOB NOT NULL,
    hash       BLOB NOT NULL,
    body       TEXT NOT NULL,
    PRIMARY KEY (boot_epoch, chain_seq)
) STRICT;
CREATE UNIQUE INDEX entry_of_session ON entry (session, entry_seq) WHERE session IS NOT NULL;
CREATE INDEX entry_bounds ON entry (at_unix_ms) WHERE kind IN ('start', 'stop');
CREATE TABLE checkpoint (
    session TEXT PRIMARY KEY,
    body    TEXT
) STRICT;
CREATE TABLE outbox (
    event_id          TEXT NOT NULL,
    endpoint          TEXT NOT NULL,
    session           TEXT NOT NULL,
    event_seq         INTEGER NOT NULL,
    type              TEXT NOT NULL,
    body              TEXT NOT NULL,
    created_unix_ms   INTEGER NOT NULL,
    state             TEXT NOT NULL CHECK (state IN ('pending', 'delivered', 'dead')),
    attempts          INTEGER NOT NULL,
    next_unix_ms      INTEGER NOT NULL,
    delivered_unix_ms INTEGER,
    last_status       INTEGER,
    PRIMARY KEY (event_id, endpoint)
) STRICT;
CREATE INDEX outbox_lane ON outbox (endpoint, session, event_seq) WHERE state = 'pending';
CREATE INDEX outbox_age ON outbox (created_unix_ms) WHERE state = 'pending';
";

/// What version 2 added: an index of all sessions, those that are only booked among them; the
/// bookings themselves; and which request made which, for a day.
const SESSIONS: &str = "
CREATE TABLE session (
    seq          INTEGER PRIMARY KEY AUTOINCREMENT,
    id           TEXT NOT NULL UNIQUE,
    room         TEXT NOT NULL,
    external_ref TEXT,
    state        TEXT NOT NULL CHECK (state IN ('scheduled', 'running', 'ended'))
) STRICT;
CREATE INDEX session_room ON session (room);
CREATE INDEX session_external_ref ON session (external_ref) WHERE external_ref IS NOT NULL;
CREATE TABLE booking (
    session TEXT PRIMARY KEY,
    body    TEXT NOT NULL
) STRICT;
CREATE TABLE request (
    key             TEXT PRIMARY KEY,
    digest          TEXT NOT NULL,
    session         TEXT NOT NULL,
    created_unix_ms INTEGER NOT NULL
) STRICT;
CREATE INDEX request_age ON request (created_unix_ms);
";

/// What version 3 added: where each recording stands, which follows from the entries, and the way to
/// the end of a session: notes of its recordings may come after it.
const RECORDINGS: &str = "
CREATE TABLE recording (
    seq             INTEGER PRIMARY KEY AUTOINCREMENT,
    id              TEXT NOT NULL UNIQUE,
    session         TEXT NOT NULL,
    purpose         TEXT NOT NULL,
    stage           TEXT NOT NULL,
    started_unix_ms INTEGER NOT NULL,
    stopped_unix_ms INTEGER,
    changed_unix_ms INTEGER NOT NULL,
    ended_unix_ms   INTEGER,
    expires_unix_ms INTEGER,
    reason          TEXT,
    result          TEXT
) STRICT;
CREATE INDEX recording_session ON recording (session);
CREATE INDEX recording_unfinished ON recording (ended_unix_ms)
    WHERE stage IN ('recording', 'stopped', 'broken');
CREATE INDEX recording_expiry ON recording (expires_unix_ms) WHERE stage <> 'deleted';
CREATE INDEX entry_stop ON entry (session) WHERE kind = 'stop';
CREATE INDEX entry_consent ON entry (session, entry_seq) WHERE kind = 'consent';
";

/// What version 4 added: whose each session is. All that was there before there were projects is of the
/// keys under `[keys]`.
const PROJECTS: &str = "
ALTER TABLE session ADD COLUMN project TEXT NOT NULL DEFAULT 'default';
CREATE INDEX session_project ON session (project, seq);
";

/// What version 5 added: how long each event was tried so far.
const TRIES: &str = "
ALTER TABLE outbox ADD COLUMN tried_ms INTEGER NOT NULL DEFAULT 0;
";

/// What version 6 added: what requests with an idempotency key were answered, for a day; and how much that
/// is of each who pays for it, so that nobody has to count 100,000 rows.
const ANSWERS: &str = "
CREATE TABLE answer (
    key             TEXT PRIMARY KEY,
    project         TEXT NOT NULL,
    payer           TEXT NOT NULL,
    digest          TEXT NOT NULL,
    status          INTEGER NOT NULL,
    media_type      TEXT,
    location        TEXT,
    body            TEXT,
    bytes           INTEGER NOT NULL,
    created_unix_ms INTEGER NOT NULL
) STRICT;
CREATE INDEX answer_age ON answer (created_unix_ms);
CREATE INDEX answer_payer ON answer (project, payer, created_unix_ms, bytes);
CREATE TABLE answer_tally (
    project TEXT NOT NULL,
    payer   TEXT NOT NULL,
    keys    INTEGER NOT NULL,
    bytes   INTEGER NOT NULL,
    PRIMARY KEY (project, payer)
) STRICT, WITHOUT ROWID;
CREATE TRIGGER answer_kept AFTER INSERT ON answer BEGIN
    INSERT INTO answer_tally VALUES (new.project, new.payer, 1, new.bytes)
    ON CONFLICT DO UPDATE SET keys = keys + 1, bytes = bytes + new.bytes;
END;
CREATE TRIGGER answer_forgotten AFTER DELETE ON answer BEGIN
    UPDATE answer_tally SET keys = keys - 1, bytes = bytes - old.bytes
    WHERE project = old.project AND payer = old.payer;
    DELETE FROM answer_tally WHERE project = old.project AND payer = old.payer AND keys <= 0;
END;
";

/// What version 7 added: all that a start reads, where it finds it at once however long the ledger is. How
/// many events are pending; which sessions ended with their node, while none continues them; and which are
/// only booked.
const START: &str = "
CREATE TABLE outbox_tally (pending INTEGER NOT NULL) STRICT;
INSERT INTO outbox_tally SELECT count(*) FROM outbox WHERE state = 'pending';
CREATE TRIGGER outbox_queued AFTER INSERT ON outbox WHEN new.state = 'pending' BEGIN
    UPDATE outbox_tally SET pending = pending + 1;
END;
CREATE TRIGGER outbox_changed AFTER UPDATE OF state ON outbox WHEN new.state <> old.state BEGIN
    UPDATE outbox_tally SET pending = pending + (new.state = 'pending') - (old.state = 'pending');
END;
CREATE TRIGGER outbox_removed AFTER DELETE ON outbox WHEN old.state = 'pending' BEGIN
    UPDATE outbox_tally SET pending = pending - 1;
END;
ALTER TABLE session ADD COLUMN cut_unix_ms INTEGER;
UPDATE session SET cut_unix_ms = cut.at_unix_ms FROM entry AS cut
WHERE cut.session = session.id AND cut.kind = 'stop'
  AND json_extract(cut.body, '$.reason') IN ('node_lost', 'node_drained')
  AND cut.at_unix_ms > (SELECT max(at_unix_ms) FROM entry WHERE kind IN ('start', 'stop')) - 600000;
UPDATE session SET cut_unix_ms = NULL WHERE cut_unix_ms IS NOT NULL AND id IN
    (SELECT json_extract(body, '$.facts.continues') FROM entry WHERE kind = 'start' AND at_unix_ms >
        (SELECT max(at_unix_ms) FROM entry WHERE kind IN ('start', 'stop')) - 600000);
CREATE INDEX session_cut ON session (cut_unix_ms) WHERE cut_unix_ms IS NOT NULL;
CREATE INDEX session_scheduled ON session (seq) WHERE state = 'scheduled';
";

/// What version 8 added: why the last attempt to post an event failed, and the way to the dead letters.
const DEAD_LETTERS: &str = "
ALTER TABLE outbox ADD COLUMN last_failure TEXT;
CREATE INDEX outbox_dead ON outbox (endpoint) WHERE state = 'dead';
";

/// Fills the index from the entries of version 1.
const INDEX: &str = "
INSERT INTO session (id, room, external_ref, state)
SELECT session, coalesce(json_extract(body, '$.facts.room'), ''),
       json_extract(body, '$.facts.external_ref'),
       CASE WHEN EXISTS (SELECT 1 FROM entry AS stop
                         WHERE stop.session = entry.session AND stop.kind = 'stop')
            THEN 'ended' ELSE 'running' END
FROM entry WHERE kind = 'start' ORDER BY boot_epoch, chain_seq;
";

/// Locks the directory and opens the ledger in it for writing. The lock holds as long as the file
/// that is answered lives; the kernel frees it when the process dies.
pub(super) fn open(dir: &Path) -> Result<(File, Connection), OpenError> {
    let lock = lock(dir)?;
    let sqlite = OpenError::sqlite(dir);
    let mut conn = Connection::open(dir.join(LEDGER_FILE)).map_err(&sqlite)?;
    match configure(&conn) {
        Err(error) if is_damage(&error) => return Err(damaged(dir, &error)),
        done => done.map_err(&sqlite)?,
    }
    let parts: &[&str] = if is_small(dir) { &[""] } else { &HOT };
    parts.iter().try_for_each(|part| check(&conn, dir, part))?;
    migrate(&mut conn, dir)?;
    Ok((lock, conn))
}

/// Whether the whole file is looked at before the node starts.
pub(super) fn is_small(dir: &Path) -> bool {
    let file = std::fs::metadata(dir.join(LEDGER_FILE));
    file.map_or(true, |file| file.len() <= SMALL_BYTES)
}

/// Opens the ledger of a running or stopped node for reading.
pub(super) fn open_read_only(dir: &Path) -> Result<Connection, OpenError> {
    let file = dir.join(LEDGER_FILE);
    if !file.is_file() {
        return Err(OpenError::Missing { file });
    }
    let sqlite = OpenError::sqlite(dir);
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let conn = Connection::open_with_flags(&file, flags).map_err(&sqlite)?;
    conn.busy_timeout(BUSY).map_err(&sqlite)?;
    let found = version(&conn).map_err(&sqlite)?;
    match found {
        OLDEST..=SCHEMA => Ok(conn),
        0 => Err(OpenError::Missing { file }),
        found => Err(OpenError::Newer {
            file,
            found,
            known: SCHEMA,
        }),
    }
}

fn lock(dir: &Path) -> Result<File, OpenError> {
    let told = |source| OpenError::Dir {
        dir: dir.to_path_buf(),
        source,
    };
    // The ledger names people: a directory that we make is for this user alone.
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(dir)
        .map_err(told)?;
    let file = File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(dir.join(LOCK_FILE))
        .map_err(told)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(OpenError::Locked {
            dir: dir.to_path_buf(),
        }),
        Err(TryLockError::Error(source)) => Err(told(source)),
    }
}

fn configure(conn: &Connection) -> rusqlite::Result<()> {
    conn.busy_timeout(BUSY)?;
    conn.pragma_update(None, "journal_mode", "WAL")?;
    conn.pragma_update(None, "synchronous", "FULL")?;
    conn.pragma_update(None, "foreign_keys", "ON")?;
    // The writer empties the WAL itself: SQLite's own would swallow an error of that.
    conn.pragma_update(None, "wal_autocheckpoint", 0)?;
    conn.pragma_update(None, "journal_size_limit", super::columns::int(WAL_BYTES))
}

/// Looks at a table, or at the whole file (an empty name).
fn check(conn: &Connection, dir: &Path, table: &str) -> Result<(), OpenError> {
    let what = if table.is_empty() { "1" } else { table };
    let exists = table.is_empty() || conn.table_exists(None, table).unwrap_or(false);
    if !exists {
        return Ok(());
    }
    let finding: rusqlite::Result<String> =
        conn.query_row(&format!("PRAGMA quick_check({what})"), [], |row| row.get(0));
    let file = dir.join(LEDGER_FILE);
    match finding {
        Ok(finding) if finding == "ok" => Ok(()),
        Ok(finding) => Err(OpenError::Damaged { file, finding }),
        Err(error) if is_damage(&error) => Err(damaged(dir, &error)),
        Err(source) => Err(OpenError::Sqlite { file, source }),
    }
}

pub(super) fn damaged(dir: &Path, error: &rusqlite::Error) -> OpenError {
    OpenError::Damaged {
        file: dir.join(LEDGER_FILE),
        finding: error.to_string(),
    }
}

pub(super) fn is_damage(error: &rusqlite::Error) -> bool {
    let code = error.sqlite_error_code();
    code == Some(rusqlite::ErrorCode::DatabaseCorrupt)
        || code == Some(rusqlite::ErrorCode::NotADatabase)
}

fn migrate(conn: &mut Connection, dir: &Path) -> Result<(), OpenError> {
    let sqlite = OpenError::sqlite(dir);
    match version(conn).map_err(&sqlite)? {
        SCHEMA => Ok(()),
        0 => create(conn, &[&[TABLES, SESSIONS], &LATER[..]]).map_err(sqlite),
        OLDEST => create(conn, &[&[SESSIONS, INDEX], &LATER[..]]).map_err(sqlite),
        2 => create(conn, &[&LATER[..]]).map_err(sqlite),
        3 => create(conn, &[&LATER[1..]]).map_err(sqlite),
        4 => create(conn, &[&LATER[2..]]).map_err(sqlite),
        5 => create(conn, &[&LATER[3..]]).map_err(sqlite),
        6 => create(conn, &[&LATER[4..]]).map_err(sqlite),
        7 => create(conn, &[&LATER[5..]]).map_err(sqlite),
        found => Err(OpenError::Newer {
            file: dir.join(LEDGER_FILE),
            found,
            known: SCHEMA,
        }),
    }
}

/// What was added from version 3 on, one step each.
const LATER: [&str; 6] = [RECORDINGS, PROJECTS, TRIES, ANSWERS, START, DEAD_LETTERS];

fn create(conn: &mut Connection, parts: &[&[&str]]) -> rusqlite::Result<()> {
    let tx = conn.transaction()?;
    for part in parts.iter().copied().flatten() {
        tx.execute_batch(part)?;
    }
    tx.pragma_update(None, "user_version", SCHEMA)?;
    tx.commit()
}

pub(super) fn version(conn: &Connection) -> rusqlite::Result<i64> {
    conn.pragma_query_value(None, "user_version", |row| row.get(0))
}
