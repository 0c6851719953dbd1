//! `kill -9` of a node that records, again and again: what was recorded is there, plays, and is finished
//! by whoever starts next.

use super::cast::{agree, enter, pass, recorded};
use super::footage::Footage;
use super::studio::{ERIKA, Finished, KARL, Studio};
use crate::driver::Driver;
use crate::node::Node;
use crate::{turn, wait};
use serde_json::json;

/// So often unless `cargo xtask record --kills N` says another number.
const KILLS: u64 = 10;
/// Where the moments come from: the same in every run.
const SEED: u64 = 12;
/// The contract: media that a crash may cost, in seconds.
const LOST_S: f64 = 2.0;
/// Period of the pattern's clock: 2^16 ticks of 50 ms.
const CLOCK_S: f64 = 3_276.8;

/// A number below `below` of a sequence that is the same in every run.
fn drawn(state: &mut u64, below: u64) -> u64 {
    // Constants of Knuth's MMIX; the high bits are the good ones.
    *state = state
        .wrapping_mul(6_364_136_223_846_793_005)
        .wrapping_add(1_442_695_040_888_963_407);
    (*state >> 33) % below
}

/// When a node is killed.
#[derive(Clone, Copy, Debug)]
enum Moment {
    /// So long after the recording began, in milliseconds.
    Recording(u64),
    /// So long after the session ended, and again so long after the next start.
    Finishing(u64, u64),
}

fn moments(kills: u64) -> Vec<Moment> {
    let mut state = SEED;
    let mut moment = |number| match number % 3 {
        2 => Moment::Finishing(drawn(&mut state, 300), drawn(&mut state, 200)),
        _ => Moment::Recording(2_100 + drawn(&mut state, 2_000)),
    };
    (0..kills).map(&mut moment).collect()
}

#[test]
fn a_node_killed_at_any_moment_loses_no_file_and_two_seconds_at_most() {
    let _turn = turn::shared();
    let kills = std::env::var("BEISTAND_RECORD_KILLS").ok();
    let kills = kills.and_then(|kills| kills.parse().ok()).unwrap_or(KILLS);
    let mut node = Node::with(&[]);
    for (number, moment) in moments(kills).into_iter().enumerate() {
        let mut studio = Studio::book(
            &node,
            &format!("crash-{number}"),
            &json!({"mode": "always", "purposes": ["shared"]}),
        );
        let over_ms = record_and_kill(&mut node, &mut studio, moment);
        let finished = studio.finished(&node, "shared");
        check(&finished, moment, over_ms);
    }
    node.verify_ledger();
}

/// A session of two that a kill ends. Returns until when it was recorded, in milliseconds since 1970.
fn record_and_kill(node: &mut Node, studio: &mut Studio, moment: Moment) -> f64 {
    let mut people = Driver::people();
    for part in [&ERIKA, &KARL] {
        enter(&mut people, node, studio, part, &json!({}));
        agree(&mut people, studio, part, &["shared"]);
    }
    let over_ms = match moment {
        Moment::Recording(ms) => {
            pass(&mut people, ms);
            let now_ms = wait::unix_ms();
            node.kill();
            now_ms
        }
        Moment::Finishing(first_ms, second_ms) => {
            pass(&mut people, 2_500);
            let now_ms = wait::unix_ms();
            studio.end();
            pass(&mut people, first_ms);
            node.restart();
            pass(&mut people, second_ms);
            node.kill();
            now_ms
        }
    };
    // The clients would come back and open another session.
    people.kill();
    node.restart();
    studio.again(node);
    over_ms
}

/// Both are there, and each file plays until shortly before the end.
fn check(finished: &Finished, moment: Moment, over_ms: f64) {
    assert_eq!(finished.whose(), ["erika", "karl"], "{}", finished.record);
    for part in [&ERIKA, &KARL] {
        let footage = finished.participant(part.identity);
        assert_eq!(footage.colours(), [part.ground()], "{footage:?}");
        assert_eq!(footage.tones(), [part.tone()], "{footage:?}");
        let lost_s = lost_s(&footage, over_ms);
        println!("{moment:?}: {} lost {lost_s:.2} s", part.identity);
        assert!(lost_s <= LOST_S, "{lost_s} s are lost of {footage:?}");
    }
    assert_eq!(finished.session().tracks("video").len(), 2);
}

/// How much is missing at the end, in seconds: of the picture by its clock, and of the sound by the picture.
fn lost_s(footage: &Footage, over_ms: f64) -> f64 {
    let picture = footage.tracks("video")[0];
    let shows_s = picture.shows_s().expect("the clock can be read");
    let since_s = (over_ms / 1_000.0 - shows_s).rem_euclid(CLOCK_S);
    // A frame may show a moment just after that of the kill.
    let lost_s = if since_s > CLOCK_S / 2.0 {
        since_s - CLOCK_S
    } else {
        since_s
    };
    let sound_s = footage.tracks("audio")[0].last_s();
    lost_s + (picture.last_s() - sound_s).max(0.0)
}

#[test]
fn a_recording_that_a_crash_cut_short_goes_on_with_the_session_that_follows() {
    let _turn = turn::shared();
    let mut node = Node::with(&[]);
    let recording = json!({"mode": "always", "purposes": ["shared"]});
    let mut before = Studio::book(&node, "before", &recording);
    let mut people = Driver::people();
    enter(&mut people, &node, &before, &ERIKA, &json!({}));
    agree(&mut people, &before, &ERIKA, &["shared"]);
    pass(&mut people, 2_500);
    node.kill();
    people.kill();
    node.restart();
    before.again(&node);
    let after = Studio::book(&node, "after", &recording);
    let mut people = Driver::people();
    enter(&mut people, &node, &after, &ERIKA, &json!({}));
    // A consent belongs to a session: who comes back is asked again.
    recorded(&mut people, &ERIKA, &[]);
    agree(&mut people, &after, &ERIKA, &["shared"]);
    let finished = before.finished(&node, "shared");
    assert_eq!(finished.whose(), ["erika"], "{}", finished.record);
    pass(&mut people, 1_000);
    after.end();
    assert_eq!(after.finished(&node, "shared").whose(), ["erika"]);
}
