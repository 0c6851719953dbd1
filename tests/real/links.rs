//! Real clients on narrow links: what the node does for them, and what it says of it.

mod floor;
mod layers;
mod mapped;
mod source;

use crate::driver::{Driver, Sdk, tokens};
use crate::node::Node;
use crate::proxy::{Proxy, Shape};
use crate::receiver::{Attempt, Receiver, check_once, check_story};
use serde_json::{Value, json};

/// One way over a link of these tests, in milliseconds.
const DELAY_MS: u64 = 20;

fn shape(rate_bps: u64) -> Shape {
    Shape::rate(rate_bps).delayed(DELAY_MS)
}

/// A link of this rate in both directions, for whoever joins next.
fn link(proxy: &Proxy, name: &str, rate_bps: u64) {
    let link = proxy.assign(name);
    link.set_up(shape(rate_bps));
    link.set_down(shape(rate_bps));
}

/// The events of a session that ends, as billing got them.
fn story_of(receiver: &Receiver) -> Vec<Attempt> {
    let attempts = receiver.until_delivered("session.ended");
    check_story(&attempts);
    check_once(&attempts);
    for event in &attempts {
        println!("{} {}", event.kind, event.data());
    }
    attempts
}

/// Joins with a page of its own, on the link that is current.
fn enter(clients: &mut Driver, node: &Node, room: &str, (identity, role): (&str, &str)) {
    let token = tokens(Sdk::Node, room, &[(identity, role)]).remove(0);
    clients.ask(&json!({
        "do": "open", "who": identity, "ws": node.ws_url(), "token": token
    }));
}

/// The lists of a page's report.
fn list<'a>(report: &'a Value, name: &str) -> &'a [Value] {
    let list = report[name].as_array().map(Vec::as_slice);
    list.unwrap_or_else(|| panic!("no list of {name}: {report}"))
}

/// A number of a report; they are milliseconds, bytes and packets.
fn number(value: &Value) -> f64 {
    value
        .as_f64()
        .unwrap_or_else(|| panic!("no number: {value}"))
}

/// Sound that a decoder had to make up, of all that it gave.
#[derive(Clone, Copy, Debug)]
struct Concealment {
    samples: f64,
    concealed: f64,
}

impl Concealment {
    /// From one sample of a page to a later one.
    fn between(first: &Value, last: &Value) -> Concealment {
        let grown = |name: &str| number(&last["audio"][name]) - number(&first["audio"][name]);
        Concealment {
            samples: grown("samples"),
            concealed: grown("concealed"),
        }
    }

    fn share(self) -> f64 {
        self.concealed / self.samples.max(1.0)
    }
}
