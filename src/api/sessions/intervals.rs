//! `GET /v1/sessions/{id}/intervals`: every interval of a session, page by page.

use super::body::IntervalList;
use super::id::Id;
use super::running::Sessions;
use crate::api::caller::Caller;
use crate::api::paging;
use crate::api::problem::{Always, OfOne, Problem};
use crate::usage::Interval;
use axum::Json;
use axum::extract::State;
use axum::http::Uri;
use serde_json::Value;
use std::sync::Arc;

/// Lists the intervals of a session in their order; `count` is that of all of them.
#[utoipa::path(
    get,
    path = "/v1/sessions/{id}/intervals",
    tag = "sessions",
    params(
        ("id" = String, Path, description = "The session."),
        ("after" = Option<String>, Query, description = "`next` of the page before.", pattern = "^[0-9]{1,18}$"),
        ("limit" = Option<u64>, Query, description = "How many at most; 50 if nothing is said.", minimum = 1, maximum = 100),
    ),
    responses((status = 200, description = "A page.", body = IntervalList), Always, OfOne),
    security(("token" = []))
)]
pub(crate) async fn intervals(
    State(sessions): State<Arc<Sessions>>,
    caller: Caller,
    Id(id): Id,
    uri: Uri,
) -> Result<Json<IntervalList>, Problem> {
    let (after, limit) = asked(&uri)?;
    let known = sessions.administered(&caller, &id).await?;
    let record = known.record.as_ref();
    let all = record.map_or(&[][..], |record| &record.totals.intervals);
    Ok(Json(page(all, after, limit)))
}

fn asked(uri: &Uri) -> Result<(u64, u64), Problem> {
    let (mut after, mut limit) = (0, paging::PAGE);
    for (name, value) in paging::parameters(uri)? {
        match name.as_str() {
            "after" => after = paging::place(&name, &value)?,
            "limit" => limit = paging::limit(&name, &value)?,
            other => return Err(paging::unknown(other, "after, limit")),
        }
    }
    Ok((after, limit))
}

/// Intervals are numbered from 1; a page begins with the one after `after`.
fn page(all: &[Interval], after: u64, limit: u64) -> IntervalList {
    let skip = usize::try_from(after).unwrap_or(usize::MAX);
    let most = usize::try_from(limit.saturating_add(1)).unwrap_or(usize::MAX);
    let mut found: Vec<(u64, &Interval)> = (1..).zip(all).skip(skip).take(most).collect();
    let next = paging::cut(&mut found, limit, |(number, _)| *number);
    let shown = |(_, interval): &(u64, &Interval)| serde_json::to_value(interval);
    IntervalList {
        count: all.len(),
        intervals: found
            .iter()
            .map(shown)
            .filter_map(Result::<Value, _>::ok)
            .collect(),
        next,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::{SessionState, Unix};

    fn list(count: u64) -> Vec<Interval> {
        (0..count)
            .map(|n| Interval {
                start_unix_ms: Unix(n),
                end_unix_ms: Unix(n + 1),
                state: SessionState::Live,
            })
            .collect()
    }

    #[test]
    fn the_pages_together_are_the_whole_list_and_its_json_is_that_of_events() {
        for count in [0, 1, 99, 100, 101, 250] {
            let all = list(count);
            let (mut after, mut seen) = (0, Vec::new());
            loop {
                let page = page(&all, after, 100);
                assert_eq!(page.count, all.len());
                assert!(page.intervals.len() <= 100);
                seen.extend(page.intervals);
                let Some(next) = page.next else { break };
                after = next.parse().unwrap();
            }
            assert_eq!(Value::from(seen), serde_json::to_value(&all).unwrap());
        }
        assert_eq!(page(&list(3), 3, 50).intervals, [] as [Value; 0]);
        assert_eq!(page(&list(3), u64::MAX, 50).intervals, [] as [Value; 0]);
    }
}
