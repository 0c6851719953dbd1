//! The page against its golden file, and totals of several workers.

use super::*;
use crate::base::Millis;

/// Most series of a node.
const MAX_SERIES: usize = 2_000;

fn page() -> Metrics {
    Metrics::new(Unix(1_800_000_000_500)).unwrap()
}

/// The page with its version left out: that changes with every release.
fn text(metrics: &Metrics) -> String {
    metrics
        .render()
        .unwrap()
        .replace(env!("CARGO_PKG_VERSION"), "VERSION")
}

#[test]
fn the_page_reads_as_in_the_golden_file() {
    assert_eq!(
        text(&page()),
        include_str!("../../../tests/golden/metrics/page.txt")
    );
}

fn worker() -> WorkerTotals {
    WorkerTotals {
        sessions: [(LiveState::Live, 2), (LiveState::Paused, 1)]
            .into_iter()
            .collect(),
        participants: 5,
        layers: [(Layer::Low, 2)].into_iter().collect(),
        limits: [(Limit::Downlink, 2)].into_iter().collect(),
        floors_up: [(Floor::Met, 3)].into_iter().collect(),
        floors_down: [(Floor::Breached, 1)].into_iter().collect(),
        packets: [(Direction::In, 100), (Direction::Out, 300)]
            .into_iter()
            .collect(),
        bytes: [(Direction::In, 120_000)].into_iter().collect(),
        forward_drops: [(ForwardDrop::AwaitingKeyframe, 7)].into_iter().collect(),
        datagram_drops: [(DatagramDrop::UnknownUfrag, 8)].into_iter().collect(),
        data_refused: [(DataRefusal::Topic, 6)].into_iter().collect(),
        data_waits: [(DataWait::SenderPaused, 2)].into_iter().collect(),
        nacks: [(Direction::Out, 3)].into_iter().collect(),
        plis: [(Direction::Out, 4)].into_iter().collect(),
        plis_suppressed: 9,
        queue_drops: [(Queue::Data, 1)].into_iter().collect(),
        panics: 1,
        expired: [(Expired::Track, 2)].into_iter().collect(),
    }
}

#[track_caller]
fn has(text: &str, line: &str) {
    assert!(
        text.lines().any(|other| other == line),
        "no {line} in\n{text}"
    );
}

#[test]
fn totals_of_workers_are_added_up_and_a_later_report_replaces_the_earlier() {
    let metrics = page();
    metrics.report_worker(0, worker());
    metrics.report_worker(1, worker());
    metrics.report_worker(1, worker());
    metrics.queue_dropped(Queue::Data, 10);
    for _ in 0..2 {
        let text = text(&metrics);
        has(&text, "beistand_sessions{state=\"live\"} 4");
        has(&text, "beistand_sessions{state=\"waiting\"} 0");
        has(&text, "beistand_subscriptions{layer=\"low\"} 4");
        has(&text, "beistand_subscriptions_limited{by=\"downlink\"} 4");
        has(&text, "beistand_floors_up{state=\"met\"} 6");
        has(&text, "beistand_floors_down{state=\"breached\"} 2");
        has(&text, "beistand_participants 10");
        has(&text, "beistand_packets_total{direction=\"out\"} 600");
        has(&text, "beistand_bytes_total{direction=\"in\"} 240000");
        has(
            &text,
            "beistand_forward_drops_total{reason=\"awaiting_keyframe\"} 14",
        );
        has(
            &text,
            "beistand_datagram_drops_total{reason=\"unknown_ufrag\"} 16",
        );
        has(&text, "beistand_data_refused_total{reason=\"topic\"} 12");
        has(&text, "beistand_data_waits_total{what=\"sender_paused\"} 4");
        has(&text, "beistand_nack_total{direction=\"out\"} 6");
        has(&text, "beistand_keyframe_requests_suppressed_total 18");
        has(&text, "beistand_queue_drops_total{queue=\"data\"} 12");
        has(&text, "beistand_room_panics_total 2");
        has(&text, "beistand_expired_total{what=\"track\"} 4");
    }
}

#[test]
fn what_happens_up_here_is_counted() {
    let metrics = page();
    metrics.joined(JoinOutcome::Full);
    metrics.preflighted(PreflightOutcome::Below);
    metrics.signalled(Direction::In, 3);
    metrics.signal_failed(SignalError::TooLong);
    metrics.set_connections(6);
    metrics.set_parts_ended(2);
    metrics.ledger_fsynced(Duration::from_millis(3));
    metrics.report_store(StoreTotals {
        full: true,
        outbox_depth: 11,
        outbox_oldest: Millis(1_500),
        ..StoreTotals::default()
    });
    let attempts = [(DeliveryOutcome::ServerError, 2)].into_iter().collect();
    metrics.report_deliveries(DeliveryTotals {
        attempts,
        dead: 1,
        disabled: 1,
    });
    metrics.report_recordings(RecordingTotals {
        now: [(RecordingState::Finishing, 2)].into_iter().collect(),
        outcomes: [(RecordingOutcome::Deleted, 3)].into_iter().collect(),
        bytes: 7,
        panics: 5,
        disk_waits: 6,
        drops: [(RecordingDrop::Late, 4)].into_iter().collect(),
    });
    let text = text(&metrics);
    has(&text, "beistand_recordings{state=\"finishing\"} 2");
    has(&text, "beistand_recordings_total{outcome=\"deleted\"} 3");
    has(&text, "beistand_recording_bytes_total 7");
    has(&text, "beistand_recording_panics_total 5");
    has(&text, "beistand_recording_disk_waits_total 6");
    has(&text, "beistand_recording_drops_total{reason=\"late\"} 4");
    has(&text, "beistand_joins_total{outcome=\"full\"} 1");
    has(&text, "beistand_preflights_total{outcome=\"below\"} 1");
    has(&text, "beistand_signal_messages_total{direction=\"in\"} 3");
    has(&text, "beistand_signal_errors_total{reason=\"too_long\"} 1");
    has(&text, "beistand_connections 6");
    has(&text, "beistand_parts_ended 2");
    has(
        &text,
        "beistand_ledger_fsync_seconds_bucket{le=\"0.0025\"} 0",
    );
    has(
        &text,
        "beistand_ledger_fsync_seconds_bucket{le=\"0.005\"} 1",
    );
    has(&text, "beistand_ledger_full 1");
    has(&text, "beistand_outbox_depth 11");
    has(&text, "beistand_outbox_oldest_age_seconds 1.5");
    has(
        &text,
        "beistand_deliveries_total{outcome=\"server_error\"} 2",
    );
    has(&text, "beistand_dead_letters_total 1");
    has(&text, "process_start_time_seconds 1800000000.5");
}

#[test]
fn the_number_of_series_is_bounded_and_the_same_from_the_start() {
    let series = |text: &str| text.lines().filter(|line| !line.starts_with('#')).count();
    let metrics = page();
    let before = series(&text(&metrics));
    metrics.report_worker(0, worker());
    metrics.joined(JoinOutcome::Ok);
    assert_eq!(series(&text(&metrics)), before);
    assert!(before <= MAX_SERIES);
}
