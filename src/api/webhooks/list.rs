//! `GET /v1/webhooks`: how endpoints stand; and what was given up, page by page.

use super::body::{DeadLetterBody, DeadLetterList, EndpointList};
use super::hooks::Hooks;
use super::operator::Operator;
use crate::api::paging;
use crate::api::ports::ledger::read;
use crate::api::ports::webhooks::DeadLetterFilter;
use crate::api::problem::{Always, Problem};
use axum::Json;
use axum::extract::State;
use axum::http::Uri;
use std::sync::Arc;

/// Lists the webhook endpoints of the project, and what waits for each.
#[utoipa::path(
    get,
    path = "/v1/webhooks",
    tag = "webhooks",
    operation_id = "list_webhooks",
    responses((status = 200, description = "All of them.", body = EndpointList), Always),
    security(("token" = []))
)]
pub(crate) async fn endpoints(
    State(hooks): State<Arc<Hooks>>,
    Operator { caller, .. }: Operator,
) -> Result<Json<EndpointList>, Problem> {
    let endpoints = hooks.endpoints(caller.project()).await?;
    Ok(Json(EndpointList { endpoints }))
}

/// Lists what could not be delivered to an endpoint, in the order in which it was made.
#[utoipa::path(
    get,
    path = "/v1/webhooks/{endpoint}/dead-letters",
    tag = "webhooks",
    operation_id = "list_dead_letters",
    params(
        ("endpoint" = String, Path, description = "Its name in the configuration."),
        ("cursor" = Option<String>, Query, description = "`next` of the page before.", pattern = "^[0-9]{1,18}$"),
        ("limit" = Option<u64>, Query, description = "How many at most; 50 if nothing is said.", minimum = 1, maximum = 100),
    ),
    responses(
        (status = 200, description = "A page.", body = DeadLetterList),
        (status = 404, description = "There is no such endpoint.", body = Problem, content_type = "application/problem+json"),
        Always
    ),
    security(("token" = []))
)]
pub(crate) async fn dead_letters(
    State(hooks): State<Arc<Hooks>>,
    Operator { caller, endpoint }: Operator,
    uri: Uri,
) -> Result<Json<DeadLetterList>, Problem> {
    let (after, limit) = asked(&uri)?;
    let there = hooks.endpoints(caller.project()).await?;
    if !there.iter().any(|known| known.name == endpoint) {
        return Err(Problem::absent("there is no such endpoint"));
    }
    let filter = caller.within(DeadLetterFilter {
        endpoint,
        events: Vec::new(),
        after,
        limit: limit + 1,
    });
    let mut found = read(&hooks.port, move |port| (port.dead_letters)(&filter)).await?;
    let next = paging::cut(&mut found, limit, |last| last.seq);
    let dead_letters = found.iter().map(DeadLetterBody::from).collect();
    Ok(Json(DeadLetterList { dead_letters, next }))
}

fn asked(uri: &Uri) -> Result<(u64, u64), Problem> {
    let (mut after, mut limit) = (0, paging::PAGE);
    for (name, value) in paging::parameters(uri)? {
        match name.as_str() {
            "cursor" => after = paging::place(&name, &value)?,
            "limit" => limit = paging::limit(&name, &value)?,
            other => return Err(paging::unknown(other, "cursor, limit")),
        }
    }
    Ok((after, limit))
}
