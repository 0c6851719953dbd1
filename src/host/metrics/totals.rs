//! The totals that those who count hand over.

use super::labels::{
    DataRefusal, DataWait, DatagramDrop, DeliveryOutcome, Direction, Expired, Floor, ForwardDrop,
    Layer, Limit, LiveState, Queue, RecordingDrop, RecordingOutcome, RecordingState,
};
use crate::base::Millis;
use std::collections::BTreeMap;
use std::ops::AddAssign;

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
    /// Data packets of clients that went nowhere.
    pub data_refused: Counts<DataRefusal>,
    /// What full queues of reliable data led to.
    pub data_waits: Counts<DataWait>,
    /// NACK messages.
    pub nacks: Counts<Direction>,
    /// Keyframe requests.
    pub plis: Counts<Direction>,
    /// Keyframe requests that the throttle kept from the publisher.
    pub plis_suppressed: u64,
    /// What full queues dropped.
    pub queue_drops: Counts<Queue>,
    /// Rooms that panicked and were taken away.
    pub panics: u64,
    /// What was begun and not brought to an end in time.
    pub expired: Counts<Expired>,
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
        self.data_refused += &other.data_refused;
        self.data_waits += &other.data_waits;
        self.nacks += &other.nacks;
        self.plis += &other.plis;
        self.plis_suppressed += other.plis_suppressed;
        self.queue_drops += &other.queue_drops;
        self.panics += other.panics;
        self.expired += &other.expired;
    }
}

/// What the ledger's writer says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StoreTotals {
    /// The disk is full: an alarm.
    pub full: bool,
    /// Another process has locked the file: an alarm.
    pub locked: bool,
    /// What lies there is not what was written: an alarm.
    pub damaged: bool,
    /// Rows that were not looked at since the start.
    pub unchecked: u64,
    /// Length of the WAL.
    pub wal_bytes: u64,
    /// Other processes that keep it from being emptied.
    pub wal_readers: u64,
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
