//! Links as they are written, and what a range means with its conditions.

use super::*;

fn uri(query: &str) -> Uri {
    format!("/v1/recordings/RC_a_qa/files/session.webm{query}")
        .parse()
        .unwrap()
}

#[test]
fn a_malformed_link_is_a_bad_request_that_names_its_part() {
    for (query, field) in [
        ("", "expires"),
        ("?signature=ab", "expires"),
        ("?expires=1", "signature"),
        ("?expires=&signature=ab", "expires"),
        ("?expires=-1&signature=ab", "expires"),
        ("?expires=%2B1&signature=ab", "expires"),
        ("?expires=1e9&signature=ab", "expires"),
        ("?expires=99999999999999999999&signature=ab", "expires"),
        ("?expires=1&signature=ab&download=yes", "download"),
        ("?expires=1&signature=ab&name=x", "name"),
    ] {
        let refused = serde_json::to_value(ticket(&uri(query)).unwrap_err()).unwrap();
        assert_eq!(refused["status"], 400, "{query}");
        assert_eq!(refused["field"], field, "{query}");
    }
    let good = ticket(&uri("?expires=1&signature=ab&download=1")).unwrap();
    assert_eq!((good.expires_s, good.download), (1, true));
}

fn a_file() -> FinishedFile {
    FinishedFile {
        name: "session.webm".to_owned(),
        bytes: 100,
        sha256: "ab12".to_owned(),
        identity: None,
    }
}

#[test]
fn a_range_holds_for_the_file_that_its_condition_names() {
    for (condition, expected) in [
        (None, RangeRequest::Part(0..10)),
        (Some("\"ab12\""), RangeRequest::Part(0..10)),
        (Some("\"other\""), RangeRequest::Whole),
        (Some("W/\"ab12\""), RangeRequest::Whole),
        (Some("Tue, 24 Nov 2026 15:00:00 GMT"), RangeRequest::Whole),
    ] {
        let mut headers = HeaderMap::new();
        headers.insert(header::RANGE, HeaderValue::from_static("bytes=0-9"));
        if let Some(condition) = condition {
            headers.insert(header::IF_RANGE, HeaderValue::from_static(condition));
        }
        assert_eq!(part(&headers, &a_file()), expected, "{condition:?}");
    }
}

#[test]
fn a_part_says_which_bytes_it_holds_and_whoever_gets_it_may_not_guess_its_type() {
    let mut response = Body::empty().into_response();
    describe(&mut response, &a_file(), "video/webm", 10..20);
    describe_part(&mut response, &a_file(), 10..20);
    assert_eq!(response.status(), StatusCode::PARTIAL_CONTENT);
    for (name, value) in [
        ("content-range", "bytes 10-19/100"),
        ("content-length", "10"),
        ("content-type", "video/webm"),
        ("etag", "\"ab12\""),
        ("accept-ranges", "bytes"),
        ("x-content-type-options", "nosniff"),
        ("cache-control", "private"),
    ] {
        assert_eq!(response.headers()[name], value, "{name}");
    }
    let beyond = beyond(100);
    assert_eq!(beyond.status(), StatusCode::RANGE_NOT_SATISFIABLE);
    assert_eq!(beyond.headers()["content-range"], "bytes */100");
}

#[test]
fn downloads_at_once_are_bounded_and_each_gives_its_place_back() {
    let downloads = Arc::new(AtomicUsize::new(0));
    let mut open: Vec<Open> = (0..MOST_DOWNLOADS)
        .filter_map(|_| Open::take(&downloads))
        .collect();
    assert_eq!(open.len(), MOST_DOWNLOADS);
    assert!(Open::take(&downloads).is_none());
    open.pop();
    assert!(Open::take(&downloads).is_some());
}
