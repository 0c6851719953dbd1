//! Real clients on narrow links: what the node does for them, and what it says of it.

use crate::driver::{Driver, Sdk, join, tokens};
use crate::node::Node;
use crate::proxy::{Proxy, Shape};
use crate::turn;
use serde_json::json;

#[test]
fn participants_behind_a_mapped_port_exchange_pictures_and_sound() {
    let _turn = turn::alone();
    let proxy = Proxy::start(3);
    let node = Node::behind(&proxy, &[]);
    let mut driver = Driver::people();
    let people = [("karl", "customer"), ("erika", "expert")];
    let links = [("karl", 40), ("erika", 5)].map(|(name, delay_ms)| {
        let link = proxy.link(name);
        link.set_up(Shape::rate(4_000_000).delayed(delay_ms));
        link.set_down(Shape::rate(4_000_000).delayed(delay_ms));
        link
    });
    for ((identity, _), token) in people.iter().zip(tokens(Sdk::Python, "mapped", &people)) {
        proxy.assign(identity);
        driver.ask(&join(&node, identity, &token, &["video", "audio"]));
    }
    driver.ask(&json!({"do": "receive", "who": ["karl", "erika"]}));
    for link in links {
        let (up, down) = (link.up(), link.down());
        assert!(up.passed > 100 && down.passed > 100, "{up:?} {down:?}");
    }
}
