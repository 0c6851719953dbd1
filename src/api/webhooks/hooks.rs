//! The webhooks of this node, as the API and the operator's listener change them.

use super::body::{EndpointNow, EndpointState, Replayed};
use crate::api::ports::ledger::{Ledger, Replay, Within, Work, read};
use crate::api::ports::webhooks::{Configured, DeadLetterFilter, EndpointTally, Webhooks};
use crate::api::problem::Problem;
use crate::base::ProjectId;
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Dead letters that are delivered again with one request: the entries of live sessions do not wait long
/// for them.
pub(super) const REPLAYED_AT_ONCE: usize = 100;
/// Longest id of an event that is looked up, in bytes.
const EVENT_BYTES: usize = 128;

/// The webhooks of this node.
pub struct Hooks {
    pub(super) port: Arc<Webhooks>,
    pub(super) ledger: Arc<Ledger>,
}

impl Hooks {
    pub(in crate::api) const fn new(port: Arc<Webhooks>, ledger: Arc<Ledger>) -> Hooks {
        Hooks { port, ledger }
    }

    /// How the endpoints of a project stand.
    pub(super) async fn endpoints(&self, project: &ProjectId) -> Result<Vec<EndpointNow>, Problem> {
        let asked = project.clone();
        let tallies = read(&self.port, move |port| (port.tallies)(&asked)).await?;
        Ok(standing(tallies, (self.port.configured)(project)))
    }

    /// Delivers dead letters of a configured endpoint again, in their order and as if they were new: these,
    /// or the oldest if none is named.
    pub(in crate::api) async fn replay(
        &self,
        of: Within<String>,
        events: Vec<String>,
    ) -> Result<Replayed, Problem> {
        self.configured(&of)?;
        let filter = DeadLetterFilter {
            endpoint: of.asked.clone(),
            events: events.clone(),
            after: 0,
            limit: REPLAYED_AT_ONCE as u64 + 1,
        };
        let asked = Within::new(&of.project, filter);
        let mut found = read(&self.port, move |port| (port.dead_letters)(&asked)).await?;
        let is_there = |event: &String| found.iter().any(|letter| letter.event_id == *event);
        if let Some(event) = events.iter().find(|event| !is_there(event)) {
            return Err(Problem::absent(format!(
                "{event} is no dead letter of {}: nothing is delivered again",
                of.asked
            )));
        }
        let more = found.len() > REPLAYED_AT_ONCE;
        found.truncate(REPLAYED_AT_ONCE);
        let replayed = found.len() as u64;
        if replayed > 0 {
            let replay = Replay {
                endpoint: of.project.endpoint(&of.asked),
                events: found.into_iter().map(|letter| letter.event_id).collect(),
            };
            tracing::info!(
                endpoint = replay.endpoint,
                events = replayed,
                "dead letters are delivered again"
            );
            self.ledger.written(Work::Replay(Box::new(replay))).await?;
        }
        Ok(Replayed { replayed, more })
    }

    /// Posts to a configured endpoint again that said that it is gone.
    pub(in crate::api) async fn enable(&self, of: Within<String>) -> Result<EndpointNow, Problem> {
        self.configured(&of)?;
        (self.port.enable)(&of);
        let endpoints = self.endpoints(&of.project).await?;
        let now = endpoints.into_iter().find(|now| now.name == of.asked);
        let now = now.ok_or_else(|| absent(&of.asked))?;
        // What was asked holds from now on, though the delivery may not have come to it yet.
        let state = EndpointState::Active;
        Ok(EndpointNow { state, ..now })
    }

    fn configured(&self, of: &Within<String>) -> Result<Configured, Problem> {
        let mut endpoints = (self.port.configured)(&of.project).into_iter();
        let found = endpoints.find(|endpoint| endpoint.name == of.asked);
        found.ok_or_else(|| absent(&of.asked))
    }
}

fn absent(name: &str) -> Problem {
    let name: String = name.chars().take(64).collect();
    Problem::absent(format!("the configuration names no endpoint {name:?}"))
}

/// Endpoints that are configured, and those for which there is something in the ledger.
fn standing(tallies: Vec<EndpointTally>, configured: Vec<Configured>) -> Vec<EndpointNow> {
    let now = |name: String, state| EndpointNow {
        name,
        state,
        pending: 0,
        dead_letters: 0,
    };
    let named = configured.into_iter().map(|endpoint| {
        let state = match endpoint.is_disabled {
            true => EndpointState::Disabled,
            false => EndpointState::Active,
        };
        (endpoint.name.clone(), now(endpoint.name, state))
    });
    let mut all: BTreeMap<String, EndpointNow> = named.collect();
    for tally in tallies {
        let removed = || now(tally.name.clone(), EndpointState::Removed);
        let endpoint = all.entry(tally.name.clone()).or_insert_with(removed);
        (endpoint.pending, endpoint.dead_letters) = (tally.pending, tally.dead_letters);
    }
    all.into_values().collect()
}

/// The events that a body names; none for all.
pub(in crate::api) fn named(body: &Value) -> Result<Vec<String>, Problem> {
    let allowed = || Problem::body("events", "1 to 100 ids of events, or nothing");
    let Some(members) = body.as_object() else {
        return Err(Problem::body("body", "a JSON object"));
    };
    if let Some(name) = members.keys().find(|name| *name != "events") {
        let name: String = name.chars().take(64).collect();
        let status = axum::http::StatusCode::UNPROCESSABLE_ENTITY;
        return Err(Problem::unknown(status, &name, "events"));
    }
    let events = match members.get("events") {
        None | Some(Value::Null) => return Ok(Vec::new()),
        Some(events) => events.as_array().ok_or_else(allowed)?,
    };
    if !(1..=REPLAYED_AT_ONCE).contains(&events.len()) {
        return Err(allowed());
    }
    let text = |event: &Value| {
        let text = event
            .as_str()
            .filter(|text| (1..=EVENT_BYTES).contains(&text.len()));
        text.map(str::to_owned).ok_or_else(allowed)
    };
    let mut events: Vec<String> = events.iter().map(text).collect::<Result<_, _>>()?;
    events.sort_unstable();
    events.dedup();
    Ok(events)
}
