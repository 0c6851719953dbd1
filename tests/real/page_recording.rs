//! The page and recording: who is recorded, whom it asks and how, and what it answers. What the
//! node makes of the answers is told elsewhere; here the messages come from the test.

use crate::driver::Driver;
use crate::node::Node;
use crate::page::{page, page_of, receive, schema};
use crate::turn;
use serde_json::{Value, json};

/// A recording for the people in the session is asked for, and nobody has answered.
fn asked() -> Value {
    json!({"mode": "on_request", "purposes": [purpose("shared", Value::Null), purpose("qa", json!(72))],
           "participants": [person("customer"), person("expert")]})
}

fn purpose(purpose: &str, retention_h: Value) -> Value {
    let requested = purpose == "shared";
    json!({"purpose": purpose, "requested": requested, "active": false, "retention_h": retention_h, "failed": null})
}

fn person(identity: &str) -> Value {
    json!({"identity": identity, "minor": false, "encrypted": false, "consent": {"shared": null, "qa": null}, "recorded": []})
}

/// Tells the page, and returns what it shows: of recording, and where the focus is.
fn tell(driver: &mut Driver, message: &Value) -> (Value, Value) {
    let mut shown = receive(driver, "beistand.recording", message)["shown"].take();
    (shown["recording"].take(), shown["focus"].take())
}

fn press(driver: &mut Driver, button: &str) {
    driver.ask(&json!({"do": "press", "who": "customer", "button": button}));
}

/// Waits until the page shows this.
fn until(driver: &mut Driver, field: &str, value: &Value) -> Value {
    let command = json!({"do": "recording", "who": "customer", "field": field, "value": value});
    driver.ask(&command)["shown"].take()
}

/// What the page has said to the server on a topic.
fn said(driver: &mut Driver, topic: &str) -> Vec<Value> {
    let said = driver.ask(&json!({"do": "said", "who": "customer"}))["said"].take();
    let said = said.as_array().cloned().unwrap_or_default();
    let of_topic = said.into_iter().filter(|one| one["topic"] == topic);
    of_topic.map(|mut one| one["message"].take()).collect()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

#[test]
fn the_question_is_plain_and_unticked_and_can_be_put_off_and_taken_up_again() {
    let _turn = turn::shared();
    let node = Node::dev();
    let mut driver = Driver::browsers();
    page(&node, &mut driver);
    let (shown, _) = tell(&mut driver, &asked());
    assert_eq!(shown["title"], "May you be recorded?");
    assert_eq!(shown["ticked"], json!([]));
    let questions = shown["questions"].as_array().cloned().unwrap_or_default();
    assert_eq!(questions.len(), 1, "only what is asked for: {shown}");
    for words in [
        "For the expert",
        "Only the expert and the provider's team can watch and download it.",
        "Yes, record me",
        "No",
    ] {
        assert!(text(&questions[0]).contains(words), "{words}: {shown}");
    }
    driver.ask(&json!({"do": "key", "who": "customer", "key": "Escape"}));
    until(&mut driver, "asks", &json!(false));
    let (shown, _) = tell(&mut driver, &asked());
    assert_eq!(shown["asks"], false, "it does not press: {shown}");
    assert_eq!(
        shown["own"][0],
        "May you be recorded? Until you agree, you are not."
    );
    press(&mut driver, "recording-answer");
    until(&mut driver, "asks", &json!(true));
    assert_eq!(said(&mut driver, "beistand.consent"), Vec::<Value>::new());
}

#[test]
fn an_answer_is_sent_as_its_schema_says_and_nobody_is_asked_twice() {
    let _turn = turn::shared();
    let node = Node::dev();
    let mut driver = Driver::browsers();
    page(&node, &mut driver);
    let mut message = asked();
    tell(&mut driver, &message);
    driver.ask(&json!({"do": "key", "who": "customer", "key": "Escape"}));
    press(&mut driver, "recording-answer");
    for answer in ["consent-shared-yes", "consent-qa-no", "consent-send"] {
        press(&mut driver, answer);
    }
    let examples = schema("beistand.consent")["examples"].take();
    assert_eq!(json!(said(&mut driver, "beistand.consent")), examples);
    message["participants"][0]["consent"] = json!({"shared": "given", "qa": "refused"});
    tell(&mut driver, &message);
    let shown = until(&mut driver, "asks", &json!(false));
    assert_eq!(shown["recording"]["control"][0], "Recording: in part");
    // The button that opened the question is gone: the focus is where the answer can be changed.
    until(&mut driver, "focus", &json!("record"));
    message["participants"][0]["recorded"] = json!(["shared"]);
    let (shown, _) = tell(&mut driver, &message);
    assert_eq!(shown["now"][0], "You are being recorded for the expert.");
    assert_eq!(
        (&shown["self"], &shown["asks"]),
        (&json!(["recorded"]), &json!(false))
    );
}

#[test]
fn consent_is_withdrawn_with_the_control_at_any_time() {
    let _turn = turn::shared();
    let node = Node::dev();
    let mut driver = Driver::browsers();
    page(&node, &mut driver);
    let mut message = asked();
    message["participants"][0]["consent"] = json!({"shared": "given", "qa": "refused"});
    message["participants"][0]["recorded"] = json!(["shared"]);
    tell(&mut driver, &message);
    driver.ask(&json!({"do": "key", "who": "customer", "key": "r"}));
    let shown = until(&mut driver, "asks", &json!(true));
    assert_eq!(
        shown["recording"]["ticked"],
        json!(["consent-shared-yes", "consent-qa-no"]),
        "what was said before"
    );
    press(&mut driver, "consent-none");
    let no = json!({"purpose": "shared", "given": false, "wording": "beistand-3"});
    assert_eq!(said(&mut driver, "beistand.consent"), vec![no], "the news");
    let refusal = json!({"topic": "beistand.consent", "text": "the ledger is full"});
    let shown = receive(&mut driver, "beistand.refused", &refusal)["shown"].take();
    let failed = text(&shown["recording"]["failed"][0]);
    assert!(!failed.is_empty(), "a refusal is shown: {shown}");
    message["participants"][0]["consent"]["shared"] = json!("withdrawn");
    message["participants"][0]["recorded"] = json!([]);
    let (shown, _) = tell(&mut driver, &message);
    assert_eq!((&shown["now"], &shown["self"]), (&json!([]), &json!([])));
    assert_eq!(shown["control"][0], "Recording: no");
}

#[test]
fn minors_and_whoever_is_encrypted_end_to_end_are_told_and_not_asked() {
    let _turn = turn::shared();
    let node = Node::dev();
    let mut driver = Driver::browsers();
    page(&node, &mut driver);
    for (mark, words) in [
        ("minor", "You are marked as a minor: you are never recorded"),
        ("encrypted", "What you send is encrypted end to end"),
    ] {
        let mut message = asked();
        message["participants"][0][mark] = json!(true);
        let (shown, _) = tell(&mut driver, &message);
        assert_eq!(shown["asks"], false, "{mark}: {shown}");
        assert!(
            text(&shown["own"][0]).starts_with(words),
            "{words}: {shown}"
        );
        press(&mut driver, "record");
        let shown = until(&mut driver, "asks", &json!(true))["recording"].take();
        assert_eq!(shown["questions"], json!([]), "{mark}: {shown}");
        driver.ask(&json!({"do": "key", "who": "customer", "key": "Escape"}));
        until(&mut driver, "asks", &json!(false));
    }
    assert_eq!(said(&mut driver, "beistand.consent"), Vec::<Value>::new());
}

#[test]
fn the_bar_names_who_is_recorded_for_what_and_what_failed() {
    let _turn = turn::shared();
    let node = Node::dev();
    let mut driver = Driver::browsers();
    page(&node, &mut driver);
    let mut message = asked();
    message["participants"][0]["consent"]["shared"] = json!("refused");
    message["participants"][1]["recorded"] = json!(["shared", "qa"]);
    message["purposes"][1]["failed"] = json!("the disk is full");
    let (shown, focus) = tell(&mut driver, &message);
    assert_eq!(
        shown["now"][0],
        "Expert is being recorded for the expert and for quality assurance."
    );
    assert_eq!(shown["own"][0], "You are not recorded.");
    assert_eq!(
        shown["trouble"][0],
        "The recording for quality assurance failed: the disk is full"
    );
    assert_eq!((&shown["asks"], &focus), (&json!(false), &json!("mic")));
    message["mode"] = json!("off");
    message["participants"] = json!([]);
    message["purposes"] = json!([]);
    let (shown, _) = tell(&mut driver, &message);
    assert_eq!((&shown["now"], &shown["control"]), (&json!([]), &json!([])));
}

#[test]
fn an_expert_starts_and_stops_a_recording_and_sees_how_it_stands() {
    let _turn = turn::shared();
    let node = Node::dev();
    let mut driver = Driver::browsers();
    page_of("expert", &node, &mut driver);
    let mut message = asked();
    message["purposes"][0]["requested"] = json!(false);
    message["participants"][0]["consent"]["shared"] = json!("given");
    message["participants"][1]["consent"]["shared"] = json!("refused");
    let tell = |driver: &mut Driver, message: &Value| {
        driver.ask(&json!({"do": "receive", "who": "expert", "topic": "beistand.recording", "message": message}))
            ["shown"]["recording"]
            .take()
    };
    tell(&mut driver, &message);
    driver.ask(&json!({"do": "press", "who": "expert", "button": "record"}));
    let start = "Start recording";
    let stop = "Stop recording";
    let idle = tell(&mut driver, &message);
    assert_eq!(idle["states"], json!(["Not recording", "Not recording"]));
    assert_eq!(idle["buttons"], json!([start, start]));
    driver.ask(&json!({"do": "press", "who": "expert", "button": "recording-request-shared"}));
    let said = driver.ask(&json!({"do": "said", "who": "expert"}))["said"].take();
    let example = schema("beistand.recording-request")["examples"][0].clone();
    assert_eq!(
        said,
        json!([{"topic": "beistand.recording", "message": example}])
    );
    message["purposes"][0]["requested"] = json!(true);
    let waiting = tell(&mut driver, &message);
    assert_eq!(waiting["states"][0], "Waiting until somebody agrees");
    assert_eq!(waiting["buttons"], json!([stop, start]));
    message["purposes"][0]["active"] = json!(true);
    message["participants"][0]["recorded"] = json!(["shared"]);
    let active = tell(&mut driver, &message);
    assert_eq!(active["states"][0], "Recording now");
    message["purposes"][0]["active"] = json!(false);
    message["purposes"][0]["failed"] = json!("the disk is full");
    let failed = tell(&mut driver, &message);
    assert_eq!(failed["states"][0], "Failed: the disk is full");
    assert_eq!(
        failed["buttons"],
        json!([start, start]),
        "it may be tried again"
    );
}

/// An expert leaves a session in which recording was possible; the node answers what the test says.
fn after_the_session(driver: &mut Driver, status: u16, body: &Value) {
    let node = Node::dev();
    page_of("expert", &node, driver);
    driver.ask(&json!({"do": "billed", "who": "expert", "ms": 0}));
    driver.ask(&json!({"do": "receive", "who": "expert", "topic": "beistand.recording", "message": asked()}));
    driver.ask(&json!({"do": "key", "who": "expert", "key": "Escape"}));
    driver.ask(&json!({"do": "answers", "who": "expert", "status": status, "body": body}));
    driver.ask(&json!({"do": "leave", "who": "expert"}));
}

fn reads(driver: &mut Driver, words: &str) {
    driver.ask(&json!({"do": "recordings", "who": "expert", "words": words}));
}

#[test]
fn the_last_panel_says_in_words_why_there_is_no_recording() {
    let _turn = turn::shared();
    let mut driver = Driver::browsers();
    after_the_session(&mut driver, 0, &json!({}));
    reads(&mut driver, "The server cannot be reached.");
    let again = json!({"do": "press", "who": "expert", "button": "recordings-again"});
    for (status, words) in [
        (401, "Your link has expired"),
        (403, "Your link does not let you see the recordings"),
        (404, "The server knows no recordings of this session."),
        (503, "The server cannot show the recordings now (503)."),
    ] {
        driver.ask(&json!({"do": "answers", "who": "expert", "status": status}));
        driver.ask(&again);
        reads(&mut driver, words);
    }
    let none = json!({"recordings": [], "next": null});
    driver.ask(&json!({"do": "answers", "who": "expert", "status": 200, "body": none}));
    reads(&mut driver, "Nothing of this session has been recorded.");
    driver.ask(&json!({"do": "answers", "who": "expert", "status": 200, "body": [1]}));
    driver.ask(&again);
    reads(&mut driver, "cannot be read by this page");
}

#[test]
fn the_last_panel_follows_a_recording_until_it_is_finished_and_says_when_it_failed() {
    let _turn = turn::shared();
    let mut driver = Driver::browsers();
    let nothing = json!({"recordings": [], "next": null});
    after_the_session(&mut driver, 200, &nothing);
    reads(&mut driver, "Nothing of this session has been recorded.");
    for (state, words) in [
        ("stopped", "The session goes on without you."),
        ("finishing", "The recording is being finished: 43 %"),
        ("failed", "The recording failed: the disk is full"),
        ("deleted", "The recording was deleted."),
    ] {
        // One body answers for the list and for the recording alone.
        let mut body = json!({"id": "RC_a_shared", "session": "SE_a", "purpose": "shared", "state": state,
                              "reason": "the disk is full", "files": [],
                              "progress": {"done_bytes": 435, "all_bytes": 1000}});
        body["recordings"] = json!([body.clone()]);
        driver.ask(&json!({"do": "answers", "who": "expert", "status": 200, "body": body}));
        if state == "stopped" {
            driver.ask(&json!({"do": "press", "who": "expert", "button": "recordings-again"}));
        }
        reads(&mut driver, words);
    }
}

#[test]
fn the_question_fits_a_small_phone_with_every_answer_inside_and_large_enough_to_touch() {
    let _turn = turn::shared();
    let node = Node::dev();
    let mut driver = Driver::browsers();
    page(&node, &mut driver);
    let mut message = asked();
    message["purposes"][1]["requested"] = json!(true);
    tell(&mut driver, &message);
    for (width, height) in [(320, 568), (390, 844), (568, 320), (1280, 720)] {
        let window = format!("{width} x {height}");
        let fits =
            driver.ask(&json!({"do": "fits", "who": "customer", "width": width, "height": height}));
        assert_eq!(
            (&fits["inView"], &fits["wide"]),
            (&json!(true), &json!(false)),
            "{window}: {fits}"
        );
        let buttons = fits["buttons"].as_array().expect("there are buttons");
        assert_eq!(buttons.len(), 7, "{window}: {fits}");
        let upright = height > width;
        if upright {
            assert_eq!(fits["hidden"], 0, "{window}: all of it is seen: {fits}");
        }
        for button in buttons {
            let tall = button["height"].as_f64().unwrap_or_default();
            let wide = button["width"].as_f64().unwrap_or_default();
            assert!(
                (44.0..=64.0).contains(&tall) && wide >= 44.0,
                "{window}: {button}"
            );
            let way_on = text(&button["words"]).starts_with("Continue without")
                || text(&button["words"]).starts_with("Send");
            if upright || way_on {
                assert_eq!(
                    (&button["inside"], &button["reached"]),
                    (&json!(true), &json!(true)),
                    "{window}: {button}"
                );
            }
        }
    }
}
