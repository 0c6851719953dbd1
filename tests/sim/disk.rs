//! The disk of a node, and the writer before it: what is durable when, and what is told of it.

use crate::scenario::{MS, Micros, SEC, Trouble};
use crate::shown::Claim;
use beistand::base::{Rng, SessionId};
use beistand::usage::{Append, Checkpoint, Entry, Event, Stored};
use std::collections::{BTreeMap, VecDeque};

/// From queueing to durability at most 250 ms: a group gathers, and is written.
const GATHER: Micros = 120 * MS;
const WRITE: Micros = 100 * MS;
/// How often a full disk is tried again.
const RETRY: Micros = SEC;
/// The worker hears of a commit within this time.
const NEWS: Micros = 20 * MS;

/// The disk.
#[derive(Default)]
pub struct Disk {
    pub entries: BTreeMap<SessionId, Vec<Entry>>,
    pub events: BTreeMap<SessionId, Vec<Event>>,
    pub checkpoints: BTreeMap<SessionId, Checkpoint>,
    /// What each row, as it came to the disk, says of the billed clock.
    pub claims: BTreeMap<SessionId, Vec<Claim>>,
}

pub enum Write {
    Append(Box<Append>),
    Checkpoint(Box<Checkpoint>),
}

impl Disk {
    /// Takes a row in; answers what is on disk of its session by it.
    pub fn apply(&mut self, write: Write, now: Micros) -> (SessionId, Stored) {
        let (session, mut claim, stored) = match write {
            Write::Append(append) => {
                let Append { entry, events } = *append;
                let session = entry.session.clone();
                let claim = Claim::of_entry(&entry, now);
                let stored = Stored::entry(entry.entry_seq);
                let all = self.events.entry(session.clone()).or_default();
                all.extend(events);
                self.entries.entry(session.clone()).or_default().push(entry);
                (session, claim, stored)
            }
            Write::Checkpoint(checkpoint) => {
                let session = checkpoint.facts.session.clone();
                let known = self.entries.get(&session).map_or(0, Vec::len) as u64;
                assert!(
                    checkpoint.entry_seq <= known,
                    "a checkpoint counts on entries that are not on disk"
                );
                let claim = Claim::of_checkpoint(&checkpoint, now);
                let stored = Stored::checkpoint(checkpoint.number);
                self.checkpoints.insert(session.clone(), *checkpoint);
                (session, claim, stored)
            }
        };
        let claims = self.claims.entry(session.clone()).or_default();
        claim.inherit(claims.last());
        claims.push(claim);
        (session, stored)
    }
}

/// Group commit: what is queued is gathered, then written; only then it is on disk.
#[derive(Default)]
pub struct Store {
    pub queue: VecDeque<Write>,
    /// How many of the queue are being written, and when that is done.
    writing: Option<(usize, Micros)>,
    /// When the next group starts.
    start: Option<Micros>,
    /// What came to the disk, folded for each session, and when the worker hears of it.
    news: BTreeMap<SessionId, Stored>,
    told_at: Option<Micros>,
}

impl Store {
    pub fn push(&mut self, write: Write, now: Micros, rng: &mut Rng) {
        self.queue.push_back(write);
        if self.writing.is_none() && self.start.is_none() {
            self.start = Some(now + rng.below(GATHER));
        }
    }

    pub fn wake(&self) -> Option<Micros> {
        let written = self.writing.map(|(_, done)| done).or(self.start);
        [written, self.told_at].into_iter().flatten().min()
    }

    /// What the worker hears now of what is on disk.
    pub fn take_news(&mut self, now: Micros) -> BTreeMap<SessionId, Stored> {
        if self.told_at.is_none_or(|at| now < at) {
            return BTreeMap::new();
        }
        self.told_at = None;
        std::mem::take(&mut self.news)
    }

    /// A full disk: the newest checkpoint of a session is enough, and comes after the entries.
    fn coalesce(&mut self) {
        let mut newest = BTreeMap::new();
        for write in std::mem::take(&mut self.queue) {
            match write {
                Write::Append(_) => self.queue.push_back(write),
                Write::Checkpoint(checkpoint) => {
                    newest.insert(checkpoint.facts.session.clone(), checkpoint);
                }
            }
        }
        let newest = newest.into_values().map(Write::Checkpoint);
        self.queue.extend(newest);
    }

    pub fn step(
        &mut self,
        now: Micros,
        trouble: Option<Trouble>,
        (disk, rng): (&mut Disk, &mut Rng),
    ) {
        if let Some((count, done)) = self.writing
            && done <= now
        {
            self.writing = None;
            if trouble == Some(Trouble::Full) {
                self.coalesce();
                self.start = Some(now + RETRY);
            } else {
                for write in self.queue.drain(..count) {
                    let (session, stored) = disk.apply(write, now);
                    let known = self.news.entry(session).or_default();
                    *known = known.with(stored);
                }
                self.told_at.get_or_insert(now + rng.below(NEWS));
                // What came meanwhile has waited already: it goes at once.
                self.start = (!self.queue.is_empty()).then_some(now);
            }
        }
        if self.writing.is_none() && self.start.is_some_and(|start| start <= now) {
            let takes = match trouble {
                Some(Trouble::Slow(takes)) => takes,
                Some(Trouble::Full) | None => rng.below(WRITE),
            };
            self.start = None;
            self.writing = Some((self.queue.len(), now + takes));
        }
    }

    /// The machine stops: what was not written is lost; a write on its way may have made it.
    pub fn crash(
        self,
        (now, trouble): (Micros, Option<Trouble>),
        (disk, rng): (&mut Disk, &mut Rng),
    ) {
        if let Some((count, _)) = self.writing
            && trouble != Some(Trouble::Full)
            && rng.below(2) == 0
        {
            self.queue.into_iter().take(count).for_each(|write| {
                disk.apply(write, now);
            });
        }
    }

    /// All that is queued comes to the disk.
    pub fn flush(self, now: Micros, disk: &mut Disk) {
        self.queue.into_iter().for_each(|write| {
            disk.apply(write, now);
        });
    }
}
