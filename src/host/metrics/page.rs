//! The metrics as prometheus knows them: names, helps, and how totals get onto the page.

mod recordings;

use super::labels::{
    DataRefusal, DataWait, DatagramDrop, DeliveryOutcome, Direction, Expired, Floor, ForwardDrop,
    JoinOutcome, Layer, Limit, LiveState, PreflightOutcome, Queue, RepeatOutcome, SignalError,
    SocketRefusal,
};
use super::registrar::{Registrar, set_total, signed};
use super::totals::{AdmissionTotals, DeliveryTotals, RecordingTotals, StoreTotals, WorkerTotals};
use crate::base::Unix;
use prometheus::{
    Gauge, Histogram, HistogramOpts, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Registry,
    Result, TextEncoder,
};
use recordings::RecordingMetrics;

/// Bounds of the histogram of fsync times, in seconds: from a good NVMe disk to one in trouble.
const FSYNC_SECONDS: [f64; 12] = [
    0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5,
];

pub(super) struct Page {
    registry: Registry,
    media: Media,
    store: StoreMetrics,
    admission: Admission,
    recordings: RecordingMetrics,
    deliveries: IntCounterVec,
    dead_letters: IntCounter,
    disabled_endpoints: IntGauge,
    pub(super) connections: IntGauge,
    pub(super) parts_ended: IntGauge,
    pub(super) joins: IntCounterVec,
    pub(super) preflights: IntCounterVec,
    pub(super) idempotency_keys: IntCounterVec,
    pub(super) signal_messages: IntCounterVec,
    pub(super) signal_errors: IntCounterVec,
    pub(super) sockets_refused: IntCounterVec,
    pub(super) ledger_fsync: Histogram,
}

/// What the workers report.
struct Media {
    sessions: IntGaugeVec,
    participants: IntGauge,
    links: Links,
    packets: IntCounterVec,
    bytes: IntCounterVec,
    forward_drops: IntCounterVec,
    refusals: Refusals,
    nacks: IntCounterVec,
    plis: IntCounterVec,
    plis_suppressed: IntCounter,
    queue_drops: IntCounterVec,
    panics: IntCounter,
    expired: IntCounterVec,
}

/// What others sent and nobody got, or got later.
struct Refusals {
    datagrams: IntCounterVec,
    data: IntCounterVec,
    data_waits: IntCounterVec,
}

/// What links carry now, and how floors stand.
struct Links {
    layers: IntGaugeVec,
    limits: IntGaugeVec,
    floors_up: IntGaugeVec,
    floors_down: IntGaugeVec,
}

/// What the ledger's writer reports.
struct StoreMetrics {
    entries: IntCounter,
    full: IntGauge,
    locked: IntGauge,
    damaged: IntGauge,
    unchecked: IntGauge,
    wal_bytes: IntGauge,
    wal_readers: IntGauge,
    held: IntGauge,
    dropped: IntCounter,
    refused: IntCounter,
    outbox_depth: IntGauge,
    outbox_oldest: Gauge,
}

fn fsync() -> HistogramOpts {
    let name = "beistand_ledger_fsync_seconds";
    let help = "Time that a commit of the ledger took to reach the disk.";
    HistogramOpts::new(name, help).buckets(FSYNC_SECONDS.to_vec())
}

impl Page {
    pub(super) fn new(started: Unix) -> Result<Page> {
        let to = Registrar(Registry::new());
        to.process(started)?;
        Ok(Page {
            media: Media::new(&to)?,
            store: StoreMetrics::new(&to)?,
            admission: Admission::new(&to)?,
            recordings: RecordingMetrics::new(&to)?,
            deliveries: to.counters(
                "beistand_deliveries_total",
                "Attempts to deliver an event, by outcome.",
                "outcome",
                DeliveryOutcome::WORDS,
            )?,
            dead_letters: to.counter(
                "beistand_dead_letters_total",
                "Events given up since the start; they are kept and can be delivered again.",
            )?,
            disabled_endpoints: to.gauge(
                "beistand_endpoints_disabled",
                "Webhook endpoints that are gone (410) and get nothing until they are enabled, or the configuration is read again.",
            )?,
            connections: to.gauge("beistand_connections", "WebSockets open now.")?,
            parts_ended: to.gauge(
                "beistand_parts_ended",
                "Threads and tasks of the node that have ended though it runs: restart it.",
            )?,
            joins: to.counters(
                "beistand_joins_total",
                "Attempts to join, by outcome.",
                "outcome",
                JoinOutcome::WORDS,
            )?,
            preflights: to.counters(
                "beistand_preflights_total",
                "Measurements before a join, by outcome.",
                "outcome",
                PreflightOutcome::WORDS,
            )?,
            idempotency_keys: to.counters(
                "beistand_idempotency_keys_total",
                "Idempotency keys that came again, or could not be taken, by outcome.",
                "outcome",
                RepeatOutcome::WORDS,
            )?,
            signal_messages: to.counters(
                "beistand_signal_messages_total",
                "Signalling messages.",
                "direction",
                Direction::WORDS,
            )?,
            signal_errors: to.counters(
                "beistand_signal_errors_total",
                "WebSockets closed for what came over them.",
                "reason",
                SignalError::WORDS,
            )?,
            sockets_refused: to.counters(
                "beistand_sockets_refused_total",
                "Sockets that were not let in, by the limit that is reached.",
                "limit",
                SocketRefusal::WORDS,
            )?,
            ledger_fsync: to.keep(Histogram::with_opts(fsync())?)?,
            registry: to.0,
        })
    }

    pub(super) fn set_workers(&self, totals: &WorkerTotals) {
        self.media.set(totals);
    }

    pub(super) fn set_store(&self, totals: &StoreTotals) {
        self.store.set(totals);
    }

    pub(super) fn set_deliveries(&self, totals: &DeliveryTotals) {
        for outcome in DeliveryOutcome::ALL {
            let total = totals.attempts.of(*outcome);
            set_total(
                &self.deliveries.with_label_values(&[outcome.as_str()]),
                total,
            );
        }
        set_total(&self.dead_letters, totals.dead);
        self.disabled_endpoints.set(signed(totals.disabled));
    }

    pub(super) fn set_admission(&self, totals: &AdmissionTotals) {
        self.admission.set(totals);
    }

    pub(super) fn set_recordings(&self, totals: &RecordingTotals) {
        self.recordings.set(totals);
    }

    pub(super) fn encode(&self) -> Result<String> {
        TextEncoder::new().encode_to_string(&self.registry.gather())
    }
}

/// What admission reports.
struct Admission {
    reserved: IntGauge,
    free: IntGauge,
    capacity: IntGauge,
    cpu: IntGaugeVec,
    bookings: IntGauge,
}

impl Admission {
    fn new(to: &Registrar) -> Result<Admission> {
        Ok(Admission {
            reserved: to.gauge(
                "beistand_egress_reserved_bps",
                "Bits a second to clients that are promised to sessions.",
            )?,
            free: to.gauge(
                "beistand_egress_free_bps",
                "Bits a second to clients that are not promised; 0 without a limit.",
            )?,
            capacity: to.gauge(
                "beistand_egress_capacity_bps",
                "Bits a second to clients that there are (node.egress_bps); 0 without a limit.",
            )?,
            cpu: to.gauges(
                "beistand_cpu_percent",
                "Percent of all cores that the process uses, on average.",
                "average",
                &["long", "short"],
            )?,
            bookings: to.gauge(
                "beistand_bookings",
                "Sessions that are booked and have not begun.",
            )?,
        })
    }

    fn set(&self, totals: &AdmissionTotals) {
        let free = totals.capacity_bps.saturating_sub(totals.reserved_bps);
        self.reserved.set(signed(totals.reserved_bps));
        self.capacity.set(signed(totals.capacity_bps));
        self.free.set(signed(free));
        self.bookings.set(signed(totals.bookings));
        for (average, percent) in [("short", totals.cpu.0), ("long", totals.cpu.1)] {
            self.cpu.with_label_values(&[average]).set(percent.into());
        }
    }
}

impl Media {
    fn new(to: &Registrar) -> Result<Media> {
        Ok(Media {
            sessions: to.gauges(
                "beistand_sessions",
                "Sessions that have not ended, by state.",
                "state",
                LiveState::WORDS,
            )?,
            participants: to.gauge("beistand_participants", "Participants connected now.")?,
            links: Links::new(to)?,
            packets: to.counters(
                "beistand_packets_total",
                "Media packets.",
                "direction",
                Direction::WORDS,
            )?,
            bytes: to.counters(
                "beistand_bytes_total",
                "Bytes of media packets, headers included.",
                "direction",
                Direction::WORDS,
            )?,
            forward_drops: to.counters(
                "beistand_forward_drops_total",
                "Packets not forwarded to a subscriber, by reason.",
                "reason",
                ForwardDrop::WORDS,
            )?,
            refusals: Refusals::new(to)?,
            nacks: to.counters(
                "beistand_nack_total",
                "NACK messages.",
                "direction",
                Direction::WORDS,
            )?,
            plis: to.counters(
                "beistand_pli_total",
                "Keyframe requests.",
                "direction",
                Direction::WORDS,
            )?,
            plis_suppressed: to.counter(
                "beistand_keyframe_requests_suppressed_total",
                "Keyframe requests that the throttle kept from the publisher.",
            )?,
            queue_drops: to.counters(
                "beistand_queue_drops_total",
                "What full queues dropped, by queue.",
                "queue",
                Queue::WORDS,
            )?,
            panics: to.counter(
                "beistand_room_panics_total",
                "Rooms that panicked and were taken away: each is a defect of ours.",
            )?,
            expired: to.counters(
                "beistand_expired_total",
                "What was begun and not brought to an end in time.",
                "what",
                Expired::WORDS,
            )?,
        })
    }

    fn set(&self, totals: &WorkerTotals) {
        for state in LiveState::ALL {
            let gauge = self.sessions.with_label_values(&[state.as_str()]);
            gauge.set(signed(totals.sessions.of(*state)));
        }
        self.participants.set(signed(totals.participants));
        self.links.set(totals);
        for direction in Direction::ALL {
            let label = &[direction.as_str()];
            set_total(
                &self.packets.with_label_values(label),
                totals.packets.of(*direction),
            );
            set_total(
                &self.bytes.with_label_values(label),
                totals.bytes.of(*direction),
            );
            set_total(
                &self.nacks.with_label_values(label),
                totals.nacks.of(*direction),
            );
            set_total(
                &self.plis.with_label_values(label),
                totals.plis.of(*direction),
            );
        }
        for reason in ForwardDrop::ALL {
            let total = totals.forward_drops.of(*reason);
            set_total(
                &self.forward_drops.with_label_values(&[reason.as_str()]),
                total,
            );
        }
        self.refusals.set(totals);
        for queue in Queue::ALL {
            let total = totals.queue_drops.of(*queue);
            set_total(
                &self.queue_drops.with_label_values(&[queue.as_str()]),
                total,
            );
        }
        set_total(&self.panics, totals.panics);
        for what in Expired::ALL {
            let total = totals.expired.of(*what);
            set_total(&self.expired.with_label_values(&[what.as_str()]), total);
        }
        set_total(&self.plis_suppressed, totals.plis_suppressed);
    }
}

impl Refusals {
    fn new(to: &Registrar) -> Result<Refusals> {
        Ok(Refusals {
            datagrams: to.counters(
                "beistand_datagram_drops_total",
                "Datagrams answered with silence, by reason.",
                "reason",
                DatagramDrop::WORDS,
            )?,
            data: to.counters(
                "beistand_data_refused_total",
                "Data packets of clients that went nowhere, by reason.",
                "reason",
                DataRefusal::WORDS,
            )?,
            data_waits: to.counters(
                "beistand_data_waits_total",
                "What full queues of reliable data, which drop nothing, have led to.",
                "what",
                DataWait::WORDS,
            )?,
        })
    }

    fn set(&self, totals: &WorkerTotals) {
        for reason in DatagramDrop::ALL {
            let counter = self.datagrams.with_label_values(&[reason.as_str()]);
            set_total(&counter, totals.datagram_drops.of(*reason));
        }
        for reason in DataRefusal::ALL {
            let counter = self.data.with_label_values(&[reason.as_str()]);
            set_total(&counter, totals.data_refused.of(*reason));
        }
        for what in DataWait::ALL {
            let counter = self.data_waits.with_label_values(&[what.as_str()]);
            set_total(&counter, totals.data_waits.of(*what));
        }
    }
}

impl Links {
    fn new(to: &Registrar) -> Result<Links> {
        Ok(Links {
            layers: to.gauges(
                "beistand_subscriptions",
                "Video subscriptions now, by the layer that they get.",
                "layer",
                Layer::WORDS,
            )?,
            limits: to.gauges(
                "beistand_subscriptions_limited",
                "Video subscriptions now, by what keeps them from more.",
                "by",
                Limit::WORDS,
            )?,
            floors_up: to.gauges(
                "beistand_floors_up",
                "Participants now, by how the promised bandwidth from them stands.",
                "state",
                Floor::WORDS,
            )?,
            floors_down: to.gauges(
                "beistand_floors_down",
                "Participants now, by how the promised bandwidth to them stands.",
                "state",
                Floor::WORDS,
            )?,
        })
    }

    fn set(&self, totals: &WorkerTotals) {
        for layer in Layer::ALL {
            let gauge = self.layers.with_label_values(&[layer.as_str()]);
            gauge.set(signed(totals.layers.of(*layer)));
        }
        for limit in Limit::ALL {
            let gauge = self.limits.with_label_values(&[limit.as_str()]);
            gauge.set(signed(totals.limits.of(*limit)));
        }
        for state in Floor::ALL {
            let label = &[state.as_str()];
            let up = self.floors_up.with_label_values(label);
            up.set(signed(totals.floors_up.of(*state)));
            let down = self.floors_down.with_label_values(label);
            down.set(signed(totals.floors_down.of(*state)));
        }
    }
}

impl StoreMetrics {
    fn new(to: &Registrar) -> Result<StoreMetrics> {
        Ok(StoreMetrics {
            entries: to.counter("beistand_ledger_entries_total", "Entries written.")?,
            full: to.gauge(
                "beistand_ledger_full",
                "1 while the disk of the ledger is full: no new session starts.",
            )?,
            locked: to.gauge(
                "beistand_ledger_locked",
                "1 while another process has locked the ledger: no new session starts.",
            )?,
            damaged: to.gauge(
                "beistand_ledger_damaged",
                "1 if what lies in the ledger is not what was written: no new session starts.",
            )?,
            unchecked: to.gauge(
                "beistand_ledger_unchecked_rows",
                "Rows of a long ledger that were not looked at since the start.",
            )?,
            wal_bytes: to.gauge("beistand_ledger_wal_bytes", "Length of the ledger's WAL.")?,
            wal_readers: to.gauge(
                "beistand_ledger_wal_readers",
                "Other processes that read for long, and keep the WAL from being emptied.",
            )?,
            held: to.gauge(
                "beistand_ledger_held",
                "Appends held in memory until the disk has space.",
            )?,
            dropped: to.counter(
                "beistand_ledger_dropped_total",
                "Appends lost because the disk stayed full.",
            )?,
            refused: to.counter(
                "beistand_ledger_refused_total",
                "Appends refused because they were out of order: a defect.",
            )?,
            outbox_depth: to.gauge("beistand_outbox_depth", "Events not yet delivered.")?,
            outbox_oldest: to.keep(Gauge::new(
                "beistand_outbox_oldest_age_seconds",
                "Age of the oldest event not yet delivered.",
            )?)?,
        })
    }

    fn set(&self, totals: &StoreTotals) {
        set_total(&self.entries, totals.entries);
        self.full.set(i64::from(totals.full));
        self.locked.set(i64::from(totals.locked));
        self.damaged.set(i64::from(totals.damaged));
        self.unchecked.set(signed(totals.unchecked));
        self.wal_bytes.set(signed(totals.wal_bytes));
        self.wal_readers.set(signed(totals.wal_readers));
        self.held.set(signed(totals.held));
        set_total(&self.dropped, totals.dropped);
        set_total(&self.refused, totals.refused);
        self.outbox_depth.set(signed(totals.outbox_depth));
        self.outbox_oldest
            .set(totals.outbox_oldest.duration().as_secs_f64());
    }
}
