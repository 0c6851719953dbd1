//! Billing at the other end: gets events more than once and out of order, deduplicates by id, and
//! must know in the end what the ledger knows.

use crate::world::Case;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// What every event says of the sums, and where the entry has them.
const SUMS: [&str; 5] = [
    "accrued_ms",
    "billable_ms",
    "overlap_ms",
    "waiting_ms",
    "intervals",
];

/// Checks the deliveries of a session against its ledger.
pub fn check(case: &Case) -> Result<(), String> {
    let mut by_id: BTreeMap<&str, &str> = BTreeMap::new();
    let mut by_seq: BTreeMap<u64, Value> = BTreeMap::new();
    for event in &case.deliveries {
        if *by_id.entry(&event.id).or_insert(&event.body) != event.body {
            return Err(format!("{} has two bodies", event.id));
        }
        let body: Value = serde_json::from_str(&event.body).map_err(|error| error.to_string())?;
        if body["id"] != event.id || body["type"] != event.kind.as_str() {
            return Err(format!(
                "{} calls itself {} {}",
                event.id, body["id"], body["type"]
            ));
        }
        let seq = body["data"]["event_seq"]
            .as_u64()
            .ok_or("an event without a number")?;
        if body["sequence"] != format!("{seq:020}") {
            return Err(format!("event {seq} has the sequence {}", body["sequence"]));
        }
        by_seq.insert(seq, body);
    }
    if by_seq.len() != by_id.len() || !by_seq.keys().copied().eq(1..=by_seq.len() as u64) {
        return Err(format!("event numbers {:?}", by_seq.keys()));
    }
    order(by_seq.values())?;
    together(by_seq.values())?;
    sums(case, by_seq.values())
}

/// Started first, ended last but for steps of recordings, each once; everyone who joined left,
/// in turns.
fn order<'a>(events: impl Iterator<Item = &'a Value>) -> Result<(), String> {
    let mut here = BTreeSet::new();
    let (mut live, mut over) = (false, false);
    let kinds: Vec<_> = events
        .map(|event| (event["type"].as_str().unwrap_or("?"), &event["data"]))
        .collect();
    for (index, (kind, data)) in kinds.iter().enumerate() {
        let who = data["participant"]["identity"].as_str();
        let named = data["recording"]["id"].is_string();
        let fits = match *kind {
            "recording.ready" | "recording.deleted" => over && named,
            "recording.failed" => named,
            _ if over => false,
            "recording.started" => named,
            "consent.changed" => data["consent"]["identity"].is_string(),
            "session.started" => index == 0,
            "session.ended" => !std::mem::replace(&mut over, true) && here.is_empty(),
            "session.paused" => std::mem::take(&mut live) || data["state"] == "paused",
            "session.resumed" => !std::mem::replace(&mut live, true),
            "session.usage" if data["cause"] == "live" => !std::mem::replace(&mut live, true),
            "session.usage" => live,
            "session.warning" => data["kind"].is_string(),
            "participant.joined" => who.is_some_and(|who| here.insert(who)),
            "participant.left" => who.is_some_and(|who| here.remove(who)),
            _ => false,
        };
        if !fits {
            return Err(format!("event {} is out of place: {kind}", index + 1));
        }
    }
    match kinds.as_slice() {
        [("session.started", _), ..] if over => Ok(()),
        other => Err(format!("{} events without start or end", other.len())),
    }
}

/// The intervals of one event after the other, put together, are those of the end: what was over stays as
/// it was told, and neighbours touch.
fn together<'a>(events: impl Iterator<Item = &'a Value>) -> Result<(), String> {
    let mut list: Vec<Value> = Vec::new();
    for data in events.map(|event| &event["data"]) {
        let Some(told) = data["intervals"].as_array() else {
            continue;
        };
        let from = data["intervals_from"].as_u64().unwrap_or(0);
        let from = usize::try_from(from).map_err(|error| error.to_string())?;
        let mut next = list.get(..from).ok_or("intervals are left out")?.to_vec();
        next.extend(told.iter().cloned());
        let over = list.len().saturating_sub(1);
        let stays = next.get(..over) == list.get(..over)
            && next.get(over).map(|open| &open["start_unix_ms"])
                == list
                    .get(over)
                    .or(next.get(over))
                    .map(|open| &open["start_unix_ms"]);
        let touch = |pair: &[Value]| pair[0]["end_unix_ms"] == pair[1]["start_unix_ms"];
        if !stays || !next.windows(2).all(touch) {
            return Err(format!("{list:?} does not go on with {told:?} from {from}"));
        }
        list = next;
    }
    Ok(())
}

/// The last word equals the ledger's, bit for bit.
fn sums<'a>(case: &Case, events: impl Iterator<Item = &'a Value>) -> Result<(), String> {
    let mut ends = events.filter(|event| event["type"] == "session.ended");
    let last = ends.next().ok_or("no end")?;
    let totals = json!(case.entries.last().ok_or("no entry")?.totals);
    for key in SUMS {
        if last["data"][key] != totals[key] {
            return Err(format!(
                "{key}: told {}, kept {}",
                last["data"][key], totals[key]
            ));
        }
    }
    let none = json!({});
    if &last["data"]["paused_ms"] != totals.get("paused_ms").unwrap_or(&none) {
        return Err(format!("paused: told {}", last["data"]["paused_ms"]));
    }
    let recorded = |of: &Value| of.get("recording_ms").cloned().unwrap_or(none.clone());
    if recorded(&last["data"]) != recorded(&totals) {
        return Err(format!("recorded: told {}", last["data"]["recording_ms"]));
    }
    let kept = totals["participants"]
        .as_object()
        .ok_or("no participants")?;
    for (who, kept) in kept {
        for (key, value) in kept.as_object().ok_or("no totals")? {
            let told = &last["data"]["participants"][who][key];
            if told != value {
                return Err(format!("{who} {key}: told {told}, kept {value}"));
            }
        }
    }
    Ok(())
}
