//! A floor that breaks in session because a link gets narrow: who is told what, what is billed, and
//! what goes on.

use super::demand::{Demand, until_carried};
use super::{concealed_ms, enter, lateness_ms, link, list, number, shape, story_of, tell};
use crate::driver::Driver;
use crate::node::Node;
use crate::proxy::{Kind, Proxy};
use crate::receiver::{Attempt, Receiver, unix_ms};
use crate::{turn, wait};
use serde_json::{Value, json};
use std::time::Duration;

/// What each layer is to take, the lowest first, in bits per second without headers: more than the
/// floor together, and little enough that a browser asks for it whatever its congestion control makes of
/// a machine that is late with everything.
const LAYERS_BPS: [u64; 2] = [60_000, 400_000];
/// `floor.up_bps` and `floor.down_bps` of these sessions.
const FLOOR_BPS: u64 = 300_000;
/// A link that carries the layers with room to spare.
const WIDE_BPS: u64 = 1_200_000;
/// One that does not, in percent of the floor.
const NARROW_PERCENT: u64 = 40;
/// `floor.short_after_ms` and `floor.breach_after_ms`.
const SHORT_MS: f64 = 3_000.0;
const BREACH_MS: f64 = 10_000.0;
/// `floor.restore_after_ms`.
const RESTORE_MS: f64 = 5_000.0;
/// What the node may take to see a breach.
const SEES_BREACH_MS: f64 = 2_000.0;
/// A moment without evidence delays a breach by no more.
const BLINK_MS: f64 = 1_000.0;
/// How long the link stays narrow after the breach.
const NARROW_MS: u64 = 5_000;
/// What the bill and the events may differ by.
const CLOSE_MS: f64 = 100.0;
/// The same, by the clock of a client, whom words reach through a link.
const HEARD_MS: f64 = 400.0;
/// A packet of sound.
const PACKET: Duration = Duration::from_millis(20);
/// Most sound that may be lost: the queue of the narrow link drops sound and picture alike until the
/// node knows.
const LOST: Duration = Duration::from_millis(1_500);
/// Longest time without a packet of sound, beside what its publisher leaves out.
const SILENT: Duration = Duration::from_millis(1_500);

fn video() -> Value {
    let [low, high] = LAYERS_BPS;
    json!({
        "source": "camera", "picture": "filled", "width": 640, "height": 360, "fps": 10,
        "bps": high, "layers": [{"width": 320, "height": 180, "bps": low}],
    })
}

/// When the test did what, and what came of it, in milliseconds since 1970.
#[derive(Clone, Copy, Debug)]
struct Seen {
    narrow: f64,
    /// When the expert heard of it.
    breached: f64,
    wide: f64,
    /// When as much of the picture as the floor arrived again.
    back: f64,
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
    let turn = turn::alone();
    let proxy = Proxy::start(12);
    let receiver = Receiver::start(&json!([]));
    // Each change of a floor is in the log at debug.
    let floor = format!(
        "\n[policies.default.floor]\nup_bps = {FLOOR_BPS}\ndown_bps = {FLOOR_BPS}\n\n[log]\nlevel = \"debug\"\n"
    );
    let node = Node::ruled(&proxy, &[&receiver], &floor);
    let mut clients = Driver::clients();
    for side in [("erika", "expert"), ("karl", "customer")] {
        link(&proxy, side.0, WIDE_BPS);
        enter(&mut clients, &node, "floor", side);
        clients.ask(&json!({"do": "publish", "who": side.0, "audio": true}));
    }
    // Both are heard; one is seen, by the direction in question.
    let sender = sides(direction).0;
    clients.ask(&json!({"do": "publish", "who": sender, "video": video()}));
    let start = proxy.now();
    let seen = narrow_and_wide(&mut clients, &proxy, direction);
    let end = proxy.now();
    let reports = ["erika", "karl"].map(|who| clients.ask(&json!({"do": "report", "who": who})));
    for (who, report) in ["erika", "karl"].iter().zip(&reports) {
        tell(who, report);
        println!("{who}: {} ms of sound are made up", concealed_ms(report));
        println!("{:?} {:?}", proxy.link(who).up(), proxy.link(who).down());
        clients.ask(&json!({"do": "leave", "who": who}));
    }
    drop(turn);
    println!("{seen:?}");
    for [speaker, listener] in [["erika", "karl"], ["karl", "erika"]] {
        the_sound_goes_on(&proxy, [speaker, listener], (start, end));
    }
    the_breach_follows_the_shortage(&node, direction);
    let heard_ms = HEARD_MS + lateness_ms(&reports[0]);
    the_bill_tells_the_story(&story_of(&receiver), direction, (&seen, heard_ms));
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
    let (sender, viewer) = sides(direction);
    let demand = Demand::of(proxy, &proxy.link(sender), &LAYERS_BPS);
    let fits = demand.layers_bps[1] > FLOOR_BPS && demand.whole() < WIDE_BPS * 9 / 10;
    assert!(
        fits,
        "more than the floor, and less than the wide link: {demand:?}"
    );
    let viewer = proxy.link(viewer);
    // The floor is that of the wire, with the sound: what is left of it for the picture.
    let carried_bps = FLOOR_BPS - demand.sound_bps;
    until_carried(proxy, &viewer, carried_bps);
    told(clients, direction, "met", false);
    // The demand is there at the moment from which the times count.
    until_carried(proxy, &viewer, carried_bps);
    set(proxy, direction, FLOOR_BPS * NARROW_PERCENT / 100);
    let narrow = wait::unix_ms();
    let breached = told(clients, direction, "breached", false);
    clients.ask(&json!({"do": "samples", "who": "erika", "ms": NARROW_MS}));
    set(proxy, direction, WIDE_BPS);
    let wide = wait::unix_ms();
    let back = proxy.unix_ms(until_carried(proxy, &viewer, carried_bps));
    let restored = told(clients, direction, "breached", true);
    // Once more live, for an interval after the pause.
    clients.ask(&json!({"do": "samples", "who": "erika", "ms": 3_000}));
    Seen {
        narrow,
        breached,
        wide,
        back,
        restored,
    }
}

/// Waits until the expert is told that the customer's floor is in this state, or no longer; when that was.
fn told(clients: &mut Driver, direction: &str, state: &str, no_longer: bool) -> f64 {
    let wanted = json!({
        "do": "floor", "who": "erika", "identity": "karl", "direction": direction, "state": state, "other": no_longer
    });
    number(&clients.ask(&wanted)["at_ms"])
}

fn set(proxy: &Proxy, direction: &str, rate_bps: u64) {
    let link = proxy.link("karl");
    if direction == "down" {
        link.set_down(shape(rate_bps));
    } else {
        link.set_up(shape(rate_bps));
    }
}

/// What one says reaches the other all the time, but for what the narrow link dropped.
fn the_sound_goes_on(
    proxy: &Proxy,
    [speaker, listener]: [&str; 2],
    (start, end): (Duration, Duration),
) {
    let sent = proxy
        .link(speaker)
        .sent_up(start)
        .between(start, end)
        .of(Kind::Sound);
    let arrived = proxy
        .link(listener)
        .arrived_down(start)
        .between(start, end)
        .of(Kind::Sound);
    let silent = arrived.longest_gap(start, end);
    let own = sent.longest_gap(start, end);
    let lost = PACKET * u32::try_from(sent.len().saturating_sub(arrived.len())).unwrap_or(u32::MAX);
    println!("{listener} without sound for {silent:?} (its speaker: {own:?}), {lost:?} lost");
    assert!(
        silent <= SILENT + own,
        "{listener} hears nothing for {silent:?}"
    );
    assert!(
        lost <= LOST,
        "{listener} lacks {lost:?} of {speaker}'s sound"
    );
}

/// By the node's own clock, and relative to the evidence: a shortage is breached as long after it is short
/// as the policy says.
fn the_breach_follows_the_shortage(node: &Node, direction: &str) {
    let logged = node.logged();
    let lines = logged
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let changes: Vec<Value> = lines
        .filter(|line| {
            line["fields"]["message"] == "the floor" && line["fields"]["direction"] == direction
        })
        .collect();
    let breach = changes
        .iter()
        .position(|line| line["fields"]["state"] == "breached");
    let (before, after) = changes.split_at(breach.expect("the breach is in the log"));
    let karl = &after[0]["fields"]["participant"];
    let short = before
        .iter()
        .rfind(|line| line["fields"]["participant"] == *karl);
    let short = short.expect("the shortage is in the log");
    assert_eq!(short["fields"]["state"], "short", "{changes:#?}");
    let at_ms = |line: &Value| unix_ms(line["timestamp"].as_str().unwrap_or_default());
    let took_ms = at_ms(&after[0]) - at_ms(short);
    println!("breached {took_ms:.0} ms after it was short");
    let wanted_ms = BREACH_MS - SHORT_MS;
    assert!(
        (wanted_ms - CLOSE_MS..=wanted_ms + BLINK_MS).contains(&took_ms),
        "breached {took_ms} ms after it was short: {changes:#?}"
    );
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
fn the_bill_tells_the_story(story: &[Attempt], direction: &str, (seen, heard_ms): (&Seen, f64)) {
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
    let [warned, from, relieved, to] =
        [warning, paused, relief, resumed].map(|at| story[at].unix_ms());
    let (breach_ms, restored_ms) = (warned - seen.narrow, relieved - seen.wide);
    println!(
        "breached after {breach_ms:.0} ms, restored after {restored_ms:.0} ms, the picture back after {:.0} ms",
        seen.back - seen.wide
    );
    assert!(
        breach_ms <= BREACH_MS + SEES_BREACH_MS,
        "breached after {breach_ms} ms"
    );
    // How soon it is restored and the picture back at the latest is shown in virtual time: here that is
    // up to the congestion control of a browser that may have no core.
    assert!(
        restored_ms >= RESTORE_MS - BLINK_MS,
        "restored after {restored_ms} ms"
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
            seen.breached,
            heard_ms,
        ),
        ("end and the expert's word", end, seen.restored, heard_ms),
    ] {
        assert!((is - was).abs() <= most, "{what}: {is} and {was}: {ended}");
    }
    let billed = number(&ended["paused_ms"]["below_floor"]);
    assert!(
        (billed - (end - start)).abs() <= 1.0,
        "{billed} ms: {ended}"
    );
}
