//! Money in virtual time: seeded sessions through the node's billing, a store that loses what it had
//! not written, and an oracle that knows the truth.
//!
//! `BEISTAND_SIM_SEEDS` seeds (1000) from `BEISTAND_SIM_FIRST` (0) on.

#![allow(missing_docs, clippy::unwrap_used, reason = "a test")]

mod absence;
mod audience;
mod candidates;
mod consents;
mod consumer;
mod course;
mod disk;
mod drift;
mod ends;
mod extensions;
mod floods;
mod gate;
mod grants;
mod kinds;
mod layers;
mod ledger;
mod links;
mod negotiation;
mod nodes;
mod oracle;
mod presence;
mod projects;
mod recording;
mod rejects;
mod reliable;
mod scenario;
mod shown;
mod sound;
mod tracks;
mod world;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

/// What the seeds had in them.
#[derive(Debug, Default)]
struct Tally {
    sessions: u64,
    billed_ms: u64,
    crashed: u64,
    /// Of the crashed ones, those that lost more than a second of provable time.
    above_bound: u64,
    worst_ms: u64,
    /// The furthest that a clock that was told lay behind the disk, and how often one was told.
    behind_ms: u64,
    told: u64,
    /// Sessions in which each state, end and warning occurred.
    occurred: BTreeMap<String, u64>,
    failures: Vec<String>,
}

fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |text| {
        text.parse()
            .unwrap_or_else(|_| panic!("{name} is {text:?}, and should be a number"))
    })
}

fn run_seed(seed: u64, tally: &Mutex<Tally>) {
    let outcome = std::panic::catch_unwind(|| {
        let cases = world::run(scenario::scenario(seed), seed);
        let faults = ledger::faults(&cases);
        let verdicts: Vec<_> = cases.iter().map(oracle::judge).collect();
        (cases, faults, verdicts)
    });
    let mut tally = tally.lock().unwrap_or_else(PoisonError::into_inner);
    let again = format!("BEISTAND_SIM_FIRST={seed} BEISTAND_SIM_SEEDS=1 cargo test --test sim");
    let (cases, faults, verdicts) = match outcome {
        Ok(outcome) => outcome,
        Err(_) => {
            tally
                .failures
                .push(format!("seed {seed} panicked; again: {again}"));
            return;
        }
    };
    let mut fail = |what: String| {
        tally
            .failures
            .push(format!("seed {seed}: {what}; again: {again}"))
    };
    faults.into_iter().for_each(&mut fail);
    let mut lost = Vec::new();
    for ((case, verdict), number) in cases.iter().zip(verdicts).zip(1..) {
        match verdict {
            Ok(cost) => lost.extend(cost),
            Err(error) => fail(format!("session {number} ({:?}): {error}", case.fate)),
        }
    }
    for case in &cases {
        tally.behind_ms = tally.behind_ms.max(case.shown.behind.0);
        tally.told += case.shown.times;
        for what in occurrences(case) {
            *tally.occurred.entry(what).or_default() += 1;
        }
    }
    tally.sessions += cases.len() as u64;
    tally.billed_ms += cases
        .iter()
        .filter_map(|c| c.entries.last())
        .map(|e| e.totals.accrued_ms.0)
        .sum::<u64>();
    for lost in lost {
        tally.crashed += 1;
        tally.above_bound += u64::from(lost > 1_000);
        tally.worst_ms = tally.worst_ms.max(lost);
    }
}

/// What a session had in it.
fn occurrences(case: &world::Case) -> BTreeSet<String> {
    let mut what: BTreeSet<String> = case
        .entries
        .iter()
        .map(|entry| match entry.state.reason() {
            Some(reason) => format!("{} {reason}", entry.state.as_str()),
            None => entry.state.as_str().to_owned(),
        })
        .collect();
    what.extend(case.kinds.iter().cloned());
    let told = case.entries.iter().chain(&case.after);
    what.extend(told.map(|entry| entry.cause.clone()));
    if let world::Fate::Lost(_) = case.fate {
        what.insert("a disk in trouble when the process died".to_owned());
    }
    let bound = case.entries.last().and_then(|stop| stop.bound_ms);
    if bound.is_some_and(|bound| bound.0 > 1_000) {
        what.insert("a bound over a second".to_owned());
    }
    let terms = case.entries.first().and_then(|start| start.terms.as_ref());
    if let Some(terms) = terms.filter(|_| case.continues.is_some()) {
        what.insert("inherited".to_owned());
        let before = case.before.as_ref().and_then(|case| case.entries.last());
        if let Some(reason) = before.and_then(|stop| stop.state.reason()) {
            what.insert(format!("inherited after {reason}"));
        }
        if let Some(prompt) = &terms.prompt {
            what.insert(format!("inherited prompt, overdue {}", prompt.overdue));
        }
        if terms.paused {
            what.insert("inherited pause".to_owned());
        }
    }
    what
}

/// In how many sessions of a thousand seeds each of these has to occur at least: about half of what does,
/// so that the generator cannot silently stop making it.
const MUST_OCCUR: [(&str, u64); 89] = [
    ("waiting", 1_000),
    ("live", 800),
    ("paused by_request", 150),
    ("paused quota_exhausted", 30),
    ("paused presence_unconfirmed", 50),
    ("paused reconnecting", 500),
    ("paused expert_away", 200),
    ("paused customer_away", 150),
    ("paused below_floor", 200),
    ("ended left", 15),
    ("ended ended_by_api", 100),
    ("ended max_duration", 50),
    ("ended presence_timeout", 25),
    ("ended floor_breached", 50),
    ("ended quota_exhausted", 20),
    ("ended no_show", 300),
    ("ended abandoned", 200),
    ("ended node_lost", 200),
    ("ended node_drained", 100),
    ("inherited", 300),
    ("inherited after node_lost", 200),
    ("inherited after node_drained", 100),
    ("a crash with a good disk", 150),
    ("a crash with a slow disk", 12),
    ("a crash with a full disk", 15),
    ("an orderly stop with a good disk", 80),
    ("an orderly stop with a slow disk", 6),
    ("an orderly stop with a full disk", 5),
    ("a disk in trouble when the process died", 60),
    ("a bound over a second", 80),
    ("a slow disk", 200),
    ("a full disk", 200),
    ("a rejoin with a good disk", 500),
    ("a rejoin with a slow disk", 80),
    ("a rejoin with a full disk", 80),
    ("a top-up with a good disk", 200),
    ("a top-up with a slow disk", 25),
    ("a top-up with a full disk", 20),
    ("a top-up while waiting", 70),
    ("a top-up while live", 120),
    ("a top-up while below_floor", 20),
    ("a top-up while by_request", 10),
    ("a top-up while customer_away", 8),
    ("a top-up while expert_away", 10),
    ("a top-up while reconnecting", 12),
    ("a top-up while quota_exhausted", 5),
    ("a top-up while presence_unconfirmed", 1),
    ("a top-up of a session that continues", 80),
    ("a top-up of the last seconds", 40),
    ("a top-up of what is used up and not announced", 2),
    ("a grant with a good disk", 183),
    ("a grant with a slow disk", 16),
    ("a grant with a full disk", 18),
    ("a grant while waiting", 74),
    ("a grant while live", 105),
    ("a grant while below_floor", 19),
    ("a grant while by_request", 14),
    ("a grant while customer_away", 12),
    ("a grant while expert_away", 12),
    ("a grant while reconnecting", 26),
    ("a grant while quota_exhausted", 5),
    ("a grant of a session that continues", 63),
    ("a grant of the last seconds", 18),
    ("a grant of what is used up and not announced", 1),
    ("a grant refused for want of a quota", 39),
    ("a grant that was answered", 190),
    ("a grant asked for again and answered by the record", 97),
    ("a grant asked for again on its way", 15),
    ("a grant asked for again after a restart", 27),
    (
        "a grant asked for again without an answer, which had not counted",
        17,
    ),
    ("granted", 191),
    ("warning_duration", 60),
    ("warning_quota", 80),
    ("warning_presence", 120),
    ("warning_floor", 300),
    ("floor_restored", 250),
    ("presence_confirmed", 50),
    ("extended", 200),
    ("consent_given", 300),
    ("consent_refused", 300),
    ("consent_withdrawn", 300),
    ("recording_started", 350),
    ("recording_stopped", 150),
    ("recording_failed", 250),
    ("recording_ready", 120),
    ("recording_deleted", 100),
    ("inherited pause", 10),
    ("inherited prompt, overdue false", 15),
    ("inherited prompt, overdue true", 3),
];

#[test]
fn seeded_sessions_are_billed_as_the_oracle_says() {
    let first = number("BEISTAND_SIM_FIRST", 0);
    let seeds = number("BEISTAND_SIM_SEEDS", 1_000);
    let next = AtomicU64::new(first);
    let tally = Mutex::new(Tally::default());
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= first + seeds {
                        break;
                    }
                    run_seed(seed, &tally);
                }
            });
        }
    });
    let tally = tally.into_inner().unwrap_or_else(PoisonError::into_inner);
    let failures = tally
        .failures
        .iter()
        .take(20)
        .map(String::as_str)
        .collect::<Vec<_>>()
        .join("\n");
    assert!(
        tally.failures.is_empty(),
        "{} failures\n{failures}",
        tally.failures.len()
    );
    println!("{tally:?}");
    for (what, least) in MUST_OCCUR.iter().filter(|_| seeds >= 1_000) {
        let times = tally.occurred.get(*what).copied().unwrap_or(0);
        let least = least * seeds / 1_000;
        assert!(times >= least, "{what}: {times} times, not {least}");
    }
    assert!(tally.billed_ms > 0, "nothing was billed: {tally:?}");
}

#[test]
fn a_seed_gives_the_same_records_twice() {
    for seed in 0..20 {
        let run = || world::run(scenario::scenario(seed), seed);
        let records = |cases: &[world::Case]| {
            format!(
                "{:?}",
                cases.iter().map(|c| &c.deliveries).collect::<Vec<_>>()
            )
        };
        assert_eq!(records(&run()), records(&run()), "seed {seed}");
    }
}
