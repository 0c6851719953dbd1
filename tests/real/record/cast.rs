//! Participants of the Python SDK whose pictures and sounds tell who they are and when they were sent.

use super::studio::{Part, Studio};
use crate::driver::{Driver, join};
use crate::node::Node;
use serde_json::{Value, json};

/// Joins with both kinds of media, and receives none unless told to; answers with the ids of the tracks.
pub fn enter(people: &mut Driver, node: &Node, studio: &Studio, part: &Part, how: &Value) -> Value {
    let token = studio.token(part, how["minor"] == true);
    let mut command = join(node, part.identity, &token, &["video", "audio"]);
    command["pattern"] = json!({"colour": part.colour, "hz": part.hz});
    command["receive"] = json!(how["receive"] == true);
    people.ask(&command)["sids"].take()
}

/// Says yes by the API, and waits until it shows.
pub fn agree(people: &mut Driver, studio: &Studio, part: &Part, purposes: &[&str]) {
    for purpose in purposes {
        let answer = studio.consent(part.identity, purpose, true);
        assert_eq!(answer.status, 200, "{answer:?}");
    }
    recorded(people, part, purposes);
}

/// Waits until exactly these purposes are shown of someone; the moment, in milliseconds since 1970.
pub fn recorded(people: &mut Driver, part: &Part, purposes: &[&str]) -> f64 {
    let wanted = json!({"do": "recorded", "who": part.identity, "purposes": purposes});
    people.ask(&wanted)["at_ms"].as_f64().unwrap_or_default()
}

/// Time goes by.
pub fn pass(people: &mut Driver, ms: u64) {
    people.ask(&json!({"do": "pass", "ms": ms}));
}
