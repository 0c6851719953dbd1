//! The ledger without its file: its chain of hashes, the fold of entries into one record per session, and
//! the stop entry that closes what a crash left open. The same fold serves start-up, `beistand usage`,
//! `beistand ledger verify` and the tests.

mod chain;
mod recordings;
mod seals;
mod verify;

#[cfg(test)]
pub(crate) mod fixture;
#[cfg(test)]
mod tests;

pub use chain::{
    BootEntry, ChainHead, ChainPosition, ClockEntry, Filed, Hash, Labels, Row, chain_hash,
};
pub use recordings::{NoteRefusal, RecordingRecord, Stage, Stages, after_stop};
pub use verify::{Fault, FaultKind, Report, Verifier, verify};

use super::event::event;
use super::{Append, Checkpoint, Entry, EntryKind, Event, EventKind, SessionFacts, Totals};
use crate::base::{
    EndReason, Grants, Identity, Inherited, Millis, Mono, PauseReason, SessionState, Terms, Unix,
};

/// Largest error of a session that a crash cut off while all its sides were heard at least every
/// 250 ms, and machine and disk were in time (the contract's second): a checkpoint is taken every 400 ms,
/// and on its way for at most 250 ms of group commit.
pub const CRASH_BOUND: Millis = Millis(1_000);

/// The last moment at which a process that left sessions open may have lived, by its own clocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Death {
    /// By its monotonic clock.
    pub mono: Mono,
    /// By its wall clock; none if that was set while it ran.
    pub unix: Option<Unix>,
}

/// What is known of a session that nobody will end any more.
#[derive(Clone, Copy, Debug)]
pub struct Remains<'a> {
    /// Its newest entry.
    pub last: &'a Entry,
    /// The newest checkpoint, if there is one.
    pub checkpoint: Option<&'a Checkpoint>,
    /// What it is.
    pub facts: &'a SessionFacts,
    /// Its newest event.
    pub event_seq: u64,
    /// When its process died, or its room; none where nobody knows.
    pub death: Option<Death>,
}

/// Cause of the stop entry of an orphan.
const NODE_LOST: &str = "node_lost";

/// A session as its entries tell it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionRecord {
    /// What is fixed since its start.
    pub facts: SessionFacts,
    /// Wall-clock label of its start.
    pub started_unix_ms: Unix,
    /// Wall-clock label up to which state and totals are known.
    pub at_unix_ms: Unix,
    /// The newest entry.
    pub entry_seq: u64,
    /// Its state.
    pub state: SessionState,
    /// Its totals.
    pub totals: Totals,
    /// Its terms, as they stood.
    pub terms: Option<Terms>,
    /// What was added to its prepaid time, before it began too.
    pub grants: Grants,
    /// True where a crash cut it off.
    pub estimated: bool,
    /// Largest possible error of the estimate; none where it is not known.
    pub bound_ms: Option<Millis>,
}

/// Entries that tell no session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FoldError {
    /// There is none.
    #[error("no entry")]
    Empty,
    /// The first one is no `start` with the session's facts.
    #[error("the first entry is no start entry with the session's facts")]
    NoStart,
}

impl SessionRecord {
    /// The record after the `start` entry alone.
    ///
    /// # Errors
    /// `start` is of another kind, or has no facts.
    pub fn open(start: &Entry) -> Result<SessionRecord, FoldError> {
        let facts = start
            .facts
            .clone()
            .filter(|_| start.kind == EntryKind::Start);
        let facts = facts.ok_or(FoldError::NoStart)?;
        Ok(SessionRecord {
            started_unix_ms: start.at_unix_ms,
            at_unix_ms: start.at_unix_ms,
            entry_seq: start.entry_seq,
            state: start.state,
            totals: start.totals.clone(),
            terms: start.terms.clone(),
            grants: facts.carried.grants.clone(),
            facts,
            estimated: start.estimated,
            bound_ms: start.bound_ms,
        })
    }

    /// Takes in a later entry. Totals are cumulative, so one that comes twice, late or not at all
    /// changes nothing; nor does a step of a recording after the end.
    pub fn apply(&mut self, entry: &Entry) {
        if entry.entry_seq <= self.entry_seq {
            return;
        }
        self.entry_seq = entry.entry_seq;
        if matches!(self.state, SessionState::Ended(_)) {
            return;
        }
        self.at_unix_ms = known_at(entry, self.at_unix_ms);
        self.state = entry.state;
        self.totals.take(&entry.totals, entry.intervals_from);
        if entry.terms.is_some() || entry.intervals_from.is_none() {
            self.terms.clone_from(&entry.terms);
        }
        self.grants.extend(&entry.grants);
        self.estimated = entry.estimated;
        self.bound_ms = entry.bound_ms;
    }

    /// Takes in a checkpoint, if it is newer than the entries so far and the session is not over.
    pub fn apply_checkpoint(&mut self, checkpoint: &Checkpoint) {
        let ended = matches!(self.state, SessionState::Ended(_));
        let mine = (self.entry_seq, self.totals.accrued_ms, self.at_unix_ms);
        if !ended && is_newer(checkpoint, mine) {
            self.at_unix_ms = checkpoint.settled_unix_ms;
            self.state = checkpoint.state;
            self.totals
                .take(&checkpoint.totals, checkpoint.intervals_from);
            self.terms.clone_from(&checkpoint.terms);
        }
    }

    /// What the session that goes on with this one takes over: the clocks of the whole chain, and the
    /// terms as they stood. The time of the outage counts for none of them.
    pub fn inherited(&self) -> Inherited {
        let (carried, totals) = (&self.facts.carried, &self.totals);
        let paused: Millis = totals.paused_ms.values().copied().sum();
        let unanswered = totals.paused_ms.get(&PauseReason::PresenceUnconfirmed);
        let asked = totals.accrued_ms + unanswered.copied().unwrap_or(Millis::ZERO);
        let mut terms = self.terms.clone();
        if let Some(prompt) = terms.as_mut().and_then(|terms| terms.prompt.as_mut()) {
            prompt.due_ms = prompt.due_ms.saturating_sub(asked);
        }
        Inherited {
            used: carried.used_ms + totals.accrued_ms,
            lasted: carried.lasted_ms + totals.accrued_ms + paused,
            terms,
            grants: self.grants.clone(),
        }
    }
}

/// Folds the entries of one session, its `start` first.
///
/// # Errors
/// There is no entry, or the first is no `start`.
pub fn fold<'a>(entries: impl IntoIterator<Item = &'a Entry>) -> Result<SessionRecord, FoldError> {
    let mut entries = entries.into_iter();
    let mut record = SessionRecord::open(entries.next().ok_or(FoldError::Empty)?)?;
    entries.for_each(|entry| record.apply(entry));
    Ok(record)
}

/// The newest entry of a session with its totals and terms whole, from all of its entries. Entries
/// name people as they change and have place: the checkpoint says more of the others.
///
/// # Errors
/// There is no entry.
pub fn unfold(entries: &[Entry], checkpoint: Option<&Checkpoint>) -> Result<Entry, FoldError> {
    let mut last = entries.last().ok_or(FoldError::Empty)?.clone();
    let mut totals = Totals::default();
    let (mut terms, mut grants) = (None, Grants::default());
    let mut taken = checkpoint;
    for entry in entries {
        grants.extend(&entry.grants);
        if let Some(before) = taken.take_if(|taken| taken.entry_seq < entry.entry_seq) {
            totals
                .participants
                .extend(before.totals.participants.clone());
        }
        totals.take(&entry.totals, entry.intervals_from);
        if entry.terms.is_some() || entry.intervals_from.is_none() {
            terms.clone_from(&entry.terms);
        }
    }
    if let Some(now) = taken.filter(|_| last.intervals_from.is_some()) {
        totals.participants.extend(now.totals.participants.clone());
    }
    last.totals = totals;
    (last.terms, last.grants) = (terms, grants);
    last.intervals_from = None;
    Ok(last)
}

/// Up to when an entry's totals are known. One that was written at once speaks of a later moment.
fn known_at(entry: &Entry, before: Unix) -> Unix {
    match entry.kind {
        EntryKind::Consent | EntryKind::Recording => {
            let last = entry.totals.intervals.last();
            last.map_or(before, |interval| interval.end_unix_ms.max(before))
        }
        EntryKind::Start
        | EntryKind::Transition
        | EntryKind::Interim
        | EntryKind::Stop
        | EntryKind::Boot
        | EntryKind::Clock => entry.at_unix_ms,
    }
}

/// By `entry_seq`, then by what accrued, then by the moment that it speaks of.
fn is_newer(checkpoint: &Checkpoint, than: (u64, Millis, Unix)) -> bool {
    let key = (
        checkpoint.entry_seq,
        checkpoint.totals.accrued_ms,
        checkpoint.settled_unix_ms,
    );
    key > than
}

/// The stop entry of a session whose node crashed, and its events: `participant.left` for everyone
/// who was present, then `session.ended`. The totals are those of the last certain moment, so the
/// error is in the customer's favour, and at most the time from there to the death of the process; the
/// totals of a newer entry only lie closer to the truth. The last entry is whole: see [`unfold`].
pub fn fold_orphan(remains: Remains<'_>) -> Append {
    let Remains {
        last,
        checkpoint,
        facts,
        event_seq,
        death,
    } = remains;
    let known = known_at(last, Unix(0));
    let mine = (last.entry_seq, last.totals.accrued_ms, known);
    let newer = checkpoint.filter(|checkpoint| is_newer(checkpoint, mine));
    let (at, mut totals, terms) = newer.map_or_else(
        || (last.at_unix_ms, last.totals.clone(), last.terms.clone()),
        |newer| {
            let mut totals = last.totals.clone();
            totals.take(&newer.totals, newer.intervals_from);
            (newer.settled_unix_ms, totals, newer.terms.clone())
        },
    );
    let present: Vec<Identity> = totals
        .participants
        .iter()
        .filter(|(_, p)| p.present)
        .map(|(id, _)| id.clone())
        .collect();
    totals
        .participants
        .values_mut()
        .for_each(|participant| participant.present = false);
    let entry = Entry {
        session: facts.session.clone(),
        entry_seq: last.entry_seq + 1,
        kind: EntryKind::Stop,
        cause: NODE_LOST.to_owned(),
        at_unix_ms: at.max(last.at_unix_ms),
        state: SessionState::Ended(EndReason::NodeLost),
        totals,
        intervals_from: None,
        facts: None,
        terms,
        warning: None,
        confirmed_by: None,
        grants: last.grants.clone(),
        consent: None,
        recording: None,
        estimated: true,
        bound_ms: death.and_then(|death| bound(last, checkpoint, death)),
    };
    let events = farewell(facts, &entry, event_seq, &present);
    Append { entry, events }
}

/// What may have been delivered and is on no disk: by the checkpoint, by the entry, or by whichever says
/// less.
fn bound(last: &Entry, checkpoint: Option<&Checkpoint>, death: Death) -> Option<Millis> {
    let taken = checkpoint.and_then(|checkpoint| {
        let since = death.mono.since(checkpoint.taken?);
        Some(since + checkpoint.open_ms)
    });
    let known = Some(known_at(last, Unix(0))).filter(|known| known.0 > 0);
    let written = death
        .unix
        .zip(known)
        .map(|(unix, known)| Millis(unix.0.saturating_sub(known.0)));
    let unknown = taken.into_iter().chain(written).min()?;
    Some(CRASH_BOUND.max(unknown))
}

fn farewell(
    facts: &SessionFacts,
    entry: &Entry,
    last_event_seq: u64,
    present: &[Identity],
) -> Vec<Event> {
    let left = present
        .iter()
        .map(|identity| (EventKind::ParticipantLeft, Some(identity)));
    (last_event_seq + 1..)
        .zip(left.chain([(EventKind::SessionEnded, None)]))
        .map(|(event_seq, (kind, participant))| event(facts, kind, event_seq, entry, participant))
        .collect()
}
