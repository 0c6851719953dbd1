//! A floor that breaks in session because a link gets narrow: who is told what, what is billed, and
//! what goes on.

use super::{Concealment, enter, link, list, number, shape, story_of};
use crate::driver::Driver;
use crate::node::Node;
use crate::proxy::Proxy;
use crate::receiver::{Attempt, Receiver};
use crate::{turn, wait};
use serde_json::{Value, json};
use std::time::UNIX_EPOCH;

/// A link that carries the floor with room to spare.
const WIDE_BPS: u64 = 2_000_000;
/// A link that does not.
const NARROW_BPS: u64 = 400_000;
/// `floor.up_bps` and `floor.down_bps`.
const FLOOR_BPS: f64 = 1_000_000.0;
/// `floor.breach_after_ms` and what the node may take to see it.
const BREACH_MS: f64 = 10_000.0 + 2_000.0;
/// How long the link stays narrow after the breach.
const NARROW_MS: u64 = 5_000;
/// The picture is back so soon after the link.
const BACK_MS: u64 = 15_000;
/// `floor.restore_after_ms` and what the node may take to see it.
const RESTORE_MS: u64 = 5_000 + 3_000;
/// A link that just came into use is estimated within this time.
const PROVEN_MS: u64 = 30_000;
/// What the bill and the events may differ by.
const CLOSE_MS: f64 = 100.0;
/// The same, by the clock of a client, whom words reach through a link.
const HEARD_MS: f64 = 400.0;
/// Most of the sound that may be made up while the link changes.
const CONCEALED: f64 = 0.03;
/// Longest time without a packet of sound.
const SILENT_MS: f64 = 1_500.0;

/// Of 1.5 Mbit/s: more than the floor, less than a wide link.
fn video() -> Value {
    json!({
        "source": "camera", "picture": "busy", "width": 640, "height": 360, "fps": 15,
        "bps": 1_300_000, "layers": [{"width": 320, "height": 180, "bps": 180_000}],
    })
}

/// When the client of these tests did and saw what, in milliseconds since 1970.
#[derive(Debug)]
struct Seen {
    narrow: f64,
    breached: f64,
    restored: f64,
}

#[test]
fn a_narrow_downlink_breaks_the_floor_pauses_the_bill_and_leaves_the_sound() {
    break_the_floor("down");
}

#[test]
fn a_narrow_uplink_breaks_the_floor_pauses_the_bill_and_leaves_the_sound() {
    break_the_floor("up");
}

/// The customer's link gets narrow in one direction, and wide again. The expert looks on.
fn break_the_floor(direction: &str) {
    let _turn = turn::alone();
    let proxy = Proxy::start(12);
    let receiver = Receiver::start(&json!([]));
    let node = Node::behind(&proxy, &[&receiver]);
    let mut clients = Driver::clients();
    for side in [("erika", "expert"), ("karl", "customer")] {
        link(&proxy, side.0, WIDE_BPS);
        enter(&mut clients, &node, "floor", side);
        clients.ask(&json!({"do": "publish", "who": side.0, "audio": true, "video": video()}));
        clients.ask(&json!({"do": "sends", "who": side.0, "encodings": 2}));
    }
    let seen = narrow_and_wide(&mut clients, &proxy, direction);
    let reports = ["erika", "karl"].map(|who| clients.ask(&json!({"do": "report", "who": who})));
    for who in ["erika", "karl"] {
        clients.ask(&json!({"do": "leave", "who": who}));
    }
    for report in &reports {
        the_sound_goes_on(report);
    }
    the_bill_tells_the_story(&story_of(&receiver), direction, &seen);
}

/// Whose picture comes over the link in question, to whom.
fn viewer(direction: &str) -> &'static str {
    if direction == "down" { "karl" } else { "erika" }
}

fn narrow_and_wide(clients: &mut Driver, proxy: &Proxy, direction: &str) -> Seen {
    let viewer = viewer(direction);
    let floor = |clients: &mut Driver, states: &[&str], ms: u64| {
        let answer = clients.ask(&json!({
            "do": "floor", "who": "erika", "identity": "karl", "direction": direction,
            "states": states, "timeout_ms": ms
        }));
        println!("{direction} of karl: {answer}");
        number(&answer["at_ms"])
    };
    let carries =
        json!({"do": "carries", "who": viewer, "bps": FLOOR_BPS, "timeout_ms": PROVEN_MS});
    clients.ask(&carries);
    floor(clients, &["met"], PROVEN_MS);
    set(proxy, direction, NARROW_BPS);
    let narrow = wait::unix_ms();
    let breached = floor(clients, &["breached"], 20_000);
    clients.ask(&json!({"do": "samples", "who": viewer, "ms": NARROW_MS}));
    set(proxy, direction, WIDE_BPS);
    let wide = wait::unix_ms();
    let back = clients.ask(&json!({
        "do": "carries", "who": viewer, "bps": FLOOR_BPS, "timeout_ms": BACK_MS
    }));
    println!("back {} ms after the link: {back}", wait::unix_ms() - wide);
    let restored = floor(clients, &["met"], RESTORE_MS);
    // Once more live, for an interval after the pause.
    clients.ask(&json!({"do": "samples", "who": viewer, "ms": 3_000}));
    assert!(
        breached - narrow <= BREACH_MS,
        "breached after {} ms",
        breached - narrow
    );
    Seen {
        narrow,
        breached,
        restored,
    }
}

fn set(proxy: &Proxy, direction: &str, rate_bps: u64) {
    let link = proxy.link("karl");
    if direction == "down" {
        link.set_down(shape(rate_bps));
    } else {
        link.set_up(shape(rate_bps));
    }
}

/// The other side is heard all the time.
fn the_sound_goes_on(report: &Value) {
    let samples = list(report, "samples");
    let heard: Vec<&Value> = samples
        .iter()
        .skip_while(|sample| number(&sample["audio"]["packets"]) == 0.0)
        .collect();
    let (mut packets, mut at_ms, mut silent_ms) = (0.0, 0.0, 0.0_f64);
    for sample in &heard {
        let now = number(&sample["audio"]["packets"]);
        if now > packets {
            (packets, at_ms) = (now, number(&sample["at_ms"]));
        }
        silent_ms = silent_ms.max(number(&sample["at_ms"]) - at_ms);
    }
    let concealment = Concealment::between(heard[0], heard[heard.len() - 1]);
    println!("without sound for {silent_ms} ms at most, {concealment:?}");
    assert!(silent_ms <= SILENT_MS, "no sound for {silent_ms} ms");
    assert!(concealment.share() <= CONCEALED, "{concealment:?}");
}

fn unix_ms(time: &Value) -> f64 {
    let text = time.as_str().unwrap_or_default();
    let time = humantime::parse_rfc3339(text).unwrap_or_else(|error| panic!("{text}: {error}"));
    let since = time.duration_since(UNIX_EPOCH).expect("it is after 1970");
    since.as_secs_f64() * 1_000.0
}

/// The one stretch below the floor that was billed as a pause.
fn pause(ended: &Value) -> (f64, f64) {
    let paused: Vec<&Value> = list(ended, "intervals")
        .iter()
        .filter(|interval| interval["reason"] == "below_floor")
        .collect();
    assert_eq!(paused.len(), 1, "one pause below the floor: {ended}");
    let [start, end] = ["start_unix_ms", "end_unix_ms"].map(|name| number(&paused[0][name]));
    (start, end)
}

/// Warning, pause and resumption, in this order, at the moments that the ledger bills by.
fn the_bill_tells_the_story(story: &[Attempt], direction: &str, seen: &Seen) {
    let kinds: Vec<&str> = story.iter().map(|event| event.kind.as_str()).collect();
    let find = |what: &str, wanted: &dyn Fn(&Value) -> bool| {
        let found = story
            .iter()
            .position(|event| event.kind == what && wanted(&event.data()));
        found.unwrap_or_else(|| panic!("no {what} as wanted: {kinds:?}"))
    };
    let warning = find("session.warning", &|data| {
        data["kind"] == "floor" && data["participant"] == "karl" && data["direction"] == direction
    });
    let paused = find("session.paused", &|data| data["reason"] == "below_floor");
    let resumed = find("session.resumed", &|data| data["state"] == "live");
    assert!(warning < paused && paused < resumed, "{kinds:?}");
    let time = |at: usize| {
        let event: Value = serde_json::from_str(&story[at].body).expect("an event is JSON");
        unix_ms(&event["time"])
    };
    let (warned, from, to) = (time(warning), time(paused), time(resumed));
    assert!(
        warned - seen.narrow <= BREACH_MS,
        "warned after {} ms",
        warned - seen.narrow
    );
    let ended = story.last().expect("there are events").data();
    let (start, end) = pause(&ended);
    for (what, is, was, most) in [
        ("start and warning", start, warned, CLOSE_MS),
        ("start and pause", start, from, CLOSE_MS),
        ("end and resumption", end, to, CLOSE_MS),
        (
            "start and the expert's word",
            start,
            seen.breached,
            HEARD_MS,
        ),
        ("end and the expert's word", end, seen.restored, HEARD_MS),
    ] {
        assert!((is - was).abs() <= most, "{what}: {is} and {was}: {ended}");
    }
    let billed = number(&ended["paused_ms"]["below_floor"]);
    assert!(
        (billed - (end - start)).abs() <= 1.0,
        "{billed} ms: {ended}"
    );
}
