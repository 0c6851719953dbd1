//! `GET` and `HEAD /v1/recordings/{id}/files/{name}`: a file or a part of it, for whoever has the
//! link.

use super::body::known;
use super::link::{Link, LinkRefusal};
use super::range::{RangeRequest, asked};
use super::which::{Which, linked, no_recording, unreadable};
use crate::api::caller::Passer;
use crate::api::paging;
use crate::api::ports::ledger::Unreadable;
use crate::api::ports::recordings::{
    Answering, CHUNK_BYTES, FinishedFile, Piece, Recordings, Standing,
};
use crate::api::problem::{OfFile, Problem};
use crate::base::RecordingId;
use axum::body::{Body, Bytes, HttpBody};
use axum::extract::State;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use http_body::{Frame, SizeHint};
use std::ops::Range;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::task::{Context, Poll};

/// Downloads at once, each with an open file and a few chunks in memory; beyond, 503.
const MOST_DOWNLOADS: usize = 256;

/// What stands behind the `?` of a link.
#[derive(Debug, PartialEq, Eq)]
struct Ticket {
    expires_s: u64,
    signature: String,
    download: bool,
}

/// A file of a recording, or a part of it: the link alone lets in, as `GET /v1/recordings/{id}` gives
/// it. A `Range` of one part is honoured.
#[utoipa::path(
    method(get, head),
    path = "/v1/recordings/{id}/files/{name}",
    tag = "recordings",
    operation_id = "fetch_file",
    params(
        ("id" = String, Path, description = "The recording."),
        ("name" = String, Path, description = "The file."),
        ("expires" = u64, Query, description = "From the link.", minimum = 0),
        ("signature" = String, Query, description = "From the link."),
        ("download" = Option<String>, Query, description = "`1`: a browser saves the file instead of playing it.", pattern = "^[01]$"),
        ("Range" = Option<String>, Header, description = "Which bytes, such as `bytes=0-1023`."),
        ("If-Range" = Option<String>, Header, description = "The `ETag` for which `Range` holds.")
    ),
    responses(
        (status = 200, description = "The file. `ETag` is its SHA-256.", content(
            (String = "video/webm"),
            (String = "video/x-matroska"),
            (String = "image/webp"),
            (String = "application/json"),
            (String = "application/jose"),
        )),
        (status = 206, description = "The bytes that `Content-Range` names.", content(
            (String = "video/webm"),
            (String = "video/x-matroska"),
            (String = "image/webp"),
            (String = "application/json"),
            (String = "application/jose"),
        )),
        OfFile
    ),
    security(())
)]
pub(crate) async fn download(
    State(recordings): State<Arc<Recordings>>,
    passer: Passer,
    Which { id, name }: Which,
    request: Parts,
) -> Result<Response, Problem> {
    let ticket = ticket(&request.uri)?;
    let link = Link {
        id: &id,
        name: &name,
        expires_s: ticket.expires_s,
    };
    link.check(&recordings.link_key, &ticket.signature, passer.now.unix)
        .map_err(|refusal| Problem::link(refusal, refusal == LinkRefusal::Expired))?;
    // The place comes first: to find the file its manifest is read, which may be large.
    let busy = || Problem::unavailable("too many files are fetched now: try again");
    let open = Open::take(&recordings.downloads).ok_or_else(busy)?;
    let (file, mime) = file(&recordings, &id, &name).await?;
    let is_head = request.method == Method::HEAD;
    // RFC 9110 section 14.2: a range has a meaning for GET alone.
    let part = match is_head {
        true => RangeRequest::Whole,
        false => part(&request.headers, &file),
    };
    let range = match &part {
        RangeRequest::Beyond => return Ok(beyond(file.bytes)),
        RangeRequest::Whole => 0..file.bytes,
        RangeRequest::Part(range) => range.clone(),
    };
    let body = if is_head {
        Body::empty()
    } else {
        let piece = Piece {
            id: id.clone(),
            name,
            range: range.clone(),
        };
        flow(&recordings, piece, open).await?
    };
    let mut response = body.into_response();
    describe(&mut response, &file, mime, range.clone());
    if !matches!(part, RangeRequest::Whole) {
        describe_part(&mut response, &file, range);
    }
    if ticket.download {
        let saved = format!("attachment; filename=\"{id}-{}\"", file.name);
        insert(&mut response, header::CONTENT_DISPOSITION, &saved);
    }
    Ok(response)
}

fn ticket(uri: &Uri) -> Result<Ticket, Problem> {
    let (mut expires_s, mut signature, mut download) = (None, None, false);
    for (name, value) in paging::parameters(uri)? {
        let refused = |allowed: &str| paging::refused(&name, allowed);
        match name.as_str() {
            "expires" => {
                let digits = !value.is_empty() && value.bytes().all(|b| b.is_ascii_digit());
                let number = digits.then(|| value.parse().ok()).flatten();
                let allowed = "a number of seconds since 1970, as in the link";
                expires_s = Some(number.ok_or_else(|| refused(allowed))?);
            }
            "signature" => signature = Some(value),
            "download" if value == "1" || value == "0" => download = value == "1",
            "download" => return Err(refused("0, 1")),
            other => {
                return Err(paging::unknown(other, "expires, signature, download"));
            }
        }
    }
    let missing = |name: &str| {
        let allowed = "what the link has there, which must be there";
        paging::refused(name, allowed)
    };
    Ok(Ticket {
        expires_s: expires_s.ok_or_else(|| missing("expires"))?,
        signature: signature.ok_or_else(|| missing("signature"))?,
        download,
    })
}

/// The file that a good link leads to.
async fn file(
    recordings: &Arc<Recordings>,
    id: &RecordingId,
    name: &str,
) -> Result<(FinishedFile, &'static str), Problem> {
    let (_, mime) = known(name).ok_or_else(no_file)?;
    match Standing::of(&linked(recordings, id).await?) {
        Standing::Ready => {}
        Standing::Deleted => {
            return Err(Problem::absent("the recording has been deleted"));
        }
        Standing::Recording | Standing::Stopped | Standing::Finishing | Standing::Failed => {
            return Err(no_recording());
        }
    }
    let files = (recordings.files)(id.clone()).await;
    let files = files.map_err(|error| unreadable(&error))?;
    let found = files.into_iter().find(|file| file.name == name);
    Ok((found.ok_or_else(no_file)?, mime))
}

fn no_file() -> Problem {
    Problem::absent("the recording has no file of this name")
}

/// `If-Range` with anything but the file's own tag asks for the whole of it.
fn part(headers: &HeaderMap, file: &FinishedFile) -> RangeRequest {
    let of = |name| headers.get(name).and_then(|value| value.to_str().ok());
    let changed = of(header::IF_RANGE).is_some_and(|held| held != tag(file));
    if changed || headers.get_all(header::RANGE).iter().count() > 1 {
        return RangeRequest::Whole;
    }
    asked(of(header::RANGE), file.bytes)
}

/// The SHA-256 is the strongest tag there is (RFC 9110 section 8.8.3).
fn tag(file: &FinishedFile) -> String {
    format!("\"{}\"", file.sha256)
}

fn beyond(length: u64) -> Response {
    let mut response = Problem::range(length).into_response();
    let all = format!("bytes */{length}");
    insert(&mut response, header::CONTENT_RANGE, &all);
    insert(&mut response, header::ACCEPT_RANGES, "bytes");
    response
}

fn describe(response: &mut Response, file: &FinishedFile, mime: &str, range: Range<u64>) {
    let length = range.end.saturating_sub(range.start);
    for (name, value) in [
        (header::CONTENT_TYPE, mime.to_owned()),
        (header::CONTENT_LENGTH, length.to_string()),
        (header::ETAG, tag(file)),
        (header::ACCEPT_RANGES, "bytes".to_owned()),
        (header::CACHE_CONTROL, "private".to_owned()),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff".to_owned()),
        // The link is in the address: it goes to no other site.
        (header::REFERRER_POLICY, "no-referrer".to_owned()),
    ] {
        insert(response, name, &value);
    }
}

fn describe_part(response: &mut Response, file: &FinishedFile, range: Range<u64>) {
    *response.status_mut() = StatusCode::PARTIAL_CONTENT;
    let last = range.end.saturating_sub(1);
    let part = format!("bytes {}-{last}/{}", range.start, file.bytes);
    insert(response, header::CONTENT_RANGE, &part);
}

fn insert(response: &mut Response, name: header::HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        response.headers_mut().insert(name, value);
    }
}

/// The bytes, as they come from the disk. The first are read before anything is answered: what is
/// not there is said by the status.
async fn flow(recordings: &Arc<Recordings>, all: Piece, open: Open) -> Result<Body, Problem> {
    let mut flow = Flow {
        recordings: recordings.clone(),
        id: all.id,
        name: all.name,
        left: all.range,
        ready: None,
        reading: None,
        _open: open,
    };
    if let Some(reading) = flow.next() {
        let first = reading.await.map_err(|error| unreadable(&error))?;
        flow.ready = Some(first.ok_or_else(no_file)?);
    }
    Ok(Body::new(flow))
}

/// A place among the downloads; given back when dropped.
struct Open(Arc<AtomicUsize>);

impl Open {
    fn take(downloads: &Arc<AtomicUsize>) -> Option<Open> {
        let open = Open(downloads.clone());
        (downloads.fetch_add(1, Relaxed) < MOST_DOWNLOADS).then_some(open)
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Relaxed);
    }
}

/// A body that reads its file as it is sent.
struct Flow {
    recordings: Arc<Recordings>,
    id: RecordingId,
    name: String,
    /// What is not sent yet.
    left: Range<u64>,
    ready: Option<Bytes>,
    reading: Option<Answering<Result<Option<Bytes>, Unreadable>>>,
    _open: Open,
}

impl Flow {
    /// The next bytes that are to be read, if there are any.
    fn next(&self) -> Option<Answering<Result<Option<Bytes>, Unreadable>>> {
        if self.left.is_empty() {
            return None;
        }
        let end = self.left.start.saturating_add(CHUNK_BYTES);
        let piece = Piece {
            id: self.id.clone(),
            name: self.name.clone(),
            range: self.left.start..end.min(self.left.end),
        };
        Some((self.recordings.read)(piece))
    }

    fn send(&mut self, bytes: Bytes) -> Result<Frame<Bytes>, Unreadable> {
        let length = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        let left = self.left.end.saturating_sub(self.left.start);
        if length == 0 || length > left {
            return Err(Unreadable("a file has another length now".to_owned()));
        }
        self.left.start += length;
        Ok(Frame::data(bytes))
    }
}

impl HttpBody for Flow {
    type Data = Bytes;
    type Error = Unreadable;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Unreadable>>> {
        if let Some(bytes) = self.ready.take() {
            return Poll::Ready(Some(self.send(bytes)));
        }
        let Some(mut reading) = self.reading.take().or_else(|| self.next()) else {
            return Poll::Ready(None);
        };
        let read = match reading.as_mut().poll(context) {
            Poll::Ready(read) => read,
            Poll::Pending => {
                self.reading = Some(reading);
                return Poll::Pending;
            }
        };
        let gone = || Unreadable("a file is gone while it is fetched".to_owned());
        let bytes = read.and_then(|bytes| bytes.ok_or_else(gone));
        Poll::Ready(Some(bytes.and_then(|bytes| self.send(bytes))))
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left.end.saturating_sub(self.left.start))
    }
}

#[cfg(test)]
mod tests;
