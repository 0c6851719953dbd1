//! The thread that looks after recordings once their sessions are over: finishes them, one at a time,
//! and deletes them when their time has come.

use super::catalogue::Catalogue;
use super::finisher::Finisher;
use super::make::Trouble;
use super::pace::Bell;
use super::retention::{delete, expired};
use crate::base::{Mono, Now, RecordingId};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

/// The ledger is asked so often for recordings whose session is over, and for those that are due.
const LOOK_EVERY: Duration = Duration::from_secs(2);
/// After a failure a recording waits, twice as long each time.
const RETRY_MS: u64 = 5_000;
/// It waits no longer than this.
const MAX_RETRY_MS: u64 = 300_000;

/// Reads both clocks.
pub type ReadClock = Arc<dyn Fn() -> Now + Send + Sync>;

/// The keeper of recordings.
pub struct Keeper {
    finisher: Finisher,
    catalogue: Catalogue,
    clock: ReadClock,
    /// What failed, and when it is tried again. Bounded by the recordings that are left.
    waiting: BTreeMap<RecordingId, Wait>,
}

#[derive(Clone, Copy, Debug)]
struct Wait {
    until: Mono,
    next_ms: u64,
}

/// A keeper at work.
pub struct Keeping {
    bell: Bell,
    thread: JoinHandle<()>,
}

impl Keeping {
    /// Asks it to stop, and waits for that: less than a second, since it looks between frames.
    pub fn stop(self) {
        self.bell.stop();
        if self.thread.join().is_err() {
            tracing::error!("the keeper of recordings panicked; the next start goes on");
        }
    }

    /// Wakes it: a session is over, or a recording was deleted.
    pub fn bell(&self) -> Bell {
        self.bell.clone()
    }
}

impl Keeper {
    /// A keeper with nothing done.
    pub const fn new(finisher: Finisher, catalogue: Catalogue, clock: ReadClock) -> Keeper {
        Keeper {
            finisher,
            catalogue,
            clock,
            waiting: BTreeMap::new(),
        }
    }

    /// Puts it to work on a thread of its own.
    ///
    /// # Errors
    /// There is no thread to be had.
    pub fn start(mut self) -> std::io::Result<Keeping> {
        let bell = self.finisher.bell.clone();
        let heard = bell.clone();
        let thread = std::thread::Builder::new().name("recordings-keeper".to_owned());
        let thread = thread.spawn(move || {
            while !heard.is_stopped() {
                if !self.round() {
                    heard.wait(LOOK_EVERY);
                }
            }
        })?;
        Ok(Keeping { bell, thread })
    }

    /// Does what there is to do, one recording of each kind. False: there was nothing.
    pub(super) fn round(&mut self) -> bool {
        let finished = self.round_of("finished", Keeper::finish_next);
        let deleted = self.round_of("deleted", Keeper::delete_next);
        finished | deleted
    }

    fn round_of(
        &mut self,
        what: &str,
        next: impl FnOnce(&mut Keeper) -> anyhow::Result<bool>,
    ) -> bool {
        next(self).unwrap_or_else(|error| {
            tracing::warn!(
                error = format!("{error:#}"),
                "recordings cannot be {what} now"
            );
            false
        })
    }

    fn finish_next(&mut self) -> anyhow::Result<bool> {
        let unfinished = (self.catalogue.unfinished)(())?;
        let Some(id) = self.pick(&unfinished, |keeper, id| !(keeper.catalogue.is_written)(id))
        else {
            return Ok(false);
        };
        let done = self.finish(&id);
        self.settle(&id, done, "finished");
        Ok(true)
    }

    fn finish(&self, id: &RecordingId) -> Result<(), Trouble> {
        let facts = (self.catalogue.facts)(id.clone())?;
        let note = self.finisher.finish(id, &facts)?;
        let step = note.step.as_str();
        (self.catalogue.note)(note)?;
        tracing::info!(recording = %id, step, "a recording was finished");
        Ok(())
    }

    fn delete_next(&mut self) -> anyhow::Result<bool> {
        let due = (self.catalogue.due)((self.clock)().unix)?;
        let Some(id) = self.pick(&due, |_, _| true) else {
            return Ok(false);
        };
        let done = self.delete(&id);
        self.settle(&id, done.map_err(Trouble::from), "deleted");
        Ok(true)
    }

    fn delete(&self, id: &RecordingId) -> anyhow::Result<()> {
        let finisher = &self.finisher;
        let deleted = delete(&finisher.place, &finisher.shelf, id);
        finisher.runtime.block_on(deleted)?;
        (self.catalogue.note)(expired(id))?;
        tracing::info!(recording = %id, "a recording was deleted: its time has come");
        Ok(())
    }

    /// The first one that does not wait.
    fn pick(
        &self,
        among: &[RecordingId],
        may: impl Fn(&Keeper, &RecordingId) -> bool,
    ) -> Option<RecordingId> {
        let now = (self.clock)().mono;
        let waits = |id| self.waiting.get(id).is_some_and(|wait| wait.until > now);
        let mut ready = among.iter().filter(|id| !waits(*id) && may(self, id));
        ready.next().cloned()
    }

    fn settle(&mut self, id: &RecordingId, done: Result<(), Trouble>, what: &str) {
        match done {
            Ok(()) => drop(self.waiting.remove(id)),
            Err(Trouble::Interrupted(_)) => {}
            Err(trouble @ (Trouble::Later(_) | Trouble::Hopeless(_))) => {
                let last = self.waiting.get(id).map_or(RETRY_MS, |wait| wait.next_ms);
                let until = (self.clock)().mono + crate::base::Millis(last);
                let next_ms = (last * 2).min(MAX_RETRY_MS);
                self.waiting.insert(id.clone(), Wait { until, next_ms });
                tracing::error!(recording = %id, error = format!("{:#}", anyhow::Error::from(trouble)),
                    again_in_ms = last, "a recording cannot be {what} now");
            }
        }
    }
}
