//! Three subscribers on three links, and a publisher of three layers: each gets the one that fits.

use super::demand::Demand;
use super::{enter, link, list, narrow_down, number};
use crate::driver::{Driver, Sdk, join, tokens};
use crate::node::Node;
use crate::proxy::{Kind, Link, Proxy, Tape};
use crate::turn;
use serde_json::{Value, json};
use std::time::Duration;

/// Within this time of its first picture a subscriber has the layer that fits, and its queue is empty.
const SETTLES_MS: u64 = 8_000;
/// Steady state is observed for so long.
const STEADY_MS: u64 = 60_000;
/// Longest time without a picture, over a switch too, beside what its publisher left out.
const FREEZE: Duration = Duration::from_millis(500);
/// The same where sound and picture fill the link: a keyframe takes its time on it.
const NARROW_FREEZE: Duration = Duration::from_millis(1_500);
/// Least share of the publisher's sound that arrives, in percent.
const ARRIVES_PERCENT: usize = 99;
/// Least share of sound in what is heard of a tone without a pause.
const HEARD: f64 = 0.98;
/// Most of what is heard that the decoder had to make up.
const CONCEALED: f64 = 0.01;
/// Packets of sound that are no further apart are sent at once.
const AT_ONCE: Duration = Duration::from_millis(5);
/// Sound in one packet.
const PACKET: Duration = Duration::from_millis(20);
/// A decoder waits for no longer than this for a packet of sound: three are missing.
const PAUSE: Duration = Duration::from_millis(60);
/// Pictures a second.
const FPS: u64 = 10;

/// What each layer is to take, the lowest first, in bits per second without headers.
const LAYERS_BPS: [u64; 3] = [50_000, 150_000, 450_000];
/// Of the sound and the layer that fits, in percent, what a link carries.
const ROOM_PERCENT: [u64; 3] = [130, 160, 400];
/// Name of each subscriber, and width of the layer that fits its link.
const SUBSCRIBERS: [(&str, u64); 3] = [("slow", 240), ("middle", 480), ("fast", 960)];
/// Until it is known what the publisher sends.
const WIDE_BPS: u64 = 4_000_000;

fn video() -> Value {
    let [low, middle, high] = LAYERS_BPS;
    json!({
        "source": "camera", "picture": "filled", "width": 960, "height": 540, "fps": FPS, "bps": high,
        "layers": [
            {"width": 240, "height": 135, "bps": low},
            {"width": 480, "height": 270, "bps": middle},
        ],
    })
}

#[test]
fn each_of_three_subscribers_settles_on_the_layer_that_fits_its_link() {
    let _turn = turn::alone();
    let proxy = Proxy::start(11);
    let node = Node::behind(&proxy, &[]);
    let mut clients = Driver::clients();
    link(&proxy, "publisher", WIDE_BPS);
    enter(&mut clients, &node, "layers", ("erika", "expert"));
    clients.ask(&json!({"do": "publish", "who": "erika", "audio": true, "video": video()}));
    let mut people = Driver::people();
    // The fast one wants the best layer, and with it all of them are sent.
    come(&mut people, (&proxy, &node), 2, WIDE_BPS);
    let publisher = proxy.link("publisher");
    let demand = Demand::of(&proxy, &publisher, &LAYERS_BPS);
    let room = |index: usize| demand.with_sound(index) * ROOM_PERCENT[index] / 100;
    narrow_down(&proxy.link("fast"), room(2));
    for index in [0, 1] {
        come(&mut people, (&proxy, &node), index, room(index));
    }
    for (name, width) in SUBSCRIBERS {
        // How soon is shown in virtual time (`sim/layers`): here decoders wait for a core as well.
        let shows = json!({"do": "shows", "who": name, "sender": "erika", "width": width});
        people.ask(&shows);
    }
    let names = SUBSCRIBERS.map(|(name, _)| name);
    // The first packets find out what a link carries, and some are lost: steady is what comes after that.
    people.ask(&json!({"do": "watch", "who": names, "sender": "erika", "ms": SETTLES_MS}));
    let from = proxy.now();
    let watched =
        people.ask(&json!({"do": "watch", "who": names, "sender": "erika", "ms": STEADY_MS}));
    let to = proxy.now();
    // Wherever they are: each comes back to the layer that fits.
    for (name, width) in SUBSCRIBERS {
        people.ask(&json!({"do": "shows", "who": name, "sender": "erika", "width": width}));
    }
    for (name, width) in SUBSCRIBERS {
        let (link, seen) = (proxy.link(name), &watched["watched"][name]);
        println!("{name}: {seen}\n{:?}", link.down());
        nothing_above_the_layer_that_fits(name, width, seen);
        sound_and_picture_go_on(name, [&publisher, &link], (from, to));
        let sent = publisher.sent_up(from).between(from, to);
        the_tone_is_heard(name, seen, &sent, (from, to));
        no_picture_is_left_out(name, seen, &sent, (from, to));
    }
}

/// A subscriber joins over a link of this rate.
fn come(people: &mut Driver, (proxy, node): (&Proxy, &Node), index: usize, rate_bps: u64) {
    let name = SUBSCRIBERS[index].0;
    link(proxy, name, rate_bps);
    let token = tokens(Sdk::Python, "layers", &[(name, "customer")]).remove(0);
    people.ask(&join(node, name, &token, &[]));
}

/// A machine that is late with everything looks like a link that is full, so a lower layer may be shown
/// for a while; how rarely is shown in virtual time (`sim/layers`). One that does not fit never is.
fn nothing_above_the_layer_that_fits(name: &str, width: u64, seen: &Value) {
    let from_ms = number(&seen["from_ms"]);
    let sizes = list(seen, "sizes");
    let late = sizes.iter().filter(|size| number(&size["at_ms"]) > from_ms);
    let widest = late.map(|size| number(&size["width"])).fold(0.0, f64::max);
    assert!(widest <= number(&json!(width)), "{name}: {sizes:?}");
}

fn most(name: &str) -> Duration {
    if name == "slow" {
        NARROW_FREEZE
    } else {
        FREEZE
    }
}

/// By the wire: what the publisher sends arrives, and without more of a pause than it makes itself.
fn sound_and_picture_go_on(name: &str, ends: [&Link; 2], (from, to): (Duration, Duration)) {
    let sent = ends[0].sent_up(from).between(from, to);
    let arrived = ends[1].arrived_down(from).between(from, to);
    for kind in [Kind::Sound, Kind::Picture] {
        let gap = arrived.of(kind).longest_gap(from, to);
        let own = own_gap(&sent.of(kind), (from, to));
        println!("{name}: {gap:?} without {kind:?}, {own:?} at its publisher");
        assert!(gap <= most(name) + own, "{name}: {gap:?} without {kind:?}");
    }
    // What is sent all at once after a pause of the publisher's is more than a narrow link takes.
    let sound = sent.of(Kind::Sound);
    let paused = sound.silent(PAUSE, (from, to)).as_millis() / PACKET.as_millis();
    let crowded = sound.crowded(AT_ONCE, (from, to));
    let at_once = usize::try_from(paused).expect("few").min(crowded);
    let [sent, arrived] = [sent, arrived].map(|tape| tape.of(Kind::Sound).len());
    println!("{name}: {arrived} of {sent} packets of sound, {at_once} after pauses");
    let in_time = sent.saturating_sub(at_once);
    assert!(
        arrived * 100 >= in_time * ARRIVES_PERCENT,
        "{name}: {arrived} of {in_time} packets of sound"
    );
}

/// By the ear: the tone goes on, and hardly any of it is made up, beside what its publisher left out.
fn the_tone_is_heard(name: &str, seen: &Value, sent: &Tape, span: (Duration, Duration)) {
    let silent = sent.of(Kind::Sound).silent(PAUSE, span).as_secs_f64();
    let silent = silent / (span.1 - span.0).as_secs_f64();
    println!("{name}: {silent} of the time without sound at its publisher");
    let frames = number(&seen["heard"]["frames"]);
    let heard = number(&seen["heard"]["loud"]) / frames.max(1.0);
    assert!(
        heard >= HEARD - silent,
        "{name} hears {heard} of the tone: {seen}"
    );
    let stats = &seen["stats"];
    let concealed = number(&stats["concealed"]) / number(&stats["samples"]).max(1.0);
    assert!(
        concealed <= CONCEALED + silent,
        "{name}: {concealed} of its sound is made up: {seen}"
    );
    // A frame of sound has 10 ms.
    let most = number(&json!(STEADY_MS)) / 10.0;
    assert!(frames >= most * HEARD, "{name}: {seen}");
}

/// The longest pause that the publisher makes in any stream.
fn own_gap(sent: &Tape, (from, to): (Duration, Duration)) -> Duration {
    let streams = sent.streams();
    let gaps = streams.values().map(|one| one.longest_gap(from, to));
    gaps.max().unwrap_or(to.saturating_sub(from))
}

/// By the decoder: what arrives can be shown.
fn no_picture_is_left_out(name: &str, seen: &Value, sent: &Tape, span: (Duration, Duration)) {
    let gap = Duration::from_secs_f64(number(&seen["gap_ms"]) / 1_000.0);
    let own = own_gap(&sent.of(Kind::Picture), span);
    println!("{name}: {gap:?} between two pictures, {own:?} at its publisher");
    assert!(gap <= most(name) + own, "{name} freezes for {gap:?}");
}
