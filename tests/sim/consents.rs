//! Consents to be recorded, and the steps of recordings: drawn beside a scenario, and
//! judged by what happened alone.

use crate::scenario::{Act, Action, Micros, Person, SEC};
use crate::world::{Case, Fate};
use beistand::base::{
    Actor, Consent, ConsentState, Millis, Now, Purpose, RecordingId, RecordingNote,
    RecordingResult, RecordingStep, Rng, SessionId, Unix,
};
use beistand::node::billing::Billing;
use beistand::usage::ledger::{Stages, after_stop};
use beistand::usage::{Append, Entry, EntryKind};
use std::collections::BTreeMap;
use std::ops::Range;

const STATES: [ConsentState; 3] = [
    ConsentState::Given,
    ConsentState::Refused,
    ConsentState::Withdrawn,
];
const STEPS: [RecordingStep; 5] = [
    RecordingStep::Started,
    RecordingStep::Stopped,
    RecordingStep::Failed,
    RecordingStep::Ready,
    RecordingStep::Deleted,
];

fn one_of<T: Copy>(rng: &mut Rng, of: &[T]) -> T {
    of[usize::try_from(rng.below(of.len() as u64)).unwrap()]
}

/// In half of the lives: consents, and steps of recordings, among them some that may not come.
pub fn answers(rng: &mut Rng, people: &[Person], life: Range<Micros>) -> Vec<Action> {
    let mut answers = Vec::new();
    if rng.below(2) == 0 {
        return answers;
    }
    let mut at = life.start + SEC + rng.below(20 * SEC);
    while at < life.end {
        let who = one_of(rng, people);
        let purpose = one_of(rng, &Purpose::ALL);
        let act = if rng.below(3) == 0 {
            let state = one_of(rng, &STATES);
            Act::Consent { purpose, state }
        } else {
            let step = one_of(rng, &STEPS);
            Act::Record { purpose, step }
        };
        answers.push(Action { at, who, act });
        at += rng.below(15 * SEC);
    }
    answers
}

/// Feeds one. False: it was refused.
pub fn put(billing: &mut Billing, action: &Action, now: Now) -> bool {
    match action.act {
        Act::Consent { purpose, state } => {
            let consent = Consent {
                identity: action.who.name.into(),
                purpose,
                state,
                actor: Actor::Participant,
                wording: "v1".to_owned(),
            };
            billing.handle_consent(consent, now)
        }
        Act::Record { purpose, step } => {
            let session = billing.facts().session.clone();
            billing.handle_recording(note(&session, purpose, step), now)
        }
        Act::Connect
        | Act::Packet { .. }
        | Act::Leave { .. }
        | Act::Pause
        | Act::Resume
        | Act::Confirm { .. }
        | Act::Extend { .. }
        | Act::Grant { .. }
        | Act::Floor { .. } => false,
    }
}

fn note(session: &SessionId, purpose: Purpose, step: RecordingStep) -> RecordingNote {
    RecordingNote {
        id: RecordingId::new(session.clone(), purpose),
        step,
        actor: Actor::Node,
        reason: (step == RecordingStep::Failed).then(|| "the disk is full".to_owned()),
        result: (step == RecordingStep::Ready).then(|| RecordingResult {
            duration_ms: Millis(1),
            bytes: 2,
            files: 3,
            manifest_sha256: "00".repeat(32),
            expires_unix_ms: None,
        }),
    }
}

/// Steps of the recordings of a session that is over: those that may come, and no others.
pub fn afterwards(entries: &[Entry], mut event_seq: u64, rng: &mut Rng) -> Vec<Append> {
    let mut stages = Stages::default();
    for note in entries.iter().filter_map(|entry| entry.recording.as_ref()) {
        stages.handle_step(&note.id, note.step, false);
    }
    let (Some(first), Some(mut last)) = (entries.first(), entries.last().cloned()) else {
        return Vec::new();
    };
    let facts = first.facts.clone().unwrap();
    let mut appends = Vec::new();
    for _ in 0..rng.below(12) {
        let note = note(
            &last.session,
            one_of(rng, &Purpose::ALL),
            one_of(rng, &STEPS),
        );
        if !stages.handle_step(&note.id, note.step, true) {
            continue;
        }
        // The wall clock may have been set back since.
        let at = Unix(last.at_unix_ms.0 + rng.below(20_000) - 10_000);
        let append = after_stop(&facts, &last, event_seq, note, at);
        event_seq += append.events.len() as u64;
        last = append.entry.clone();
        appends.push(append);
    }
    appends
}

/// What was said and done is in the entries, each once, at its moment; all of it, unless a crash cut the
/// end off. And what was recorded is counted.
pub fn check(case: &Case) -> Result<(), String> {
    let done: Vec<_> = case.inputs.iter().filter_map(line).collect();
    let kept: Vec<_> = case.entries.iter().filter_map(|e| kept(case, e)).collect();
    let crashed = matches!(case.fate, Fate::Crash(_) | Fate::Lost(_));
    let whole = kept.len() == done.len() || (crashed && kept.len() < done.len());
    if !whole || done[..kept.len()] != kept {
        return Err(format!("said and done {done:?}, kept {kept:?}"));
    }
    behind_the_end(case)?;
    counted(case)
}

fn line(action: &Action) -> Option<(u64, String)> {
    let what = if let Act::Consent { purpose, state } = action.act {
        format!("{} {purpose} {}", action.who.name, state.as_str())
    } else if let Act::Record { purpose, step } = action.act {
        format!("{purpose} {}", step.as_str())
    } else {
        return None;
    };
    Some((action.at / 1000, what))
}

fn kept(case: &Case, entry: &Entry) -> Option<(u64, String)> {
    let at = case.moment(entry.at_unix_ms);
    let consent = entry.consent.as_ref().map(|consent| {
        let (who, state) = (consent.identity.as_str(), consent.state.as_str());
        format!("{who} {} {state}", consent.purpose)
    });
    let step = entry.recording.as_ref();
    let step = step.map(|note| format!("{} {}", note.id.purpose(), note.step.as_str()));
    Some((at, consent.or(step)?))
}

fn behind_the_end(case: &Case) -> Result<(), String> {
    let Some(stop) = case.entries.last() else {
        return Ok(());
    };
    for (entry, number) in case.after.iter().zip(stop.entry_seq + 1..) {
        // The sums again, and no list.
        let (meters, listed) = (stop.totals.meters(), Some(stop.totals.intervals.len()));
        let same =
            (entry.state, &entry.totals, entry.intervals_from) == (stop.state, &meters, listed);
        if entry.entry_seq != number || entry.kind != EntryKind::Recording || !same {
            return Err(format!("entry {number} after the end: {entry:?}"));
        }
    }
    Ok(())
}

/// Time recorded, within what the intervals cover: they themselves are judged elsewhere.
fn counted(case: &Case) -> Result<(), String> {
    let Some(totals) = case.entries.last().map(|stop| &stop.totals) else {
        return Ok(());
    };
    let ms = |label: Unix| label.0.wrapping_sub(case.label_zero);
    let bounds = totals.intervals.first().zip(totals.intervals.last());
    let (from, to) = bounds.map_or((0, 0), |(first, last)| {
        (ms(first.start_unix_ms), ms(last.end_unix_ms))
    });
    let mut truly: BTreeMap<Purpose, u64> = BTreeMap::new();
    for purpose in Purpose::ALL {
        let mut on = None;
        let mut count = |on: u64, off: u64| {
            *truly.entry(purpose).or_default() += off.min(to).saturating_sub(on.max(from));
        };
        for action in &case.inputs {
            let Act::Record { purpose: of, step } = action.act else {
                continue;
            };
            let at = action.at / 1000;
            match (step, on) {
                _ if of != purpose => {}
                (RecordingStep::Started, None) => on = Some(at),
                (RecordingStep::Stopped, Some(_)) | (RecordingStep::Failed, _) => {
                    count(on.take().unwrap_or(u64::MAX), at);
                }
                (step, on) => return Err(format!("{step:?} was taken after {on:?}")),
            }
        }
        count(on.unwrap_or(u64::MAX), u64::MAX);
    }
    truly.retain(|_, ms| *ms > 0);
    let told = totals.recording_ms.iter().map(|(of, ms)| (*of, ms.0));
    let told: BTreeMap<_, _> = told.collect();
    if told != truly {
        return Err(format!("recorded {told:?}, truly {truly:?}"));
    }
    Ok(())
}
