//! `GET /v1/sessions/{id}`: the full record of a session.

use super::body::{Floors, Participant, Session, State as Standing, Summary, Totals};
use crate::api::caller::{Caller, Id, command, no_session, read};
use crate::api::ports::ledger::Known;
use crate::api::problem::{Always, OfOne, Problem};
use crate::api::state::Doors;
use crate::base::{Identity, Millis, RoomName, SessionId, SessionState};
use crate::node::billing::Clock;
use crate::node::{SessionCommand, SessionView};
use crate::peer::signal::token::Duty;
use axum::Json;
use axum::extract::State;
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::Arc;

/// The room of a session that the ledger knows.
pub(super) fn room_of(known: &Known) -> RoomName {
    let recorded = known.record.as_ref().map(|record| &record.facts.room);
    let booked = known.booking.as_ref().map(|booking| &booking.room);
    recorded
        .or(booked)
        .cloned()
        .unwrap_or_else(|| RoomName::from(""))
}

impl Known {
    /// Over for good.
    pub(super) fn has_ended(&self) -> bool {
        let state = self.record.as_ref().map(|record| record.state);
        matches!(state, Some(SessionState::Ended(_)))
    }

    /// Name of its policy template.
    pub(super) fn template(&self) -> &str {
        let recorded = self.record.as_ref().map(|r| r.facts.policy.as_str());
        let booked = self.booking.as_ref().map(|b| b.template.as_str());
        recorded.or(booked).unwrap_or("default")
    }

    /// The session in short.
    pub(super) fn summary(&self) -> Summary {
        let (record, booking) = (self.record.as_ref(), self.booking.as_ref());
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
        let total = |read: fn(&crate::usage::Totals) -> crate::base::Millis| {
            record.map_or(0, |record| read(&record.totals).0)
        };
        Summary {
            id: id.map(SessionId::to_string).unwrap_or_default(),
            room: room_of(self).to_string(),
            state: record.map_or(Standing::Scheduled, |record| record.state.into()),
            reason: reason.map(str::to_owned),
            policy_name: self.template().to_owned(),
            external_ref: external,
            created_unix_ms: created.map_or(0, |at| at.0),
            accrued_ms: total(|totals| totals.accrued_ms),
            billable_ms: total(|totals| totals.billable_ms),
        }
    }
}

/// The full record of a session.
#[utoipa::path(
    get,
    path = "/v1/sessions/{id}",
    tag = "sessions",
    params(("id" = String, Path, description = "The session.")),
    responses((status = 200, description = "The record.", body = Session), Always, OfOne),
    security(("token" = []))
)]
pub(crate) async fn show(
    State(doors): State<Arc<Doors>>,
    caller: Caller,
    Id(id): Id,
) -> Result<Json<Session>, Problem> {
    let known = administered(&doors, &caller, &id).await?;
    let view = match known.has_ended() {
        true => None,
        false => command(&doors, &id, SessionCommand::Inspect).await?,
    };
    Ok(Json(session(&doors, &known, view)))
}

/// A session that the caller may administer.
pub(super) async fn administered(
    doors: &Arc<Doors>,
    caller: &Caller,
    id: &SessionId,
) -> Result<Known, Problem> {
    caller.may(Duty::Administer)?;
    let asked = id.clone();
    let known = read(doors, move |doors| (doors.ledger.session)(asked.as_str())).await?;
    let known = known.ok_or_else(no_session)?;
    caller.may(Duty::AdministerRoom(room_of(&known).as_str()))?;
    Ok(known)
}

/// The record, with what a running session says of itself.
pub(super) fn session(doors: &Doors, known: &Known, view: Option<SessionView>) -> Session {
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
        summary: known.summary(),
        continues: continues.map(SessionId::to_string),
        policy: policy.or_else(|| facts.and_then(|facts| facts.carried.policy.clone())),
        quota_left_ms,
        time_left_ms,
        presence: view.as_ref().and_then(|v| v.prompt.clone()).map(Into::into),
        metadata: metadata.unwrap_or_default(),
        totals: record.map(|record| totals(&record.totals)),
        estimated: record.is_some_and(|record| record.estimated),
        bound_ms: record.and_then(|record| record.bound_ms).map(|ms| ms.0),
        participants: participants(doors, known, view.as_ref()),
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

fn participants(doors: &Doors, known: &Known, view: Option<&SessionView>) -> Vec<Participant> {
    let mut all: BTreeMap<Identity, Participant> = BTreeMap::new();
    let room = room_of(known);
    let nobody = |identity: &Identity| Participant {
        identity: identity.to_string(),
        role: None,
        booked: false,
        connected: false,
        totals: None,
        floor: None,
        preflight: doors.verdict(&room, identity),
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
