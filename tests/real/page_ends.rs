//! The last page: why the session is over, what is billed in the end, and a way back only where it goes on.

use crate::api::Api;
use crate::driver::Driver;
use crate::node::{Node, beistand};
use crate::page::{page, page_of};
use crate::turn;
use serde_json::{Value, json};

fn session(api: &Api) -> String {
    let open = api.expect(200, "GET /v1/sessions?state=running", &Value::Null);
    let id = open["sessions"][0]["id"].as_str();
    id.expect("it is open").to_owned()
}

/// The last page of someone, once it says this of what is billed.
fn farewell(driver: &mut Driver, who: &str, clock: &str) -> Value {
    driver.ask(&json!({"do": "farewell", "who": who, "clock": clock}))
}

/// What the page writes for so many milliseconds.
fn minutes(ms: u64) -> String {
    format!("{:02}:{:02}", ms / 60_000, ms / 1_000 % 60)
}

#[test]
fn who_leaves_first_may_come_back_and_who_leaves_last_reads_the_final_bill_and_that_it_is_over() {
    let _turn = turn::shared();
    let node = Node::dev();
    let mut driver = Driver::browsers();
    page(&node, &mut driver);
    page_of("expert", &node, &mut driver);
    driver.ask(&json!({"do": "billed", "who": "expert", "ms": 2_000}));
    let api = Api::of(&node);
    let id = session(&api);
    driver.ask(&json!({"do": "leave", "who": "customer"}));
    let shown = farewell(&mut driver, "customer", "Billed so far: ");
    assert_eq!(shown["title"], "Goodbye", "{shown}");
    assert_eq!(shown["rejoin"], true, "it goes on: {shown}");
    driver.ask(&json!({"do": "leave", "who": "expert"}));
    for who in ["expert", "customer"] {
        let shown = farewell(&mut driver, who, "Billed: ");
        let words = "You left the session, and it has ended: everyone has left.";
        assert_eq!(shown["text"], words, "{shown}");
        assert_eq!(shown["rejoin"], false, "{shown}");
        let record = api.expect(200, &format!("GET /v1/sessions/{id}"), &Value::Null);
        let billable = record["billable_ms"].as_u64().expect("a sum");
        assert!(billable >= 2_000, "{record}");
        assert_eq!(shown["clock"], format!("Billed: {}", minutes(billable)));
    }
}

#[test]
fn a_session_that_ran_out_of_prepaid_time_says_so_and_offers_no_way_into_another_one() {
    let _turn = turn::shared();
    let node = Node::more(
        &[],
        "[policies.default.duration]\nquota_s = 5\non_exhausted = \"end\"\n",
    );
    let api = Api::of(&node);
    let mut driver = Driver::browsers();
    let people =
        json!([{"identity": "erika", "role": "expert"}, {"identity": "karl", "role": "customer"}]);
    let booked = json!({"room": "short", "participants": people});
    let booked = api.expect(201, "POST /v1/sessions", &booked);
    for (at, who) in ["expert", "customer"].iter().enumerate() {
        let link = &booked["participants"][at]["join_url"];
        driver.ask(&json!({"do": "open", "who": who, "link": link, "size": "640x360"}));
    }
    for who in ["expert", "customer"] {
        let shown = farewell(&mut driver, who, "Billed: 00:05");
        assert_eq!(shown["title"], "The session has ended", "{shown}");
        assert_eq!(shown["text"], "The prepaid time is used up.", "{shown}");
        assert_eq!(shown["rejoin"], false, "{shown}");
        assert_eq!(shown["connection"], "Ended", "{shown}");
    }
}

#[test]
fn the_clock_is_shown_to_who_took_part_and_to_nobody_else() {
    let _turn = turn::shared();
    let node = Node::dev();
    let mut driver = Driver::browsers();
    page(&node, &mut driver);
    let id = session(&Api::of(&node));
    let request = format!("GET /v1/sessions/{id}/clock");
    for (identity, room, status) in [
        ("customer", "page", 200),
        ("expert", "page", 403),
        ("customer", "another", 403),
    ] {
        let words = ["token", "--dev", "--room", room, "--identity", identity];
        let made = beistand(&words).output().expect("the binary runs");
        let token = String::from_utf8_lossy(&made.stdout).trim().to_owned();
        let answer = Api::with(&node, &token).ask(&request, &Value::Null, "");
        assert_eq!(answer.status, status, "{identity} of {room}");
    }
    let clock = Api::of(&node).expect(200, &request, &Value::Null);
    assert_eq!(clock["session"], id.as_str(), "{clock}");
    assert_eq!(
        (&clock["state"], &clock["goes_on"]),
        (&json!("waiting"), &json!(true))
    );
}
