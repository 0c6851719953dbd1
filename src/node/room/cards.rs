//! When it is told how participants are: at once, and again 50 ms later at the soonest, with all that changed
//! meanwhile. Whoever changes often costs the others one message each time, not one for each change.

use crate::base::{Millis, Mono};
use std::collections::BTreeMap;

/// The time between two messages of one participant's state.
const TOLD_EVERY: Millis = Millis(50);

/// When each member's card was told.
#[derive(Debug, Default)]
pub(in crate::node) struct Cards {
    told: BTreeMap<usize, Told>,
    /// One of them has changed since: nothing is looked for otherwise, as it is asked at each step.
    any_changed: bool,
}

#[derive(Clone, Copy, Debug)]
struct Told {
    at: Mono,
    /// It has changed since.
    changed: bool,
}

impl Cards {
    pub(in crate::node) const fn new() -> Cards {
        Cards {
            told: BTreeMap::new(),
            any_changed: false,
        }
    }

    /// A member's card has changed. True if that is to be told now.
    pub(in crate::node) fn handle_changed(&mut self, of: usize, now: Mono) -> bool {
        if let Some(told) = self.told.get_mut(&of)
            && now.since(told.at) < TOLD_EVERY
        {
            (told.changed, self.any_changed) = (true, true);
            return false;
        }
        let told = Told {
            at: now,
            changed: false,
        };
        self.told.insert(of, told);
        true
    }

    /// Those that have changed and waited long enough.
    pub(in crate::node) fn due(&mut self, now: Mono) -> Vec<usize> {
        self.take(|told| now.since(told.at) >= TOLD_EVERY, Some(now))
    }

    /// All that have changed.
    pub(in crate::node) fn all(&mut self) -> Vec<usize> {
        self.take(|_| true, None)
    }

    fn take(&mut self, is_due: impl Fn(&Told) -> bool, now: Option<Mono>) -> Vec<usize> {
        if !self.any_changed {
            return Vec::new();
        }
        let changed = self.told.iter_mut();
        let changed = changed.filter(|(_, told)| told.changed && is_due(told));
        let taken = changed.map(|(of, told)| {
            (told.at, told.changed) = (now.unwrap_or(told.at), false);
            *of
        });
        let taken = taken.collect();
        self.any_changed = self.told.values().any(|told| told.changed);
        taken
    }

    /// A member is gone, and its number may be another's.
    pub(in crate::node) fn forget(&mut self, of: usize) {
        self.told.remove(&of);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_change_is_told_at_once_and_those_within_50_ms_in_one() {
        let mut cards = Cards::default();
        let at = Mono::from_millis;
        assert!(cards.handle_changed(1, at(0)));
        for ms in [0, 1, 49] {
            assert!(!cards.handle_changed(1, at(ms)));
            assert!(cards.due(at(ms)).is_empty());
        }
        assert!(cards.handle_changed(2, at(49)), "another");
        assert_eq!(cards.due(at(50)), [1]);
        assert!(cards.due(at(50)).is_empty(), "once");
        assert!(
            !cards.handle_changed(1, at(99)),
            "50 ms after what was told last"
        );
        assert_eq!(cards.due(at(100)), [1]);
        assert!(cards.handle_changed(1, at(150)));
    }

    #[test]
    fn what_is_ahead_of_an_offer_is_told_with_it_and_nothing_is_told_of_one_who_is_gone() {
        let mut cards = Cards::default();
        let now = Mono::ZERO;
        for of in [1, 2, 3] {
            cards.handle_changed(of, now);
        }
        cards.handle_changed(1, now);
        cards.handle_changed(3, now);
        cards.forget(3);
        assert_eq!(cards.all(), [1]);
        assert!(cards.all().is_empty());
        assert!(
            cards.handle_changed(3, now),
            "a newcomer of the same number"
        );
    }
}
