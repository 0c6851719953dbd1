//! Money in virtual time: seeded sessions through the node's billing, a store that loses what it had
//! not written, and an oracle that knows the truth.
//!
//! `BEISTAND_SIM_SEEDS` seeds (1000) from `BEISTAND_SIM_FIRST` (0) on.

#![allow(missing_docs, clippy::unwrap_used, reason = "a test")]

mod consents;
mod consumer;
mod course;
mod disk;
mod drift;
mod gate;
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
mod scenario;
mod shown;
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

/// All that has to occur in a thousand seeds.
const MUST_OCCUR: [&str; 40] = [
    "waiting",
    "live",
    "paused by_request",
    "paused quota_exhausted",
    "paused presence_unconfirmed",
    "paused reconnecting",
    "paused expert_away",
    "paused customer_away",
    "paused below_floor",
    "ended left",
    "ended ended_by_api",
    "ended max_duration",
    "ended presence_timeout",
    "ended floor_breached",
    "ended quota_exhausted",
    "ended no_show",
    "ended abandoned",
    "ended node_lost",
    "ended node_drained",
    "inherited",
    "a disk in trouble when the process died",
    "a bound over a second",
    "warning_duration",
    "warning_quota",
    "warning_presence",
    "warning_floor",
    "floor_restored",
    "presence_confirmed",
    "extended",
    "consent_given",
    "consent_refused",
    "consent_withdrawn",
    "recording_started",
    "recording_stopped",
    "recording_failed",
    "recording_ready",
    "recording_deleted",
    "inherited prompt, overdue false",
    "inherited prompt, overdue true",
    "inherited pause",
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
    for what in MUST_OCCUR.iter().filter(|_| seeds >= 1_000) {
        assert!(tally.occurred.contains_key(*what), "{what} never occurred");
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
