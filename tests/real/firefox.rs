//! The page in Firefox ESR: it joins at once, is measured, shares its screen, and says what it cannot show.

use crate::doors::get;
use crate::driver::Driver;
use crate::node::Node;
use crate::turn;
use serde_json::{Value, json};

/// Joins that are timed, unless `BEISTAND_FIREFOX_JOINS` asks for more.
const JOINS: usize = 4;
/// Firefox asks again so late for what was lost of its first flight. A join that is not done by then has waited for that,
/// however busy the machine is; in virtual time, `tests/sim/candidates.rs` is exact.
const RETRANSMITTED_MS: u64 = 6_000;

fn links(node: &Node, room: &str) -> [String; 2] {
    let (status, body) = get(&node.http, &format!("/dev/links?room={room}"));
    assert_eq!(status, 200, "{body}");
    let links: Value = serde_json::from_str(&body).expect("the links are JSON");
    ["customer", "expert"].map(|who| links[who].as_str().expect("a link").to_owned())
}

/// Datagrams that no connection took, as the metrics page counts them by their reason.
fn dropped(node: &Node, reason: &str) -> u64 {
    let (status, page) = get(&node.admin, "/metrics");
    assert_eq!(status, 200, "{page}");
    let name = format!("beistand_datagram_drops_total{{reason=\"{reason}\"}} ");
    let count = page.lines().find_map(|line| line.strip_prefix(&name));
    count
        .expect("the counter is there")
        .parse()
        .expect("a count")
}

#[test]
fn firefox_joins_without_a_datagram_that_has_to_come_again() {
    let _turn = turn::shared();
    let mut driver = Driver::firefox();
    let wanted = std::env::var("BEISTAND_FIREFOX_JOINS").ok();
    let joins = wanted.map_or(JOINS, |joins| joins.parse().expect("a number of joins"));
    for number in 0..joins {
        // What comes after a page has left is for nobody, too: a node for each tells them apart.
        let node = Node::reachable();
        let [link, _] = links(&node, "join");
        let joined = driver.ask(&json!({"do": "join", "who": "customer", "link": link}));
        println!("{joined}");
        let ms = joined["ms"].as_u64().expect("a time");
        assert!(ms < RETRANSMITTED_MS, "join {number}: {joined}");
        let lost = dropped(&node, "unknown_address");
        assert_eq!(lost, 0, "join {number}: {joined}");
        driver.ask(&json!({"do": "close", "who": "customer"}));
    }
}

#[test]
fn firefox_measures_a_good_link_as_good() {
    let _turn = turn::alone();
    let node = Node::reachable();
    let mut driver = Driver::firefox();
    let [link, _] = links(&node, "measured");
    let verdict = driver.ask(&json!({"do": "check", "who": "customer", "link": link}));
    println!("{verdict}");
    assert_eq!(verdict["verdict"]["passed"], true, "{verdict}");
}

#[test]
fn the_camera_comes_back_as_large_as_it_was_and_a_screen_is_seen_by_the_other_side() {
    let _turn = turn::alone();
    let node = Node::reachable();
    let [customer, expert] = links(&node, "screen");
    let mut driver = Driver::firefox();
    for (who, link) in [("customer", &customer), ("expert", &expert)] {
        driver.ask(&json!({"do": "join", "who": who, "link": link, "size": "1280x720"}));
    }
    driver.ask(&json!({"do": "camera", "who": "customer", "width": 1280}));
    driver.ask(&json!({"do": "press", "who": "customer", "button": "camera"}));
    driver.ask(&json!({"do": "dark", "who": "customer"}));
    driver.ask(&json!({"do": "press", "who": "customer", "button": "camera"}));
    driver.ask(&json!({"do": "camera", "who": "customer", "width": 1280}));
    driver.ask(&json!({"do": "press", "who": "customer", "button": "screen"}));
    for source in ["camera", "screen_share"] {
        driver.ask(&json!({"do": "sees", "who": "expert", "source": source}));
    }
}

#[test]
fn firefox_says_that_it_cannot_show_a_picture_whose_codec_it_lacks() {
    let _turn = turn::alone();
    let node = Node::reachable();
    let [customer, expert] = links(&node, "codec");
    let mut chromium = Driver::browsers();
    let link = customer.replacen("join.html", "join.html?codec=h264", 1);
    chromium.ask(&json!({"do": "open", "who": "customer", "link": link, "size": "640x360"}));
    let mut driver = Driver::firefox();
    driver.ask(&json!({"do": "join", "who": "expert", "link": expert}));
    let told = driver.ask(&json!({"do": "unplayable", "who": "expert"}));
    let text = told["text"].as_str().unwrap_or_default();
    assert!(
        text.starts_with("This browser cannot show this picture"),
        "{told}"
    );
    assert!(text.contains("H.264"), "{told}");
}
