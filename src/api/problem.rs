//! What goes wrong, told as RFC 9457 has it: the field at fault, and what is allowed.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::{IntoResponses, ToSchema};

/// The media type of a problem body.
pub(super) const PROBLEM: &str = "application/problem+json";
/// After how many seconds a refusal for want of room or rate may be tried again.
const RETRY_AFTER_S: u32 = 5;

/// Why a request is refused (RFC 9457).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[schema(description = "Why a request is refused (RFC 9457).")]
pub struct Problem {
    /// Time heals it.
    #[serde(skip)]
    #[schema(ignore)]
    passes: bool,
    /// What kind of problem, as a URI: `urn:beistand:problem:KIND`.
    #[serde(rename = "type")]
    #[schema(example = "urn:beistand:problem:invalid-field")]
    kind: &'static str,
    /// The kind in words.
    title: &'static str,
    /// The HTTP status.
    #[schema(minimum = 400, maximum = 599)]
    status: u16,
    /// What is wrong here, and what helps.
    detail: String,
    /// The field at fault, as a path in the body, or the name of a parameter or header.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, value_type = Option<String>)]
    field: Option<Box<str>>,
    /// What is allowed there.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, value_type = Option<String>)]
    allowed: Option<Box<str>>,
    /// The session that is in the way.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, value_type = Option<String>)]
    session: Option<Box<str>>,
}

impl Problem {
    fn new(status: StatusCode, kind: &'static str, detail: impl ToString) -> Problem {
        Problem {
            passes: false,
            kind,
            title: status.canonical_reason().unwrap_or("Refused"),
            status: status.as_u16(),
            detail: detail.to_string(),
            field: None,
            allowed: None,
            session: None,
        }
    }

    /// A field, parameter or header with a value that is not allowed.
    pub fn field(status: StatusCode, field: &str, allowed: &str) -> Problem {
        let detail = format!("`{field}` is not allowed so: allowed is {allowed}");
        Problem {
            field: Some(field.into()),
            allowed: Some(allowed.into()),
            ..Problem::new(status, "urn:beistand:problem:invalid-field", detail)
        }
    }

    /// A field of the body with a value that is not allowed.
    pub fn body(field: &str, allowed: &str) -> Problem {
        Problem::field(StatusCode::UNPROCESSABLE_ENTITY, field, allowed)
    }

    /// A field that does not exist.
    pub fn unknown(status: StatusCode, field: &str, allowed: &str) -> Problem {
        Problem {
            field: Some(field.into()),
            allowed: Some(allowed.into()),
            ..Problem::new(
                status,
                "urn:beistand:problem:unknown-field",
                format!("`{field}` does not exist: there is {allowed}"),
            )
        }
    }

    /// The body, or a part of the address, cannot be read.
    pub fn malformed(detail: impl ToString) -> Problem {
        Problem::new(
            StatusCode::BAD_REQUEST,
            "urn:beistand:problem:malformed",
            detail,
        )
    }

    /// No token, or a bad one.
    pub fn unauthorized(detail: impl ToString) -> Problem {
        Problem::new(
            StatusCode::UNAUTHORIZED,
            "urn:beistand:problem:unauthorized",
            detail,
        )
    }

    /// Whoever asks takes too long to say what.
    pub fn slow() -> Problem {
        Problem::malformed("the body did not come to its end within 10 s")
    }

    /// A good token without the grant.
    pub fn forbidden(detail: impl ToString) -> Problem {
        Problem::new(
            StatusCode::FORBIDDEN,
            "urn:beistand:problem:forbidden",
            detail,
        )
    }

    /// A link that lets nobody in: its time is over, or it is none of ours for this.
    pub fn link(detail: impl ToString, expired: bool) -> Problem {
        let kind = if expired {
            "urn:beistand:problem:link-expired"
        } else {
            "urn:beistand:problem:link-not-valid"
        };
        Problem::new(StatusCode::FORBIDDEN, kind, detail)
    }

    /// Bytes that a file does not have.
    pub fn range(length: u64) -> Problem {
        let detail = format!("the file has {length} bytes: the header `Range` asks for others");
        Problem {
            field: Some("Range".into()),
            allowed: Some(format!("bytes within 0 to {length}").into()),
            ..Problem::new(
                StatusCode::RANGE_NOT_SATISFIABLE,
                "urn:beistand:problem:invalid-field",
                detail,
            )
        }
    }

    /// There is no such thing.
    pub fn absent(detail: impl ToString) -> Problem {
        Problem::new(
            StatusCode::NOT_FOUND,
            "urn:beistand:problem:not-found",
            detail,
        )
    }

    /// Not with this method.
    pub fn method() -> Problem {
        let detail =
            "this address does not take this method: the header `Allow` names those it does";
        Problem::new(
            StatusCode::METHOD_NOT_ALLOWED,
            "urn:beistand:problem:method-not-allowed",
            detail,
        )
    }

    /// Something is in the way; perhaps a session.
    pub fn conflict(detail: impl ToString, session: Option<&str>) -> Problem {
        Problem {
            session: session.map(Into::into),
            ..Problem::new(
                StatusCode::CONFLICT,
                "urn:beistand:problem:conflict",
                detail,
            )
        }
    }

    /// The same request is under way: its answer can be had in a while.
    pub fn under_way(detail: impl ToString) -> Problem {
        Problem {
            passes: true,
            ..Problem::conflict(detail, None)
        }
    }

    /// What the caller knows of it is out of date.
    pub fn changed(detail: impl ToString) -> Problem {
        Problem {
            field: Some("If-Match".into()),
            ..Problem::new(
                StatusCode::PRECONDITION_FAILED,
                "urn:beistand:problem:changed",
                detail,
            )
        }
    }

    /// The body is too long.
    pub fn too_large(most: usize) -> Problem {
        let detail = format!("the body is too long: at most {most} bytes are allowed");
        Problem::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            "urn:beistand:problem:too-large",
            detail,
        )
    }

    /// The body is no JSON by its own word.
    pub fn media_type() -> Problem {
        let detail = "the body must be JSON: send the header `Content-Type: application/json`";
        Problem::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "urn:beistand:problem:media-type",
            detail,
        )
    }

    /// Too many requests.
    pub fn too_many() -> Problem {
        let detail = "too many requests from this address: try again in a few seconds";
        Problem::new(
            StatusCode::TOO_MANY_REQUESTS,
            "urn:beistand:problem:too-many-requests",
            detail,
        )
    }

    /// Too many of these at once.
    pub fn too_many_at_once(detail: impl ToString) -> Problem {
        Problem::new(
            StatusCode::TOO_MANY_REQUESTS,
            "urn:beistand:problem:too-many-requests",
            detail,
        )
    }

    /// The configuration is bad: the one before goes on.
    pub fn configuration(detail: impl ToString) -> Problem {
        Problem::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            "urn:beistand:problem:configuration",
            detail,
        )
    }

    /// Not now.
    pub fn unavailable(detail: impl ToString) -> Problem {
        Problem::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "urn:beistand:problem:unavailable",
            detail,
        )
    }
}

/// A refusal that time may heal says when to come back.
pub(super) fn retry_after(status: StatusCode) -> Option<HeaderValue> {
    let passing = [
        StatusCode::SERVICE_UNAVAILABLE,
        StatusCode::TOO_MANY_REQUESTS,
    ];
    passing
        .contains(&status)
        .then(|| HeaderValue::from(RETRY_AFTER_S))
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::BAD_REQUEST);
        let body = serde_json::to_string(&self).unwrap_or_default();
        let mut response = (status, [(header::CONTENT_TYPE, PROBLEM)], body).into_response();
        let headers = response.headers_mut();
        let after = retry_after(status).or(self.passes.then(|| HeaderValue::from(RETRY_AFTER_S)));
        if let Some(after) = after {
            headers.insert(header::RETRY_AFTER, after);
        }
        if status == StatusCode::UNAUTHORIZED {
            let scheme = HeaderValue::from_static("Bearer");
            headers.insert(header::WWW_AUTHENTICATE, scheme);
        }
        response
    }
}

/// What every operation may answer.
#[derive(IntoResponses)]
#[expect(
    dead_code,
    reason = "read by the derive alone: the document is made of it"
)]
pub(super) enum Always {
    /// A parameter, a header or the address cannot be read; `field` names it.
    #[response(status = 400, content_type = "application/problem+json")]
    Malformed(#[to_schema] Problem),
    /// No access token, or a bad one.
    #[response(status = 401, content_type = "application/problem+json")]
    Unauthorized(#[to_schema] Problem),
    /// The access token lacks the grant.
    #[response(status = 403, content_type = "application/problem+json")]
    Forbidden(#[to_schema] Problem),
    /// Not with this method.
    #[response(status = 405, content_type = "application/problem+json")]
    Method(#[to_schema] Problem),
    /// Too many requests from this address, or too many idempotency keys of a day; `Retry-After` says when to
    /// come back.
    #[response(status = 429, content_type = "application/problem+json")]
    TooMany(#[to_schema] Problem),
    /// The ledger does not answer, the node is full or shuts down; `Retry-After` says when to come
    /// back.
    #[response(status = 503, content_type = "application/problem+json")]
    Unavailable(#[to_schema] Problem),
}

/// What an operation on one session may answer besides.
#[derive(IntoResponses)]
#[expect(
    dead_code,
    reason = "read by the derive alone: the document is made of it"
)]
pub(super) enum OfOne {
    /// There is no such session.
    #[response(status = 404, content_type = "application/problem+json")]
    Absent(#[to_schema] Problem),
}

/// What an operation on one recording may answer besides.
#[derive(IntoResponses)]
#[expect(
    dead_code,
    reason = "read by the derive alone: the document is made of it"
)]
pub(super) enum OfRecording {
    /// There is no such recording.
    #[response(status = 404, content_type = "application/problem+json")]
    Absent(#[to_schema] Problem),
}

/// What a link to a file may answer besides the file.
#[derive(IntoResponses)]
#[expect(
    dead_code,
    reason = "read by the derive alone: the document is made of it"
)]
pub(super) enum OfFile {
    /// The link or the address cannot be read; `field` names the part.
    #[response(status = 400, content_type = "application/problem+json")]
    Malformed(#[to_schema] Problem),
    /// The link has expired, or is not valid for this file; `type` says which.
    #[response(status = 403, content_type = "application/problem+json")]
    Forbidden(#[to_schema] Problem),
    /// There is no such file, or it has been deleted.
    #[response(status = 404, content_type = "application/problem+json")]
    Absent(#[to_schema] Problem),
    /// Not with this method.
    #[response(status = 405, content_type = "application/problem+json")]
    Method(#[to_schema] Problem),
    /// The file does not have these bytes; `Content-Range` says how many it has.
    #[response(status = 416, content_type = "application/problem+json")]
    Range(#[to_schema] Problem),
    /// Too many requests from this address; `Retry-After` says when to come back.
    #[response(status = 429, content_type = "application/problem+json")]
    TooMany(#[to_schema] Problem),
    /// The file cannot be read now, or too many are; `Retry-After` says when to come back.
    #[response(status = 503, content_type = "application/problem+json")]
    Unavailable(#[to_schema] Problem),
}

/// What an operation that changes something may answer besides.
#[derive(IntoResponses)]
#[expect(
    dead_code,
    reason = "read by the derive alone: the document is made of it"
)]
pub(super) enum InTheWay {
    /// The session has ended, is in another state, or another one is in the way; or the first request with
    /// this idempotency key is under way, and `Retry-After` says when to come back.
    #[response(status = 409, content_type = "application/problem+json")]
    Conflict(#[to_schema] Problem),
}

/// What an operation may answer besides that is carried out only on what the caller has seen.
#[derive(IntoResponses)]
#[expect(
    dead_code,
    reason = "read by the derive alone: the document is made of it"
)]
pub(super) enum IfMatch {
    /// The session has changed: its `ETag` is not that of `If-Match`.
    #[response(status = 412, content_type = "application/problem+json")]
    Changed(#[to_schema] Problem),
}

/// What an operation that takes an idempotency key and no body may answer besides.
#[derive(IntoResponses)]
#[expect(
    dead_code,
    reason = "read by the derive alone: the document is made of it"
)]
pub(super) enum WithKey {
    /// The idempotency key was used with another request in the last day.
    #[response(status = 422, content_type = "application/problem+json")]
    Used(#[to_schema] Problem),
}

/// What an operation that takes a body may answer besides.
#[derive(IntoResponses)]
#[expect(
    dead_code,
    reason = "read by the derive alone: the document is made of it"
)]
pub(super) enum WithBody {
    /// The body is too long.
    #[response(status = 413, content_type = "application/problem+json")]
    TooLarge(#[to_schema] Problem),
    /// The body is not `application/json`.
    #[response(status = 415, content_type = "application/problem+json")]
    MediaType(#[to_schema] Problem),
    /// A field of the body is not allowed so; `field` names it, `allowed` says what is.
    #[response(status = 422, content_type = "application/problem+json")]
    Field(#[to_schema] Problem),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kind_of_a_problem_is_a_uri_of_ours() {
        for problem in [
            Problem::body("a", "b"),
            Problem::unknown(StatusCode::BAD_REQUEST, "a", "b"),
            Problem::malformed(""),
            Problem::unauthorized(""),
            Problem::forbidden(""),
            Problem::link("", true),
            Problem::link("", false),
            Problem::range(1),
            Problem::absent(""),
            Problem::method(),
            Problem::conflict("", None),
            Problem::too_large(1),
            Problem::media_type(),
            Problem::too_many(),
            Problem::too_many_at_once(""),
            Problem::unavailable(""),
        ] {
            let kind = problem.kind;
            assert!(kind.starts_with("urn:beistand:problem:"), "{kind}");
        }
    }
}
