//! The metrics page: the one door to prometheus.
//!
//! Those who count below hand over plain totals; what happens up here is counted here. Labels come
//! from closed enums alone, and every series exists from the start: no name of a room or a
//! participant can become one.

mod labels;
mod page;
#[cfg(test)]
mod tests;

pub use labels::{
    DatagramDrop, DeliveryOutcome, Direction, Floor, ForwardDrop, JoinOutcome, Layer, Limit,
    LiveState, PreflightOutcome, Queue, RecordingDrop, RecordingOutcome, RecordingState,
    SignalError,
};

use crate::base::{Millis, Unix};
use page::Page;
use std::collections::BTreeMap;
use std::ops::AddAssign;
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

/// Numbers by label.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Counts<L>(BTreeMap<L, u64>);

impl<L> Default for Counts<L> {
    fn default() -> Counts<L> {
        Counts(BTreeMap::new())
    }
}

impl<L: Ord + Copy> Counts<L> {
    /// Counts `n` more.
    pub fn add(&mut self, label: L, n: u64) {
        *self.0.entry(label).or_default() += n;
    }

    /// How many.
    pub fn of(&self, label: L) -> u64 {
        self.0.get(&label).copied().unwrap_or(0)
    }
}

impl<L: Ord + Copy> FromIterator<(L, u64)> for Counts<L> {
    fn from_iter<I: IntoIterator<Item = (L, u64)>>(pairs: I) -> Counts<L> {
        let mut counts = Counts::default();
        pairs
            .into_iter()
            .for_each(|(label, n)| counts.add(label, n));
        counts
    }
}

impl<L: Ord + Copy> AddAssign<&Counts<L>> for Counts<L> {
    fn add_assign(&mut self, other: &Counts<L>) {
        other.0.iter().for_each(|(label, n)| self.add(*label, *n));
    }
}

/// What one worker has counted since it started, and what it holds now.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WorkerTotals {
    /// Sessions now.
    pub sessions: Counts<LiveState>,
    /// Participants now.
    pub participants: u64,
    /// Video subscriptions now, by what they get.
    pub layers: Counts<Layer>,
    /// Video subscriptions now, by what keeps them from more.
    pub limits: Counts<Limit>,
    /// Participants now, by how their floor upwards stands.
    pub floors_up: Counts<Floor>,
    /// Participants now, by how their floor downwards stands.
    pub floors_down: Counts<Floor>,
    /// Media packets.
    pub packets: Counts<Direction>,
    /// Bytes of them, headers included.
    pub bytes: Counts<Direction>,
    /// Packets not forwarded to a subscriber.
    pub forward_drops: Counts<ForwardDrop>,
    /// Datagrams answered with silence.
    pub datagram_drops: Counts<DatagramDrop>,
    /// NACK messages.
    pub nacks: Counts<Direction>,
    /// Keyframe requests.
    pub plis: Counts<Direction>,
    /// Keyframe requests that the throttle kept from the publisher.
    pub plis_suppressed: u64,
    /// What full queues dropped.
    pub queue_drops: Counts<Queue>,
}

impl AddAssign<&WorkerTotals> for WorkerTotals {
    fn add_assign(&mut self, other: &WorkerTotals) {
        self.sessions += &other.sessions;
        self.participants += other.participants;
        self.layers += &other.layers;
        self.limits += &other.limits;
        self.floors_up += &other.floors_up;
        self.floors_down += &other.floors_down;
        self.packets += &other.packets;
        self.bytes += &other.bytes;
        self.forward_drops += &other.forward_drops;
        self.datagram_drops += &other.datagram_drops;
        self.nacks += &other.nacks;
        self.plis += &other.plis;
        self.plis_suppressed += other.plis_suppressed;
        self.queue_drops += &other.queue_drops;
    }
}

/// What the ledger's writer says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StoreTotals {
    /// The disk is full: an alarm.
    pub full: bool,
    /// Appends held in memory until it has space.
    pub held: u64,
    /// Appends lost because it stayed full: an alarm.
    pub dropped: u64,
    /// Appends out of order: a defect of ours.
    pub refused: u64,
    /// Entries written.
    pub entries: u64,
    /// Events not yet delivered.
    pub outbox_depth: u64,
    /// Age of the oldest of them.
    pub outbox_oldest: Millis,
}

/// What admission says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AdmissionTotals {
    /// Bits a second that are promised to running sessions.
    pub reserved_bps: u64,
    /// Bits a second that there are; 0: not limited.
    pub capacity_bps: u64,
    /// Percent of all cores, of the last seconds and of the last minute.
    pub cpu: (u8, u8),
    /// Sessions that are booked and have not begun.
    pub bookings: u64,
}

/// What the delivery of webhooks says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DeliveryTotals {
    /// Attempts by outcome.
    pub attempts: Counts<DeliveryOutcome>,
    /// Events given up.
    pub dead: u64,
    /// Endpoints that answered 410 and get nothing more: an alarm.
    pub disabled: u64,
}

/// What is told of recordings.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RecordingTotals {
    /// Recordings that are not deleted.
    pub now: Counts<RecordingState>,
    /// Final steps since the start.
    pub outcomes: Counts<RecordingOutcome>,
    /// Bytes written to segments.
    pub bytes: u64,
    /// Panics in the making and deleting of files.
    pub panics: u64,
    /// Times that the making of files waited for room on the disk.
    pub disk_waits: u64,
    /// What is missing.
    pub drops: Counts<RecordingDrop>,
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
