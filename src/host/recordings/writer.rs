//! The thread that writes segments. Nothing waits for it: what a worker hands out is held up to a limit,
//! and a disk that is full or too slow ends the recording, never the call.

use super::pace::ReadMono;
use crate::base::{Millis, Mono, RecordingId};
use crate::host::roll::Present;
use crate::record::{Output, SegmentId};
use cap_std::fs::{Dir, File, OpenOptions};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::io::{self, Write};
use std::path::Path;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

/// Bytes of one recording that are on their way to the disk: some ten seconds of two cameras.
const MAX_HELD_BYTES: usize = 4 * 1024 * 1024;
/// Pieces on their way to the disk, of all recordings of all workers.
const QUEUE: usize = 4_096;
/// What is written is on disk after so long. Promised are 2 s from the packet on, of which
/// [`crate::record`] keeps half a second; each sync costs what several writes do.
const SYNC_EVERY: Millis = Millis(1_400);
/// A ledger that did not answer is not asked again for so long; it is given 2 s each time.
const ASK_AGAIN: Millis = Millis(5_000);
/// The directory below which each recording has its own.
const SEGMENTS: &str = "segments";

/// Asks the ledger to put on disk all that it was told; false if it does not in time.
pub type Flush = Box<dyn Fn() -> bool + Send>;
/// Told of recordings that cannot go on, and why.
pub type OnLost = Box<dyn Fn(&RecordingId, &str) + Send>;
/// Whether the disk of the ledger is full.
pub type LedgerFull = Box<dyn Fn() -> bool + Send>;

/// Recordings that the disk has refused, for a worker to fetch, and for whoever finishes them: the
/// worker's session may be over by then.
#[derive(Clone, Default)]
pub struct Lost(Arc<Mutex<Refused>>);

#[derive(Default)]
struct Refused {
    news: BTreeMap<RecordingId, String>,
    unfinished: BTreeMap<RecordingId, String>,
}

impl Lost {
    /// One more. Bounded by the recordings that are not finished.
    pub fn add(&self, id: &RecordingId, reason: &str) {
        let mut held = self.hold();
        held.news.insert(id.clone(), reason.to_owned());
        let first = held.unfinished.entry(id.clone());
        first.or_insert_with(|| reason.to_owned());
    }

    /// All since the last call.
    pub fn take(&self) -> BTreeMap<RecordingId, String> {
        std::mem::take(&mut self.hold().news)
    }

    /// Why this one was refused first, until it is forgotten.
    pub fn of(&self, id: &RecordingId) -> Option<String> {
        self.hold().unfinished.get(id).cloned()
    }

    /// It is finished.
    pub fn forget(&self, id: &RecordingId) {
        self.hold().unfinished.remove(id);
    }

    fn hold(&self) -> MutexGuard<'_, Refused> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Segments that are not closed yet, by recording: as long as there are any, its files are not whole.
#[derive(Clone, Default)]
pub struct Writing(Arc<Mutex<BTreeMap<RecordingId, usize>>>);

impl Writing {
    /// Whether something of the recording is still to be written.
    pub fn is(&self, id: &RecordingId) -> bool {
        self.hold().contains_key(id)
    }

    fn opened(&self, id: &RecordingId) {
        *self.hold().entry(id.clone()).or_default() += 1;
    }

    fn closed(&self, id: &RecordingId, segments: usize) {
        let mut writing = self.hold();
        let Some(open) = writing.get_mut(id) else {
            return;
        };
        *open = open.saturating_sub(segments);
        if *open == 0 {
            writing.remove(id);
        }
    }

    fn hold(&self) -> MutexGuard<'_, BTreeMap<RecordingId, usize>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Counters of the writer.
#[derive(Debug, Default)]
pub struct WriterStats {
    /// Bytes written to segments.
    pub bytes: AtomicU64,
    /// Recordings ended because the disk is full or broken.
    pub disk_failures: AtomicU64,
    /// Recordings ended because the disk is too slow.
    pub too_slow: AtomicU64,
    /// Bytes dropped of recordings that had ended that way.
    pub dropped_bytes: AtomicU64,
}

/// Bytes of one recording on their way.
type Count = Arc<AtomicUsize>;

/// A piece with its place in the account; given back when it is dropped.
pub struct Held {
    output: Output,
    bytes: usize,
    count: Count,
}

impl Drop for Held {
    fn drop(&mut self) {
        self.count.fetch_sub(self.bytes, Relaxed);
    }
}

/// A worker's way to the writer.
pub struct Outlet {
    queue: SyncSender<Held>,
    waiting: VecDeque<Held>,
    counts: BTreeMap<RecordingId, Count>,
    writing: Writing,
    stats: Arc<WriterStats>,
}

impl Outlet {
    /// Takes a piece.
    ///
    /// # Errors
    /// The disk is too slow for this recording: it has lost the piece.
    pub fn push(&mut self, output: Output) -> Result<(), RecordingId> {
        let Some(segment) = segment(&output) else {
            return Ok(());
        };
        let id = segment.recording.clone();
        let bytes = size(&output);
        let count = self.counts.entry(id.clone()).or_default().clone();
        let closes = matches!(output, Output::Close { .. });
        if !closes && count.load(Relaxed) + bytes > MAX_HELD_BYTES {
            self.stats.too_slow.fetch_add(1, Relaxed);
            return Err(id);
        }
        count.fetch_add(bytes, Relaxed);
        if matches!(output, Output::Open { .. }) {
            self.writing.opened(&id);
        }
        self.waiting.push_back(Held {
            output,
            bytes,
            count,
        });
        Ok(())
    }

    /// Hands over what waits, as far as there is a place. Returns the recordings that nobody writes any more:
    /// the thread has ended, which it does by itself after the workers alone.
    pub fn flush(&mut self) -> BTreeSet<RecordingId> {
        while let Some(held) = self.waiting.pop_front() {
            match self.queue.try_send(held) {
                Ok(()) => {}
                Err(TrySendError::Full(held)) => {
                    self.waiting.push_front(held);
                    return BTreeSet::new();
                }
                Err(TrySendError::Disconnected(held)) => {
                    let left = std::iter::once(held).chain(self.waiting.drain(..));
                    let lost =
                        left.filter_map(|held| Some(segment(&held.output)?.recording.clone()));
                    return lost.collect();
                }
            }
        }
        if self.waiting.is_empty() {
            self.counts.retain(|_, count| Arc::strong_count(count) > 1);
        }
        BTreeSet::new()
    }

    /// True while something waits for a place.
    pub fn is_behind(&self) -> bool {
        !self.waiting.is_empty()
    }
}

/// Of which segment it is; none: it is nothing to be written.
const fn segment(output: &Output) -> Option<&SegmentId> {
    match output {
        Output::Open { segment, .. }
        | Output::Append { segment, .. }
        | Output::Close { segment } => Some(segment),
        Output::KeyframeWanted { .. } => None,
    }
}

/// What a piece costs: its bytes, and something for itself.
fn size(output: &Output) -> usize {
    std::mem::size_of::<Held>()
        + match output {
            Output::Open { header, .. } => header.len(),
            Output::Append { bytes, .. } => bytes.len(),
            Output::Close { .. } | Output::KeyframeWanted { .. } => 0,
        }
}

/// A segment's file.
struct Open {
    file: File,
    /// Since when something of it is not on disk.
    dirty: Option<Mono>,
    /// Its length, of whole pieces.
    bytes: u64,
}

impl Open {
    fn new(file: File, header: usize) -> Open {
        Open {
            file,
            dirty: None,
            bytes: u64::try_from(header).unwrap_or(0),
        }
    }

    /// All of it, or nothing: a full disk takes a part, which would not play.
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        if let Err(error) = self.file.write_all(bytes) {
            // If this fails too, the reader of segments stops at the last whole block.
            drop(self.file.set_len(self.bytes));
            return Err(error);
        }
        self.bytes += u64::try_from(bytes.len()).unwrap_or(0);
        Ok(())
    }
}

/// The writer before it has a thread.
pub struct SegmentWriter {
    dir: Dir,
    flush: Flush,
    on_lost: OnLost,
    ledger_full: LedgerFull,
    clock: ReadMono,
    stats: Arc<WriterStats>,
    writing: Writing,
    files: BTreeMap<SegmentId, Open>,
    /// Not later than any file is due.
    due: Mono,
    /// When the ledger last did not answer, if it has not since.
    stalled: Option<Mono>,
}

impl SegmentWriter {
    /// A writer below `dir`, the directory of recordings.
    ///
    /// # Errors
    /// The directory of segments cannot be made.
    pub fn new(
        dir: &Dir,
        flush: Flush,
        (on_lost, ledger_full): (OnLost, LedgerFull),
        clock: ReadMono,
    ) -> io::Result<SegmentWriter> {
        dir.create_dir_all(SEGMENTS)?;
        sync_dir(dir)?;
        Ok(SegmentWriter {
            dir: dir.open_dir(SEGMENTS)?,
            flush,
            on_lost,
            ledger_full,
            clock,
            stats: Arc::default(),
            writing: Writing::default(),
            files: BTreeMap::new(),
            due: Mono::ZERO,
            stalled: None,
        })
    }

    /// Its counters.
    pub fn stats(&self) -> Arc<WriterStats> {
        self.stats.clone()
    }

    /// What is not written to its end yet.
    pub fn writing(&self) -> Writing {
        self.writing.clone()
    }

    /// Starts the thread, and gives as many outlets as there are workers. It ends, with everything on
    /// disk, when the last outlet is dropped.
    ///
    /// # Errors
    /// The operating system gives no thread.
    pub fn start(
        self,
        workers: usize,
        present: Present,
    ) -> io::Result<(Vec<Outlet>, JoinHandle<()>)> {
        let (queue, pieces) = sync_channel(QUEUE);
        let (stats, writing) = (self.stats.clone(), self.writing.clone());
        let thread = std::thread::Builder::new().name("recordings".to_owned());
        let thread = thread.spawn(move || {
            let _here = present;
            self.run(&pieces);
        })?;
        let outlet = |_| Outlet {
            queue: queue.clone(),
            waiting: VecDeque::new(),
            counts: BTreeMap::new(),
            writing: writing.clone(),
            stats: stats.clone(),
        };
        Ok(((0..workers).map(outlet).collect(), thread))
    }

    fn run(mut self, pieces: &Receiver<Held>) {
        loop {
            match pieces.recv_timeout(self.wait()) {
                Ok(held) => self.take(&held),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break,
            }
            let now = (self.clock)();
            if now >= self.due {
                self.sync(|dirty| now.since(dirty) >= SYNC_EVERY);
                let dirty = self.files.values().filter_map(|open| open.dirty).min();
                self.due = dirty.unwrap_or(now) + SYNC_EVERY;
            }
        }
        self.sync(|_| true);
    }

    fn wait(&self) -> Duration {
        self.due.since((self.clock)()).duration()
    }

    fn take(&mut self, held: &Held) {
        let Some(segment) = segment(&held.output) else {
            return;
        };
        let done = match &held.output {
            Output::Open { header, .. } => self.spare().and_then(|()| self.open(segment, header)),
            Output::Append { bytes, .. } => self.spare().and_then(|()| self.append(segment, bytes)),
            Output::Close { .. } => self.close(segment),
            Output::KeyframeWanted { .. } => Ok(()),
        };
        if let Err(error) = done {
            // It is not among the files: what is lost are the others.
            let unopened = usize::from(!self.files.contains_key(segment));
            self.lose(&segment.recording, &error);
            self.writing.closed(&segment.recording, unopened);
        }
    }

    /// What was kept for the ledger is not for recordings.
    fn spare(&self) -> io::Result<()> {
        match (self.ledger_full)() {
            true => Err(io::ErrorKind::StorageFull.into()),
            false => Ok(()),
        }
    }

    /// No byte of anyone is written before the ledger has their consent on disk.
    fn open(&mut self, segment: &SegmentId, header: &[u8]) -> io::Result<()> {
        self.confirm()?;
        let path = segment.to_string();
        let parent = Path::new(&path).parent().unwrap_or(Path::new("."));
        self.dir.create_dir_all(parent)?;
        let mut options = OpenOptions::new();
        let mut file = self
            .dir
            .open_with(&path, options.append(true).create_new(true))?;
        file.write_all(header)?;
        file.sync_data()?;
        sync_dir(&self.dir.open_dir(parent)?)?;
        sync_dir(&self.dir)?;
        self.wrote(header.len());
        self.files
            .insert(segment.clone(), Open::new(file, header.len()));
        Ok(())
    }

    /// A ledger that stands still is not waited for once a file: those that are open would wait as well.
    fn confirm(&mut self) -> io::Result<()> {
        let now = (self.clock)();
        let stalled = self.stalled.is_some_and(|at| now.since(at) < ASK_AGAIN);
        if !stalled {
            self.stalled = if (self.flush)() { None } else { Some(now) };
        }
        match self.stalled {
            None => Ok(()),
            Some(_) => Err(io::Error::other("the ledger does not confirm the consents")),
        }
    }

    fn append(&mut self, segment: &SegmentId, bytes: &[u8]) -> io::Result<()> {
        let Some(open) = self.files.get_mut(segment) else {
            let dropped = &self.stats.dropped_bytes;
            dropped.fetch_add(u64::try_from(bytes.len()).unwrap_or(0), Relaxed);
            return Ok(());
        };
        open.dirty.get_or_insert_with(|| (self.clock)());
        open.append(bytes)?;
        self.wrote(bytes.len());
        Ok(())
    }

    fn close(&mut self, segment: &SegmentId) -> io::Result<()> {
        let Some(open) = self.files.remove(segment) else {
            return Ok(());
        };
        open.file.sync_data()?;
        self.writing.closed(&segment.recording, 1);
        Ok(())
    }

    fn sync(&mut self, due: impl Fn(Mono) -> bool) {
        let mut lost = Vec::new();
        for (segment, open) in &mut self.files {
            if !open.dirty.is_some_and(&due) {
                continue;
            }
            open.dirty = None;
            if let Err(error) = open.file.sync_data() {
                lost.push((segment.recording.clone(), error));
            }
        }
        for (recording, error) in lost {
            self.lose(&recording, &error);
        }
    }

    fn lose(&mut self, recording: &RecordingId, error: &io::Error) {
        let before = self.files.len();
        self.files
            .retain(|segment, _| segment.recording != *recording);
        self.stats.disk_failures.fetch_add(1, Relaxed);
        tracing::error!(%recording, %error, "a recording ends: the disk does not take it");
        let full = [io::ErrorKind::StorageFull, io::ErrorKind::QuotaExceeded];
        let reason = if full.contains(&error.kind()) {
            "the disk is full".to_owned()
        } else {
            format!("the disk does not take it: {error}")
        };
        (self.on_lost)(recording, &reason);
        // Whoever finishes it then knows why it ends.
        self.writing.closed(recording, before - self.files.len());
    }

    fn wrote(&self, bytes: usize) {
        let bytes = u64::try_from(bytes).unwrap_or(0);
        self.stats.bytes.fetch_add(bytes, Relaxed);
    }
}

/// A new name is on disk when its directory is. The handle itself is only a place to start from
/// (`O_PATH`), and cannot be synced.
fn sync_dir(dir: &Dir) -> io::Result<()> {
    dir.open(".")?.sync_all()
}

#[cfg(test)]
mod tests;
