//! What happens to a room, drawn from a seed: who joins, which of their packets arrive and when,
//! who leaves, when the node crashes. Times are microseconds on one clock that outlives crashes.

use beistand::base::{ConsentState, Direction, FloorState, Purpose, RecordingStep, Rng, Role};
use std::ops::Range;

/// Microseconds.
pub type Micros = u64;
pub const MS: Micros = 1_000;
pub const SEC: Micros = 1_000_000;

/// One who takes part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Person {
    pub name: &'static str,
    pub role: Option<Role>,
    pub counts: bool,
}

/// What reaches the node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Act {
    Connect,
    Packet {
        media: bool,
    },
    Leave {
        explicit: bool,
    },
    /// The app asks for a pause, or for its end.
    Pause,
    Resume,
    /// Someone is still there, or the app says so of all.
    Confirm {
        app: bool,
    },
    /// New totals.
    Extend {
        quota_s: Option<u64>,
        max_min: Option<u64>,
    },
    /// More prepaid time, once under this number.
    Grant {
        number: u32,
        seconds: u64,
    },
    /// How their floor stands.
    Floor {
        direction: Direction,
        state: FloorState,
    },
    /// They say whether they may be recorded.
    Consent {
        purpose: Purpose,
        state: ConsentState,
    },
    /// A recording makes a step, or tries to.
    Record {
        purpose: Purpose,
        step: RecordingStep,
    },
}

#[derive(Clone, Copy, Debug)]
pub struct Action {
    pub at: Micros,
    pub who: Person,
    pub act: Act,
}

/// How a life of the node ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// kill -9.
    Crash,
    /// SIGTERM.
    Drain,
    /// The app ends the session through the API.
    Api,
    /// Nothing: the sessions end as they may.
    Quiet,
}

/// One life of the node.
#[derive(Clone, Debug)]
pub struct Life {
    pub boot: Micros,
    pub end: Micros,
    pub ending: Ending,
    /// In the order of time.
    pub actions: Vec<Action>,
    /// When its disk is in trouble.
    pub troubles: Vec<(Range<Micros>, Trouble)>,
    /// Prepaid time is topped up when it is nearly used up.
    pub tops_up_late: bool,
    /// The same with grants.
    pub grants_late: bool,
}

/// What is wrong with a disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// It takes nothing.
    Full,
    /// Each write takes so long.
    Slow(Micros),
}

impl Life {
    /// What is wrong with the disk at that moment.
    pub fn trouble(&self, at: Micros) -> Option<Trouble> {
        let mut troubles = self.troubles.iter();
        let found = troubles.find(|(span, _)| span.contains(&at));
        found.map(|(_, trouble)| *trouble)
    }

    /// Whether the disk was in trouble not long before that moment: what it owes may not be there yet.
    pub fn was_in_trouble(&self, at: Micros) -> bool {
        let mut spans = self.troubles.iter().map(|(span, _)| span);
        spans.any(|span| span.start < at && at < span.end + LONG_AFTER)
    }
}

/// A disk that was in trouble has caught up after so long.
const LONG_AFTER: Micros = 20 * SEC;

#[derive(Clone, Debug)]
pub struct Scenario {
    pub policy: Policy,
    pub lives: Vec<Life>,
}

/// The rules, as the oracle reads them.
#[derive(Clone, Copy, Debug)]
pub struct Policy {
    pub connected: bool,
    pub max_min: u64,
    pub interim_s: u64,
    pub min_billable_ms: u64,
    pub quota_s: Option<u64>,
    pub on_exhausted: &'static str,
    /// Presence prompts: 0 is never.
    pub after_min: u64,
    pub grace_min: u64,
    pub repeat_min: u64,
    pub each: bool,
    pub notify: bool,
    pub pause_below: bool,
    pub end_after_ms: Option<u64>,
    /// Seconds on the wall clock after the world's zero.
    pub closes_s: Option<u64>,
}

impl Policy {
    pub fn json(&self) -> String {
        let basis = if self.connected {
            "connected"
        } else {
            "overlap"
        };
        let mut actions = Vec::new();
        actions.extend(self.notify.then_some("notify"));
        actions.extend(self.pause_below.then_some("pause_billing"));
        actions.extend(self.end_after_ms.map(|_| "end"));
        let mut duration = serde_json::json!({
            "max_min": self.max_min, "on_exhausted": self.on_exhausted,
        });
        if let Some(quota) = self.quota_s {
            duration["quota_s"] = quota.into();
        }
        let mut policy = serde_json::json!({
            "duration": duration,
            "billing": {
                "basis": basis, "interim_s": self.interim_s, "min_billable_ms": self.min_billable_ms,
            },
            "presence": {
                "after_min": self.after_min, "grace_min": self.grace_min,
                "repeat_min": self.repeat_min, "who": if self.each { "each" } else { "any" },
            },
            "floor": { "on_breach": actions, "end_after_ms": self.end_after_ms.unwrap_or(60_000) },
        });
        if let Some(closes) = self.closes_s {
            let at = crate::world::EPOCH / 1000 + closes;
            policy["window"] = serde_json::json!({ "closes_at": at });
        }
        policy.to_string()
    }
}

struct Draw(Rng);

impl Draw {
    fn between(&mut self, low: u64, high: u64) -> u64 {
        low + self.0.below(high - low + 1)
    }

    /// True in `percent` of the cases.
    fn chance(&mut self, percent: u64) -> bool {
        self.0.below(100) < percent
    }
}

pub fn scenario(seed: u64) -> Scenario {
    let mut draw = Draw(Rng::from_seed(seed));
    let sparse = draw.chance(40);
    let people = people(&mut draw);
    let mut policy = policy(&mut draw);
    let mut late = Draw(Rng::from_seed(seed ^ 0x1a7e5));
    if policy.quota_s.is_none() && late.chance(20) {
        policy.quota_s = Some(late.between(10, 150));
    }
    // Minutes of presence checks need minutes.
    let longest = if policy.after_min > 0 && draw.chance(70) {
        450 * SEC
    } else {
        200 * SEC
    };
    let habits = Habits {
        sparse,
        floors: draw.chance(50),
    };
    let crashes = if draw.chance(35) {
        draw.between(1, 3)
    } else {
        0
    };
    // Drawn apart: what else a seed has in it stays as it was.
    let mut evidence = Rng::from_seed(seed ^ 0xe71d);
    let mut disk = Draw(Rng::from_seed(seed ^ 0xd15c));
    let mut stops = Draw(Rng::from_seed(seed ^ 0x5709));
    let mut grants = Rng::from_seed(seed ^ 0x6a27);
    let mut lives = Vec::new();
    let mut boot = 0;
    for number in 0..=crashes {
        let ending = match (number < crashes, draw.chance(25)) {
            (true, _) if stops.chance(35) => Ending::Drain,
            (true, _) => Ending::Crash,
            (false, true) => Ending::Api,
            (false, false) => Ending::Quiet,
        };
        let end = boot + draw.between(15 * SEC, longest);
        let mut actions: Vec<Action> = people
            .iter()
            .flat_map(|who| part(&mut draw, *who, boot..end, habits))
            .collect();
        actions.extend(requests(&mut draw, &policy, &people, boot..end));
        actions.extend(crate::consents::answers(&mut evidence, &people, boot..end));
        actions.sort_by_key(|action| action.at);
        let tops_up_late = late.chance(50);
        lives.push(Life {
            boot,
            end,
            ending,
            actions,
            troubles: troubles(&mut disk, boot..end),
            tops_up_late,
            grants_late: !tops_up_late && grants.below(100) < 60,
        });
        // The next process starts on a whole millisecond, as every reading of its clock does.
        boot = (end / MS + draw.between(200, 3_000)) * MS;
    }
    crate::grants::asked(&mut grants, &policy, people[0], &mut lives);
    Scenario { policy, lives }
}

/// A disk that is full, or slow, now and then; often when the process dies.
fn troubles(draw: &mut Draw, life: Range<Micros>) -> Vec<(Range<Micros>, Trouble)> {
    if !draw.chance(30) {
        return Vec::new();
    }
    let mut troubles = Vec::new();
    let mut at = life.start + draw.between(0, 40 * SEC);
    while at < life.end {
        let trouble = if draw.chance(50) {
            Trouble::Full
        } else {
            Trouble::Slow(draw.between(500 * MS, 8 * SEC))
        };
        let end = at + draw.between(SEC, 60 * SEC);
        troubles.push((at..end, trouble));
        at = end + draw.between(5 * SEC, 60 * SEC);
    }
    troubles
}

fn policy(draw: &mut Draw) -> Policy {
    let asks = draw.chance(40);
    Policy {
        connected: draw.chance(10),
        max_min: if draw.chance(10) {
            draw.between(1, 3)
        } else {
            480
        },
        interim_s: draw.between(5, 60),
        min_billable_ms: if draw.chance(10) { 20_000 } else { 0 },
        quota_s: draw.chance(20).then(|| draw.between(10, 150)),
        on_exhausted: ["end", "pause_billing", "continue"]
            [usize::try_from(draw.between(0, 2)).unwrap()],
        after_min: u64::from(asks),
        grace_min: 1,
        repeat_min: draw.between(0, 1),
        each: draw.chance(40),
        notify: draw.chance(70),
        pause_below: draw.chance(70),
        end_after_ms: draw.chance(20).then(|| draw.between(1_000, 12_000)),
        closes_s: draw.chance(10).then(|| draw.between(10, 100)),
    }
}

/// What the app and the participants want in one life of the node.
fn requests(
    draw: &mut Draw,
    policy: &Policy,
    people: &[Person],
    life: Range<Micros>,
) -> Vec<Action> {
    let (boot, end) = (life.start, life.end);
    let mut requests = Vec::new();
    let mut ask = |at, who, act| requests.push(Action { at, who, act });
    if draw.chance(25) {
        let mut at = boot + draw.between(5 * SEC, 60 * SEC);
        for _ in 0..draw.between(1, 3) {
            ask(at, people[0], Act::Pause);
            at += draw.between(SEC, 30 * SEC);
            if draw.chance(70) {
                ask(at, people[0], Act::Resume);
            }
            at += draw.between(SEC, 60 * SEC);
        }
    }
    let topped_up = policy.quota_s.is_some() && draw.chance(60);
    if topped_up || draw.chance(8) {
        for _ in 0..draw.between(1, 3) {
            let quota_s = (topped_up || draw.chance(30)).then(|| draw.between(5, 250));
            let max_min = draw.chance(40).then(|| draw.between(1, 8));
            ask(
                draw.between(boot, end),
                people[0],
                Act::Extend { quota_s, max_min },
            );
        }
    }
    if policy.after_min > 0 && draw.chance(60) {
        let mut at = boot + draw.between(40 * SEC, 120 * SEC);
        while at < end {
            let who = people[usize::try_from(draw.0.below(people.len() as u64)).unwrap()];
            ask(
                at,
                who,
                Act::Confirm {
                    app: draw.chance(15),
                },
            );
            at += draw.between(2 * SEC, 90 * SEC);
        }
    }
    requests.retain(|request| request.at < end);
    requests
}

/// Now and then the node reports how someone's floor stands, when a packet of theirs came.
fn report(draw: &mut Draw, who: Person, at: Micros, actions: &mut Vec<Action>) {
    let direction = Direction::BOTH[usize::try_from(draw.0.below(2)).unwrap()];
    let state = match draw.between(0, 9) {
        0..=4 => FloorState::Breached,
        5 => FloorState::Short,
        6 => FloorState::Unproven,
        _ => FloorState::Met,
    };
    let act = Act::Floor { direction, state };
    actions.push(Action { at, who, act });
}

fn people(draw: &mut Draw) -> Vec<Person> {
    let person = |name, role| Person {
        name,
        role,
        counts: role != Some(Role::Observer),
    };
    let mut people = Vec::new();
    let mut add = |names: &[&'static str], role| {
        people.extend(names.iter().map(|name| person(name, role)));
    };
    if draw.chance(20) {
        let all = ["ada", "bob", "cem", "dan"];
        add(&all[..usize::try_from(draw.between(2, 4)).unwrap()], None);
        if draw.chance(30) {
            people.push(Person {
                name: "hidden",
                role: None,
                counts: false,
            });
        }
        return people;
    }
    add(
        if draw.chance(30) {
            &["eve", "ede"]
        } else {
            &["eve"]
        },
        Some(Role::Expert),
    );
    let customers = ["carl", "cora", "cleo"];
    let count = if draw.chance(70) {
        1
    } else {
        draw.between(2, 3)
    };
    add(
        &customers[..usize::try_from(count).unwrap()],
        Some(Role::Customer),
    );
    if draw.chance(30) {
        add(&["gus"], Some(Role::Guest));
    }
    if draw.chance(30) {
        add(&["otto"], Some(Role::Observer));
    }
    people
}

/// How the people of a scenario behave.
#[derive(Clone, Copy)]
struct Habits {
    /// Now and then someone sends no more than a packet each 2.5 s.
    sparse: bool,
    /// Their floors are reported.
    floors: bool,
}

/// One person's part in one life of the node.
fn part(draw: &mut Draw, who: Person, life: Range<Micros>, habits: Habits) -> Vec<Action> {
    let (boot, end) = (life.start, life.end);
    let mut at = boot + draw.between(500 * MS, 8 * SEC);
    if draw.chance(15) {
        at += draw.between(0, 60 * SEC);
    }
    let mut actions = Vec::new();
    let mut connected = false;
    while at < end {
        if !connected {
            actions.push(Action {
                at,
                who,
                act: Act::Connect,
            });
            at += draw.between(0, 900 * MS);
            connected = true;
        }
        at = send(draw, who, at, habits, &mut actions);
        match draw.between(0, 99) {
            // Packets are lost for a while: around the limit of 5 s, around the grace time, long.
            0..=19 => at += draw.between(300 * MS, 4_999 * MS),
            20..=29 => at += draw.between(4_900 * MS, 5_100 * MS),
            30..=39 => at += draw.between(5 * SEC, 19 * SEC),
            40..=46 => at += draw.between(19 * SEC, 60 * SEC),
            // A page is reloaded: a second connection replaces the first.
            47..=54 => actions.push(Action {
                at,
                who,
                act: Act::Connect,
            }),
            55..=66 => {
                at += draw.between(0, 8 * SEC);
                actions.push(Action {
                    at,
                    who,
                    act: Act::Leave { explicit: true },
                });
                at += draw.between(500 * MS, 40 * SEC);
                connected = false;
            }
            67..=72 => {
                actions.push(Action {
                    at,
                    who,
                    act: Act::Leave { explicit: false },
                });
                at += draw.between(500 * MS, 30 * SEC);
                connected = false;
            }
            73..=77 => break,
            _ => {}
        }
    }
    actions.retain(|action| action.at < end);
    actions
}

/// A stretch in which packets arrive; answers when it is over.
fn send(
    draw: &mut Draw,
    who: Person,
    from: Micros,
    habits: Habits,
    actions: &mut Vec<Action>,
) -> Micros {
    let until = from + draw.between(2 * SEC, 45 * SEC);
    let kind = draw.between(0, if habits.sparse { 5 } else { 3 });
    let mut at = from;
    while at < until {
        // Talking; silent but with SRTCP; muted and alone: only a connectivity check.
        let (media, gap) = match kind {
            0..=2 => (true, draw.between(60 * MS, 200 * MS)),
            3 => (false, draw.between(100 * MS, 200 * MS)),
            _ => (false, draw.between(2_450 * MS, 2_550 * MS)),
        };
        actions.push(Action {
            at,
            who,
            act: Act::Packet { media },
        });
        // Not with the last one: whether they are here still is decided at that moment.
        if habits.floors && draw.0.below(60) == 0 && at + gap < until {
            report(draw, who, at, actions);
        }
        at += gap;
    }
    at
}
