//! A session that nobody will end any more: its room panicked, or its process is gone.

use super::columns::{Newest, entries, parts};
use crate::base::SessionId;
use crate::usage::ledger::{Death, Remains, fold_orphan, unfold};
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
        let entries = entries(conn, session.as_str())?;
        Ok(read(entries, taken.flatten().as_deref(), parts.event_seq))
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
    entries: Vec<serde_json::Result<Entry>>,
    checkpoint: Option<&str>,
    event_seq: u64,
) -> Result<Orphan, String> {
    let entries: Vec<Entry> = entries
        .into_iter()
        .collect::<Result<_, _>>()
        .map_err(|error| format!("an entry is unreadable: {error}"))?;
    let checkpoint: Option<Checkpoint> = checkpoint
        .map(serde_json::from_str)
        .transpose()
        .map_err(|error| format!("its checkpoint is unreadable: {error}"))?;
    let start = entries.first().cloned().ok_or("it has no entry")?;
    let last = unfold(&entries, checkpoint.as_ref()).map_err(|error| error.to_string())?;
    let facts = start.facts.clone().ok_or("its first entry has no facts")?;
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
