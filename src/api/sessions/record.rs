//! The record of a session: what the ledger knows, and what it says of itself while it runs.

use super::body::{Floors, Participant, Session, SessionStage, Summary, Totals};
use crate::api::ports::ledger::Known;
use crate::base::{Identity, Millis, SessionId, Verdict};
use crate::node::SessionView;
use crate::node::billing::Clock;
use crate::usage::ledger::SessionRecord;
use serde_json::Value;
use std::collections::BTreeMap;

/// The session in short.
pub(super) fn summary(known: &Known) -> Summary {
    let (record, booking) = (known.record.as_ref(), known.booking.as_ref());
    let facts = record.map(|record| &record.facts);
    let booked = booking.map(|booking| &booking.session);
    let id = facts.map(|facts| &facts.session).or(booked);
    let external = facts.map_or_else(
        || booking.and_then(|b| b.policy.external_ref.clone()),
        |facts| facts.external_ref.clone(),
    );
    let begun = record.map(|record| record.started_unix_ms);
    let created = booking.map(|booking| booking.created_unix_ms).or(begun);
    let reason = record.and_then(|record| record.state.reason());
    let total = |read: fn(&crate::usage::Totals) -> Millis| {
        record.map_or(0, |record| read(&record.totals).0)
    };
    Summary {
        id: id.map(SessionId::to_string).unwrap_or_default(),
        room: known.room().name.to_string(),
        state: record.map_or(SessionStage::Scheduled, |record| record.state.into()),
        reason: reason.map(str::to_owned),
        policy_name: known.template().to_owned(),
        external_ref: external,
        created_unix_ms: created.map_or(0, |at| at.0),
        accrued_ms: total(|totals| totals.accrued_ms),
        billable_ms: total(|totals| totals.billable_ms),
    }
}

/// The record, with what a running session says of itself.
pub(super) fn session(
    known: &Known,
    view: Option<SessionView>,
    verdict: impl Fn(&Identity) -> Option<Verdict>,
) -> Session {
    let record = known.record.as_ref();
    let booked = known.booking.as_ref().map(|booking| &booking.policy);
    let facts = record.map(|record| &record.facts);
    let policy = view.as_ref().map(|view| &view.policy).or(booked);
    let policy = policy.and_then(|policy| serde_json::to_value(policy).ok());
    let clock = view.as_ref().and_then(|view| view.clock.as_ref());
    let left = |read: fn(&Clock) -> Option<Millis>| clock.and_then(read).map(|left| left.0);
    let (quota_left_ms, time_left_ms) = (left(|c| c.quota_left_ms), left(|c| c.time_left_ms));
    let metadata = facts.map_or_else(
        || booked.and_then(|policy| policy.metadata.clone()),
        |facts| facts.metadata.clone(),
    );
    let continues = facts.and_then(|facts| facts.continues.as_ref());
    let recordings = view.as_ref().map(|view| view.recordings.clone());
    Session {
        summary: summary(known),
        continues: continues.map(SessionId::to_string),
        policy: policy
            .or_else(|| facts.and_then(|facts| facts.carried.policy.clone()))
            .map(|policy| with_terms(policy, view.is_none().then_some(record).flatten())),
        quota_left_ms,
        time_left_ms,
        presence: view.as_ref().and_then(|v| v.prompt.clone()).map(Into::into),
        metadata: metadata.unwrap_or_default(),
        totals: record.map(|record| totals(&record.totals)),
        estimated: record.is_some_and(|record| record.estimated),
        bound_ms: record.and_then(|record| record.bound_ms).map(|ms| ms.0),
        participants: participants(known, view.as_ref(), verdict),
        subscriptions: view.map_or_else(Vec::new, |view| {
            view.subscriptions.into_iter().map(Into::into).collect()
        }),
        recordings: recordings
            .unwrap_or_default()
            .into_iter()
            .map(Into::into)
            .collect(),
    }
}

/// The rules with what was changed since the session began.
fn with_terms(mut policy: Value, record: Option<&SessionRecord>) -> Value {
    let terms = record.and_then(|record| record.terms.as_ref());
    let duration = policy.get_mut("duration").and_then(Value::as_object_mut);
    if let Some((terms, duration)) = terms.zip(duration) {
        duration.insert("quota_s".to_owned(), terms.quota_s.into());
        duration.insert("max_min".to_owned(), terms.max_min.into());
    }
    policy
}

fn totals(totals: &crate::usage::Totals) -> Totals {
    let all = serde_json::to_value(totals).unwrap_or_default();
    let all = all.as_object().cloned().unwrap_or_default();
    let apart = ["accrued_ms", "billable_ms", "participants"];
    Totals {
        accrued_ms: totals.accrued_ms.0,
        billable_ms: totals.billable_ms.0,
        all: all
            .into_iter()
            .filter(|(name, _)| !apart.contains(&name.as_str()))
            .collect(),
    }
}

fn participants(
    known: &Known,
    view: Option<&SessionView>,
    verdict: impl Fn(&Identity) -> Option<Verdict>,
) -> Vec<Participant> {
    let mut all: BTreeMap<Identity, Participant> = BTreeMap::new();
    let nobody = |identity: &Identity| Participant {
        identity: identity.to_string(),
        role: None,
        booked: false,
        connected: false,
        totals: None,
        floor: None,
        preflight: verdict(identity),
    };
    for guest in known.booking.iter().flat_map(|b| &b.participants) {
        let one = all
            .entry(guest.identity.clone())
            .or_insert_with(|| nobody(&guest.identity));
        (one.booked, one.role) = (true, Some(guest.role));
    }
    for (identity, totals) in known.record.iter().flat_map(|r| &r.totals.participants) {
        let one = all
            .entry(identity.clone())
            .or_insert_with(|| nobody(identity));
        one.role = totals.role;
        one.preflight = totals.preflight.or(one.preflight);
        one.totals = serde_json::to_value(totals).ok().filter(Value::is_object);
    }
    for here in view.iter().flat_map(|view| &view.participants) {
        let one = all
            .entry(here.identity.clone())
            .or_insert_with(|| nobody(&here.identity));
        one.role = here.role;
        one.connected = true;
        let [up, down] = here.floor.map(Into::into);
        one.floor = Some(Floors { up, down });
    }
    all.into_values().collect()
}
