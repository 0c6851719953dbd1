//! The shard with real transports: joining, forwarding, data, vanishing, in virtual time.

use beistand::base::Verdict;
use beistand::base::{EndReason, Identity, Millis, PauseReason, RoomKey, SessionState, TrackKind};
use beistand::media::Codec;
use beistand::peer::signal::token::{authorize_join, verify};
use beistand::peer::transport::sections;
use beistand::usage::EventKind;
use beistand::usage::ledger::unfold;
use beistand_testing::{AUDIO, DELTA, KEYFRAME, World};
use std::collections::BTreeSet;
use str0m::media::MediaKind;

fn live_pair() -> World {
    let mut world = World::new(7);
    world.join("help", "ex", Some("expert"));
    world.join("help", "cu", Some("customer"));
    world.run(Millis(500));
    world.publish(0, MediaKind::Video);
    world.publish(1, MediaKind::Audio);
    world.run(Millis(1_000));
    world
}

/// `span` in which the expert sends video and the customer, if it wants, audio.
fn talk(world: &mut World, span: u64, customer_too: bool) {
    for tick in 0..span / 20 {
        world.send_media(0, if tick % 50 == 0 { &KEYFRAME } else { &DELTA });
        if customer_too {
            world.send_media(1, &AUDIO);
        }
        world.run(Millis(20));
    }
}

fn kinds(world: &World) -> Vec<EventKind> {
    world
        .appended
        .iter()
        .flat_map(|append| append.events.iter().map(|event| event.kind))
        .collect()
}

#[test]
fn two_clients_connect_and_each_gets_the_others_media_without_a_gap() {
    let mut world = live_pair();
    // One layer of more than a new connection is trusted with waits for the first probes.
    talk(&mut world, 2_000, true);
    world.clients.iter_mut().for_each(|c| c.received.clear());
    talk(&mut world, 2_000, true);
    for client in &world.clients {
        assert!(client.publisher.is_connected() && client.subscriber.is_connected());
        assert_eq!(client.received.len(), 1, "one track each");
        let seqs = client.received.values().next().expect("packets");
        assert!(seqs.len() >= 95, "{} of 100 packets", seqs.len());
        assert!(seqs.windows(2).all(|pair| pair[1] == pair[0] + 1), "no gap");
    }
}

#[test]
fn a_session_is_started_billed_and_ended_with_its_events_in_order() {
    let mut world = live_pair();
    talk(&mut world, 10_000, true);
    for index in 0..2 {
        let leave = livekit_protocol::LeaveRequest::default();
        world.ask(
            index,
            livekit_protocol::signal_request::Message::Leave(leave),
        );
    }
    world.run(Millis(21_000));
    let kinds = kinds(&world);
    assert_eq!(kinds.first(), Some(&EventKind::SessionStarted));
    assert_eq!(kinds.last(), Some(&EventKind::SessionEnded));
    let last = &world.appended.last().expect("a stop entry").entry;
    assert_eq!(last.end_reason(), Some(EndReason::Left));
    let billed = last.totals.billable_ms.0;
    assert!((9_900..=11_100).contains(&billed), "{billed} ms");
    assert_eq!(world.ended, 1);
}

#[test]
fn a_join_without_a_good_preflight_is_warned_of_and_what_was_measured_is_in_the_record() {
    let mut world = World::new(7);
    let at = world.now.unix;
    let measured = |up_bps| Verdict {
        rtt_ms: 30,
        jitter_ms: 2,
        ..Verdict::new(up_bps, 1_500_000, at).against(1_000_000, 1_000_000)
    };
    let (good, slow) = (measured(1_200_000), measured(800_000));
    for (identity, role, preflight) in [
        ("ex", "expert", Some(good)),
        ("cu", "customer", Some(slow)),
        ("gu", "guest", None),
        ("ob", "observer", None),
    ] {
        world.preflight = preflight;
        world.join("help", identity, Some(role));
    }
    world.run(Millis(2_000));
    // Back within the grace time, and without a verdict: that is no news.
    world.join("help", "ex", Some("expert"));
    world.run(Millis(2_000));
    let entries = world.appended.iter().map(|append| &append.entry);
    let warnings: Vec<_> = entries.filter_map(|entry| entry.warning.as_ref()).collect();
    let whose = |index: usize| warnings[index].identity.as_ref().map(|who| who.as_str());
    assert_eq!(warnings.len(), 2, "{warnings:?}");
    assert_eq!((whose(0), whose(1)), (Some("cu"), Some("gu")));
    let text = warnings[0].text.as_deref().unwrap_or_default();
    assert!(text.contains("measured were 0.80 Mbit/s up"), "{text}");
    let told = kinds(&world)
        .into_iter()
        .filter(|kind| *kind == EventKind::SessionWarning);
    assert_eq!(told.count(), 2);
    let clients = (0..world.clients.len()).flat_map(|index| self::told(&world, index));
    let warned = clients.filter(|(topic, _)| topic == "beistand.warning");
    let warned: BTreeSet<_> = warned
        .map(|(_, body)| body["identity"].to_string())
        .collect();
    let slow_alone = BTreeSet::from(["\"cu\"".to_owned()]);
    assert_eq!(
        warned, slow_alone,
        "that somebody was not checked is the app's"
    );
    let entries: Vec<_> = world.appended.iter().map(|a| a.entry.clone()).collect();
    let last = unfold(&entries, None).expect("entries");
    let of = |who: &str| last.totals.participants[&Identity::from(who)].preflight;
    assert_eq!(
        (of("ex"), of("cu"), of("gu")),
        (Some(good), Some(slow), None)
    );
}

#[test]
fn a_silent_customer_is_billed_and_a_vanished_one_is_not() {
    let mut world = live_pair();
    talk(&mut world, 20_000, false);
    let billed = |world: &World| world.appended.last().map(|a| a.entry.totals.accrued_ms.0);
    world.clients[1].cut = true;
    talk(&mut world, 6_000, false);
    let last = &world.appended.last().expect("a pause").entry;
    assert_eq!(last.state, SessionState::Paused(PauseReason::Reconnecting));
    let accrued = billed(&world).unwrap_or(0);
    assert!((19_000..=21_000).contains(&accrued), "{accrued} ms");
}

#[test]
fn data_reaches_the_others_with_the_true_sender_and_never_its_sender() {
    let mut world = live_pair();
    let user = livekit_protocol::UserPacket {
        payload: b"hi".to_vec(),
        ..Default::default()
    };
    let packet = livekit_protocol::DataPacket {
        participant_identity: "eve".into(),
        value: Some(livekit_protocol::data_packet::Value::User(user)),
        ..Default::default()
    };
    assert!(world.send_data(0, &prost::Message::encode_to_vec(&packet)));
    world.run(Millis(200));
    let got = |index: usize| {
        world.clients[index]
            .data
            .iter()
            .filter_map(|bytes| {
                let packet: livekit_protocol::DataPacket =
                    prost::Message::decode(bytes.as_slice()).ok()?;
                Some(packet.participant_identity)
            })
            .filter(|identity| !identity.is_empty())
            .collect::<Vec<_>>()
    };
    assert_eq!(got(1), ["ex"]);
    assert!(got(0).is_empty());
    assert!(
        !world.clients[0].data.is_empty(),
        "the billed clock is told"
    );
}

/// The topics that a client got from the server, and the bodies.
fn told(world: &World, index: usize) -> Vec<(String, serde_json::Value)> {
    let messages = world.clients[index].data.iter();
    messages
        .filter_map(|bytes| {
            let packet = beistand::peer::signal::ClientPacket::read(bytes).ok()?;
            let (topic, body) = packet.server_message()?;
            Some((topic.to_owned(), serde_json::from_slice(body).unwrap()))
        })
        .collect()
}

#[test]
fn clients_are_asked_and_answer_and_what_is_for_the_server_goes_to_nobody_else() {
    let mut world = World::new(7);
    for (who, role) in [("ex", "expert"), ("cu", "customer")] {
        world.join_with("help", who, &[("role", role), ("policy", "asking")]);
    }
    world.run(Millis(500));
    world.publish(0, MediaKind::Video);
    world.publish(1, MediaKind::Audio);
    world.run(Millis(1_000));
    talk(&mut world, 1_000, true);
    for _ in 0..62 {
        world.skip(Millis(1_000));
    }
    world.run(Millis(300));
    let prompts = |world: &World, index| {
        let mut all = told(world, index);
        all.retain(|(topic, _)| topic == "beistand.presence");
        all
    };
    let (_, open) = prompts(&world, 1).pop().expect("asked");
    assert_eq!((&open["open"], &open["who"]), (&true.into(), &"any".into()));
    assert!(open["left_ms"].as_u64().is_some_and(|left| left <= 60_000));
    assert!(
        told(&world, 1)
            .iter()
            .any(|(topic, _)| topic == "beistand.warning")
    );

    let answer = beistand::peer::signal::server_packet("beistand.presence", r#"{"confirm":true}"#);
    assert!(world.send_data(1, &answer));
    let forged = beistand::peer::signal::server_packet("beistand.clock", r#"{"forged":true}"#);
    assert!(world.send_data(1, &forged));
    talk(&mut world, 1_000, true);
    let (_, closed) = prompts(&world, 0).pop().expect("told");
    assert_eq!(closed["open"], false);
    assert!(
        told(&world, 0)
            .iter()
            .all(|(_, body)| body["forged"].is_null() && body["confirm"].is_null())
    );
    assert_eq!(world.shard.stats().data_taken, 2);
    let confirmed = world
        .appended
        .iter()
        .find(|a| a.entry.cause == "presence_confirmed");
    assert_eq!(
        confirmed.expect("an entry").entry.confirmed_by,
        Some("cu".into())
    );
}

#[test]
fn the_newest_join_of_an_identity_wins_and_the_clock_runs_on() {
    let mut world = live_pair();
    talk(&mut world, 2_000, true);
    let again = world.join("help", "cu", Some("customer"));
    assert!(world.clients[1].left.is_some());
    talk(&mut world, 3_000, false);
    assert!(world.clients[again].joined.is_some());
    assert!(!kinds(&world).contains(&EventKind::SessionPaused));
}

#[test]
fn strangers_get_no_byte_and_garbage_from_a_valid_address_breaks_nothing() {
    let mut world = live_pair();
    let stranger = std::net::SocketAddr::from(([10, 9, 9, 9], 1));
    let friend = world.clients[0].addresses[0];
    for length in 1..200usize {
        let bytes: Vec<u8> = (0..length)
            .map(|i| u8::try_from((i * 37 + length) % 256).unwrap_or(0))
            .collect();
        for source in [stranger, friend] {
            world.shard.handle_datagram(source, &bytes, world.now);
        }
    }
    talk(&mut world, 1_000, true);
    let seqs = world.clients[1].received.values().next().expect("packets");
    assert!(seqs.windows(2).all(|pair| pair[1] == pair[0] + 1), "no gap");
}

#[test]
fn a_client_gets_a_new_token_at_its_join_and_at_half_of_it_that_opens_the_same_room() {
    let mut world = live_pair();
    let joined = world.clients[0].tokens.clone();
    assert_eq!(joined.len(), 1, "at the join");
    let given = verify(&joined[0], &world.keys, world.now).expect("a valid token");
    let half = Millis(given.expires.0.saturating_sub(world.now.unix.0) / 2);
    for _ in 0..half.0 / 1_000 - 5 {
        world.skip(Millis(1_000));
    }
    assert_eq!(world.clients[0].tokens.len(), 1, "before half of it");
    for _ in 0..10 {
        world.skip(Millis(1_000));
    }
    assert_eq!(world.clients[0].tokens.len(), 2, "after half of it");
    let token = &world.clients[0].tokens[1];
    let claims = verify(token, &world.keys, world.now).expect("a valid token");
    assert_eq!(
        claims.attributes.get("role").map(String::as_str),
        Some("expert")
    );
    assert_eq!(
        authorize_join(&claims).expect("a join").room,
        RoomKey::of_keys("help")
    );
}

#[test]
fn a_room_takes_as_many_as_its_policy_allows_and_a_rejoin_all_the_same() {
    let mut world = World::new(3);
    for index in 0..16 {
        world.join("help", &format!("guest{index}"), Some("guest"));
    }
    let refused = world.join("help", "one-too-many", Some("guest"));
    let leave = world.clients[refused].left.clone().expect("told to leave");
    assert_eq!(
        leave.reason(),
        livekit_protocol::DisconnectReason::JoinFailure
    );
    let again = world.join("help", "guest3", Some("guest"));
    assert!(world.clients[again].joined.is_some());
    assert_eq!(world.shard.stats().joins_full, 1);
}

#[test]
fn a_goodbye_that_comes_after_the_connection_was_closed_is_still_a_goodbye() {
    let mut world = live_pair();
    talk(&mut world, 5_000, true);
    for index in [1, 0] {
        world.hang_up(index);
        world.run(Millis(300));
        let leave = livekit_protocol::LeaveRequest::default();
        world.ask(
            index,
            livekit_protocol::signal_request::Message::Leave(leave),
        );
    }
    world.run(Millis(21_000));
    let last = &world.appended.last().expect("a stop entry").entry;
    assert_eq!(last.end_reason(), Some(EndReason::Left));
    let away = world.appended.iter().map(|append| append.entry.state);
    let reconnecting = SessionState::Paused(PauseReason::Reconnecting);
    assert!(away.into_iter().all(|state| state != reconnecting));
}

/// The codec that a publisher sends in each video section by its answer, and what others are told of it.
fn videos(world: &World, index: usize) -> Vec<(Option<Codec>, String)> {
    let sections = sections(&world.clients[index].answer);
    let videos = sections.iter().filter(|s| s.kind == TrackKind::Video);
    let told = world.clients[1 - index].others.values();
    let tracks: Vec<_> = told.flat_map(|info| info.tracks.iter()).collect();
    videos
        .map(|section| {
            let track = tracks.iter().find(|t| t.mid == section.mid.as_str());
            let track = track.expect("the others know of it");
            (section.codec, track.mime_type.clone())
        })
        .collect()
}

#[test]
fn a_video_comes_in_the_codec_that_was_asked_for_also_after_the_next_offer() {
    let mut world = World::new(7);
    world.join("help", "ex", Some("expert"));
    world.join("help", "cu", Some("customer"));
    world.run(Millis(500));
    world.publish_videos(0, &["h264", "vp9", "vp8", ""]);
    world.run(Millis(1_000));
    let codecs = [Codec::H264, Codec::Vp8, Codec::Vp8, Codec::Vp8];
    let expected = codecs.map(|codec| (Some(codec), codec.mime().to_owned()));
    assert_eq!(videos(&world, 0), expected);
    world.publish(0, MediaKind::Video);
    world.run(Millis(1_000));
    let after = videos(&world, 0);
    assert_eq!((after.len(), &after[..4]), (5, &expected[..]));
}

#[test]
fn whoever_takes_the_place_of_another_in_a_section_is_heard_however_often() {
    let mut world = World::new(11);
    world.join("help", "cu", Some("customer"));
    world.run(Millis(300));
    for turn in 0..24 {
        let expert = world.join("help", "ex", Some("expert"));
        world.run(Millis(300));
        world.publish(expert, MediaKind::Audio);
        world.run(Millis(300));
        world.clients[0].received.clear();
        for _ in 0..10 {
            world.send_media(expert, &AUDIO);
            world.run(Millis(20));
        }
        let received = &world.clients[0].received;
        assert_eq!(
            received.len(),
            1,
            "turn {turn}: one section serves them all"
        );
        let seqs = received.values().next().expect("packets");
        assert!(seqs.len() >= 9, "turn {turn}: {} of 10 packets", seqs.len());
    }
}
