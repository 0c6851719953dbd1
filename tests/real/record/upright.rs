//! A phone that is turned: its camera gives pictures across, and says how they are held.

use super::cast::{agree, enter, pass};
use super::studio::{ERIKA, KARL, Studio};
use crate::driver::Driver;
use crate::node::Node;
use crate::turn;
use serde_json::{Value, json};

/// The camera's pictures, as they are and turned.
const ACROSS: [u64; 2] = [192, 112];
const UPRIGHT: [u64; 2] = [112, 192];

/// Karl holds his phone so, until Erika sees pictures of this size.
fn hold(people: &mut Driver, degrees: u32, size: [u64; 2]) {
    people.ask(&json!({"do": "turn", "who": "karl", "degrees": degrees}));
    people.ask(&json!({"do": "shows", "who": "erika", "sender": "karl", "width": size[0]}));
}

/// The sizes of a file's pictures, one after the other.
fn sizes(track: &Value) -> Vec<[u64; 2]> {
    let told = track["sizes"].as_array().into_iter().flatten();
    let number = |value: &Value| value.as_u64().unwrap_or_default();
    told.map(|one| [number(&one[1]), number(&one[2])]).collect()
}

#[test]
fn a_phone_held_upright_and_turned_is_seen_upright_and_recorded_upright() {
    let _turn = turn::shared();
    let node = Node::with(&[]);
    let mut people = Driver::people();
    let studio = Studio::book(&node, "upright", &json!({"mode": "on_request"}));
    enter(
        &mut people,
        &node,
        &studio,
        &ERIKA,
        &json!({"receive": true}),
    );
    enter(&mut people, &node, &studio, &KARL, &json!({}));
    hold(&mut people, 90, UPRIGHT);
    for part in [&ERIKA, &KARL] {
        let said = studio.consent(part.identity, "shared", true);
        assert_eq!(said.status, 200, "{said:?}");
    }
    let started = studio.record("start", "shared");
    assert!((200..300).contains(&started.status), "{started:?}");
    agree(&mut people, &studio, &KARL, &["shared"]);
    pass(&mut people, 1_500);
    for (degrees, size) in [(0, ACROSS), (270, UPRIGHT)] {
        hold(&mut people, degrees, size);
        pass(&mut people, 1_500);
    }
    studio.end();
    let finished = studio.finished(&node, "shared");
    let footage = finished.participant("karl");
    let [picture] = footage.tracks("video")[..] else {
        panic!("one track of pictures: {footage:?}");
    };
    assert_eq!(sizes(picture.0), [UPRIGHT, ACROSS, UPRIGHT], "{footage:?}");
}
