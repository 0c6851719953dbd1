//! The handlers before recordings in memory: who gets what, and in which pieces.

use super::fixture::{KEY, NOW, content, id, recordings, row};
use super::link::{Link, expiry};
use super::which::Which;
use super::{download, list, remove, show};
use crate::api::caller::{Caller, Passer};
use crate::api::ports::recordings::{Recordings, Standing};
use crate::api::problem::Problem;
use crate::base::{Mono, Now, RoomKey, Unix};
use crate::peer::signal::token::{Claims, SESSION};
use crate::usage::ledger::{RecordingRecord, Stage};
use axum::extract::State;
use axum::http::{Method, Request, Uri, header};
use axum::response::Response;
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

const SHARED: &str = "RC_abc_shared";
const QA: &str = "RC_abc_qa";

fn now() -> Now {
    Now {
        mono: Mono::ZERO,
        unix: NOW,
    }
}

fn caller(change: impl FnOnce(&mut Claims)) -> Caller {
    let mut claims = Claims::new("key", "someone", NOW);
    change(&mut claims);
    Caller { claims, now: now() }
}

fn app() -> Caller {
    caller(|claims| claims.video.room_record = Some(true))
}

fn expert() -> Caller {
    caller(|claims| {
        claims.video.room_join = Some(true);
        claims.video.room = Some("lesson".to_owned());
        let role = ("role".to_owned(), "expert".to_owned());
        claims.attributes.extend([role]);
        claims.identity = "erika".to_owned();
    })
}

/// An expert whose token is for this session of the same room.
fn expert_of(session: &str) -> Caller {
    let mut expert = expert();
    let tie = (SESSION.to_owned(), session.to_owned());
    expert.claims.attributes.extend([tie]);
    expert
}

fn which(recording: &str, name: &str) -> Which {
    Which {
        id: id(recording),
        name: name.to_owned(),
    }
}

fn two() -> Arc<Recordings> {
    recordings(vec![row(&id(SHARED)), row(&id(QA))])
}

fn told(problem: &Problem) -> Value {
    serde_json::to_value(problem).unwrap()
}

fn address(recording: &str, at: Unix) -> String {
    let link = Link {
        id: &id(recording),
        name: "session.webm",
        expires_s: expiry(at),
    };
    link.address(&KEY)
}

async fn fetch(
    node: &Arc<Recordings>,
    (method, address): (Method, &str),
    range: Option<&'static str>,
) -> Result<Response, Problem> {
    let uri: Uri = address.parse().unwrap();
    let mut steps = uri.path().split('/').skip(3);
    let (recording, name) = (steps.next().unwrap(), steps.nth(1).unwrap());
    let mut request = Request::builder().method(method).uri(address);
    if let Some(range) = range {
        request = request.header(header::RANGE, range);
    }
    let (request, ()) = request.body(()).unwrap().into_parts();
    let which = which(recording, name);
    download::download(State(node.clone()), Passer { now: now() }, which, request).await
}

async fn bytes(response: Response) -> Vec<u8> {
    let all = axum::body::to_bytes(response.into_body(), usize::MAX).await;
    all.unwrap().to_vec()
}

#[tokio::test]
async fn a_file_comes_whole_or_in_parts_and_each_part_fits() {
    let (node, content) = (two(), content());
    let address = address(SHARED, NOW);
    for (range, status, expected) in [
        (None, 200, 0..600_000),
        (Some("bytes=0-99"), 206, 0..100),
        (Some("bytes=262143-262144"), 206, 262_143..262_145),
        (Some("bytes=100-524300"), 206, 100..524_301),
        (Some("bytes=-7"), 206, 599_993..600_000),
        (Some("bytes=599999-"), 206, 599_999..600_000),
        (Some("bytes=0-1,5-6"), 200, 0..600_000),
    ] {
        let got = fetch(&node, (Method::GET, &address), range).await.unwrap();
        assert_eq!(got.status(), status, "{range:?}");
        let length = expected.len().to_string();
        assert_eq!(got.headers()["content-length"], length, "{range:?}");
        assert!(bytes(got).await == content[expected], "{range:?}");
    }
    let beyond = fetch(&node, (Method::GET, &address), Some("bytes=600000-"));
    let beyond = beyond.await.unwrap();
    assert_eq!(beyond.status(), 416);
    assert_eq!(beyond.headers()["content-range"], "bytes */600000");
    assert_eq!(node.downloads.load(Relaxed), 0, "all are over");
}

#[tokio::test]
async fn a_head_says_the_same_of_the_whole_file_and_reads_nothing() {
    let node = recordings(vec![row(&id("RC_sick_shared"))]);
    let address = address("RC_sick_shared", NOW);
    let head = fetch(&node, (Method::HEAD, &address), Some("bytes=0-1"));
    let head = head.await.unwrap();
    assert_eq!(head.status(), 200);
    assert_eq!(head.headers()["content-length"], "600000");
    assert_eq!(head.headers()["accept-ranges"], "bytes");
    assert!(bytes(head).await.is_empty());
}

#[tokio::test]
async fn a_download_has_a_name_of_ours() {
    let address = format!("{}&download=1", address(SHARED, NOW));
    let got = fetch(&two(), (Method::GET, &address), None).await.unwrap();
    let named = "attachment; filename=\"RC_abc_shared-session.webm\"";
    assert_eq!(got.headers()["content-disposition"], named);
}

#[tokio::test]
async fn a_link_that_is_expired_altered_or_for_something_else_says_so() {
    let node = two();
    let good = address(SHARED, NOW);
    let old = address(SHARED, Unix(NOW.0 - 3_600_000));
    let (expired, not_valid) = (
        "urn:beistand:problem:link-expired",
        "urn:beistand:problem:link-not-valid",
    );
    for (address, kind) in [
        (old, expired),
        (good.replace("_shared", "_qa"), not_valid),
        (good.replace("RC_abc", "RC_none"), not_valid),
        (good.replace("session.webm", "session.mkv"), not_valid),
        (good.replace("session.webm", "manifest.json"), not_valid),
        (good.replace("expires=18", "expires=19"), not_valid),
        (format!("{good}0"), not_valid),
    ] {
        let refused = fetch(&node, (Method::GET, &address), None).await;
        let refused = told(&refused.unwrap_err());
        assert_eq!(refused["status"], 403, "{address}");
        assert_eq!(refused["type"], kind, "{address}");
    }
}

#[tokio::test]
async fn what_is_gone_or_cannot_be_read_is_no_success() {
    let with = |recording: &str, change: fn(&mut RecordingRecord)| {
        let mut row = row(&id(recording));
        change(&mut row);
        (recordings(vec![row]), address(recording, NOW))
    };
    for ((node, address), status) in [
        (with("RC_gone_shared", |_| {}), 404),
        (with("RC_sick_shared", |_| {}), 503),
        (with(SHARED, |row| row.stage = Stage::Deleted), 404),
        (with(SHARED, |row| row.stage = Stage::Stopped), 404),
        (with(SHARED, |row| row.stage = Stage::Failed), 404),
        ((two(), address("RC_other_shared", NOW)), 404),
    ] {
        let refused = fetch(&node, (Method::GET, &address), None).await;
        assert_eq!(told(&refused.unwrap_err())["status"], status, "{address}");
        assert_eq!(node.downloads.load(Relaxed), 0);
    }
}

#[tokio::test]
async fn without_a_place_not_even_the_manifest_is_read() {
    let node = recordings(vec![row(&id("RC_unasked_shared"))]);
    let address = address("RC_unasked_shared", NOW);
    node.downloads.store(256, Relaxed);
    for method in [Method::GET, Method::HEAD] {
        let refused = fetch(&node, (method, &address), None).await;
        assert_eq!(told(&refused.unwrap_err())["status"], 503);
    }
    assert_eq!(node.downloads.load(Relaxed), 256);
}

#[tokio::test]
async fn each_caller_sees_what_their_token_reaches() {
    let node = two();
    for (who, caller, listed, statuses) in [
        ("app", app as fn() -> Caller, 2, [200, 200, 200]),
        ("expert", expert, 1, [200, 403, 403]),
    ] {
        let uri = Uri::from_static("/v1/recordings");
        let all = list::list(State(node.clone()), caller(), uri).await;
        assert_eq!(all.unwrap().recordings.len(), listed, "{who}");
        let shared = show::show(State(node.clone()), caller(), which(SHARED, "")).await;
        let qa = show::show(State(node.clone()), caller(), which(QA, "")).await;
        let one = recordings(vec![row(&id(SHARED))]);
        let gone = remove::remove(State(one), caller(), which(SHARED, "")).await;
        for (answer, status) in [shared, qa, gone].into_iter().zip(statuses) {
            let got =
                answer.map_or_else(|problem| told(&problem)["status"].clone(), |_| json!(200));
            assert_eq!(got, status, "{who}");
        }
    }
    let customer = || {
        let mut customer = expert();
        let role = customer.claims.attributes.get_mut("role");
        *role.unwrap() = "customer".to_owned();
        customer
    };
    let uri = Uri::from_static("/v1/recordings");
    let refused = list::list(State(node.clone()), customer(), uri).await;
    assert_eq!(told(&refused.unwrap_err())["status"], 403);
    let refused = show::show(State(node), customer(), which(SHARED, "")).await;
    assert_eq!(told(&refused.unwrap_err())["status"], 403);
}

#[tokio::test]
async fn an_expert_sees_what_is_shared_of_their_own_session_and_not_of_another_in_the_room() {
    const LATER: &str = "RC_later_shared";
    let node = recordings(vec![row(&id(SHARED)), row(&id(LATER))]);
    let stranger = || {
        let mut stranger = expert();
        stranger.claims.identity = "emil".to_owned();
        stranger
    };
    for (who, caller, seen) in [
        (
            "erika, by plain token",
            expert as fn() -> Caller,
            vec![SHARED],
        ),
        ("erika, of the first", || expert_of("SE_abc"), vec![SHARED]),
        (
            "erika, of the second",
            || expert_of("SE_later"),
            vec![LATER],
        ),
        ("erika, of none of them", || expert_of("SE_other"), vec![]),
        ("one who was in neither", stranger, vec![]),
    ] {
        let uri = Uri::from_static("/v1/recordings");
        let all = list::list(State(node.clone()), caller(), uri)
            .await
            .unwrap();
        let listed: Vec<&str> = all.recordings.iter().map(|one| one.id.as_str()).collect();
        assert_eq!(listed, seen, "{who}");
        for recording in [SHARED, LATER] {
            let shown = show::show(State(node.clone()), caller(), which(recording, "")).await;
            let status =
                shown.map_or_else(|problem| told(&problem)["status"].clone(), |_| json!(200));
            let expected = if seen.contains(&recording) { 200 } else { 403 };
            assert_eq!(status, expected, "{who} {recording}");
        }
    }
}

#[tokio::test]
async fn a_recording_of_another_project_is_not_there_but_for_who_has_a_link() {
    let mut theirs = row(&id(SHARED));
    theirs.room = RoomKey::new(&"acme".into(), "lesson");
    let node = recordings(vec![theirs]);
    let of = |project: &str, mut caller: Caller| {
        caller.claims.project = project.into();
        caller
    };
    for (project, status) in [("acme", 200), ("default", 404), ("bolt", 404)] {
        for caller in [app as fn() -> Caller, expert, || expert_of("SE_abc")] {
            let caller = || of(project, caller());
            let uri = Uri::from_static("/v1/recordings");
            let all = list::list(State(node.clone()), caller(), uri)
                .await
                .unwrap();
            assert_eq!(
                all.recordings.len(),
                usize::from(status == 200),
                "{project}"
            );
            let shown = show::show(State(node.clone()), caller(), which(SHARED, "")).await;
            let told =
                shown.map_or_else(|problem| told(&problem)["status"].clone(), |_| json!(200));
            assert_eq!(told, status, "{project}");
        }
        let node = if project == "acme" {
            recordings(vec![])
        } else {
            node.clone()
        };
        let gone = remove::remove(State(node), of(project, app()), which(SHARED, "")).await;
        assert_eq!(told(&gone.unwrap_err())["status"], 404, "{project}");
    }
    let address = address(SHARED, NOW);
    let got = fetch(&node, (Method::GET, &address), None).await.unwrap();
    assert_eq!(got.status(), 200, "a link lets its bearer in");
}

#[tokio::test]
async fn a_recording_shows_its_files_when_they_are_ready_and_its_progress_before() {
    for (stage, files, progress) in [
        (Stage::Ready, 1, Value::Null),
        (Stage::Stopped, 0, json!({"done_bytes": 1, "all_bytes": 2})),
        (Stage::Failed, 0, Value::Null),
    ] {
        let mut row = row(&id(SHARED));
        row.stage = stage;
        let shown = show::show(State(recordings(vec![row])), app(), which(SHARED, "")).await;
        let shown = serde_json::to_value(&shown.unwrap().0).unwrap();
        assert_eq!(shown["files"].as_array().unwrap().len(), files, "{shown}");
        assert_eq!(shown["progress"], progress, "{shown}");
        assert_eq!(shown["consents"][0]["state"], "given", "{shown}");
    }
}

#[tokio::test]
async fn the_link_of_a_shown_file_leads_to_it() {
    let node = two();
    let shown = show::show(State(node.clone()), expert(), which(SHARED, "")).await;
    let shown = shown.unwrap();
    let file = shown.files.first().unwrap();
    assert_eq!(file.expires_unix_ms, NOW.0 + 3_600_000);
    let got = fetch(&node, (Method::GET, &file.url), None).await.unwrap();
    assert_eq!(got.headers()["content-type"], file.mime);
    assert_eq!(got.headers()["etag"], format!("\"{}\"", file.sha256));
}

#[tokio::test]
async fn a_recording_is_deleted_once_it_is_over_and_finished() {
    for (recording, stage, over, status) in [
        (SHARED, Stage::Recording, false, 409),
        (SHARED, Stage::Stopped, false, 409),
        (SHARED, Stage::Broken, false, 409),
        (SHARED, Stage::Broken, true, 409),
        (SHARED, Stage::Stopped, true, 409),
        (SHARED, Stage::Failed, true, 200),
        (SHARED, Stage::Ready, true, 200),
        (SHARED, Stage::Deleted, true, 200),
        ("RC_sick_shared", Stage::Ready, true, 503),
    ] {
        let mut row = row(&id(recording));
        row.stage = stage;
        row.ended_unix_ms = row.ended_unix_ms.filter(|_| over);
        let gone = remove::remove(State(recordings(vec![row])), app(), which(recording, "")).await;
        let what = format!("{recording} {stage:?} {over}");
        match gone {
            Ok(gone) => {
                assert_eq!(status, 200, "{what}");
                let gone = serde_json::to_value(&gone.0).unwrap();
                assert_eq!(gone["state"], "deleted", "{what}");
                assert_eq!(gone["files"], json!([]), "{what}");
            }
            Err(problem) => assert_eq!(told(&problem)["status"], status, "{what}"),
        }
    }
    let none = remove::remove(State(recordings(Vec::new())), app(), which(SHARED, "")).await;
    assert_eq!(told(&none.unwrap_err())["status"], 404);
}

#[test]
fn what_is_seen_is_in_the_words_of_the_ledger_whether_the_session_runs_or_is_over() {
    for stage in Stage::ALL {
        for over in [false, true] {
            let mut row = row(&id(SHARED));
            row.stage = stage;
            row.ended_unix_ms = row.ended_unix_ms.filter(|_| over);
            let seen = Standing::of(&row).as_str();
            assert_eq!(seen, row.state(), "{stage:?} {over}");
        }
    }
}
