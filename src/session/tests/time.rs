//! Prepaid time, the maximum duration, their warnings, and the window.

use super::*;
use crate::base::Terms;

#[test]
fn the_quota_is_used_up_at_exactly_that_accrued_millisecond() {
    for (on, expected) in [
        ("end", vec!["1000 live", "111000 ended quota_exhausted"]),
        (
            "pause_billing",
            vec!["1000 live", "111000 paused quota_exhausted"],
        ),
        ("continue", vec!["1000 live", "111000 warning_quota 0"]),
    ] {
        let json = format!(r#"{{"duration":{{"quota_s":100,"on_exhausted":"{on}"}}}}"#);
        let mut play = met(&json);
        // Ten seconds away do not count.
        play.until(50_000).leave("carl").until(60_000);
        play.talk("carl", CUSTOMER).until(120_000);
        play.said.retain(|line| {
            !line.contains("customer_away") && line != "60000 live" && !line.contains(" 60")
        });
        play.check(&expected);
        assert_eq!(play.session.quota_left(), Some(Millis::ZERO));
    }
}

#[test]
fn the_quota_warns_300_and_60_seconds_before_where_they_lie_within_it() {
    for (quota, expected) in [
        (
            400,
            vec![
                "101000 warning_quota 300",
                "341000 warning_quota 60",
                "401000 ended quota_exhausted",
            ],
        ),
        (
            300,
            vec!["241000 warning_quota 60", "301000 ended quota_exhausted"],
        ),
        (
            61,
            vec!["2000 warning_quota 60", "62000 ended quota_exhausted"],
        ),
        (60, vec!["61000 ended quota_exhausted"]),
    ] {
        let mut play = met(&format!(r#"{{"duration":{{"quota_s":{quota}}}}}"#));
        play.until(410_000);
        play.said.remove(0);
        play.check(&expected);
    }
}

#[test]
fn a_top_up_takes_effect_at_once_and_warns_again_only_of_marks_that_lie_ahead() {
    let mut play = met(r#"{"duration":{"quota_s":70,"on_exhausted":"pause_billing"}}"#);
    // 30 s are left, and then 50: the mark of 60 has passed.
    play.until(41_000).extend(Some(90), None).until(91_001);
    play.check(&[
        "1000 live",
        "11000 warning_quota 60",
        "41000 extended",
        "91000 paused quota_exhausted",
    ]);
    assert_eq!(play.session.quota_left(), Some(Millis::ZERO));
    play.hush()
        .until(100_000)
        .extend(Some(190), None)
        .until(240_000);
    play.check(&[
        "100000 extended",
        "100000 live",
        "140000 warning_quota 60",
        "200000 paused quota_exhausted",
    ]);
}

#[test]
fn a_total_below_what_is_used_is_exhausted_at_once() {
    for (on, after) in [
        ("end", "30000 ended quota_exhausted"),
        ("pause_billing", "30000 paused quota_exhausted"),
        ("continue", "30000 warning_quota 0"),
    ] {
        let mut play = met(&format!(r#"{{"duration":{{"on_exhausted":"{on}"}}}}"#));
        play.until(30_000).extend(Some(10), None).until(40_000);
        play.check(&["1000 live", "30000 extended", after]);
    }
}

#[test]
fn going_on_without_quota_is_said_once_and_again_after_a_top_up() {
    let mut play = met(r#"{"duration":{"quota_s":10,"on_exhausted":"continue"}}"#);
    play.until(20_000).leave("carl").until(22_000);
    play.talk("carl", CUSTOMER).until(30_000);
    play.extend(Some(40), None).until(60_000);
    play.check(&[
        "1000 live",
        "11000 warning_quota 0",
        "20000 paused customer_away",
        "22000 live",
        "30000 extended",
        "43000 warning_quota 0",
    ]);
}

#[test]
fn a_top_up_at_the_last_millisecond_is_in_time() {
    let mut play = met(r#"{"duration":{"quota_s":10}}"#);
    play.until(11_000 - 1);
    play.now += 1;
    play.extend(Some(20), None);
    play.packet("eve", true);
    play.packet("carl", true);
    let now = play.clock();
    play.session.handle_timeout(now);
    play.listen();
    play.until(22_000)
        .check(&["1000 live", "10980 extended", "21000 ended quota_exhausted"]);
}

#[test]
fn a_top_up_while_nobody_knows_yet_whether_the_quota_is_used_up_is_in_time() {
    // Karl is silent from 9.8 s on; at 12 s more time is bought, and at 13.3 s he is heard again.
    let mut play = met(r#"{"duration":{"quota_s":10}}"#);
    play.until(9_800);
    play.lose("carl");
    play.until(12_000);
    play.extend(Some(20), None);
    play.until(13_300);
    play.talk("carl", CUSTOMER).until(22_000);
    play.check(&["1000 live", "9800 extended", "21000 ended quota_exhausted"]);
}

#[test]
fn the_maximum_warns_10_5_and_1_minutes_before_where_they_lie_ahead() {
    let min = 60_000;
    let mut play = met(r#"{"duration":{"max_min":11},"presence":{"after_min":0}}"#);
    play.until(1_000 + 11 * min).check(&[
        "1000 live",
        "61000 warning_duration 600",
        "361000 warning_duration 300",
        "601000 warning_duration 60",
        "661000 ended max_duration",
    ]);
    let mut short = met(r#"{"duration":{"max_min":5}}"#);
    short.until(1_000 + 5 * min).check(&[
        "1000 live",
        "241000 warning_duration 60",
        "301000 ended max_duration",
    ]);
}

#[test]
fn an_extension_sets_a_new_total_and_the_warnings_that_lie_ahead_come_again() {
    let mut play = met(r#"{"duration":{"max_min":2}}"#);
    play.until(61_500)
        .check(&["1000 live", "61000 warning_duration 60"]);
    assert_eq!(play.session.time_left(), Some(Millis(59_500)));
    play.extend(None, Some(3)).until(182_000);
    play.check(&[
        "1000 live",
        "61000 warning_duration 60",
        "61500 extended",
        "121000 warning_duration 60",
        "181000 ended max_duration",
    ]);
}

#[test]
fn a_maximum_that_is_over_ends_it_at_once() {
    let mut play = met("{}");
    play.until(90_000).extend(None, Some(1)).until(91_000);
    play.check(&["1000 live", "90000 extended", "90000 ended max_duration"]);
}

#[test]
fn before_it_is_live_an_extension_only_sets_the_totals() {
    let mut play = Play::new(r#"{"duration":{"quota_s":5}}"#);
    play.talk("eve", EXPERT).until(1_000);
    assert_eq!(play.session.time_left(), None);
    play.extend(Some(10), Some(1)).until(2_000);
    assert_eq!(play.session.quota_left(), Some(Millis(10_000)));
    play.talk("carl", CUSTOMER).until(20_000);
    play.check(&["1000 extended", "2000 live", "12000 ended quota_exhausted"]);
}

#[test]
fn who_waits_when_the_window_closes_is_told_that_nobody_came_and_who_is_live_goes_on() {
    let json = r#"{"window":{"opens_at":1,"closes_at":30}}"#;
    let mut waiting = Play::new(json);
    waiting.talk("eve", EXPERT).until(31_000);
    waiting.check(&["30000 ended no_show"]);
    let mut live = met(json);
    live.until(60_000).check(&["1000 live"]);
}

#[test]
fn a_session_that_goes_on_after_a_crash_is_not_cut_by_the_window() {
    let inherited = Inherited {
        lasted: Millis(60_000),
        terms: Some(Terms {
            max_min: 480,
            ..Terms::default()
        }),
        ..Inherited::default()
    };
    let mut play = Play::continuing(r#"{"window":{"closes_at":30}}"#, &inherited);
    play.talk("eve", EXPERT).until(60_000).check(&[]);
}

#[test]
fn a_chain_shares_quota_and_maximum_and_warns_of_no_mark_twice() {
    let inherited = Inherited {
        used: Millis(150_000),
        lasted: Millis(200_000),
        terms: Some(Terms {
            quota_s: Some(200),
            max_min: 5,
            ..Terms::default()
        }),
        ..Inherited::default()
    };
    let mut play = Play::continuing("{}", &inherited);
    play.talk("eve", EXPERT)
        .talk("carl", CUSTOMER)
        .until(60_000);
    // 50 s are left of the quota: the mark of 60 s has passed; 100 s of the maximum.
    play.check(&[
        "0 live",
        "40000 warning_duration 60",
        "50000 ended quota_exhausted",
    ]);
}

#[test]
fn a_chain_whose_quota_is_used_up_is_live_for_no_time_at_all() {
    for (on, expected) in [
        ("end", vec!["0 live", "0 ended quota_exhausted"]),
        ("pause_billing", vec!["0 live", "0 paused quota_exhausted"]),
        ("continue", vec!["0 live"]),
    ] {
        let inherited = Inherited {
            used: Millis(61_000),
            lasted: Millis(61_000),
            terms: Some(Terms {
                quota_s: Some(60),
                max_min: 480,
                ..Terms::default()
            }),
            ..Inherited::default()
        };
        let json = format!(r#"{{"duration":{{"on_exhausted":"{on}"}}}}"#);
        let mut play = Play::continuing(&json, &inherited);
        play.talk("eve", EXPERT).talk("carl", CUSTOMER).until(5_000);
        play.check(&expected);
    }
}

#[test]
fn how_long_one_waited_for_the_other_is_no_absence_after_they_met_for_a_moment() {
    let mut play = Play::new("{}");
    play.talk("carl", CUSTOMER).until(400_000);
    play.talk("eve", EXPERT).until(402_000).leave("eve");
    play.until(800_000).check(&[
        "400000 live",
        "402000 paused expert_away",
        "702000 ended abandoned",
    ]);
}
