//! Puts the writer of recordings to work.

use super::writer::{Flush, Outlet, Writer, WriterStats, Writing};
use crate::api::Work;
use crate::host::store::{Desk, StoreHandle};
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

/// The ledger confirms within this, or what waits for it is not recorded. It takes milliseconds, and a
/// full disk would take for ever.
const CONFIRMED_WITHIN: Duration = Duration::from_secs(2);

/// A writer at work.
pub struct Started {
    /// For the workers, in their order.
    pub outlets: Vec<Outlet>,
    /// Ends when all outlets are dropped.
    pub thread: JoinHandle<()>,
    /// What is not written to its end yet.
    pub writing: Writing,
    /// Its counters.
    pub stats: Arc<WriterStats>,
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

/// Starts the thread that writes below `dir`. Call it on the control plane's runtime.
///
/// # Errors
/// The directory cannot be written, or there is no thread to be had.
pub fn start(
    dir: &Dir,
    workers: &[WorkerEnds],
    (store, desk): (StoreHandle, Desk),
) -> anyhow::Result<Started> {
    let ends = workers.to_vec();
    let on_lost = move |id: &_, reason: &str| {
        ends.iter()
            .for_each(|worker| worker.handle_recording_lost(id, reason));
    };
    let writer = Writer::new(dir, flush(desk, store), Box::new(on_lost));
    let writer = writer.context("recordings.dir cannot be written to")?;
    let (writing, stats) = (writer.writing(), writer.stats());
    let started = writer.start(workers.len());
    let (outlets, thread) = started.context("the recordings' thread cannot be started")?;
    Ok(Started {
        outlets,
        thread,
        writing,
        stats,
    })
}

fn flush(desk: Desk, store: StoreHandle) -> Flush {
    let runtime = tokio::runtime::Handle::current();
    Box::new(move || {
        let Some(answer) = desk.send(&store, Work::Flush) else {
            return false;
        };
        // The limit is made within the runtime: this is a thread without one.
        let confirmed = async { tokio::time::timeout(CONFIRMED_WITHIN, answer).await };
        runtime
            .block_on(confirmed)
            .is_ok_and(|confirmed| confirmed.is_ok())
    })
}
