//! One transaction: its rows, and what the writer will believe once it is committed. Nothing here
//! changes the writer's own state, so a transaction that fails leaves no trace.

use super::columns::{Newest, int, json, uint};
use super::job::{Job, StoreReply};
use super::orphan::Orphan;
use super::recordings;
use super::stats::{StoreStats, Tally};
use super::{answers, bookings, dead_letters, outbox};
use crate::api::{Replay, Work};
use crate::base::{NodeId, Now, ProjectId, RecordingNote, SessionId, Unix};
use crate::usage::ledger::{
    BootEntry, ChainHead, ClockEntry, Death, Filed, NoteRefusal, SessionRecord, fold,
};
use crate::usage::outbox::{Mark, Verdict};
use crate::usage::{Append, Checkpoint, Entry, EntryKind};
use rusqlite::{Connection, OptionalExtension, Row, Transaction, params};
use std::collections::BTreeMap;
use std::sync::Arc;

/// What the writer knows of the ledger without reading it.
pub(super) struct Chain {
    pub head: ChainHead,
    pub endpoints: Vec<Arc<str>>,
    /// The open sessions.
    pub sessions: BTreeMap<SessionId, Newest>,
}

/// Rows of a removed endpoint that become dead letters in one transaction: a few milliseconds of work.
const BURIED_AT_ONCE: i64 = 2_000;

/// Kind of the rows that tell of the wall clock.
const CLOCK: &str = "clock";

/// What a committed transaction changed.
pub(super) struct BatchOutcome {
    head: ChainHead,
    /// Set where they changed.
    endpoints: Option<Vec<Arc<str>>>,
    sessions: BTreeMap<SessionId, Option<Newest>>,
    pub replies: Vec<StoreReply>,
    pub tally: Tally,
}

impl Chain {
    /// Takes over what was committed.
    pub fn commit(&mut self, outcome: &mut BatchOutcome) {
        self.head = outcome.head.clone();
        if let Some(endpoints) = outcome.endpoints.take() {
            self.endpoints = endpoints;
        }
        for (session, newest) in std::mem::take(&mut outcome.sessions) {
            match newest {
                Some(newest) => self.sessions.insert(session, newest),
                None => self.sessions.remove(&session),
            };
        }
    }
}

/// A transaction under way.
pub(super) struct Batch<'a> {
    tx: Transaction<'a>,
    chain: &'a Chain,
    now: Now,
    outcome: BatchOutcome,
}

impl<'a> Batch<'a> {
    pub fn begin(conn: &'a mut Connection, chain: &'a Chain, now: Now) -> rusqlite::Result<Self> {
        let outcome = BatchOutcome {
            head: chain.head.clone(),
            endpoints: None,
            sessions: BTreeMap::new(),
            replies: Vec::new(),
            tally: Tally::default(),
        };
        Ok(Batch {
            tx: conn.transaction()?,
            chain,
            now,
            outcome,
        })
    }

    pub fn apply(&mut self, job: &Job) -> rusqlite::Result<()> {
        let reply = match job {
            Job::Append(append) => return self.append(append),
            Job::Abandon { room, session } => StoreReply::Abandoned {
                room: room.clone(),
                session: session.clone(),
                record: self.abandon(session)?.map(Box::new),
            },
            Job::Checkpoints(checkpoints) => StoreReply::CheckpointsStored {
                sessions: self.checkpoints(checkpoints)?,
            },
            Job::Head(lane) => StoreReply::Head {
                lane: lane.clone(),
                row: outbox::head(&self.tx, lane)?,
            },
            Job::Lanes { after } => {
                StoreReply::Lanes(outbox::lanes(&self.tx, self.endpoints(), after.as_ref())?)
            }
            Job::Endpoints(names) => {
                self.outcome.endpoints = Some(names.clone());
                return Ok(());
            }
            Job::Bury => StoreReply::Buried(self.bury()?),
            Job::Mark(mark) => {
                self.mark(mark)?;
                StoreReply::Marked {
                    lane: mark.lane.clone(),
                    event_id: mark.event_id.clone(),
                }
            }
            Job::Write { number, work } => {
                self.work(work)?;
                StoreReply::Written(*number)
            }
            Job::Note { number, note } => StoreReply::Noted {
                number: *number,
                outcome: self.note(note)?,
            },
        };
        self.outcome.replies.push(reply);
        Ok(())
    }

    /// Closes a session whose room panicked, as the next start would.
    fn abandon(&mut self, session: &SessionId) -> rusqlite::Result<Option<SessionRecord>> {
        if self.newest(session).is_none() {
            return Ok(None);
        }
        match Orphan::of(&self.tx, session)? {
            Ok(orphan) => {
                let death = Death {
                    mono: self.now.mono,
                    unix: None,
                };
                let stop = orphan.stop(Some(death));
                self.append(&stop)?;
                Ok(fold([&orphan.start, &stop.entry]).ok())
            }
            Err(why) => {
                tracing::error!(%session, why, "a session whose room panicked cannot be closed");
                Ok(None)
            }
        }
    }

    fn endpoints(&self) -> &[Arc<str>] {
        let staged = self.outcome.endpoints.as_ref();
        staged.unwrap_or(&self.chain.endpoints)
    }

    /// Makes dead letters of the oldest pending rows of one endpoint that is not configured.
    fn bury(&mut self) -> rusqlite::Result<Option<(Arc<str>, u64)>> {
        let Some(removed) = outbox::removed(&self.tx, self.endpoints())? else {
            return Ok(None);
        };
        let sql = "UPDATE outbox SET state = 'dead', next_unix_ms = ?2, last_failure = 'removed' WHERE rowid IN
                   (SELECT rowid FROM outbox WHERE state = 'pending' AND endpoint = ?1 LIMIT ?3)";
        let buried = self.tx.prepare_cached(sql)?.execute(params![
            removed,
            int(self.now.unix.0),
            BURIED_AT_ONCE
        ])?;
        let buried = u64::try_from(buried).unwrap_or(0);
        self.outcome.tally.settled += buried;
        Ok(Some((Arc::from(removed), buried)))
    }

    fn work(&mut self, work: &Work) -> rusqlite::Result<()> {
        match work {
            Work::Flush => Ok(()),
            Work::ClockStep(step_ms) => self.clock(*step_ms),
            Work::Book(booking, request) => {
                bookings::book(&self.tx, booking, request.as_ref(), self.now.unix)
            }
            Work::Rebook(booking) => bookings::rebook(&self.tx, booking),
            Work::Replay(replay) => self.replay(replay),
            Work::Answer(kept) => answers::keep(&self.tx, kept, self.now.unix),
            Work::Close(life) => life.iter().try_for_each(|append| self.append(append)),
        }
    }

    /// Makes dead letters pending again.
    fn replay(&mut self, replay: &Replay) -> rusqlite::Result<()> {
        let lanes = dead_letters::replay(&self.tx, replay, self.now.unix)?;
        self.outcome.tally.queued += lanes.len() as u64;
        self.outcome.replies.push(StoreReply::Replayed(lanes));
        Ok(())
    }

    /// Writes a step of a recording behind the end of its session, unless it may not come now.
    fn note(&mut self, note: &RecordingNote) -> rusqlite::Result<Result<(), NoteRefusal>> {
        if self.newest(note.id.session()).is_some() {
            return Ok(Err(NoteRefusal::Running));
        }
        match recordings::noted(&self.tx, note, self.now.unix)? {
            Ok((append, event_seq)) => self.write(&append, event_seq).map(Ok),
            Err(refusal) => Ok(Err(refusal)),
        }
    }

    pub fn commit(self) -> rusqlite::Result<BatchOutcome> {
        self.tx.commit()?;
        Ok(self.outcome)
    }

    /// Writes the boot entry, first of its chain.
    pub fn boot(&mut self, boot: &BootEntry) -> rusqlite::Result<()> {
        self.tx.execute(
            "INSERT INTO boot (epoch, node, started_unix_ms, version) VALUES (?1, ?2, ?3, ?4)",
            params![
                int(boot.boot_epoch),
                boot.node.as_str(),
                int(boot.at_unix_ms.0),
                boot.version
            ],
        )?;
        let at = boot.at_unix_ms;
        let (body, place) = (
            json(boot)?,
            Columns {
                owner: None,
                kind: "boot",
                at,
                event_seq: 0,
            },
        );
        self.row(&body, &place)
    }

    /// Writes that the wall clock was set.
    fn clock(&mut self, step_ms: i64) -> rusqlite::Result<()> {
        let entry = ClockEntry {
            kind: EntryKind::Clock,
            node: self.chain.head.place.node.clone(),
            at_unix_ms: self.now.unix,
            step_ms,
        };
        let place = Columns {
            owner: None,
            kind: CLOCK,
            at: self.now.unix,
            event_seq: 0,
        };
        self.row(&json(&entry)?, &place)
    }

    /// Writes an entry and its events, unless it does not follow the session's entry before: that is
    /// a defect of ours, and the ledger stays whole.
    pub fn append(&mut self, append: &Append) -> rusqlite::Result<()> {
        let entry = &append.entry;
        let Some(newest) = self.follows(append)? else {
            self.outcome.tally.refused += 1;
            tracing::error!(session = %entry.session, entry_seq = entry.entry_seq, cause = %entry.cause,
                "an entry that does not follow the one before was refused: this session's record ends here");
            return Ok(());
        };
        let over = entry.kind == EntryKind::Stop;
        self.outcome
            .sessions
            .insert(entry.session.clone(), (!over).then_some(newest));
        self.write(append, newest.event_seq)
    }

    fn write(&mut self, append: &Append, event_seq: u64) -> rusqlite::Result<()> {
        let entry = &append.entry;
        self.entry(entry, event_seq)?;
        let project = bookings::project(&self.tx, &entry.session)?;
        for event in &append.events {
            self.outbox((&entry.session, &project), event)?;
        }
        self.outcome.replies.push(StoreReply::Appended {
            session: entry.session.clone(),
            project,
            entry_seq: entry.entry_seq,
            events: append.events.len(),
        });
        Ok(())
    }

    /// The session's newest numbers after `append`; none if it does not follow.
    fn follows(&self, append: &Append) -> rusqlite::Result<Option<Newest>> {
        let entry = &append.entry;
        let known = self.newest(&entry.session);
        let starts = match entry.kind {
            EntryKind::Start => true,
            EntryKind::Transition
            | EntryKind::Interim
            | EntryKind::Consent
            | EntryKind::Recording
            | EntryKind::Stop => false,
            EntryKind::Boot | EntryKind::Clock => return Ok(None),
        };
        let before = known.unwrap_or_default();
        let seq_follows = entry.entry_seq == before.entry_seq + 1 && starts == known.is_none();
        let events = (before.event_seq + 1..).zip(&append.events);
        let events_follow = events.clone().all(|(seq, event)| event.event_seq == seq);
        if !seq_follows || !events_follow || (starts && self.is_known(&entry.session)?) {
            return Ok(None);
        }
        let event_seq = events.last().map_or(before.event_seq, |(seq, _)| seq);
        Ok(Some(Newest {
            entry_seq: entry.entry_seq,
            event_seq,
        }))
    }

    fn newest(&self, session: &SessionId) -> Option<Newest> {
        match self.outcome.sessions.get(session) {
            Some(staged) => *staged,
            None => self.chain.sessions.get(session).copied(),
        }
    }

    fn is_known(&self, session: &SessionId) -> rusqlite::Result<bool> {
        let sql = "SELECT 1 FROM entry WHERE session = ?1 LIMIT 1";
        self.tx.prepare_cached(sql)?.exists([session.as_str()])
    }

    fn entry(&mut self, entry: &Entry, event_seq: u64) -> rusqlite::Result<()> {
        let (kind, after) = match entry.kind {
            EntryKind::Start => ("start", "INSERT INTO checkpoint (session) VALUES (?1)"),
            EntryKind::Stop => ("stop", "DELETE FROM checkpoint WHERE session = ?1"),
            EntryKind::Transition => ("transition", ""),
            EntryKind::Interim => ("interim", ""),
            EntryKind::Consent => ("consent", ""),
            EntryKind::Recording => ("recording", ""),
            EntryKind::Boot => ("boot", ""),
            EntryKind::Clock => (CLOCK, ""),
        };
        let owner = Some((&entry.session, entry.entry_seq));
        self.row(
            &json(&Filed { entry, event_seq })?,
            &Columns {
                owner,
                kind,
                at: entry.at_unix_ms,
                event_seq,
            },
        )?;
        bookings::index(&self.tx, entry)?;
        recordings::index(&self.tx, entry)?;
        if let Some(note) = &entry.recording {
            self.outcome.tally.step(note.step);
        }
        if !after.is_empty() {
            self.tx
                .prepare_cached(after)?
                .execute([entry.session.as_str()])?;
        }
        Ok(())
    }

    fn row(&mut self, body: &str, columns: &Columns<'_>) -> rusqlite::Result<()> {
        let head = self.outcome.head.next(body.as_bytes());
        let sql = "INSERT INTO entry (boot_epoch, chain_seq, session, entry_seq, kind, at_unix_ms,
                   event_seq, prev_hash, hash, body) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)";
        self.tx.prepare_cached(sql)?.execute(params![
            int(head.place.boot_epoch),
            int(head.place.chain_seq),
            columns.owner.map(|(session, _)| session.as_str()),
            columns.owner.map(|(_, entry_seq)| int(entry_seq)),
            columns.kind,
            int(columns.at.0),
            int(columns.event_seq),
            self.outcome.head.hash.0.as_slice(),
            head.hash.0.as_slice(),
            body,
        ])?;
        self.outcome.head = head;
        self.outcome.tally.entries += 1;
        Ok(())
    }

    /// One row for each endpoint of the session's project.
    fn outbox(
        &mut self,
        (session, project): (&SessionId, &ProjectId),
        event: &crate::usage::Event,
    ) -> rusqlite::Result<()> {
        let sql = "INSERT INTO outbox (event_id, endpoint, session, event_seq, type, body,
                   created_unix_ms, state, attempts, next_unix_ms)
                   VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, 'pending', 0, ?7)";
        let mut insert = self.tx.prepare_cached(sql)?;
        let own = |endpoint: &&Arc<str>| project.owns(endpoint);
        let endpoints = self.outcome.endpoints.as_ref();
        for endpoint in endpoints
            .unwrap_or(&self.chain.endpoints)
            .iter()
            .filter(own)
        {
            insert.execute(params![
                event.id,
                endpoint.as_ref(),
                session.as_str(),
                int(event.event_seq),
                event.kind.as_str(),
                event.body,
                int(self.now.unix.0),
            ])?;
            self.outcome.tally.queued += 1;
        }
        Ok(())
    }

    /// Only an open session has a row to update: a checkpoint that comes after the stop entry
    /// brings nothing back to life.
    fn checkpoints(
        &mut self,
        checkpoints: &[Checkpoint],
    ) -> rusqlite::Result<Vec<(SessionId, u64)>> {
        let sql = "UPDATE checkpoint SET body = ?2 WHERE session = ?1";
        let mut update = self.tx.prepare_cached(sql)?;
        let mut stored = Vec::with_capacity(checkpoints.len());
        for checkpoint in checkpoints {
            let session = &checkpoint.facts.session;
            if update.execute(params![session.as_str(), json(checkpoint)?])? > 0 {
                stored.push((session.clone(), checkpoint.number));
                self.outcome.tally.checkpoints += 1;
            }
        }
        Ok(stored)
    }

    fn mark(&mut self, mark: &Mark) -> rusqlite::Result<()> {
        let (state, next, delivered) = match mark.verdict {
            Verdict::Delivered => ("delivered", mark.at_unix_ms, Some(int(mark.at_unix_ms.0))),
            Verdict::Dead => ("dead", mark.at_unix_ms, None),
            Verdict::Retry(next) => ("pending", next, None),
        };
        let sql = "UPDATE outbox SET state = ?3, attempts = ?4, next_unix_ms = ?5,
                   delivered_unix_ms = ?6, last_status = ?7, tried_ms = ?8, last_failure = ?9
                   WHERE event_id = ?1 AND endpoint = ?2 AND state = 'pending'";
        let changed = self.tx.prepare_cached(sql)?.execute(params![
            mark.event_id,
            mark.lane.endpoint.as_ref(),
            state,
            mark.attempts,
            int(next.0),
            delivered,
            mark.last_status,
            int(mark.tried.0),
            mark.last_failure,
        ])?;
        if changed > 0 && state != "pending" {
            self.outcome.tally.settled += 1;
        }
        Ok(())
    }
}

/// The columns of a ledger row beside its place in the chain.
struct Columns<'a> {
    owner: Option<(&'a SessionId, u64)>,
    kind: &'static str,
    at: Unix,
    event_seq: u64,
}

/// Reads how many events are pending and how many sessions are open.
pub(super) fn refresh(conn: &Connection, stats: &StoreStats) -> rusqlite::Result<()> {
    let depth = "SELECT pending FROM outbox_tally";
    stats.set_depth(uint(conn.query_row(depth, [], |row| row.get(0))?));
    let open = "SELECT count(*) FROM checkpoint";
    let open: i64 = conn.query_row(open, [], |row| row.get(0))?;
    stats.set_sessions(usize::try_from(open).unwrap_or(usize::MAX));
    refresh_oldest(conn, stats)
}

/// Looks up the oldest pending row.
pub(super) fn refresh_oldest(conn: &Connection, stats: &StoreStats) -> rusqlite::Result<()> {
    let sql = "SELECT created_unix_ms FROM outbox WHERE state = 'pending'
               ORDER BY created_unix_ms LIMIT 1";
    let oldest: Option<i64> = conn
        .prepare_cached(sql)?
        .query_row([], |row| row.get(0))
        .optional()?;
    stats.set_oldest(oldest.map(uint));
    Ok(())
}

/// The head of the newest chain in the file, with the node that wrote it.
pub(super) fn chain_head(conn: &Connection) -> rusqlite::Result<Option<ChainHead>> {
    let sql = "SELECT boot.node, entry.boot_epoch, entry.chain_seq, entry.hash
               FROM entry JOIN boot ON boot.epoch = entry.boot_epoch
               ORDER BY entry.boot_epoch DESC, entry.chain_seq DESC LIMIT 1";
    let read = |row: &Row<'_>| {
        let node = NodeId::from(row.get::<_, String>(0)?);
        let mut head = ChainHead::genesis(node, uint(row.get(1)?));
        head.place.chain_seq = uint(row.get(2)?);
        head.hash.0 = row.get(3)?;
        Ok(head)
    };
    conn.query_row(sql, [], read).optional()
}
