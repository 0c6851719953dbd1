//! Whether a layer still flows, by its own packets and by what its siblings bring meanwhile.
//!
//! All layers of a track are encoded from the same pictures and sent side by side: where one goes on and
//! another brings nothing, the other one is switched off, or its packets are lost, and a picture that
//! moves is worth more than a sharp one that stands. Where nothing comes of any of them the link stalls,
//! and nothing is known of the layers.

use super::publication::MAX_STREAMS;
use crate::base::{Millis, Mono};

/// So many new frames of a sibling speak against a layer that brought none: at a loss of 5 % so many
/// in a row are lost once in three million, and that is before retransmission.
const MISSED_FRAMES: u32 = 5;

/// They must have come over so long: above the jitter of a wireless link and two rounds of retransmission at
/// 100 ms each way, below the half second in which LiveKit's stream tracker finds the same.
const MISSED_FOR: Millis = Millis(300);

/// And over so many of the layer's own intervals: a layer may have fewer frames than its siblings, and an
/// encoder leaves one or two out after a large one.
const MISSED_PACES: u64 = 3;

/// Without that evidence, and at most, a layer that is silent for this long while another one flows is taken
/// for switched off: a picture a second, the least of a screen that stands still (libwebrtc), is no silence.
const LAYER_SILENT_AFTER: Millis = Millis(1_500);

/// Who was taken for switched off and came back within [`LAYER_SILENT_AFTER`] paused only, and may do so again:
/// for so long the evidence of siblings does not count. So a source that pauses makes the picture change
/// six times a minute at most.
const PATIENT_FOR: Millis = Millis::from_secs(10);

/// A new layer is taken for slow until it shows otherwise: three times this is [`LAYER_SILENT_AFTER`].
const FIRST_PACE: Millis = Millis(500);

/// Slower is no pace: twice this is less than a stall.
const SLOWEST_PACE: Millis = Millis(2_000);

/// What one sibling brought since the newest packet of the layer.
#[derive(Clone, Copy, Debug, Default)]
struct Missed {
    frames: u32,
    since: Mono,
    until: Mono,
}

/// The signs of life of one layer.
#[derive(Clone, Debug)]
pub(super) struct Pulse {
    last: Mono,
    /// Number and timestamp of the newest packet, and when its frame began to arrive.
    newest: Option<(u64, u32, Mono)>,
    /// The longest interval between two frames lately.
    pace: Millis,
    patient_until: Mono,
    /// By the sibling's index within the publication.
    missed: [Missed; MAX_STREAMS],
}

impl Pulse {
    pub(super) fn new(now: Mono) -> Pulse {
        Pulse {
            last: now,
            newest: None,
            pace: FIRST_PACE,
            patient_until: Mono::ZERO,
            missed: Default::default(),
        }
    }

    /// When its newest packet came.
    pub(super) const fn last(&self) -> Mono {
        self.last
    }

    /// A packet of the layer came: true if a new frame begins with it.
    pub(super) fn handle_packet(&mut self, (seq, timestamp): (u64, u32), now: Mono) -> bool {
        if self.missed_by_siblings(now) && now.since(self.last) <= LAYER_SILENT_AFTER {
            self.patient_until = now + PATIENT_FOR;
        }
        self.last = now;
        self.forget();
        let Some((newest, of, at)) = self.newest else {
            self.newest = Some((seq, timestamp, now));
            return true;
        };
        if seq <= newest {
            return false;
        }
        let begins = timestamp != of;
        self.newest = Some((seq, timestamp, if begins { now } else { at }));
        if begins {
            let faded = Millis(self.pace.0 - self.pace.0 / 8);
            self.pace = now.since(at).min(SLOWEST_PACE).max(faded);
        }
        begins
    }

    /// A sibling brought a new frame.
    pub(super) fn handle_sibling(&mut self, index: usize, now: Mono) {
        let Some(missed) = self.missed.get_mut(index) else {
            return;
        };
        if missed.frames == 0 {
            missed.since = now;
        }
        missed.frames += 1;
        missed.until = now;
    }

    /// The siblings have other indices from now on.
    pub(super) fn forget(&mut self) {
        self.missed = Default::default();
    }

    /// True unless it is taken for switched off; `newest` is when anything of the track came last.
    pub(super) fn flows(&self, newest: Mono) -> bool {
        let limit = LAYER_SILENT_AFTER.max(Millis(self.pace.0 * 2));
        newest.since(self.last) <= limit && !self.missed_by_siblings(newest)
    }

    fn missed_by_siblings(&self, now: Mono) -> bool {
        let over = Millis(self.pace.0 * MISSED_PACES);
        let over = over.clamp(MISSED_FOR, LAYER_SILENT_AFTER);
        let speaks = |missed: &Missed| {
            missed.frames >= MISSED_FRAMES && missed.until.since(missed.since) >= over
        };
        now >= self.patient_until && self.missed.iter().any(speaks)
    }
}
