//! Two browsers whose pictures flash when their sounds beep, through switches of layers up and down, a mute
//! and a rejoin: what was in step when it was sent is in step in the files.

use super::footage::{Footage, Track, median, number};
use super::studio::{ERIKA, Finished, KARL, Part, Studio, play};
use crate::driver::Driver;
use crate::node::Node;
use crate::turn;
use serde_json::{Value, json};

/// Length unless `cargo xtask record --minutes N` says another, in milliseconds.
const LENGTH_MS: u64 = 60_000;
/// The contract: beep against flash of one participant, in seconds.
const IN_STEP_S: f64 = 0.040;
/// The contract: beep of one against flash of another.
const ACROSS_S: f64 = 0.060;
/// The start and the end of a file are so many of its seconds.
const EDGE: usize = 8;
/// How long the mute lasts, and how long the one who rejoins is away, in milliseconds.
const MUTED_MS: u64 = 4_000;
const AWAY_MS: u64 = 2_000;
/// After a rejoin, with its negotiation and its consent, the first keyframe takes no longer.
const REJOIN_S: f64 = 4.0;
/// What is heard may be so far from what is seen when a browser plays, in seconds of the file: it is
/// looked at 4 times as fast as it was made, and a display shows 60 pictures a second.
const SHOWN_S: f64 = 0.150;
/// A container's length may differ from the session's by the first and the last moments.
const LENGTH_S: f64 = 2.0;

fn length_ms() -> u64 {
    let minutes = std::env::var("BEISTAND_RECORD_MINUTES").ok();
    let minutes = minutes.and_then(|minutes| minutes.parse::<u64>().ok());
    minutes.map_or(LENGTH_MS, |minutes| minutes * 60_000)
}

/// Joins and publishes both, with two layers of video.
pub fn enter(driver: &mut Driver, node: &Node, studio: &Studio, part: &Part, codec: &str) -> Value {
    let (who, token) = (part.identity, studio.token(part, false));
    driver.ask(&json!({"do": "open", "who": who, "ws": node.ws_url(), "token": token}));
    let video = json!({
        "width": 480, "height": 270, "bps": 500_000, "colour": part.css(), "codec": codec,
        "layers": [{"width": 240, "height": 135, "bps": 150_000}],
    });
    driver.ask(&json!({"do": "publish", "who": who, "audio": {"hz": part.hz}, "video": video}))
}

/// Says yes in the session, and waits until it shows.
pub fn agree(driver: &mut Driver, part: &Part) {
    let who = part.identity;
    driver.ask(&json!({"do": "consent", "who": who, "purpose": "shared", "given": true}));
    let wanted = json!({"do": "recorded", "who": who, "purposes": ["shared"], "active": true});
    driver.ask(&wanted);
}

fn pass(driver: &mut Driver, ms: u64) -> f64 {
    driver.ask(&json!({"do": "pass", "who": "karl", "ms": ms}))["at_ms"]
        .as_f64()
        .unwrap_or_default()
}

/// What the test did, in seconds.
#[derive(Clone, Copy, Debug)]
struct Acted {
    length_s: f64,
    /// From erika's goodbye until she is recorded again.
    away_s: f64,
}

/// The session as the contract's test has it.
fn act(driver: &mut Driver, node: &Node, studio: &Studio) -> Acted {
    for part in [&ERIKA, &KARL] {
        enter(driver, node, studio, part, "vp8");
    }
    driver.ask(&json!({"do": "top", "who": "karl", "active": false}));
    // The lower layer alone is what comes.
    pass(driver, 2_500);
    for part in [&ERIKA, &KARL] {
        agree(driver, part);
    }
    let start_ms = pass(driver, 0);
    let part_ms = length_ms() / 4;
    pass(driver, part_ms);
    driver.ask(&json!({"do": "top", "who": "karl", "active": true}));
    pass(driver, part_ms);
    driver.ask(&json!({"do": "mute", "who": "karl", "source": "microphone", "muted": true}));
    pass(driver, MUTED_MS);
    driver.ask(&json!({"do": "mute", "who": "karl", "source": "microphone", "muted": false}));
    let rest_ms = part_ms - MUTED_MS;
    pass(driver, rest_ms / 2);
    driver.ask(&json!({"do": "top", "who": "karl", "active": false}));
    pass(driver, rest_ms - rest_ms / 2);
    let left = driver.ask(&json!({"do": "leave", "who": "erika"}));
    pass(driver, AWAY_MS);
    enter(driver, node, studio, &ERIKA, "vp8");
    let again = driver.ask(&json!({"do": "recorded", "who": "erika", "purposes": ["shared"]}));
    let end_ms = pass(driver, part_ms);
    studio.end();
    Acted {
        length_s: (end_ms - start_ms) / 1_000.0,
        away_s: (number(&again["at_ms"]) - number(&left["start_ms"])) / 1_000.0,
    }
}

#[test]
fn two_browsers_stay_in_step_in_the_files_through_switches_a_mute_and_a_rejoin() {
    let _turn = turn::alone();
    let node = Node::with(&[]);
    let recording = json!({"mode": "always", "purposes": ["shared"]});
    let studio = Studio::book(&node, "sync", &recording);
    let mut driver = Driver::recorded();
    let Acted { length_s, away_s } = act(&mut driver, &node, &studio);
    println!("erika is away for {away_s:.1} s");
    let finished = studio.finished(&node, "shared");
    let session = finished.session();
    for part in [&ERIKA, &KARL] {
        let footage = finished.participant(part.identity);
        in_step(part.identity, &footage.offsets_s(part.hz), IN_STEP_S);
        assert_eq!(footage.colours(), [part.ground()], "{}", part.identity);
        assert_eq!(footage.tones(), [part.tone()], "{}", part.identity);
        nothing_stands(part, &footage, away_s);
        let longer_s = (footage.duration_s() - length_s).abs();
        assert!(longer_s <= LENGTH_S, "{length_s} s: {footage:?}");
    }
    for (seen, heard) in [(&ERIKA, &KARL), (&KARL, &ERIKA)] {
        let flashes = picture_of(&session, seen).flashes_s();
        let what = format!("{} in {}'s flashes", heard.identity, seen.identity);
        in_step(&what, &session.nearest_s(&flashes, heard.hz), ACROSS_S);
    }
    told_of_karl(&finished.participant("karl"));
    all_play(&mut driver, &node, &finished, length_s);
    stays_in_step(&mut driver, &finished);
    node.verify_ledger();
}

/// At the start and at the end, the middle of all offsets lies within the limit.
fn in_step(what: &str, offsets: &[(f64, f64)], limit_s: f64) {
    assert!(offsets.len() >= 2 * EDGE, "{what}: {offsets:?}");
    let middle = |part: &[(f64, f64)]| median(part.iter().map(|one| one.1));
    let edges = [
        middle(&offsets[..EDGE]),
        middle(&offsets[offsets.len() - EDGE..]),
    ];
    let worst = offsets.iter().map(|one| one.1.abs()).fold(0.0, f64::max);
    println!(
        "{what}: {:.0} ms at the start, {:.0} ms at the end, {:.0} ms at worst of {}",
        edges[0] * 1_000.0,
        edges[1] * 1_000.0,
        worst * 1_000.0,
        offsets.len()
    );
    assert!(
        edges.iter().all(|edge| edge.abs() <= limit_s),
        "{what}: {edges:?}: {offsets:?}"
    );
}

/// The picture of a participant in the session's file.
fn picture_of<'a>(session: &'a Footage, part: &Part) -> Track<'a> {
    let pictures = session.tracks("video");
    let mut of = pictures
        .iter()
        .filter(|track| track.colours() == [part.ground()]);
    *of.next()
        .unwrap_or_else(|| panic!("no picture of {}: {session:?}", part.identity))
}

/// No second without a new picture, but for the rejoin of the one who left.
fn nothing_stands(part: &Part, footage: &Footage, away_s: f64) {
    let frozen: Vec<(f64, f64)> = footage
        .tracks("video")
        .iter()
        .flat_map(Track::frozen_s)
        .collect();
    println!("{} stands still: {frozen:?}", part.identity);
    if part.identity == "karl" {
        assert!(frozen.is_empty(), "karl stands still: {frozen:?}");
    } else {
        let [(from, to)] = frozen[..] else {
            panic!("erika is away once: {frozen:?}");
        };
        assert!(to - from <= away_s + REJOIN_S, "{frozen:?}");
    }
}

/// The switches show, and so does the mute.
fn told_of_karl(footage: &Footage) {
    let picture = footage.tracks("video")[0];
    let widths: Vec<u64> = picture.0["sizes"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|size| size[1].as_u64())
        .collect();
    println!("karl's holes: {}", picture.0["holes_s"]);
    assert_eq!(
        widths,
        [240, 480, 240],
        "one switch up and one down: {}",
        picture.0
    );
    let beeps = footage.tracks("audio")[0].beeps_s(KARL.hz);
    let longest = beeps.windows(2).map(|two| two[1] - two[0]);
    let longest = longest.fold(0.0, f64::max);
    assert!((4.0..=6.0).contains(&longest), "one mute: {beeps:?}");
}

/// Each file plays in the browser by its link, to its end.
fn all_play(driver: &mut Driver, node: &Node, finished: &Finished, length_s: f64) {
    let mut media = finished.of("participant");
    media.extend(finished.of("session"));
    assert_eq!(media.len(), 3, "{}", finished.record);
    for file in media {
        let played = play(driver, node, &file.told);
        println!("{}: {played}", file.told["name"]);
        assert_eq!(played["error"], Value::Null, "{played}");
        assert_eq!(played["ended"], true, "{played}");
        assert!(played["width"].as_u64() > Some(0), "{played}");
        let duration_s = played["duration_s"].as_f64().unwrap_or_default();
        assert!(
            (duration_s - length_s).abs() <= LENGTH_S,
            "{length_s} s: {played}"
        );
    }
}

/// A browser plays sound without a look at its times: what was silent must not have got shorter.
fn stays_in_step(driver: &mut Driver, finished: &Finished) {
    let files = finished.of("participant");
    let mut of = files.iter().filter(|file| file.told["identity"] == "erika");
    let path = &of.next().expect("erika's file").path;
    let order = json!({"do": "play", "path": path, "rate": 4, "listen": true});
    let played = driver.ask(&order)["played"].take();
    let steps = played["steps"].as_array().cloned().unwrap_or_default();
    assert!(steps.len() >= 2 * EDGE, "{played}");
    let last = steps.iter().rev().take(EDGE).map(|step| number(&step[1]));
    let last_s = median(last);
    println!("a browser plays erika's last beeps {last_s:.3} s after her flashes");
    assert!(last_s.abs() <= SHOWN_S, "{played}");
}
