//! "Still there?"

use super::*;
use crate::base::{OpenPrompt, Terms};

const EVERY_MINUTE: &str = r#"{"presence":{"after_min":1,"grace_min":1,"repeat_min":1}}"#;

fn each(repeat: u64) -> String {
    format!(r#"{{"presence":{{"after_min":1,"grace_min":1,"repeat_min":{repeat},"who":"each"}}}}"#)
}

#[test]
fn it_is_asked_after_live_time_alone_and_not_while_the_clock_stands() {
    let mut play = met(EVERY_MINUTE);
    play.until(31_000).leave("carl").until(41_000);
    play.talk("carl", CUSTOMER).until(72_000);
    play.check(&[
        "1000 live",
        "31000 paused customer_away",
        "41000 live",
        "71000 warning_presence 60",
    ]);
    let prompt = play.session.prompt().unwrap();
    assert_eq!((prompt.who, prompt.left.0 / 100), (Who::Any, 590));
    assert!(!prompt.overdue && prompt.confirmed.is_empty());
}

#[test]
fn unanswered_it_pauses_after_the_grace_and_ends_after_as_long_again() {
    let mut play = met(EVERY_MINUTE);
    play.until(200_000).check(&[
        "1000 live",
        "61000 warning_presence 60",
        "121000 paused presence_unconfirmed",
        "181000 ended presence_timeout",
    ]);
    assert_eq!(play.session.prompt(), None);
}

#[test]
fn an_answer_closes_it_and_it_is_asked_again_after_so_much_live_time() {
    let mut play = met(EVERY_MINUTE);
    play.until(80_000);
    assert!(play.confirm("carl"));
    play.until(80_500);
    assert!(!play.confirm("eve"), "nobody asks any more");
    play.until(141_000).check(&[
        "1000 live",
        "61000 warning_presence 60",
        "80000 carl is there",
        "140000 warning_presence 60",
    ]);
}

#[test]
fn an_answer_in_the_pause_resumes() {
    let mut play = met(EVERY_MINUTE);
    play.until(150_000);
    assert!(play.session.prompt().is_some_and(|prompt| prompt.overdue));
    assert!(play.confirm("eve"));
    play.until(151_000);
    play.said.drain(..2);
    play.check(&[
        "121000 paused presence_unconfirmed",
        "150000 eve is there",
        "150000 live",
    ]);
}

#[test]
fn without_a_repeat_it_is_asked_once_and_with_zero_never() {
    let mut once = met(r#"{"presence":{"after_min":1,"grace_min":1,"repeat_min":0}}"#);
    once.until(62_000);
    assert!(once.confirm("eve"));
    once.until(600_000).check(&[
        "1000 live",
        "61000 warning_presence 60",
        "62000 eve is there",
    ]);
    let mut never = met(r#"{"presence":{"after_min":0,"grace_min":1,"repeat_min":1}}"#);
    never.until(600_000).check(&["1000 live"]);
}

#[test]
fn each_side_has_to_answer_where_the_policy_says_so_and_nobody_twice() {
    let mut play = met(&each(0));
    play.until(61_500);
    assert!(play.confirm("eve"));
    assert!(!play.confirm("eve"), "theirs waits already");
    play.until(62_000);
    assert!(!play.confirm("eve"), "theirs is in");
    assert_eq!(play.session.prompt().unwrap().confirmed, ["eve".into()]);
    play.until(70_000);
    assert!(play.confirm("carl"));
    play.until(200_000).check(&[
        "1000 live",
        "61000 warning_presence 60",
        "61500 eve is there",
        "70000 carl is there",
    ]);
}

#[test]
fn one_side_alone_does_not_close_it_and_the_app_answers_for_all() {
    let mut play = met(&each(0));
    play.until(62_000);
    assert!(play.confirm("eve"));
    play.until(130_000).check(&[
        "1000 live",
        "61000 warning_presence 60",
        "62000 eve is there",
        "121000 paused presence_unconfirmed",
    ]);
    assert!(play.session.handle_confirm(None, play.clock()));
    play.fed = true;
    play.hush().until(131_000);
    play.check(&["130000 the app confirms", "130000 live"]);
}

#[test]
fn guests_observers_and_strangers_cannot_answer() {
    let mut play = met(EVERY_MINUTE);
    play.talk("gus", GUEST)
        .listen_only("otto", OBSERVER)
        .until(62_000);
    for who in ["gus", "otto", "nobody"] {
        play.confirm(who);
    }
    play.until(70_000)
        .check(&["1000 live", "61000 warning_presence 60"]);
    assert!(play.session.prompt().is_some());
}

#[test]
fn without_roles_anyone_who_counts_may_answer_and_each_means_two() {
    let mut play = Play::new(&each(0));
    play.talk("ada", NO_ROLE).talk("bob", NO_ROLE).until(61_000);
    play.confirm("ada");
    play.until(62_000);
    assert!(play.session.prompt().is_some());
    play.confirm("bob");
    play.until(63_000);
    assert_eq!(play.session.prompt(), None);
}

#[test]
fn with_the_basis_connected_one_answer_of_anyone_but_observers_is_enough() {
    let json = r#"{"billing":{"basis":"connected"},
        "presence":{"after_min":1,"grace_min":1,"repeat_min":0,"who":"each"}}"#;
    let mut play = Play::new(json);
    play.talk("gus", GUEST).talk("otto", OBSERVER).until(61_000);
    play.confirm("otto");
    play.until(62_000);
    assert!(play.session.prompt().is_some());
    play.confirm("gus");
    play.until(63_000);
    assert_eq!(play.session.prompt(), None);
}

#[test]
fn an_answer_before_anyone_asked_is_none() {
    let mut play = met(EVERY_MINUTE);
    play.until(30_000);
    assert!(!play.confirm("eve"));
    assert!(!play.session.handle_confirm(None, play.clock()));
    play.until(62_000)
        .check(&["1000 live", "61000 warning_presence 60"]);
}

#[test]
fn the_time_to_answer_stands_while_another_reason_holds_and_never_starts_anew() {
    let mut play = met(EVERY_MINUTE);
    // Asked at 61 s; 20 s of it run, then Carl is away for 40 s, then the app pauses for 10 s.
    play.until(81_000).leave("carl").until(121_000);
    play.talk("carl", CUSTOMER).until(131_000);
    play.pause();
    play.until(141_000);
    assert_eq!(play.session.prompt().unwrap().left, Millis(30_000));
    play.resume();
    play.until(240_000).check(&[
        "1000 live",
        "61000 warning_presence 60",
        "81000 paused customer_away",
        "121000 live",
        "131000 paused by_request",
        "141000 live",
        "171000 paused presence_unconfirmed",
        "231000 ended presence_timeout",
    ]);
}

#[test]
fn with_everyone_gone_the_pause_is_still_unconfirmed_and_the_session_ends_as_it_would() {
    let mut play = met(EVERY_MINUTE);
    play.until(125_000)
        .leave("carl")
        .leave("eve")
        .until(150_000);
    play.said.drain(..2);
    play.check(&["121000 paused presence_unconfirmed", "145000 ended left"]);
}

#[test]
fn a_rare_listener_answers_in_time_although_it_is_known_later() {
    let mut play = met(EVERY_MINUTE);
    play.send("carl", 2_500, false).until(119_900);
    assert!(play.confirm("carl"));
    play.until(125_000).check(&[
        "1000 live",
        "61000 warning_presence 60",
        "119900 carl is there",
    ]);
}

fn lost(due: u64, overdue: bool) -> Inherited {
    Inherited {
        used: Millis(90_000),
        lasted: Millis(90_000),
        terms: Some(Terms {
            max_min: 480,
            prompt: Some(OpenPrompt {
                due_ms: Millis(due),
                overdue,
                confirmed: [("eve".into(), Some(Role::Expert))].into(),
            }),
            ..Terms::default()
        }),
        ..Inherited::default()
    }
}

#[test]
fn after_a_crash_an_open_prompt_goes_on_with_what_was_left() {
    let mut play = Play::continuing(&each(0), &lost(30_000, false));
    play.talk("eve", EXPERT).until(5_000);
    assert_eq!(play.session.prompt().unwrap().left, Millis(30_000));
    play.talk("carl", CUSTOMER).until(100_000);
    play.check(&[
        "5000 live",
        "35000 paused presence_unconfirmed",
        "95000 ended presence_timeout",
    ]);
}

#[test]
fn after_a_crash_the_answers_of_before_still_count() {
    let mut play = Play::continuing(&each(1), &lost(30_000, false));
    play.talk("carl", CUSTOMER).until(1_000);
    assert!(play.confirm("carl"));
    play.until(2_000).talk("eve", EXPERT).until(63_000);
    play.check(&[
        "1000 carl is there",
        "2000 live",
        "62000 warning_presence 60",
    ]);
}

#[test]
fn a_crash_in_the_unconfirmed_pause_comes_back_to_it() {
    let mut play = Play::continuing(&each(0), &lost(10_000, true));
    play.talk("eve", EXPERT)
        .talk("carl", CUSTOMER)
        .until(60_000);
    play.check(&[
        "0 live",
        "0 paused presence_unconfirmed",
        "10000 ended presence_timeout",
    ]);
}

#[test]
fn after_a_crash_the_next_prompt_comes_where_it_would_have_come() {
    let inherited = Inherited {
        used: Millis(40_000),
        lasted: Millis(50_000),
        terms: Some(Terms {
            max_min: 480,
            ask_at_ms: Some(Millis(60_000)),
            ..Terms::default()
        }),
        ..Inherited::default()
    };
    let mut play = Play::continuing(EVERY_MINUTE, &inherited);
    play.talk("eve", EXPERT)
        .talk("carl", CUSTOMER)
        .until(30_000);
    play.check(&["0 live", "20000 warning_presence 60"]);
}

#[test]
fn a_pause_by_request_outlives_a_crash_and_can_be_taken_back_before_it_is_live() {
    let inherited = |paused| Inherited {
        terms: Some(Terms {
            max_min: 480,
            paused,
            ..Terms::default()
        }),
        ..Inherited::default()
    };
    let mut play = Play::continuing("{}", &inherited(true));
    play.talk("eve", EXPERT).talk("carl", CUSTOMER).until(5_000);
    play.check(&["0 live", "0 paused by_request"]);
    let mut other = Play::continuing("{}", &inherited(true));
    other.talk("eve", EXPERT).until(1_000);
    assert!(other.resume());
    other.until(2_000).talk("carl", CUSTOMER).until(3_000);
    other.check(&["2000 live"]);
}
