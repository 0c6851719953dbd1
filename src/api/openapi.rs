//! The document of the HTTP API: OpenAPI 3.1 at `/openapi.json`, made of the code itself.

use super::problem::Problem;
use super::recordings::body::{Recording, RecordingDetail, RecordingList};
use super::recordings::{download, list as recordings, remove, show as recording};
use super::sessions::body::{
    BilledClock, Created, Granted, IntervalList, NewGrant, NewSession, NewToken, Patch, Session,
    SessionList, Token,
};
use super::sessions::policy::PolicyDocument;
use super::sessions::recorded_body::{
    NewConsent, NewRecording, RecordingNow, RecordingsNow, TakenConsent,
};
use super::sessions::{change, clock, create, grants, intervals, list, recorded, show, tokens};
use super::webhooks::body::{
    DeadLetterBody, DeadLetterList, EndpointList, EndpointNow, EndpointState, NewReplay, Replayed,
};
use super::webhooks::{change as hooks, list as hooks_list};
use axum::response::{IntoResponse, Response};
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::{Modify, OpenApi};

/// All operations, and the shapes that they take and give.
#[derive(OpenApi)]
#[openapi(
    info(
        title = "Beistand",
        description = "Sessions of a Beistand node: booked, read, extended, paused, recorded, ended. \
            Times are integers: `_ms` are milliseconds, `_unix_ms` milliseconds since 1970. \
            What goes wrong is told as RFC 9457 has it.",
        license(name = "Apache-2.0", identifier = "Apache-2.0")
    ),
    paths(
        list::list,
        create::create,
        show::show,
        intervals::intervals,
        clock::clock,
        change::extend,
        grants::grant,
        change::end,
        change::pause,
        change::resume,
        change::confirm,
        tokens::issue,
        recorded::consent,
        recorded::record,
        recordings::list,
        recording::show,
        remove::remove,
        download::download,
        hooks_list::endpoints,
        hooks_list::dead_letters,
        hooks::replay,
        hooks::enable,
    ),
    components(schemas(
        BilledClock, Created, Granted, IntervalList, NewConsent, NewGrant, NewRecording, NewSession, NewToken, Patch, PolicyDocument, Problem,
        Recording, RecordingDetail, RecordingList, RecordingNow, RecordingsNow, Session,
        SessionList, TakenConsent, Token,
        DeadLetterBody, DeadLetterList, EndpointList, EndpointNow, EndpointState, NewReplay, Replayed
    )),
    modifiers(&Tokens)
)]
struct Document;

/// How callers prove who they are.
struct Tokens;

impl Modify for Tokens {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        let about = "An access token as LiveKit's server SDKs make it, with the grant `roomCreate`, \
                     `roomList`, `roomAdmin` or `roomRecord`: `beistand token --admin` prints one. \
                     Where it is said, a participant's room token is good as well.";
        let scheme = HttpBuilder::new()
            .scheme(HttpAuthScheme::Bearer)
            .bearer_format("JWT")
            .description(Some(about))
            .build();
        let components = document.components.get_or_insert_default();
        components.add_security_scheme("token", SecurityScheme::Http(scheme));
    }
}

/// `GET /openapi.json`
pub(super) async fn document() -> Response {
    axum::Json(Document::openapi()).into_response()
}
