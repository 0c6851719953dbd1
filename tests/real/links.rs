//! Real clients on narrow links: what the node does for them, and what it says of it.

mod data;
mod demand;
mod floor;
mod layers;
mod mapped;
mod source;

use crate::driver::{Driver, Sdk, tokens};
use crate::node::Node;
use crate::proxy::{Link, Proxy, Shape};
use crate::receiver::{Attempt, Receiver, check_once, check_story};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// One way over a link of these tests, in milliseconds.
const DELAY_MS: u64 = 20;
/// Opus is decoded to 48 kHz.
const SAMPLES_PER_MS: f64 = 48.0;

fn shape(rate_bps: u64) -> Shape {
    Shape::rate(rate_bps).delayed(DELAY_MS)
}

/// A link of this rate in both directions, for whoever joins next.
fn link(proxy: &Proxy, name: &str, rate_bps: u64) {
    let link = proxy.assign(name);
    link.set_up(shape(rate_bps));
    link.set_down(shape(rate_bps));
}

/// Another rate from the node to a client.
fn narrow_down(link: &Link, rate_bps: u64) {
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

/// Sound that a page's decoder had to make up since it heard the first packet, in milliseconds.
fn concealed_ms(report: &Value) -> f64 {
    let heard = list(report, "samples")
        .iter()
        .map(|sample| &sample["audio"])
        .skip_while(|audio| number(&audio["packets"]) == 0.0);
    let concealed: Vec<f64> = heard.map(|audio| number(&audio["concealed"])).collect();
    let ends = concealed.first().zip(concealed.last());
    ends.map_or(f64::MAX, |(first, last)| (last - first) / SAMPLES_PER_MS)
}

/// How late a page is at worst with what it wants to do: on a busy machine it hears late as well.
fn lateness_ms(report: &Value) -> f64 {
    let samples = list(report, "samples");
    let times: Vec<f64> = samples.iter().map(|one| number(&one["at_ms"])).collect();
    let longest = times.windows(2).map(|two| two[1] - two[0]);
    longest.fold(0.0, f64::max)
}

/// What arrived of video between two moments of a page, in bits per second.
fn received_bps(report: &Value, from_ms: f64, to_ms: f64) -> f64 {
    let within: Vec<&Value> = list(report, "samples")
        .iter()
        .filter(|sample| (from_ms..=to_ms).contains(&number(&sample["at_ms"])))
        .collect();
    let (Some(first), Some(last)) = (within.first(), within.last()) else {
        return 0.0;
    };
    let bytes = number(&last["video"]["bytes"]) - number(&first["video"]["bytes"]);
    (bytes * 8_000.0 / (number(&last["at_ms"]) - number(&first["at_ms"])).max(1.0)).round()
}

/// For whoever reads a failure: how the floors went by the words that a page heard, and what it got of
/// video in each second. Times are seconds since its first sample.
fn tell(who: &str, report: &Value) {
    let samples = list(report, "samples");
    let start = samples
        .first()
        .map_or(0.0, |sample| number(&sample["at_ms"]));
    let mut states = BTreeMap::new();
    for word in list(report, "messages") {
        let seconds = (number(&word["at_ms"]) - start) / 1_000.0;
        for participant in word["data"]["participants"]
            .as_array()
            .into_iter()
            .flatten()
        {
            for direction in ["up", "down"] {
                let floor = &participant[direction];
                let key = (participant["identity"].to_string(), direction);
                if states.get(&key) != Some(&floor["state"]) {
                    println!("{seconds:6.1} s: {} {direction}: {floor}", key.0);
                    states.insert(key, floor["state"].clone());
                }
            }
        }
    }
    let kbps: Vec<String> = (0..samples.len() as u64 / 4)
        .map(|second| start + number(&json!(second)) * 1_000.0)
        .map(|from| {
            format!(
                "{:.0}",
                received_bps(report, from, from + 1_100.0) / 1_000.0
            )
        })
        .collect();
    println!(
        "{who} got kbit/s of video in each second: {}",
        kbps.join(" ")
    );
    let sent = samples
        .last()
        .map_or(&Value::Null, |sample| &sample["sent"]);
    println!("{who} sent at last: {sent}");
}
