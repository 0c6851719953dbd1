//! How fast something flows, over a window that slides.

use crate::base::{Bitrate, Millis, Mono};

/// Length of one slot: five frames of a slow camera would fit into ten of them.
const SLOT: Millis = Millis(100);

/// Bytes over the last `SLOTS` tenths of a second.
#[derive(Clone, Debug)]
pub struct RateMeter<const SLOTS: usize> {
    slots: [u64; SLOTS],
    /// Number of the newest slot since the process started.
    newest: u64,
    first: Option<Mono>,
    total: u64,
}

impl<const SLOTS: usize> Default for RateMeter<SLOTS> {
    fn default() -> RateMeter<SLOTS> {
        RateMeter {
            slots: [0; SLOTS],
            newest: 0,
            first: None,
            total: 0,
        }
    }
}

impl<const SLOTS: usize> RateMeter<SLOTS> {
    /// So many bytes came at `now`.
    pub fn add(&mut self, bytes: usize, now: Mono) {
        let bytes = u64::try_from(bytes).unwrap_or(0);
        self.first.get_or_insert(now);
        self.turn(now);
        let index = self.index(self.newest);
        self.slots[index] += bytes;
        self.total += bytes;
    }

    /// The rate over the window, or over the time since the first byte if that is shorter. Nothing
    /// is known in the first slot.
    pub fn rate(&mut self, now: Mono) -> Bitrate {
        self.turn(now);
        let window = Millis(SLOT.0 * u64::try_from(SLOTS).unwrap_or(1));
        // The newest slot is not over yet: what it lacks belongs to no window.
        let into = Millis(now.millis().0 % SLOT.0);
        let span = window.saturating_sub(Millis(SLOT.0 - into.0));
        let age = self.first.map_or(Millis::ZERO, |first| now.since(first));
        if age < SLOT {
            return Bitrate::ZERO;
        }
        Bitrate::of(self.total, span.min(age))
    }

    fn turn(&mut self, now: Mono) {
        let slot = now.millis().0 / SLOT.0;
        let passed = slot.saturating_sub(self.newest);
        for step in 1..=passed.min(u64::try_from(SLOTS).unwrap_or(u64::MAX)) {
            let index = self.index(self.newest + step);
            self.total -= std::mem::take(&mut self.slots[index]);
        }
        self.newest = self.newest.max(slot);
    }

    fn index(&self, slot: u64) -> usize {
        let slots = u64::try_from(SLOTS).unwrap_or(1);
        usize::try_from(slot % slots).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_steady_flow_has_its_rate_from_the_first_tenth_of_a_second_on() {
        let mut meter = RateMeter::<10>::default();
        for at in (1_000..4_000).step_by(10) {
            meter.add(125, Mono::from_millis(at));
            let rate = meter.rate(Mono::from_millis(at)).0;
            if at >= 1_200 {
                assert!((95_000..=112_000).contains(&rate), "{rate} at {at}");
            }
        }
    }

    #[test]
    fn what_stops_is_forgotten_after_the_window() {
        let mut meter = RateMeter::<10>::default();
        meter.add(1_000, Mono::from_millis(500));
        assert!(meter.rate(Mono::from_millis(1_400)).0 > 0);
        assert_eq!(meter.rate(Mono::from_millis(1_500)), Bitrate::ZERO);
        assert_eq!(meter.rate(Mono::from_millis(90_000)), Bitrate::ZERO);
        meter.add(1_000, Mono::from_millis(90_000));
        assert!(meter.rate(Mono::from_millis(90_150)).0 > 0);
    }
}
