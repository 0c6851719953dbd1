//! What waits until the writer has it on disk: requests to the API, and steps of recordings.

use super::job::{Job, StoreReply};
use super::running::StoreHandle;
use crate::api::Work;
use crate::base::RecordingNote;
use crate::usage::ledger::NoteRefusal;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::oneshot;

/// Answers that are waited for at once; beyond, a request is refused.
const WAITING: usize = 1_024;

/// Who waits until what they wrote is on disk.
#[derive(Clone, Default)]
pub struct Pending(Arc<Mutex<Waiting>>);

#[derive(Default)]
struct Waiting {
    last: u64,
    answers: BTreeMap<u64, Awaited>,
}

/// Who waits for what.
enum Awaited {
    Done(oneshot::Sender<()>),
    Noted(oneshot::Sender<Result<(), NoteRefusal>>),
}

impl Awaited {
    fn is_closed(&self) -> bool {
        match self {
            Awaited::Done(answer) => answer.is_closed(),
            Awaited::Noted(answer) => answer.is_closed(),
        }
    }
}

impl Pending {
    /// Hands work to the writer. None if its queue is full, or too many wait already; the answer
    /// comes when the work, and all that was sent before it, is on disk.
    pub fn send(&self, store: &StoreHandle, work: Work) -> Option<oneshot::Receiver<()>> {
        let (answer, answered) = oneshot::channel();
        let number = self.number(Awaited::Done(answer))?;
        store.send(Job::Write { number, work }).ok()?;
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
        let number = self.number(Awaited::Noted(answer))?;
        let note = Box::new(note);
        store.send(Job::Note { number, note }).ok()?;
        Some(answered)
    }

    fn number(&self, answer: Awaited) -> Option<u64> {
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
            StoreReply::Written(number) => (number, Ok(())),
            StoreReply::Noted { number, outcome } => (number, *outcome),
            StoreReply::Appended { .. }
            | StoreReply::CheckpointsStored { .. }
            | StoreReply::Head { .. }
            | StoreReply::Lanes(_)
            | StoreReply::Abandoned { .. }
            | StoreReply::Buried(_)
            | StoreReply::Replayed(_)
            | StoreReply::Marked { .. } => return,
        };
        // Whoever asked may have gone.
        let answer = self.hold().answers.remove(number);
        match answer {
            Some(Awaited::Done(answer)) => drop(answer.send(())),
            Some(Awaited::Noted(answer)) => drop(answer.send(noted)),
            None => {}
        }
    }

    fn hold(&self) -> MutexGuard<'_, Waiting> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The way to the writer for those who wait until it is on disk.
#[derive(Clone)]
pub struct Confirmed {
    /// Takes the work.
    pub store: StoreHandle,
    /// Keeps who waits.
    pub pending: Pending,
}

impl Confirmed {
    /// Hands work to the writer, as [`Pending::send`] does.
    pub fn send(&self, work: Work) -> Option<oneshot::Receiver<()>> {
        self.pending.send(&self.store, work)
    }

    /// Hands a step of a recording to the writer, as [`Pending::note`] does.
    pub fn note(&self, note: RecordingNote) -> Option<oneshot::Receiver<Result<(), NoteRefusal>>> {
        self.pending.note(&self.store, note)
    }
}
