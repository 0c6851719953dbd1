//! The table of gates: who is here, what was said, what stands, and what is done then.

use super::super::gates::{
    Action, Context, Gate, RecordingStanding, TrackRoute, review, withdrawals,
};
use super::{answer, person};
use crate::base::{Identity, Purpose, TrackSid};
use crate::node::room::recording::Person;
use crate::room::TrackKey;
use crate::session::{Consents, Mode, Recording};
use std::collections::BTreeMap;

/// What was said before the review, in words: `ask`, `unask`, `yes`, `no`, `minor`.
fn consents(said: &str) -> Consents {
    let mut consents = Consents::new(&Recording {
        mode: Mode::OnRequest,
        ..Recording::default()
    });
    let who = Identity::from("cu");
    consents.handle_joined(&who, false);
    for word in said.split_whitespace() {
        let purpose = Purpose::Shared;
        match word {
            "ask" | "unask" => drop(consents.handle_request(purpose, word == "ask").unwrap()),
            "yes" | "no" => {
                let answer = answer("cu", purpose, word == "yes");
                consents.handle_answer(answer).unwrap();
            }
            "minor" => drop(consents.handle_minor(&who)),
            _ => panic!("{word}"),
        }
    }
    consents
}

/// Who is here, in words: `hidden`, `encrypted`, `silent` (publishes nothing), `other` (the key is used again).
fn people(how: &str) -> Vec<Person> {
    let mut customer = person(3, "cu");
    for word in how.split_whitespace() {
        match word {
            "here" => {}
            "gone" => return Vec::new(),
            "hidden" => customer.hidden = true,
            "encrypted" => customer.sources[0].encrypted = true,
            "silent" => customer.sources.clear(),
            "other" => customer.sources[0].sid = TrackSid::from("TR_other"),
            _ => panic!("{word}"),
        }
    }
    vec![customer]
}

/// How the recording stands, in words: `active`, `failed`, `open`, `known`.
fn standing(how: &str) -> RecordingStanding {
    let mut standing = RecordingStanding::default();
    for word in how.split_whitespace() {
        match word {
            "new" => {}
            "active" => standing.active = true,
            "failed" => standing.failed = Some("the disk is full".to_owned()),
            "open" | "known" => {
                let gate = Gate {
                    sid: TrackSid::from("TR_cu"),
                    identity: Identity::from("cu"),
                    open: word == "open",
                };
                standing.tracks.insert(TrackKey(3), gate);
            }
            _ => panic!("{word}"),
        }
    }
    standing
}

fn word(action: &Action) -> &'static str {
    match action {
        Action::Withdraw(..) => "withdraw",
        Action::Halt(_) => "halt",
        Action::EndTrack(..) => "end",
        Action::Stopped(_) => "stopped",
        Action::Start(_) => "start",
        Action::Tell => "tell",
        Action::Open(..) => "open",
        Action::Unsubscribe(_) => "unsubscribe",
        Action::Subscribe(_) => "subscribe",
    }
}

fn words(actions: &[Action]) -> String {
    actions.iter().map(word).collect::<Vec<_>>().join(" ")
}

/// What was said, who is here, what stands; and what is done then.
const TABLE: [(&str, &str, &str, &str); 26] = [
    // Nothing opens but with a yes to what is asked for.
    ("", "here", "new", "tell"),
    ("ask", "here", "new", "tell"),
    ("yes", "here", "new", "tell"),
    ("ask no", "here", "new", "tell"),
    ("ask yes no", "here", "new", "tell"),
    ("ask yes minor", "here", "new", "tell"),
    ("ask yes", "here", "new", "start tell open subscribe"),
    // Nor without a track that can be read, of someone who can be seen.
    ("ask yes", "gone", "new", "tell"),
    ("ask yes", "silent", "new", "tell"),
    ("ask yes", "hidden", "new", "tell"),
    ("ask yes", "encrypted", "new", "tell"),
    // Under way.
    ("ask yes", "here", "active", "tell open subscribe"),
    ("ask yes", "here", "active open", "tell"),
    ("ask yes", "here", "active known", "tell open subscribe"),
    // The track goes, and the recording waits for another.
    ("ask yes", "silent", "active open", "end tell unsubscribe"),
    ("ask yes", "gone", "active open", "end tell unsubscribe"),
    (
        "ask yes",
        "other",
        "active open",
        "end tell open unsubscribe subscribe",
    ),
    // A withdrawal drops what waits; a stop keeps it.
    (
        "ask yes no",
        "here",
        "active open",
        "withdraw halt stopped tell unsubscribe",
    ),
    (
        "ask yes minor",
        "here",
        "active open",
        "withdraw halt stopped tell unsubscribe",
    ),
    (
        "ask yes no",
        "gone",
        "active open",
        "withdraw halt stopped tell unsubscribe",
    ),
    (
        "ask yes unask",
        "here",
        "active open",
        "halt end stopped tell unsubscribe",
    ),
    (
        "ask yes unask no",
        "here",
        "active open",
        "withdraw halt stopped tell unsubscribe",
    ),
    // What failed does not start by itself.
    ("ask yes", "here", "failed", "tell"),
    ("ask yes", "here", "failed known", "tell"),
    ("ask yes no", "here", "failed known", "withdraw tell"),
    ("ask yes", "gone", "failed known", "end tell"),
];

#[test]
fn what_is_done_follows_from_who_is_here_what_was_said_and_what_stands() {
    for (said, here, stands, done) in TABLE {
        let consents = consents(said);
        let people = people(here);
        let standings = BTreeMap::from([(Purpose::Shared, standing(stands))]);
        let was_open = stands.contains("open");
        let route = || TrackRoute {
            track: TrackKey(3),
            sid: TrackSid::from("TR_cu"),
            member: person(3, "cu").member,
            mid: person(3, "cu").sources[0].mid,
        };
        let routes = was_open.then(|| (TrackKey(3), route()));
        let context = Context {
            consents: &consents,
            people: &people,
            standings: &standings,
            routes: &routes.into_iter().collect(),
        };
        let told = words(&review(context));
        assert_eq!(told, done, "{said} / {here} / {stands}");
        let closing = words(&withdrawals(context));
        let withdrawn = if done.starts_with("withdraw") {
            "withdraw"
        } else {
            ""
        };
        assert_eq!(closing, withdrawn, "{said} / {here} / {stands}");
    }
}

#[test]
fn all_gates_close_and_the_ledger_and_everyone_learn_it_before_one_opens() {
    let rules = Recording {
        mode: Mode::Always,
        purposes: Purpose::ALL.to_vec(),
        ..Recording::default()
    };
    let mut consents = Consents::new(&rules);
    for who in ["cu", "ex"] {
        consents.handle_joined(&Identity::from(who), false);
    }
    let mut say = |who, purpose, given| {
        let said = consents.handle_answer(answer(who, purpose, given));
        said.unwrap();
    };
    say("cu", Purpose::Shared, true);
    say("cu", Purpose::Shared, false);
    say("ex", Purpose::Qa, true);
    let people = [person(3, "cu"), person(4, "ex")];
    let standings = BTreeMap::from([(Purpose::Shared, standing("active open"))]);
    let actions = review(Context {
        consents: &consents,
        people: &people,
        standings: &standings,
        routes: &BTreeMap::new(),
    });
    let expected = "withdraw halt stopped start tell open subscribe";
    assert_eq!(words(&actions), expected);
    let Action::Open(purpose, track, facts) = &actions[5] else {
        panic!("{actions:?}");
    };
    assert_eq!((*purpose, *track), (Purpose::Qa, TrackKey(4)));
    assert_eq!(facts.identity, Identity::from("ex"));
}
