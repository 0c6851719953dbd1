//! Prepaid time that an app adds, each grant once: what an app asks, again and again where it hears
//! nothing, and what the records must say of it.

use crate::oracle::used_before;
use crate::scenario::{Act, Action, Ending, Life, MS, Micros, Person, Policy, SEC};
use crate::world::{Case, Fate};
use beistand::base::{GrantKey, Rng, SessionState};
use beistand::node::billing::Billing;
use beistand::usage::{Entry, ledger};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// The ones that are asked for when next to nothing is left have numbers from here on.
const LATE: u32 = 1_000;

/// What the app calls it.
pub fn key_of(number: u32) -> GrantKey {
    GrantKey::of(&format!("grant {number}"))
}

fn between(rng: &mut Rng, low: u64, high: u64) -> u64 {
    low + rng.below(high - low + 1)
}

/// Grants at any moment, some just before the process goes; some are asked for again, in this life or in
/// the next.
pub fn asked(rng: &mut Rng, policy: &Policy, who: Person, lives: &mut [Life]) {
    if rng.below(100) >= if policy.quota_s.is_some() { 60 } else { 8 } {
        return;
    }
    let mut number = 0;
    for life in 0..lives.len() {
        for _ in 0..between(rng, 1, 3) {
            let (boot, end) = (lives[life].boot, lives[life].end);
            let stops = matches!(lives[life].ending, Ending::Crash | Ending::Drain);
            let mut at = if stops && rng.below(100) < 40 {
                end - between(rng, MS, 500 * MS)
            } else {
                between(rng, boot, end - MS)
            };
            number += 1;
            let seconds = between(rng, 2, 60);
            let act = Act::Grant { number, seconds };
            let mut of = life;
            for _ in 0..=rng.below(3) {
                lives[of].actions.push(Action { at, who, act });
                at += between(rng, 10 * MS, 6 * SEC);
                if at >= lives[of].end || rng.below(3) == 0 {
                    of += 1;
                    let Some(next) = lives.get(of) else {
                        break;
                    };
                    at = between(rng, next.boot + SEC, next.end - MS);
                }
            }
        }
    }
    for life in lives {
        life.actions.sort_by_key(|action| action.at);
    }
}

/// One that was asked for.
#[derive(Clone, Copy, Debug)]
struct Ask {
    seconds: u64,
    /// When the process that it was asked of began.
    boot: Micros,
    answered: bool,
}

/// What an app asks for, and what the process that it asks has on disk of the session.
pub struct Asked<'a> {
    pub entries: &'a [Entry],
    /// When that process began.
    pub boot: Micros,
    pub number: u32,
    pub seconds: u64,
}

/// The apps: each knows what it asked of a chain of sessions.
#[derive(Debug)]
pub struct Apps {
    rng: Rng,
    asks: BTreeMap<(String, u32), Ask>,
    late: u32,
    /// How many entries of which session it has looked at.
    looked: (String, usize),
}

impl Apps {
    pub const fn new(rng: Rng) -> Apps {
        Apps {
            rng,
            asks: BTreeMap::new(),
            late: LATE,
            looked: (String::new(), 0),
        }
    }

    /// When next to nothing is left; more often where nothing is, and that is not announced.
    pub fn late(&mut self, used_up: bool) -> Option<Act> {
        if self.rng.below(if used_up { 2 } else { 15 }) > 0 {
            return None;
        }
        self.late += 1;
        Some(Act::Grant {
            number: self.late,
            seconds: between(&mut self.rng, 1, 40),
        })
    }

    /// What had no answer when the process went is asked of the session that goes on with the chain.
    pub fn again(&self, chain: &str, boot: Micros) -> Option<Act> {
        let unanswered = |ask: &Ask| !ask.answered && ask.boot != boot;
        let mut asks = self.asks.iter();
        let found = asks.find(|((of, _), ask)| of == chain && unanswered(ask));
        found.map(|((_, number), ask)| Act::Grant {
            number: *number,
            seconds: ask.seconds,
        })
    }

    /// As the API does it: what the record has is answered from there, and the room is not asked.
    pub fn answer_from_record(&mut self, case: &mut Case, asked: Asked<'_>) -> bool {
        let Asked {
            entries,
            boot,
            number,
            seconds,
        } = asked;
        let place = (case.chain.clone(), number);
        let ask = |answered| Ask {
            seconds,
            boot,
            answered,
        };
        let before = self.asks.insert(place.clone(), ask(false));
        let record = ledger::fold(entries).ok();
        let given = record.and_then(|record| record.grants.get(&key_of(number)).cloned());
        let restarted = before.filter(|before| before.boot != boot);
        let known = if given.is_some() { "" } else { " not" };
        let kind = match (before, restarted) {
            (None, _) => None,
            (_, Some(before)) if before.answered => Some("after a restart".to_owned()),
            (_, Some(_)) => Some(format!("without an answer, which had{known} counted")),
            (Some(_), None) if given.is_some() => Some("and answered by the record".to_owned()),
            (Some(_), None) => Some("on its way".to_owned()),
        };
        let kind = kind.map(|kind| format!("a grant asked for again {kind}"));
        case.kinds.extend(kind);
        if let Some(given) = given {
            case.answers.push((number, Some(given.quota_s)));
            self.asks.insert(place, ask(true));
            return true;
        }
        false
    }

    /// The room took it not. That is right where there is no quota, or where it is over.
    pub fn refused(&mut self, case: &mut Case, billing: &Billing, number: u32) {
        self.asks.remove(&(case.chain.clone(), number));
        let over = matches!(billing.state(), SessionState::Ended(_));
        if !over && given(case).quota.is_some() {
            case.answers.push((number, None));
        }
        let why = if over { "an end" } else { "want of a quota" };
        case.kinds.insert(format!("a grant refused for {why}"));
    }

    /// An app has its answer when the entry is on disk, and the process lives.
    pub fn hear(&mut self, case: &mut Case, entries: &[Entry], boot: Micros) {
        let looked = (case.id.clone(), entries.len());
        if looked == self.looked || self.asks.is_empty() {
            return;
        }
        self.looked = looked;
        let Ok(record) = ledger::fold(entries) else {
            return;
        };
        let asks = self.asks.iter_mut();
        let mine = asks.filter(|((chain, _), ask)| *chain == case.chain && ask.boot == boot);
        for ((_, number), ask) in mine.filter(|(_, ask)| !ask.answered) {
            if let Some(given) = record.grants.get(&key_of(*number)) {
                ask.answered = true;
                case.answers.push((*number, Some(given.quota_s)));
                case.kinds.insert("a grant that was answered".to_owned());
            }
        }
    }
}

/// What was added, by the inputs alone.
struct Given {
    quota: Option<u64>,
    /// The most that it ever was.
    most: u64,
    /// Number, seconds, and what they came to.
    grants: Vec<(u32, u64, u64)>,
    /// How many of them came before this session.
    carried: usize,
}

/// Walks the chain, whose earlier sessions are as the disk has them.
fn given(case: &Case) -> Given {
    let before = case.before.as_deref();
    let mut sum = before.map_or_else(
        || Given {
            quota: case.policy.quota_s,
            most: case.policy.quota_s.unwrap_or(0),
            grants: Vec::new(),
            carried: 0,
        },
        |before| given(&as_recorded(before)),
    );
    sum.carried = sum.grants.len();
    for input in &case.inputs {
        match input.act {
            Act::Extend { quota_s, .. } => sum.quota = quota_s.or(sum.quota),
            Act::Grant { number, seconds } => {
                if sum.grants.iter().all(|(of, ..)| *of != number) {
                    let total = sum.quota.unwrap_or(0) + seconds;
                    sum.quota = Some(total);
                    sum.grants.push((number, seconds, total));
                }
            }
            Act::Connect
            | Act::Packet { .. }
            | Act::Leave { .. }
            | Act::Pause
            | Act::Resume
            | Act::Confirm { .. }
            | Act::Floor { .. }
            | Act::Consent { .. }
            | Act::Record { .. } => {}
        }
        sum.most = sum.most.max(sum.quota.unwrap_or(0));
    }
    sum
}

/// Without the top-ups that the disk did not hear of: their app had no answer.
pub fn as_recorded(case: &Case) -> Case {
    let rows = case.entries.iter();
    let mut extensions = rows.filter(|entry| entry.cause == "extended").count();
    let mut case = case.clone();
    let rows: Vec<Value> = case.entries.iter().flat_map(row).collect();
    case.inputs.retain(|input| match input.act {
        Act::Extend { .. } => {
            let known = extensions > 0;
            extensions -= usize::from(known);
            known
        }
        Act::Grant { number, .. } => rows.iter().any(|row| row["key"] == json!(key_of(number))),
        Act::Connect
        | Act::Packet { .. }
        | Act::Leave { .. }
        | Act::Pause
        | Act::Resume
        | Act::Confirm { .. }
        | Act::Floor { .. }
        | Act::Consent { .. }
        | Act::Record { .. } => true,
    });
    case
}

/// What an entry of a grant says that it gave.
fn row(entry: &Entry) -> Vec<Value> {
    let listed = json!(entry.grants).as_array().cloned();
    let granted = listed.filter(|_| entry.cause == "granted");
    granted.unwrap_or_default()
}

/// Each grant counts once in its chain, and is in the records and in every answer as it was given; none that
/// was answered is missing; and no more is billed than the prepaid time.
pub fn check(case: &Case) -> Result<(), String> {
    let crashed = matches!(case.fate, Fate::Crash(_) | Fate::Lost(_));
    let truly = if crashed {
        given(&as_recorded(case))
    } else {
        given(case)
    };
    let written = |grants: &[(u32, u64, u64)]| {
        let one = |(number, seconds, quota_s): &(u32, u64, u64)| json!({ "key": key_of(*number), "seconds": seconds, "quota_s": quota_s });
        grants.iter().map(one).collect::<Vec<_>>()
    };
    let (carried, own) = truly.grants.split_at(truly.carried);
    let (carried, own) = (written(carried), written(own));
    let rows: Vec<Value> = case.entries.iter().flat_map(row).collect();
    if rows != own {
        return Err(format!("grants: recorded {rows:?}, true {own:?}"));
    }
    let stop = case.entries.last().map(|stop| json!(stop.grants));
    if stop.as_ref() != Some(&json!(own)) {
        return Err(format!("the stop's grants: {stop:?}, true {own:?}"));
    }
    let facts = case.entries.first().and_then(|start| start.facts.as_ref());
    let began = facts.map(|facts| json!(facts.carried.grants));
    if began.as_ref() != Some(&json!(carried)) {
        return Err(format!("grants before: {began:?}, true {carried:?}"));
    }
    for (number, answer) in &case.answers {
        let mut grants = truly.grants.iter();
        let total = grants
            .find(|(of, ..)| of == number)
            .map(|(.., total)| *total);
        if answer.is_none() || *answer != total {
            return Err(format!(
                "grant {number}: answered {answer:?}, true {total:?}"
            ));
        }
    }
    let accrued = case.entries.last().map_or(0, |e| e.totals.accrued_ms.0);
    let used = used_before(case) + accrued;
    let bounded = case.policy.quota_s.is_some() && case.policy.on_exhausted != "continue";
    if bounded && used > truly.most * 1_000 {
        return Err(format!("{used} ms of {} prepaid seconds", truly.most));
    }
    Ok(())
}
