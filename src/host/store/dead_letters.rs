//! Dead letters: events that were given up, listed and made pending again.

use super::columns::{int, uint};
use super::error::OpenError;
use super::read::LedgerReader;
use super::schema::{WITH_FAILURES, version};
use crate::api::{DeadLetter, DeadLetterFilter, EndpointTally, Replay, Within};
use crate::base::{ProjectId, SessionId, Unix};
use crate::usage::outbox::Lane;
use rusqlite::{Connection, OptionalExtension, Row, ToSql, params};
use std::sync::Arc;

/// Those of an endpoint behind a place, in the order in which they were made.
pub(super) const DEAD: &str = "FROM outbox WHERE state = 'dead' AND endpoint = ?1 AND rowid > ?2
    ORDER BY rowid LIMIT ?3";
/// One of them.
const ONE: &str = "FROM outbox WHERE state = 'dead' AND endpoint = ?1 AND event_id = ?2";
/// The endpoint, by name, that comes after another and has something in this state.
const NEXT: &str = "SELECT min(endpoint) FROM outbox WHERE state = ";

/// Makes dead letters pending, as if they were new. Answers with the lane of each.
pub(super) fn replay(conn: &Connection, replay: &Replay, now: Unix) -> rusqlite::Result<Vec<Lane>> {
    let sql = "UPDATE outbox SET state = 'pending', attempts = 0, tried_ms = 0, next_unix_ms = ?3
               WHERE event_id = ?1 AND endpoint = ?2 AND state = 'dead' RETURNING session";
    let mut revive = conn.prepare_cached(sql)?;
    let endpoint: Arc<str> = Arc::from(replay.endpoint.as_str());
    let mut lanes = Vec::new();
    for event in &replay.events {
        let keys = params![event, replay.endpoint, int(now.0)];
        let session: Option<String> = revive.query_row(keys, |row| row.get(0)).optional()?;
        lanes.extend(session.map(|session| Lane {
            endpoint: endpoint.clone(),
            session: SessionId::from(session),
        }));
    }
    Ok(lanes)
}

/// Dead letters of a project's endpoint.
///
/// # Errors
/// The file cannot be read.
pub fn dead_letters(
    reader: &LedgerReader,
    of: &Within<DeadLetterFilter>,
) -> Result<Vec<DeadLetter>, OpenError> {
    let run = || -> rusqlite::Result<Vec<DeadLetter>> {
        let filter = &of.asked;
        let endpoint = of.project.endpoint(&filter.endpoint);
        let reason = match version(&reader.conn)? >= WITH_FAILURES {
            true => "last_failure",
            false => "NULL",
        };
        let columns = format!(
            "SELECT rowid, event_id, session, event_seq, type, created_unix_ms, next_unix_ms,
             attempts, last_status, {reason}"
        );
        let select = |part: &str, keys: &[&dyn ToSql]| -> rusqlite::Result<Vec<DeadLetter>> {
            let mut select = reader.conn.prepare_cached(&format!("{columns} {part}"))?;
            select.query_map(keys, letter)?.collect()
        };
        if filter.events.is_empty() {
            return select(DEAD, &[&endpoint, &int(filter.after), &int(filter.limit)]);
        }
        let mut found = Vec::new();
        for event in &filter.events {
            found.extend(select(ONE, &[&endpoint, event])?);
        }
        found.sort_unstable_by_key(|letter| letter.seq);
        Ok(found)
    };
    run().map_err(OpenError::sqlite(&reader.dir))
}

fn letter(row: &Row<'_>) -> rusqlite::Result<DeadLetter> {
    Ok(DeadLetter {
        seq: uint(row.get(0)?),
        event_id: row.get(1)?,
        session: row.get(2)?,
        event_seq: uint(row.get(3)?),
        kind: row.get(4)?,
        created_unix_ms: Unix(uint(row.get(5)?)),
        dead_unix_ms: Unix(uint(row.get(6)?)),
        attempts: row.get(7)?,
        last_status: row.get(8)?,
        reason: row.get(9)?,
    })
}

/// What is pending, and what was given up, for each endpoint of a project for which there is something.
///
/// # Errors
/// The file cannot be read.
pub fn tallies(
    reader: &LedgerReader,
    project: &ProjectId,
) -> Result<Vec<EndpointTally>, OpenError> {
    let run = || -> rusqlite::Result<Vec<EndpointTally>> {
        let mut names = names(&reader.conn, "pending")?;
        names.extend(names_of_dead(reader)?);
        names.sort_unstable();
        names.dedup();
        names.retain(|name| project.owns(name));
        let tally = |full: &String| {
            let name = full.split_once('/').map_or(full.as_str(), |(_, name)| name);
            Ok(EndpointTally {
                name: name.to_owned(),
                pending: count(&reader.conn, full, "pending")?,
                dead_letters: count(&reader.conn, full, "dead")?,
            })
        };
        names.iter().map(tally).collect()
    };
    run().map_err(OpenError::sqlite(&reader.dir))
}

/// Every endpoint that has dead letters, as the node calls it.
///
/// # Errors
/// The file cannot be read.
pub fn endpoints(reader: &LedgerReader) -> Result<Vec<String>, OpenError> {
    names_of_dead(reader).map_err(OpenError::sqlite(&reader.dir))
}

fn names_of_dead(reader: &LedgerReader) -> rusqlite::Result<Vec<String>> {
    names(&reader.conn, "dead")
}

/// Each step goes down the index of rows in this state.
fn names(conn: &Connection, state: &'static str) -> rusqlite::Result<Vec<String>> {
    let sql = format!("{NEXT}'{state}' AND endpoint > ?1");
    let mut next = conn.prepare_cached(&sql)?;
    let (mut found, mut last) = (Vec::new(), String::new());
    while let Some(name) = next.query_row([&last], |row| row.get::<_, Option<String>>(0))? {
        found.push(name.clone());
        last = name;
    }
    Ok(found)
}

fn count(conn: &Connection, endpoint: &str, state: &'static str) -> rusqlite::Result<u64> {
    let sql = format!("SELECT count(*) FROM outbox WHERE state = '{state}' AND endpoint = ?1");
    let count: i64 = conn
        .prepare_cached(&sql)?
        .query_row([endpoint], |row| row.get(0))?;
    Ok(uint(count))
}

#[cfg(test)]
mod tests {
    use super::super::fixture::{Dir, running, soon};
    use super::*;
    use crate::api::Work;
    use crate::host::store::job::Job;
    use crate::usage::ledger::fixture::life;
    use crate::usage::outbox::{Mark, Verdict};

    fn page(endpoint: &str, after: u64, limit: u64) -> Within<DeadLetterFilter> {
        let (project, name) = endpoint.split_once('/').unwrap_or(("default", endpoint));
        let filter = DeadLetterFilter {
            endpoint: name.to_owned(),
            after,
            limit,
            ..DeadLetterFilter::default()
        };
        Within::new(&ProjectId::from(project), filter)
    }

    fn dead(event: &str) -> Job {
        let (endpoint, session) = (Arc::from("app"), SessionId::from("SE_a"));
        Job::Mark(Mark {
            event_id: event.to_owned(),
            lane: Lane { endpoint, session },
            verdict: Verdict::Dead,
            attempts: 12,
            tried: crate::base::Millis(5_000),
            last_status: None,
            last_failure: Some("refused"),
            at_unix_ms: soon().unix,
        })
    }

    #[test]
    fn dead_letters_are_listed_with_their_reason_counted_and_pending_again_after_a_replay() {
        let dir = Dir::new();
        let (store, writer, _) = running(&dir.0);
        let ledger = store.handle();
        let names = ["app", "acme/app"].map(Arc::from).to_vec();
        ledger.send(Job::Endpoints(names)).unwrap();
        for append in life("SE_a") {
            ledger.send(Job::Append(Box::new(append))).unwrap();
        }
        for event in ["evt_a_1", "evt_a_2", "evt_a_5"] {
            ledger.send(dead(event)).unwrap();
        }
        let done = |work| writer.send(work).unwrap().blocking_recv().unwrap();
        done(Work::Flush);
        let reader = || LedgerReader::open(&dir.0).unwrap();
        let ids = |of: &Within<DeadLetterFilter>| -> Vec<String> {
            let found = dead_letters(&reader(), of).unwrap();
            found.into_iter().map(|letter| letter.event_id).collect()
        };
        let found = dead_letters(&reader(), &page("app", 0, 100)).unwrap();
        assert_eq!(ids(&page("app", 0, 100)), ["evt_a_1", "evt_a_2", "evt_a_5"]);
        assert_eq!(ids(&page("app", 0, 2)), ["evt_a_1", "evt_a_2"]);
        assert_eq!(ids(&page("app", found[1].seq, 2)), ["evt_a_5"]);
        assert!(ids(&page("acme/app", 0, 9)).is_empty(), "another project");
        let first = &found[0];
        assert_eq!(
            (first.attempts, first.last_status, first.event_seq),
            (12, None, 1)
        );
        assert_eq!(first.reason.as_deref(), Some("refused"));
        assert_eq!(endpoints(&reader()).unwrap(), ["app"]);
        let tally = |project: &str| tallies(&reader(), &ProjectId::from(project)).unwrap();
        assert_eq!(
            (
                tally("default")[0].pending,
                tally("default")[0].dead_letters
            ),
            (4, 3)
        );
        assert!(tally("acme").is_empty());
        let depth = || ledger.stats().outbox_depth();
        assert_eq!(depth(), 4);
        let events = ["evt_a_5", "evt_a_1", "evt_a_3", "evt_none"];
        let again = Replay {
            endpoint: "app".to_owned(),
            events: events.map(str::to_owned).to_vec(),
        };
        done(Work::Replay(Box::new(again)));
        assert_eq!(ids(&page("app", 0, 100)), ["evt_a_2"]);
        assert_eq!(depth(), 6, "evt_a_3 was pending, and the other is none");
        let sql =
            "SELECT count(*) FROM outbox WHERE state = 'pending' AND attempts = 0 AND tried_ms = 0";
        let fresh: i64 = dir.sqlite().query_row(sql, [], |row| row.get(0)).unwrap();
        assert_eq!(fresh, 6);
        store.close();
    }

    #[test]
    fn dead_letters_of_an_older_ledger_are_listed_without_a_reason() {
        let dir = Dir::new();
        let (store, writer, _) = running(&dir.0);
        let ledger = store.handle();
        ledger.send(Job::Endpoints(vec![Arc::from("app")])).unwrap();
        let first = life("SE_a").remove(0);
        ledger.send(Job::Append(Box::new(first))).unwrap();
        ledger.send(dead("evt_a_1")).unwrap();
        writer.send(Work::Flush).unwrap().blocking_recv().unwrap();
        store.close();
        dir.age(7);
        let found = dead_letters(&LedgerReader::open(&dir.0).unwrap(), &page("app", 0, 9)).unwrap();
        assert_eq!((found.len(), found[0].reason.as_deref()), (1, None));
        drop(running(&dir.0).0);
        let found = dead_letters(&LedgerReader::open(&dir.0).unwrap(), &page("app", 0, 9)).unwrap();
        assert_eq!(found.len(), 1, "brought up to date");
    }
}
