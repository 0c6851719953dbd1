//! Who gets the tracks of a publisher who says so, and those of one of whom nobody is told.

use beistand::base::{Bitrate, Millis, Unix};
use beistand::peer::signal::token::Claims;
use beistand_testing::{KEYFRAME, World};
use livekit_protocol as proto;
use livekit_protocol::signal_request::Message as Ask;
use str0m::media::MediaKind;

/// The longest way of a packet here: 20 ms down, 9 ms for each that is before it, and nothing up.
const ROUND_TRIP: Millis = Millis(50);

fn permit(named: &[(&str, bool)]) -> Ask {
    let named = named
        .iter()
        .map(|(identity, all_tracks)| proto::TrackPermission {
            participant_identity: (*identity).to_owned(),
            all_tracks: *all_tracks,
            ..proto::TrackPermission::default()
        });
    Ask::SubscriptionPermission(proto::SubscriptionPermission {
        all_participants: false,
        track_permissions: named.collect(),
    })
}

/// A picture each 20 ms for so long.
fn show(world: &mut World, span: Millis) {
    for _ in 0..span.0 / 20 {
        world.send_media(0, &KEYFRAME);
        world.run(Millis(20));
    }
}

#[test]
fn not_a_packet_of_a_forbidden_track_comes_after_a_round_trip_and_the_admitted_one_notices_nothing()
{
    let mut world = World::new(20);
    for (who, role) in [("cu", "customer"), ("ex", "expert"), ("gu", "guest")] {
        world.join("help", who, Some(role));
    }
    world.clients[1].down.rate = Some(Bitrate::kbps(1_000));
    world.run(Millis(500));
    world.publish(0, MediaKind::Video);
    show(&mut world, Millis(2_000));
    let got = |world: &World, index: usize| world.clients[index].arrived.len();
    let before = got(&world, 1);
    show(&mut world, Millis(500));
    assert!(got(&world, 1) > before + 20, "pictures come");
    world.ask(0, permit(&[("gu", true)]));
    show(&mut world, ROUND_TRIP);
    let (expert, guest) = (got(&world, 1), got(&world, 2));
    show(&mut world, Millis(3_000));
    assert_eq!(got(&world, 1), expert, "nothing more");
    assert!(got(&world, 2) > guest + 140, "the guest gets all of it");
    let late = world.join("help", "ob", Some("observer"));
    show(&mut world, Millis(1_000));
    assert_eq!(got(&world, late), 0, "whoever comes later gets none");
    world.ask(0, permit(&[("ex", true), ("gu", false)]));
    show(&mut world, Millis(1_000));
    assert!(got(&world, 1) > expert + 20, "it comes again");
    assert!(world.clients.iter().all(|client| client.left.is_none()));
}

/// A token of somebody who is not shown to the others, or who records them.
fn claims(world: &World, identity: &str) -> Claims {
    let mut claims = Claims::new("key", identity, Unix(world.now.unix.0 + 3_600_000));
    claims.video.room = Some("help".to_owned());
    claims.video.room_join = Some(true);
    claims.video.hidden = Some(identity == "hidden");
    claims.video.recorder = Some(identity == "recorder");
    claims
}

#[test]
fn what_a_hidden_participant_publishes_is_offered_to_nobody_and_programs_are_not_counted() {
    let mut world = World::new(21);
    let hidden = claims(&world, "hidden");
    world.join_by(hidden);
    world.join("help", "cu", Some("customer"));
    let recorder = claims(&world, "recorder");
    world.join_by(recorder);
    world.join("help", "ex", Some("expert"));
    world.run(Millis(500));
    world.publish(0, MediaKind::Video);
    let sid = world.clients[0].confirmed[0].clone();
    world.ask(
        1,
        Ask::Subscription(proto::UpdateSubscription {
            track_sids: vec![sid],
            subscribe: true,
            participant_tracks: Vec::new(),
        }),
    );
    show(&mut world, Millis(1_000));
    let counts: Vec<u32> = world
        .clients
        .iter()
        .filter_map(|client| Some(client.joined.as_ref()?.room.as_ref()?.num_participants))
        .collect();
    assert_eq!(counts, [0, 1, 1, 2]);
    for client in &world.clients[1..] {
        assert!(client.received.is_empty(), "{:?}", client.received);
        assert!(client.others.values().all(|info| info.identity != "hidden"));
    }
}
