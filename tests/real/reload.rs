//! The configuration changes while the node runs: by SIGHUP, and by `POST /reload`.

use crate::api::{Answer, Api, exchange};
use crate::doors::get;
use crate::driver::{Driver, Sdk, join, tokens};
use crate::node::{KEY, Node, SECRET};
use crate::receiver::{self, Attempt, Receiver};
use crate::{place, turn, wait};
use serde_json::{Value, json};
use std::process::{Command, Stdio};

/// What endpoints sign with after the change.
const NEXT_SECRET: &str = "whsec_bmV4dC1zZWNyZXQtb2YtdGhlLXJlY2VpdmVyLTIwMjY=";
/// Attempts that an endpoint answered with 5xx, and with 4xx.
const FAILED: &str = "beistand_deliveries_total{outcome=\"server_error\"}";
const REFUSED: &str = "beistand_deliveries_total{outcome=\"client_error\"}";
/// Calls that run while the configuration changes.
const CALLS: usize = 5;

/// `POST /reload` on the admin listener.
pub fn reload(node: &Node) -> Answer {
    let request = format!(
        "POST /reload HTTP/1.0\r\nHost: {}\r\nContent-Length: 0\r\n\r\n",
        node.admin
    );
    exchange(&node.admin, &request)
}

fn validate(node: &Node, token: &str) -> u16 {
    get(&node.http, &format!("/rtc/validate?access_token={token}")).0
}

/// A participant's token by this key, from the command line.
fn token_of(node: &Node, key: &str) -> String {
    made(node, &["--key", key, "--room", "rotation"])
}

fn made(node: &Node, what: &[&str]) -> String {
    let made = node.command(&[&["token", "--identity", "karl"], what].concat());
    assert!(made.status.success(), "{made:?}");
    String::from_utf8_lossy(&made.stdout).trim().to_owned()
}

fn metric(node: &Node, name: &str) -> String {
    let page = get(&node.admin, "/metrics").1;
    let line = page.lines().find(|line| line.starts_with(name));
    line.and_then(|line| line.split(' ').nth(1))
        .unwrap_or_default()
        .to_owned()
}

/// Waits until a metric of the node has this value.
pub fn until_metric(node: &Node, name: &str, value: &str) {
    wait::until(&format!("{name} is {value}"), wait::PATIENCE, || {
        let is = metric(node, name);
        if is == value { Ok(()) } else { Err(is) }
    });
}

/// Waits until it holds of the attempts to deliver.
pub fn until_attempts(
    receiver: &Receiver,
    what: &str,
    hold: impl Fn(&[Attempt]) -> bool,
) -> Vec<Attempt> {
    wait::until(what, wait::PATIENCE, || {
        let attempts = receiver.attempts();
        if hold(&attempts) {
            return Ok(attempts);
        }
        let seen = attempts
            .iter()
            .map(|a| format!("{} {}", a.kind, a.answered));
        Err(seen.collect::<Vec<_>>().join(", "))
    })
}

#[test]
fn a_new_secret_by_sighup_signs_what_is_sent_next_and_five_live_calls_notice_nothing() {
    let turn = turn::alone();
    let receiver = Receiver::with_secrets(&[receiver::SECRET, NEXT_SECRET], &json!([]));
    let node = Node::more(&[&receiver], "[policies.default.billing]\ninterim_s = 1\n");
    let mut driver = Driver::people();
    let mut people = Vec::new();
    for call in 0..CALLS {
        let names = [format!("erika-{call}"), format!("karl-{call}")];
        let pair = [
            (names[0].as_str(), "expert"),
            (names[1].as_str(), "customer"),
        ];
        for ((name, _), token) in
            pair.iter()
                .zip(tokens(Sdk::Python, &format!("call-{call}"), &pair))
        {
            driver.ask(&join(&node, name, &token, &["audio"]));
        }
        driver.ask(&json!({"do": "receive", "who": names, "kinds": ["audio"]}));
        people.extend(names);
    }
    driver.ask(&json!({"do": "live_for", "ms": 2_000}));
    node.reconfigure(|text| text.replace(receiver::SECRET, NEXT_SECRET));
    node.hang_up();
    wait::until("it was read again", wait::PATIENCE, || {
        let logged = node.logged();
        let read = logged.contains("the configuration was read again");
        if read { Ok(()) } else { Err(logged) }
    });
    let api = Api::of(&node);
    let running = api.expect(200, "GET /v1/sessions?state=running", &Value::Null);
    assert_eq!(running["sessions"].as_array().map(Vec::len), Some(CALLS));
    // Sound goes on in every call.
    driver.ask(&json!({"do": "more_packets", "who": people, "packets": 100}));
    let attempts = until_attempts(
        &receiver,
        "each call was told of with the new secret",
        |attempts| {
            let new = attempts.iter().filter(|a| a.line["secret"] == 1);
            let sessions: std::collections::BTreeSet<&str> =
                new.map(|a| a.session.as_str()).collect();
            sessions.len() == CALLS
        },
    );
    let marks = driver.ask(&json!({"do": "marks"}))["people"].clone();
    for name in &people {
        assert_eq!(
            marks[name]["gone"],
            Value::Null,
            "{name} was not told to leave: {marks}"
        );
    }
    drop((driver, turn));
    receiver::check_story(&attempts);
    receiver::check_once(&attempts);
    let changed = attempts.iter().position(|a| a.line["secret"] == 1);
    let after = &attempts[changed.expect("some")..];
    assert!(
        after.iter().all(|a| a.line["secret"] == 1),
        "the old secret never comes back"
    );
    for attempt in &attempts {
        let data = attempt.data();
        let paused: f64 = data["paused_ms"].as_object().map_or(0.0, |reasons| {
            reasons.values().filter_map(Value::as_f64).sum()
        });
        assert!(paused == 0.0 && data["state"] != "ended", "{data}");
    }
}

#[test]
fn a_broken_configuration_is_refused_with_its_place_and_the_one_before_goes_on() {
    let _turn = turn::shared();
    let receiver = Receiver::start(&json!([]));
    let node = Node::with(&[&receiver]);
    let token = token_of(&node, KEY);
    for (broken, named) in [
        ("[keys]\nshort = \"tooshort\"\n", "short"),
        ("[webhooks]\nendpoints = [{", "beistand.toml:"),
        (
            "[policies.default]\nno_such_field = 1\n[keys]\na = 1\n",
            "no_such_field",
        ),
        ("", "there is no API key"),
    ] {
        let mut good = String::new();
        node.reconfigure(|text| {
            good = text;
            broken.to_owned()
        });
        let refused = reload(&node);
        assert_eq!(refused.status, 422, "{refused:?}");
        assert!(
            refused.head.contains("application/problem+json"),
            "{}",
            refused.head
        );
        let detail = refused.body["detail"].as_str().unwrap_or_default();
        assert!(detail.contains(named), "{broken:?}: {detail}");
        assert!(
            !detail.contains("tooshort"),
            "a secret is not repeated: {detail}"
        );
        assert_eq!(validate(&node, &token), 200, "{broken:?}");
        node.reconfigure(|_| good);
    }
    assert!(node.logged().contains("the one before goes on"));
    let same = reload(&node);
    assert_eq!(same.status, 200, "{same:?}");
    assert_eq!(same.body, json!({"changed": [], "restart_needed": []}));
    assert_eq!(get(&node.admin, "/reload").0, 405, "GET changes nothing");
}

#[test]
fn keys_are_rotated_and_policies_changed_without_a_restart_and_what_needs_one_is_named() {
    let _turn = turn::shared();
    let node = Node::with(&[]);
    let old = token_of(&node, KEY);
    let policed =
        json!({"policy": "next", "participants": [{"identity": "karl", "role": "customer"}]});
    let api = Api::of(&node);
    api.expect(422, "POST /v1/sessions", &policed);
    let pair = format!("{KEY} = \"{SECRET}\"");
    let both = format!("{pair}\nnext = \"another-secret-of-more-than-32-bytes\"");
    node.reconfigure(|text| {
        let text = text
            .replace(&pair, &both)
            .replace("joins_per_s = 1000", "joins_per_s = 999");
        text + "\n[policies.next]\ndeparture_timeout_s = 6\n"
    });
    let answer = reload(&node);
    assert_eq!(answer.status, 200, "{answer:?}");
    let expected =
        json!({"changed": ["keys", "policies", "limits.joins_per_s"], "restart_needed": []});
    assert_eq!(answer.body, expected);
    let new = token_of(&node, "next");
    assert_eq!([validate(&node, &old), validate(&node, &new)], [200, 200]);
    let booked = api.expect(201, "POST /v1/sessions", &policed);
    let link = booked["participants"][0]["token"]
        .as_str()
        .unwrap_or_default();
    assert_eq!(validate(&node, link), 200);
    node.reconfigure(|text| text.replace(&format!("{pair}\n"), ""));
    let answer = reload(&node);
    assert_eq!(answer.body["changed"], json!(["keys"]), "{answer:?}");
    assert_eq!([validate(&node, &old), validate(&node, &new)], [401, 200]);
    assert_eq!(api.ask("GET /v1/sessions", &Value::Null, "").status, 401);
}

#[test]
fn who_is_in_a_session_comes_back_to_it_though_its_policy_was_removed() {
    let turn = turn::alone();
    let node = Node::more(&[], "[policies.gold]\ndeparture_timeout_s = 60\n");
    let of = |room| {
        made(
            &node,
            &[
                "--key", KEY, "--room", room, "--policy", "gold", "--role", "expert",
            ],
        )
    };
    let (token, other) = (of("open"), of("not-open"));
    let mut driver = Driver::people();
    driver.ask(&join(&node, "karl", &token, &["audio"]));
    node.reconfigure(|text| text.replace("[policies.gold]", "[policies.silver]"));
    let answer = reload(&node);
    assert_eq!(answer.body["changed"], json!(["policies"]), "{answer:?}");
    assert_eq!(
        [validate(&node, &token), validate(&node, &other)],
        [200, 403],
        "the rules are those of the session that is open, and nothing new begins by them"
    );
    drop((driver, turn));
}

#[test]
fn a_receiver_that_asks_for_a_rest_gets_few_requests_whatever_waits_for_it() {
    let _turn = turn::shared();
    // Both forms of the header; the date is far ahead, so an hour holds.
    for (script, most) in [
        (json!([[503, "3600"]]), 1),
        (json!([[503, "Fri, 01 Jan 2100 00:00:00 GMT"]]), 1),
        (json!([[503, "1"], [429, "1"], [503, "1"]]), 3),
    ] {
        let receiver = Receiver::start(&script);
        let other = Receiver::start(&json!([]));
        let node = Node::with(&[&receiver, &other]);
        let api = Api::of(&node);
        // The first answer is there before others begin.
        cancel(&api, 0);
        until_metric(&node, FAILED, "1");
        (1..20).for_each(|n| cancel(&api, n));
        let ended = |attempts: &[Attempt]| {
            let ended = attempts
                .iter()
                .filter(|a| a.kind == "session.ended" && a.delivered());
            ended.count() == 20
        };
        until_attempts(&other, "the other endpoint has all", ended);
        let failed = |attempts: &[Attempt]| attempts.iter().filter(|a| !a.delivered()).count();
        if most == 1 {
            assert_eq!(receiver.attempts().len(), 1, "{script}");
            continue;
        }
        let attempts = until_attempts(&receiver, "all, after the rests", ended);
        assert_eq!(failed(&attempts), most, "{script}: a request for each rest");
        let at = |index: usize| attempts[index].line["at_ms"].as_f64().unwrap_or_default();
        assert!(
            at(most) - at(0) >= 2_900.0,
            "{script}: three rests of a second"
        );
        receiver::check_once(&attempts);
    }
}

/// A session that is booked and ended: two events and no client.
pub fn cancel(api: &Api, number: usize) {
    let booking = json!({"room": format!("rest-{number}"), "participants": []});
    let booked = api.expect(201, "POST /v1/sessions", &booking);
    let id = booked["id"].as_str().unwrap_or_default();
    api.expect(200, &format!("POST /v1/sessions/{id}/end"), &Value::Null);
}

#[test]
fn one_410_disables_nothing_and_a_reload_wakes_the_endpoint_and_buries_a_removed_one() {
    let _turn = turn::shared();
    let gone = Receiver::start(&json!([410]));
    let hung = Receiver::start(&json!(["hang", "hang"]));
    let node = Node::with(&[&gone, &hung]);
    let api = Api::of(&node);
    cancel(&api, 0);
    until_metric(&node, REFUSED, "1");
    until_attempts(&hung, "the attempt that hangs", |attempts| {
        !attempts.is_empty()
    });
    assert_eq!(metric(&node, "beistand_endpoints_disabled"), "0");
    // The second endpoint goes; the first one is the same, and need not wait for its probe.
    node.reconfigure(|text| {
        let at = text.rfind("[[webhooks.endpoints]]").expect("two endpoints");
        text[..at].to_owned()
    });
    let answer = reload(&node);
    assert_eq!(
        answer.body["changed"],
        json!(["webhooks.endpoints"]),
        "{answer:?}"
    );
    gone.until_delivered("session.ended");
    let events = gone.attempts().iter().filter(|a| a.delivered()).count();
    until_metric(&node, "beistand_dead_letters_total", &events.to_string());
    assert_eq!(hung.attempts().len(), 1);
    node.verify_ledger();
}

/// `[tls]` with these two files of the golden ones.
fn tls(cert: &str, key: &str) -> String {
    let folder = place::golden("tls");
    let of = |name| folder.join(name).display().to_string();
    format!("[tls]\ncert = \"{}\"\nkey = \"{}\"\n", of(cert), of(key))
}

/// The certificate that the node shows.
fn shown(node: &Node) -> String {
    let mut command = Command::new("openssl");
    command.args(["s_client", "-connect", &node.http]);
    let shown = command
        .stdin(Stdio::null())
        .output()
        .expect("openssl can be run");
    let text = String::from_utf8_lossy(&shown.stdout).into_owned();
    let from = text.find("-----BEGIN CERTIFICATE-----");
    let found = from.and_then(|from| {
        text[from..]
            .split_inclusive("-----END CERTIFICATE-----")
            .next()
    });
    found
        .unwrap_or_else(|| panic!("no certificate: {shown:?}"))
        .to_owned()
}

#[test]
fn the_certificate_changes_by_a_reload_and_one_that_cannot_be_used_changes_nothing_and_kills_nobody()
 {
    let _turn = turn::shared();
    let good = tls("leaf.pem", "leaf.key");
    let node = Node::more(&[], &good);
    let read = |name: &str| {
        let text = std::fs::read_to_string(place::golden("tls").join(name));
        text.expect("a golden file").trim().to_owned()
    };
    assert_eq!(shown(&node), read("leaf.pem"));
    for (bad, named) in [
        (
            tls("leaf.pem", "encrypted.key"),
            "tls.key: is encrypted with a passphrase",
        ),
        (
            tls("leaf.pem", "other.key"),
            "tls.key: does not belong to the certificate",
        ),
        (tls("nothere.pem", "leaf.key"), "nothere.pem cannot be read"),
        (tls("leaf.pem", "leaf.pem"), "the wrong way round"),
    ] {
        node.reconfigure(|text| text.replace(&good, &bad));
        let refused = reload(&node);
        let detail = refused.body["detail"].as_str().unwrap_or_default();
        assert!(
            refused.status == 422 && detail.contains(named),
            "{refused:?}"
        );
        for _ in 0..3 {
            node.hang_up();
        }
        assert_eq!(shown(&node), read("leaf.pem"), "{bad}");
        node.reconfigure(|text| text.replace(&bad, &good));
    }
    let other = tls("other.pem", "other.key");
    node.reconfigure(|text| text.replace(&good, &other));
    node.hang_up();
    wait::until("the other certificate is served", wait::PATIENCE, || {
        let is = shown(&node);
        if is == read("other.pem") {
            Ok(())
        } else {
            Err(is)
        }
    });
    node.reconfigure(|text| text.replace(&other, ""));
    let answer = reload(&node);
    assert_eq!(
        answer.body["restart_needed"],
        json!(["tls.cert", "tls.key"]),
        "{answer:?}"
    );
    assert_eq!(shown(&node), read("other.pem"), "it stays until then");
}

#[test]
fn limits_and_the_level_of_the_log_hold_at_once_and_what_needs_a_restart_is_named() {
    let _turn = turn::shared();
    let node = Node::with(&[]);
    let token = token_of(&node, KEY);
    assert_eq!((0..9).map(|_| validate(&node, &token)).max(), Some(200));
    assert!(!node.logged().contains("DEBUG"));
    node.reconfigure(|text| {
        let text = text
            .replace("joins_per_s = 1000", "joins_per_s = 1")
            .replace(
                "join_burst = 10000",
                "join_burst = 1\nhandshake_timeout_ms = 6000",
            );
        text.replace("[rtc]", "[rtc]\nworkers = 3") + "\n[log]\nlevel = \"debug\"\n"
    });
    let answer = reload(&node);
    let changed = json!(["limits.joins_per_s", "limits.join_burst", "log.level"]);
    assert_eq!(answer.body["changed"], changed, "{answer:?}");
    let restart = json!(["rtc.workers", "limits.handshake_timeout_ms"]);
    assert_eq!(answer.body["restart_needed"], restart, "{answer:?}");
    assert!(node.logged().contains("hold after a restart alone"));
    assert_eq!((0..9).map(|_| validate(&node, &token)).max(), Some(429));
    // Named until there was a restart, and once is enough for the rest.
    let again = reload(&node);
    assert_eq!(
        again.body,
        json!({"changed": [], "restart_needed": restart})
    );
    let read = || node.logged().matches("was read again").count();
    let before = read();
    for (level, more) in [("error", 0), ("info", 1)] {
        node.reconfigure(|text| {
            let at = text.find("\n[log]").unwrap_or(text.len());
            format!("{}\n[log]\nlevel = \"{level}\"\n", &text[..at])
        });
        assert_eq!(reload(&node).body["changed"], json!(["log.level"]));
        assert_eq!(read(), before + more, "at {level}");
    }
}
