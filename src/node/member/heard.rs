//! Whether a participant is there, as far as media is concerned: who is not billed gets none.

use crate::base::{Millis, Mono};
use crate::session::PRESENCE;

/// For how long a single packet vouches after an absence. Who is back sends more within it: reports on
/// what arrives, or media.
const RETURN: Millis = Millis::from_secs(1);

/// When authenticated packets of a participant came, no further apart than a presence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Run {
    began: Mono,
    last: Mono,
    /// There was another one before it.
    returned: bool,
}

/// What was heard of one participant.
#[derive(Debug, Default)]
pub(super) struct Heard {
    run: Option<Run>,
}

impl Heard {
    /// An authenticated packet came at `at`.
    pub(super) fn handle_packet(&mut self, at: Mono) {
        self.run = match self.run {
            Some(run) if at <= run.last + PRESENCE => Some(Run { last: at, ..run }),
            before => Some(Run {
                began: at,
                last: at,
                returned: before.is_some(),
            }),
        };
    }

    /// Whether media goes to them at `now`. After an absence they are believed to be there for as long
    /// again as they were: otherwise a packet each five seconds would fetch everything, and be billed
    /// nothing.
    pub(super) fn is_there(&self, now: Mono) -> bool {
        self.run.is_some_and(|run| {
            let stayed = run.last.since(run.began);
            let believed = match run.returned {
                true => PRESENCE.min(RETURN + stayed),
                false => PRESENCE,
            };
            now <= run.last + believed
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_packet_vouches_for_five_seconds_and_after_an_absence_for_less_at_first() {
        let at = Mono::from_millis;
        for (name, packets, until) in [
            ("the first packet", vec![1_000], 6_000),
            ("each one anew", vec![1_000, 6_000], 11_000),
            ("one after an absence", vec![1_000, 6_001], 7_001),
            ("two after an absence", vec![1_000, 6_001, 6_101], 7_201),
            ("back for good", vec![1_000, 6_001, 8_001, 10_001], 15_001),
            (
                "away again",
                vec![1_000, 6_001, 8_001, 10_001, 20_000],
                21_000,
            ),
        ] {
            let mut heard = Heard::default();
            assert!(!heard.is_there(at(1_000)), "{name}");
            packets.iter().for_each(|ms| heard.handle_packet(at(*ms)));
            assert!(heard.is_there(at(until)), "{name}");
            assert!(!heard.is_there(at(until + 1)), "{name}");
        }
    }
}
