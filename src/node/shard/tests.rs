//! What becomes of a room that panics.

use super::*;
use crate::base::{NodeId, Unix};
use crate::node::room::recording::fixture;
use crate::peer::signal::ClientParams;
use crate::peer::signal::token::{Claims, Keys, SESSION, authorize_join};
use crate::peer::transport::Factory;
use crate::record;
use crate::session::{Policies, Policy};
use std::sync::Arc;
use std::time::Instant;

fn at(ms: u64) -> Now {
    Now {
        mono: Mono::from_millis(ms),
        unix: Unix(1_800_000_000_000 + ms),
    }
}

/// A shard with a room and one expert in it.
fn shard() -> Shard {
    #[expect(clippy::disallowed_methods, reason = "an anchor; no time passes")]
    let anchor = Instant::now();
    let secret = "0123456789abcdef0123456789abcdef";
    let config = ShardConfig {
        factory: Factory::new(anchor).unwrap(),
        advertised: vec![SocketAddr::from(([192, 0, 2, 1], 7882))],
        node: NodeId::from("ND_test"),
        keys: Arc::new(Keys::new([("key", secret)]).unwrap()),
        policies: Arc::new(Policies::of_keys(
            [("default".to_owned(), Policy::default())].into(),
        )),
    };
    let mut shard = Shard::new(config, 1, at(0));
    shard.handle_join(ConnectionId(1), request("erika", None), at(0));
    shard
}

/// A join of the room, by a token for this session alone.
fn request(identity: &str, session: Option<&str>) -> Box<JoinRequest> {
    let mut claims = Claims::new("key", identity, Unix(1));
    claims.video.room = Some("help".to_owned());
    claims.video.room_join = Some(true);
    claims.attributes = [("role".to_owned(), "expert".to_owned())].into();
    if let Some(session) = session {
        let tie = (SESSION.to_owned(), session.to_owned());
        claims.attributes.extend([tie]);
    }
    Box::new(JoinRequest {
        join: authorize_join(&claims).unwrap(),
        claims,
        client: ClientParams::default(),
        continues: None,
        booking: None,
        preflight: None,
    })
}

#[test]
fn a_token_whose_session_ended_while_the_join_was_on_its_way_opens_no_other() {
    let mut shard = shard();
    let open = shard.rooms[0].session().clone();
    shard.handle_join(ConnectionId(2), request("karl", Some("SE_over")), at(1));
    assert!(!shard.rooms[0].has(&"karl".into()), "not into another one");
    shard.handle_join(ConnectionId(3), request("karl", Some(open.as_str())), at(2));
    assert!(shard.rooms[0].has(&"karl".into()));
    shard.handle_drain(at(3));
    assert!(shard.rooms.is_empty());
    while shard.poll_output().is_some() {}
    shard.handle_join(ConnectionId(4), request("karl", Some(open.as_str())), at(4));
    assert!(shard.rooms.is_empty(), "and none of its own");
    let given_back =
        std::iter::from_fn(|| shard.poll_output()).any(|o| matches!(o, Output::RoomNotOpened(_)));
    assert!(given_back);
}

#[test]
fn a_room_that_panics_leaves_no_segment_open() {
    let mut shard = shard();
    shard.with_room(0, at(0), |room, _| {
        let session = room.session().clone();
        fixture::record_sound(&mut room.recordings, session, at(0));
    });
    while shard.poll_output().is_some() {}
    shard.with_room(0, at(1), |_, _| panic!("a room that is wrong"));
    let mut closed = Vec::new();
    let mut ended = false;
    while let Some(output) = shard.poll_output() {
        if let Output::Recorded(output) = output {
            assert!(!ended, "its recordings end before it does");
            closed.push(output);
        } else {
            ended |= matches!(output, Output::Abandoned { .. });
        }
    }
    assert!(ended);
    let [record::Output::Close { segment }] = closed.as_slice() else {
        panic!("one segment, closed: {closed:?}");
    };
    assert_eq!(segment.number, 1);
}

/// A shard whose room has panicked, and the session of that room.
fn panicked() -> (Shard, SessionId) {
    let mut shard = shard();
    let session = shard.rooms[0].session().clone();
    shard.with_room(0, at(1), |_, _| panic!("a room that is wrong"));
    (shard, session)
}

#[test]
fn the_session_of_a_room_that_panicked_is_to_be_closed_at_once() {
    let (mut shard, session) = panicked();
    assert_eq!(shard.stats().panics, 1);
    let outputs: Vec<Output> = std::iter::from_fn(|| shard.poll_output()).collect();
    let begun = outputs.iter().any(|o| matches!(o, Output::Append(_)));
    let Some(Output::Abandoned {
        room,
        session: gone,
    }) = outputs.last()
    else {
        panic!("the last word: {outputs:?}");
    };
    assert!(begun, "what it had written goes before");
    assert_eq!((room.name.as_str(), gone), ("help", &session));
}

#[test]
fn nobody_opens_the_room_again_before_its_session_is_closed() {
    let (mut shard, session) = panicked();
    while shard.poll_output().is_some() {}
    shard.handle_join(ConnectionId(5), request("karl", None), at(2));
    assert!(shard.rooms.is_empty(), "it is told to come again");
    let told = std::iter::from_fn(|| shard.poll_output());
    let (closed, kept) = told.fold((false, true), |(closed, kept), output| {
        let closes = matches!(
            output,
            Output::CloseSocket {
                conn: ConnectionId(5)
            }
        );
        (
            closed || closes,
            kept && !matches!(output, Output::RoomNotOpened(_)),
        )
    });
    assert!(closed && kept, "and the room stays where it was");

    assert!(shard.handle_closed(&RoomKey::of_keys("help"), &session, at(3)));
    let mut join = request("karl", None);
    join.continues = Some(Continued {
        facts: crate::usage::ledger::fixture::facts(session.as_str()),
        inherited: crate::base::Inherited::default(),
    });
    shard.handle_join(ConnectionId(6), join, at(4));
    let open = shard
        .rooms
        .iter()
        .next()
        .map(|(_, room)| room.facts().continues.clone());
    assert_eq!(open, Some(Some(session)));
}

#[test]
fn a_room_that_panics_at_its_checkpoint_takes_no_other_with_it() {
    let mut shard = shard();
    let mut other = request("karl", None);
    other.join.room = RoomKey::of_keys("another");
    shard.handle_join(ConnectionId(7), other, at(1));
    shard.rooms[0].panics_at_its_checkpoint = true;
    shard.handle_timeout(at(1_000));
    assert_eq!((shard.rooms.len(), shard.stats().panics), (1, 1));
    let taken = std::iter::from_fn(|| shard.poll_output()).find_map(|output| {
        let Output::Checkpoints(taken) = output else {
            return None;
        };
        Some(taken.len())
    });
    assert_eq!(taken, Some(1), "the other one's");
}

#[test]
fn a_session_goes_on_with_its_rules_though_its_policy_is_configured_no_more() {
    let mut facts = crate::usage::ledger::fixture::facts("SE_old");
    facts.policy = "gold".to_owned();
    for (kept, opens) in [(true, true), (false, false)] {
        let mut shard = shard();
        let rules = serde_json::to_value(Policy::default()).unwrap();
        facts.carried.policy = kept.then_some(rules);
        let mut join = request("karl", None);
        join.join.room = RoomKey::of_keys("another");
        join.join.policy = Some("gold".to_owned());
        join.continues = Some(Continued {
            facts: facts.clone(),
            inherited: crate::base::Inherited::default(),
        });
        shard.handle_join(ConnectionId(2), join, at(2));
        let mut open = shard.rooms.iter().skip(1);
        let policy = open.next().map(|(_, room)| room.facts().policy.as_str());
        assert_eq!(policy, opens.then_some("gold"), "kept: {kept}");
    }
}

#[test]
fn whoever_comes_back_first_does_not_move_the_rest_of_a_session_to_another_booking() {
    for (external_ref, metadata) in [
        (
            Some("booking-4711".to_owned()),
            Some(serde_json::json!({"lesson": 1})),
        ),
        (None, None),
    ] {
        let mut facts = crate::usage::ledger::fixture::facts("SE_old");
        (facts.external_ref, facts.metadata) = (external_ref.clone(), metadata.clone());
        let mut shard = shard();
        let mut join = request("karl", None);
        join.join.room = RoomKey::of_keys("another");
        let own = [
            ("beistand.external_ref", "shift-9"),
            ("beistand.metadata", "{}"),
        ];
        join.join
            .attributes
            .extend(own.map(|(name, value)| (name.to_owned(), value.to_owned())));
        join.continues = Some(Continued {
            facts,
            inherited: crate::base::Inherited::default(),
        });
        shard.handle_join(ConnectionId(2), join, at(2));
        let (_, room) = shard.rooms.iter().nth(1).unwrap();
        let goes_on = room.facts();
        assert_eq!(
            (&goes_on.external_ref, &goes_on.metadata),
            (&external_ref, &metadata)
        );
    }
}
