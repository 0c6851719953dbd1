//! A source that sends little by choice: its floor is unproven, never short, and its time is billed.

use super::{enter, link, list, story_of, tell};
use crate::driver::Driver;
use crate::node::Node;
use crate::proxy::{Kind, Proxy};
use crate::receiver::Receiver;
use crate::turn;
use serde_json::{Value, json};

/// Each of the three ways to send little takes a third of a minute.
const EACH_MS: u64 = 20_000;
/// More than what is shown takes, and far below the floor.
const LITTLE_BPS: u64 = 300_000;
/// What every link carries: twice the floor.
const LINK_BPS: u64 = 2_000_000;

fn picture(source: &str, picture: &str) -> Value {
    json!({
        "source": source, "picture": picture, "width": 640, "height": 360, "fps": 10,
        "bps": 1_500_000, "layers": [{"width": 320, "height": 180, "bps": 200_000}],
    })
}

fn show(clients: &mut Driver, who: &str, video: &Value) {
    clients.ask(&json!({"do": "publish", "who": who, "video": video}));
}

#[test]
fn a_source_that_sends_little_by_choice_is_never_short_and_never_paused() {
    let turn = turn::shared();
    let proxy = Proxy::start(13);
    let receiver = Receiver::start(&json!([]));
    let node = Node::behind(&proxy, &[&receiver]);
    let mut clients = Driver::clients();
    let sides = [("erika", "expert"), ("karl", "customer")];
    for side in sides {
        link(&proxy, side.0, LINK_BPS);
        enter(&mut clients, &node, "by-choice", side);
        clients.ask(&json!({"do": "publish", "who": side.0, "audio": true}));
        show(&mut clients, side.0, &picture("camera", "still"));
    }
    // Nothing is sent before the other side is there to want it.
    clients.ask(&json!({"do": "sends", "who": "erika", "encodings": 1}));
    // A static picture; then cameras off; then a shared screen of text.
    let look = |clients: &mut Driver| {
        let from = proxy.now();
        clients.ask(&json!({"do": "samples", "who": "karl", "ms": EACH_MS}));
        let arrived = proxy.link("karl").arrived_down(from).of(Kind::Picture);
        arrived.bps(proxy.now().saturating_sub(from))
    };
    let still_bps = look(&mut clients);
    for (who, _) in sides {
        clients.ask(&json!({"do": "unpublish", "who": who, "source": "camera"}));
    }
    clients.ask(&json!({"do": "samples", "who": "karl", "ms": EACH_MS}));
    show(&mut clients, "erika", &picture("screen", "text"));
    let text_bps = look(&mut clients);
    let reports = sides.map(|(who, _)| clients.ask(&json!({"do": "report", "who": who})));
    for ((who, _), report) in sides.iter().zip(&reports) {
        tell(who, report);
        println!("{:?} {:?}", proxy.link(who).up(), proxy.link(who).down());
        clients.ask(&json!({"do": "leave", "who": who}));
    }
    drop(turn);
    println!("karl gets {still_bps} bit/s of a camera, {text_bps} bit/s of a screen");
    for bps in [still_bps, text_bps] {
        let is_little = (1..=LITTLE_BPS).contains(&bps);
        assert!(is_little, "{bps} bit/s are not little");
    }
    for report in &reports {
        the_floor_is_never_short(report);
    }
    let story = story_of(&receiver);
    for event in &story {
        let is_of_floor = event.kind == "session.warning" && event.data()["kind"] == "floor";
        assert!(!is_of_floor, "a warning of the floor: {}", event.body);
        // The goodbyes at the end pause too, until the grace time is over.
        assert_ne!(event.data()["reason"], "below_floor", "{}", event.body);
    }
}

/// Words on the floor came at least every 5 s, and none was bad.
fn the_floor_is_never_short(report: &Value) {
    let words: Vec<&Value> = list(report, "messages")
        .iter()
        .filter(|message| message["topic"] == "beistand.floor")
        .collect();
    let least = 3 * EACH_MS / 5_000 - 1;
    assert!(
        words.len() as u64 >= least,
        "{} words: {words:?}",
        words.len()
    );
    for word in words {
        for participant in list(&word["data"], "participants") {
            for direction in ["up", "down"] {
                let state = &participant[direction]["state"];
                let is_good = ["met", "unproven"].iter().any(|good| state == good);
                assert!(is_good, "{direction} is {state}: {word}");
            }
        }
    }
}
