//! Candidates of a client that lead nowhere, before any that does: no failure, only not the way.

use beistand::base::Millis;
use beistand_testing::World;
use livekit_protocol as proto;
use livekit_protocol::signal_request::Message as Ask;
use str0m::media::MediaKind;

/// The node of these tests is reached by IPv4 and UDP.
const NOWHERE: [(&str, &str); 3] = [
    (
        "IPv6",
        "candidate:1 1 udp 2122262783 2001:db8::7 50001 typ host generation 0 ufrag abcd network-cost 50",
    ),
    (
        "TCP",
        "candidate:2 1 tcp 1518280447 10.1.0.1 9 typ host tcptype active generation 0",
    ),
    (
        "mDNS",
        "candidate:3 1 udp 2113937151 6e7d0b4c-4f1c-4b4e-9d3a-1d0d7c7a8f11.local 50002 typ host",
    ),
];

fn trickle(candidate: &str, target: proto::SignalTarget) -> Ask {
    let init = serde_json::json!({ "candidate": candidate, "sdpMid": "0", "sdpMLineIndex": 0 });
    Ask::Trickle(proto::TrickleRequest {
        candidate_init: init.to_string(),
        target: target.into(),
        r#final: false,
    })
}

#[test]
fn a_client_whose_first_candidates_lead_nowhere_connects_by_what_its_checks_show() {
    for (kind, candidate) in NOWHERE {
        for target in [
            proto::SignalTarget::Publisher,
            proto::SignalTarget::Subscriber,
        ] {
            let mut world = World::new(18);
            let index = world.join("help", "ex", Some("expert"));
            world.ask(index, trickle(candidate, target));
            world.run_through(Millis(3_000), |_, _, _| false);
            let left = &world.clients[index].left;
            assert!(left.is_none(), "{kind} to {target:?}: {left:?}");
            world.publish(index, MediaKind::Audio);
            world.run(Millis(2_000));
            let client = &world.clients[index];
            assert!(client.left.is_none(), "{kind} to {target:?}");
            assert_eq!(client.confirmed.len(), 1, "{kind} to {target:?}");
            assert!(
                world.send_data(index, b"there"),
                "{kind} to {target:?}: connected"
            );
        }
    }
}
