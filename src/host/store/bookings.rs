//! The Sessions API's part of the ledger's file: bookings, the index of all sessions, and which
//! request made which. And the desk at which answers are waited for.

use super::batch::{int, json};
use super::{Job, StoreHandle, StoreReply};
use crate::api::{Request, Work};
use crate::base::{Millis, RecordingNote, Unix};
use crate::node::Booking;
use crate::usage::ledger::NoteRefusal;
use crate::usage::{Entry, EntryKind};
use rusqlite::{Connection, params};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::oneshot;

/// How long it is remembered which request made which booking.
const REMEMBERED: Millis = Millis::from_secs(24 * 3600);
/// Answers that are waited for at once; beyond, a request is refused.
const WAITING: usize = 1_024;

pub(super) fn rebook(conn: &Connection, booking: &Booking) -> rusqlite::Result<()> {
    let sql = "UPDATE booking SET body = ?2 WHERE session = ?1";
    let row = params![booking.session.as_str(), json(booking)?];
    conn.prepare_cached(sql)?.execute(row).map(drop)
}

pub(super) fn book(
    conn: &Connection,
    booking: &Booking,
    request: Option<&Request>,
    now: Unix,
) -> rusqlite::Result<()> {
    // A quick first join may have opened the session already.
    let sql = "INSERT INTO session (id, room, external_ref, state)
               VALUES (?1, ?2, ?3, 'scheduled') ON CONFLICT (id) DO NOTHING";
    conn.prepare_cached(sql)?.execute(params![
        booking.session.as_str(),
        booking.room.as_str(),
        booking.policy.external_ref,
    ])?;
    let sql = "INSERT OR REPLACE INTO booking (session, body) VALUES (?1, ?2)";
    conn.prepare_cached(sql)?
        .execute(params![booking.session.as_str(), json(booking)?])?;
    let sql = "DELETE FROM request WHERE created_unix_ms < ?1";
    conn.prepare_cached(sql)?
        .execute([int(now.0.saturating_sub(REMEMBERED.0))])?;
    let Some(request) = request else {
        return Ok(());
    };
    let sql = "INSERT OR REPLACE INTO request (key, digest, session, created_unix_ms)
               VALUES (?1, ?2, ?3, ?4)";
    conn.prepare_cached(sql)?
        .execute(params![
            request.key,
            request.digest,
            booking.session.as_str(),
            int(now.0)
        ])
        .map(drop)
}

/// Keeps the index of sessions: a session is running from its first entry to its last.
pub(super) fn index(conn: &Connection, entry: &Entry) -> rusqlite::Result<()> {
    let session = entry.session.as_str();
    match (entry.kind, &entry.facts) {
        (EntryKind::Start, Some(facts)) => {
            let sql = "INSERT INTO session (id, room, external_ref, state)
                       VALUES (?1, ?2, ?3, 'running')
                       ON CONFLICT (id) DO UPDATE SET state = 'running'";
            let row = params![session, facts.room.as_str(), facts.external_ref];
            conn.prepare_cached(sql)?.execute(row).map(drop)
        }
        (EntryKind::Stop, _) => {
            let sql = "UPDATE session SET state = 'ended' WHERE id = ?1";
            conn.prepare_cached(sql)?.execute([session]).map(drop)
        }
        (
            EntryKind::Start
            | EntryKind::Transition
            | EntryKind::Interim
            | EntryKind::Consent
            | EntryKind::Recording
            | EntryKind::Boot,
            _,
        ) => Ok(()),
    }
}

/// The bookings that no join has opened yet.
pub(super) fn scheduled(conn: &Connection) -> rusqlite::Result<Vec<Booking>> {
    let sql = "SELECT body FROM booking JOIN session ON session.id = booking.session
               WHERE session.state = 'scheduled' ORDER BY session.seq";
    let bodies: Vec<String> = conn
        .prepare(sql)?
        .query_map([], |row| row.get(0))?
        .collect::<rusqlite::Result<_>>()?;
    let read = |body: &String| match serde_json::from_str(body) {
        Ok(booking) => Some(booking),
        Err(error) => {
            tracing::error!(%error, "a booking cannot be read: it is left as it is");
            None
        }
    };
    Ok(bodies.iter().filter_map(read).collect())
}

/// Where the Sessions API waits until what it wrote is on disk.
#[derive(Clone, Default)]
pub struct Desk(Arc<Mutex<Waiting>>);

#[derive(Default)]
struct Waiting {
    last: u64,
    answers: BTreeMap<u64, Answer>,
}

/// Who waits for what.
enum Answer {
    Done(oneshot::Sender<()>),
    Noted(oneshot::Sender<Result<(), NoteRefusal>>),
}

impl Answer {
    fn is_closed(&self) -> bool {
        match self {
            Answer::Done(answer) => answer.is_closed(),
            Answer::Noted(answer) => answer.is_closed(),
        }
    }
}

impl Desk {
    /// Hands work to the writer. None if its queue is full, or too many wait already; the answer
    /// comes when the work, and all that was sent before it, is on disk.
    pub fn send(&self, store: &StoreHandle, work: Work) -> Option<oneshot::Receiver<()>> {
        let (answer, answered) = oneshot::channel();
        let number = self.number(Answer::Done(answer))?;
        store.send(Job::Desk { number, work }).ok()?;
        Some(answered)
    }

    /// Hands a step of a recording whose session is over to the writer. None if its queue is full, or
    /// too many wait already; the answer comes when the step and its event are on disk, or says why
    /// they are not.
    pub fn note(
        &self,
        store: &StoreHandle,
        note: RecordingNote,
    ) -> Option<oneshot::Receiver<Result<(), NoteRefusal>>> {
        let (answer, answered) = oneshot::channel();
        let number = self.number(Answer::Noted(answer))?;
        let note = Box::new(note);
        store.send(Job::Note { number, note }).ok()?;
        Some(answered)
    }

    fn number(&self, answer: Answer) -> Option<u64> {
        let mut waiting = self.hold();
        waiting.answers.retain(|_, answer| !answer.is_closed());
        if waiting.answers.len() >= WAITING {
            return None;
        }
        waiting.last += 1;
        let number = waiting.last;
        waiting.answers.insert(number, answer);
        Some(number)
    }

    /// The writer tells.
    pub fn handle_reply(&self, reply: &StoreReply) {
        let (number, noted) = match reply {
            StoreReply::Desk(number) => (number, Ok(())),
            StoreReply::Noted { number, outcome } => (number, *outcome),
            StoreReply::Appended { .. }
            | StoreReply::CheckpointsStored { .. }
            | StoreReply::Head { .. }
            | StoreReply::Lanes(_)
            | StoreReply::Marked { .. } => return,
        };
        // Whoever asked may have gone.
        let answer = self.hold().answers.remove(number);
        match answer {
            Some(Answer::Done(answer)) => drop(answer.send(())),
            Some(Answer::Noted(answer)) => drop(answer.send(noted)),
            None => {}
        }
    }

    fn hold(&self) -> MutexGuard<'_, Waiting> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;
