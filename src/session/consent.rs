//! Who may be recorded, for what. A state of the server alone: per participant and purpose, for the
//! length of the session, over all their joins.

use super::policy::{Mode, Recording};
use crate::base::{Actor, Consent, ConsentState, Identity, Purpose};
use std::collections::{BTreeMap, BTreeSet};

/// Longest version of a wording, in bytes.
pub const MAX_WORDING_BYTES: usize = 64;

/// Participants that are remembered: a session has at most 50 at once, and whoever comes after so many
/// is not recorded.
const MAX_PEOPLE: usize = 256;

/// Why a recording is not started, or a consent not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RecordingRefusal {
    /// The policy records nothing.
    #[error("the session's policy has recording.mode = \"off\": nothing is recorded")]
    Off,
    /// The policy does not name this purpose.
    #[error("{0} is not among recording.purposes of the session's policy")]
    NotForThat(Purpose),
    /// A minor is never recorded.
    #[error("the participant is marked as a minor, and is never recorded")]
    Minor,
    /// Nobody of this identity was in the session.
    #[error("nobody of this identity has joined the session")]
    Nobody,
    /// Each change is an entry in the ledger.
    #[error("it was changed too often in this session; a consent can still be withdrawn")]
    TooMany,
    /// What was shown to them is part of the evidence.
    #[error("a yes needs wording: the version of the text that was shown, in 1 to 64 bytes")]
    Wording,
}

/// Times that one participant may say yes in a session: each change is an entry in the ledger. No is
/// always heard.
const MAX_YES: u32 = 16;

/// What is known of a participant.
#[derive(Clone, Debug, Default)]
struct Person {
    minor: bool,
    yes: u32,
    said: BTreeMap<Purpose, ConsentRecord>,
}

/// How a consent stands, and to which wording.
#[derive(Clone, Debug)]
struct ConsentRecord {
    state: ConsentState,
    wording: String,
}

/// What someone said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConsentAnswer {
    /// Who is or is not to be recorded.
    pub identity: Identity,
    /// For what.
    pub purpose: Purpose,
    /// Yes or no.
    pub given: bool,
    /// By whose hand.
    pub actor: Actor,
    /// Version of the text that was shown.
    pub wording: String,
}

/// The consents of a session, and which recordings are asked for.
#[derive(Clone, Debug)]
pub struct Consents {
    rules: Recording,
    requested: BTreeSet<Purpose>,
    people: BTreeMap<Identity, Person>,
}

impl Consents {
    /// Nobody has said anything yet.
    pub fn new(rules: &Recording) -> Consents {
        let always = rules.mode == Mode::Always;
        let purposes = rules.purposes.iter().copied();
        Consents {
            rules: rules.clone(),
            requested: purposes.filter(|_| always).collect(),
            people: BTreeMap::new(),
        }
    }

    /// Someone joined. Once a minor, always a minor: [`Consents::handle_minor`] comes first.
    pub fn handle_joined(&mut self, who: &Identity, minor: bool) {
        if self.people.len() >= MAX_PEOPLE && !self.people.contains_key(who) {
            return;
        }
        let person = self.people.entry(who.clone()).or_default();
        person.minor |= minor;
    }

    /// Someone turns out to be a minor: the consents that they lose by that, as evidence. Nothing for
    /// whoever is not known yet.
    pub fn handle_minor(&mut self, who: &Identity) -> Vec<Consent> {
        let Some(person) = self.people.get_mut(who) else {
            return Vec::new();
        };
        person.minor = true;
        let said = person.said.iter_mut();
        let given = said.filter(|(_, said)| said.state == ConsentState::Given);
        given
            .map(|(purpose, said)| {
                said.state = ConsentState::Withdrawn;
                Consent {
                    identity: who.clone(),
                    purpose: *purpose,
                    state: said.state,
                    actor: Actor::Node,
                    wording: said.wording.clone(),
                }
            })
            .collect()
    }

    /// The app or an expert asks for a recording, or asks to stop it. True if that changes anything.
    ///
    /// # Errors
    /// The policy does not allow it.
    pub fn handle_request(&mut self, purpose: Purpose, on: bool) -> Result<bool, RecordingRefusal> {
        self.allowed(purpose)?;
        Ok(if on {
            self.requested.insert(purpose)
        } else {
            self.requested.remove(&purpose)
        })
    }

    /// A participant (or the app for them) said yes or no. What is new of it; none where nothing is.
    ///
    /// # Errors
    /// It cannot be taken.
    pub fn handle_answer(
        &mut self,
        answer: ConsentAnswer,
    ) -> Result<Option<Consent>, RecordingRefusal> {
        self.allowed(answer.purpose)?;
        let wording = wording(&answer)?;
        let person = self.people.get_mut(&answer.identity);
        let person = person.ok_or(RecordingRefusal::Nobody)?;
        if person.minor && answer.given {
            return Err(RecordingRefusal::Minor);
        }
        let before = person.said.get(&answer.purpose).map(|said| said.state);
        let state = match (answer.given, before) {
            (true, _) => ConsentState::Given,
            (false, Some(ConsentState::Given | ConsentState::Withdrawn)) => ConsentState::Withdrawn,
            (false, Some(ConsentState::Refused) | None) => ConsentState::Refused,
        };
        if before == Some(state) {
            return Ok(None);
        }
        if answer.given {
            if person.yes >= MAX_YES {
                return Err(RecordingRefusal::TooMany);
            }
            person.yes += 1;
        }
        let said = ConsentRecord {
            state,
            wording: wording.clone(),
        };
        person.said.insert(answer.purpose, said);
        Ok(Some(Consent {
            identity: answer.identity,
            purpose: answer.purpose,
            state,
            actor: answer.actor,
            wording,
        }))
    }

    /// Whether someone may be recorded for a purpose, now: asked for, given, and no minor.
    pub fn allows(&self, who: &Identity, purpose: Purpose) -> bool {
        self.requested.contains(&purpose)
            && self.state(who, purpose) == Some(ConsentState::Given)
            && !self.is_minor(who)
    }

    /// Whether anyone may be recorded for a purpose, here or on their way back.
    pub fn allows_anyone(&self, purpose: Purpose) -> bool {
        self.people.keys().any(|who| self.allows(who, purpose))
    }

    /// What someone said; none: they have not answered.
    pub fn state(&self, who: &Identity, purpose: Purpose) -> Option<ConsentState> {
        let said = self.people.get(who)?.said.get(&purpose)?;
        Some(said.state)
    }

    /// Whether someone is marked as a minor.
    pub fn is_minor(&self, who: &Identity) -> bool {
        self.people.get(who).is_some_and(|person| person.minor)
    }

    /// Whether a recording for this purpose is asked for.
    pub fn is_requested(&self, purpose: Purpose) -> bool {
        self.requested.contains(&purpose)
    }

    /// The rules behind it.
    pub const fn rules(&self) -> &Recording {
        &self.rules
    }

    fn allowed(&self, purpose: Purpose) -> Result<(), RecordingRefusal> {
        if self.rules.mode == Mode::Off {
            return Err(RecordingRefusal::Off);
        }
        if !self.rules.is_for(purpose) {
            return Err(RecordingRefusal::NotForThat(purpose));
        }
        Ok(())
    }
}

/// A yes says what it was said to. A no counts whatever comes with it.
fn wording(answer: &ConsentAnswer) -> Result<String, RecordingRefusal> {
    let text = answer.wording.as_str();
    if answer.given && !(1..=MAX_WORDING_BYTES).contains(&text.len()) {
        return Err(RecordingRefusal::Wording);
    }
    Ok(text[..text.floor_char_boundary(MAX_WORDING_BYTES)].to_owned())
}

#[cfg(test)]
mod tests;
