//! Tracks that are announced and do not come, or come late, through the node's machines with real transports.

use beistand::base::Millis;
use beistand_testing::{KEYFRAME, World};
use livekit_protocol as proto;
use livekit_protocol::signal_request::Message as Ask;
use str0m::media::MediaKind;

/// Tracks of one participant.
const MOST: usize = 16;

fn pair() -> World {
    let mut world = World::new(18);
    world.join("help", "ex", Some("expert"));
    world.auto_subscribe = false;
    world.join("help", "cu", Some("customer"));
    world.run(Millis(500));
    world
}

fn announce_a_ghost(world: &mut World, cid: &str) {
    let add = proto::AddTrackRequest {
        cid: cid.to_owned(),
        source: 2,
        ..proto::AddTrackRequest::default()
    };
    world.ask(0, Ask::AddTrack(add));
}

/// How many tracks a client sees of the expert.
fn seen(world: &World, by: usize) -> usize {
    let mut others = world.clients[by].others.values();
    let expert = others.find(|info| info.identity == "ex");
    expert.expect("the expert is there").tracks.len()
}

fn subscription(sid: &str, subscribe: bool) -> Ask {
    Ask::Subscription(proto::UpdateSubscription {
        track_sids: vec![sid.to_owned()],
        subscribe,
        participant_tracks: Vec::new(),
    })
}

#[test]
fn a_track_that_is_announced_and_never_comes_is_seen_by_nobody_and_gives_its_place_back() {
    let mut world = pair();
    for index in 0..MOST {
        announce_a_ghost(&mut world, &format!("ghost{index}"));
    }
    assert_eq!(world.clients[0].confirmed.len(), MOST);
    announce_a_ghost(&mut world, "one more");
    let limit = proto::request_response::Reason::LimitExceeded as i32;
    assert_eq!(world.clients[0].refused, [limit]);
    let late = world.join("help", "gu", Some("guest"));
    assert_eq!((seen(&world, 1), seen(&world, late)), (0, 0));
    world.run(Millis(29_900));
    assert!(world.clients[0].forgotten.is_empty());
    world.run(Millis(200));
    assert_eq!(world.clients[0].forgotten, world.clients[0].confirmed);
    assert_eq!(seen(&world, 0) + seen(&world, 1), 0);
    world.publish(0, MediaKind::Video);
    world.run(Millis(200));
    assert_eq!(seen(&world, 1), 1, "what comes is seen");
    assert_eq!(world.shard.stats().tracks_expired, 16);
}

#[test]
fn a_subscription_waits_for_a_track_that_is_announced_and_gets_it_when_it_comes() {
    let mut world = pair();
    let offer = world.announce(0, MediaKind::Video);
    let sid = world.clients[0].confirmed[0].clone();
    world.ask(1, subscription(&sid, true));
    world.run(Millis(10_000));
    assert!(world.clients[1].unavailable.is_empty());
    world.ask(0, Ask::Offer(offer));
    world.run(Millis(500));
    for _ in 0..50 {
        world.send_media(0, &KEYFRAME);
        world.run(Millis(20));
    }
    assert_eq!(world.clients[1].received.len(), 1, "the track is there");
}

#[test]
fn a_subscription_to_a_track_that_never_comes_fails_after_thirty_seconds_and_not_if_it_is_taken_back()
 {
    let mut world = pair();
    world.ask(1, subscription("TR_never", true));
    world.ask(1, subscription("TR_back", true));
    world.ask(1, subscription("TR_back", false));
    world.run(Millis(29_900));
    assert!(world.clients[1].unavailable.is_empty());
    world.run(Millis(200));
    assert_eq!(world.clients[1].unavailable, ["TR_never"]);
    assert_eq!(world.shard.stats().subscriptions_expired, 1);
    assert!(world.clients.iter().all(|client| client.left.is_none()));
}

#[test]
fn a_section_that_shares_the_transport_of_the_first_and_has_port_0_is_published() {
    let mut world = pair();
    world.publish(0, MediaKind::Audio);
    world.run(Millis(500));
    let mut offer = world.announce(0, MediaKind::Video);
    // As Firefox offers a screen (RFC 9143, section 7.1).
    let only = offer.sdp.replace("m=video 9 ", "m=video 0 ");
    offer.sdp = only.replace("a=mid:", "a=bundle-only\r\na=mid:");
    world.ask(0, Ask::Offer(offer));
    world.run(Millis(500));
    assert_eq!(seen(&world, 1), 2);
}
