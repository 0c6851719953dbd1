//! The promised bandwidth of one participant and direction: what is evidence of less, and when less
//! is a breach. A source that sends little by choice proves nothing, and breaches nothing.

use crate::base::{Bitrate, Direction, FloorState, LimitedBy, Millis, Mono};

/// Of the floor, in hundredths: below it is less, above it is enough, and between them an estimate
/// wavers.
pub(super) const LESS_PERCENT: u64 = 95;
/// Loss from which a congestion controller sends less (draft-ietf-rmcat-gcc-02, section 6).
pub(super) const LOST: u32 = 100;
/// A dip shorter than this interrupts neither a shortage nor a recovery.
const BLINK: Millis = Millis(1_000);

/// The promise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FloorConfig {
    /// The way that it is promised for.
    pub direction: Direction,
    /// Promised; zero promises nothing.
    pub floor: Bitrate,
    /// Evidence of less for so long: short.
    pub short_after: Millis,
    /// And for so long in all: breached.
    pub breach_after: Millis,
    /// No evidence of less for so long: restored.
    pub restore_after: Millis,
}

/// What a moment says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Evidence {
    /// The floor is there.
    Enough,
    /// Less is carried than is promised and asked for.
    Less,
    /// Neither: too little is sent to know.
    Nothing,
}

/// A look at one direction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reading {
    /// What comes, or is believed to be carried, as far as known.
    pub measured: Option<Bitrate>,
    /// What that says.
    pub evidence: Evidence,
}

/// A floor as it is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FloorView {
    /// How it stands.
    pub state: FloorState,
    /// What is promised.
    pub floor: Bitrate,
    /// What was measured last.
    pub measured: Option<Bitrate>,
    /// What holds it below the floor.
    pub limited_by: Option<LimitedBy>,
}

/// One direction of one participant.
#[derive(Clone, Debug)]
pub struct Floor {
    config: FloorConfig,
    state: FloorState,
    measured: Option<Bitrate>,
    limited_by: Option<LimitedBy>,
    less_since: Option<Mono>,
    /// Since when there is less without a break.
    less_run: Option<Mono>,
    better_since: Option<Mono>,
    enough_at: Option<Mono>,
}

impl Floor {
    /// Nothing is known yet.
    pub const fn new(config: FloorConfig) -> Floor {
        Floor {
            config,
            state: FloorState::Unproven,
            measured: match config.direction {
                Direction::Up => Some(Bitrate::ZERO),
                Direction::Down => None,
            },
            limited_by: None,
            less_since: None,
            less_run: None,
            better_since: None,
            enough_at: None,
        }
    }

    /// How it stands.
    pub const fn state(&self) -> FloorState {
        self.state
    }

    /// How it is shown.
    pub const fn view(&self) -> FloorView {
        FloorView {
            state: self.state,
            floor: self.config.floor,
            measured: self.measured,
            limited_by: self.limited_by,
        }
    }

    /// A look at the link; true if the state changed.
    pub fn handle_reading(&mut self, reading: Reading, now: Mono) -> bool {
        self.measured = reading.measured;
        self.limited_by = match (reading.evidence, self.config.direction) {
            (Evidence::Less, Direction::Up) => Some(LimitedBy::Uplink),
            (Evidence::Less, Direction::Down) => Some(LimitedBy::Downlink),
            (Evidence::Nothing, _) => Some(LimitedBy::Source),
            (Evidence::Enough, _) => None,
        };
        self.handle_evidence(reading.evidence, now)
    }

    /// What the moment says; true if the state changed.
    fn handle_evidence(&mut self, evidence: Evidence, now: Mono) -> bool {
        let before = self.state;
        if self.config.floor == Bitrate::ZERO {
            self.state = FloorState::Met;
            return before != self.state;
        }
        match evidence {
            Evidence::Less => self.on_less(now),
            Evidence::Enough => {
                self.enough_at = Some(now);
                self.on_better(FloorState::Met, now);
            }
            Evidence::Nothing => self.on_better(self.proven(now), now),
        }
        before != self.state
    }

    /// A proof holds for the time that a recovery takes.
    fn proven(&self, now: Mono) -> FloorState {
        let fresh = |at: Mono| now.since(at) < self.config.restore_after;
        if self.enough_at.is_some_and(fresh) {
            FloorState::Met
        } else {
            FloorState::Unproven
        }
    }

    fn on_less(&mut self, now: Mono) {
        let run = now.since(*self.less_run.get_or_insert(now));
        if self.state != FloorState::Breached || run >= BLINK {
            self.better_since = None;
        }
        let lasted = now.since(*self.less_since.get_or_insert(now));
        if lasted >= self.config.breach_after {
            self.state = FloorState::Breached;
        } else if lasted >= self.config.short_after && self.state != FloorState::Breached {
            self.state = FloorState::Short;
        }
    }

    fn on_better(&mut self, to: FloorState, now: Mono) {
        self.less_run = None;
        let lasted = now.since(*self.better_since.get_or_insert(now));
        let enough_for = match self.state {
            FloorState::Breached => self.config.restore_after,
            FloorState::Short => self.config.restore_after.min(self.config.short_after),
            FloorState::Met | FloorState::Unproven => {
                self.state = to;
                BLINK
            }
        };
        if lasted >= enough_for {
            self.state = to;
            self.less_since = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Evidence::{Enough, Less, Nothing};

    const FLOOR: Bitrate = Bitrate::kbps(1_000);

    fn floor() -> Floor {
        Floor::new(FloorConfig {
            direction: Direction::Down,
            floor: FLOOR,
            short_after: Millis(3_000),
            breach_after: Millis(10_000),
            restore_after: Millis(5_000),
        })
    }

    /// The changes of state in a story of (seconds, what they say).
    fn story(parts: &[(u64, Evidence)]) -> Vec<(u64, &'static str)> {
        let mut floor = floor();
        let (mut at, mut changes) = (0, Vec::new());
        for (seconds, evidence) in parts {
            for _ in 0..seconds * 10 {
                if floor.handle_evidence(*evidence, Mono::from_millis(at)) {
                    changes.push((at, floor.state().as_str()));
                }
                at += 100;
            }
        }
        changes
    }

    #[test]
    fn a_shortage_is_short_then_breached_and_restored_after_its_time() {
        let told = story(&[(5, Enough), (12, Less), (8, Enough)]);
        let expected = [
            (0, "met"),
            (8_000, "short"),
            (15_000, "breached"),
            (22_000, "met"),
        ];
        assert_eq!(told, expected);
    }

    #[test]
    fn a_moment_without_evidence_delays_a_breach_and_does_not_undo_it() {
        let told = story(&[(5, Enough), (9, Less), (2, Nothing), (1, Less)]);
        let expected = [(0, "met"), (8_000, "short"), (16_000, "breached")];
        assert_eq!(told, expected);
    }

    #[test]
    fn a_source_that_sends_less_by_choice_is_never_short() {
        assert_eq!(story(&[(600, Nothing)]), []);
        let told = story(&[(5, Enough), (600, Nothing)]);
        assert_eq!(told, [(0, "met"), (9_900, "unproven")]);
    }

    #[test]
    fn dips_and_short_recoveries_do_not_move_it() {
        assert_eq!(
            story(&[(2, Less), (2, Enough), (2, Less), (2, Enough)])[0].1,
            "met"
        );
        let mut floor = floor();
        let mut at = 0;
        let mut say = |floor: &mut Floor, evidence, ms: u64| {
            for _ in 0..ms / 100 {
                floor.handle_evidence(evidence, Mono::from_millis(at));
                at += 100;
            }
            floor.state()
        };
        say(&mut floor, Less, 2_500);
        say(&mut floor, Enough, 500);
        assert_eq!(say(&mut floor, Less, 300), FloorState::Short);
        assert_eq!(say(&mut floor, Less, 7_000), FloorState::Breached);
        assert_eq!(say(&mut floor, Enough, 4_000), FloorState::Breached);
        // A second of less begins the recovery anew, a moment of it does not.
        assert_eq!(say(&mut floor, Less, 1_200), FloorState::Breached);
        assert_eq!(say(&mut floor, Enough, 3_000), FloorState::Breached);
        assert_eq!(say(&mut floor, Less, 800), FloorState::Breached);
        assert_eq!(say(&mut floor, Nothing, 1_100), FloorState::Breached);
        assert_eq!(say(&mut floor, Nothing, 1_000), FloorState::Met);
    }

    #[test]
    fn no_promise_is_always_kept() {
        let mut floor = floor();
        floor.config.floor = Bitrate::ZERO;
        assert!(floor.handle_evidence(Less, Mono::ZERO));
        assert_eq!(floor.state(), FloorState::Met);
    }

    #[test]
    fn what_is_shown_is_the_last_reading_and_what_it_blames() {
        for (direction, first, less) in [
            (Direction::Up, Some(Bitrate::ZERO), LimitedBy::Uplink),
            (Direction::Down, None, LimitedBy::Downlink),
        ] {
            let mut floor = Floor::new(FloorConfig {
                direction,
                ..floor().config
            });
            assert_eq!(floor.view().measured, first);
            for (evidence, limited_by) in [
                (Less, Some(less)),
                (Nothing, Some(LimitedBy::Source)),
                (Enough, None),
            ] {
                let measured = Some(Bitrate::kbps(700));
                let reading = Reading { measured, evidence };
                floor.handle_reading(reading, Mono::ZERO);
                let view = floor.view();
                assert_eq!((view.measured, view.limited_by), (measured, limited_by));
                assert_eq!((view.floor, view.state), (FLOOR, floor.state()));
            }
        }
    }
}
