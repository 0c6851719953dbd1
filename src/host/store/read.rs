//! Reads the ledger of a running or stopped node, without its lock and without writing.

use super::columns::{entries, int, uint};
use super::error::OpenError;
use super::schema::{WITH_PROJECTS, WITH_RECORDINGS, open_read_only, version};
use crate::api::{Known, SessionFilter, Within};
use crate::base::{NodeId, SessionId, Unix};
use crate::node::Booking;
use crate::usage::ledger::{ChainPosition, Hash, Labels, Row, SessionRecord, fold, unfold};
use crate::usage::{Checkpoint, Entry};
use rusqlite::{Connection, OptionalExtension, ToSql};
use std::path::{Path, PathBuf};

/// An open ledger, as it was at one moment: what a running node writes meanwhile does not show.
pub struct LedgerReader {
    pub(super) conn: Connection,
    pub(super) dir: PathBuf,
    /// False in a file that no node of this version has written to yet.
    pub(super) has_recordings: bool,
    /// Likewise.
    pub(super) has_projects: bool,
}

impl LedgerReader {
    /// Opens the ledger in `dir`.
    ///
    /// # Errors
    /// There is none, or it cannot be read.
    pub fn open(dir: &Path) -> Result<LedgerReader, OpenError> {
        let conn = open_read_only(dir)?;
        // One read transaction to the end: entries and checkpoints of the same moment.
        conn.execute_batch("BEGIN")
            .map_err(OpenError::sqlite(dir))?;
        let found = version(&conn).map_err(OpenError::sqlite(dir))?;
        Ok(LedgerReader {
            conn,
            dir: dir.to_path_buf(),
            has_recordings: found >= WITH_RECORDINGS,
            has_projects: found >= WITH_PROJECTS,
        })
    }

    /// Calls `each` for every row, oldest epoch first, each chain in its order.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn rows(&self, mut each: impl FnMut(Row)) -> Result<(), OpenError> {
        let mut run = || -> rusqlite::Result<()> {
            let sql =
                "SELECT boot.node, entry.boot_epoch, chain_seq, session, entry_seq, prev_hash,
                       hash, body, kind, at_unix_ms, event_seq FROM entry LEFT JOIN boot ON boot.epoch = entry.boot_epoch
                       ORDER BY entry.boot_epoch, chain_seq";
            let mut select = self.conn.prepare(sql)?;
            let mut rows = select.query([])?;
            while let Some(row) = rows.next()? {
                each(stored(row)?);
            }
            Ok(())
        };
        run().map_err(OpenError::sqlite(&self.dir))
    }

    /// The records of all sessions in the order of their starts, or of one; a live one up to its
    /// checkpoint.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn records(&self, session: Option<&str>) -> Result<Vec<SessionRecord>, OpenError> {
        let run = || -> rusqlite::Result<Vec<SessionRecord>> {
            let sessions: Vec<String> = match session {
                Some(session) => vec![session.to_owned()],
                None => self.started()?,
            };
            sessions
                .iter()
                .map(|session| self.record(session))
                .filter_map(Result::transpose)
                .collect()
        };
        run().map_err(OpenError::sqlite(&self.dir))
    }

    /// All sessions, in the order of their starts.
    fn started(&self) -> rusqlite::Result<Vec<String>> {
        let sql = "SELECT session FROM entry WHERE kind = 'start' ORDER BY boot_epoch, chain_seq";
        let mut select = self.conn.prepare(sql)?;
        select.query_map([], |row| row.get(0))?.collect()
    }

    /// One session of a project: its place in the index, its booking, and its record once it has begun.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn session(&self, session: &Within<SessionId>) -> Result<Option<Known>, OpenError> {
        let sql = "SELECT seq, id, state FROM session WHERE project = ?1 AND id = ?2";
        let (project, id) = (session.project.as_str(), session.asked.as_str());
        let mut found = self.known(sql, &[&project, &id])?;
        Ok(found.pop())
    }

    /// Sessions of a project after a place in the index, in the order in which they were made.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn sessions(&self, page: &Within<(SessionFilter, u64)>) -> Result<Vec<Known>, OpenError> {
        let (filter, limit) = &page.asked;
        let sql = "SELECT seq, id, state FROM session WHERE project = ?1 AND seq > ?2
                   AND (?3 IS NULL OR state = ?3) AND (?4 IS NULL OR room = ?4)
                   AND (?5 IS NULL OR external_ref = ?5) ORDER BY seq LIMIT ?6";
        let keys: [&dyn ToSql; 6] = [
            &page.project.as_str(),
            &int(filter.after),
            &filter.state,
            &filter.room,
            &filter.external_ref,
            &int(*limit),
        ];
        self.known(sql, &keys)
    }

    /// The booking of a project that a request made, with the digest of that request.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn request(&self, key: &Within<String>) -> Result<Option<(String, Booking)>, OpenError> {
        let sql = "SELECT request.digest, booking.body FROM request
                   JOIN booking ON booking.session = request.session
                   JOIN session ON session.id = request.session
                   WHERE session.project = ?1 AND request.key = ?2";
        let keys = [key.project.as_str(), key.asked.as_str()];
        let found = self.conn.query_row(sql, keys, |row| {
            Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?))
        });
        let found = found.optional().map_err(OpenError::sqlite(&self.dir))?;
        Ok(found.and_then(|(digest, body)| {
            let booking = serde_json::from_str(&body).ok()?;
            Some((digest, booking))
        }))
    }

    /// Whose a row of `session` is.
    pub(super) const fn project_column(&self) -> &'static str {
        match self.has_projects {
            true => "coalesce(session.project, 'default')",
            false => "'default'",
        }
    }

    fn known(&self, sql: &str, keys: &[&dyn ToSql]) -> Result<Vec<Known>, OpenError> {
        let run = || -> rusqlite::Result<Vec<Known>> {
            let rows: Vec<(i64, String, String)> = self
                .conn
                .prepare(sql)?
                .query_map(keys, |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?
                .collect::<rusqlite::Result<_>>()?;
            let known = |(seq, id, state): &(i64, String, String)| {
                Ok(Known {
                    seq: uint(*seq),
                    booking: self.booking(id)?,
                    record: match state.as_str() {
                        "scheduled" => None,
                        _ => self.record(id)?,
                    },
                })
            };
            rows.iter().map(known).collect()
        };
        run().map_err(OpenError::sqlite(&self.dir))
    }

    fn booking(&self, session: &str) -> rusqlite::Result<Option<Booking>> {
        let sql = "SELECT body FROM booking WHERE session = ?1";
        let body: Option<String> = self
            .conn
            .prepare_cached(sql)?
            .query_row([session], |row| row.get(0))
            .optional()?;
        Ok(body.and_then(|body| serde_json::from_str(&body).ok()))
    }

    /// Its entries and its checkpoint. A record that cannot be read is left out here; `verify` names it.
    pub(super) fn record(&self, session: &str) -> rusqlite::Result<Option<SessionRecord>> {
        let body: Option<Option<String>> = self
            .conn
            .prepare_cached("SELECT body FROM checkpoint WHERE session = ?1")?
            .query_row([session], |row| row.get(0))
            .optional()?;
        let checkpoint: Option<Checkpoint> = body
            .flatten()
            .and_then(|body| serde_json::from_str(&body).ok());
        let entries: Vec<Entry> = entries(&self.conn, session)?
            .into_iter()
            .filter_map(Result::ok)
            .collect();
        let last = unfold(&entries, checkpoint.as_ref()).ok();
        let Ok(mut record) = fold(entries.first().into_iter().chain(last.as_ref())) else {
            tracing::warn!(
                session,
                "this session cannot be read; `beistand ledger verify` says why"
            );
            return Ok(None);
        };
        if let Some(checkpoint) = checkpoint {
            record.apply_checkpoint(&checkpoint);
        }
        Ok(Some(record))
    }
}

fn labels(row: &rusqlite::Row<'_>) -> rusqlite::Result<Option<Labels>> {
    let kind = serde_json::Value::String(row.get(8)?);
    let at_unix_ms = Unix(uint(row.get(9)?));
    let event_seq = Some(uint(row.get(10)?));
    let kind = serde_json::from_value(kind).ok();
    Ok(kind.map(|kind| Labels {
        kind,
        at_unix_ms,
        event_seq,
    }))
}

/// A row as it lies there: what does not fit its column becomes something that `verify` refuses.
fn stored(row: &rusqlite::Row<'_>) -> rusqlite::Result<Row> {
    let node: Option<String> = row.get(0)?;
    let hash = |bytes: Vec<u8>| Hash::from_slice(&bytes).unwrap_or(Hash([0xff; 32]));
    Ok(Row {
        place: ChainPosition {
            node: NodeId::from(node.unwrap_or_default()),
            boot_epoch: uint(row.get(1)?),
            chain_seq: uint(row.get(2)?),
        },
        session: row.get::<_, Option<String>>(3)?.map(SessionId::from),
        entry_seq: row.get::<_, Option<i64>>(4)?.map(uint),
        labels: labels(row)?,
        prev_hash: hash(row.get(5)?),
        hash: hash(row.get(6)?),
        body: row.get(7)?,
    })
}
