//! How recordings stand, for the API.

use super::Recordings;
use crate::base::{Purpose, RecordingId};
use crate::node::room::commands::{RecordedView, RecordingView};
use crate::node::room::live_room::LiveRoom;
use crate::record;

impl Recordings {
    /// What the recorders of all purposes have seen and done.
    pub(in crate::node) fn stats(&self) -> record::Stats {
        let mut all = record::Stats::default();
        for running in self.running.values() {
            all += running.recorder.stats();
        }
        all
    }
}

impl LiveRoom {
    /// One for each purpose of the policy; none where it records nothing.
    pub(in crate::node) fn recording_views(&self) -> Vec<RecordingView> {
        let rules = self.recordings.consents.rules();
        let purposes = rules.purposes.iter().copied();
        let purposes = purposes.filter(|purpose| rules.is_for(*purpose));
        let view = |purpose| {
            let running = self.recordings.running.get(&purpose);
            RecordingView {
                id: RecordingId::new(self.session().clone(), purpose),
                requested: self.recordings.consents.is_requested(purpose),
                active: self.recordings.is_active(purpose),
                failed: running.and_then(|running| running.failed.clone()),
                people: self.recorded_views(purpose),
            }
        };
        purposes.map(view).collect()
    }

    fn recorded_views(&self, purpose: Purpose) -> Vec<RecordedView> {
        let consents = &self.recordings.consents;
        let members = self.members.iter().map(|(_, member)| member);
        let visible = members.filter(|member| !member.hidden());
        visible
            .map(|member| {
                let (identity, encrypted) = (member.identity(), member.is_encrypted());
                let allowed = consents.allows(identity, purpose) && !encrypted;
                RecordedView {
                    identity: identity.clone(),
                    consent: consents.state(identity, purpose),
                    minor: consents.is_minor(identity),
                    encrypted,
                    recorded: allowed && self.recordings.is_active(purpose),
                }
            })
            .collect()
    }
}
