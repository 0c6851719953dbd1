//! Puts the writer of recordings to work.

use super::api_adapter::{ApiAdapter, RecordingFiles};
use super::catalogue::Catalogue;
use super::finisher::Finisher;
use super::janitor::{Janitor, JanitorStats, RunningJanitor};
use super::key::NodeKey;
use super::mark::mark;
use super::object_store::RecordingStore;
use super::pace::{Bell, ProgressBook, ReadMono};
use super::place::{RecordingsDir, STORE};
use super::writer::{Flush, Outlet, SegmentWriter, WriterStats};
use crate::api::{MakingProgress, ReadProgress, Work};
use crate::host::clock::Clock;
use crate::host::config::schema::Config;
use crate::host::roll::Roll;
use crate::host::space;
use crate::host::store::pending::Confirmed;
use crate::host::worker::WorkerEnds;
use anyhow::Context;
use cap_std::ambient_authority;
use cap_std::fs::Dir;
use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::runtime::Handle;

/// The ledger confirms within this, or what waits for it is not recorded. It takes milliseconds, and a
/// full disk would take for ever.
const CONFIRMED_WITHIN: Duration = Duration::from_secs(2);

/// All that looks after recordings, at work.
pub struct Started {
    /// For the workers, in their order.
    pub outlets: Vec<Outlet>,
    /// Ends when all outlets are dropped.
    pub thread: JoinHandle<()>,
    /// The writer's counters.
    pub writer_stats: Arc<WriterStats>,
    /// The janitor's counters.
    pub janitor_stats: Arc<JanitorStats>,
    /// Finishes and deletes.
    pub janitor: RunningJanitor,
    /// For the API.
    pub adapter: ApiAdapter,
}

/// Opens the directory of recordings, and makes it if need be.
///
/// # Errors
/// It cannot be made or opened.
pub fn open(path: &Path) -> anyhow::Result<Dir> {
    let made = DirBuilder::new().recursive(true).mode(0o700).create(path);
    let opened = made.and_then(|()| Dir::open_ambient_dir(path, ambient_authority()));
    opened.with_context(|| format!("recordings.dir {} cannot be used", path.display()))
}

/// Starts the writer and the janitor of recordings. Call it on the control plane's runtime.
///
/// # Errors
/// The directory or the node's key cannot be used, or there is no thread to be had.
pub fn start(
    config: &Config,
    workers: &[WorkerEnds],
    ledger: Confirmed,
    (clock, roll): (Clock, &Roll),
) -> anyhow::Result<Started> {
    let data = &config.data.dir;
    let at = config.recordings.dir(data);
    let dir = open(&at)?;
    mark(data, &dir).context("recordings.dir cannot be marked as this ledger's")?;
    let place = RecordingsDir::new(&dir);
    let place = place.context("recordings.dir cannot be written to")?;
    let key = NodeKey::open(data)?;
    let progress = ProgressBook::default();
    let store = RecordingStore::local(&at.join(STORE))?;
    let adapter = ApiAdapter {
        ledger: data.clone(),
        files: RecordingFiles {
            store: store.clone(),
            place: place.clone(),
        },
        noted: ledger.clone(),
        link_key: key.link_key(),
        progress: told(progress.clone()),
    };
    let lost = workers.iter().map(WorkerEnds::lost).collect();
    let ends = workers.to_vec();
    let on_lost = move |id: &_, reason: &str| {
        ends.iter()
            .for_each(|worker| worker.handle_recording_lost(id, reason));
    };
    let confirm = flush(ledger.clone());
    let writer = ledger.store.clone();
    let full = Box::new(move || writer.stats().full());
    let read: ReadMono = Arc::new(move || clock.now().mono);
    let writer = SegmentWriter::new(&dir, confirm, (Box::new(on_lost), full), read.clone());
    let writer = writer.context("recordings.dir cannot be written to")?;
    let (writing, stats) = (writer.writing(), writer.stats());
    let started = writer.start(workers.len(), roll.enter("recordings".to_owned()));
    let (outlets, thread) = started.context("the recordings' thread cannot be started")?;
    let finisher = Finisher {
        place,
        store,
        key: Arc::new(key.signing),
        runtime: Handle::current(),
        progress,
        bell: Bell::default(),
        clock: Some(read),
        disk: space::of(&dir)?,
    };
    let catalogue = Catalogue::of(data.clone(), ledger, writing, lost);
    let janitor = Janitor::new(finisher, catalogue, Arc::new(move || clock.now()));
    let janitor = janitor.start(roll.enter("recordings-janitor".to_owned()));
    let janitor = janitor.context("the janitor of recordings cannot be started")?;
    Ok(Started {
        outlets,
        thread,
        writer_stats: stats,
        janitor_stats: janitor.stats(),
        janitor,
        adapter,
    })
}

/// How far a recording is, in the API's words.
fn told(progress: ProgressBook) -> ReadProgress {
    Box::new(move |id| {
        let done = progress.of(id)?;
        Some(MakingProgress {
            done_bytes: done.done_bytes,
            all_bytes: done.all_bytes,
        })
    })
}

fn flush(ledger: Confirmed) -> Flush {
    let runtime = Handle::current();
    Box::new(move || {
        let Some(answer) = ledger.send(Work::Flush) else {
            return false;
        };
        // Made within the runtime, whose clock it needs: this thread is none of its own.
        runtime
            .block_on(async { tokio::time::timeout(CONFIRMED_WITHIN, answer).await })
            .is_ok_and(|confirmed| confirmed.is_ok())
    })
}
