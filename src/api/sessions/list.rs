//! `GET /v1/sessions`: all sessions, page by page.

use super::body::{SessionList, Summary};
use super::caller::{Caller, read};
use super::ledger::Filter;
use crate::api::doors::Doors;
use crate::api::problem::{Always, Problem};
use crate::peer::signal::token::Duty;
use axum::Json;
use axum::extract::{Query, State};
use axum::http::{StatusCode, Uri};
use std::sync::Arc;

/// Sessions on a page, unless told otherwise.
const PAGE: u64 = 50;
/// Sessions on a page at most.
const MOST: u64 = 100;

/// Lists sessions in the order in which they were made.
#[utoipa::path(
    get,
    path = "/v1/sessions",
    tag = "sessions",
    params(
        ("state" = Option<String>, Query, description = "`scheduled`, `running` (waiting, live or paused) or `ended`.", pattern = "^(scheduled|running|ended)$"),
        ("room" = Option<String>, Query, description = "Only of this room.", min_length = 1, max_length = 256),
        ("external_ref" = Option<String>, Query, description = "Only with this booking id.", min_length = 1, max_length = 256),
        ("after" = Option<String>, Query, description = "`next` of the page before.", pattern = "^[0-9]{1,18}$"),
        ("limit" = Option<u64>, Query, description = "How many at most; 50 if nothing is said.", minimum = 1, maximum = 100),
    ),
    responses((status = 200, description = "A page.", body = SessionList), Always),
    security(("token" = []))
)]
pub(crate) async fn list(
    State(doors): State<Arc<Doors>>,
    caller: Caller,
    uri: Uri,
) -> Result<Json<SessionList>, Problem> {
    caller.may(Duty::List)?;
    let (filter, limit) = asked(&uri)?;
    let found = read(&doors, move |doors| {
        (doors.ledger.sessions)(&(filter, limit + 1))
    });
    let mut found = found.await?;
    let page = usize::try_from(limit).unwrap_or(usize::MAX);
    let more = found.len() > page;
    found.truncate(page);
    let next = found
        .last()
        .filter(|_| more)
        .map(|last| last.seq.to_string());
    let sessions: Vec<Summary> = found.iter().map(super::Known::summary).collect();
    Ok(Json(SessionList { sessions, next }))
}

fn asked(uri: &Uri) -> Result<(Filter, u64), Problem> {
    let pairs = Query::<Vec<(String, String)>>::try_from_uri(uri);
    let Ok(Query(pairs)) = pairs else {
        return Err(Problem::malformed(
            "the query of the address cannot be decoded",
        ));
    };
    let mut filter = Filter::default();
    let mut limit = PAGE;
    for (name, value) in pairs {
        let refused = |allowed: &str| Problem::field(StatusCode::BAD_REQUEST, &name, allowed);
        match name.as_str() {
            "state" if matches!(value.as_str(), "scheduled" | "running" | "ended") => {
                filter.state = Some(value);
            }
            "state" => return Err(refused("scheduled, running, ended")),
            "room" | "external_ref" if !(1..=256).contains(&value.len()) => {
                return Err(refused("a text of 1 to 256 bytes"));
            }
            "room" => filter.room = Some(value),
            "external_ref" => filter.external_ref = Some(value),
            "after" => {
                let digits = value.len() <= 18 && value.bytes().all(|b| b.is_ascii_digit());
                let after = digits.then(|| value.parse().ok()).flatten();
                filter.after = after.ok_or_else(|| refused("`next` of the page before"))?;
            }
            "limit" => {
                let number = value.parse().ok().filter(|n| (1..=MOST).contains(n));
                limit = number.ok_or_else(|| refused("1 to 100"))?;
            }
            other => {
                let name: String = other.chars().take(64).collect();
                let there = "state, room, external_ref, after, limit";
                return Err(Problem::unknown(StatusCode::BAD_REQUEST, &name, there));
            }
        }
    }
    Ok((filter, limit))
}
