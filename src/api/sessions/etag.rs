//! `ETag` and `If-Match` of a session: the totals that a PATCH changes, so that two who change them at the
//! same time do not overwrite one another unawares.

use super::body::Session;
use crate::api::problem::Problem;
use crate::session::Allowance;
use axum::Json;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::Value;

/// A record with its `ETag`.
pub(in crate::api) struct Tagged(pub Session);

impl IntoResponse for Tagged {
    fn into_response(self) -> Response {
        let tag = allowance(self.0.policy.as_ref()).map(tag);
        let tag = tag.and_then(|tag| HeaderValue::try_from(tag).ok());
        let mut response = Json(self.0).into_response();
        let headers = response.headers_mut();
        // Totals and states change all the time, and the tag does not tell of them.
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if let Some(tag) = tag {
            headers.insert(header::ETAG, tag);
        }
        response
    }
}

fn allowance(policy: Option<&Value>) -> Option<Allowance> {
    let duration = policy?.get("duration")?;
    Some(Allowance {
        quota_s: duration.get("quota_s").and_then(Value::as_u64),
        max_min: duration.get("max_min")?.as_u64()?,
    })
}

fn tag(totals: Allowance) -> String {
    let quota = totals.quota_s.map_or("none".to_owned(), |s| s.to_string());
    format!("\"{quota}-{}\"", totals.max_min)
}

/// Of a tag without its quotation marks. None if it is none of ours: then it matches nothing.
fn untag(tag: &str) -> Option<Allowance> {
    let (quota, max_min) = tag.split_once('-')?;
    let quota_s = match quota {
        "none" => None,
        seconds => Some(seconds.parse().ok()?),
    };
    Some(Allowance {
        quota_s,
        max_min: max_min.parse().ok()?,
    })
}

/// What `If-Match` asks for: one of these; none if anything will do. A weak tag matches nothing (RFC 9110,
/// section 13.1.1).
///
/// # Errors
/// It is no list of tags.
pub(super) fn if_match(headers: &HeaderMap) -> Result<Option<Vec<Allowance>>, Problem> {
    let mut values = headers.get_all(header::IF_MATCH).iter().peekable();
    if values.peek().is_none() {
        return Ok(None);
    }
    let mut wanted = Vec::new();
    for value in values {
        for member in value.to_str().unwrap_or("\u{0}").split(',').map(str::trim) {
            let strong = member.strip_prefix("W/").unwrap_or(member);
            let inner = strong.strip_prefix('"').and_then(|t| t.strip_suffix('"'));
            match inner {
                None if member == "*" => return Ok(None),
                None => return Err(malformed()),
                Some(inner) if strong == member => wanted.extend(untag(inner)),
                Some(_) => {}
            }
        }
    }
    Ok(Some(wanted))
}

fn malformed() -> Problem {
    let allowed = "the `ETag` of the session, several with commas between, or `*`";
    Problem::field(StatusCode::BAD_REQUEST, header::IF_MATCH.as_str(), allowed)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Allowance = Allowance {
        quota_s: Some(1_800),
        max_min: 120,
    };

    fn asked(values: &[&'static str]) -> Result<Option<Vec<Allowance>>, Problem> {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(header::IF_MATCH, HeaderValue::from_static(value));
        }
        if_match(&headers)
    }

    #[test]
    fn a_tag_tells_the_totals_and_is_understood_again() {
        let unlimited = Allowance {
            quota_s: None,
            max_min: 60,
        };
        for (totals, expected) in [(NOW, "\"1800-120\""), (unlimited, "\"none-60\"")] {
            assert_eq!(tag(totals), expected);
            assert_eq!(untag(expected.trim_matches('"')), Some(totals));
        }
        let policy = serde_json::json!({"duration": {"quota_s": 1_800, "max_min": 120}});
        assert_eq!(allowance(Some(&policy)), Some(NOW));
        assert_eq!(allowance(None), None);
    }

    #[test]
    fn if_match_is_a_list_of_strong_tags_or_a_star() {
        for (values, expected) in [
            (&[][..], Ok(None)),
            (&["*"], Ok(None)),
            (&["\"1800-120\""], Ok(Some(vec![NOW]))),
            (&["\"x\", \"1800-120\""], Ok(Some(vec![NOW]))),
            (&["\"x\"", "\"1800-120\""], Ok(Some(vec![NOW]))),
            (&["W/\"1800-120\""], Ok(Some(vec![]))),
            (&["\"1800-\""], Ok(Some(vec![]))),
            (&["1800-120"], Err(malformed())),
            (&[""], Err(malformed())),
            (&["\"1800-120"], Err(malformed())),
        ] {
            assert_eq!(asked(values), expected, "{values:?}");
        }
    }
}
