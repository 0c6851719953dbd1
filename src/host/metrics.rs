//! The metrics page: the one door to prometheus.
//!
//! Those who count below hand over plain totals; what happens up here is counted here. Labels come
//! from closed enums alone, and every series exists from the start: no name of a room or a
//! participant can become one.

mod labels;
mod page;
mod registrar;
#[cfg(test)]
mod tests;
mod totals;

pub use labels::{
    DataRefusal, DataWait, DatagramDrop, DeliveryOutcome, Direction, Expired, Floor, ForwardDrop,
    JoinOutcome, Layer, Limit, LiveState, PreflightOutcome, Queue, RecordingDrop, RecordingOutcome,
    RecordingState, RepeatOutcome, SignalError, SocketRefusal,
};

pub use totals::{
    AdmissionTotals, Counts, DeliveryTotals, RecordingTotals, StoreTotals, WorkerTotals,
};

use crate::base::Unix;
use page::Page;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// All metrics of the process. Clones share them.
#[derive(Clone)]
pub struct Metrics(Arc<Inner>);

struct Inner {
    page: Page,
    reported: Mutex<Reported>,
}

/// The latest totals of everyone who counts.
#[derive(Default)]
struct Reported {
    workers: BTreeMap<usize, WorkerTotals>,
    store: StoreTotals,
    deliveries: DeliveryTotals,
    admission: AdmissionTotals,
    recordings: RecordingTotals,
    /// Drops of the queues outside the workers.
    queue_drops: Counts<Queue>,
}

impl Metrics {
    /// An empty page of a process that started at `started`.
    ///
    /// # Errors
    /// Two metrics have one name: a defect of ours.
    pub fn new(started: Unix) -> anyhow::Result<Metrics> {
        let page = Page::new(started)?;
        Ok(Metrics(Arc::new(Inner {
            page,
            reported: Mutex::default(),
        })))
    }

    /// Takes the totals of a worker.
    pub fn report_worker(&self, worker: usize, totals: WorkerTotals) {
        self.reported().workers.insert(worker, totals);
    }

    /// Takes the totals of the ledger's writer.
    pub fn report_store(&self, totals: StoreTotals) {
        self.reported().store = totals;
    }

    /// Takes the totals of the delivery.
    pub fn report_deliveries(&self, totals: DeliveryTotals) {
        self.reported().deliveries = totals;
    }

    /// Takes what admission says.
    pub fn report_admission(&self, totals: AdmissionTotals) {
        self.reported().admission = totals;
    }

    /// Takes what is told of recordings.
    pub fn report_recordings(&self, totals: RecordingTotals) {
        self.reported().recordings = totals;
    }

    /// Counts an attempt to join.
    pub fn joined(&self, outcome: JoinOutcome) {
        self.0
            .page
            .joins
            .with_label_values(&[outcome.as_str()])
            .inc();
    }

    /// Counts a measurement before a join.
    pub fn preflighted(&self, outcome: PreflightOutcome) {
        self.0
            .page
            .preflights
            .with_label_values(&[outcome.as_str()])
            .inc();
    }

    /// Counts an idempotency key that was not simply taken.
    pub fn repeated(&self, outcome: RepeatOutcome) {
        self.0
            .page
            .idempotency_keys
            .with_label_values(&[outcome.as_str()])
            .inc();
    }

    /// Counts a socket that was not let in.
    pub fn socket_refused(&self, limit: SocketRefusal) {
        self.0
            .page
            .sockets_refused
            .with_label_values(&[limit.as_str()])
            .inc();
    }

    /// Counts signalling messages.
    pub fn signalled(&self, direction: Direction, messages: u64) {
        self.0
            .page
            .signal_messages
            .with_label_values(&[direction.as_str()])
            .inc_by(messages);
    }

    /// Counts a WebSocket that was closed for what came over it.
    pub fn signal_failed(&self, reason: SignalError) {
        self.0
            .page
            .signal_errors
            .with_label_values(&[reason.as_str()])
            .inc();
    }

    /// Counts what a full queue outside the workers dropped.
    pub fn queue_dropped(&self, queue: Queue, items: u64) {
        self.reported().queue_drops.add(queue, items);
    }

    /// Says how many parts of the node have ended.
    pub fn set_parts_ended(&self, ended: u64) {
        let ended = i64::try_from(ended).unwrap_or(i64::MAX);
        self.0.page.parts_ended.set(ended);
    }

    /// Says how many WebSockets are open.
    pub fn set_connections(&self, open: u64) {
        self.0
            .page
            .connections
            .set(i64::try_from(open).unwrap_or(i64::MAX));
    }

    /// Notes how long a commit of the ledger took to reach the disk.
    pub fn ledger_fsynced(&self, took: Duration) {
        self.0.page.ledger_fsync.observe(took.as_secs_f64());
    }

    /// The page, in Prometheus' text format 0.0.4.
    ///
    /// # Errors
    /// It cannot be encoded: a defect of ours.
    pub fn render(&self) -> anyhow::Result<String> {
        let reported = self.reported();
        let mut workers = WorkerTotals::default();
        reported
            .workers
            .values()
            .for_each(|totals| workers += totals);
        workers.queue_drops += &reported.queue_drops;
        self.0.page.set_workers(&workers);
        self.0.page.set_store(&reported.store);
        self.0.page.set_deliveries(&reported.deliveries);
        self.0.page.set_admission(&reported.admission);
        self.0.page.set_recordings(&reported.recordings);
        // The lock is held until the text is made: totals are set by way of zero.
        let text = self.0.page.encode()?;
        drop(reported);
        Ok(text)
    }

    fn reported(&self) -> MutexGuard<'_, Reported> {
        self.0
            .reported
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}
