//! What every answer tells a browser: which page may do what, who may embed it, and whom it belongs to.

use super::gate::Gate;
use super::problem::Problem;
use super::reached::host;
use axum::extract::{Request, State};
use axum::http::uri::Authority;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Uri, header, request};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use std::net::IpAddr;
use std::sync::Arc;

/// Adds to an answer what its browser is to hold to.
pub(super) async fn guard(State(gate): State<Arc<Gate>>, request: Request, next: Next) -> Response {
    let (parts, body) = request.into_parts();
    let own = host(&parts).ok().flatten();
    let mut response = next.run(Request::from_parts(parts, body)).await;
    let rules = gate.rules();
    let embedders = &rules.embed_origins;
    let headers = response.headers_mut();
    let policy = if is_page(headers) {
        page_policy(own.as_ref().map(Authority::as_str), embedders)
    } else {
        frame_ancestors(embedders)
    };
    set(headers, header::X_CONTENT_TYPE_OPTIONS, "nosniff");
    // A link has its token in the fragment, which no `Referer` has; and nobody needs to know of the rest.
    set(headers, header::REFERRER_POLICY, "no-referrer");
    set(headers, header::CONTENT_SECURITY_POLICY, &policy);
    if embedders.is_empty() {
        // For browsers that do not know `frame-ancestors`.
        set(headers, header::X_FRAME_OPTIONS, "DENY");
    }
    response
}

fn set(headers: &mut HeaderMap, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        headers.insert(name, value);
    }
}

fn is_page(headers: &HeaderMap) -> bool {
    let kind = headers.get(header::CONTENT_TYPE);
    kind.is_some_and(|kind| kind.as_bytes().starts_with(b"text/html"))
}

/// All that the pages need (Content Security Policy, Level 3): what they are made of comes from here, the
/// icon is in the page, pictures and sound may be made in it, and signalling goes to this host alone.
/// Browsers that are some years old do not take `'self'` for a WebSocket, hence the host by its name.
fn page_policy(host: Option<&str>, embedders: &[String]) -> String {
    let signalling = host.map_or_else(String::new, |host| format!(" ws://{host} wss://{host}"));
    format!(
        "default-src 'self'; connect-src 'self'{signalling}; img-src 'self' data: blob:; \
         media-src 'self' blob:; object-src 'none'; base-uri 'none'; form-action 'self'; {}",
        frame_ancestors(embedders)
    )
}

fn frame_ancestors(embedders: &[String]) -> String {
    if embedders.is_empty() {
        return "frame-ancestors 'none'".to_owned();
    }
    format!("frame-ancestors {}", embedders.join(" "))
}

/// Whether a page of this origin is one of the node that it asks.
pub(super) fn is_own_origin(origin: &HeaderValue, parts: &request::Parts) -> bool {
    let Ok(Some(own)) = host(parts) else {
        return false;
    };
    let origin = origin.to_str().unwrap_or_default();
    ["http://", "https://"]
        .iter()
        .any(|scheme| origin.strip_prefix(scheme) == Some(own.as_str()))
}

/// Lets nobody to what is for the developer alone but by an address of the machine, `localhost`, or the name
/// that the configuration gives the node: a site could have its own name point here (DNS rebinding).
pub(super) async fn only_own_host(
    State(gate): State<Arc<Gate>>,
    request: Request,
    next: Next,
) -> Response {
    let (parts, body) = request.into_parts();
    let url = gate
        .rules()
        .public_url
        .as_ref()
        .and_then(|url| url.parse::<Uri>().ok());
    let public = url.as_ref().and_then(Uri::host);
    let named = host(&parts).ok().flatten();
    if named.is_some_and(|named| is_own(named.host(), public)) {
        return next.run(Request::from_parts(parts, body)).await;
    }
    let what = "this is for whoever asks by an address of this machine, by localhost, or by the host of \
                http.public_url";
    Problem::forbidden(what).into_response()
}

fn is_own(host: &str, public: Option<&str>) -> bool {
    let bare = host
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'));
    let name = host.to_ascii_lowercase();
    bare.unwrap_or(host).parse::<IpAddr>().is_ok()
        || name == "localhost"
        || name.ends_with(".localhost")
        || public.is_some_and(|public| public.eq_ignore_ascii_case(host))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_may_be_made_of_what_is_here_speak_to_its_host_and_be_embedded_by_those_who_are_named()
    {
        let alone = page_policy(Some("media.example:7880"), &[]);
        assert!(alone.starts_with("default-src 'self'; "), "{alone}");
        let signalling = "connect-src 'self' ws://media.example:7880 wss://media.example:7880;";
        assert!(alone.contains(signalling), "{alone}");
        assert!(alone.ends_with("; frame-ancestors 'none'"), "{alone}");
        assert!(!alone.contains("unsafe"), "{alone}");
        let two = [
            "https://a.example".to_owned(),
            "https://b.example:1".to_owned(),
        ];
        let embedded = page_policy(None, &two);
        assert!(
            embedded.ends_with("; frame-ancestors https://a.example https://b.example:1"),
            "{embedded}"
        );
        assert!(embedded.contains("connect-src 'self';"), "{embedded}");
    }

    #[test]
    fn a_name_that_points_here_is_no_name_of_ours() {
        for own in [
            "127.0.0.1",
            "192.0.2.1",
            "[::1]",
            "localhost",
            "LOCALHOST",
            "a.localhost",
            "media.example",
        ] {
            assert!(is_own(own, Some("Media.example")), "{own}");
        }
        for other in [
            "evil.example",
            "localhost.evil.example",
            "127.0.0.1.evil.example",
            "other",
        ] {
            assert!(!is_own(other, Some("media.example")), "{other}");
            assert!(!is_own(other, None), "{other}");
        }
    }

    #[test]
    fn only_a_page_of_the_host_that_is_asked_is_of_its_origin() {
        let request = Request::builder().header("host", "127.0.0.1:7880");
        let parts = request.body(()).unwrap().into_parts().0;
        for (origin, own) in [
            ("http://127.0.0.1:7880", true),
            ("https://127.0.0.1:7880", true),
            ("http://127.0.0.1", false),
            ("http://localhost:7880", false),
            ("https://evil.example", false),
            ("null", false),
            ("127.0.0.1:7880", false),
        ] {
            assert_eq!(
                is_own_origin(&origin.parse().unwrap(), &parts),
                own,
                "{origin}"
            );
        }
    }
}
