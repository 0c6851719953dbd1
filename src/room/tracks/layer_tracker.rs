//! Whether a layer still flows, by its own packets and by what its siblings bring meanwhile.
//!
//! All layers of a track are encoded from the same pictures and sent side by side: where one goes on and
//! another brings nothing, the other one is switched off, or its packets are lost, and a picture that
//! moves is worth more than a sharp one that stands. Where nothing comes of any of them the link stalls,
//! and nothing is known of the layers.

use crate::base::{Millis, Mono};
use crate::media::Packet;

/// Streams of one publication; more are refused (a publisher has at most three layers).
pub(in crate::room) const MAX_STREAMS: usize = 4;

/// So many new frames of a sibling speak against a layer that brought none. Its own frame of the same moment
/// may be on its way still, the five before are lost once in three million at a loss of 5 %, and that is
/// before retransmission.
const MISSED_FRAMES: u32 = 6;

/// They must have come over so long: above the jitter of a wireless link and a retransmission at a round
/// trip of 200 ms, below the half second in which LiveKit's stream tracker finds the same of a camera.
const MISSED_FOR: Millis = Millis(300);

/// And over so many of the layer's own intervals: a layer may have fewer frames than its siblings, and an
/// encoder leaves one or two out after a large one.
const MISSED_PACES: u64 = 3;

/// Without that evidence, and at most, a layer that is silent for this long while another one flows is
/// taken for switched off: a screen that stands still has a picture a second.
const LAYER_SILENT_AFTER: Millis = Millis(1_500);

/// A new layer is taken for slow until it shows otherwise, and none for slower: so many of its intervals
/// are as long as is waited without evidence.
const SLOWEST_PACE: Millis = Millis(LAYER_SILENT_AFTER.0 / MISSED_PACES);

/// Who was taken for switched off and came back within [`LAYER_SILENT_AFTER`] only paused, and may do so
/// again: for so long the evidence of siblings does not count. So a source that pauses makes the picture
/// change six times a minute at most.
const PATIENT_FOR: Millis = Millis::from_secs(10);

/// A packet so many numbers or less before the newest one was sent before it, and says nothing of now; what is
/// further back is another numbering.
const LATE: u64 = 512;

/// What one sibling brought since the newest packet of the layer.
#[derive(Clone, Copy, Debug, Default)]
struct Missed {
    frames: u32,
    since: Mono,
    until: Mono,
}

/// The signs of life of one layer.
#[derive(Clone, Debug)]
pub(in crate::room) struct LayerTracker {
    last: Mono,
    /// Number and timestamp of the newest packet, and when its frame began to arrive.
    newest: Option<(u64, u32, Mono)>,
    /// The longest interval between two frames lately.
    pace: Millis,
    patient_until: Mono,
    /// By the sibling's index within the publication.
    missed: [Missed; MAX_STREAMS],
}

impl LayerTracker {
    pub(in crate::room) fn new(now: Mono) -> LayerTracker {
        LayerTracker {
            last: now,
            newest: None,
            pace: SLOWEST_PACE,
            patient_until: Mono::ZERO,
            missed: Default::default(),
        }
    }

    /// When its newest packet came.
    pub(in crate::room) const fn last(&self) -> Mono {
        self.last
    }

    /// A packet of the layer came: true if a new frame begins with it.
    pub(in crate::room) fn handle_packet(&mut self, packet: &Packet, now: Mono) -> bool {
        let (seq, timestamp) = (packet.seq, packet.timestamp);
        let newest = self.newest.unwrap_or((seq, timestamp, now));
        if seq < newest.0 && seq + LATE >= newest.0 {
            return false;
        }
        if self.missed_by_siblings(now) && now.since(self.last) <= LAYER_SILENT_AFTER {
            self.patient_until = now + PATIENT_FOR;
        }
        self.last = now;
        self.forget();
        let begins = self.newest.is_none() || timestamp != newest.1;
        self.newest = Some((seq, timestamp, if begins { now } else { newest.2 }));
        if begins {
            let faded = Millis(self.pace.0 - self.pace.0 / 8);
            self.pace = now.since(newest.2).min(SLOWEST_PACE).max(faded);
        }
        begins
    }

    /// A sibling brought a new frame.
    pub(in crate::room) fn handle_sibling(&mut self, index: usize, now: Mono) {
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
    pub(in crate::room) fn forget(&mut self) {
        self.missed = Default::default();
    }

    /// True unless it is taken for switched off; `newest` is when anything of the track came last.
    pub(in crate::room) fn flows(&self, newest: Mono) -> bool {
        newest.since(self.last) <= LAYER_SILENT_AFTER && !self.missed_by_siblings(newest)
    }

    fn missed_by_siblings(&self, now: Mono) -> bool {
        let over = Millis(self.pace.0 * MISSED_PACES).max(MISSED_FOR);
        let speaks = |missed: &Missed| {
            missed.frames >= MISSED_FRAMES && missed.until.since(missed.since) >= over
        };
        now >= self.patient_until && self.missed.iter().any(speaks)
    }
}
