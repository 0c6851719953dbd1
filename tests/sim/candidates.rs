//! Candidates of a client that lead nowhere, before any that does: no failure, only not the way. Checks that
//! come before the description that they belong to.

use beistand::base::Millis;
use beistand_testing::{World, nominating};
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

/// RFC 7983, section 7.
fn is_stun(datagram: &[u8]) -> bool {
    datagram.first().is_some_and(|first| *first < 4)
}

/// What the description says of itself in this line.
fn line<'a>(sdp: &'a str, prefix: &str) -> &'a str {
    let mut lines = sdp.lines();
    lines.find_map(|line| line.strip_prefix(prefix)).unwrap()
}

#[test]
fn dtls_is_taken_from_where_a_check_came_before_the_answer_without_another_check() {
    let mut world = World::new(18);
    world.hold_answers();
    let index = world.join("help", "ex", Some("expert"));
    let [_, subscriber] = world.clients[index].addresses;
    let mut check = None;
    world.run_through(Millis(100), |_, from, bytes| {
        if from == subscriber {
            check.get_or_insert_with(|| bytes.to_vec());
        }
        false
    });
    let password = line(&world.clients[index].offer, "a=ice-pwd:").to_owned();
    let check = nominating(&check.expect("it is sent"), &password);
    world.shard.handle_datagram(subscriber, &check, world.now);
    world.run_through(Millis(200), |_, _, _| false);
    world.release_answers();
    // Its next check would be seconds away.
    world.run_through(Millis(500), |_, from, bytes| {
        from == subscriber && !is_stun(bytes)
    });
    assert_eq!(world.shard.stats().unknown_address, 0);
    assert!(world.clients[index].subscriber.is_connected());
}
