//! How values stand in columns, and the rows of one session that several ask for.

use crate::base::SessionId;
use crate::usage::Entry;
use rusqlite::{Connection, OptionalExtension};

pub(super) fn json(value: &impl serde::Serialize) -> rusqlite::Result<String> {
    serde_json::to_string(value)
        .map_err(|error| rusqlite::Error::ToSqlConversionFailure(Box::new(error)))
}

/// `SQLite` has signed integers only; ours never reach 2^63.
pub(super) fn int(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

/// The other way; a negative number cannot have come from us.
pub(super) fn uint(value: i64) -> u64 {
    u64::try_from(value).unwrap_or(0)
}

/// The newest numbers of an open session.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Newest {
    pub entry_seq: u64,
    pub event_seq: u64,
}

/// First entry of a session, and its newest event.
pub(super) struct Parts {
    pub start: Option<String>,
    pub event_seq: u64,
}

pub(super) fn parts(conn: &Connection, session: &SessionId) -> rusqlite::Result<Parts> {
    let one = |sql: &str| -> rusqlite::Result<Option<String>> {
        conn.prepare_cached(sql)?
            .query_row([session.as_str()], |row| row.get(0))
            .optional()
    };
    let event_seq: i64 = conn
        .prepare_cached("SELECT coalesce(max(event_seq), 0) FROM entry WHERE session = ?1")?
        .query_row([session.as_str()], |row| row.get(0))?;
    Ok(Parts {
        start: one("SELECT body FROM entry WHERE session = ?1 ORDER BY entry_seq LIMIT 1")?,
        event_seq: uint(event_seq),
    })
}

/// The number of a session's stop entry.
pub(super) const STOP: &str = "SELECT entry_seq FROM entry WHERE session = ?1 AND kind = 'stop'";
/// The first entry of a session and this one, or all of them.
pub(super) const ENTRIES: &str = "SELECT body FROM entry
    WHERE session = ?1 AND (?2 IS NULL OR entry_seq IN (1, ?2)) ORDER BY entry_seq";

/// The entries that tell all of a session: start and stop entry where it is over (and notes after that
/// change nothing), else each one, since one names only what changed. Bodies that cannot be read are
/// told apart.
pub(super) fn entries(
    conn: &Connection,
    session: &str,
) -> rusqlite::Result<Vec<serde_json::Result<Entry>>> {
    let stop: Option<i64> = conn
        .prepare_cached(STOP)?
        .query_row([session], |row| row.get(0))
        .optional()?;
    conn.prepare_cached(ENTRIES)?
        .query_map((session, stop), |row| {
            Ok(serde_json::from_str(row.get_ref(0)?.as_str()?))
        })?
        .collect()
}
