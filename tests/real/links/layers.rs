//! Three subscribers on three links, and a publisher of three layers: each gets the one that fits.

use super::{enter, link, list, number, sent_bps};
use crate::driver::{Driver, Sdk, join, tokens};
use crate::node::Node;
use crate::proxy::Proxy;
use crate::turn;
use serde_json::{Value, json};

/// Within this time of its join a subscriber has the layer that fits.
const SETTLES_MS: f64 = 8_000.0;
/// Steady state is observed for so long.
const STEADY_MS: f64 = 60_000.0;
/// Most switches of the layer in that time.
const SWITCHES: usize = 2;
/// Longest time without a picture, over a switch too.
const FREEZE_MS: f64 = 500.0;
/// The same where sound and picture fill the link: a keyframe takes its time on it.
const NARROW_FREEZE_MS: f64 = 1_500.0;
/// Least share of sound in what is heard of a tone without a pause.
const HEARD: f64 = 0.98;
/// Most of what is heard that the decoder had to make up.
const CONCEALED: f64 = 0.01;

/// Name of subscriber and link, rate of the link, width of the layer that fits.
const SUBSCRIBERS: [(&str, u64, u64); 3] = [
    ("slow", 150_000, 240),
    ("middle", 600_000, 480),
    ("fast", 4_000_000, 960),
];

/// With the sound, 120, 330 and 980 kbit/s on the wire.
fn video() -> Value {
    json!({
        "source": "camera", "picture": "busy", "grain": 120, "width": 960, "height": 540, "fps": 24,
        "bps": 900_000,
        "layers": [
            {"width": 240, "height": 135, "bps": 60_000},
            {"width": 480, "height": 270, "bps": 250_000},
        ],
    })
}

#[test]
fn each_of_three_subscribers_settles_on_the_layer_that_fits_its_link() {
    let _turn = turn::alone();
    let proxy = Proxy::start(11);
    let node = Node::behind(&proxy, &[]);
    let mut clients = Driver::clients();
    link(&proxy, "publisher", 10_000_000);
    enter(&mut clients, &node, "layers", ("erika", "expert"));
    clients.ask(&json!({"do": "publish", "who": "erika", "audio": true, "video": video()}));
    let mut people = Driver::people();
    let names = SUBSCRIBERS.map(|(name, _, _)| name);
    for (name, rate_bps, _) in SUBSCRIBERS {
        link(&proxy, name, rate_bps);
        let token = tokens(Sdk::Python, "layers", &[(name, "customer")]).remove(0);
        people.ask(&join(&node, name, &token, &[]));
    }
    // Twice the time to settle: the joins take time too.
    people.ask(&json!({"do": "watch", "who": names, "sender": "erika", "ms": SETTLES_MS}));
    let seen =
        people.ask(&json!({"do": "watch", "who": names, "sender": "erika", "ms": STEADY_MS}));
    let sent = clients.ask(&json!({"do": "report", "who": "erika"}));
    println!("sent in bit/s: {:?}", sent_bps(&sent));
    for (name, _, _) in SUBSCRIBERS {
        let (link, seen) = (proxy.link(name).down(), &seen["watched"][name]);
        println!("{name}: {seen}\n{link:?}");
    }
    for (name, _, width) in SUBSCRIBERS {
        let seen = &seen["watched"][name];
        the_layer_fits(name, width, seen);
        sound_and_picture_go_on(name, seen);
    }
}

fn the_layer_fits(name: &str, width: u64, seen: &Value) {
    let settled = number(&seen["here"][1]) + SETTLES_MS;
    let sizes = list(seen, "sizes");
    let (early, late): (Vec<_>, Vec<_>) = sizes
        .iter()
        .partition(|size| number(&size["at_ms"]) <= settled);
    let then = early.last().map(|size| &size["width"]);
    assert_eq!(then, Some(&json!(width)), "{name} after 8 s: {sizes:?}");
    assert!(late.len() <= SWITCHES, "{name} switches: {sizes:?}");
    let last = sizes.last().map(|size| &size["width"]);
    assert_eq!(last, Some(&json!(width)), "{name} at the end: {sizes:?}");
}

fn sound_and_picture_go_on(name: &str, seen: &Value) {
    let heard = number(&seen["heard"]["loud"]) / number(&seen["heard"]["frames"]).max(1.0);
    assert!(heard >= HEARD, "{name} hears {heard} of the tone: {seen}");
    let stats = &seen["stats"];
    let concealed = number(&stats["concealed"]) / number(&stats["samples"]).max(1.0);
    assert!(
        concealed <= CONCEALED,
        "{name}: {concealed} of its sound is made up: {seen}"
    );
    // A frame of sound has 10 ms.
    let frames = STEADY_MS / 10.0;
    assert!(number(&seen["heard"]["frames"]) >= frames * HEARD, "{seen}");
    let gap_ms = number(&seen["gap_ms"]);
    let most_ms = if name == "slow" {
        NARROW_FREEZE_MS
    } else {
        FREEZE_MS
    };
    assert!(gap_ms <= most_ms, "{name} froze for {gap_ms} ms: {seen}");
}
