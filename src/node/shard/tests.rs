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
            ended |= matches!(output, Output::RoomEnded(_));
        }
    }
    assert!(ended);
    let [record::Output::Close { segment }] = closed.as_slice() else {
        panic!("one segment, closed: {closed:?}");
    };
    assert_eq!(segment.number, 1);
}
