//! Clients that are told another port than the worker's.

use crate::driver::{Driver, Sdk, join, tokens};
use crate::node::Node;
use crate::proxy::Proxy;
use crate::turn;
use serde_json::json;

#[test]
fn participants_behind_a_mapped_port_exchange_pictures_and_sound() {
    let _turn = turn::shared();
    let proxy = Proxy::start(3);
    let node = Node::behind(&proxy, &[]);
    let mut driver = Driver::people();
    let people = [("karl", "customer"), ("erika", "expert")];
    for ((identity, _), token) in people.iter().zip(tokens(Sdk::Python, "mapped", &people)) {
        super::link(&proxy, identity, 4_000_000);
        driver.ask(&join(&node, identity, &token, &["video", "audio"]));
    }
    driver.ask(&json!({"do": "receive", "who": ["karl", "erika"]}));
    for (identity, _) in people {
        let link = proxy.link(identity);
        let (up, down) = (link.up(), link.down());
        assert!(up.passed > 20 && down.passed > 20, "{up:?} {down:?}");
    }
}
