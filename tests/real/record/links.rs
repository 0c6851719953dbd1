//! Links to finished recordings of both codecs: a browser plays what they lead to, and a link that is
//! not good lets nobody in.

use super::studio::{ERIKA, Fetched, Finished, KARL, Part, Studio, fetch, link, play};
use super::sync::{agree, enter};
use crate::driver::Driver;
use crate::node::Node;
use crate::{turn, wait};
use serde_json::{Value, json};

/// How long each is recorded, in milliseconds.
const LENGTH_MS: u64 = 6_000;

/// A session of one who is recorded, and the files that came of it.
fn recorded(driver: &mut Driver, node: &Node, part: &Part, codec: &str) -> Finished {
    let recording = json!({"mode": "always", "purposes": ["shared"]});
    let studio = Studio::book(node, codec, &recording);
    enter(driver, node, &studio, part, codec);
    agree(driver, part);
    driver.ask(&json!({"do": "pass", "who": part.identity, "ms": LENGTH_MS}));
    studio.end();
    let finished = studio.finished(node, "shared");
    driver.ask(&json!({"do": "leave", "who": part.identity}));
    finished
}

#[test]
fn both_codecs_of_chromium_are_recorded_finished_and_played_by_links_that_let_in_no_others() {
    let _turn = turn::alone();
    let node = Node::with(&[]);
    let mut driver = Driver::recorded();
    let mut made = Vec::new();
    for (codec, part) in [("vp8", &ERIKA), ("h264", &KARL)] {
        let finished = recorded(&mut driver, &node, part, codec);
        let footage = finished.participant(part.identity);
        let codecs: Vec<&str> = footage
            .tracks("video")
            .iter()
            .filter_map(|track| track.0["codec"].as_str())
            .collect();
        assert_eq!(codecs, [codec], "{footage:?}");
        assert_eq!(footage.colours(), [part.ground()]);
        assert_eq!(footage.tones(), [part.tone()]);
        let name = finished.of("participant")[0].told["name"].clone();
        let ending = if codec == "vp8" { ".webm" } else { ".mkv" };
        assert!(
            name.as_str().is_some_and(|name| name.ends_with(ending)),
            "{name}"
        );
        for file in finished
            .of("participant")
            .iter()
            .chain(&finished.of("session"))
        {
            plays(&mut driver, &node, file);
        }
        made.push(finished);
    }
    let [first, second] = &made[..] else {
        panic!("two recordings");
    };
    let (vp8, h264) = (first.of("session")[0], second.of("session")[0]);
    parts_are_served(&node, vp8);
    no_other_link_lets_in(&node, vp8, h264);
}

fn plays(driver: &mut Driver, node: &Node, file: &Fetched) {
    let played = play(driver, node, &file.told);
    println!("{}: {played}", file.told["name"]);
    assert_eq!(played["error"], Value::Null, "{played}");
    assert_eq!(played["ended"], true, "{played}");
    assert_eq!(played["width"], 480, "{played}");
    assert!(played["sound_bytes"].as_u64() > Some(0), "{played}");
}

/// Any part of a file can be asked for.
fn parts_are_served(node: &Node, file: &Fetched) {
    let whole = std::fs::read(&file.path).expect("the file was fetched");
    let request = format!(
        "GET {} HTTP/1.0\r\nHost: {}\r\nRange: bytes=100-299\r\n\r\n",
        link(&file.told),
        node.http
    );
    let (head, part) = crate::api::transfer(&node.http, &request);
    assert!(head.contains(" 206 "), "{head}");
    assert_eq!(part, &whole[100..300]);
}

/// Expired, altered, or made for something else: 403, and not a byte of the file.
fn no_other_link_lets_in(node: &Node, file: &Fetched, other: &Fetched) {
    let good = link(&file.told);
    let (path, query) = good.split_once('?').expect("a link has a query");
    let (expires, signature) = query.split_once('&').expect("it has two words");
    let (others_path, _) = link(&other.told)
        .split_once('?')
        .map(|(path, query)| (path.to_owned(), query.to_owned()))
        .expect("a link has a query");
    let sibling = path.rsplit_once('/').map_or("", |(folder, _)| folder);
    let past = (wait::unix_ms() / 1_000.0).floor() - 10.0;
    let flipped = match signature.strip_suffix('0') {
        Some(start) => format!("{start}1"),
        None => format!("{}0", &signature[..signature.len() - 1]),
    };
    for (what, wrong) in [
        ("expired", format!("{path}?expires={past:.0}&{signature}")),
        ("altered", format!("{path}?{expires}&{flipped}")),
        ("prolonged", format!("{path}?{expires}9&{signature}")),
        ("for another recording", format!("{others_path}?{query}")),
        (
            "for another file",
            format!("{sibling}/manifest.json?{query}"),
        ),
    ] {
        let (head, body) = fetch(&node.http, &wrong);
        let text = String::from_utf8_lossy(&body).into_owned();
        assert!(head.contains(" 403 "), "{what}: {wrong}: {head}: {text}");
        assert!(text.contains("\"detail\""), "{what}: a problem: {text}");
    }
    let (head, _) = fetch(&node.http, &format!("{path}?{expires}"));
    assert!(head.contains(" 400 "), "half a link is none: {head}");
    let (head, _) = fetch(&node.http, &good);
    assert!(head.contains(" 200 "), "the good one still does: {head}");
}
