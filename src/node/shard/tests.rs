//! What becomes of a room that panics.

use super::super::room::recording::fixture;
use super::*;
use crate::base::Unix;
use crate::peer::signal::token::authorize_join;
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
        policies: Arc::new(BTreeMap::from([("default".to_owned(), Policy::default())])),
    };
    let mut shard = Shard::new(config, 1, at(0));
    let mut claims = Claims::new("key", "erika", Unix(1));
    claims.video.room = Some("help".to_owned());
    claims.video.room_join = Some(true);
    claims.attributes = [("role".to_owned(), "expert".to_owned())].into();
    let request = JoinRequest {
        join: authorize_join(&claims).unwrap(),
        claims,
        client: ClientParams::default(),
        continues: None,
        booking: None,
        preflight: None,
    };
    shard.handle_join(ConnectionId(1), Box::new(request), at(0));
    shard
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
