//! The Sessions API's part of the ledger's file: bookings, the index of all sessions, and which
//! request made which.

use super::answers;
use super::columns::{int, json};
use crate::api::{REMEMBERED, Request};
use crate::base::{ProjectId, SessionId, SessionState, Unix};
use crate::node::Booking;
use crate::usage::{Entry, EntryKind};
use rusqlite::{Connection, OptionalExtension, params};

/// The bookings that no join has opened yet.
pub(super) const SCHEDULED: &str = "SELECT body FROM session
    JOIN booking ON booking.session = session.id WHERE session.state = 'scheduled' ORDER BY session.seq";

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
    let sql = "INSERT INTO session (id, room, external_ref, state, project)
               VALUES (?1, ?2, ?3, 'scheduled', ?4) ON CONFLICT (id) DO NOTHING";
    conn.prepare_cached(sql)?.execute(params![
        booking.session.as_str(),
        booking.room.name.as_str(),
        booking.policy.external_ref,
        booking.room.project.as_str(),
    ])?;
    let sql = "INSERT OR REPLACE INTO booking (session, body) VALUES (?1, ?2)";
    conn.prepare_cached(sql)?
        .execute(params![booking.session.as_str(), json(booking)?])?;
    let sql = "DELETE FROM request WHERE created_unix_ms < ?1";
    conn.prepare_cached(sql)?
        .execute([int(now.0.saturating_sub(REMEMBERED.0))])?;
    answers::forget(conn, now)?;
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
            if let Some(continued) = &facts.continues {
                let sql = "UPDATE session SET cut_unix_ms = NULL WHERE id = ?1";
                conn.prepare_cached(sql)?.execute([continued.as_str()])?;
            }
            let sql = "INSERT INTO session (id, room, external_ref, state, project)
                       VALUES (?1, ?2, ?3, 'running', ?4)
                       ON CONFLICT (id) DO UPDATE SET state = 'running'";
            let (room, project) = (facts.room.name.as_str(), facts.room.project.as_str());
            let row = params![session, room, facts.external_ref, project];
            conn.prepare_cached(sql)?.execute(row).map(drop)
        }
        (EntryKind::Stop, _) => {
            let of_node = matches!(entry.state, SessionState::Ended(reason) if reason.is_of_node());
            let cut = of_node.then_some(int(entry.at_unix_ms.0));
            let sql = "UPDATE session SET state = 'ended', cut_unix_ms = ?2 WHERE id = ?1";
            conn.prepare_cached(sql)?
                .execute(params![session, cut])
                .map(drop)
        }
        (
            EntryKind::Start
            | EntryKind::Transition
            | EntryKind::Interim
            | EntryKind::Consent
            | EntryKind::Recording
            | EntryKind::Boot
            | EntryKind::Clock,
            _,
        ) => Ok(()),
    }
}

/// Whose a session is.
pub(super) fn project(conn: &Connection, session: &SessionId) -> rusqlite::Result<ProjectId> {
    let sql = "SELECT project FROM session WHERE id = ?1";
    let found: Option<String> = conn
        .prepare_cached(sql)?
        .query_row([session.as_str()], |row| row.get(0))
        .optional()?;
    Ok(found.map_or_else(ProjectId::default, |name| ProjectId::from(name.as_str())))
}

/// The bookings that no join has opened yet.
pub(super) fn scheduled(conn: &Connection) -> rusqlite::Result<Vec<Booking>> {
    let bodies: Vec<String> = conn
        .prepare(SCHEDULED)?
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

#[cfg(test)]
mod tests;
