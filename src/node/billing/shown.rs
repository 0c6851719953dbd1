//! The billed clock as outsiders may know it: never more than what is on disk, and never long behind it.

use crate::base::{Millis, Mono, SessionState};
use crate::usage::Stored;
use std::collections::VecDeque;

/// The billed clock is told once a second.
const CLOCK_EVERY: Millis = Millis::from_secs(1);

/// What was told is at most so far behind what is on disk: beyond, it does not wait for its second.
const MAX_BEHIND: Millis = Millis::from_secs(1);

/// Clocks on their way to the disk; with a full disk the newest are shown late, not wrong.
const MAX_PENDING: usize = 256;

/// The billed clock, as far as it is certain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Clock {
    /// The state at that moment.
    pub state: SessionState,
    /// What had accrued by then.
    pub accrued_ms: Millis,
    /// What is left of the prepaid time; none where there is no quota.
    pub quota_left_ms: Option<Millis>,
    /// What is left until `duration.max_min`; none before it was live.
    pub time_left_ms: Option<Millis>,
    /// That moment.
    pub settled: Mono,
}

/// What is shown of the billed clock, and what of that was told.
#[derive(Debug)]
pub struct ShownClock {
    /// What the appends and checkpoints on their way to the disk say, in their order.
    pending: VecDeque<(Stored, Clock)>,
    /// The newest clock that is on disk: no other is ever told.
    shown: Option<Clock>,
    told: Option<Clock>,
    told_at: Mono,
}

impl ShownClock {
    /// Nothing is on disk yet.
    pub(super) const fn new(now: Mono) -> ShownClock {
        ShownClock {
            pending: VecDeque::new(),
            shown: None,
            told: None,
            told_at: now,
        }
    }

    /// The newest clock that is on disk; none while nothing is.
    pub const fn newest(&self) -> Option<Clock> {
        self.shown
    }

    /// An append or a checkpoint goes out now, and says this.
    pub(super) fn handle_written(&mut self, written: Stored, clock: Clock) {
        if self.pending.len() == MAX_PENDING {
            self.pending.pop_front();
        }
        self.pending.push_back((written, clock));
    }

    /// So much is on disk: the newest clock of it is shown, whatever was folded or left out on the way.
    pub(super) fn handle_committed(&mut self, stored: Stored) {
        let covered = |(written, _): &(Stored, Clock)| stored.covers(*written);
        let Some(newest) = self.pending.iter().rposition(covered) else {
            return;
        };
        if let Some((_, clock)) = self.pending.drain(..=newest).next_back() {
            self.shown = Some(clock);
        }
    }

    /// Whether it is time to tell it: each second, and where there is news.
    pub fn is_due(&self, now: Mono) -> bool {
        self.has_news() || now.since(self.told_at) >= CLOCK_EVERY
    }

    /// Another state is on disk than was told, or it has come further than a second, as after a disk that
    /// did not answer.
    pub fn has_news(&self) -> bool {
        let changed = self.shown.map(|clock| clock.state) != self.told.map(|clock| clock.state);
        let accrued = |clock: Option<Clock>| clock.map_or(Millis::ZERO, |clock| clock.accrued_ms);
        let behind = accrued(self.shown).saturating_sub(accrued(self.told));
        changed || behind > MAX_BEHIND
    }

    /// It is told now: the newest clock that is on disk.
    pub fn tell(&mut self, now: Mono) -> Option<Clock> {
        self.told_at = now;
        self.told = self.shown;
        self.told
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::PauseReason;

    fn clock(accrued: u64) -> Clock {
        Clock {
            state: SessionState::Live,
            accrued_ms: Millis(accrued),
            quota_left_ms: None,
            time_left_ms: None,
            settled: Mono::ZERO,
        }
    }

    #[test]
    fn what_is_shown_is_the_newest_that_is_on_disk_however_the_news_of_it_are_folded() {
        let (entry, checkpoint) = (Stored::entry, Stored::checkpoint);
        let written = [
            (entry(1), 10),
            (checkpoint(1), 20),
            (checkpoint(2), 30),
            (entry(2), 40),
            (checkpoint(3), 50),
            (entry(3), 60),
        ];
        for (name, stored, shown) in [
            ("nothing of ours", Stored::default(), None),
            ("one by one", entry(1), Some(10)),
            ("folded", entry(1).with(checkpoint(2)), Some(30)),
            ("a checkpoint was left out", entry(2), Some(40)),
            ("all of it", entry(3).with(checkpoint(3)), Some(60)),
        ] {
            let mut told = ShownClock::new(Mono::ZERO);
            for (stored, accrued) in written {
                told.handle_written(stored, clock(accrued));
            }
            told.handle_committed(stored);
            let accrued = told.newest().map(|clock| clock.accrued_ms.0);
            assert_eq!(accrued, shown, "{name}");
        }
    }

    #[test]
    fn after_a_stall_of_any_length_the_next_commit_shows_the_newest() {
        let mut told = ShownClock::new(Mono::ZERO);
        let most = u64::try_from(MAX_PENDING).unwrap() * 3;
        for number in 1..=most {
            told.handle_written(Stored::checkpoint(number), clock(number));
        }
        assert_eq!(told.pending.len(), MAX_PENDING);
        told.handle_committed(Stored::checkpoint(most));
        assert_eq!(told.newest(), Some(clock(most)));
        assert!(told.pending.is_empty());
    }

    #[test]
    fn it_is_told_each_second_on_a_change_and_when_it_has_come_further_than_a_second() {
        let paused = Clock {
            state: SessionState::Paused(PauseReason::ByRequest),
            ..clock(500)
        };
        for (name, next, after, due) in [
            ("a moment later", clock(900), 400, false),
            ("a second behind", clock(1_500), 999, false),
            ("further behind", clock(1_501), 1, true),
            ("another state", paused, 1, true),
            ("a second later", clock(500), 1_000, true),
        ] {
            let mut told = ShownClock::new(Mono::ZERO);
            told.handle_written(Stored::entry(1), clock(500));
            told.handle_committed(Stored::entry(1));
            assert!(told.is_due(Mono::ZERO), "{name}: the first");
            assert_eq!(told.tell(Mono::ZERO), Some(clock(500)), "{name}");
            told.handle_written(Stored::checkpoint(1), next);
            assert!(!told.is_due(Mono::ZERO), "{name}: it is not on disk");
            told.handle_committed(Stored::checkpoint(1));
            assert_eq!(told.is_due(Mono::from_millis(after)), due, "{name}");
        }
    }
}
