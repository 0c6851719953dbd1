//! A file that is sent over the data channel reaches everyone whole, also over a narrow link, and the sound
//! of whoever has that goes on.

use super::{concealed_ms, enter, lateness_ms, link};
use crate::doors::get;
use crate::driver::Driver;
use crate::node::Node;
use crate::proxy::Proxy;
use crate::turn;
use serde_json::json;

const FILE_BYTES: u64 = 5_000_000;
/// Twenty times what the narrow link carries.
const WIDE_BPS: u64 = 20_000_000;
const NARROW_BPS: u64 = 1_000_000;
/// The file takes 40 s of the narrow link if there is nothing else; a busy machine needs longer.
const WITHIN_MS: u64 = 150_000;
/// Of the sound, what the narrow link's client may have to make up.
const CONCEALED_MS: f64 = 1_500.0;

#[test]
fn a_file_of_5_mb_reaches_three_receivers_whole_and_the_narrow_link_keeps_its_sound() {
    let turn = turn::alone();
    let proxy = Proxy::start(15);
    let node = Node::behind(&proxy, &[]);
    let mut clients = Driver::clients();
    let receivers = ["erika", "gita", "slow"];
    link(&proxy, "karl", WIDE_BPS);
    enter(&mut clients, &node, "file", ("karl", "customer"));
    clients.ask(&json!({"do": "publish", "who": "karl", "audio": true}));
    for who in receivers {
        let bps = if who == "slow" { NARROW_BPS } else { WIDE_BPS };
        link(&proxy, who, bps);
        let role = if who == "erika" { "expert" } else { "guest" };
        enter(&mut clients, &node, "file", (who, role));
    }
    // Sound comes before the file does.
    clients.ask(&json!({"do": "samples", "who": "slow", "ms": 3_000}));
    let sent = clients.ask(&json!({"do": "send_file", "who": "karl", "bytes": FILE_BYTES}));
    assert_eq!(sent["bytes"], FILE_BYTES);
    for who in receivers {
        let ask = json!({"do": "file", "who": who, "from": "karl", "ms": WITHIN_MS});
        let got = clients.ask(&ask);
        assert_eq!(got["sha256"], sent["sha256"], "{who}: {got}");
    }
    let report = clients.ask(&json!({"do": "report", "who": "slow"}));
    let (concealed, own) = (concealed_ms(&report), lateness_ms(&report));
    println!("{concealed:.0} ms of sound were made up; the page was {own:.0} ms late");
    assert!(
        concealed <= CONCEALED_MS + own,
        "{concealed} ms of sound were made up"
    );
    let metrics = get(&node.admin, "/metrics").1;
    for line in [
        "beistand_queue_drops_total{queue=\"data\"} 0",
        "beistand_data_waits_total{what=\"receiver_stalled\"} 0",
    ] {
        assert!(
            metrics.lines().any(|is| is == line),
            "no {line} in {metrics}"
        );
    }
    drop(turn);
}
