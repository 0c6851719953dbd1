//! The ledger without its file: the hash chain, the fold of entries into one record per session, and
//! the stop entry that closes what a crash left open. The same fold serves start-up, `beistand usage`,
//! `beistand ledger verify` and the tests.

mod recordings;
mod verify;

#[cfg(test)]
pub(crate) mod fixture;
#[cfg(test)]
mod tests;

pub use recordings::{NoteRefusal, RecordingRecord, Stage, Stages, after_stop};
pub use verify::{Fault, FaultKind, Report, Verifier, verify};

use super::event::event;
use super::{Append, Checkpoint, Entry, EntryKind, Event, EventKind, SessionFacts, Totals};
use crate::base::crypto::{hex, sha256};
use crate::base::{
    EndReason, Identity, Inherited, Millis, NodeId, PauseReason, SessionId, SessionState, Terms,
    Unix,
};
use serde::{Deserialize, Serialize};
use std::fmt;

/// Largest error of a session that a crash cut off while all its sides were heard at least every
/// 250 ms (the contract's second).
pub const CRASH_BOUND: Millis = Millis(1_000);

/// Oldest that the newest checkpoint on disk can be: taken every 400 ms, on its way for at most
/// 250 ms of group commit, and looked for every 50 ms.
const CHECKPOINT_AGE: Millis = Millis(750);

/// Cause of the stop entry of an orphan.
const NODE_LOST: &str = "node_lost";

/// A SHA-256 of the chain; prints and serialises as lower-case hexadecimal.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Hash(pub [u8; 32]);

impl Hash {
    /// What the first row of a chain names as its predecessor.
    pub const GENESIS: Hash = Hash([0; 32]);

    /// The hash in `bytes`, if there are 32.
    pub fn from_slice(bytes: &[u8]) -> Option<Hash> {
        bytes.try_into().ok().map(Hash)
    }
}

impl fmt::Display for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex(&self.0))
    }
}

impl fmt::Debug for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for Hash {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Hash {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Hash, D::Error> {
        let text = String::deserialize(deserializer)?;
        unhex(&text).ok_or_else(|| serde::de::Error::custom("a hash is 64 hexadecimal digits"))
    }
}

fn unhex(text: &str) -> Option<Hash> {
    let digits: Option<Vec<u8>> = text
        .chars()
        .map(|c| c.to_digit(16).and_then(|d| u8::try_from(d).ok()))
        .collect();
    let bytes: Vec<u8> = digits?
        .chunks(2)
        .map(|pair| pair.iter().fold(0, |n, d| n * 16 + d))
        .collect();
    (text.len() == 64)
        .then(|| Hash::from_slice(&bytes))
        .flatten()
}

/// Where a row stands in its chain.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    /// The node that wrote it.
    pub node: NodeId,
    /// Which start of that node, from 1.
    pub boot_epoch: u64,
    /// Gap-free within the epoch, from 1 (the boot entry).
    pub chain_seq: u64,
}

/// The newest row of a chain.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChainHead {
    /// Its place.
    #[serde(flatten)]
    pub place: Place,
    /// Its hash.
    pub hash: Hash,
}

impl ChainHead {
    /// The head after one more row with this `body`.
    #[must_use]
    pub fn next(&self, body: &[u8]) -> ChainHead {
        let place = Place {
            chain_seq: self.place.chain_seq + 1,
            ..self.place.clone()
        };
        let hash = chain_hash(&self.hash, &place, body);
        ChainHead { place, hash }
    }

    /// The head of an epoch that has no row yet.
    pub const fn genesis(node: NodeId, boot_epoch: u64) -> ChainHead {
        ChainHead {
            place: Place {
                node,
                boot_epoch,
                chain_seq: 0,
            },
            hash: Hash::GENESIS,
        }
    }
}

/// The hash of a row: SHA-256 over the previous hash (32 bytes), the node id (length as 4 bytes,
/// then its bytes), `boot_epoch` and `chain_seq` (8 bytes each, big endian), and the body as stored.
pub fn chain_hash(prev: &Hash, place: &Place, body: &[u8]) -> Hash {
    let node = place.node.as_str().as_bytes();
    let node_len = u32::try_from(node.len()).unwrap_or(u32::MAX);
    let mut bytes = Vec::with_capacity(32 + 4 + node.len() + 16 + body.len());
    bytes.extend_from_slice(&prev.0);
    bytes.extend_from_slice(&node_len.to_be_bytes());
    bytes.extend_from_slice(node);
    bytes.extend_from_slice(&place.boot_epoch.to_be_bytes());
    bytes.extend_from_slice(&place.chain_seq.to_be_bytes());
    bytes.extend_from_slice(body);
    Hash(sha256(&bytes))
}

/// First row of each chain. It names the head of the epoch before, which links the epochs: a row
/// cut off the end of an old epoch shows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BootEntry {
    /// Always `boot`.
    pub kind: EntryKind,
    /// The node.
    pub node: NodeId,
    /// Which start of that node, from 1.
    pub boot_epoch: u64,
    /// Wall-clock label of the start.
    pub at_unix_ms: Unix,
    /// Version of the program.
    pub version: String,
    /// The last row of the epoch before; none in the first.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub previous: Option<ChainHead>,
}

/// A ledger row as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// Its place in its chain.
    pub place: Place,
    /// The session; none in a boot row.
    pub session: Option<SessionId>,
    /// The session's sequence number; none in a boot row.
    pub entry_seq: Option<u64>,
    /// The stored hash of the row before.
    pub prev_hash: Hash,
    /// The stored hash of this row.
    pub hash: Hash,
    /// The JSON of an [`Entry`] or a [`BootEntry`].
    pub body: String,
}

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
    /// True where a crash cut it off.
    pub estimated: bool,
    /// Largest possible error of the estimate.
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
        Ok(SessionRecord {
            facts: facts.ok_or(FoldError::NoStart)?,
            started_unix_ms: start.at_unix_ms,
            at_unix_ms: start.at_unix_ms,
            entry_seq: start.entry_seq,
            state: start.state,
            totals: start.totals.clone(),
            terms: start.terms.clone(),
            estimated: start.estimated,
            bound_ms: start.bound_ms,
        })
    }

    /// Takes in a later entry. Totals are cumulative, so one that comes twice, late or not at all
    /// changes nothing; nor does what becomes of a recording after the end.
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
        self.totals.clone_from(&entry.totals);
        self.terms.clone_from(&entry.terms);
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
            self.totals.clone_from(&checkpoint.totals);
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
        | EntryKind::Boot => entry.at_unix_ms,
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
/// error is in the customer's favour, and at most [`CRASH_BOUND`] and what was open when the
/// checkpoint was taken; the totals of a newer entry only lie closer to the truth.
pub fn fold_orphan(
    last: &Entry,
    checkpoint: Option<&Checkpoint>,
    facts: &SessionFacts,
    last_event_seq: u64,
) -> Append {
    let known = known_at(last, Unix(0));
    let mine = (last.entry_seq, last.totals.accrued_ms, known);
    let newer = checkpoint.filter(|checkpoint| is_newer(checkpoint, mine));
    let (at, mut totals, terms) = newer.map_or_else(
        || (last.at_unix_ms, last.totals.clone(), last.terms.clone()),
        |newer| {
            let (totals, terms) = (newer.totals.clone(), newer.terms.clone());
            (newer.settled_unix_ms, totals, terms)
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
        facts: None,
        terms,
        warning: None,
        confirmed_by: None,
        consent: None,
        recording: None,
        estimated: true,
        bound_ms: Some(bound(checkpoint)),
    };
    let events = farewell(facts, &entry, last_event_seq, &present);
    Append { entry, events }
}

fn bound(checkpoint: Option<&Checkpoint>) -> Millis {
    let open = checkpoint.map_or(Millis::ZERO, |taken| taken.open_ms);
    CRASH_BOUND.max(CHECKPOINT_AGE + open)
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
