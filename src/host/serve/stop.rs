//! Takes a node apart in order: rooms, workers, deliveries, ledger.

use super::node::Node;
use crate::api::ToWorker;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;
use tokio::task::JoinSet;
use tokio::time::{interval, timeout};

/// How often a condition is looked at while the node stops.
const STEP: Duration = Duration::from_millis(20);
/// The parts of a stop; with the delivery's own 3 s they stay within the promised 10 s: sockets
/// take their goodbye…
const GOODBYES: Duration = Duration::from_millis(1_500);
/// …the outbox may empty itself…
const DELIVERIES: Duration = Duration::from_millis(1_500);
/// …the last requests are answered.
pub(super) const REQUESTS: Duration = Duration::from_millis(500);

impl Node {
    /// No new sessions, goodbye to all, the ledger closed. The receiver of `--dev` outlives the
    /// deliveries. False if something of a session is not in the ledger.
    pub async fn stop(mut self) -> bool {
        tracing::info!("stopping: no new sessions, and goodbye to those that run");
        self.state.drain();
        self.tell_workers(|| ToWorker::Drain).await;
        let counters = self.state.counters();
        until(GOODBYES, || counters.connections.load(Relaxed) == 0).await;
        self.tell_workers(|| ToWorker::Stop).await;
        let threads = std::mem::take(&mut self.threads);
        let janitor = self.janitor;
        blocking(move || {
            threads.into_iter().for_each(|thread| drop(thread.join()));
            janitor.stop();
        })
        .await;
        let store = self.store.handle();
        until(DELIVERIES, || store.stats().outbox_depth() == 0).await;
        drop(self.stop_delivery.take());
        while self.delivery.join_next().await.is_some() {}
        let store = self.store;
        let whole = blocking(move || store.close()).await.unwrap_or(false);
        let dropped: u64 = self.ends.iter().map(|e| e.published().jobs_dropped).sum();
        self.listening.graceful_shutdown(Some(REQUESTS));
        let listening = self.listening.clone();
        until(REQUESTS, || listening.connection_count() == 0).await;
        self.tasks.abort_all();
        let whole = whole && dropped == 0;
        if whole {
            tracing::info!("stopped: the ledger is closed");
        } else {
            tracing::error!(
                "stopped, and not everything is in the ledger: the next start closes the sessions that were cut off as estimates"
            );
        }
        whole
    }

    async fn tell_workers(&self, message: impl Fn() -> ToWorker) {
        for worker in &self.state.workers().doors {
            // A worker that takes nothing for so long would not hear it anyway.
            drop(timeout(STEP * 10, worker.send(message())).await);
        }
    }
}

/// Waits for a condition, for at most `limit`.
async fn until(limit: Duration, holds: impl Fn() -> bool) {
    let mut step = interval(STEP);
    let waited = timeout(limit, async {
        while !holds() {
            step.tick().await;
        }
    });
    drop(waited.await);
}

/// Something that blocks, off the control plane's threads.
pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Option<T> {
    let mut set = JoinSet::new();
    set.spawn_blocking(work);
    set.join_next().await?.ok()
}
