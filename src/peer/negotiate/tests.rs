//! The negotiation step by step: what comes, and what it says.
//!
//! `+a1` and `-v2` add and remove an audio or video track; `offer` asks for a plan and offers it:
//! `new a1@0` in a new section, `0=a2` in an idle one, `off 0` takes a track away; `answer` accepts
//! the newest offer and gives the sections that are ready.

mod life;

use super::answered::{Answered, Mark};
use super::negotiation::{ANSWER_WITHIN, Negotiation, Plan, Sending};
use crate::base::{Millis, Mono, ParticipantSid, TrackKind, TrackSid};
use crate::media::Mid;
use crate::peer::transport::Origin;
use std::collections::BTreeMap;

/// `a1` is an audio track.
fn sending(name: &str) -> Sending {
    let kind = if name.starts_with('a') {
        TrackKind::Audio
    } else {
        TrackKind::Video
    };
    Sending {
        track: TrackSid::from(name),
        publisher: ParticipantSid::from("PA_expert"),
        kind,
        stereo: name.starts_with("as"),
    }
}

/// A negotiation, and what stands for the transport: it numbers new sections.
#[derive(Default)]
struct Bench {
    negotiation: Negotiation,
    mids: Vec<Mid>,
    answers: u64,
}

impl Bench {
    fn offer(&mut self) -> String {
        let Some(plan) = self.negotiation.poll_plan() else {
            return "none".to_owned();
        };
        let first = self.mids.len();
        let added = || (first..).map(|at| Mid::from(at.to_string().as_str()));
        let added: Vec<Mid> = added().take(plan.added.len()).collect();
        self.mids.extend(&added);
        let said = said(&plan, &added);
        self.negotiation.handle_offered(plan, &added, Mono::ZERO);
        said
    }

    /// An answer that takes all sections but one.
    fn answered(&mut self, id: u32, without: Option<&str>) -> Answered {
        self.answers += 1;
        let taken = |mid: &Mid| (*mid, Some(mid.as_str()) != without);
        Answered {
            id,
            sections: self.mids.iter().map(taken).collect(),
            mark: mark(self.answers),
        }
    }

    fn hand_in(&mut self, answered: Answered) -> String {
        match self.negotiation.check_answer(&answered) {
            Err(_) => "refused".to_owned(),
            Ok(()) => {
                let ready = self.negotiation.handle_answered(answered);
                let ready = ready
                    .iter()
                    .map(|(track, mid)| format!("{track}@{}", mid.as_str()));
                ready.collect::<Vec<_>>().join(" ")
            }
        }
    }

    fn step(&mut self, step: &str) -> String {
        let mut words = step.split(' ');
        match (words.next(), words.next()) {
            (Some("offer"), None) => self.offer(),
            (Some("answer"), id) => {
                let answered = self.answered(id.map_or(0, |id| id.parse().unwrap()), None);
                self.hand_in(answered)
            }
            (Some("reject"), mid) => {
                let answered = self.answered(0, mid);
                self.hand_in(answered)
            }
            (Some(change), None) => {
                match change.split_at(1) {
                    ("+", name) => self.negotiation.add(sending(name)),
                    ("-", name) => self.negotiation.remove(&sending(name).track),
                    _ => panic!("no step: {step}"),
                }
                String::new()
            }
            _ => panic!("no step: {step}"),
        }
    }
}

fn mark(version: u64) -> Mark {
    Mark {
        origin: Some(Origin {
            session: "1".to_owned(),
            version,
        }),
        digest: version,
    }
}

fn said(plan: &Plan, added: &[Mid]) -> String {
    let retired = plan
        .retired
        .iter()
        .map(|mid| format!("off {}", mid.as_str()));
    let reused = plan.reused.iter();
    let reused = reused.map(|(mid, sending)| format!("{}={}", mid.as_str(), sending.track));
    let added = plan.added.iter().zip(added);
    let added = added.map(|(sending, mid)| format!("new {}@{}", sending.track, mid.as_str()));
    retired
        .chain(reused)
        .chain(added)
        .collect::<Vec<_>>()
        .join(", ")
}

/// Takes the steps and compares what each says.
#[track_caller]
fn check(steps: &[(&str, &str)]) {
    check_with(Bench::default(), steps);
}

#[track_caller]
fn check_with(mut bench: Bench, steps: &[(&str, &str)]) {
    for (at, (step, expected)) in steps.iter().enumerate() {
        assert_eq!(bench.step(step), *expected, "step {at}: {step}");
    }
}

#[test]
fn a_client_that_takes_no_section_again_gets_new_ones() {
    let bench = Bench {
        negotiation: Negotiation::new(false),
        ..Bench::default()
    };
    check_with(
        bench,
        &[
            ("+v1", ""),
            ("offer", "new v1@0"),
            ("answer", "v1@0"),
            ("-v1", ""),
            ("offer", "off 0"),
            ("answer", ""),
            ("+v2", ""),
            ("offer", "new v2@1"),
            ("answer", "v2@1"),
        ],
    );
}

#[test]
fn the_first_offer_comes_without_any_track_and_an_empty_one_never_after_it() {
    check(&[
        ("offer", ""),
        ("offer", "none"),
        ("answer", ""),
        ("offer", "none"),
        ("+a1", ""),
        ("-a1", ""),
        ("offer", "none"),
        ("-v9", ""),
        ("offer", "none"),
    ]);
}

#[test]
fn one_offer_is_open_at_a_time_and_what_changes_meanwhile_waits() {
    check(&[
        ("+a1", ""),
        ("offer", "new a1@0"),
        ("+v2", ""),
        ("offer", "none"),
        ("answer", "a1@0"),
        ("offer", "new v2@1"),
        ("answer", "v2@1"),
        ("offer", "none"),
    ]);
}

#[test]
fn a_track_that_goes_while_its_offer_is_open_is_taken_away_by_the_next() {
    check(&[
        ("+a1", ""),
        ("offer", "new a1@0"),
        ("-a1", ""),
        ("answer", ""),
        ("offer", "off 0"),
        ("answer", ""),
        ("offer", "none"),
        ("+a2", ""),
        ("offer", "0=a2"),
        ("answer", "a2@0"),
    ]);
}

#[test]
fn a_track_that_goes_and_comes_again_while_its_offer_is_open_is_taken_away_first() {
    check(&[
        ("+v1", ""),
        ("offer", "new v1@0"),
        ("-v1", ""),
        ("+v1", ""),
        ("answer", ""),
        ("offer", "off 0"),
        ("answer", ""),
        ("offer", "new v1@1"),
        ("answer", "v1@1"),
        ("offer", "none"),
    ]);
}

#[test]
fn a_track_that_comes_again_gets_a_section_that_it_was_not_in_before() {
    check(&[
        ("+v1", ""),
        ("offer", "new v1@0"),
        ("answer", "v1@0"),
        ("-v1", ""),
        ("offer", "off 0"),
        ("+v1", ""),
        ("offer", "none"),
        ("answer", ""),
        ("offer", "new v1@1"),
        ("answer", "v1@1"),
        ("-v1", ""),
        ("offer", "off 1"),
        ("answer", ""),
        // Another track may use either.
        ("+v2", ""),
        ("offer", "0=v2"),
        ("answer", "v2@0"),
        ("+v1", ""),
        ("offer", "new v1@2"),
        ("answer", "v1@2"),
        ("+v3", ""),
        ("offer", "1=v3"),
    ]);
}

#[test]
fn a_track_that_comes_again_before_any_offer_is_still_taken_away_first() {
    check(&[
        ("+a1", ""),
        ("offer", "new a1@0"),
        ("answer", "a1@0"),
        ("-a1", ""),
        ("+a1", ""),
        ("offer", "off 0"),
        ("answer", ""),
        ("offer", "new a1@1"),
        ("answer", "a1@1"),
    ]);
}

#[test]
fn with_48_sections_a_track_that_comes_again_gets_any_that_is_idle() {
    let mut bench = Bench::default();
    for at in 0..48 {
        bench.step("+a1");
        assert_eq!(bench.step("offer"), format!("new a1@{at}"));
        assert_eq!(bench.step("answer"), format!("a1@{at}"));
        bench.step("-a1");
        assert_eq!(bench.step("offer"), format!("off {at}"));
        bench.step("answer");
    }
    bench.step("+a1");
    assert_eq!(bench.step("offer"), "0=a1");
}

#[test]
fn a_section_gets_another_track_only_after_the_client_has_heard_that_it_is_idle() {
    check(&[
        ("+a1", ""),
        ("+v1", ""),
        ("offer", "new a1@0, new v1@1"),
        ("answer", "a1@0 v1@1"),
        ("-a1", ""),
        ("+a2", ""),
        ("offer", "off 0, new a2@2"),
        ("+a3", ""),
        ("answer", "a2@2"),
        ("offer", "0=a3"),
        ("answer", "a3@0"),
        // Audio is no video.
        ("-a3", ""),
        ("offer", "off 0"),
        ("answer", ""),
        ("+v2", ""),
        ("offer", "new v2@3"),
    ]);
}

#[test]
fn a_track_is_added_once_however_often_it_is_asked_for() {
    check(&[
        ("+a1", ""),
        ("+a1", ""),
        ("offer", "new a1@0"),
        ("+a1", ""),
        ("answer", "a1@0"),
        ("+a1", ""),
        ("offer", "none"),
        ("-a1", ""),
        ("-a1", ""),
        ("offer", "off 0"),
    ]);
}

#[test]
fn an_answer_for_another_offer_or_for_none_is_refused_and_changes_nothing() {
    check(&[
        ("answer", "refused"),
        ("+a1", ""),
        ("offer", "new a1@0"),
        ("answer 2", "refused"),
        ("answer 1", "a1@0"),
        ("answer 1", "refused"),
        ("+a2", ""),
        ("offer", "new a2@1"),
        ("answer 1", "refused"),
        ("offer", "none"),
        ("answer 0", "a2@1"),
    ]);
}

#[test]
fn an_answer_without_an_id_is_told_from_an_older_one_by_its_origin() {
    let mut bench = Bench::default();
    bench.step("offer");
    let first = bench.answered(0, None);
    bench.hand_in(first.clone());
    bench.step("+a1");
    bench.step("offer");
    let second = bench.answered(0, None);
    assert_eq!(bench.hand_in(first.clone()), "refused");
    assert_eq!(bench.hand_in(second.clone()), "a1@0");
    bench.step("-a1");
    bench.step("offer");
    assert_eq!(bench.hand_in(first), "refused");
    assert_eq!(bench.hand_in(second), "refused");
    assert_eq!(bench.step("answer"), "");
}

#[test]
fn an_answer_without_id_and_version_is_told_from_the_last_by_its_text_and_sections() {
    let same = |digest: u64| Mark {
        origin: None,
        digest,
    };
    let mut bench = Bench::default();
    bench.step("+a1");
    bench.step("offer");
    let answered = |mark, mids: &[&str]| Answered {
        id: 0,
        sections: mids.iter().map(|mid| (Mid::from(*mid), true)).collect(),
        mark,
    };
    assert_eq!(bench.hand_in(answered(same(1), &[])), "refused");
    assert_eq!(bench.hand_in(answered(same(1), &["0"])), "a1@0");
    bench.step("-a1");
    bench.step("offer");
    assert_eq!(bench.hand_in(answered(same(1), &["0"])), "refused");
    assert_eq!(bench.hand_in(answered(same(2), &["0"])), "");
}

#[test]
fn a_section_that_the_client_rejects_is_never_used_again() {
    check(&[
        ("+v1", ""),
        ("+a1", ""),
        ("offer", "new v1@0, new a1@1"),
        ("reject 0", "a1@1"),
        ("offer", "none"),
        ("-v1", ""),
        ("offer", "none"),
        ("+v2", ""),
        ("offer", "new v2@2"),
        ("answer", "v2@2"),
    ]);
}

#[test]
fn an_offer_is_overdue_after_15_seconds_and_only_then() {
    let mut bench = Bench::default();
    let negotiation = &mut bench.negotiation;
    assert!(!negotiation.is_overdue(Mono::MAX));
    let plan = negotiation.poll_plan().unwrap();
    negotiation.handle_offered(plan, &[], Mono::from_millis(7));
    let end = Mono::from_millis(7) + ANSWER_WITHIN;
    assert_eq!(negotiation.poll_timeout(), Some(end));
    assert!(!negotiation.is_overdue(Mono::from_millis(15_006)));
    assert!(negotiation.is_overdue(end + Millis(0)));
    bench.step("answer");
    assert!(!bench.negotiation.is_overdue(Mono::MAX));
    assert_eq!(bench.negotiation.poll_timeout(), None);
}

#[test]
fn what_the_client_knows_already_needs_no_offer() {
    let mut bench = Bench::default();
    for step in ["+a1", "offer", "answer", "-a1"] {
        bench.step(step);
    }
    let plan = bench.negotiation.poll_plan().unwrap();
    bench.negotiation.handle_needless(&plan);
    assert_eq!(bench.step("offer"), "none");
    bench.step("+a2");
    assert_eq!(bench.step("offer"), "0=a2");
}

#[test]
fn an_offer_names_the_tracks_of_its_sections_by_msid_and_map() {
    let mut bench = Bench::default();
    for step in ["+a1", "+v2", "offer", "answer", "-a1", "offer"] {
        bench.step(step);
    }
    let (audio, video) = (Mid::from("0"), Mid::from("1"));
    assert_eq!(bench.negotiation.msid(audio), None);
    assert_eq!(
        bench.negotiation.msid(video).as_deref(),
        Some("PA_expert|v2 v2")
    );
    let tracks = BTreeMap::from([(video, TrackSid::from("v2"))]);
    assert_eq!(bench.negotiation.tracks(), tracks);
}
