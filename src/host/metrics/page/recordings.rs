//! What is told of recordings.

use crate::host::metrics::labels::{RecordingDrop, RecordingOutcome, RecordingState};
use crate::host::metrics::registrar::{Registrar, set_total, signed};
use crate::host::metrics::totals::RecordingTotals;
use prometheus::{IntCounter, IntCounterVec, IntGaugeVec, Result};

pub(super) struct RecordingMetrics {
    now: IntGaugeVec,
    outcomes: IntCounterVec,
    bytes: IntCounter,
    panics: IntCounter,
    disk_waits: IntCounter,
    drops: IntCounterVec,
}

impl RecordingMetrics {
    pub fn new(to: &Registrar) -> Result<RecordingMetrics> {
        Ok(RecordingMetrics {
            now: to.gauges(
                "beistand_recordings",
                "Recordings that are not deleted, by state.",
                "state",
                RecordingState::WORDS,
            )?,
            outcomes: to.counters(
                "beistand_recordings_total",
                "Steps of recordings that are final, since the start, by outcome.",
                "outcome",
                RecordingOutcome::WORDS,
            )?,
            bytes: to.counter(
                "beistand_recording_bytes_total",
                "Bytes written to the segments of recordings.",
            )?,
            panics: to.counter(
                "beistand_recording_panics_total",
                "Panics in the making and deleting of recordings' files: a bug, please report it.",
            )?,
            disk_waits: to.counter(
                "beistand_recording_disk_waits_total",
                "Times that a recording was not finished yet, for lack of room on the disk.",
            )?,
            drops: to.counters(
                "beistand_recording_drops_total",
                "Packets and frames missing in recordings; disk_*: recordings cut short.",
                "reason",
                RecordingDrop::WORDS,
            )?,
        })
    }

    pub fn set(&self, totals: &RecordingTotals) {
        for state in RecordingState::ALL {
            let gauge = self.now.with_label_values(&[state.as_str()]);
            gauge.set(signed(totals.now.of(*state)));
        }
        for outcome in RecordingOutcome::ALL {
            let counter = self.outcomes.with_label_values(&[outcome.as_str()]);
            set_total(&counter, totals.outcomes.of(*outcome));
        }
        for reason in RecordingDrop::ALL {
            let counter = self.drops.with_label_values(&[reason.as_str()]);
            set_total(&counter, totals.drops.of(*reason));
        }
        set_total(&self.bytes, totals.bytes);
        set_total(&self.panics, totals.panics);
        set_total(&self.disk_waits, totals.disk_waits);
    }
}
