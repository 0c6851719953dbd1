//! The floor: breaches, the pause of exactly that length, and the end.

use super::*;
use crate::base::Warning;
use Direction::{Down, Up};
use FloorState::{Breached, Met, Short, Unproven};

#[test]
fn the_pause_is_the_breach_to_the_millisecond() {
    for direction in Direction::BOTH {
        let mut play = met("{}");
        play.until(10_007).floor("carl", direction, Breached);
        play.until(25_013).floor("carl", direction, Met);
        play.until(30_000).check(&[
            "1000 live",
            "10007 warning_floor",
            "10007 paused below_floor",
            "25013 floor_restored",
            "25013 live",
        ]);
    }
}

#[test]
fn short_and_unproven_pause_nothing_and_a_breach_is_over_when_its_direction_is_restored() {
    let mut play = met("{}");
    play.until(5_000).floor("carl", Down, Short).until(6_000);
    play.floor("eve", Up, Unproven)
        .until(7_000)
        .check(&["1000 live"]);
    play.floor("carl", Down, Breached).until(8_000);
    play.floor("carl", Up, Breached).until(9_000);
    play.floor("carl", Down, Met).until(10_000);
    play.floor("carl", Up, Unproven).until(11_000);
    play.check(&[
        "1000 live",
        "7000 warning_floor",
        "7000 paused below_floor",
        "8000 warning_floor",
        "9000 floor_restored",
        "10000 floor_restored",
        "10000 live",
    ]);
}

#[test]
fn reports_that_say_nothing_new_say_nothing() {
    let mut play = met("{}");
    for at in 5..15 {
        play.until(at * 1_000).floor("carl", Down, Breached);
    }
    play.until(16_000)
        .check(&["1000 live", "5000 warning_floor", "5000 paused below_floor"]);
    assert_eq!(play.session.stats().ignored, 0);
}

#[test]
fn what_a_breach_does_is_the_policys() {
    for (actions, expected) in [
        (r#"[]"#, vec!["1000 live"]),
        (r#"["shed"]"#, vec!["1000 live"]),
        (r#"["notify"]"#, vec!["1000 live", "5000 warning_floor"]),
        (
            r#"["pause_billing"]"#,
            vec!["1000 live", "5000 paused below_floor"],
        ),
        (
            r#"["end"]"#,
            vec!["1000 live", "15000 ended floor_breached"],
        ),
        (
            r#"["end","pause_billing"]"#,
            vec![
                "1000 live",
                "5000 paused below_floor",
                "15000 ended floor_breached",
            ],
        ),
    ] {
        let json = format!(r#"{{"floor":{{"on_breach":{actions},"end_after_ms":10000}}}}"#);
        let mut play = met(&json);
        play.until(5_000)
            .floor("carl", Down, Breached)
            .until(40_000);
        play.check(&expected);
    }
}

#[test]
fn the_end_is_of_one_uninterrupted_breach() {
    let json = r#"{"floor":{"on_breach":["end"],"end_after_ms":10000}}"#;
    let mut play = met(json);
    play.until(5_000)
        .floor("carl", Down, Breached)
        .until(14_999);
    play.floor("carl", Down, Met).until(15_000);
    play.floor("eve", Up, Breached).until(24_000);
    // Of two overlapping ones each alone is enough.
    play.floor("carl", Down, Breached).until(24_500);
    play.floor("eve", Up, Met).until(40_000);
    play.check(&["1000 live", "25000 ended floor_breached"]);

    let mut away = met(json);
    away.until(5_000)
        .floor("carl", Down, Breached)
        .until(10_000);
    away.leave("eve")
        .until(12_000)
        .talk("eve", EXPERT)
        .until(40_000);
    away.check(&[
        "1000 live",
        "10000 paused expert_away",
        "12000 live",
        "22000 ended floor_breached",
    ]);
}

#[test]
fn a_pair_without_a_breach_keeps_the_clock_running() {
    let mut play = met("{}");
    play.talk("cora", CUSTOMER).until(5_000);
    play.floor("carl", Down, Breached).until(10_000);
    play.leave("cora").until(15_000);
    play.talk("cleo", CUSTOMER).until(20_000);
    play.floor("eve", Up, Breached).until(25_000);
    play.said.retain(|line| !line.contains("warning"));
    play.check(&[
        "1000 live",
        "10000 paused below_floor",
        "15000 live",
        "20000 paused below_floor",
    ]);
}

#[test]
fn guests_and_observers_may_be_breached_as_they_like() {
    let mut play = met("{}");
    play.talk("gus", GUEST).talk("otto", OBSERVER).until(5_000);
    play.floor("gus", Down, Breached)
        .floor("otto", Down, Breached);
    play.until(6_000);
    play.check(&["1000 live", "5000 warning_floor", "5000 warning_floor"]);
}

#[test]
fn without_roles_two_have_to_be_without_a_breach() {
    let mut play = Play::new("{}");
    play.talk("ada", NO_ROLE)
        .talk("bob", NO_ROLE)
        .talk("cem", NO_ROLE);
    play.until(5_000).floor("ada", Up, Breached).until(6_000);
    play.floor("bob", Up, Breached).until(7_000);
    play.floor("ada", Up, Met).until(8_000);
    play.said
        .retain(|line| !line.contains("warning") && !line.contains("restored"));
    play.check(&["0 live", "6000 paused below_floor", "7000 live"]);
}

#[test]
fn with_the_basis_connected_everyone_has_to_be_breached() {
    let mut play = Play::new(r#"{"billing":{"basis":"connected"}}"#);
    play.talk("eve", EXPERT)
        .talk("gus", GUEST)
        .talk("otto", OBSERVER);
    play.until(5_000).floor("eve", Up, Breached).until(6_000);
    play.floor("gus", Down, Breached).until(7_000);
    play.floor("eve", Up, Met).until(8_000);
    play.said
        .retain(|line| !line.contains("warning") && !line.contains("restored"));
    play.check(&["0 live", "6000 paused below_floor", "7000 live"]);
}

#[test]
fn who_left_or_vanished_is_breached_no_longer_until_it_is_reported_anew() {
    let mut play = met("{}");
    play.until(5_000)
        .floor("carl", Down, Breached)
        .until(10_000);
    play.lose("carl").until(17_000);
    // A report of one who is not here counts for nothing.
    play.floor("carl", Down, Breached).until(18_000);
    play.send("carl", 20, true).until(19_000);
    play.floor("carl", Down, Breached).until(20_000);
    play.leave("carl")
        .until(21_000)
        .talk("carl", CUSTOMER)
        .until(22_000);
    play.said.retain(|line| !line.contains("warning"));
    play.check(&[
        "1000 live",
        "5000 paused below_floor",
        "10000 paused reconnecting",
        "18000 live",
        "19000 paused below_floor",
        "20000 paused customer_away",
        "21000 live",
    ]);
}

#[test]
fn a_breach_before_it_is_live_pauses_it_at_once() {
    let mut play = Play::new("{}");
    play.talk("eve", EXPERT).until(1_000);
    play.floor("eve", Up, Breached).until(2_000);
    play.talk("carl", CUSTOMER).until(3_000);
    play.check(&["1000 warning_floor", "2000 live", "2000 paused below_floor"]);
}

#[test]
fn a_breach_holds_at_its_own_moment_although_the_other_side_is_heard_rarely() {
    let mut play = Play::new("{}");
    play.talk("eve", EXPERT)
        .listen_only("carl", CUSTOMER)
        .until(6_100);
    play.floor("eve", Up, Breached).until(7_000);
    play.floor("eve", Up, Met).until(7_400).check(&["0 live"]);
    play.until(9_000).check(&[
        "0 live",
        "6100 warning_floor",
        "6100 paused below_floor",
        "7000 floor_restored",
        "7000 live",
    ]);
}

/// Ede is heard rarely and is the only expert without a breach: whether the clock runs is known as
/// far as she is heard, not as far as Eve is.
#[test]
fn the_watermark_waits_for_the_one_on_whom_the_pair_rests() {
    let mut play = met("{}");
    play.listen_only("ede", EXPERT).until(11_000);
    play.floor("eve", Up, Breached).until(13_000);
    play.lose("ede").until(15_900);
    assert!(play.session.settled() <= Mono::from_millis(11_100));
    play.until(20_000);
    play.said.retain(|line| !line.contains("warning"));
    // Her last packet came at 11 s.
    play.check(&["1000 live", "11000 paused below_floor"]);
}

#[test]
fn a_warning_of_others_is_passed_on_in_its_place() {
    let mut play = met("{}");
    play.until(3_000);
    let warning = Warning::preflight(&"carl".into(), true, "0.6 Mbit/s down".to_owned());
    play.session.handle_warning(warning, play.clock());
    play.until(4_000)
        .check(&["1000 live", "3000 warning_preflight"]);
}
