//! Brings the totals of all who count to the metrics page, each time it is asked for.

use super::clock::Clock;
use super::deliver::DeliverStats;
use super::metrics::{
    AdmissionTotals, Counts, DataRefusal, DataWait, DatagramDrop, DeliveryOutcome, DeliveryTotals,
    Direction, Expired, Floor, ForwardDrop, JoinOutcome, Layer, Limit, LiveState, Metrics,
    PreflightOutcome, Queue, RecordingDrop, RecordingOutcome, RecordingState, RecordingTotals,
    RepeatOutcome, SignalError, SocketRefusal, StoreTotals, WorkerTotals,
};
use super::recordings::janitor::JanitorStats;
use super::recordings::writer::WriterStats;
use super::roll::Roll;
use super::store::read::LedgerReader;
use super::store::running::StoreHandle;
use super::store::stats::StoreStats;
use super::worker::{Published, WorkerEnds};
use crate::api::{ApiEvent, AppState, Crowded, Preflighted, Repeated};
use crate::base::Millis;
use crate::node::DataRefused;
use crate::record;
use std::path::PathBuf;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex, PoisonError};

/// Everyone who counts.
pub(super) struct Gauges {
    pub metrics: Metrics,
    pub clock: Clock,
    pub workers: Vec<WorkerEnds>,
    pub store: StoreHandle,
    pub deliveries: Arc<DeliverStats>,
    pub state: AppState,
    pub roll: Roll,
    /// The directory of the ledger.
    pub ledger: PathBuf,
    pub writer: Arc<WriterStats>,
    pub janitor: Arc<JanitorStats>,
    /// Signalling messages, errors, and joins of full rooms that are on the page already, by worker.
    pub told: Mutex<Vec<SignalTotals>>,
}

impl Gauges {
    /// The page. Reads the ledger, so it may block; two at a time take turns, since what one tells
    /// the other must not tell again.
    pub fn render(&self) -> String {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        told.resize_with(self.workers.len(), SignalTotals::default);
        for (index, (worker, told)) in self.workers.iter().zip(told.iter_mut()).enumerate() {
            let published = worker.published();
            self.tell_signals(told, &published);
            self.metrics.report_worker(index, worker_totals(&published));
        }
        self.metrics
            .report_store(store_totals(self.store.stats(), self.clock));
        self.metrics
            .report_deliveries(delivery_totals(&self.deliveries));
        self.metrics.report_admission(self.admission());
        self.metrics.report_recordings(self.recordings());
        let open = self.state.counters().connections.load(Relaxed);
        self.metrics
            .set_connections(u64::try_from(open).unwrap_or(u64::MAX));
        self.metrics.set_parts_ended(self.roll.ended());
        self.metrics.render().unwrap_or_else(|error| {
            tracing::error!(%error, "the metrics page cannot be made");
            String::new()
        })
    }

    fn recordings(&self) -> RecordingTotals {
        let (writer, janitor) = (&self.writer, &self.janitor);
        let counts = LedgerReader::open(&self.ledger).and_then(|reader| reader.recording_counts());
        let counts = counts.unwrap_or_else(|error| {
            tracing::error!(%error, "the recordings cannot be counted");
            Vec::new()
        });
        let of = |state: &RecordingState| {
            let found = counts.iter().find(|(word, _)| word == state.as_str());
            (*state, found.map_or(0, |(_, count)| *count))
        };
        let outcomes = [
            RecordingOutcome::Ready,
            RecordingOutcome::Failed,
            RecordingOutcome::Deleted,
        ];
        let steps = self.store.stats().recordings_total();
        let mut recorders = record::Stats::default();
        for worker in &self.workers {
            recorders += worker.published().shard.recorders;
        }
        RecordingTotals {
            now: RecordingState::ALL.iter().map(of).collect(),
            outcomes: outcomes.into_iter().zip(steps).collect(),
            bytes: writer.bytes.load(Relaxed),
            panics: janitor.panics.load(Relaxed),
            disk_waits: janitor.disk_waits.load(Relaxed),
            drops: recording_drops(&recorders, writer),
        }
    }

    fn admission(&self) -> AdmissionTotals {
        let control = self.state.workers().control.lock();
        let reserved = control.unwrap_or_else(PoisonError::into_inner).reserved();
        AdmissionTotals {
            reserved_bps: reserved.egress_bps,
            capacity_bps: reserved.capacity_bps,
            cpu: (reserved.cpu.short, reserved.cpu.long),
            bookings: reserved.bookings,
        }
    }

    fn tell_signals(&self, told: &mut SignalTotals, published: &Published) {
        let shard = &published.shard;
        let now = SignalTotals {
            messages: shard.signal_messages,
            sent: shard.signal_sent,
            errors: shard.signal_errors,
            full: shard.joins_full,
        };
        let metrics = &self.metrics;
        metrics.signalled(Direction::In, now.messages.saturating_sub(told.messages));
        metrics.signalled(Direction::Out, now.sent.saturating_sub(told.sent));
        (told.errors..now.errors).for_each(|_| metrics.signal_failed(SignalError::Malformed));
        (told.full..now.full).for_each(|_| metrics.joined(JoinOutcome::Full));
        *told = now;
    }
}

/// A worker's counts that are on the page already.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct SignalTotals {
    messages: u64,
    sent: u64,
    errors: u64,
    full: u64,
}

/// What happens at the doors, as it happens.
pub(super) fn note(metrics: &Metrics, event: ApiEvent) {
    match event {
        ApiEvent::Preflight(came) => metrics.preflighted(match came {
            Preflighted::Passed => PreflightOutcome::Passed,
            Preflighted::Below => PreflightOutcome::Below,
            Preflighted::Failed => PreflightOutcome::Failed,
            Preflighted::Refused => PreflightOutcome::Refused,
        }),
        ApiEvent::Repeat(repeated) => metrics.repeated(match repeated {
            Repeated::Answered => RepeatOutcome::Answered,
            Repeated::UnderWay => RepeatOutcome::UnderWay,
            Repeated::Otherwise => RepeatOutcome::OtherRequest,
            Repeated::TooMany => RepeatOutcome::TooMany,
        }),
        ApiEvent::Joined => metrics.joined(JoinOutcome::Ok),
        ApiEvent::Refused(status) => metrics.joined(match status {
            400 => JoinOutcome::BadRequest,
            401 => JoinOutcome::Unauthorized,
            403 => JoinOutcome::Forbidden,
            429 => JoinOutcome::RateLimited,
            503 => JoinOutcome::Unavailable,
            _ => JoinOutcome::Failed,
        }),
        ApiEvent::SlowReader => {
            metrics.queue_dropped(Queue::Signal, 1);
            metrics.signal_failed(SignalError::SlowReader);
        }
        ApiEvent::Flood => metrics.signal_failed(SignalError::RateLimited),
        ApiEvent::SocketRefused(crowded) => metrics.socket_refused(match crowded {
            Crowded::Address => SocketRefusal::Address,
            Crowded::Node => SocketRefusal::Node,
        }),
        ApiEvent::Silent => metrics.signal_failed(SignalError::Timeout),
    }
}

fn worker_totals(published: &Published) -> WorkerTotals {
    let (shard, udp) = (&published.shard, &published.udp);
    let both = |inwards, outwards| {
        Counts::from_iter([(Direction::In, inwards), (Direction::Out, outwards)])
    };
    WorkerTotals {
        sessions: Counts::from_iter([
            (LiveState::Waiting, shard.waiting),
            (LiveState::Live, shard.live),
            (LiveState::Paused, shard.paused),
        ]),
        participants: shard.participants,
        layers: Counts::from_iter([
            (Layer::Paused, shard.links.paused),
            (Layer::Off, shard.links.off),
            (Layer::Low, shard.links.layers[0]),
            (Layer::Medium, shard.links.layers[1]),
            (Layer::High, shard.links.layers[2]),
        ]),
        limits: Limit::ALL
            .iter()
            .copied()
            .zip(shard.links.limited)
            .collect(),
        floors_up: Floor::ALL.iter().copied().zip(shard.links.up).collect(),
        floors_down: Floor::ALL.iter().copied().zip(shard.links.down).collect(),
        packets: both(shard.in_packets, shard.out_packets),
        bytes: both(shard.in_bytes, shard.out_bytes),
        forward_drops: Counts::from_iter([
            (ForwardDrop::NoCodec, shard.not_carried),
            (ForwardDrop::NoTrack, shard.no_track),
            (ForwardDrop::Unheard, shard.unheard),
            (ForwardDrop::AwaitingKeyframe, shard.drops.awaiting_keyframe),
            (ForwardDrop::Disabled, shard.drops.disabled),
            (ForwardDrop::NotAllocated, shard.drops.not_allocated),
            (ForwardDrop::NotConnected, shard.drops.not_connected),
        ]),
        datagram_drops: Counts::from_iter([
            (DatagramDrop::UnknownUfrag, shard.unknown_ufrag),
            (DatagramDrop::UnknownAddress, shard.unknown_address),
            (DatagramDrop::Unauthenticated, shard.unauthenticated),
        ]),
        data_refused: data_refused(&shard.data_refused),
        data_waits: Counts::from_iter([
            (DataWait::SenderPaused, shard.data_pauses),
            (DataWait::ReceiverStalled, shard.data_stalls),
        ]),
        nacks: both(shard.nacks_in, shard.nacks_out),
        plis: both(shard.pli_in, shard.pli_out),
        plis_suppressed: shard.pli_held,
        queue_drops: Counts::from_iter([
            (Queue::Udp, udp.send_dropped + udp.send_refused),
            (Queue::Ledger, published.jobs_dropped),
            (Queue::Data, shard.data_dropped),
        ]),
        panics: shard.panics,
        expired: Counts::from_iter([
            (Expired::Track, shard.tracks_expired),
            (Expired::Subscription, shard.subscriptions_expired),
            (Expired::Offer, shard.offers_expired),
        ]),
    }
}

fn data_refused(refused: &DataRefused) -> Counts<DataRefusal> {
    Counts::from_iter([
        (DataRefusal::Malformed, refused.malformed),
        (DataRefusal::Topic, refused.topic),
        (DataRefusal::Impersonation, refused.impersonation),
        (DataRefusal::NotAllowed, refused.not_allowed),
        (DataRefusal::TooLarge, refused.too_large),
    ])
}

/// What is missing in recordings, by the recorders and by the writer.
fn recording_drops(recorders: &record::Stats, writer: &WriterStats) -> Counts<RecordingDrop> {
    Counts::from_iter([
        (RecordingDrop::NoConsent, recorders.refused),
        (RecordingDrop::Late, recorders.late),
        (RecordingDrop::Lost, recorders.holes),
        (RecordingDrop::Malformed, recorders.malformed),
        (RecordingDrop::Frame, recorders.frames_dropped),
        (RecordingDrop::DiskSlow, writer.too_slow.load(Relaxed)),
        (
            RecordingDrop::DiskFailed,
            writer.disk_failures.load(Relaxed),
        ),
    ])
}

fn store_totals(stats: &StoreStats, clock: Clock) -> StoreTotals {
    let now = clock.now().unix.0;
    StoreTotals {
        full: stats.full(),
        locked: stats.locked(),
        damaged: stats.damaged(),
        unchecked: stats.unchecked(),
        wal_bytes: stats.wal_bytes(),
        wal_readers: stats.wal_readers(),
        held: stats.held(),
        dropped: stats.dropped_total(),
        refused: stats.refused_total(),
        entries: stats.entries_total(),
        outbox_depth: stats.outbox_depth(),
        outbox_oldest: stats
            .oldest_pending_unix_ms()
            .map_or(Millis::ZERO, |oldest| Millis(now.saturating_sub(oldest))),
    }
}

fn delivery_totals(stats: &DeliverStats) -> DeliveryTotals {
    let attempts = [
        (DeliveryOutcome::Ok, &stats.ok),
        (DeliveryOutcome::Redirect, &stats.redirect),
        (DeliveryOutcome::ClientError, &stats.client_error),
        (DeliveryOutcome::ServerError, &stats.server_error),
        (DeliveryOutcome::Timeout, &stats.timeout),
        (DeliveryOutcome::Network, &stats.network),
        (DeliveryOutcome::Refused, &stats.refused),
    ];
    DeliveryTotals {
        attempts: attempts
            .map(|(outcome, count)| (outcome, count.load(Relaxed)))
            .into_iter()
            .collect(),
        dead: stats.dead.load(Relaxed),
        disabled: stats.disabled.load(Relaxed),
    }
}
