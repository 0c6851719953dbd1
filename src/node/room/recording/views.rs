//! How recordings stand, for the API and for what everyone is told.

use super::gates::RecordingStanding;
use super::io::Person;
use crate::base::{Purpose, RecordingId, SessionId};
use crate::node::{RecordedView, RecordingView};
use crate::session::Consents;
use std::collections::BTreeMap;

/// One for each purpose of the policy; none where it records nothing.
pub(super) fn views(
    session: &SessionId,
    consents: &Consents,
    standings: &BTreeMap<Purpose, RecordingStanding>,
    people: &[Person],
) -> Vec<RecordingView> {
    let rules = consents.rules();
    let purposes = rules.purposes.iter().copied();
    let purposes = purposes.filter(|purpose| rules.is_for(*purpose));
    let view = |purpose| {
        let standing = standings.get(&purpose);
        let active = standing.is_some_and(|standing| standing.active);
        let visible = people.iter().filter(|person| !person.hidden);
        RecordingView {
            id: RecordingId::new(session.clone(), purpose),
            requested: consents.is_requested(purpose),
            active,
            failed: standing.and_then(|standing| standing.failed.clone()),
            people: visible
                .map(|person| recorded_view(person, purpose, active, consents))
                .collect(),
        }
    };
    purposes.map(view).collect()
}

fn recorded_view(
    person: &Person,
    purpose: Purpose,
    active: bool,
    consents: &Consents,
) -> RecordedView {
    let (identity, encrypted) = (&person.identity, person.is_encrypted());
    let allowed = consents.allows(identity, purpose) && !encrypted;
    RecordedView {
        identity: identity.clone(),
        consent: consents.state(identity, purpose),
        minor: consents.is_minor(identity),
        encrypted,
        recorded: allowed && active,
    }
}
