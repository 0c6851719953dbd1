//! Which layers a publisher is told to send: more at once, less after a while (LiveKit's dynacast).

use crate::base::{Millis, Mono};

/// Less is wanted of a publisher only after this long (LiveKit's dynacast): a resize or a hidden
/// window is often undone at once.
const WANT_LESS_AFTER: Millis = Millis::from_secs(5);

/// What the publisher of one video is told.
#[derive(Clone, Debug, Default)]
pub(super) struct Dynacast {
    told: Option<Option<u8>>,
    /// The same without the moments in which it probes.
    lasting: Option<Option<u8>>,
    less_since: Option<Mono>,
}

impl Dynacast {
    /// The best layer that it was told to be wanted; that it sends less for a moment, to probe, is no
    /// lack of demand.
    pub(super) const fn lasting(&self) -> Option<Option<u8>> {
        self.lasting
    }

    /// `wanted` is the best layer that anyone wants now; `probing`: the lowest one alone, at once.
    /// Returns what the publisher is to be told, if that is anything.
    pub(super) fn handle_wanted(
        &mut self,
        wanted: Option<u8>,
        probing: bool,
        now: Mono,
    ) -> Option<Option<u8>> {
        let wanted = if probing { wanted.map(|_| 0) } else { wanted };
        let less = !probing && self.told.is_some_and(|told| wanted < told);
        let since = *self.less_since.get_or_insert(now);
        if !less {
            self.less_since = None;
        }
        let due = !less || now.since(since) >= WANT_LESS_AFTER;
        if !due || self.told == Some(wanted) {
            return None;
        }
        self.less_since = None;
        self.told = Some(wanted);
        if !probing {
            self.lasting = self.told;
        }
        self.told
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_is_told_at_once_less_after_five_seconds_and_a_probe_at_once_both_ways() {
        let mut dynacast = Dynacast::default();
        assert_eq!(dynacast.lasting(), None);
        for (at, wanted, probing, told) in [
            (0, Some(1), false, Some(Some(1))),
            (100, Some(1), false, None),
            (200, Some(2), false, Some(Some(2))),
            (300, Some(0), false, None),
            (5_200, Some(0), false, None),
            (5_300, Some(0), false, Some(Some(0))),
            (5_400, Some(2), false, Some(Some(2))),
            // A resize that is undone counts from the start the next time.
            (6_000, None, false, None),
            (8_000, Some(2), false, None),
            (12_000, None, false, None),
            (16_900, None, false, None),
            (17_000, None, false, Some(None)),
            (18_000, Some(2), false, Some(Some(2))),
            (18_100, Some(2), true, Some(Some(0))),
            (19_300, Some(2), false, Some(Some(2))),
        ] {
            let now = Mono::from_millis(at);
            let lasting = dynacast.lasting();
            assert_eq!(dynacast.handle_wanted(wanted, probing, now), told, "{at}");
            let expected = told.filter(|_| !probing).or(lasting);
            assert_eq!(dynacast.lasting(), expected, "{at}");
        }
    }
}
