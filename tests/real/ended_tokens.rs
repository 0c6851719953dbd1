//! What the tokens of a booking are good for once its session is over: each way in which one ends, for who
//! came first, who came later and who never came, in an empty room and beside another session of it.
//!
//! What ends them is kept as short as the policy allows. All rooms share one node and the time.

use crate::api::Api;
use crate::doors::get;
use crate::driver::{Driver, join};
use crate::node::Node;
use crate::proxy::{Proxy, Shape};
use crate::receiver::Receiver;
use crate::{turn, wait};
use serde_json::{Value, json};
use std::time::Duration;

/// Who is booked, in the order in which they come. The last one never does.
const BOOKED: [(&str, &str); 3] = [
    ("erika", "expert"),
    ("karl", "customer"),
    ("gustav", "guest"),
];
/// The two sides, who come.
const SIDES: usize = 2;
/// What is promised downwards in the session whose floor breaks, in bit/s.
const FLOOR_BPS: u64 = 300_000;
/// A link that carries less than a picture and its sound.
const NARROW_BPS: u64 = 64_000;
/// Longer than any of these sessions: three minutes of a policy, and a machine that is late.
const LIFE: Duration = Duration::from_mins(5);

/// What is done once everyone is in.
#[derive(Clone, Copy)]
enum Then {
    /// What the policy says comes by itself.
    Nothing,
    AllLeave,
    CustomerLeaves,
    EndedByApi,
    LinkNarrows,
    NobodyAnswers,
}

/// How a session comes to its end.
struct Way {
    room: &'static str,
    reason: &'static str,
    overrides: Value,
    /// For how long joins are let in.
    open_s: Option<u64>,
    /// How many of those who are booked come.
    come: usize,
    then: Then,
}

impl Way {
    fn new(name: &'static str, overrides: Value, come: usize, then: Then) -> Way {
        let reason = name.split(' ').next().unwrap_or(name);
        Way {
            room: name,
            reason,
            overrides,
            open_s: None,
            come,
            then,
        }
    }

    fn open_for(self, seconds: u64) -> Way {
        Way {
            open_s: Some(seconds),
            ..self
        }
    }

    /// What is booked now.
    fn overrides(&self) -> Value {
        let mut overrides = self.overrides.clone();
        if let Some(open_s) = self.open_s {
            overrides["window"] = json!({"closes_at": unix_s() + open_s});
        }
        overrides
    }
}

/// Those that take longest come first.
fn ways() -> Vec<Way> {
    use Then::{AllLeave, CustomerLeaves, EndedByApi, LinkNarrows, Nothing};
    let floor = json!({
        "up_bps": 0, "down_bps": FLOOR_BPS, "admission": "off", "short_after_ms": 500,
        "breach_after_ms": 500, "on_breach": ["end"], "end_after_ms": 1_000,
    });
    let away = json!({"departure_timeout_s": 5, "abandon_after_s": 5});
    vec![
        Way::new(
            "max_duration",
            json!({"duration": {"max_min": 1}}),
            SIDES,
            Nothing,
        ),
        Way::new(
            "floor_breached",
            json!({"floor": floor}),
            SIDES,
            LinkNarrows,
        ),
        Way::new("left", json!({}), SIDES, AllLeave),
        Way::new("no_show of one", json!({}), 1, Nothing).open_for(25),
        Way::new("no_show of all", json!({}), 0, Nothing).open_for(3),
        Way::new("abandoned", away, SIDES, CustomerLeaves),
        Way::new(
            "quota_exhausted",
            json!({"duration": {"quota_s": 3}}),
            SIDES,
            Nothing,
        ),
        Way::new("ended_by_api while it runs", json!({}), SIDES, EndedByApi),
        Way::new("ended_by_api before anyone came", json!({}), 0, EndedByApi),
    ]
}

fn unix_s() -> u64 {
    let seconds = format!("{:.0}", wait::unix_ms() / 1000.0);
    seconds.parse().expect("a number of seconds")
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

/// A booked session: its id, and the tokens of those for whom it was booked.
struct Booked {
    id: String,
    tokens: Vec<String>,
}

/// The node, its people, and what billing hears.
struct Scene {
    driver: Driver,
    node: Node,
    api: Api,
    receiver: Receiver,
    proxy: Proxy,
}

impl Scene {
    fn new() -> Scene {
        let proxy = Proxy::start(19);
        let receiver = Receiver::start(&json!([]));
        let node = Node::behind(&proxy, &[&receiver]);
        Scene {
            driver: Driver::people(),
            api: Api::of(&node),
            node,
            receiver,
            proxy,
        }
    }

    fn book(&self, room: &str, overrides: &Value) -> Booked {
        let people = BOOKED.map(|(who, role)| json!({"identity": who, "role": role}));
        let body = json!({"room": room, "overrides": overrides, "participants": people});
        let made = self.api.expect(201, "POST /v1/sessions", &body);
        let people = made["participants"].as_array().expect("there are people");
        Booked {
            id: text(&made["id"]),
            tokens: people.iter().map(|one| text(&one["token"])).collect(),
        }
    }

    /// Those who come do so, and it goes on as the way wants it.
    fn live(&mut self, way: &Way, booked: &Booked) {
        let breaks = matches!(way.then, Then::LinkNarrows);
        let publish: &[&str] = if breaks {
            &["audio", "video"]
        } else {
            &["audio"]
        };
        for ((who, _), token) in BOOKED.iter().zip(&booked.tokens).take(way.come) {
            let narrows = breaks && *who == "karl";
            self.proxy.assign(if narrows { "narrow" } else { "wide" });
            let publish = if *who == "erika" { publish } else { &["audio"] };
            let mut command = join(&self.node, who, token, publish);
            command["as"] = json!(name(who, way.room));
            self.driver.ask(&command);
        }
        let id = &booked.id;
        match way.then {
            Then::Nothing => {}
            Then::AllLeave => {
                self.until_state(id, "live");
                self.leave(way, "karl");
                self.leave(way, "erika");
            }
            Then::CustomerLeaves => {
                self.until_state(id, "live");
                self.leave(way, "karl");
            }
            Then::EndedByApi => {
                self.api
                    .expect(200, &format!("POST /v1/sessions/{id}/end"), &Value::Null);
            }
            Then::NobodyAnswers => self.until_state(id, "paused"),
            Then::LinkNarrows => {
                let picture = json!({"do": "shows", "who": name("karl", way.room), "sender": "erika", "width": 320});
                self.driver.ask(&picture);
                self.proxy.link("narrow").set_down(Shape::rate(NARROW_BPS));
            }
        }
    }

    fn leave(&mut self, way: &Way, who: &str) {
        self.driver
            .ask(&json!({"do": "leave", "who": name(who, way.room)}));
    }

    fn record(&self, id: &str) -> Value {
        self.api
            .expect(200, &format!("GET /v1/sessions/{id}"), &Value::Null)
    }

    fn until_state(&self, id: &str, state: &str) {
        wait::until(&format!("{id} is {state}"), LIFE, || {
            let record = self.record(id);
            if record["state"] == state {
                Ok(())
            } else {
                Err(record.to_string())
            }
        });
    }

    /// Whoever is told to go, and knocks again at once, learns why.
    fn those_inside_learn_why(&mut self, way: &Way, old: &Booked) {
        let inside = match way.then {
            Then::Nothing | Then::LinkNarrows | Then::EndedByApi | Then::NobodyAnswers => way.come,
            Then::AllLeave | Then::CustomerLeaves => 0,
        };
        if inside > 0 {
            self.driver
                .ask(&json!({"do": "gone", "who": name("erika", way.room)}));
            self.refuses(way, old, "told to go");
        }
    }

    /// Billing hears of the end, and the API says the same.
    fn ends(&self, way: &Way, id: &str) {
        let told = wait::until(&format!("{} ends", way.room), LIFE, || {
            let attempts = self.receiver.attempts();
            let ours = attempts.iter().filter(|attempt| attempt.session == id);
            let kinds: Vec<&str> = ours.clone().map(|attempt| attempt.kind.as_str()).collect();
            let ended = ours.clone().find(|attempt| attempt.kind == "session.ended");
            ended
                .map(|attempt| attempt.data())
                .ok_or_else(|| format!("{kinds:?}"))
        });
        assert_eq!(told["reason"], way.reason, "{told}");
        let record = self.record(id);
        assert_eq!(record["state"], "ended", "{record}");
        assert_eq!(record["reason"], way.reason, "{record}");
    }

    /// None of the tokens lets anyone in, and each says why.
    fn refuses(&self, way: &Way, old: &Booked, when: &str) {
        for ((who, _), token) in BOOKED.iter().zip(&old.tokens) {
            let (status, why) = get(
                &self.node.http,
                &format!("/rtc/validate?access_token={token}"),
            );
            let says = why.contains(&format!("has ended ({})", way.reason));
            assert!(
                status == 403 && says,
                "{}, {when}, {who}: {status} {why}",
                way.room
            );
        }
    }

    /// The same by an SDK, which shows why.
    fn refuses_sdk(&mut self, way: &Way, old: &Booked, index: usize) {
        let who = BOOKED[index].0;
        let words = self.driver.refused(&join(
            &self.node,
            &format!("late {who}"),
            &old.tokens[index],
            &[],
        ));
        assert!(
            words.contains(way.reason),
            "{}: {who} is told {words}",
            way.room
        );
    }

    /// The tokens of a session that is over, whatever is in its room.
    fn tokens_are_spent(&mut self, way: &Way, old: &Booked) {
        self.refuses(way, old, "in an empty room");
        self.refuses_sdk(way, old, 2);
        let next = self.book(way.room, &json!({}));
        self.refuses(way, old, "another is booked");
        let first = join(
            &self.node,
            &format!("next in {}", way.room),
            &next.tokens[0],
            &[],
        );
        self.driver.ask(&first);
        self.refuses(way, old, "another runs");
        self.refuses_sdk(way, old, 1);
        // Whoever was refused has opened nothing, and is in no way of those who are booked.
        let listed = self
            .api
            .expect(200, "GET /v1/sessions?limit=100", &Value::Null);
        let listed = listed["sessions"].as_array().expect("a list");
        let here = listed.iter().filter(|one| one["room"] == way.room);
        let here: Vec<String> = here.map(|one| text(&one["id"])).collect();
        assert_eq!(here, [old.id.clone(), next.id.clone()], "{}", way.room);
        let running = self.record(&next.id);
        assert_eq!(running["state"], "waiting", "{running}");
        let people = running["participants"].as_array().expect("a list");
        let inside = people.iter().filter(|one| one["connected"] == true);
        assert_eq!(inside.count(), 1, "{running}");
    }
}

/// What a client is called among all of them.
fn name(who: &str, room: &str) -> String {
    format!("{who} in {room}")
}

fn every_end_spends_the_tokens(ways: &[Way]) {
    let turn = turn::shared();
    let mut scene = Scene::new();
    let mut lives = Vec::new();
    for way in ways {
        let booked = scene.book(way.room, &way.overrides());
        scene.live(way, &booked);
        lives.push((way, booked));
    }
    drop(turn);
    for (way, old) in lives.iter().rev() {
        scene.those_inside_learn_why(way, old);
        scene.ends(way, &old.id);
        scene.tokens_are_spent(way, old);
    }
    scene.node.verify_ledger();
}

#[test]
fn after_the_end_a_token_of_a_booking_lets_nobody_in_whatever_is_in_its_room_and_says_why() {
    every_end_spends_the_tokens(&ways());
}

/// A minute until they are asked, one to answer, and one in the pause: the least that a policy may say.
#[test]
fn nor_does_one_of_a_session_that_ended_because_nobody_answered() {
    let asked = json!({"presence": {"after_min": 1, "grace_min": 1}});
    every_end_spends_the_tokens(&[Way::new(
        "presence_timeout",
        asked,
        SIDES,
        Then::NobodyAnswers,
    )]);
}
