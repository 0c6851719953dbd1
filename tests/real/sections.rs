//! What a client is offered when a track goes and another one comes: a browser that gives itself out for
//! one that takes no section again gets a new one.

use crate::driver::{Driver, Sdk, tokens};
use crate::node::Node;
use crate::turn;
use serde_json::json;

const SAFARI: &str = "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.5 Safari/605.1.15";

#[test]
fn safari_is_offered_a_new_section_for_each_track_and_chromium_the_one_that_is_idle() {
    let _turn = turn::alone();
    let node = Node::with(&[]);
    let people = [
        ("erika", "expert"),
        ("karl", "customer"),
        ("gustav", "guest"),
    ];
    let made = tokens(Sdk::Node, "sections", &people);
    let mut clients = Driver::clients();
    for ((who, _), token) in people.iter().zip(&made) {
        let agent = (*who == "karl").then_some(SAFARI);
        let ws = node.ws_url();
        clients.ask(&json!({"do": "open", "who": who, "ws": ws, "token": token, "agent": agent}));
    }
    let video = json!({
        "source": "camera", "picture": "filled", "width": 320, "height": 180, "fps": 15, "bps": 200_000,
    });
    let mut shown = |pictures: u64, safari: u64, chromium: u64| {
        for (who, sections) in [("karl", safari), ("gustav", chromium)] {
            let wanted =
                json!({"do": "shows", "who": who, "pictures": pictures, "sections": sections});
            clients.ask(&wanted);
        }
        let next = if pictures == 0 {
            json!({"do": "publish", "who": "erika", "video": video})
        } else {
            json!({"do": "unpublish", "who": "erika", "source": "camera"})
        };
        clients.ask(&next);
    };
    shown(0, 0, 0);
    shown(1, 1, 1);
    shown(0, 1, 1);
    shown(1, 2, 1);
    shown(0, 2, 1);
}
