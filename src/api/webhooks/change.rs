//! What changes the delivery: dead letters go out again, and an endpoint that was gone is posted to.

use super::body::{EndpointNow, NewReplay, Replayed};
use super::hooks::{Hooks, named};
use super::operator::Operator;
use crate::api::caller::Json;
use crate::api::idempotency::asker::Asker;
use crate::api::idempotency::key::IdempotencyKey;
use crate::api::idempotency::once::Once;
use crate::api::ports::ledger::Answer;
use crate::api::problem::{Always, Problem, WithBody, WithKey};
use axum::Json as JsonAnswer;
use axum::extract::State;
use serde_json::Value;
use std::sync::Arc;

/// Delivers dead letters of an endpoint again, in their order and as if they were new: those that are named,
/// or the oldest 100. Nothing is done if one that is named is none.
#[utoipa::path(
    post,
    path = "/v1/webhooks/{endpoint}/replay",
    tag = "webhooks",
    params(("endpoint" = String, Path, description = "Its name in the configuration."), IdempotencyKey),
    request_body = NewReplay,
    responses(
        (status = 200, description = "How many, and whether there are more.", body = Replayed),
        (status = 404, description = "There is no such endpoint, or no such dead letter.", body = Problem, content_type = "application/problem+json"),
        Always, WithBody, WithKey
    ),
    security(("token" = []))
)]
pub(crate) async fn replay(
    State(hooks): State<Arc<Hooks>>,
    Operator { caller, endpoint }: Operator,
    once: Once,
    Json(body): Json,
) -> Result<Answer, Problem> {
    let events = named(&body)?;
    let of = caller.within(endpoint);
    let work = async move { hooks.replay(of, events).await.map(JsonAnswer) };
    once.answer(Asker::app(&caller), &body, work).await
}

/// Posts to an endpoint again that answered 410 Gone, beginning with what waits for it.
#[utoipa::path(
    post,
    path = "/v1/webhooks/{endpoint}/enable",
    tag = "webhooks",
    params(("endpoint" = String, Path, description = "Its name in the configuration."), IdempotencyKey),
    responses(
        (status = 200, description = "How it stands.", body = EndpointNow),
        (status = 404, description = "There is no such endpoint.", body = Problem, content_type = "application/problem+json"),
        Always, WithKey
    ),
    security(("token" = []))
)]
pub(crate) async fn enable(
    State(hooks): State<Arc<Hooks>>,
    Operator { caller, endpoint }: Operator,
    once: Once,
) -> Result<Answer, Problem> {
    let of = caller.within(endpoint);
    let work = async move { hooks.enable(of).await.map(JsonAnswer) };
    once.answer(Asker::app(&caller), &Value::Null, work).await
}
