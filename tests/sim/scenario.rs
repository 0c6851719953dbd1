//! What happens to a room, drawn from a seed: who joins, which of their packets arrive and when,
//! who leaves, when the node crashes. Times are microseconds on one clock that outlives crashes.

use beistand::base::{Rng, Role};

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
    Packet { media: bool },
    Leave { explicit: bool },
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
}

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
}

impl Policy {
    pub fn json(&self) -> String {
        let basis = if self.connected {
            "connected"
        } else {
            "overlap"
        };
        format!(
            r#"{{"duration":{{"max_min":{}}},"billing":{{"basis":"{basis}","interim_s":{},"min_billable_ms":{}}}}}"#,
            self.max_min, self.interim_s, self.min_billable_ms
        )
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
    let policy = Policy {
        connected: draw.chance(10),
        max_min: if draw.chance(10) {
            draw.between(1, 3)
        } else {
            480
        },
        interim_s: draw.between(5, 60),
        min_billable_ms: if draw.chance(10) { 20_000 } else { 0 },
    };
    let crashes = if draw.chance(35) {
        draw.between(1, 3)
    } else {
        0
    };
    let mut lives = Vec::new();
    let mut boot = 0;
    for number in 0..=crashes {
        let ending = match (number < crashes, draw.chance(25)) {
            (true, _) => Ending::Crash,
            (false, true) => Ending::Api,
            (false, false) => Ending::Quiet,
        };
        let end = boot + draw.between(15 * SEC, 200 * SEC);
        let mut actions: Vec<Action> = people
            .iter()
            .flat_map(|who| part(&mut draw, *who, (boot, end), sparse))
            .collect();
        actions.sort_by_key(|action| action.at);
        lives.push(Life {
            boot,
            end,
            ending,
            actions,
        });
        // The next process starts on a whole millisecond, as every reading of its clock does.
        boot = (end / MS + draw.between(200, 3_000)) * MS;
    }
    Scenario { policy, lives }
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

/// One person's part in one life of the node.
fn part(draw: &mut Draw, who: Person, (boot, end): (Micros, Micros), sparse: bool) -> Vec<Action> {
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
        at = send(draw, who, at, sparse, &mut actions);
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
    sparse: bool,
    actions: &mut Vec<Action>,
) -> Micros {
    let until = from + draw.between(2 * SEC, 45 * SEC);
    let kind = draw.between(0, if sparse { 5 } else { 3 });
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
        at += gap;
    }
    at
}
