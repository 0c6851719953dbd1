//! The matrix: purpose, what was said, minor, mode, and whether it is asked for.

use super::*;

const EVE: &str = "eve";

fn consents(mode: Mode, purposes: &[Purpose]) -> Consents {
    let mut consents = Consents::new(&Recording {
        mode,
        purposes: purposes.to_vec(),
        ..Recording::default()
    });
    consents.handle_joined(&EVE.into(), false);
    consents
}

fn answer(purpose: Purpose, given: bool) -> ConsentAnswer {
    ConsentAnswer {
        identity: EVE.into(),
        purpose,
        given,
        actor: Actor::Participant,
        wording: "2026-11".to_owned(),
    }
}

/// Says yes or no in turn, and answers the words of what is new each time.
fn say(consents: &mut Consents, purpose: Purpose, said: &str) -> Vec<String> {
    let one = |word| {
        let told = consents.handle_answer(answer(purpose, word == "yes"));
        match told {
            Ok(Some(consent)) => consent.state.as_str().to_owned(),
            Ok(None) => "-".to_owned(),
            Err(refusal) => format!("{refusal:?}"),
        }
    };
    said.split_whitespace().map(one).collect()
}

#[test]
fn what_is_said_becomes_a_state_and_only_news_is_told() {
    for (said, told) in [
        ("yes", "given"),
        ("no", "refused"),
        ("yes yes", "given -"),
        ("no no", "refused -"),
        ("yes no", "given withdrawn"),
        ("yes no no", "given withdrawn -"),
        ("no yes", "refused given"),
        ("no yes no yes", "refused given withdrawn given"),
    ] {
        for mode in [Mode::OnRequest, Mode::Always] {
            for purpose in Purpose::ALL {
                let mut consents = consents(mode, &Purpose::ALL);
                let news = say(&mut consents, purpose, said).join(" ");
                assert_eq!(news, told, "{said}, {mode:?}, {purpose}");
            }
        }
    }
}

/// One line for each mode, in words of who is recorded: asked for or not, by what was said last.
#[test]
fn only_who_said_yes_to_a_purpose_that_is_asked_for_is_recorded_and_no_minor() {
    let said = ["", "yes", "no", "yes no", "yes no yes", "no yes"];
    let mut lines = Vec::new();
    for mode in [Mode::Off, Mode::OnRequest, Mode::Always] {
        for on in [None, Some(true), Some(false)] {
            for minor in [false, true] {
                let recorded = said.map(|said| {
                    let mut consents = consents(mode, &Purpose::ALL);
                    consents.handle_joined(&EVE.into(), minor);
                    if let Some(on) = on {
                        consents.handle_request(Purpose::Qa, on).ok();
                    }
                    say(&mut consents, Purpose::Qa, said);
                    let other = consents.allows(&EVE.into(), Purpose::Shared);
                    assert!(!other, "a yes to one purpose is none to another");
                    let allows = consents.allows(&EVE.into(), Purpose::Qa);
                    assert_eq!(consents.allows_anyone(Purpose::Qa), allows);
                    if allows { "x" } else { "." }
                });
                let asked = on.map_or("nothing", |on| if on { "start" } else { "stop" });
                let who = if minor { "minor" } else { "adult" };
                lines.push(format!("{mode:?} {asked} {who}: {}", recorded.concat()));
            }
        }
    }
    assert_eq!(
        lines,
        [
            "Off nothing adult: ......",
            "Off nothing minor: ......",
            "Off start adult: ......",
            "Off start minor: ......",
            "Off stop adult: ......",
            "Off stop minor: ......",
            "OnRequest nothing adult: ......",
            "OnRequest nothing minor: ......",
            "OnRequest start adult: .x..xx",
            "OnRequest start minor: ......",
            "OnRequest stop adult: ......",
            "OnRequest stop minor: ......",
            "Always nothing adult: .x..xx",
            "Always nothing minor: ......",
            "Always start adult: .x..xx",
            "Always start minor: ......",
            "Always stop adult: ......",
            "Always stop minor: ......",
        ]
    );
}

#[test]
fn what_the_policy_does_not_name_is_neither_asked_for_nor_agreed_to() {
    let (qa, shared) = (Purpose::Qa, Purpose::Shared);
    for (mode, purposes, refusal) in [
        (Mode::Off, &[qa][..], RecordingRefusal::Off),
        (
            Mode::OnRequest,
            &[shared][..],
            RecordingRefusal::NotForThat(qa),
        ),
        (
            Mode::Always,
            &[shared][..],
            RecordingRefusal::NotForThat(qa),
        ),
    ] {
        let mut consents = consents(mode, purposes);
        assert_eq!(consents.handle_request(qa, true), Err(refusal));
        assert_eq!(consents.handle_answer(answer(qa, true)), Err(refusal));
        assert_eq!(consents.handle_answer(answer(qa, false)), Err(refusal));
        assert!(!consents.is_requested(qa) && !consents.allows(&EVE.into(), qa));
    }
}

#[test]
fn a_minor_stays_one_and_loses_with_evidence_what_was_agreed_to_before_it_was_known() {
    let mut consents = consents(Mode::Always, &Purpose::ALL);
    say(&mut consents, Purpose::Qa, "yes");
    assert!(consents.allows(&EVE.into(), Purpose::Qa));
    say(&mut consents, Purpose::Shared, "no");
    let lost = consents.handle_minor(&EVE.into());
    let expected = Consent {
        identity: EVE.into(),
        purpose: Purpose::Qa,
        state: ConsentState::Withdrawn,
        actor: Actor::Node,
        wording: "2026-11".to_owned(),
    };
    assert_eq!(lost, [expected]);
    assert_eq!(consents.handle_minor(&EVE.into()), [], "told once");
    assert_eq!(consents.handle_minor(&"nobody".into()), []);
    consents.handle_joined(&EVE.into(), true);
    let state = |purpose| consents.state(&EVE.into(), purpose);
    assert_eq!(state(Purpose::Qa), Some(ConsentState::Withdrawn));
    assert_eq!(state(Purpose::Shared), Some(ConsentState::Refused));
    consents.handle_joined(&EVE.into(), false);
    assert!(
        consents.is_minor(&EVE.into()),
        "a second token changes nothing"
    );
    assert_eq!(say(&mut consents, Purpose::Qa, "yes no"), ["Minor", "-"]);
    assert!(!consents.allows_anyone(Purpose::Qa));
}

#[test]
fn a_consent_outlives_a_leave_and_holds_for_one_identity() {
    let mut consents = consents(Mode::OnRequest, &[Purpose::Shared]);
    say(&mut consents, Purpose::Shared, "yes");
    assert_eq!(consents.handle_request(Purpose::Shared, true), Ok(true));
    assert_eq!(consents.handle_request(Purpose::Shared, true), Ok(false));
    consents.handle_joined(&EVE.into(), false);
    consents.handle_joined(&"carl".into(), false);
    assert!(consents.allows(&EVE.into(), Purpose::Shared));
    assert!(!consents.allows(&"carl".into(), Purpose::Shared));
    assert_eq!(consents.handle_request(Purpose::Shared, false), Ok(true));
    assert!(!consents.allows_anyone(Purpose::Shared));
}

#[test]
fn the_evidence_names_who_said_what_by_whose_hand_to_which_wording() {
    let mut consents = consents(Mode::OnRequest, &[Purpose::Shared]);
    let mut said = answer(Purpose::Shared, true);
    said.actor = Actor::App;
    let kept = consents.handle_answer(said).unwrap().unwrap();
    let expected = Consent {
        identity: EVE.into(),
        purpose: Purpose::Shared,
        state: ConsentState::Given,
        actor: Actor::App,
        wording: "2026-11".to_owned(),
    };
    assert_eq!(kept, expected);
    for wording in [String::new(), "w".repeat(MAX_WORDING_BYTES + 1)] {
        let mut said = answer(Purpose::Shared, true);
        said.wording = wording;
        let refused = consents.handle_answer(said);
        assert_eq!(refused, Err(RecordingRefusal::Wording));
    }
    let mut said = answer(Purpose::Shared, true);
    said.identity = "nobody".into();
    assert_eq!(consents.handle_answer(said), Err(RecordingRefusal::Nobody));
}

#[test]
fn a_no_counts_whatever_comes_with_it() {
    for wording in [String::new(), "ü".repeat(MAX_WORDING_BYTES)] {
        let mut consents = consents(Mode::Always, &[Purpose::Shared]);
        consents
            .handle_answer(answer(Purpose::Shared, true))
            .unwrap();
        let mut said = answer(Purpose::Shared, false);
        said.wording = wording;
        let kept = consents.handle_answer(said).unwrap().unwrap();
        assert_eq!(kept.state, ConsentState::Withdrawn);
        assert!(kept.wording.len() <= MAX_WORDING_BYTES);
    }
}

#[test]
fn yes_is_heard_so_often_and_no_always() {
    let mut consents = consents(Mode::Always, &[Purpose::Shared]);
    for _ in 0..MAX_YES {
        let news = say(&mut consents, Purpose::Shared, "yes no");
        assert_eq!(news, ["given", "withdrawn"]);
    }
    let news = say(&mut consents, Purpose::Shared, "yes no");
    assert_eq!(news, ["TooMany", "-"]);
    assert!(!consents.allows_anyone(Purpose::Shared));
}

#[test]
fn whoever_comes_after_too_many_is_not_recorded_and_those_before_still_are() {
    let mut consents = consents(Mode::Always, &[Purpose::Shared]);
    for number in 1..=MAX_PEOPLE {
        consents.handle_joined(&format!("p{number}").into(), false);
    }
    let late = Identity::from(format!("p{MAX_PEOPLE}"));
    let mut said = answer(Purpose::Shared, true);
    said.identity = late.clone();
    assert_eq!(consents.handle_answer(said), Err(RecordingRefusal::Nobody));
    assert!(!consents.allows(&late, Purpose::Shared));
    say(&mut consents, Purpose::Shared, "yes");
    assert!(consents.allows(&EVE.into(), Purpose::Shared));
}
