//! The header `Idempotency-Key`.

use crate::api::problem::Problem;
use crate::base::crypto::{hex, sha256};
use axum::http::{HeaderMap, StatusCode};
use serde::Serialize;
use utoipa::IntoParams;

/// The header that makes a repeated request one.
pub(super) const KEY: &str = "Idempotency-Key";
/// Longest idempotency key, in bytes.
const KEY_BYTES: usize = 255;

/// The header as it is documented, at every operation that takes it.
#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
#[expect(
    dead_code,
    reason = "read by the derive alone: the document is made of it"
)]
pub(in crate::api) struct IdempotencyKey {
    /// Of your choice: repeated, it gets the same answer for a day.
    #[param(
        rename = "Idempotency-Key",
        min_length = 1,
        max_length = 255,
        pattern = "^[!-~]+$"
    )]
    key: Option<String>,
}

/// The key of a request, if it has one.
pub(in crate::api) fn idempotency_key(headers: &HeaderMap) -> Result<Option<&str>, Problem> {
    let Some(value) = headers.get(KEY) else {
        return Ok(None);
    };
    let key = value.to_str().ok().filter(|key| {
        (1..=KEY_BYTES).contains(&key.len()) && key.bytes().all(|byte| byte.is_ascii_graphic())
    });
    key.map(Some).ok_or_else(malformed)
}

/// The key of a request that must have one.
pub(in crate::api) fn needed_key(headers: &HeaderMap) -> Result<&str, Problem> {
    idempotency_key(headers)?.ok_or_else(malformed)
}

fn malformed() -> Problem {
    let allowed = "1 to 255 visible ASCII characters";
    Problem::field(StatusCode::BAD_REQUEST, KEY, allowed)
}

/// The key belongs to another request.
pub(in crate::api) fn used_otherwise() -> Problem {
    let allowed = "a key that was not used with another request in the last day";
    Problem::body(KEY, allowed)
}

/// By what a request is recognised.
pub(in crate::api) fn digest(asked: &impl Serialize) -> String {
    let text = serde_json::to_string(asked).unwrap_or_default();
    hex(&sha256(text.as_bytes()))
}
