//! What requests with an idempotency key were answered, for a day: asked again, they get it again.

use super::columns::{int, uint};
use super::error::OpenError;
use super::read::LedgerReader;
use crate::api::{Answer, KeptAnswer, KeyFound, KeyLookup, REMEMBERED, Within};
use crate::base::Unix;
use rusqlite::{Connection, OptionalExtension, Row, params};

/// Answers that are forgotten in one transaction: more than one that is kept makes room for, and less work
/// than anybody has to wait for.
const FORGOTTEN_AT_ONCE: i64 = 256;

/// Keeps an answer, and forgets the oldest of those whose day is over.
pub(super) fn keep(conn: &Connection, kept: &KeptAnswer, now: Unix) -> rusqlite::Result<()> {
    forget(conn, now)?;
    // One whose day is over, by the same key. `REPLACE` would not be in the tally.
    let sql = "DELETE FROM answer WHERE key = ?1";
    conn.prepare_cached(sql)?.execute([&kept.request.key])?;
    let sql = "INSERT INTO answer (key, project, payer, digest, status, media_type,
               location, body, bytes, created_unix_ms)
               VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)";
    let KeptAnswer {
        project,
        payer,
        request,
        answer,
    } = kept;
    let bytes = answer.body.as_ref().map_or(0, String::len) as u64;
    let row = params![
        request.key,
        project.as_str(),
        payer,
        request.digest,
        answer.status,
        answer.media_type,
        answer.location,
        answer.body,
        int(bytes),
        int(now.0)
    ];
    conn.prepare_cached(sql)?.execute(row).map(drop)
}

/// Forgets the oldest answers whose day is over.
pub(super) fn forget(conn: &Connection, now: Unix) -> rusqlite::Result<()> {
    let sql = "DELETE FROM answer WHERE rowid IN (SELECT rowid FROM answer
               WHERE created_unix_ms < ?1 ORDER BY created_unix_ms LIMIT ?2)";
    let since = int(now.0.saturating_sub(REMEMBERED.0));
    conn.prepare_cached(sql)?
        .execute(params![since, FORGOTTEN_AT_ONCE])
        .map(drop)
}

impl LedgerReader {
    /// What is kept under an idempotency key of a project; if nothing, how much else its payer has.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn answer(&self, key: &Within<KeyLookup>) -> Result<KeyFound, OpenError> {
        self.kept(key).map_err(OpenError::sqlite(&self.dir))
    }

    fn kept(&self, key: &Within<KeyLookup>) -> rusqlite::Result<KeyFound> {
        let (project, KeyLookup { key, payer, since }) = (key.project.as_str(), &key.asked);
        let sql = "SELECT digest, status, media_type, location, body FROM answer
                   WHERE key = ?1 AND project = ?2 AND created_unix_ms >= ?3";
        let found = self
            .conn
            .query_row(sql, params![key, project, int(since.0)], answer)
            .optional()?;
        if let Some((digest, answer)) = found {
            return Ok(KeyFound::Answer(digest, answer));
        }
        // Few are over and not forgotten, except after a long rest.
        let sql = "SELECT coalesce(max(tally.keys), 0) - count(answer.key),
                          coalesce(max(tally.bytes), 0) - coalesce(sum(answer.bytes), 0)
                   FROM answer_tally AS tally LEFT JOIN answer
                   ON answer.project = tally.project AND answer.payer = tally.payer
                      AND answer.created_unix_ms < ?3
                   WHERE tally.project = ?1 AND tally.payer = ?2";
        let keys = params![project, payer, int(since.0)];
        self.conn.query_row(sql, keys, |row| {
            Ok(KeyFound::Free {
                keys: uint(row.get(0)?),
                bytes: uint(row.get(1)?),
            })
        })
    }
}

fn answer(row: &Row<'_>) -> rusqlite::Result<(String, Answer)> {
    Ok((
        row.get(0)?,
        Answer {
            status: row.get(1)?,
            media_type: row.get(2)?,
            location: row.get(3)?,
            body: row.get(4)?,
        },
    ))
}

#[cfg(test)]
mod tests;
