//! The thread that looks after recordings once their sessions are over: finishes them, one at a time,
//! and deletes them when their time has come. No recording ends it: what panics is tried again a few
//! times, and then given up.

use super::catalogue::{Catalogue, Due};
use super::finisher::{Finisher, given_up};
use super::make::Trouble;
use super::pace::Bell;
use super::retention::{UNFINISHED, delete, deleted};
use crate::api::ReadClock;
use crate::base::{Actor, Millis, Mono, RecordingId};
use crate::host::roll::Present;
use crate::host::space::Short;
use std::any::Any;
use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::thread::JoinHandle;
use std::time::Duration;

/// The ledger is asked so often for recordings whose session is over, and for those that are due.
const LOOK_EVERY: Duration = Duration::from_secs(2);
/// After a failure a recording waits, twice as long each time.
const RETRY_MS: u64 = 5_000;
/// It waits no longer than this.
const MAX_RETRY_MS: u64 = 300_000;
/// So often the making of files may fail: with the waits between, that is a day.
pub(super) const MAX_TRIES: u32 = 290;
/// So often it may panic: what panics thrice will do it again.
pub(super) const MAX_PANICS: u32 = 3;

/// Counters of the janitor.
#[derive(Debug, Default)]
pub struct JanitorStats {
    /// Panics that were caught.
    pub panics: AtomicU64,
    /// Times that the making of files waited for room on the disk.
    pub disk_waits: AtomicU64,
}

/// The janitor of recordings.
pub struct Janitor {
    finisher: Finisher,
    catalogue: Catalogue,
    clock: ReadClock,
    stats: Arc<JanitorStats>,
    /// What failed, and when it is tried again. Bounded by the recordings that are left.
    waiting: BTreeMap<(Task, RecordingId), Wait>,
}

/// What is done with a recording.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Task {
    Finish,
    Delete,
}

impl Task {
    const fn as_str(self) -> &'static str {
        match self {
            Task::Finish => "finished",
            Task::Delete => "deleted",
        }
    }
}

#[derive(Clone, Copy, Debug)]
struct Wait {
    until: Mono,
    next_ms: u64,
    tries: u32,
    panics: u32,
}

impl Wait {
    const NONE: Wait = Wait {
        until: Mono::ZERO,
        next_ms: RETRY_MS,
        tries: 0,
        panics: 0,
    };

    /// After one more failure. A disk that is full and a ledger that does not answer are nothing that
    /// is wrong with the recording, and may last.
    fn after(mut self, trouble: &Trouble, now: Mono) -> Wait {
        match trouble {
            Trouble::Panicked(_) => self.panics += 1,
            Trouble::Later(error) if is_full(error) => {}
            Trouble::Later(_) | Trouble::Hopeless(_) => self.tries += 1,
            Trouble::Untold(_) | Trouble::Interrupted(_) => {}
        }
        self.until = now + Millis(self.next_ms);
        self.next_ms = (self.next_ms * 2).min(MAX_RETRY_MS);
        self
    }

    /// Why it is not tried again, in the ledger's words; what exactly was wrong is in the log.
    const fn hopeless(&self) -> Option<&'static str> {
        if self.panics >= MAX_PANICS {
            Some("the making of its files crashes")
        } else if self.tries >= MAX_TRIES {
            Some("its files cannot be made or stored")
        } else {
            None
        }
    }
}

/// A janitor at work.
pub struct RunningJanitor {
    bell: Bell,
    stats: Arc<JanitorStats>,
    thread: JoinHandle<()>,
}

impl RunningJanitor {
    /// Asks it to stop, and waits for that: less than a second, since it looks between frames.
    pub fn stop(self) {
        self.bell.stop();
        if self.thread.join().is_err() {
            tracing::error!("the janitor of recordings panicked; the next start goes on");
        }
    }

    /// Its counters.
    pub fn stats(&self) -> Arc<JanitorStats> {
        self.stats.clone()
    }
}

impl Janitor {
    /// A janitor with nothing done.
    pub fn new(finisher: Finisher, catalogue: Catalogue, clock: ReadClock) -> Janitor {
        Janitor {
            finisher,
            catalogue,
            clock,
            stats: Arc::default(),
            waiting: BTreeMap::new(),
        }
    }

    /// Puts it to work on a thread of its own.
    ///
    /// # Errors
    /// There is no thread to be had.
    pub fn start(mut self, present: Present) -> std::io::Result<RunningJanitor> {
        let (bell, stats) = (self.finisher.bell.clone(), self.stats());
        let heard = bell.clone();
        let thread = std::thread::Builder::new().name("recordings-janitor".to_owned());
        let thread = thread.spawn(move || {
            let _here = present;
            while !heard.is_stopped() {
                if !self.round() {
                    heard.rest(LOOK_EVERY);
                }
            }
        })?;
        Ok(RunningJanitor {
            bell,
            stats,
            thread,
        })
    }

    /// Its counters.
    pub fn stats(&self) -> Arc<JanitorStats> {
        self.stats.clone()
    }

    /// Does what there is to do: deletes one recording, or else finishes one, so that none is finished
    /// whose time has come. False: there was nothing.
    pub(super) fn round(&mut self) -> bool {
        self.round_of(Task::Delete) || self.round_of(Task::Finish)
    }

    fn round_of(&mut self, work: Task) -> bool {
        let what = work.as_str();
        let stats = self.stats();
        let done = guarded(&stats, || match work {
            Task::Finish => self.finish_next(),
            Task::Delete => self.delete_next(),
        });
        match done {
            Ok(Ok(found)) => return found,
            Ok(Err(error)) => tracing::warn!(
                error = format!("{error:#}"),
                "recordings cannot be {what} now"
            ),
            Err(panic) => tracing::error!(panic, "recordings cannot be {what} now: it panicked"),
        }
        false
    }

    fn finish_next(&mut self) -> anyhow::Result<bool> {
        let unfinished = (self.catalogue.unfinished)(())?;
        let written = |janitor: &Janitor, id: &RecordingId| (janitor.catalogue.is_written)(id);
        let Some(id) = self.pick(Task::Finish, unfinished, |id| id, written) else {
            return Ok(false);
        };
        let done = guarded(&self.stats, || self.finish(&id));
        let done = done.unwrap_or_else(|panic| Err(Trouble::Panicked(panic)));
        self.settle(Task::Finish, &id, done);
        Ok(true)
    }

    fn finish(&self, id: &RecordingId) -> Result<(), Trouble> {
        let facts = (self.catalogue.facts)(id.clone())?;
        let note = self.finisher.finish(id, &facts)?;
        let step = note.step.as_str();
        (self.catalogue.note)(note).map_err(Trouble::Untold)?;
        tracing::info!(recording = %id, step, "a recording was finished");
        Ok(())
    }

    fn delete_next(&mut self) -> anyhow::Result<bool> {
        // What was asked for comes first: who asks has the right to hear that it is done.
        let asked = self.finisher.place.doomed()?.into_iter().map(Due::asked);
        let mut due: Vec<Due> = asked.collect();
        due.extend((self.catalogue.due)((self.clock)().unix)?);
        // What is still held open is deleted all the same: its time has come.
        let Some(due) = self.pick(Task::Delete, due, |due| &due.id, |_, _| false) else {
            return Ok(false);
        };
        let done = guarded(&self.stats, || self.delete(&due));
        let done = done.unwrap_or_else(|panic| Err(Trouble::Panicked(panic)));
        self.settle(Task::Delete, &due.id, done);
        Ok(true)
    }

    /// One that is not finished by now never will be, and the ledger says that first.
    fn delete(&self, due: &Due) -> Result<(), Trouble> {
        let (finisher, id) = (&self.finisher, &due.id);
        let note = |note| (self.catalogue.note)(note).map_err(Trouble::Untold);
        if !due.settled {
            note(given_up(id, UNFINISHED))?;
        }
        let gone = delete(&finisher.place, &finisher.store, id);
        finisher.runtime.block_on(gone)?;
        let actor = if due.asked { Actor::App } else { Actor::Node };
        note(deleted(id, actor))?;
        finisher.place.forget_doomed(id)?;
        tracing::info!(recording = %id, actor = actor.as_str(), "a recording was deleted");
        Ok(())
    }

    /// The first one that neither waits nor is written. What waits and is not among them any more is
    /// forgotten: someone else did it.
    fn pick<A>(
        &mut self,
        work: Task,
        among: Vec<A>,
        id_of: impl Fn(&A) -> &RecordingId,
        is_written: impl Fn(&Janitor, &RecordingId) -> bool,
    ) -> Option<A> {
        let now = (self.clock)().mono;
        self.waiting
            .retain(|(of, id), _| *of != work || among.iter().any(|one| id_of(one) == id));
        let free = |one: &A| {
            let wait = self.waiting.get(&(work, id_of(one).clone()));
            wait.is_none_or(|wait| wait.until <= now) && !is_written(self, id_of(one))
        };
        among.into_iter().find(|one| free(one))
    }

    fn settle(&mut self, work: Task, id: &RecordingId, done: Result<(), Trouble>) {
        let key = (work, id.clone());
        let trouble = match done {
            Ok(()) => {
                self.waiting.remove(&key);
                return (self.catalogue.forget)(id);
            }
            Err(Trouble::Interrupted(_)) => return,
            Err(trouble) => trouble,
        };
        let before = self.waiting.get(&key).copied().unwrap_or(Wait::NONE);
        let wait = before.after(&trouble, (self.clock)().mono);
        self.waiting.insert(key, wait);
        let again_in_ms = before.next_ms;
        if let Trouble::Later(error) = &trouble
            && is_full(error)
        {
            self.stats.disk_waits.fetch_add(1, Relaxed);
            tracing::warn!(recording = %id, error = format!("{error:#}"), again_in_ms,
                "a recording waits for room on the disk");
            return;
        }
        tracing::error!(recording = %id, error = format!("{:#}", anyhow::Error::from(trouble)),
            again_in_ms, "a recording cannot be {} now", work.as_str());
        if let (Task::Finish, Some(reason)) = (work, wait.hopeless()) {
            self.give_up(id, reason);
        }
    }

    /// Its segments stay until its time has come, or someone deletes it: they may still be of use.
    fn give_up(&mut self, id: &RecordingId, reason: &str) {
        let cleared = self.finisher.place.clear_bench(id);
        let noted = (self.catalogue.note)(given_up(id, reason));
        if let Err(error) = cleared.map_err(anyhow::Error::from).and(noted) {
            tracing::error!(recording = %id, error = format!("{error:#}"), "it cannot be given up now");
            return;
        }
        tracing::error!(recording = %id, reason, "a recording was given up");
        self.waiting.remove(&(Task::Finish, id.clone()));
        (self.catalogue.forget)(id);
    }
}

/// Does it; what panics is counted, and said in its own words.
fn guarded<A>(stats: &JanitorStats, work: impl FnOnce() -> A) -> Result<A, String> {
    catch_unwind(AssertUnwindSafe(work)).map_err(|panic| {
        stats.panics.fetch_add(1, Relaxed);
        said(&*panic)
    })
}

fn said(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
    text.unwrap_or("without a word").to_owned()
}

fn is_full(error: &anyhow::Error) -> bool {
    let mut causes = error.chain();
    causes.any(|cause| {
        let io = cause
            .downcast_ref::<std::io::Error>()
            .map(std::io::Error::kind);
        let full = matches!(io, Some(ErrorKind::StorageFull | ErrorKind::QuotaExceeded));
        full || cause.is::<Short>()
    })
}
