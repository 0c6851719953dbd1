//! Reads the outbox: what is next in a lane, which lanes there are, whose endpoint is gone.

use super::columns::uint;
use super::job::Lanes;
use crate::base::{Millis, SessionId, Unix};
use crate::usage::outbox::{Lane, OutboxRow};
use rusqlite::{Connection, OptionalExtension, Row};
use std::collections::BTreeSet;
use std::sync::Arc;

/// Lanes that are named in one transaction: a few milliseconds of work.
pub(super) const LANES_AT_ONCE: usize = 1_000;

/// The lane of an endpoint that comes after a session's.
pub(super) const NEXT_LANE: &str = "SELECT session FROM outbox
    WHERE state = 'pending' AND endpoint = ?1 AND session > ?2 ORDER BY session LIMIT 1";
/// The endpoint, by name, that comes after another and has something pending.
pub(super) const REMOVED: &str =
    "SELECT min(endpoint) FROM outbox WHERE state = 'pending' AND endpoint > ?1";

/// The oldest pending row of a lane.
pub(super) fn head(conn: &Connection, lane: &Lane) -> rusqlite::Result<Option<OutboxRow>> {
    let sql = "SELECT event_id, event_seq, type, body, created_unix_ms, attempts, next_unix_ms,
               tried_ms FROM outbox WHERE state = 'pending' AND endpoint = ?1 AND session = ?2
               ORDER BY event_seq LIMIT 1";
    let read = |row: &Row<'_>| {
        Ok(OutboxRow {
            event_id: row.get(0)?,
            lane: lane.clone(),
            event_seq: uint(row.get(1)?),
            kind: row.get(2)?,
            body: row.get(3)?,
            created_unix_ms: Unix(uint(row.get(4)?)),
            attempts: row.get(5)?,
            next_unix_ms: Unix(uint(row.get(6)?)),
            tried: Millis(uint(row.get(7)?)),
        })
    };
    let keys = [lane.endpoint.as_ref(), lane.session.as_str()];
    conn.prepare_cached(sql)?.query_row(keys, read).optional()
}

/// Lanes with something pending for these endpoints that come after `after`, in the order of endpoint and
/// session: so many that the entries of live sessions do not wait for it. Each step goes down the index of
/// pending rows, so it takes no longer for more rows.
pub(super) fn lanes(
    conn: &Connection,
    endpoints: &[Arc<str>],
    after: Option<&Lane>,
) -> rusqlite::Result<Lanes> {
    let mut next = conn.prepare_cached(NEXT_LANE)?;
    let mut lanes = Vec::new();
    for endpoint in endpoints.iter().collect::<BTreeSet<_>>() {
        let mut session = match after {
            Some(after) if after.endpoint > *endpoint => continue,
            Some(after) if after.endpoint == *endpoint => after.session.clone(),
            Some(_) | None => SessionId::from(""),
        };
        loop {
            let keys = [endpoint.as_ref(), session.as_str()];
            let found: Option<String> = next.query_row(keys, |row| row.get(0)).optional()?;
            let Some(found) = found else {
                break;
            };
            session = SessionId::from(found);
            lanes.push(Lane {
                endpoint: endpoint.clone(),
                session: session.clone(),
            });
            if lanes.len() == LANES_AT_ONCE {
                let next = lanes.last().cloned();
                return Ok(Lanes { lanes, next });
            }
        }
    }
    Ok(Lanes { lanes, next: None })
}

/// The first endpoint, by name, that has something pending and is not among these. Each step goes down the
/// index of pending rows, so it takes no longer for more rows.
pub(super) fn removed(
    conn: &Connection,
    configured: &[Arc<str>],
) -> rusqlite::Result<Option<String>> {
    let mut next = conn.prepare_cached(REMOVED)?;
    let mut name = String::new();
    loop {
        let found: Option<String> = next.query_row([&name], |row| row.get(0))?;
        match found {
            Some(found) if configured.iter().any(|known| **known == *found) => name = found,
            other => return Ok(other),
        }
    }
}
