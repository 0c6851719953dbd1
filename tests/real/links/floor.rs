//! A floor that breaks in session because a link gets narrow: who is told what, what is billed, and
//! what goes on.

use super::{concealed_ms, enter, link, list, number, shape, story_of, tell};
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
/// What a picture takes without headers when 1 Mbit/s, `floor.up_bps` and `floor.down_bps`, is on the
/// wire, with the sound.
const FLOOR_BPS: f64 = 900_000.0;
/// `floor.breach_after_ms` and what the node may take to see it.
const BREACH_MS: u64 = 10_000 + 2_000;
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
/// Most sound that may be made up, in milliseconds: the queue of the narrow link drops sound and
/// picture alike until the node knows.
const CONCEALED_MS: f64 = 1_500.0;
/// Longest time without a packet of sound.
const SILENT_MS: f64 = 1_500.0;

/// Of 1.6 Mbit/s: more than the floor, less than a wide link.
fn video() -> Value {
    json!({
        "source": "camera", "picture": "busy", "width": 640, "height": 360, "fps": 15,
        "bps": 1_400_000, "layers": [{"width": 320, "height": 180, "bps": 120_000}],
    })
}

/// What these tests did and the clients saw, and when, in milliseconds since 1970.
#[derive(Debug, Default)]
struct Seen {
    narrow: f64,
    breached: Option<f64>,
    wide: f64,
    back: Option<f64>,
    restored: Option<f64>,
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
        clients.ask(&json!({"do": "publish", "who": side.0, "audio": true}));
    }
    // Both are heard; one is seen, by the direction in question.
    let sender = sides(direction).0;
    clients.ask(&json!({"do": "publish", "who": sender, "video": video()}));
    clients.ask(&json!({"do": "sends", "who": sender, "encodings": 2}));
    let seen = narrow_and_wide(&mut clients, &proxy, direction);
    let reports = ["erika", "karl"].map(|who| clients.ask(&json!({"do": "report", "who": who})));
    for (who, report) in ["erika", "karl"].iter().zip(&reports) {
        tell(who, report);
        println!("{:?} {:?}", proxy.link(who).up(), proxy.link(who).down());
        clients.ask(&json!({"do": "leave", "who": who}));
    }
    check(&seen);
    for report in &reports {
        the_sound_goes_on(report);
    }
    the_bill_tells_the_story(&story_of(&receiver), direction, &seen);
}

/// Whose picture comes over the customer's link, and to whom.
fn sides(direction: &str) -> (&'static str, &'static str) {
    if direction == "down" {
        ("erika", "karl")
    } else {
        ("karl", "erika")
    }
}

fn narrow_and_wide(clients: &mut Driver, proxy: &Proxy, direction: &str) -> Seen {
    let (_, viewer) = sides(direction);
    let mut ask = |command: Value| clients.ask(&command)["found"]["at_ms"].as_f64();
    let floor = |state: &str, timeout_ms: u64| {
        json!({
            "do": "floor", "who": "erika", "identity": "karl", "direction": direction,
            "state": state, "timeout_ms": timeout_ms
        })
    };
    let carries = |timeout_ms: u64| json!({"do": "carries", "who": viewer, "bps": FLOOR_BPS, "timeout_ms": timeout_ms});
    ask(carries(PROVEN_MS)).expect("the wide link carries the picture");
    ask(floor("met", PROVEN_MS)).expect("the floor is met on the wide link");
    set(proxy, direction, NARROW_BPS);
    let mut seen = Seen {
        narrow: wait::unix_ms(),
        ..Seen::default()
    };
    seen.breached = ask(floor("breached", 2 * BREACH_MS));
    ask(json!({"do": "samples", "who": viewer, "ms": NARROW_MS}));
    set(proxy, direction, WIDE_BPS);
    seen.wide = wait::unix_ms();
    seen.back = ask(carries(2 * BACK_MS));
    let mut restored = floor("breached", RESTORE_MS);
    restored["other"] = json!(true);
    seen.restored = ask(restored);
    // Once more live, for an interval after the pause.
    ask(json!({"do": "samples", "who": viewer, "ms": 3_000}));
    seen
}

/// The breach and the return of the picture come in time.
fn check(seen: &Seen) {
    let Seen {
        narrow,
        breached: Some(breached),
        wide,
        back: Some(back),
        restored: Some(_),
    } = seen
    else {
        panic!("not in time: {seen:?}");
    };
    let (breach_ms, back_ms) = (breached - narrow, back - wide);
    println!("breached after {breach_ms} ms, back after {back_ms} ms");
    assert!(
        breach_ms <= number(&json!(BREACH_MS)),
        "breached after {breach_ms} ms"
    );
    assert!(
        back_ms <= number(&json!(BACK_MS)),
        "back after {back_ms} ms"
    );
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
    let made_up_ms = concealed_ms(heard[0], heard[heard.len() - 1]);
    println!("without sound for {silent_ms} ms at most, {made_up_ms} ms made up");
    assert!(silent_ms <= SILENT_MS, "no sound for {silent_ms} ms");
    assert!(
        made_up_ms <= CONCEALED_MS,
        "{made_up_ms} ms of sound are made up"
    );
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
    let of_floor = |data: &Value, cause: &str| {
        data["kind"] == "floor"
            && data["participant"]["identity"] == "karl"
            && data["direction"] == direction
            && data["cause"] == cause
    };
    let warning = find("session.warning", &|data| of_floor(data, "warning_floor"));
    let relief = find("session.warning", &|data| of_floor(data, "floor_restored"));
    let paused = find("session.paused", &|data| data["reason"] == "below_floor");
    let resumed = find("session.resumed", &|data| data["state"] == "live");
    assert!(
        warning < paused && paused < relief && relief < resumed,
        "{kinds:?}"
    );
    let time = |at: usize| {
        let event: Value = serde_json::from_str(&story[at].body).expect("an event is JSON");
        unix_ms(&event["time"])
    };
    let (warned, from) = (time(warning), time(paused));
    let (relieved, to) = (time(relief), time(resumed));
    let warning_ms = warned - seen.narrow;
    assert!(
        warning_ms <= number(&json!(BREACH_MS)),
        "warned after {warning_ms} ms"
    );
    let ended = story.last().expect("there are events").data();
    let (start, end) = pause(&ended);
    for (what, is, was, most) in [
        ("start and warning", start, warned, CLOSE_MS),
        ("start and pause", start, from, CLOSE_MS),
        ("end and relief", end, relieved, CLOSE_MS),
        ("end and resumption", end, to, CLOSE_MS),
        (
            "start and the expert's word",
            start,
            seen.breached.unwrap_or_default(),
            HEARD_MS,
        ),
        (
            "end and the expert's word",
            end,
            seen.restored.unwrap_or_default(),
            HEARD_MS,
        ),
    ] {
        assert!((is - was).abs() <= most, "{what}: {is} and {was}: {ended}");
    }
    let billed = number(&ended["paused_ms"]["below_floor"]);
    assert!(
        (billed - (end - start)).abs() <= 1.0,
        "{billed} ms: {ended}"
    );
}
