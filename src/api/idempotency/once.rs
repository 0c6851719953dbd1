//! Does what a request asks for once, and answers its repeats from the ledger.

use super::asker::Asker;
use super::key::{KEY, digest, idempotency_key, used_otherwise};
use super::repeats::{Repeats, Turn};
use crate::api::events::Repeated;
use crate::api::ports::ledger::{
    Answer, KeptAnswer, KeyFound, Request, Unwritten, Within, Work, read,
};
use crate::api::problem::Problem;
use axum::body::to_bytes;
use axum::extract::{FromRef, FromRequestParts};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::convert::Infallible;
use std::future::Future;
use std::sync::Arc;

/// Longest answer that is kept, in bytes: the record of a session with 20,000 intervals. A longer one is
/// sent, and its repeat refused: what was asked is never done again.
const KEPT_BYTES: usize = 4 * 1024 * 1024;

/// A POST that may be a repeat.
///
/// An operation authorises its caller, then hands the rest of its work over: [`Once::answer`]. With a key
/// that work goes on though the caller goes away, and its answer is on disk before it is sent. An answer
/// that is no 2xx is not kept, so that the same key may succeed later.
///
/// A crash between the work and its answer leaves a key without one, and so does a ledger that has no place
/// (503): the repeat is done like a new request. That adds nothing to the first where the work is of such a
/// kind:
/// - `pause`, `resume`, `presence`, `consent` and the start and stop of a recording set a state, and write
///   nothing where it is so already. Besides, a crash ends the session: 409.
/// - `end` finds the session ended by the API, and answers its record; else 409.
/// - `tokens` changes nothing: a token that nobody got opens no other door than that of the repeat.
/// - A preflight ends with its node.
///
/// What adds up must not be built on this: a booking has its key in its own transaction.
pub(in crate::api) struct Once {
    repeats: Arc<Repeats>,
    pub headers: HeaderMap,
    method: String,
    path: String,
}

impl<S> FromRequestParts<S> for Once
where
    Arc<Repeats>: FromRef<S>,
    S: Send + Sync,
{
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Once, Infallible> {
        Ok(Once {
            repeats: Arc::<Repeats>::from_ref(state),
            headers: parts.headers.clone(),
            method: parts.method.to_string(),
            path: parts.uri.path().to_owned(),
        })
    }
}

impl Once {
    /// Whether it may be a repeat.
    pub fn has_key(&self) -> bool {
        self.headers.contains_key(KEY)
    }

    /// What `asker`, who may do this, is answered: as the first time, or by `work`. `body` is what the
    /// operation reads of the request's.
    pub async fn answer<T: IntoResponse + Send + 'static>(
        self,
        asker: Asker,
        body: &Value,
        work: impl Future<Output = Result<T, Problem>> + Send + 'static,
    ) -> Result<Answer, Problem> {
        let Some(key) = idempotency_key(&self.headers)? else {
            return answer(work.await?.into_response()).await;
        };
        let request = Request {
            key: asker.request(key),
            digest: digest(&(self.method, self.path, body)),
        };
        let turn = self.repeats.turn(&request.key)?;
        let asked = Asked {
            repeats: self.repeats,
            asker,
            request,
        };
        #[expect(
            clippy::disallowed_methods,
            reason = "it ends when the work has, each step of which has a limit of time"
        )]
        let settled = tokio::spawn(asked.settle(turn, work));
        let lost = |_| Problem::unavailable(Unwritten::Silent);
        settled.await.map_err(lost)?
    }
}

/// A request whose turn it is.
struct Asked {
    repeats: Arc<Repeats>,
    asker: Asker,
    request: Request,
}

impl Asked {
    async fn settle<T: IntoResponse>(
        self,
        turn: Turn,
        work: impl Future<Output = Result<T, Problem>>,
    ) -> Result<Answer, Problem> {
        if let Some(answer) = self.earlier().await? {
            self.repeats.note(Repeated::Answered);
            return Ok(answer);
        }
        let answer = answer(work.await?.into_response()).await?;
        if !(200..300).contains(&answer.status) {
            return Ok(answer);
        }
        let kept = KeptAnswer {
            project: self.asker.project.clone(),
            payer: self.asker.payer(),
            request: self.request,
            answer: shortened(answer.clone()),
        };
        let work = Work::Answer(Box::new(kept));
        let written = self.repeats.ledger.written_holding(work, turn).await;
        // Whatever the ledger says, the work is done.
        written.map_err(|_| Problem::unavailable(Unwritten::Silent))?;
        Ok(answer)
    }

    /// What the first was answered, if there was one; an error if the key cannot be had.
    async fn earlier(&self) -> Result<Option<Answer>, Problem> {
        let Asked { repeats, asker, .. } = self;
        let key = self.request.key.clone();
        let lookup = repeats.lookup(&key, asker.payer());
        let booked = Within::new(&asker.project, key);
        let lookup = Within::new(&asker.project, lookup);
        let found = read(&repeats.ledger, move |ledger| {
            let booked = (ledger.request)(&booked)?.is_some();
            Ok((booked, (ledger.answer)(&lookup)?))
        });
        match found.await? {
            (false, KeyFound::Answer(digest, answer)) if digest == self.request.digest => {
                whole(answer).map(Some)
            }
            (true, _) | (false, KeyFound::Answer(..)) => {
                repeats.note(Repeated::Otherwise);
                Err(used_otherwise())
            }
            (false, KeyFound::Free { keys, bytes }) if asker.may_keep(keys, bytes) => Ok(None),
            (false, KeyFound::Free { .. }) => {
                repeats.note(Repeated::TooMany);
                let most = asker.most_keys();
                Err(Problem::too_many_at_once(format!(
                    "at most {most} idempotency keys are kept of a day, and 4 KiB of answers for each: \
                     send the request without one, or later"
                )))
            }
        }
    }
}

/// An answer as it was, unless it was too long.
fn whole(answer: Answer) -> Result<Answer, Problem> {
    if answer.body.is_none() {
        let what = "this was done, and its answer was too long to be kept: look with a GET";
        return Err(Problem::conflict(what, None));
    }
    Ok(answer)
}

fn shortened(mut answer: Answer) -> Answer {
    answer.body.take_if(|body| body.len() > KEPT_BYTES);
    answer
}

/// A response that is made already, as text.
async fn answer(response: Response) -> Result<Answer, Problem> {
    let (parts, body) = response.into_parts();
    let text = |name: HeaderName| {
        let value = parts.headers.get(name)?.to_str().ok()?;
        Some(value.to_owned())
    };
    let unsaid = |_| Problem::unavailable("the answer cannot be made: look with a GET");
    let body = to_bytes(body, usize::MAX).await.map_err(unsaid)?;
    Ok(Answer {
        status: parts.status.as_u16(),
        media_type: text(header::CONTENT_TYPE),
        location: text(header::LOCATION),
        body: Some(String::from_utf8_lossy(&body).into_owned()),
    })
}

impl Answer {
    /// What its body says.
    pub(in crate::api) fn json<T: DeserializeOwned>(&self) -> Result<T, Problem> {
        let body = self.body.as_deref().unwrap_or_default();
        serde_json::from_str(body)
            .map_err(|error| Problem::unavailable(format!("a kept answer cannot be read: {error}")))
    }
}

impl IntoResponse for Answer {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::OK);
        let mut response = (status, self.body.unwrap_or_default()).into_response();
        let headers = response.headers_mut();
        headers.remove(header::CONTENT_TYPE);
        for (name, value) in [
            (header::CONTENT_TYPE, self.media_type),
            (header::LOCATION, self.location),
        ] {
            let value = value.and_then(|value| value.parse().ok());
            value.map(|value| headers.insert(name, value));
        }
        response
    }
}

#[cfg(test)]
mod tests;
