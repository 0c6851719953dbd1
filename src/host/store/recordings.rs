//! The recordings' part of the ledger's file: a table that follows from the entries, written with them,
//! and what is read of it.

use super::columns::{int, json, parts, uint};
use super::error::OpenError;
use super::read::LedgerReader;
use crate::base::{
    Consent, ProjectId, Purpose, RecordingId, RecordingNote, RecordingStep, RoomKey, RoomName,
    SessionId, Unix,
};
use crate::session::Policy;
use crate::usage::ledger::{NoteRefusal, RecordingRecord, SessionRecord, Stage, after_stop};
use crate::usage::{Append, Entry, EntryKind, SessionFacts};
use rusqlite::{Connection, OptionalExtension, Row, ToSql, params};

/// Keeps the table: a note moves its recording, the end of a session is the end of what it recorded.
pub(super) fn index(conn: &Connection, entry: &Entry) -> rusqlite::Result<()> {
    if entry.kind == EntryKind::Stop {
        return on_stop(conn, &entry.session, entry.at_unix_ms);
    }
    match &entry.recording {
        Some(note) => on_note(conn, note, entry.at_unix_ms),
        None => Ok(()),
    }
}

/// From here on it is known when they are deleted, whatever becomes of them until then.
fn on_stop(conn: &Connection, session: &SessionId, at: Unix) -> rusqlite::Result<()> {
    let sql = "UPDATE recording SET ended_unix_ms = ?2,
               stopped_unix_ms = coalesce(stopped_unix_ms, ?2) WHERE session = ?1";
    let row = params![session.as_str(), int(at.0)];
    if conn.prepare_cached(sql)?.execute(row)? == 0 {
        return Ok(());
    }
    let start = parts(conn, session)?.start;
    let start = start.and_then(|body| serde_json::from_str::<Entry>(&body).ok());
    let facts = start.and_then(|start| start.facts);
    for purpose in Purpose::ALL {
        let expires = expires(facts.as_ref(), at, purpose);
        let sql = "UPDATE recording SET expires_unix_ms = ?3 WHERE session = ?1 AND purpose = ?2";
        let expires = expires.map(|at| int(at.0));
        let row = params![session.as_str(), purpose.as_str(), expires];
        conn.prepare_cached(sql)?.execute(row)?;
    }
    Ok(())
}

/// When a recording of a session that ended then is deleted; none: it is kept. As the session's own
/// policy says, and where that cannot be read, as the default does.
pub(in crate::host) fn expires(
    facts: Option<&SessionFacts>,
    ended: Unix,
    purpose: Purpose,
) -> Option<Unix> {
    let policy = facts.and_then(|facts| facts.carried.policy.clone());
    let policy: Policy = policy
        .and_then(|policy| serde_json::from_value(policy).ok())
        .unwrap_or_default();
    let kept = policy.recording.retention(purpose)?;
    Some(Unix(ended.0.saturating_add(kept.0)))
}

fn on_note(conn: &Connection, note: &RecordingNote, at: Unix) -> rusqlite::Result<()> {
    let id = note.id.to_string();
    let found = stage(conn, &note.id)?;
    let (before, over) = found.map_or((None, false), |(stage, over)| (Some(stage), over));
    let Some(stage) = Stage::after(before, note.step, over) else {
        tracing::error!(recording = %id, step = note.step.as_str(),
            "a step of a recording that cannot follow is in the ledger: the table is left as it was");
        return Ok(());
    };
    if note.step == RecordingStep::Started {
        let sql =
            "INSERT INTO recording (id, session, purpose, stage, started_unix_ms, changed_unix_ms)
                   VALUES (?1, ?2, ?3, ?4, ?5, ?5) ON CONFLICT (id) DO UPDATE SET
                   stage = ?4, changed_unix_ms = ?5, stopped_unix_ms = NULL, reason = NULL";
        let (session, purpose) = (note.id.session().as_str(), note.id.purpose().as_str());
        let row = params![id, session, purpose, stage.as_str(), int(at.0)];
        return conn.prepare_cached(sql)?.execute(row).map(drop);
    }
    let result = note.result.as_ref();
    let expires = result.and_then(|result| result.expires_unix_ms);
    let sql = "UPDATE recording SET stage = ?2, changed_unix_ms = ?3,
               stopped_unix_ms = coalesce(stopped_unix_ms, ?3), reason = coalesce(?4, reason),
               result = coalesce(?5, result), expires_unix_ms = coalesce(?6, expires_unix_ms)
               WHERE id = ?1";
    let row = params![
        id,
        stage.as_str(),
        int(at.0),
        note.reason,
        result.map(json).transpose()?,
        expires.map(|at| int(at.0)),
    ];
    conn.prepare_cached(sql)?.execute(row).map(drop)
}

/// Where a recording stands, and whether its session is over.
fn stage(conn: &Connection, id: &RecordingId) -> rusqlite::Result<Option<(Stage, bool)>> {
    let sql = "SELECT stage, ended_unix_ms IS NOT NULL FROM recording WHERE id = ?1";
    let found: Option<(String, bool)> = conn
        .prepare_cached(sql)?
        .query_row([id.to_string()], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    Ok(found.and_then(|(word, over)| Some((Stage::parse(&word)?, over))))
}

/// The newest entry of a session.
fn newest(conn: &Connection, session: &SessionId) -> rusqlite::Result<Option<String>> {
    let sql = "SELECT body FROM entry WHERE session = ?1 ORDER BY entry_seq DESC LIMIT 1";
    conn.prepare_cached(sql)?
        .query_row([session.as_str()], |row| row.get(0))
        .optional()
}

/// The entry of a step after the end of its session, and the number of its newest event; or why not.
pub(super) fn noted(
    conn: &Connection,
    note: &RecordingNote,
    now: Unix,
) -> rusqlite::Result<Result<(Append, u64), NoteRefusal>> {
    let Some((before, _)) = stage(conn, &note.id)? else {
        return Ok(Err(NoteRefusal::Unknown));
    };
    if Stage::after(Some(before), note.step, true).is_none() {
        return Ok(Err(NoteRefusal::Order(before)));
    }
    let parts = parts(conn, note.id.session())?;
    let read = |body: Option<String>| serde_json::from_str::<Entry>(&body?).ok();
    let start = read(parts.start).and_then(|start| start.facts);
    let (Some(facts), Some(last)) = (start, read(newest(conn, note.id.session())?)) else {
        return Ok(Err(NoteRefusal::Unreadable));
    };
    let append = after_stop(&facts, &last, parts.event_seq, note.clone(), now);
    let newest = append.events.last().map(|event| event.event_seq);
    Ok(Ok((append, newest.unwrap_or(parts.event_seq))))
}

/// Which recordings are listed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RecordingQuery {
    /// Of this project; none: of all, as the node itself and its operator see them.
    pub project: Option<ProjectId>,
    /// After this place in the order in which they first started.
    pub after: u64,
    /// Of this session.
    pub session: Option<SessionId>,
    /// Of this room.
    pub room: Option<RoomName>,
    /// For this purpose.
    pub purpose: Option<Purpose>,
    /// That stand so: a word of [`RecordingRecord::state`].
    pub state: Option<String>,
}

const COLUMNS: &str = "SELECT recording.id, recording.seq, coalesce(session.room, ''),
    session.external_ref, stage, started_unix_ms, stopped_unix_ms, changed_unix_ms, ended_unix_ms,
    expires_unix_ms, reason, result";

const SOURCE: &str = "FROM recording LEFT JOIN session ON session.id = recording.session";

/// The state that the world is told, as [`RecordingRecord::state`] has it.
const STATE: &str = "CASE WHEN stage IN ('recording', 'stopped', 'broken') THEN
    CASE WHEN ended_unix_ms IS NOT NULL THEN 'finishing'
         WHEN stage = 'broken' THEN 'failed' ELSE stage END ELSE stage END";

impl LedgerReader {
    /// Recordings in the order in which they first started.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn recordings(
        &self,
        filter: &RecordingQuery,
        limit: u64,
    ) -> Result<Vec<RecordingRecord>, OpenError> {
        let rest = format!(
            "WHERE recording.seq > ?1 AND (?2 IS NULL OR recording.session = ?2)
             AND (?3 IS NULL OR session.room = ?3) AND (?4 IS NULL OR purpose = ?4)
             AND (?5 IS NULL OR {STATE} = ?5) AND (?6 IS NULL OR {project} = ?6)
             ORDER BY recording.seq LIMIT ?7",
            project = self.project_column(),
        );
        let keys: [&dyn ToSql; 7] = [
            &int(filter.after),
            &filter.session.as_ref().map(SessionId::as_str),
            &filter.room.as_ref().map(RoomName::as_str),
            &filter.purpose.map(Purpose::as_str),
            &filter.state,
            &filter.project.as_ref().map(ProjectId::as_str),
            &int(limit),
        ];
        self.select(&rest, &keys)
    }

    /// One recording.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn recording(&self, id: &RecordingId) -> Result<Option<RecordingRecord>, OpenError> {
        let mut found = self.select("WHERE recording.id = ?1", &[&id.to_string()])?;
        Ok(found.pop())
    }

    /// How many recordings stand so, in the words of [`RecordingRecord::state`]; those that are
    /// deleted are not counted.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn recording_counts(&self) -> Result<Vec<(String, u64)>, OpenError> {
        let run = || -> rusqlite::Result<Vec<(String, u64)>> {
            if !self.has_recordings {
                return Ok(Vec::new());
            }
            let sql = format!(
                "SELECT {STATE} AS state, count(*) FROM recording
                 WHERE stage <> 'deleted' GROUP BY state"
            );
            self.conn
                .prepare_cached(&sql)?
                .query_map([], |row| Ok((row.get(0)?, uint(row.get(1)?))))?
                .collect()
        };
        run().map_err(OpenError::sqlite(&self.dir))
    }

    /// What is left to finish, the oldest end first: the session is over, and the files are neither
    /// made nor given up. So they are found again after a crash.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn unfinished(&self) -> Result<Vec<RecordingRecord>, OpenError> {
        let rest = "WHERE stage IN ('recording', 'stopped', 'broken')
                    AND ended_unix_ms IS NOT NULL ORDER BY ended_unix_ms, recording.seq";
        self.select(rest, &[])
    }

    /// Recordings whose time has come by `now`, the oldest first: those that are finished, those that
    /// failed, and those that are still to be finished.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn due(&self, now: Unix) -> Result<Vec<RecordingRecord>, OpenError> {
        let rest = "WHERE stage <> 'deleted' AND expires_unix_ms <= ?1
                    ORDER BY expires_unix_ms, recording.seq";
        self.select(rest, &[&int(now.0)])
    }

    /// What was said in a session about being recorded, in its order, and when.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn consents(&self, session: &SessionId) -> Result<Vec<(Unix, Consent)>, OpenError> {
        let run = || -> rusqlite::Result<Vec<(Unix, Consent)>> {
            let sql = "SELECT body FROM entry WHERE session = ?1 AND kind = 'consent'
                       ORDER BY entry_seq";
            let bodies: Vec<String> = self
                .conn
                .prepare_cached(sql)?
                .query_map([session.as_str()], |row| row.get(0))?
                .collect::<rusqlite::Result<_>>()?;
            let read = |body: &String| {
                let entry: Entry = serde_json::from_str(body).ok()?;
                Some((entry.at_unix_ms, entry.consent?))
            };
            Ok(bodies.iter().filter_map(read).collect())
        };
        run().map_err(OpenError::sqlite(&self.dir))
    }

    /// What is known of a session: room and reference in its facts, and, once it is over, the moment and
    /// the reason of its end in `at_unix_ms` and `state`.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn record_of(&self, session: &SessionId) -> Result<Option<SessionRecord>, OpenError> {
        self.record(session.as_str())
            .map_err(OpenError::sqlite(&self.dir))
    }

    fn select(&self, rest: &str, keys: &[&dyn ToSql]) -> Result<Vec<RecordingRecord>, OpenError> {
        let run = || -> rusqlite::Result<Vec<RecordingRecord>> {
            if !self.has_recordings {
                return Ok(Vec::new());
            }
            let project = self.project_column();
            let found: Vec<Option<RecordingRecord>> = self
                .conn
                .prepare_cached(&format!("{COLUMNS}, {project} {SOURCE} {rest}"))?
                .query_map(keys, record)?
                .collect::<rusqlite::Result<_>>()?;
            Ok(found.into_iter().flatten().collect())
        };
        run().map_err(OpenError::sqlite(&self.dir))
    }
}

/// A row of the table; none where someone wrote what is no recording.
fn record(row: &Row<'_>) -> rusqlite::Result<Option<RecordingRecord>> {
    let at = |index: usize| -> rusqlite::Result<Option<Unix>> {
        let found: Option<i64> = row.get(index)?;
        Ok(found.map(|at| Unix(uint(at))))
    };
    let id = RecordingId::parse(&row.get::<_, String>(0)?);
    let stage = Stage::parse(&row.get::<_, String>(4)?);
    let (Some(id), Some(stage)) = (id, stage) else {
        return Ok(None);
    };
    let result: Option<String> = row.get(11)?;
    Ok(Some(RecordingRecord {
        id,
        seq: uint(row.get(1)?),
        room: RoomKey {
            name: RoomName::from(row.get::<_, String>(2)?),
            project: ProjectId::from(row.get::<_, String>(12)?.as_str()),
        },
        external_ref: row.get(3)?,
        stage,
        started_unix_ms: at(5)?.unwrap_or_default(),
        stopped_unix_ms: at(6)?,
        changed_unix_ms: at(7)?.unwrap_or_default(),
        ended_unix_ms: at(8)?,
        expires_unix_ms: at(9)?,
        reason: row.get(10)?,
        result: result.and_then(|body| serde_json::from_str(&body).ok()),
    }))
}

#[cfg(test)]
mod tests;
