//! A session that nobody will end any more: its room panicked, or its process is gone.

use super::columns::{Newest, parts};
use crate::base::SessionId;
use crate::usage::ledger::{Death, Remains, fold_orphan};
use crate::usage::{Append, Checkpoint, Entry, SessionFacts};
use rusqlite::{Connection, OptionalExtension};

/// What the ledger has of such a session.
pub(super) struct Orphan {
    pub start: Entry,
    pub facts: SessionFacts,
    pub newest: Newest,
    last: Entry,
    checkpoint: Option<Checkpoint>,
}

impl Orphan {
    /// Reads it; the inner error says what of it cannot be read.
    pub fn of(conn: &Connection, session: &SessionId) -> rusqlite::Result<Result<Orphan, String>> {
        let parts = parts(conn, session)?;
        let sql = "SELECT body FROM checkpoint WHERE session = ?1";
        let taken: Option<Option<String>> = conn
            .prepare_cached(sql)?
            .query_row([session.as_str()], |row| row.get(0))
            .optional()?;
        Ok(read(
            (parts.start, parts.last),
            taken.flatten().as_deref(),
            parts.event_seq,
        ))
    }

    /// Its stop entry, from the last certain moment; its process, or its room, died then.
    pub fn stop(&self, death: Option<Death>) -> Append {
        fold_orphan(Remains {
            last: &self.last,
            checkpoint: self.checkpoint.as_ref(),
            facts: &self.facts,
            event_seq: self.newest.event_seq,
            death,
        })
    }
}

fn read(
    (start, last): (Option<String>, Option<String>),
    checkpoint: Option<&str>,
    event_seq: u64,
) -> Result<Orphan, String> {
    let read = |body: Option<String>| -> Result<Entry, String> {
        let body = body.ok_or("it has no entry")?;
        serde_json::from_str(&body).map_err(|error| format!("an entry is unreadable: {error}"))
    };
    let (start, last) = (read(start)?, read(last)?);
    let facts = start.facts.clone().ok_or("its first entry has no facts")?;
    let checkpoint = checkpoint
        .map(serde_json::from_str)
        .transpose()
        .map_err(|error| format!("its checkpoint is unreadable: {error}"))?;
    let newest = Newest {
        entry_seq: last.entry_seq,
        event_seq,
    };
    Ok(Orphan {
        start,
        facts,
        newest,
        last,
        checkpoint,
    })
}
