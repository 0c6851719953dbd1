//! What is recorded of a room: consents, recorders, and what everyone is told of it.

use super::command::{RecordedView, RecordingView};
use super::live_room::{Context, LiveRoom};
use crate::base::{Actor, Purpose, RecordingId};
use crate::session::{Answer, RecordingRefusal};

impl LiveRoom {
    /// Someone may be recorded, or may not.
    pub(super) fn on_consent(
        &mut self,
        answer: Answer,
        _context: &mut Context<'_>,
    ) -> Result<(), RecordingRefusal> {
        self.consents.handle_answer(answer)?;
        Ok(())
    }

    /// The recording for a purpose shall run, or no longer.
    pub(super) fn on_record(
        &mut self,
        purpose: Purpose,
        on: bool,
        _actor: Actor,
        _context: &mut Context<'_>,
    ) -> Result<(), RecordingRefusal> {
        self.consents.handle_request(purpose, on)?;
        Ok(())
    }

    /// How the recordings stand.
    pub(super) fn recording_views(&self) -> Vec<RecordingView> {
        let rules = self.consents.rules();
        let purposes = rules
            .purposes
            .iter()
            .copied()
            .filter(|purpose| rules.is_for(*purpose));
        let view = |purpose| RecordingView {
            id: RecordingId::new(self.session().clone(), purpose),
            requested: self.consents.is_requested(purpose),
            active: false,
            failed: None,
            people: self.recorded_views(purpose),
        };
        purposes.map(view).collect()
    }

    fn recorded_views(&self, purpose: Purpose) -> Vec<RecordedView> {
        let members = self.members.iter().map(|(_, member)| member);
        members
            .map(|member| RecordedView {
                identity: member.identity().clone(),
                consent: self.consents.state(member.identity(), purpose),
                minor: self.consents.is_minor(member.identity()),
                encrypted: false,
                recorded: false,
            })
            .collect()
    }
}
