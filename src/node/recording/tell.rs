//! What everyone is told of recordings, and what clients say to them.

use super::super::command::RecordingView;
use super::super::live_room::{Context, LiveRoom};
use crate::base::{Actor, Millis, Mono, Purpose, Role};
use crate::peer::signal::Response;
use crate::session::{ConsentAnswer, Mode, RecordingRefusal};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// The attribute that shows for what a participant is recorded.
const RECORDED: &str = "recording";

/// For those whose channel lost a message: the whole state, again.
const TELL_EVERY: Millis = Millis::from_secs(5);

const STATE: &str = "beistand.recording";
const CONSENT: &str = "beistand.consent";

/// What was told, and by whose hand each recording runs or stands.
pub(super) struct Told {
    at: Mono,
    state: Option<Value>,
    actors: BTreeMap<Purpose, Actor>,
}

impl Told {
    pub(super) const fn new(now: Mono) -> Told {
        Told {
            at: now,
            state: None,
            actors: BTreeMap::new(),
        }
    }

    /// Someone asked for it to start or stop.
    pub(super) fn by(&mut self, purpose: Purpose, actor: Actor) {
        self.actors.insert(purpose, actor);
    }

    /// Who asked; the policy, where nobody did.
    pub(super) fn actor(&self, purpose: Purpose) -> Actor {
        self.actors.get(&purpose).copied().unwrap_or(Actor::Node)
    }
}

/// What a client says of its own consent.
#[derive(serde::Deserialize)]
struct Said {
    purpose: Purpose,
    given: bool,
    wording: Option<String>,
}

/// What an expert asks for.
#[derive(serde::Deserialize)]
struct Asked {
    action: Action,
    purpose: Purpose,
}

#[derive(Clone, Copy, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
enum Action {
    Start,
    Stop,
}

impl LiveRoom {
    /// Takes a client's word about recordings; it is told why where that is refused.
    pub(in crate::node) fn on_recording_message(
        &mut self,
        key: usize,
        (topic, payload): (&str, &[u8]),
        context: &mut Context<'_>,
    ) {
        let done = match topic {
            CONSENT => self.on_said(key, payload, context),
            STATE => self.on_asked(key, payload, context),
            _ => return,
        };
        if let Err(text) = done {
            let refused = json!({"topic": topic, "text": text}).to_string();
            self.tell_one(key, "beistand.refused", &refused);
        }
    }

    fn on_said(
        &mut self,
        key: usize,
        payload: &[u8],
        context: &mut Context<'_>,
    ) -> Result<(), String> {
        let said: Said = serde_json::from_slice(payload).map_err(|error| {
            format!("beistand.consent wants {{purpose, given, wording}}: {error}")
        })?;
        let answer = ConsentAnswer {
            identity: self.members[key].identity().clone(),
            purpose: said.purpose,
            given: said.given,
            actor: Actor::Participant,
            wording: said.wording.unwrap_or_default(),
        };
        self.on_consent(answer, context)
            .map_err(|refusal| refusal.to_string())
    }

    fn on_asked(
        &mut self,
        key: usize,
        payload: &[u8],
        context: &mut Context<'_>,
    ) -> Result<(), String> {
        let asked: Asked = serde_json::from_slice(payload)
            .map_err(|error| format!("beistand.recording wants {{action, purpose}}: {error}"))?;
        if self.members[key].join.role != Some(Role::Expert) {
            return Err("only an expert starts and stops recordings".to_owned());
        }
        let on = asked.action == Action::Start;
        self.on_record(asked.purpose, on, Actor::Participant, context)
            .map_err(|refusal: RecordingRefusal| refusal.to_string())
    }

    /// Attributes, the room's flag and the state, to everyone, as far as they changed.
    pub(super) fn tell_recordings(&mut self, context: &mut Context<'_>) {
        for key in self.keys() {
            let member = &self.members[key];
            let purposes = self.recordings.recorded(member.identity());
            let purposes = purposes.filter(|_| !member.is_encrypted());
            let words: Vec<&str> = purposes.map(Purpose::as_str).collect();
            let value = (!words.is_empty()).then(|| words.join(","));
            if self.members[key]
                .card
                .set_attribute(RECORDED, value.as_deref())
            {
                self.broadcast(key, context);
            }
        }
        let active = self
            .recordings
            .running
            .values()
            .any(|running| running.active);
        if std::mem::replace(&mut self.facts.active_recording, active) != active {
            let room = self.facts.clone();
            for key in self.keys() {
                self.send(key, Response::Room(room.clone()), context);
            }
        }
        let state = self.recording_state();
        if state != self.recordings.told.state {
            self.recordings.told.state = state;
            self.repeat(context);
        }
    }

    /// Now and then for everyone.
    pub(super) fn repeat_recordings(&mut self, context: &mut Context<'_>) {
        if context.now.mono.since(self.recordings.told.at) >= TELL_EVERY {
            self.repeat(context);
        }
    }

    /// For one whose channel has just opened.
    pub(in crate::node) fn tell_recording_to(&mut self, key: usize) {
        if let Some(state) = self.recording_state() {
            self.tell_one(key, STATE, &state.to_string());
        }
    }

    fn repeat(&mut self, context: &mut Context<'_>) {
        self.recordings.told.at = context.now.mono;
        if let Some(state) = &self.recordings.told.state {
            let json = state.to_string();
            self.tell_all(STATE, &json);
        }
    }

    /// None where the policy records nothing.
    fn recording_state(&self) -> Option<Value> {
        let rules = self.recordings.consents.rules();
        let mode = match rules.mode {
            Mode::Off => return None,
            Mode::OnRequest => "on_request",
            Mode::Always => "always",
        };
        let views = self.recording_views();
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
            "participants": participants(&views),
        }))
    }
}

/// The views by participant.
fn participants(views: &[RecordingView]) -> Vec<Value> {
    let first = views.first().map_or(&[][..], |view| &view.people);
    let one = |(index, person): (usize, &super::RecordedView)| {
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
