//! When how much filler is due.

use crate::base::{Millis, Mono};

/// How often filler is sent: so little at once that no queue on the way takes it for a burst.
const STEP: Millis = Millis(10);
/// After a pause of the whole process no more is made up for than this.
const MAX_BEHIND: Millis = Millis(100);
/// Size of a packet on the link until the first was sent.
const ASSUMED_LINK_BYTES: u64 = 1_170;

/// A stream of packets at a steady rate of the link.
#[derive(Debug)]
pub struct Filler {
    bps: u64,
    until: Mono,
    next: Mono,
    /// Up to here the rate was followed, or forgotten.
    followed: Mono,
    /// Bits that may be sent, in millionths.
    credit: u64,
}

impl Filler {
    /// At `bps` from `now` until `until`.
    pub const fn new(bps: u64, now: Mono, until: Mono) -> Filler {
        Filler {
            bps,
            until,
            next: now,
            followed: now,
            credit: 0,
        }
    }

    /// How many packets are due now; `sent` is what one of them weighs, once known.
    pub fn handle_timeout(&mut self, now: Mono, packet_link_bytes: Option<u64>) -> u64 {
        if now < self.next || self.next >= self.until || self.bps == 0 {
            return 0;
        }
        self.next = now + STEP;
        let most = MAX_BEHIND.0 * 1_000;
        let elapsed = now.micros().saturating_sub(self.followed.micros());
        self.followed = now;
        self.credit += elapsed.min(most) * self.bps;
        let packet_bits = 8 * packet_link_bytes.unwrap_or(ASSUMED_LINK_BYTES).max(1);
        let packets = self.credit / (packet_bits * 1_000_000);
        self.credit -= packets * packet_bits * 1_000_000;
        packets
    }

    /// When the next are due; `None` once all are sent.
    pub fn poll_timeout(&self) -> Option<Mono> {
        (self.next < self.until && self.bps > 0).then_some(self.next)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packets(bps: u64, ms: u64, step_ms: u64) -> u64 {
        let mut filler = Filler::new(bps, Mono::ZERO, Mono::from_millis(ms));
        let steps = (0..=ms / step_ms).map(|n| Mono::from_millis(n * step_ms));
        steps.map(|at| filler.handle_timeout(at, Some(1_000))).sum()
    }

    #[test]
    fn the_rate_is_kept_however_often_it_is_called() {
        for bps in [100_000, 1_500_000, 30_000_000] {
            for step_ms in [1, 10, 13, 50] {
                let sent = packets(bps, 3_000, step_ms) * 8_000;
                let wanted = bps * 3;
                let error = sent.abs_diff(wanted) * 100 / wanted;
                assert!(error <= 5, "{bps} in steps of {step_ms} ms: {sent}");
            }
        }
    }

    #[test]
    fn a_long_pause_is_not_made_up_for_and_a_rate_of_nothing_sends_nothing() {
        let mut filler = Filler::new(8_000_000, Mono::ZERO, Mono::from_millis(3_000));
        assert_eq!(
            filler.handle_timeout(Mono::from_millis(1_000), Some(1_000)),
            100
        );
        assert_eq!(filler.poll_timeout(), Some(Mono::from_millis(1_010)));
        assert_eq!(packets(0, 3_000, 10), 0);
    }

    #[test]
    fn it_ends() {
        let mut filler = Filler::new(8_000_000, Mono::ZERO, Mono::from_millis(20));
        let due = |ms| Mono::from_millis(ms);
        assert_eq!(filler.handle_timeout(due(10), None), 8);
        filler.handle_timeout(due(20), None);
        assert_eq!(filler.poll_timeout(), None);
        assert_eq!(filler.handle_timeout(due(500), None), 0);
    }
}
