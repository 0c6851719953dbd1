//! Recordings without a room: what comes out at which input, and in which order.

mod gates;
mod life;

use super::fixture::{answer, person, sound};
use super::messages::STATE;
use super::{Output, Person, Recordings};
use crate::base::{Actor, Identity, Mono, Now, Purpose, Role, SessionId, TrackSid, Unix};
use crate::media::Mid;
use crate::record;
use crate::room::MemberKey;
use crate::session::{Mode, Recording, RecordingRefusal};
use Purpose::{Qa, Shared};

fn at(ms: u64) -> Now {
    Now {
        mono: Mono::from_millis(ms),
        unix: Unix(1_800_000_000_000 + ms),
    }
}

/// Both purposes, nobody here yet.
fn recordings(mode: Mode) -> Recordings {
    let rules = Recording {
        mode,
        purposes: Purpose::ALL.to_vec(),
        ..Recording::default()
    };
    Recordings::new(&rules, SessionId::from("SE_1"), Mono::ZERO)
}

/// An expert and a customer who publish their microphones, and what was said of that is said.
fn pair(mode: Mode) -> Recordings {
    let mut recordings = recordings(mode);
    for who in ["ex", "cu"] {
        recordings.handle_joined(&Identity::from(who), false, at(0));
    }
    recordings.review(people(), at(0));
    said(&mut recordings);
    recordings
}

fn people() -> Vec<Person> {
    let (mut expert, mut customer) = (person(0, "ex"), person(1, "cu"));
    expert.role = Some(Role::Expert);
    customer.role = Some(Role::Customer);
    vec![expert, customer]
}

/// All that comes out, in a word each.
fn said(recordings: &mut Recordings) -> Vec<String> {
    let outputs = std::iter::from_fn(|| recordings.poll_output());
    outputs.map(|output| word(&output)).collect()
}

fn word(output: &Output) -> String {
    match output {
        Output::Consent(consent) => {
            let (who, state) = (consent.identity.as_str(), consent.state.as_str());
            format!("consent {who} {} {state}", consent.purpose)
        }
        Output::Note(note) => {
            let (purpose, step) = (note.id.purpose(), note.step.as_str());
            format!("note {purpose} {step} {}", note.actor.as_str())
        }
        Output::Recorded(record::Output::Open { .. }) => "open".to_owned(),
        Output::Recorded(record::Output::Append { .. }) => "append".to_owned(),
        Output::Recorded(record::Output::Close { .. }) => "close".to_owned(),
        Output::Recorded(record::Output::KeyframeWanted { .. }) => "misplaced".to_owned(),
        Output::Attribute(member, value) => {
            format!("attribute {} {}", member.0, value.as_deref().unwrap_or("-"))
        }
        Output::RoomFlag(active) => format!("flag {active}"),
        Output::TellAll(topic, _) => format!("all {topic}"),
        Output::TellOne(member, topic, json) => {
            format!("one {} {topic} {json}", member.0)
        }
        Output::Unsubscribe(track) => format!("unsubscribe {}", track.0),
        Output::Subscribe(track, mid) => format!("subscribe {} {}", track.0, mid.as_str()),
        Output::KeyframeWanted(mid) => format!("keyframe {}", mid.as_str()),
    }
}

fn consent(recordings: &mut Recordings, who: &str, purpose: Purpose, given: bool) -> Vec<String> {
    let answer = answer(who, purpose, given);
    recordings.handle_consent(answer, at(100)).unwrap();
    said(recordings)
}

fn request(recordings: &mut Recordings, purpose: Purpose, on: bool) -> Vec<String> {
    let done = recordings.handle_request(purpose, on, Actor::App, at(100));
    done.unwrap();
    said(recordings)
}

#[test]
fn evidence_comes_before_the_announcement_and_the_announcement_before_the_first_byte() {
    let mut recordings = pair(Mode::Always);
    let given = consent(&mut recordings, "cu", Shared, true);
    let expected = [
        "consent cu shared given",
        "note shared started node",
        "attribute 1 shared",
        "flag true",
        "all beistand.recording",
        "subscribe 1 r1",
    ];
    assert_eq!(given, expected);
    recordings.handle_packet(MemberKey(1), &sound("m1"), at(120));
    recordings.handle_timeout(at(1_120));
    assert_eq!(said(&mut recordings), ["open", "append"]);
}

#[test]
fn a_withdrawal_closes_before_anything_is_said_and_drops_what_waits() {
    let mut recordings = pair(Mode::Always);
    consent(&mut recordings, "cu", Shared, true);
    recordings.handle_packet(MemberKey(1), &sound("m1"), at(120));
    let opened = said(&mut recordings);
    let withdrawn = consent(&mut recordings, "cu", Shared, false);
    let closed: &[&str] = if opened.is_empty() { &[] } else { &["close"] };
    let then = [
        "consent cu shared withdrawn",
        "note shared stopped node",
        "attribute 1 -",
        "flag false",
        "all beistand.recording",
        "unsubscribe 1",
    ];
    assert_eq!(withdrawn, [closed, &then].concat());
    recordings.handle_packet(MemberKey(1), &sound("m1"), at(140));
    recordings.handle_timeout(at(2_000));
    assert_eq!(said(&mut recordings), [""; 0]);
}

#[test]
fn a_stop_keeps_what_came_until_then() {
    let mut recordings = pair(Mode::OnRequest);
    assert_eq!(
        consent(&mut recordings, "cu", Shared, true),
        ["consent cu shared given", "all beistand.recording"]
    );
    request(&mut recordings, Shared, true);
    recordings.handle_packet(MemberKey(1), &sound("m1"), at(120));
    let mut written = said(&mut recordings);
    written.extend(request(&mut recordings, Shared, false));
    let expected = [
        "open",
        "append",
        "close",
        "note shared stopped app",
        "attribute 1 -",
        "flag false",
        "all beistand.recording",
        "unsubscribe 1",
    ];
    assert_eq!(written, expected);
}

#[test]
fn a_track_that_two_purposes_record_is_subscribed_to_once_and_until_neither_does() {
    let mut recordings = pair(Mode::Always);
    let subscriptions = |words: Vec<String>| {
        let about = words.into_iter().filter(|word| word.contains("subscribe"));
        about.collect::<Vec<_>>()
    };
    let mut seen = Vec::new();
    for (purpose, given) in [(Qa, true), (Shared, true), (Qa, false), (Shared, false)] {
        let words = consent(&mut recordings, "ex", purpose, given);
        seen.push(subscriptions(words).join(","));
    }
    assert_eq!(seen, ["subscribe 0 r0", "", "", "unsubscribe 0"]);
}

#[test]
fn a_picture_is_asked_for_a_keyframe_once_the_room_forwards_it() {
    let mut recordings = pair(Mode::Always);
    let mut people = people();
    people[1].sources[0].source = crate::base::TrackSource::Camera;
    recordings.review(people, at(1));
    said(&mut recordings);
    let given = consent(&mut recordings, "cu", Shared, true);
    assert_eq!(
        given[4..],
        ["all beistand.recording", "subscribe 1 r1", "keyframe r1"]
    );
}

#[test]
fn a_key_that_is_used_again_is_another_track() {
    let mut recordings = pair(Mode::Always);
    consent(&mut recordings, "cu", Shared, true);
    let mut people = people();
    people[1].sources[0].sid = TrackSid::from("TR_other");
    people[1].sources[0].mid = Mid::from("m9");
    recordings.review(people, at(200));
    assert_eq!(said(&mut recordings), ["unsubscribe 1", "subscribe 1 r1"]);
    let taken = |recordings: &Recordings| {
        let stats = recordings.stats();
        stats.offered - stats.refused
    };
    for (mid, expected) in [("m1", 0), ("m9", 1)] {
        recordings.handle_packet(MemberKey(1), &sound(mid), at(220));
        assert_eq!(taken(&recordings), expected, "{mid}");
    }
}

#[test]
fn what_cannot_be_written_ends_and_starts_again_at_a_word() {
    let mut recordings = pair(Mode::Always);
    recordings.handle_failed(Shared, "it never began", at(50));
    assert_eq!(said(&mut recordings), [""; 0]);
    consent(&mut recordings, "cu", Shared, true);
    recordings.handle_packet(MemberKey(1), &sound("m1"), at(120));
    recordings.handle_timeout(at(1_120));
    said(&mut recordings);
    recordings.handle_failed(Shared, "the disk is full", at(1_200));
    let expected = [
        "close",
        "note shared failed node",
        "attribute 1 -",
        "flag false",
        "all beistand.recording",
        "unsubscribe 1",
    ];
    assert_eq!(said(&mut recordings), expected);
    recordings.handle_failed(Shared, "the disk is full", at(1_300));
    let again = consent(&mut recordings, "ex", Shared, true);
    assert_eq!(again, ["consent ex shared given", "all beistand.recording"]);
    let views = recordings.views();
    let failed = views.iter().find(|view| view.id.purpose() == Shared);
    let reason = failed.and_then(|view| view.failed.as_deref());
    assert_eq!(reason, Some("the disk is full"), "said once, and kept");
    let words = request(&mut recordings, Shared, true);
    assert_eq!(words[0], "note shared started app");
    assert_eq!(
        words[words.len() - 2..],
        ["subscribe 0 r0", "subscribe 1 r1"]
    );
}

#[test]
fn a_minor_loses_what_they_said_and_a_rejoin_as_one_does_as_well() {
    for rejoins in [false, true] {
        let mut recordings = pair(Mode::Always);
        consent(&mut recordings, "cu", Shared, true);
        if rejoins {
            recordings.handle_joined(&Identity::from("cu"), true, at(200));
        } else {
            recordings.handle_minor(&Identity::from("cu"), at(200));
        }
        let words = said(&mut recordings);
        assert_eq!(words[0], "consent cu shared withdrawn");
        assert_eq!(words.last().unwrap(), "unsubscribe 1");
        let refused = recordings.handle_consent(answer("cu", Shared, true), at(300));
        assert_eq!(refused, Err(RecordingRefusal::Minor));
    }
}

#[test]
fn clients_say_it_in_messages_and_are_told_why_one_is_refused() {
    let yes = r#"{"purpose":"shared","given":true,"wording":"v1"}"#;
    let bare = r#"{"purpose":"shared","given":true}"#;
    let start = r#"{"action":"start","purpose":"shared"}"#;
    for (from, topic, payload, first) in [
        (1, "beistand.consent", yes, "consent cu shared given"),
        (0, STATE, start, "all beistand.recording"),
        (1, "beistand.consent", bare, "one 1 beistand.refused"),
        (1, "beistand.consent", "{", "one 1 beistand.refused"),
        (0, STATE, "[]", "one 0 beistand.refused"),
        (1, STATE, start, "one 1 beistand.refused"),
        (7, "beistand.consent", yes, ""),
        (1, "beistand.else", yes, ""),
    ] {
        let mut recordings = pair(Mode::OnRequest);
        let from = MemberKey(from);
        recordings.handle_message(from, topic, payload.as_bytes(), at(100));
        let words = said(&mut recordings);
        let said = words.first().map_or("", String::as_str);
        let fits = said.starts_with(first) && said.is_empty() == first.is_empty();
        assert!(fits, "{topic} {payload}: {words:?}");
    }
}

#[test]
fn experts_ask_for_64_starts_and_may_still_stop() {
    let mut recordings = pair(Mode::OnRequest);
    let mut ask = |on, actor| recordings.handle_request(Shared, on, actor, at(100));
    for _ in 0..64 {
        assert_eq!(ask(true, Actor::Participant), Ok(()));
        assert_eq!(ask(false, Actor::Participant), Ok(()));
    }
    let refused = Err(RecordingRefusal::TooMany);
    assert_eq!(ask(true, Actor::Participant), refused);
    assert_eq!(ask(true, Actor::App), Ok(()), "the app is not counted");
    assert_eq!(ask(false, Actor::Participant), Ok(()));
}

#[test]
fn the_state_is_told_to_whoever_comes_and_every_5_s() {
    let mut recordings = pair(Mode::Always);
    let mut told = Vec::new();
    for ms in (0..=12_000).step_by(50) {
        if recordings.poll_timeout() <= Some(at(ms).mono) {
            recordings.handle_timeout(at(ms));
        }
        let words = said(&mut recordings);
        told.extend(words.into_iter().map(|word| (ms, word)));
    }
    let all = "all beistand.recording".to_owned();
    assert_eq!(told, [(5_000, all.clone()), (10_000, all)]);
    recordings.handle_channel_open(MemberKey(1));
    let state = r#"{"mode":"always","participants":[{"consent":{"qa":null,"shared":null},"encrypted":false,"identity":"ex","minor":false,"recorded":[]},{"consent":{"qa":null,"shared":null},"encrypted":false,"identity":"cu","minor":false,"recorded":[]}],"purposes":[{"active":false,"failed":null,"purpose":"qa","requested":true,"retention_h":72},{"active":false,"failed":null,"purpose":"shared","requested":true,"retention_h":null}]}"#;
    let expected = format!("one 1 beistand.recording {state}");
    assert_eq!(said(&mut recordings), [expected]);
    let mut none = pair(Mode::Off);
    none.handle_channel_open(MemberKey(1));
    none.handle_timeout(at(20_000));
    assert_eq!(
        said(&mut none),
        [""; 0],
        "nothing is recorded, nothing told"
    );
}

#[test]
fn each_join_is_told_of_once_and_as_it_is() {
    let mut recordings = pair(Mode::Always);
    consent(&mut recordings, "cu", Shared, true);
    recordings.review(people(), at(200));
    assert_eq!(said(&mut recordings), [""; 0], "nothing has changed");
    let mut again = people();
    again[1].sid = "PA_again".into();
    recordings.review(again, at(300));
    assert_eq!(said(&mut recordings), ["attribute 1 shared"]);
}

#[test]
fn whoever_is_hidden_or_encrypted_is_neither_recorded_nor_said_to_be() {
    for hide in [
        (|person| person.hidden = true) as fn(&mut Person),
        |person| person.sources[0].encrypted = true,
    ] {
        let mut recordings = pair(Mode::Always);
        let mut people = people();
        hide(&mut people[1]);
        recordings.review(people, at(50));
        said(&mut recordings);
        let words = consent(&mut recordings, "cu", Shared, true);
        assert_eq!(words[0], "consent cu shared given");
        let shown = |word: &String| word.contains("attribute") || word.contains("subscribe");
        assert!(!words.iter().any(shown), "{words:?}");
    }
}

#[test]
fn the_end_writes_what_came_and_nothing_after_it() {
    let mut recordings = pair(Mode::Always);
    consent(&mut recordings, "cu", Shared, true);
    recordings.handle_packet(MemberKey(1), &sound("m1"), at(120));
    let mut words = said(&mut recordings);
    recordings.handle_end(at(200));
    words.extend(said(&mut recordings));
    assert_eq!(words, ["open", "append", "close"]);
    let counted = recordings.stats();
    assert_eq!(counted.frames, 1);
    recordings.handle_packet(MemberKey(1), &sound("m1"), at(220));
    recordings.handle_end(at(240));
    recordings.review(people(), at(260));
    assert_eq!(said(&mut recordings), [""; 0]);
    assert_eq!(
        recordings.stats(),
        counted,
        "what was counted stays counted"
    );
}

#[test]
fn a_room_that_is_gone_leaves_only_ends_of_segments() {
    let mut recordings = pair(Mode::Always);
    consent(&mut recordings, "cu", Shared, true);
    recordings.handle_packet(MemberKey(1), &sound("m1"), at(120));
    recordings.handle_timeout(at(1_120));
    said(&mut recordings);
    recordings.handle_channel_open(MemberKey(1));
    let closed = recordings.abandon();
    assert!(matches!(closed.as_slice(), [record::Output::Close { .. }]));
    assert_eq!(recordings.poll_output(), None);
}
