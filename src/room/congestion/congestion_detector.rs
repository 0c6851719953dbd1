//! Whether a downlink loses or queues packets, by what the receiver reports.

use crate::base::{Millis, Mono};

/// Loss that congestion control answers (draft-ietf-rmcat-gcc-02, section 6: 2 % at least).
const LOST: u32 = 20;
/// A round trip this much longer than the shortest is spent in a queue.
const QUEUED: Millis = Millis(150);
/// The shortest round trip is forgotten after so long: routes change.
const BASELINE: Millis = Millis::from_secs(60);
/// Without either for so long a link is calm.
const CALM: Millis = Millis::from_secs(5);

/// What is known of one downlink.
#[derive(Clone, Debug, Default)]
pub struct CongestionDetector {
    shortest: Option<(Millis, Mono)>,
    congested: Option<Mono>,
    now: bool,
}

impl CongestionDetector {
    /// Loss in thousandths and round trip of the last second, as far as known.
    pub fn handle_report(&mut self, lost: u32, rtt: Option<Millis>, now: Mono) {
        self.congested.get_or_insert(now);
        if let Some(rtt) = rtt {
            let replaced =
                |(shortest, at): (Millis, Mono)| rtt <= shortest || now.since(at) > BASELINE;
            if self.shortest.is_none_or(replaced) {
                self.shortest = Some((rtt, now));
            }
        }
        let base = self.shortest.map_or(Millis::ZERO, |(shortest, _)| shortest);
        let queued = rtt.is_some_and(|rtt| rtt.saturating_sub(base) >= QUEUED);
        self.now = lost >= LOST || queued;
        if self.now {
            self.congested = Some(now);
        }
    }

    /// Packets are lost or wait now.
    pub const fn is_congested(&self) -> bool {
        self.now
    }

    /// They have not for a while.
    pub fn is_calm(&self, now: Mono) -> bool {
        self.congested.is_some_and(|at| now.since(at) >= CALM)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loss_and_queue_are_congestion_and_five_seconds_without_are_calm() {
        let mut detector = CongestionDetector::default();
        let mut told = |at: u64, lost, rtt: Option<u64>| {
            let now = Mono::from_millis(at);
            detector.handle_report(lost, rtt.map(Millis), now);
            (detector.is_congested(), detector.is_calm(now))
        };
        assert_eq!(told(0, 0, None), (false, false));
        assert_eq!(told(5_000, 0, Some(40)), (false, true));
        assert_eq!(told(6_000, 20, Some(40)), (true, false));
        assert_eq!(told(10_900, 19, Some(189)), (false, false));
        assert_eq!(told(11_000, 0, Some(41)), (false, true));
        assert_eq!(told(12_000, 0, Some(190)), (true, false));
        // A longer way is the new one in the end.
        assert_eq!(told(80_000, 0, Some(190)), (false, true));
    }
}
