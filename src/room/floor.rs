//! The promised bandwidth of one participant and direction: what is evidence of less, and when less
//! is a breach. A source that sends little by choice proves nothing, and breaches nothing.

use crate::base::{Bitrate, FloorState, Millis, Mono};

/// A congestion controller needs this long to find out what a new way carries.
const FINDING: Millis = Millis::from_secs(10);
/// Of the floor, in hundredths: below it is less, above it is enough, and between them an estimate
/// wavers.
const LESS_PERCENT: u64 = 95;
/// Loss from which a congestion controller sends less (draft-ietf-rmcat-gcc-02, section 6).
const LOST: u32 = 100;
/// Packets that wait this long wait in a queue; its controller lets it grow no further than some
/// tens of milliseconds.
const QUEUED: Millis = Millis(30);
/// A publisher's controller fills the queue every few seconds and drains it in between: that long
/// one filling is evidence.
const PRESSED: Millis = Millis::from_secs(6);
/// A dip shorter than this interrupts neither a shortage nor a recovery.
const BLINK: Millis = Millis(1_000);

/// The promise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FloorConfig {
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

/// The way from the node to a participant.
#[derive(Clone, Copy, Debug)]
pub struct Downlink {
    /// What the congestion controller believes, probing up to the floor.
    pub estimate: Option<Bitrate>,
    /// What the participant would get of a perfect link.
    pub demand: Bitrate,
    /// What it gets.
    pub carried: Bitrate,
    /// Of it, in thousandths, what is lost on the way.
    pub lost: u32,
    /// How long the congestion controller has been at work.
    pub age: Millis,
}

impl Downlink {
    /// Judges it.
    pub fn evidence(&self, floor: Bitrate) -> Evidence {
        let Some(estimate) = self.estimate.filter(|_| self.age >= FINDING) else {
            return Evidence::Nothing;
        };
        let needed = self.demand.min(floor).percent(LESS_PERCENT);
        let arrives = Bitrate(self.carried.0 / 1000 * u64::from(1000 - self.lost.min(1000)));
        if self.lost >= LOST && arrives < needed {
            // The estimate will follow.
            return Evidence::Less;
        }
        if estimate >= floor {
            return Evidence::Enough;
        }
        if estimate < floor.percent(LESS_PERCENT) && self.carried < needed {
            Evidence::Less
        } else {
            Evidence::Nothing
        }
    }
}

/// The way from a participant to the node.
#[derive(Clone, Copy, Debug)]
pub struct Uplink {
    /// What comes.
    pub received: Bitrate,
    /// What would come if the way carried it: what is announced, not muted, and wanted by someone.
    pub demand: Bitrate,
    /// How long since packets were last lost in numbers, or waited in a queue.
    pub pressed: Option<Millis>,
}

impl Uplink {
    /// True if this much loss and queueing is more than chance.
    pub fn presses(lost: u32, queue: Option<Millis>) -> bool {
        lost >= LOST || queue.is_some_and(|queue| queue >= QUEUED)
    }

    /// Judges it.
    pub fn evidence(&self, floor: Bitrate) -> Evidence {
        if self.received >= floor {
            return Evidence::Enough;
        }
        let needed = self.demand.min(floor).percent(LESS_PERCENT);
        let pressed = self.pressed.is_some_and(|since| since <= PRESSED);
        if pressed && self.received < needed {
            Evidence::Less
        } else {
            Evidence::Nothing
        }
    }
}

/// One direction of one participant.
#[derive(Clone, Debug)]
pub struct Floor {
    config: FloorConfig,
    state: FloorState,
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

    /// The promise.
    pub const fn config(&self) -> FloorConfig {
        self.config
    }

    /// What the moment says; true if the state changed.
    pub fn handle_evidence(&mut self, evidence: Evidence, now: Mono) -> bool {
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
    fn a_downlink_is_judged_by_what_is_estimated_wanted_and_carried() {
        for (name, estimate, demand, carried, lost, age, expected) in [
            ("no feedback", None, 2_000, 0, 0, 60, Nothing),
            ("young", Some(300), 2_000, 300, 0, 9, Nothing),
            ("plenty", Some(1_000), 2_000, 1_000, 0, 60, Enough),
            ("too little", Some(400), 2_000, 390, 0, 60, Less),
            ("wavering", Some(960), 2_000, 900, 0, 60, Nothing),
            ("all that is wanted", Some(400), 200, 200, 0, 60, Nothing),
            ("paused for want of it", Some(400), 600, 40, 0, 60, Less),
            ("much is lost", Some(2_000), 1_500, 1_500, 400, 60, Less),
            ("some is lost", Some(2_000), 1_500, 1_500, 200, 60, Enough),
        ] {
            let downlink = Downlink {
                estimate: estimate.map(Bitrate::kbps),
                demand: Bitrate::kbps(demand),
                carried: Bitrate::kbps(carried),
                lost,
                age: Millis::from_secs(age),
            };
            assert_eq!(downlink.evidence(FLOOR), expected, "{name}");
        }
    }

    #[test]
    fn an_uplink_is_short_only_under_pressure() {
        for (name, received, demand, pressed, expected) in [
            ("plenty", 1_000, 2_000, Some(0), Enough),
            ("a static picture", 200, 2_000, None, Nothing),
            ("pressed long ago", 200, 2_000, Some(7_000), Nothing),
            ("pressed", 380, 2_000, Some(2_000), Less),
            ("pressed but all there", 200, 200, Some(0), Nothing),
            ("camera off", 40, 0, Some(0), Nothing),
        ] {
            let uplink = Uplink {
                received: Bitrate::kbps(received),
                demand: Bitrate::kbps(demand),
                pressed: pressed.map(Millis),
            };
            assert_eq!(uplink.evidence(FLOOR), expected, "{name}");
        }
        assert!(Uplink::presses(100, None) && Uplink::presses(0, Some(Millis(30))));
        assert!(!Uplink::presses(99, Some(Millis(29))));
    }
}
