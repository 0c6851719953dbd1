//! What one client asks too much of, or too often, costs the others little and itself an answer.

use beistand::base::{EndReason, Millis};
use beistand::node::SessionCommand;
use beistand_testing::{AUDIO, World};
use livekit_protocol as proto;
use livekit_protocol::signal_request::Message as Ask;
use str0m::media::MediaKind;

/// Why a request that holds too much is refused.
const LIMIT: i32 = proto::request_response::Reason::LimitExceeded as i32;

/// Two who talk, and one who floods: the third.
fn three() -> World {
    let mut world = World::new(20);
    for (identity, role) in [("ex", "expert"), ("cu", "customer"), ("gu", "guest")] {
        world.join("help", identity, Some(role));
    }
    world.run(Millis(500));
    world.publish(2, MediaKind::Audio);
    world.run(Millis(500));
    world
}

fn mute(world: &World, muted: bool) -> Ask {
    let sid = world.clients[2].confirmed[0].clone();
    Ask::Mute(proto::MuteTrackRequest { sid, muted })
}

fn seen_muted(world: &World, by: usize) -> bool {
    let mut others = world.clients[by].others.values();
    let guest = others.find(|info| info.identity == "gu");
    guest.expect("the guest is there").tracks[0].muted
}

fn track(change: impl Fn(&mut proto::AddTrackRequest)) -> Ask {
    let mut request = proto::AddTrackRequest {
        cid: "one".to_owned(),
        source: 2,
        ..proto::AddTrackRequest::default()
    };
    change(&mut request);
    Ask::AddTrack(request)
}

#[test]
fn a_burst_of_mutes_is_told_to_the_others_once_each_50_ms_and_the_last_one_holds() {
    let mut world = three();
    let before = world.clients[0].updates;
    for n in 0..400 {
        world.ask(2, mute(&world, n % 2 == 0));
    }
    assert_eq!(world.clients[0].updates, before + 1, "the first at once");
    assert!(seen_muted(&world, 0), "the first");
    world.run(Millis(150));
    assert_eq!(world.clients[0].updates, before + 2, "the rest in one");
    assert!(!seen_muted(&world, 0) && !seen_muted(&world, 1), "the last");
    for n in 0..50 {
        world.ask(2, mute(&world, n % 2 == 0));
        world.run(Millis(20));
    }
    let told = world.clients[0].updates - before - 2;
    assert!((10..=21).contains(&told), "{told} messages in a second");
    world.run(Millis(100));
    assert!(!seen_muted(&world, 0));
}

#[test]
fn what_is_muted_and_gone_within_a_moment_is_told_as_gone() {
    let mut world = three();
    world.ask(2, mute(&world, true));
    world.ask(2, mute(&world, false));
    let leave = proto::LeaveRequest::default();
    world.ask(2, Ask::Leave(leave));
    world.run(Millis(200));
    let gone = world.clients[0]
        .others
        .values()
        .find(|i| i.identity == "gu");
    let state = gone.expect("it was told").state;
    assert_eq!(state, proto::participant_info::State::Disconnected as i32);
    let newcomer = world.join("help", "ne", Some("guest"));
    world.run(Millis(500));
    let seen = world.clients[newcomer].others.values();
    let seen: Vec<&str> = seen.map(|info| info.identity.as_str()).collect();
    assert!(seen.len() == 3 && !seen.contains(&"gu"), "{seen:?}");
}

#[test]
fn a_message_that_holds_too_much_is_refused_with_its_limit_and_nobody_hears_of_it() {
    let mut world = three();
    let long = "n".repeat(257);
    let layers = vec![proto::VideoLayer::default(); 17];
    let codecs = vec![proto::SimulcastCodec::default(); 17];
    let sids = vec!["TR_x".to_owned(); 257];
    let admits = proto::TrackPermission {
        participant_identity: "cu".to_owned(),
        track_sids: sids.clone(),
        ..proto::TrackPermission::default()
    };
    let asks = [
        Ask::SubscriptionPermission(proto::SubscriptionPermission {
            all_participants: false,
            track_permissions: vec![admits],
        }),
        track(|t| t.name = long.clone()),
        track(|t| t.cid = long.clone()),
        track(|t| t.stream = long.clone()),
        track(|t| t.layers = layers.clone()),
        track(|t| t.simulcast_codecs = codecs.clone()),
        track(|t| t.audio_features = vec![0; 17]),
        Ask::Trickle(proto::TrickleRequest {
            candidate_init: "x".repeat(2_049),
            ..proto::TrickleRequest::default()
        }),
        Ask::Subscription(proto::UpdateSubscription {
            track_sids: sids.clone(),
            subscribe: true,
            participant_tracks: Vec::new(),
        }),
        Ask::Subscription(proto::UpdateSubscription {
            track_sids: vec![long.clone()],
            subscribe: true,
            participant_tracks: Vec::new(),
        }),
        Ask::TrackSetting(proto::UpdateTrackSettings {
            track_sids: sids,
            ..proto::UpdateTrackSettings::default()
        }),
    ];
    let (before, count) = (world.clients[0].updates, asks.len());
    for ask in asks {
        world.ask(2, ask);
    }
    assert_eq!(world.clients[2].refused, vec![LIMIT; count]);
    world.ask(2, track(|t| t.name = "n".repeat(256)));
    assert_eq!(world.clients[2].confirmed.len(), 2, "as much as may be");
    world.run(Millis(200));
    assert_eq!(world.clients[0].updates, before);
    assert!(world.clients.iter().all(|client| client.left.is_none()));
}

#[test]
fn what_is_told_of_one_participant_has_16_kib_and_a_track_that_does_not_fit_is_refused() {
    let mut world = three();
    let wide = |cid: usize| {
        track(move |t| {
            t.cid = format!("{cid}{}", "c".repeat(250));
            t.name = "n".repeat(256);
            t.stream = "s".repeat(256);
            t.layers = vec![
                proto::VideoLayer {
                    rid: "r".repeat(256),
                    ..proto::VideoLayer::default()
                };
                3
            ];
        })
    };
    for cid in 0..15 {
        world.ask(2, wide(cid));
    }
    let client = &world.clients[2];
    assert!(client.refused.iter().all(|reason| *reason == LIMIT));
    let fit = client.confirmed.len() - 1;
    assert!((8..15).contains(&fit), "{fit} of 15 fit");
    assert_eq!(client.refused.len(), 15 - fit);
}

#[test]
fn a_description_that_is_too_long_is_refused_and_one_with_many_candidates_is_answered() {
    let mut world = three();
    let candidates = |count: usize| -> String {
        let candidate = |n: usize| {
            let (high, low) = (n / 250, n % 250);
            format!(
                "a=candidate:{n} 1 udp {} 10.0.{high}.{low} 9 typ host\r\n",
                1_000_000 + n
            )
        };
        (0..count).map(candidate).collect()
    };
    let errors = world.shard.stats().signal_errors;
    let offer = world.announce(1, MediaKind::Audio);
    let with = |count: usize| proto::SessionDescription {
        sdp: format!("{}{}", offer.sdp, candidates(count)),
        ..offer.clone()
    };
    world.ask(1, Ask::Offer(with(30_000)));
    assert_eq!(world.clients[1].answer, "", "refused");
    let wide = proto::SessionDescription {
        sdp: format!(
            "{}{}",
            offer.sdp,
            "m=audio 9 UDP/TLS/RTP/SAVPF 0\r\n".repeat(64)
        ),
        ..offer.clone()
    };
    world.ask(1, Ask::Offer(wide));
    assert_eq!(world.clients[1].answer, "", "refused");
    assert_eq!(world.shard.stats().signal_errors, errors + 2);
    world.ask(1, Ask::Offer(with(800)));
    assert_ne!(world.clients[1].answer, "");
    world.run(Millis(1_000));
    for _ in 0..20 {
        world.send_media(1, &AUDIO);
        world.run(Millis(20));
    }
    assert!(!world.clients[0].received.is_empty(), "the sound comes");
}

#[test]
fn whoever_is_sent_away_because_the_session_has_ended_knows_why_though_told_of_a_moment_ago() {
    let mut world = three();
    world.ask(2, mute(&world, true));
    world.ask(2, mute(&world, false));
    let session = world.appended[0].entry.session.clone();
    let end = SessionCommand::End(EndReason::EndedByApi);
    let done = world.shard.handle_command(&session, end, world.now);
    assert!(done.is_ok());
    world.run(Millis(100));
    for client in &world.clients {
        let me = client
            .joined
            .as_ref()
            .and_then(|join| join.participant.as_ref());
        let known = &client.others[&me.expect("it joined").sid];
        assert_eq!(known.attributes["beistand.end"], "ended_by_api");
        assert!(client.left.is_some(), "{} is sent away", known.identity);
    }
}
