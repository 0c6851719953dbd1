//! How fast background work goes, how far it is, and whether it is to stop.

use super::object_store::Interrupted;
use crate::base::{Mono, RecordingId};
use std::collections::BTreeMap;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// After so much work there is as much rest: calls come first, and have the other half of the core
/// and of the disk.
const WORK: Duration = Duration::from_millis(20);

/// How far the making of files is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Done {
    /// Bytes that are done.
    pub done_bytes: u64,
    /// Bytes in all: estimated until the files are made, exact when they are.
    pub all_bytes: u64,
}

/// How far the recordings are that are in the making.
#[derive(Clone, Debug, Default)]
pub struct ProgressBook(Arc<Mutex<BTreeMap<RecordingId, Done>>>);

impl ProgressBook {
    /// How far this one is; none if it is not at work.
    pub fn of(&self, id: &RecordingId) -> Option<Done> {
        self.hold().get(id).copied()
    }

    fn hold(&self) -> MutexGuard<'_, BTreeMap<RecordingId, Done>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Asks whoever works to stop, and wakes whoever rests.
#[derive(Clone, Debug, Default)]
pub struct Bell(Arc<(Mutex<bool>, Condvar)>);

impl Bell {
    /// There is nothing to do any more.
    pub fn stop(&self) {
        *self.hold() = true;
        self.0.1.notify_all();
    }

    /// Whether to stop.
    pub fn is_stopped(&self) -> bool {
        *self.hold()
    }

    /// Rests for so long, or until there is to be a stop.
    pub fn rest(&self, span: Duration) {
        let held = self.hold();
        let waited = self.0.1.wait_timeout_while(held, span, |stop| !*stop);
        drop(waited);
    }

    fn hold(&self) -> MutexGuard<'_, bool> {
        self.0.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Reads a monotonic clock.
pub type ReadMono = Arc<dyn Fn() -> Mono + Send + Sync>;

/// One recording's work.
pub struct Pace {
    id: RecordingId,
    progress: ProgressBook,
    bell: Bell,
    /// None: without rest, for whoever waits at a terminal.
    clock: Option<ReadMono>,
    since: Mono,
    done: Done,
}

impl Pace {
    /// The work on a recording begins.
    pub fn new(
        id: &RecordingId,
        progress: &ProgressBook,
        bell: &Bell,
        clock: Option<ReadMono>,
    ) -> Pace {
        let pace = Pace {
            id: id.clone(),
            progress: progress.clone(),
            bell: bell.clone(),
            since: clock.as_ref().map_or(Mono::ZERO, |clock| clock()),
            clock,
            done: Done::default(),
        };
        pace.tell();
        pace
    }

    /// So many bytes are still to be done.
    pub fn set_rest(&mut self, bytes: u64) {
        self.done.all_bytes = self.done.done_bytes + bytes;
        self.tell();
    }

    /// So many bytes were done. Rests if it is time for that.
    ///
    /// # Errors
    /// It is to stop.
    pub fn advance(&mut self, bytes: u64) -> Result<(), Interrupted> {
        self.done.done_bytes += bytes;
        self.done.all_bytes = self.done.all_bytes.max(self.done.done_bytes);
        if let Some(clock) = &self.clock {
            let worked = clock().since(self.since).duration();
            if worked >= WORK {
                self.tell();
                self.bell.rest(worked.min(WORK * 10));
                self.since = clock();
            }
        }
        if self.bell.is_stopped() {
            return Err(Interrupted);
        }
        Ok(())
    }

    fn tell(&self) {
        self.progress.hold().insert(self.id.clone(), self.done);
    }
}

impl Drop for Pace {
    fn drop(&mut self) {
        self.progress.hold().remove(&self.id);
    }
}
