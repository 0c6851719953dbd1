//! `GET /v1/recordings`: all recordings, page by page.

use super::body::{Recording, RecordingList};
use crate::api::caller::Caller;
use crate::api::paging;
use crate::api::ports::ledger::read;
use crate::api::ports::recordings::{RecordingFilter, Recordings, Standing};
use crate::api::problem::{Always, Problem};
use crate::base::{Purpose, RoomName, SessionId};
use crate::peer::signal::token::{Reach, authorize_recordings};
use axum::Json;
use axum::extract::State;
use axum::http::Uri;
use std::sync::Arc;

/// Longest session id that is looked up.
const ID_BYTES: usize = 64;

/// Lists recordings in the order in which they first started: those that the token reaches.
#[utoipa::path(
    get,
    path = "/v1/recordings",
    tag = "recordings",
    operation_id = "list_recordings",
    params(
        ("session" = Option<String>, Query, description = "Only of this session.", min_length = 1, max_length = 64),
        ("purpose" = Option<String>, Query, description = "`qa` or `shared`.", pattern = "^(qa|shared)$"),
        ("state" = Option<String>, Query, description = "`recording`, `stopped`, `finishing`, `ready`, `failed` or `deleted`.", pattern = "^(recording|stopped|finishing|ready|failed|deleted)$"),
        ("cursor" = Option<String>, Query, description = "`next` of the page before.", pattern = "^[0-9]{1,18}$"),
        ("limit" = Option<u64>, Query, description = "How many at most; 50 if nothing is said.", minimum = 1, maximum = 100),
    ),
    responses((status = 200, description = "A page.", body = RecordingList), Always),
    security(("token" = []))
)]
pub(crate) async fn list(
    State(recordings): State<Arc<Recordings>>,
    caller: Caller,
    uri: Uri,
) -> Result<Json<RecordingList>, Problem> {
    let reach = authorize_recordings(&caller.claims).map_err(Problem::forbidden)?;
    let (mut filter, limit) = asked(&uri)?;
    narrow(&mut filter, &reach)?;
    let page = caller.within((filter, limit + 1));
    let found = read(&recordings, move |recordings| (recordings.list)(&page));
    let mut found = found.await?;
    let next = paging::cut(&mut found, limit, |last| last.seq);
    let recordings = found.iter().map(Recording::from).collect();
    Ok(Json(RecordingList { recordings, next }))
}

/// Leaves what the token reaches.
fn narrow(filter: &mut RecordingFilter, reach: &Reach<'_>) -> Result<(), Problem> {
    match reach {
        Reach::All => {}
        Reach::Room(room) => filter.room = Some(RoomName::from(*room)),
        Reach::Shared(room, _) => {
            let purpose = filter.purpose.unwrap_or(Purpose::Shared);
            let part = reach.see(room, purpose).map_err(Problem::forbidden)?;
            filter.room = Some(RoomName::from(*room));
            filter.purpose = Some(purpose);
            filter.part = part.cloned();
        }
    }
    Ok(())
}

fn asked(uri: &Uri) -> Result<(RecordingFilter, u64), Problem> {
    let mut filter = RecordingFilter::default();
    let mut limit = paging::PAGE;
    for (name, value) in paging::parameters(uri)? {
        let refused = |allowed: &str| paging::refused(&name, allowed);
        match name.as_str() {
            "session" if (1..=ID_BYTES).contains(&value.len()) => {
                filter.session = Some(SessionId::from(value));
            }
            "session" => return Err(refused("the id of a session")),
            "purpose" => {
                let purpose = Purpose::parse(&value);
                filter.purpose = Some(purpose.ok_or_else(|| refused("qa, shared"))?);
            }
            "state" => {
                let state = Standing::ALL.into_iter().find(|s| s.as_str() == value);
                let words = || Standing::ALL.map(Standing::as_str).join(", ");
                filter.state = Some(state.ok_or_else(|| refused(&words()))?);
            }
            "cursor" => filter.after = paging::place(&name, &value)?,
            "limit" => limit = paging::limit(&name, &value)?,
            other => {
                let there = "session, purpose, state, limit, cursor";
                return Err(paging::unknown(other, there));
            }
        }
    }
    Ok((filter, limit))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::peer::signal::token::Part;

    fn narrowed(purpose: Option<Purpose>, reach: Reach<'_>) -> Option<RecordingFilter> {
        let mut filter = RecordingFilter {
            purpose,
            ..RecordingFilter::default()
        };
        narrow(&mut filter, &reach).ok().map(|()| filter)
    }

    #[test]
    fn a_list_holds_what_the_token_reaches_and_nothing_else() {
        let (qa, shared) = (Some(Purpose::Qa), Some(Purpose::Shared));
        let of = |room: Option<&str>, purpose| {
            Some(RecordingFilter {
                room: room.map(RoomName::from),
                purpose,
                ..RecordingFilter::default()
            })
        };
        for (asked, reach, expected) in [
            (None, Reach::All, of(None, None)),
            (qa, Reach::All, of(None, qa)),
            (None, Reach::Room("a"), of(Some("a"), None)),
            (qa, Reach::Room("a"), of(Some("a"), qa)),
        ] {
            assert_eq!(narrowed(asked, reach), expected, "{asked:?}");
        }
        for part in [Part::Named("SE_a".into()), Part::Taken("erika".into())] {
            let reach = || Reach::Shared("a", part.clone());
            let theirs = of(Some("a"), shared).map(|filter| RecordingFilter {
                part: Some(part.clone()),
                ..filter
            });
            assert_eq!(narrowed(None, reach()), theirs);
            assert_eq!(narrowed(shared, reach()), theirs);
            assert_eq!(narrowed(qa, reach()), None);
        }
    }

    #[test]
    fn a_parameter_that_is_not_allowed_is_named() {
        let uri = |query: &str| format!("/v1/recordings?{query}").parse::<Uri>().unwrap();
        for (query, field) in [
            ("session=", "session"),
            ("purpose=other", "purpose"),
            ("state=running", "state"),
            ("cursor=-1", "cursor"),
            ("limit=0", "limit"),
            ("room=a", "room"),
        ] {
            let refused = serde_json::to_value(asked(&uri(query)).unwrap_err()).unwrap();
            assert_eq!(refused["status"], 400, "{query}");
            assert_eq!(refused["field"], field, "{query}");
        }
        let query = "session=SE_a&purpose=qa&state=ready&cursor=7&limit=3";
        let (filter, limit) = asked(&uri(query)).unwrap();
        assert_eq!((filter.after, limit), (7, 3));
        assert_eq!(filter.state, Some(Standing::Ready));
    }
}
