//! `GET /v1/sessions`: all sessions, page by page.

use super::body::{SessionList, Summary};
use super::record::summary;
use crate::api::caller::Caller;
use crate::api::paging;
use crate::api::ports::ledger::{Ledger, SessionFilter, read};
use crate::api::problem::{Always, Problem};
use crate::peer::signal::token::{AdminRefusal, Duty, room_of};
use axum::Json;
use axum::extract::State;
use axum::http::Uri;
use std::sync::Arc;

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
    State(ledger): State<Arc<Ledger>>,
    caller: Caller,
    uri: Uri,
) -> Result<Json<SessionList>, Problem> {
    caller.may(Duty::List)?;
    let (mut filter, limit) = asked(&uri)?;
    narrow(&mut filter, room_of(&caller.claims)).map_err(Problem::forbidden)?;
    let page = caller.within((filter, limit + 1));
    let found = read(&ledger, move |ledger| (ledger.sessions)(&page));
    let mut found = found.await?;
    let next = paging::cut(&mut found, limit, |last| last.seq);
    let sessions: Vec<Summary> = found.iter().map(summary).collect();
    Ok(Json(SessionList { sessions, next }))
}

/// Leaves what a token for one room is good for.
fn narrow(filter: &mut SessionFilter, own: Option<&str>) -> Result<(), AdminRefusal> {
    let Some(own) = own else { return Ok(()) };
    if filter.room.as_deref().is_some_and(|room| room != own) {
        return Err(AdminRefusal::OtherRoom);
    }
    filter.room = Some(own.to_owned());
    Ok(())
}

fn asked(uri: &Uri) -> Result<(SessionFilter, u64), Problem> {
    let mut filter = SessionFilter::default();
    let mut limit = paging::PAGE;
    for (name, value) in paging::parameters(uri)? {
        let refused = |allowed: &str| paging::refused(&name, allowed);
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
            "after" => filter.after = paging::place(&name, &value)?,
            "limit" => limit = paging::limit(&name, &value)?,
            other => {
                let there = "state, room, external_ref, after, limit";
                return Err(paging::unknown(other, there));
            }
        }
    }
    Ok((filter, limit))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_for_one_room_lists_the_sessions_of_that_room_alone() {
        let (a, b) = (Some("a"), Some("b"));
        for (asked, own, left) in [
            (None, None, Ok(None)),
            (a, None, Ok(a)),
            (None, a, Ok(a)),
            (a, a, Ok(a)),
            (b, a, Err(AdminRefusal::OtherRoom)),
        ] {
            let mut filter = SessionFilter {
                room: asked.map(str::to_owned),
                ..SessionFilter::default()
            };
            let narrowed = narrow(&mut filter, own);
            let got = narrowed.map(|()| filter.room.as_deref());
            assert_eq!(got, left, "{asked:?} {own:?}");
        }
    }
}
