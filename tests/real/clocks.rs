//! Every timer of the contract on the real binary, with the shortest minutes that the policy allows, and
//! across a crash of the node: presence, prepaid time, the maximum, the end of a window. All rooms run
//! at once and share the time: minutes, in which hardly anything is done, so this takes no turn. What a
//! window and a full room say at the door is in `sessions.rs`.

use crate::api::Api;
use crate::driver::{Driver, join};
use crate::node::Node;
use crate::oracle::ms;
use crate::receiver::{Attempt, Receiver, check_once, check_story};
use crate::wait;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::time::Duration;

/// Longer than any timer here: two minutes of a policy.
const TIMER: Duration = Duration::from_secs(180);
const MINUTE_MS: f64 = 60_000.0;
/// A timer is kept to this by the wall clock.
const EXACT_MS: f64 = 300.0;
/// What a crash may cost, and the time until a kill is one.
const CRASH_MS: f64 = 1_500.0;
/// The prompts are open for so long, at least, when the node is killed.
const LEFT_AT_KILL_MS: f64 = 45_000.0;

/// Rooms and policies have the same names.
const RULES: [(&str, &str); 7] = [
    ("missed", ""),
    ("spent", "duration = { quota_s = 10 }"),
    (
        "short",
        "duration = { max_min = 1, quota_s = 20, on_exhausted = \"continue\" }",
    ),
    ("long", "duration = { max_min = 2 }"),
    (
        "prepaid",
        "duration = { quota_s = 20, on_exhausted = \"pause_billing\" }",
    ),
    (
        "asked",
        "presence = { after_min = 1, grace_min = 1, repeat_min = 1, who = \"each\" }",
    ),
    (
        "silent",
        "presence = { after_min = 1, grace_min = 1, repeat_min = 1 }",
    ),
];

fn policies() -> String {
    let one = |(name, rule): &(&str, &str)| {
        format!(
            "[policies.{name}]\ndeparture_timeout_s = 5\nbilling = {{ interim_s = 3600 }}\n\
             floor = {{ up_bps = 0, down_bps = 0, admission = \"off\" }}\n{rule}\n\n"
        )
    };
    RULES.iter().map(one).collect()
}

fn unix_s() -> u64 {
    let seconds = format!("{:.0}", wait::unix_ms() / 1000.0);
    seconds.parse().expect("a number of seconds")
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

/// An event in a few words: `paused quota_exhausted`, `warning duration 60`.
fn label(attempt: &Attempt) -> String {
    let (kind, data) = (attempt.kind.as_str(), attempt.data());
    match kind {
        "session.warning" => format!("warning {} {}", text(&data["kind"]), data["left_s"]),
        "session.paused" => format!("paused {}", text(&data["reason"])),
        "session.ended" => format!("ended {}", text(&data["reason"])),
        _ => kind.to_owned(),
    }
}

/// The node, its people, and what billing hears.
struct Scene {
    driver: Driver,
    node: Node,
    api: Api,
    receiver: Receiver,
    /// What was booked, by room.
    booked: BTreeMap<&'static str, Value>,
}

impl Scene {
    fn new() -> Scene {
        let receiver = Receiver::start(&json!([]));
        let node = Node::more(&[&receiver], &policies());
        Scene {
            driver: Driver::people(),
            api: Api::of(&node),
            node,
            receiver,
            booked: BTreeMap::new(),
        }
    }

    fn book(&mut self, room: &'static str, overrides: &Value) {
        let body = json!({
            "room": room, "policy": room, "overrides": overrides,
            "external_ref": "booking-4711", "metadata": {"product": "lesson"},
            "participants": [
                {"identity": "karl", "role": "customer"},
                {"identity": "erika", "role": "expert"},
            ],
        });
        let booked = self.api.expect(201, "POST /v1/sessions", &body);
        self.booked.insert(room, booked);
    }

    /// So many of the booked people come, the customer first, who only listens.
    fn enter(&mut self, room: &str, people: usize) {
        for person in 0..people {
            let booked = &self.booked[room]["participants"][person];
            let who = text(&booked["identity"]);
            let publish: &[&str] = if who == "erika" { &["audio"] } else { &[] };
            let mut command = join(&self.node, &who, &text(&booked["token"]), publish);
            command["as"] = json!(format!("{who} in {room}"));
            self.driver.ask(&command);
        }
    }

    fn first(&self, room: &str) -> String {
        text(&self.booked[room]["id"])
    }

    /// The session that goes on with the booked one.
    fn next(&self, room: &str) -> String {
        let first = self.first(room);
        wait::until(&format!("{room} goes on"), wait::PATIENCE, || {
            let usage = self.node.usage();
            let next = usage.iter().find(|one| one["continues"] == first.as_str());
            next.map(|one| text(&one["session"]))
                .ok_or_else(|| format!("{usage:?}"))
        })
    }

    fn usage(&self, session: &str) -> Value {
        let usage = self.node.usage();
        let one = usage.iter().find(|one| one["session"] == session);
        one.unwrap_or_else(|| panic!("no {session} in {usage:?}"))
            .clone()
    }

    /// The events of a session in their order, each with its data.
    fn events(&self, session: &str) -> Vec<(String, Value)> {
        let attempts = self.receiver.attempts();
        let ours: BTreeMap<u64, &Attempt> = attempts
            .iter()
            .filter(|attempt| attempt.session == session)
            .map(|attempt| (attempt.event_seq, attempt))
            .collect();
        let each = ours.values();
        each.map(|attempt| (label(attempt), attempt.data()))
            .collect()
    }

    fn story(&self, session: &str) -> Vec<String> {
        let events = self.events(session).into_iter();
        events.map(|(label, _)| label).collect()
    }

    /// Waits for an event of a session; its data.
    fn event(&self, session: &str, wanted: &str) -> Value {
        wait::until(&format!("{wanted} of {session}"), TIMER, || {
            let events = self.events(session);
            let found = events.iter().find(|(label, _)| label == wanted);
            found
                .map(|(_, data)| data.clone())
                .ok_or_else(|| format!("{:?}", self.story(session)))
        })
    }

    /// The `times`th message of a topic with these fields that someone is told.
    fn told(&mut self, who: &str, topic: &str, (wanted, times): (&Value, u64)) -> Value {
        let command =
            json!({"do": "told", "who": who, "topic": topic, "wanted": wanted, "times": times});
        self.driver.ask(&command)["told"].take()
    }

    fn confirm(&mut self, who: &str) {
        let answer = json!({"confirm": true}).to_string();
        self.driver.ask(&json!({"do": "send", "who": who, "reliable": true, "topic": "beistand.presence", "text": answer}));
    }

    /// Kills the node and its clients, who would try to come back, and starts it again. When.
    fn crash(&mut self) -> f64 {
        self.node.kill();
        let at = wait::unix_ms();
        self.driver.kill();
        self.node.restart();
        self.driver = Driver::people();
        self.api = Api::of(&self.node);
        at
    }
}

/// From when it was first live to its end, by the labels of its intervals.
fn lived_ms(session: &Value) -> f64 {
    let intervals = session["intervals"].as_array().expect("it has intervals");
    let live = intervals.iter().find(|one| one["state"] == "live");
    let live = live.unwrap_or_else(|| panic!("never live: {session}"));
    let last = intervals.last().expect("there is a last one");
    ms(&last["end_unix_ms"]) - ms(&live["start_unix_ms"])
}

fn assert_near(what: &str, (is, wanted): (f64, f64), tolerance: f64) {
    let off = (is - wanted).abs();
    assert!(off <= tolerance, "{what}: {is} ms instead of {wanted}");
}

#[test]
fn every_timer_keeps_its_time_on_the_real_binary_and_goes_on_over_a_crash() {
    let mut scene = Scene::new();
    everyone_comes(&mut scene);
    the_short_ones_end(&mut scene);
    prepaid_time_pauses_and_is_topped_up(&mut scene);
    prompts_open_and_one_of_two_answers(&mut scene);
    let at = scene.crash();
    what_was_cut_off(&scene, at);
    for room in ["long", "prepaid", "asked", "silent"] {
        scene.enter(room, 2);
    }
    the_prompt_goes_on(&mut scene);
    prepaid_time_goes_on(&mut scene);
    the_maximum_goes_on(&scene);
    asked_again_and_all_leave(&mut scene);
    nobody_answers(&scene);
    scene.node.verify_ledger();
    let attempts = scene.receiver.attempts();
    check_story(&attempts);
    check_once(&attempts);
}

fn everyone_comes(scene: &mut Scene) {
    for (room, _) in RULES {
        let overrides = match room {
            "missed" => json!({"window": {"closes_at": unix_s() + 20}}),
            // What is live when its window closes goes on.
            "long" => json!({"window": {"closes_at": unix_s() + 40}}),
            _ => json!({}),
        };
        scene.book(room, &overrides);
        scene.enter(room, if room == "missed" { 1 } else { 2 });
    }
}

/// The end of a window that only one came to, prepaid time that ends a session, and a maximum.
fn the_short_ones_end(scene: &mut Scene) {
    let spent = scene.event(&scene.first("spent"), "ended quota_exhausted");
    assert_eq!(spent["accrued_ms"], 10_000, "{spent}");
    let missed = scene.event(&scene.first("missed"), "ended no_show");
    assert_eq!(missed["waited"][0]["identity"], "karl", "{missed}");
    let record = format!("GET /v1/sessions/{}", scene.first("missed"));
    let record = scene.api.expect(200, &record, &Value::Null);
    let closed = ms(&record["policy"]["window"]["closes_at"]) * 1_000.0;
    let waited = &missed["intervals"][0];
    let at = ms(&waited["end_unix_ms"]);
    assert_near("the end of the window", (at, closed), EXACT_MS);
    let waited = at - ms(&waited["start_unix_ms"]);
    let said = ms(&missed["waited"][0]["waited_ms"]);
    assert_near("the time waited", (said, waited), EXACT_MS);
}

fn prepaid_time_pauses_and_is_topped_up(scene: &mut Scene) {
    let id = scene.first("prepaid");
    let paused = scene.event(&id, "paused quota_exhausted");
    assert_eq!(paused["accrued_ms"], 20_000, "{paused}");
    let stands = json!({"state": "paused", "reason": "quota_exhausted", "quota_left_ms": 0, "accrued_ms": 20_000});
    scene.told("karl in prepaid", "beistand.clock", (&stands, 1));
    scene.api.expect(
        200,
        &format!("PATCH /v1/sessions/{id}"),
        &json!({"quota_s": 100}),
    );
    let resumed = scene.event(&id, "session.resumed");
    assert_eq!(resumed["accrued_ms"], 20_000, "{resumed}");
    let warned = scene.event(&id, "warning quota 60");
    assert_eq!(warned["accrued_ms"], 40_000, "{warned}");
    scene.told(
        "karl in prepaid",
        "beistand.warning",
        (&json!({"kind": "quota", "left_s": 60}), 1),
    );
}

fn prompts_open_and_one_of_two_answers(scene: &mut Scene) {
    let short = scene.first("short");
    // No mark lies ahead of so short a time and quota; that it is used up and goes on is said.
    let said = scene.event(&short, "warning quota 0");
    assert_eq!(said["accrued_ms"], 20_000, "{said}");
    scene.event(&short, "ended max_duration");
    let lived = lived_ms(&scene.usage(&short));
    assert_near("a minute", (lived, MINUTE_MS), EXACT_MS);
    scene.event(&scene.first("long"), "warning duration 60");
    for room in ["asked", "silent"] {
        let asked = scene.event(&scene.first(room), "warning presence 60");
        assert_eq!(asked["accrued_ms"], 60_000, "{asked}");
        let open = json!({"open": true, "confirmed": []});
        scene.told(&format!("erika in {room}"), "beistand.presence", (&open, 1));
    }
    scene.confirm("karl in asked");
    let open = json!({"open": true, "who": "each", "confirmed": ["karl"]});
    scene.told("erika in asked", "beistand.presence", (&open, 1));
    let record = format!("GET /v1/sessions/{}", scene.first("silent"));
    wait::until("some of the time to answer is over", TIMER, || {
        let record = scene.api.expect(200, &record, &Value::Null);
        let left = &record["presence"]["left_ms"];
        let over = left.as_f64().is_some_and(|left| left <= LEFT_AT_KILL_MS);
        if over { Ok(()) } else { Err(left.to_string()) }
    });
}

/// Nobody is billed for more than there was, and the record says that it is an estimate.
fn what_was_cut_off(scene: &Scene, at: f64) {
    for room in ["long", "prepaid", "asked", "silent"] {
        let id = scene.first(room);
        let lost = scene.event(&id, "ended node_lost");
        assert_eq!(lost["estimated"], true, "{lost}");
        let session = scene.usage(&id);
        let last = session["intervals"]
            .as_array()
            .and_then(|all| all.last())
            .map(|one| ms(&one["end_unix_ms"]));
        let cut = at - last.expect("it has intervals");
        assert!((-EXACT_MS..=CRASH_MS).contains(&cut), "{cut}: {session}");
    }
    let live = |and: &[&'static str]| {
        let come = [
            "session.started",
            "participant.joined",
            "participant.joined",
            "session.usage",
        ];
        let cut = ["participant.left", "participant.left", "ended node_lost"];
        [&come[..], and, &cut[..]].concat()
    };
    let topped = [
        "paused quota_exhausted",
        "session.resumed",
        "warning quota 60",
    ];
    for (room, between) in [
        ("long", &["warning duration 60"][..]),
        ("prepaid", &topped[..]),
        ("asked", &["warning presence 60"][..]),
        ("silent", &["warning presence 60"][..]),
    ] {
        assert_eq!(scene.story(&scene.first(room)), live(between), "{room}");
    }
}

/// The prompt is open as it was, with the answer that was in and no new time.
fn the_prompt_goes_on(scene: &mut Scene) {
    let open = json!({"open": true, "who": "each", "confirmed": ["karl"]});
    let told = scene.told("erika in asked", "beistand.presence", (&open, 1));
    assert!(ms(&told["left_ms"]) <= LEFT_AT_KILL_MS, "{told}");
    scene.confirm("erika in asked");
    scene.told(
        "karl in asked",
        "beistand.presence",
        (&json!({"open": false}), 1),
    );
    scene.told(
        "karl in asked",
        "beistand.clock",
        (&json!({"state": "live"}), 1),
    );
    let next = scene.next("asked");
    let record = scene
        .api
        .expect(200, &format!("GET /v1/sessions/{next}"), &Value::Null);
    assert_eq!(record["state"], "live", "{record}");
    assert_eq!(record["presence"], Value::Null, "{record}");
}

/// What is left is the total without what the first session used, to the millisecond.
fn prepaid_time_goes_on(scene: &mut Scene) {
    let used = ms(&scene.usage(&scene.first("prepaid"))["accrued_ms"]);
    let left = 100_000.0 - used;
    let live = json!({"state": "live"});
    let clock = scene.told("karl in prepaid", "beistand.clock", (&live, 1));
    let sum = ms(&clock["accrued_ms"]) + ms(&clock["quota_left_ms"]);
    assert_near("left of the quota", (sum, left), 1.0);
    let next = scene.next("prepaid");
    let paused = scene.event(&next, "paused quota_exhausted");
    assert_near("the quota", (ms(&paused["accrued_ms"]), left), 0.0);
    let ended = scene
        .api
        .expect(200, &format!("POST /v1/sessions/{next}/end"), &Value::Null);
    assert_eq!(ended["reason"], "ended_by_api", "{ended}");
    assert_near("the bill", (ms(&ended["billable_ms"]), left), 0.0);
}

/// Two minutes in all, without the outage between the two sessions.
fn the_maximum_goes_on(scene: &Scene) {
    let (first, next) = (scene.first("long"), scene.next("long"));
    scene.event(&next, "ended max_duration");
    let both = lived_ms(&scene.usage(&first)) + lived_ms(&scene.usage(&next));
    assert_near("the maximum", (both, 2.0 * MINUTE_MS), EXACT_MS);
    let warned = scene
        .story(&next)
        .iter()
        .any(|one| one.starts_with("warning"));
    assert!(!warned, "its last mark was behind it");
}

/// A minute to answer over both sessions, then a minute of pause, then the end.
fn nobody_answers(scene: &Scene) {
    let (first, next) = (scene.first("silent"), scene.next("silent"));
    let paused = scene.event(&next, "paused presence_unconfirmed");
    let used = ms(&scene.usage(&first)["accrued_ms"]);
    let asked = used + ms(&paused["accrued_ms"]) - MINUTE_MS;
    assert_near("the time to answer", (asked, MINUTE_MS), 0.0);
    let ended = scene.event(&next, "ended presence_timeout");
    assert_eq!(ended["accrued_ms"], paused["accrued_ms"], "{ended}");
    assert_eq!(
        ended["paused_ms"],
        json!({"presence_unconfirmed": 60_000}),
        "{ended}"
    );
    assert_eq!(ended["continues"], json!(first), "{ended}");
    let told = [
        "session.started",
        "participant.joined",
        "participant.joined",
        "session.usage",
        "paused presence_unconfirmed",
        "participant.left",
        "participant.left",
        "ended presence_timeout",
    ];
    assert_eq!(scene.story(&next), told);
}

/// A minute of live time after the answer they are asked again; the app answers for all of them.
fn asked_again_and_all_leave(scene: &mut Scene) {
    let next = scene.next("asked");
    scene.event(&next, "warning presence 60");
    let confirm = format!("POST /v1/sessions/{next}/presence");
    let once = "Idempotency-Key: still-there\r\n";
    let [first, again] = [(); 2].map(|()| scene.api.ask(&confirm, &Value::Null, once));
    assert_eq!((first.status, &first.text), (200, &again.text), "{again:?}");
    scene.told(
        "karl in asked",
        "beistand.presence",
        (&json!({"open": false}), 2),
    );
    for who in ["karl in asked", "erika in asked"] {
        scene.driver.ask(&json!({"do": "leave", "who": who}));
    }
    let ended = scene.event(&next, "ended left");
    let unanswered = &ended["paused_ms"]["presence_unconfirmed"];
    assert_eq!(unanswered, &Value::Null, "{ended}");
}
