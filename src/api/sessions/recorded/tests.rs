//! Who may say what, and what is wrong with it.

use super::*;
use crate::api::ports::worker::CommandFailure;
use crate::base::Unix;
use crate::node::CommandRefusal;
use crate::node::booked;
use crate::peer::signal::token::SESSION;
use crate::session::RecordingRefusal;
use serde_json::{Value, json};

fn claims(identity: &str, room: Option<&str>, (join, admin): (bool, bool)) -> Claims {
    let mut claims = Claims::new("key", identity, Unix(0));
    claims.video.room = room.map(str::to_owned);
    claims.video.room_join = join.then_some(true);
    claims.video.room_admin = admin.then_some(true);
    claims
}

/// The session `SE_lesson`, booked for the room `lesson`.
fn known() -> Known {
    Known {
        seq: 1,
        booking: Some(booked("lesson")),
        record: None,
    }
}

#[test]
fn a_token_of_another_session_of_the_room_speaks_for_nobody_in_this_one() {
    let karl = Identity::from("karl");
    for (session, expected) in [
        ("SE_lesson", Ok(Actor::Participant)),
        ("SE_before", Err(NotTheirs)),
    ] {
        let mut claims = claims("karl", Some("lesson"), (true, false));
        let tie = (SESSION.to_owned(), session.to_owned());
        claims.attributes.extend([tie]);
        assert_eq!(whose(&claims, &known(), &karl), expected, "{session}");
    }
}

#[test]
fn a_participant_speaks_for_themselves_and_the_app_for_everyone() {
    let karl = Identity::from("karl");
    let (own, app) = (Ok(Actor::Participant), Ok(Actor::App));
    for (identity, room, grants, expected) in [
        ("karl", Some("lesson"), (true, false), own),
        ("karl", Some("lesson"), (true, true), own),
        ("karl", Some("lesson"), (false, true), app),
        ("", None, (false, true), app),
        ("erika", Some("lesson"), (true, true), app),
        ("erika", Some("lesson"), (true, false), Err(NotTheirs)),
        ("karl", Some("other"), (true, false), Err(NotTheirs)),
        ("karl", Some("other"), (true, true), Err(NotTheirs)),
        ("karl", None, (true, false), Err(NotTheirs)),
        ("karl", Some("lesson"), (false, false), Err(NotTheirs)),
    ] {
        let claims = claims(identity, room, grants);
        let actor = whose(&claims, &known(), &karl);
        assert_eq!(actor, expected, "{identity} {room:?} {grants:?}");
    }
}

fn told<T: std::fmt::Debug>(result: Result<T, Problem>) -> Value {
    serde_json::to_value(result.unwrap_err()).unwrap()
}

#[test]
fn what_is_wrong_with_a_consent_is_named() {
    let good =
        json!({"identity": "karl", "purpose": "shared", "given": true, "wording": "2026-11"});
    let answer = said(&good).unwrap();
    assert_eq!((answer.purpose, answer.given), (Purpose::Shared, true));
    for (field, values) in [
        (
            "identity",
            vec![Value::Null, json!(""), json!(1), json!("x".repeat(257))],
        ),
        ("purpose", vec![Value::Null, json!("other"), json!(["qa"])]),
        ("given", vec![Value::Null, json!("true"), json!(1)]),
        (
            "wording",
            vec![Value::Null, json!(""), json!("x".repeat(65))],
        ),
        ("more", vec![json!(1)]),
    ] {
        for value in values {
            let mut bad = good.clone();
            bad[field] = value.clone();
            let problem = told(said(&bad));
            assert_eq!(problem["status"], 422, "{field}: {value}");
            assert_eq!(problem["field"], field, "{value}");
            assert!(problem["allowed"].is_string(), "{field}: {value}");
        }
    }
}

#[test]
fn a_no_is_taken_whatever_its_wording() {
    for wording in [Value::Null, json!(""), json!("x".repeat(65)), json!(1)] {
        let no =
            json!({"identity": "karl", "purpose": "shared", "given": false, "wording": wording});
        assert!(!said(&no).unwrap().given, "{no}");
    }
}

#[test]
fn what_is_wrong_with_an_order_is_named() {
    let purpose = Some(Purpose::Qa);
    assert_eq!(
        ordered(&json!({"action": "start", "purpose": "qa"})).unwrap(),
        (true, purpose)
    );
    assert_eq!(ordered(&json!({"action": "stop"})).unwrap(), (false, None));
    for (body, field) in [
        (json!({}), "action"),
        (json!({"action": "pause"}), "action"),
        (json!({"action": "start", "purpose": "all"}), "purpose"),
        (json!({"action": "start", "purposes": ["qa"]}), "purposes"),
        (json!([]), "body"),
    ] {
        let problem = told(ordered(&body));
        assert_eq!(problem["status"], 422, "{body}");
        assert_eq!(problem["field"], field, "{body}");
    }
}

#[test]
fn each_refusal_has_its_status_and_its_own_words() {
    for (refusal, status) in [
        (RecordingRefusal::Off, 409),
        (RecordingRefusal::NotForThat(Purpose::Qa), 409),
        (RecordingRefusal::Nobody, 409),
        (RecordingRefusal::TooMany, 409),
        (RecordingRefusal::Minor, 403),
        (RecordingRefusal::Wording, 422),
    ] {
        let failure = CommandFailure::Refused(CommandRefusal::Recording(refusal));
        let problem = serde_json::to_value(Problem::from(failure)).unwrap();
        assert_eq!(problem["status"], status, "{refusal}");
        if status != 422 {
            assert_eq!(problem["detail"], refusal.to_string());
        }
    }
}
