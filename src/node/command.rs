//! What the Sessions API asks of a running session, and how the session stands.

use super::billing::Clock;
use super::control::News;
use super::live_room::{Context, LiveRoom};
use super::shard::Output;
use crate::base::{
    EndReason, FloorState, Identity, LimitedBy, ParticipantSid, Role, RoomName, SessionId,
    SessionState, TrackSid, TrackSource,
};
use crate::peer::signal::{LeaveAction, LeaveReason};
use crate::session::Policy;

/// What is asked of a running session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SessionCommand {
    /// The billing clock shall stand.
    Pause,
    /// It may run again.
    Resume,
    /// The session is over.
    End(EndReason),
    /// Someone is still there; none: the app says so for all.
    Confirm(Option<Identity>),
    /// New totals of what the session may use.
    Extend {
        /// Prepaid seconds in all.
        quota_s: Option<u64>,
        /// Minutes in all since the session first went live.
        max_min: Option<u64>,
    },
    /// Nothing: only how it stands.
    Inspect,
}

/// Why a command is not carried out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CommandRefusal {
    /// The session has ended, or never ran here.
    #[error("the session does not run any more")]
    Gone,
    /// There is nothing to confirm.
    #[error("no presence prompt is open: there is nothing to confirm")]
    NoPrompt,
}

/// How a running session stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionView {
    /// The session.
    pub session: SessionId,
    /// Its room.
    pub room: RoomName,
    /// Its rules, as they hold now.
    pub policy: Policy,
    /// State and billed time, as far as they are certain.
    pub clock: Clock,
    /// Who is connected, in the order of joining.
    pub participants: Vec<ParticipantView>,
    /// Who gets what, and what limits it.
    pub subscriptions: Vec<SubscriptionView>,
}

/// A connected participant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParticipantView {
    /// Who.
    pub identity: Identity,
    /// This join's id.
    pub sid: ParticipantSid,
    /// From the token.
    pub role: Option<Role>,
    /// How the promised bandwidth stands, up and down.
    pub floor: [FloorView; 2],
}

/// How the promised bandwidth stands in one direction.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FloorView {
    /// The state.
    pub state: FloorState,
    /// What was promised, in bits a second.
    pub floor_bps: u64,
    /// What was measured, in bits a second.
    pub measured_bps: Option<u64>,
    /// What holds it below.
    pub limited_by: Option<LimitedBy>,
}

/// What a subscriber gets of a track.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SubscriptionView {
    /// Who gets it.
    pub subscriber: Identity,
    /// The track.
    pub track: TrackSid,
    /// What it shows.
    pub source: TrackSource,
    /// The spatial layer (`q`, `h`, `f`); none where there are no layers, or nothing flows.
    pub layer: Option<String>,
    /// The temporal layer, where the codec tells.
    pub temporal: Option<u8>,
    /// What holds it below what was wished.
    pub limited_by: Option<LimitedBy>,
    /// Nothing flows for want of bandwidth.
    pub paused: bool,
}

impl LiveRoom {
    /// Carries out a command, and says how the session stands then.
    pub(super) fn handle_command(
        &mut self,
        command: SessionCommand,
        context: &mut Context<'_>,
    ) -> Result<SessionView, CommandRefusal> {
        if matches!(self.state(), SessionState::Ended(_)) {
            return Err(CommandRefusal::Gone);
        }
        self.flush_evidence(context.now);
        match command {
            SessionCommand::Inspect => {}
            SessionCommand::End(reason) => self.on_end_asked(reason, context),
            SessionCommand::Pause
            | SessionCommand::Resume
            | SessionCommand::Confirm(_)
            | SessionCommand::Extend { .. } => {}
        }
        Ok(self.view())
    }

    fn on_end_asked(&mut self, reason: EndReason, context: &mut Context<'_>) {
        for key in self.keys() {
            self.report_bytes(key);
        }
        self.billing.handle_end(reason, context.now);
        self.drain_billing(context);
        self.end(LeaveAction::Disconnect, LeaveReason::RoomDeleted, context);
    }

    /// Whether someone of this identity is in the room.
    pub(super) fn has(&self, identity: &Identity) -> bool {
        let mut members = self.members.iter();
        members.any(|(_, member)| member.identity() == identity)
    }

    /// Admission learns who is here.
    pub(super) fn report_joined(&self, identity: Identity, context: &mut Context<'_>) {
        let news = News::Joined(self.name().clone(), identity);
        context.outputs.push_back(Output::News(news));
    }

    /// Admission learns who is not; whoever was replaced by a newer join is followed by that.
    pub(super) fn report_left(&self, identity: Identity, context: &mut Context<'_>) {
        let news = News::Left(self.name().clone(), identity);
        context.outputs.push_back(Output::News(news));
    }

    fn view(&self) -> SessionView {
        let participants = self.members.iter().map(|(_, member)| ParticipantView {
            identity: member.identity().clone(),
            sid: member.sid.clone(),
            role: member.join.role,
            floor: self.floor(),
        });
        SessionView {
            session: self.session().clone(),
            room: self.name().clone(),
            policy: self.policy().clone(),
            clock: self.billing.clock(),
            participants: participants.collect(),
            subscriptions: Vec::new(),
        }
    }

    fn floor(&self) -> [FloorView; 2] {
        let floor = &self.policy().floor;
        [floor.up_bps, floor.down_bps].map(|floor_bps| FloorView {
            floor_bps,
            ..FloorView::default()
        })
    }
}
