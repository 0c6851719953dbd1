//! Who said yes is in the files, and nobody else: by what the files show, and by what they are labelled.

use super::cast::{agree, enter, pass, recorded};
use super::footage::{Footage, Track};
use super::studio::{ERIKA, Finished, KARL, Part, Studio};
use crate::driver::Driver;
use crate::node::Node;
use crate::{turn, wait};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// A guest: red, 2.5 kHz.
const GUSTAV: Part = Part {
    identity: "gustav",
    role: "guest",
    colour: [255, 0, 0],
    hz: 2_500,
};
/// A minor: yellow, 3.5 kHz.
const MIA: Part = Part {
    identity: "mia",
    role: "guest",
    colour: [255, 255, 0],
    hz: 3_500,
};
/// What may still be seen of someone after their withdrawal was answered, in seconds.
const AFTER_S: f64 = 0.1;
/// How much before it may be missing: the buffer that was dropped, and a frame.
const BEFORE_S: f64 = 0.8;
/// Period of the pattern's clock: 2^16 ticks of 50 ms.
const CLOCK_S: f64 = 3_276.8;

type Sids = BTreeMap<&'static str, Vec<String>>;

fn sids_of(answer: &Value) -> Vec<String> {
    let all = answer.as_object().into_iter().flatten();
    all.filter_map(|(_, sid)| sid.as_str().map(str::to_owned))
        .collect()
}

/// Erika says yes to both, Karl no to both, Gustav takes one of two back, Mia may not be asked.
#[test]
fn a_file_holds_those_who_said_yes_and_ends_with_the_one_who_takes_it_back() {
    let _turn = turn::shared();
    let node = Node::with(&[]);
    let both = json!({"mode": "always", "purposes": ["qa", "shared"]});
    let studio = Studio::book(&node, "matrix", &both);
    let mut people = Driver::people();
    let mut sids = Sids::new();
    for part in [&ERIKA, &KARL, &GUSTAV, &MIA] {
        let how = json!({"minor": part.identity == "mia"});
        let made = enter(&mut people, &node, &studio, part, &how);
        sids.insert(part.identity, sids_of(&made));
    }
    pass(&mut people, 500);
    nobody_without_a_yes(&mut people, &studio);
    agree(&mut people, &studio, &ERIKA, &["qa", "shared"]);
    agree(&mut people, &studio, &GUSTAV, &["qa", "shared"]);
    for purpose in ["qa", "shared"] {
        assert_eq!(studio.consent("karl", purpose, false).status, 200);
        let minor = studio.consent("mia", purpose, true);
        assert!((400..500).contains(&minor.status), "{minor:?}");
    }
    pass(&mut people, 3_500);
    let said = studio.consent("gustav", "shared", false);
    let withdrawn_ms = wait::unix_ms();
    assert_eq!(said.status, 200, "{said:?}");
    recorded(&mut people, &GUSTAV, &["qa"]);
    pass(&mut people, 3_500);
    for purpose in ["qa", "shared"] {
        segments_are_of(&node, &studio, purpose, &sids);
    }
    studio.end();
    let [qa, shared] = ["qa", "shared"].map(|purpose| studio.finished(&node, purpose));
    for finished in [&qa, &shared] {
        holds(finished, &[&ERIKA, &GUSTAV]);
        tracks_are_of(finished, &sids);
    }
    ends_with_the_withdrawal(&shared, withdrawn_ms);
    goes_on(&qa, withdrawn_ms);
}

fn nobody_without_a_yes(people: &mut Driver, studio: &Studio) {
    for part in [&ERIKA, &KARL, &GUSTAV, &MIA] {
        recorded(people, part, &[]);
    }
    for purpose in ["qa", "shared"] {
        let shown = studio.shown(purpose);
        assert!(
            shown.status == 404 || shown.body["files"] == json!([]),
            "{shown:?}"
        );
    }
}

/// While it is recorded: each segment on the disk is labelled with a track of those who said yes.
fn segments_are_of(node: &Node, studio: &Studio, purpose: &str, sids: &Sids) {
    let segments = segments(&node.data().join("recordings"), &studio.id(purpose));
    assert!(segments.len() >= 4, "two tracks of two: {segments:?}");
    for footage in Footage::of(&segments) {
        let tags = &footage.0["tracks"][0]["tags"];
        let track = tags["TRACK"].as_str().unwrap_or_default().to_owned();
        let wanted = ["erika", "gustav"]
            .iter()
            .any(|who| sids[who].contains(&track));
        assert!(wanted, "{track} of nobody who said yes: {footage:?}");
        assert_eq!(tags["PURPOSE"], json!(purpose), "{footage:?}");
    }
}

/// The segments of a recording that are on the disk.
pub fn segments(recordings: &Path, id: &str) -> Vec<PathBuf> {
    let folder = recordings.join("segments").join(id);
    let found = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let mut paths: Vec<PathBuf> = found
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|ending| ending == "mkv"))
        .collect();
    paths.sort();
    paths
}

/// Exactly these participants: by files, by what is decoded, and by the manifest's tracks.
fn holds(finished: &Finished, parts: &[&Part]) {
    let mut wanted: Vec<&str> = parts.iter().map(|part| part.identity).collect();
    wanted.sort_unstable();
    assert_eq!(finished.whose(), wanted, "{}", finished.record);
    let mut grounds: Vec<String> = parts.iter().map(|part| part.ground()).collect();
    grounds.sort();
    let mut tones: Vec<u32> = parts.iter().map(|part| part.hz).collect();
    tones.sort_unstable();
    let session = finished.session();
    assert_eq!(session.colours(), grounds, "{session:?}");
    let tones: Vec<String> = tones.iter().map(u32::to_string).collect();
    assert_eq!(session.tones(), tones, "{session:?}");
    for part in parts {
        let footage = finished.participant(part.identity);
        assert_eq!(footage.colours(), [part.ground()], "{}", part.identity);
        assert_eq!(footage.tones(), [part.tone()], "{}", part.identity);
    }
    let manifest = finished.manifest();
    let of = |person: &Value| {
        let tracks = person["tracks"].as_array().map_or(0, Vec::len);
        (
            person["identity"].as_str().unwrap_or_default().to_owned(),
            tracks,
        )
    };
    let all = manifest["participants"].as_array().into_iter().flatten();
    let mut told: Vec<(String, usize)> = all.map(of).collect();
    told.sort();
    let wanted: Vec<(String, usize)> = wanted.iter().map(|who| ((*who).to_owned(), 2)).collect();
    assert_eq!(told, wanted, "{manifest}");
}

/// The manifest names each track by the id that its publisher knows, and each of theirs once.
fn tracks_are_of(finished: &Finished, sids: &Sids) {
    let manifest = finished.manifest();
    for person in manifest["participants"].as_array().into_iter().flatten() {
        let tracks = person["tracks"].as_array().into_iter().flatten();
        let published = tracks.flat_map(|track| track["publications"].as_array());
        let mut told: Vec<&str> = published
            .flatten()
            .map(|one| one["track"].as_str().unwrap_or_default())
            .collect();
        told.sort_unstable();
        let who = person["identity"].as_str().unwrap_or_default();
        let mut known = sids[who].clone();
        known.sort();
        assert_eq!(told, known, "{who}: {manifest}");
    }
}

/// When the newest picture of a track was made, in seconds after `from_ms`.
fn shown_after_s(track: &Track<'_>, from_ms: f64) -> f64 {
    let shows_s = track.shows_s().expect("the clock can be read");
    let after_s = (shows_s - from_ms / 1_000.0).rem_euclid(CLOCK_S);
    if after_s > CLOCK_S / 2.0 {
        after_s - CLOCK_S
    } else {
        after_s
    }
}

fn ends_with_the_withdrawal(shared: &Finished, withdrawn_ms: f64) {
    let footage = shared.participant("gustav");
    let picture = footage.tracks("video")[0];
    let picture_s = shown_after_s(&picture, withdrawn_ms);
    let sound_s = picture_s + footage.tracks("audio")[0].last_s() - picture.last_s();
    println!("after the withdrawal: {picture_s:.3} s of the picture, {sound_s:.3} s of the sound");
    for after_s in [picture_s, sound_s] {
        assert!(
            (-BEFORE_S..=AFTER_S).contains(&after_s),
            "{after_s} s: {footage:?}"
        );
    }
    goes_on_of("erika", shared, withdrawn_ms);
}

fn goes_on(qa: &Finished, withdrawn_ms: f64) {
    for who in ["erika", "gustav"] {
        goes_on_of(who, qa, withdrawn_ms);
    }
}

fn goes_on_of(who: &str, finished: &Finished, from_ms: f64) {
    let footage = finished.participant(who);
    let after_s = shown_after_s(&footage.tracks("video")[0], from_ms);
    assert!(after_s > 2.0, "{who} goes on for {after_s} s: {footage:?}");
}

#[test]
fn on_request_means_when_asked_for_and_off_means_never() {
    let _turn = turn::shared();
    let node = Node::with(&[]);
    let mut people = Driver::people();
    let off = Studio::book(&node, "off", &json!({"mode": "off"}));
    enter(&mut people, &node, &off, &KARL, &json!({}));
    let refused = off.consent("karl", "shared", true);
    assert!((400..500).contains(&refused.status), "{refused:?}");
    let refused = off.record("start", "shared");
    assert!((400..500).contains(&refused.status), "{refused:?}");
    let asked = json!({"mode": "on_request", "purposes": ["shared"]});
    let studio = Studio::book(&node, "asked", &asked);
    enter(&mut people, &node, &studio, &ERIKA, &json!({}));
    assert_eq!(studio.consent("erika", "shared", true).status, 200);
    pass(&mut people, 1_500);
    recorded(&mut people, &ERIKA, &[]);
    let started_ms = wait::unix_ms();
    assert_eq!(studio.record("start", "shared").status, 200);
    recorded(&mut people, &ERIKA, &["shared"]);
    pass(&mut people, 4_000);
    assert_eq!(studio.record("stop", "shared").status, 200);
    let stopped_ms = wait::unix_ms();
    recorded(&mut people, &ERIKA, &[]);
    pass(&mut people, 1_000);
    studio.end();
    off.end();
    let finished = studio.finished(&node, "shared");
    holds(&finished, &[&ERIKA]);
    let footage = finished.participant("erika");
    let picture = footage.tracks("video")[0];
    let length_s = picture.last_s() - picture.first_s();
    let most_s = (stopped_ms - started_ms) / 1_000.0 + AFTER_S;
    assert!(
        length_s > 2.0 && length_s <= most_s,
        "{length_s} s of {most_s} s"
    );
    assert!(
        shown_after_s(&picture, stopped_ms) <= AFTER_S,
        "{footage:?}"
    );
    for purpose in ["qa", "shared"] {
        assert_eq!(off.shown(purpose).status, 404, "nothing was recorded");
        assert!(segments(&node.data().join("recordings"), &off.id(purpose)).is_empty());
    }
}
