//! What everyone is told of recordings: an attribute of each participant, the room's flag, and the whole state.

use super::io::{Output, Person};
use super::messages::STATE;
use crate::base::{Identity, Millis, Mono, ParticipantSid};
use crate::node::{RecordedView, RecordingView};
use crate::room::MemberKey;
use crate::session::{self, Mode};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// Topic: why a message was refused.
const REFUSED: &str = "beistand.refused";

/// For those whose channel lost a message: the whole state, again.
const TELL_EVERY: Millis = Millis::from_secs(5);

/// What was told.
pub(super) struct Announcements {
    at: Mono,
    /// The attribute of each join.
    attributes: BTreeMap<ParticipantSid, Option<String>>,
    active: bool,
    state: Option<Value>,
}

impl Announcements {
    pub(super) const fn new(now: Mono) -> Announcements {
        Announcements {
            at: now,
            attributes: BTreeMap::new(),
            active: false,
            state: None,
        }
    }

    /// Attributes, the room's flag and the state, to everyone, as far as they changed.
    pub(super) fn tell(
        &mut self,
        people: &[Person],
        rules: &session::Recording,
        views: &[RecordingView],
        now: Mono,
    ) -> Vec<Output> {
        let mut outputs = self.tell_attributes(people, views);
        let captured = people.iter().any(|person| person.captures);
        let active = captured || views.iter().any(|view| view.active);
        if std::mem::replace(&mut self.active, active) != active {
            outputs.push(Output::RoomFlag(active));
        }
        let state = state(rules, views);
        if state != self.state {
            self.state = state;
            outputs.extend(self.repeat(now));
        }
        outputs
    }

    fn tell_attributes(&mut self, people: &[Person], views: &[RecordingView]) -> Vec<Output> {
        let mut outputs = Vec::new();
        let before = std::mem::take(&mut self.attributes);
        for person in people {
            let value = attribute(&person.identity, views);
            if before.get(&person.sid) != Some(&value) {
                outputs.push(Output::Attribute(person.member, value.clone()));
            }
            self.attributes.insert(person.sid.clone(), value);
        }
        outputs
    }

    /// Now and then for everyone.
    pub(super) fn handle_timeout(&mut self, now: Mono) -> Option<Output> {
        let due = now >= self.at + TELL_EVERY;
        due.then(|| self.repeat(now)).flatten()
    }

    pub(super) fn poll_timeout(&self) -> Option<Mono> {
        Some(self.at + TELL_EVERY)
    }

    fn repeat(&mut self, now: Mono) -> Option<Output> {
        self.at = now;
        let state = self.state.as_ref()?;
        Some(Output::TellAll(STATE, state.to_string()))
    }
}

/// For one whose channel has just opened.
pub(super) fn welcome(
    member: MemberKey,
    rules: &session::Recording,
    views: &[RecordingView],
) -> Option<Output> {
    let state = state(rules, views)?;
    Some(Output::TellOne(member, STATE, state.to_string()))
}

/// For one whose message was refused.
pub(super) fn refused(member: MemberKey, topic: &str, text: &str) -> Output {
    let json = json!({"topic": topic, "text": text}).to_string();
    Output::TellOne(member, REFUSED, json)
}

/// For what someone is recorded now.
fn attribute(who: &Identity, views: &[RecordingView]) -> Option<String> {
    let is_recorded = |view: &&RecordingView| {
        let mut people = view.people.iter();
        people.any(|person| person.identity == *who && person.recorded)
    };
    let recorded = views.iter().filter(is_recorded);
    let mut purposes: Vec<_> = recorded.map(|view| view.id.purpose()).collect();
    purposes.sort_unstable();
    let words: Vec<&str> = purposes.iter().map(|purpose| purpose.as_str()).collect();
    (!words.is_empty()).then(|| words.join(","))
}

/// None where the policy records nothing.
fn state(rules: &session::Recording, views: &[RecordingView]) -> Option<Value> {
    let mode = match rules.mode {
        Mode::Off => return None,
        Mode::OnRequest => "on_request",
        Mode::Always => "always",
    };
    let purposes = views.iter().map(|view| {
        let retention = rules.retention(view.id.purpose());
        json!({
            "purpose": view.id.purpose(),
            "requested": view.requested,
            "active": view.active,
            "retention_h": retention.map(|kept| kept.0 / 3_600_000),
            "failed": view.failed,
        })
    });
    Some(json!({
        "mode": mode,
        "purposes": purposes.collect::<Vec<_>>(),
        "participants": participants(views),
    }))
}

/// The views by participant.
fn participants(views: &[RecordingView]) -> Vec<Value> {
    let first = views.first().map_or(&[][..], |view| &view.people);
    let one = |(index, person): (usize, &RecordedView)| {
        let mut consent = Map::new();
        let mut recorded = Vec::new();
        for view in views {
            let Some(person) = view.people.get(index) else {
                continue;
            };
            let purpose = view.id.purpose();
            consent.insert(purpose.as_str().to_owned(), json!(person.consent));
            recorded.extend(person.recorded.then_some(purpose));
        }
        json!({
            "identity": person.identity,
            "minor": person.minor,
            "encrypted": person.encrypted,
            "consent": consent,
            "recorded": recorded,
        })
    };
    first.iter().enumerate().map(one).collect()
}
