//! Prepaid time that is added while a session runs.

use super::*;
use crate::base::{Drawn, GrantKey, GrantRefusal, Grants, Millis, Terms};

fn grant(play: &mut Play, key: &str, seconds: u64) -> Result<bool, GrantRefusal> {
    play.fed = true;
    play.session.handle_grant(&GrantKey::of(key), seconds)
}

#[test]
fn a_grant_adds_to_the_quota_once_and_takes_the_session_out_of_its_pause() {
    let mut play = met(r#"{"duration":{"quota_s":10,"on_exhausted":"pause_billing"}}"#);
    play.until(20_000);
    for repeat in 0..3 {
        assert_eq!(grant(&mut play, "a", 5), Ok(true), "{repeat}");
    }
    play.until(30_000);
    assert_eq!(grant(&mut play, "b", 7), Ok(true));
    assert_eq!(grant(&mut play, "a", 5), Ok(true));
    play.until(40_000).check(&[
        "1000 live",
        "11000 paused quota_exhausted",
        "20000 granted 5",
        "20000 live",
        "25000 paused quota_exhausted",
        "30000 granted 7",
        "30000 live",
        "37000 paused quota_exhausted",
    ]);
    assert_eq!(play.session.allowance().quota_s, Some(22));
}

#[test]
fn a_grant_while_nobody_knows_yet_whether_the_quota_is_used_up_is_in_time() {
    let mut play = met(r#"{"duration":{"quota_s":10}}"#);
    play.until(9_800);
    play.lose("carl");
    play.until(12_000);
    assert_eq!(grant(&mut play, "a", 10), Ok(true));
    play.until(13_300);
    play.talk("carl", CUSTOMER).until(22_000);
    play.check(&[
        "1000 live",
        "9800 granted 10",
        "21000 ended quota_exhausted",
    ]);
    assert_eq!(grant(&mut play, "b", 10), Ok(false), "it is over");
}

#[test]
fn nothing_is_added_where_there_is_no_quota_or_the_key_was_used_for_another() {
    let mut play = met("{}");
    play.until(2_000);
    assert_eq!(grant(&mut play, "a", 5), Err(GrantRefusal::NoQuota));
    play.extend(Some(60), None);
    assert_eq!(grant(&mut play, "a", 5), Ok(true));
    assert_eq!(grant(&mut play, "a", 6), Err(GrantRefusal::KeyUsed(5)));
    play.until(3_000)
        .check(&["1000 live", "2000 extended", "2000 granted 5"]);
}

#[test]
fn a_session_that_goes_on_knows_what_was_granted_before() {
    let mut before = met(r#"{"duration":{"quota_s":10}}"#);
    before.until(2_000);
    assert_eq!(grant(&mut before, "a", 5), Ok(true));
    let mut grants = Grants::default();
    let given = grants.draw(&GrantKey::of("a"), 5, Some(10)).ok();
    if let Some(Drawn::Now(given)) = given {
        grants.insert(given);
    }
    let inherited = Inherited {
        used: Millis(4_000),
        terms: Some(Terms {
            quota_s: Some(15),
            max_min: 60,
            ..Terms::default()
        }),
        grants,
        ..Inherited::default()
    };
    let mut play = Play::continuing("{}", &inherited);
    assert_eq!(grant(&mut play, "a", 5), Ok(true));
    assert_eq!(play.session.allowance().quota_s, Some(15));
    assert_eq!(grant(&mut play, "b", 5), Ok(true));
    assert_eq!(play.session.allowance().quota_s, Some(20));
}
