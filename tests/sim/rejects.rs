//! The oracle can fail: records that were tampered with are refused.

use crate::oracle::judge;
use crate::scenario::scenario;
use crate::world::{Case, Fate, run};
use beistand::base::{Millis, Unix};

/// A session with enough in it to tamper with, of the given kind.
fn case(fits: impl Fn(&Case) -> bool) -> Case {
    let found = (0..200)
        .flat_map(|seed| run(scenario(seed), seed))
        .find(|case| {
            let long = case
                .entries
                .last()
                .is_some_and(|e| e.totals.accrued_ms > Millis(20_000));
            long && fits(case)
        });
    let case = found.expect("one of the first seeds has such a session");
    judge(&case).expect("it is right before it is tampered with");
    case
}

fn refused(what: &str, case: &Case, tamper: impl Fn(&mut Case)) {
    let mut other = case.clone();
    tamper(&mut other);
    assert!(judge(&other).is_err(), "not noticed: {what}");
}

/// Both the entry and the events say the same wrong thing.
fn bill(case: &mut Case, millis: u64, add: bool) {
    let totals = &mut case.entries.last_mut().unwrap().totals;
    let live = totals
        .intervals
        .iter_mut()
        .rfind(|i| i.state.as_str() == "live")
        .unwrap();
    let change = |n: u64| if add { n + millis } else { n - millis };
    live.end_unix_ms = Unix(change(live.end_unix_ms.0));
    totals.accrued_ms = Millis(change(totals.accrued_ms.0));
    totals.billable_ms = totals.accrued_ms;
}

fn tell_the_same(case: &mut Case) {
    let entry = case.entries.last().unwrap();
    let facts = case.entries[0].facts.clone().unwrap();
    for event in &mut case.deliveries {
        if event.kind.as_str() == "session.ended" {
            *event = beistand::usage::event(&facts, event.kind, event.event_seq, entry, None);
        }
    }
}

#[test]
fn a_clean_session_that_was_tampered_with_is_refused() {
    let clean = case(|case| case.fate == Fate::Own && case.policy.min_billable_ms == 0);
    for (millis, add) in [(1, true), (1, false)] {
        refused("a millisecond in entry and event", &clean, |case| {
            bill(case, millis, add);
            // Keep the neighbours touching and the sums in order: only the truth can tell.
            let end = case.entries.last().unwrap().totals.intervals.clone();
            let at = end
                .iter()
                .rposition(|i| i.state.as_str() == "live")
                .unwrap();
            let totals = &mut case.entries.last_mut().unwrap().totals;
            if let Some(next) = totals.intervals.get_mut(at + 1) {
                next.start_unix_ms = end[at].end_unix_ms;
                if let beistand::base::SessionState::Paused(reason) = next.state {
                    let paused = totals.paused_ms.get_mut(&reason).unwrap();
                    paused.0 = if add {
                        paused.0 - millis
                    } else {
                        paused.0 + millis
                    };
                }
            }
            tell_the_same(case);
        });
    }
    refused("a lost entry", &clean, |case| drop(case.entries.remove(2)));
    refused("a doubled entry", &clean, |case| {
        case.entries.insert(2, case.entries[1].clone())
    });
    refused("no stop entry", &clean, |case| drop(case.entries.pop()));
    refused("a later end", &clean, |case| {
        case.entries.last_mut().unwrap().at_unix_ms.0 += 1;
    });
    refused("a sum that the event does not tell", &clean, |case| {
        case.entries.last_mut().unwrap().totals.overlap_ms.0 += 1;
    });
    refused("an event that never came", &clean, |case| {
        case.deliveries.retain(|event| event.event_seq != 2);
    });
    refused("an id with two bodies", &clean, |case| {
        let mut other = case.deliveries[0].clone();
        other.body.push(' ');
        case.deliveries.push(other);
    });
    refused("a packet more than was billed", &clean, |case| {
        let packets = case
            .inputs
            .iter()
            .rposition(|a| a.at < case.created + 30_000_000)
            .unwrap();
        case.inputs.truncate(packets);
    });
}

#[test]
fn a_crashed_session_that_was_tampered_with_is_refused() {
    let crashed = case(|case| {
        let live = |totals: &beistand::usage::Totals| {
            totals
                .intervals
                .last()
                .is_some_and(|i| i.state.as_str() == "live")
        };
        matches!(case.fate, Fate::Crash(_))
            && case.policy.min_billable_ms == 0
            && case.entries.last().is_some_and(|e| live(&e.totals))
    });
    for (millis, add) in [(1_600, true), (10_000, false)] {
        refused("more than the truth, or much less", &crashed, |case| {
            bill(case, millis, add);
            tell_the_same(case);
        });
    }
    refused("an estimate that does not say so", &crashed, |case| {
        case.entries.last_mut().unwrap().estimated = false;
    });
}

#[test]
fn a_recorded_session_that_was_tampered_with_is_refused() {
    let recorded = case(|case| {
        let counted = |totals: &beistand::usage::Totals| !totals.recording_ms.is_empty();
        let ended = case.entries.last().is_some_and(|e| counted(&e.totals));
        case.fate == Fate::Own && ended && !case.after.is_empty()
    });
    refused("a millisecond of recording more", &recorded, |case| {
        let totals = &mut case.entries.last_mut().unwrap().totals;
        totals.recording_ms.values_mut().for_each(|ms| ms.0 += 1);
        tell_the_same(case);
    });
    refused("a step that nobody asked for", &recorded, |case| {
        let is_step = |action: &crate::scenario::Action| {
            matches!(action.act, crate::scenario::Act::Record { .. })
        };
        let step = case.inputs.iter().rposition(is_step).unwrap();
        case.inputs.remove(step);
    });
    refused("a total that changes behind the end", &recorded, |case| {
        case.after[0].totals.accrued_ms.0 += 1;
    });
    refused("a gap behind the end", &recorded, |case| {
        case.after[0].entry_seq += 1;
    });
}
