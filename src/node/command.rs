//! What the Sessions API asks of a running session, and how the session stands.

use super::billing::Clock;
use super::control::News;
use super::live_room::{Context, LiveRoom};
use super::shard::Output;
use crate::base::{
    Actor, ConsentState, Direction, EndReason, FloorReport, Identity, LimitedBy, ParticipantSid,
    Purpose, RecordingId, Role, RoomName, SessionId, SessionState, TrackSid, TrackSource,
};
use crate::peer::signal::{LeaveAction, LeaveReason};
use crate::room::View;
use crate::session::{ConsentAnswer, Policy, Prompt, RecordingRefusal};

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
    /// Someone may be recorded, or may not.
    Consent(ConsentAnswer),
    /// The recording for a purpose shall run, or no longer.
    Record {
        /// For what.
        purpose: Purpose,
        /// Run.
        on: bool,
        /// By whose hand.
        actor: Actor,
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
    /// The clock does not run, and does not stand by a pause.
    #[error("the session is neither live nor paused: there is no clock to stop or to start")]
    NotLive,
    /// There is nothing to confirm.
    #[error("nobody is asked whether they are still there: there is nothing to confirm")]
    NoPrompt,
    /// The policy, or what is known of the participant, forbids it.
    #[error(transparent)]
    Recording(#[from] RecordingRefusal),
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
    /// State, billed time and what is left, as the ledger has them; none before its first commit.
    pub clock: Option<Clock>,
    /// The question "still there?", while it is open.
    pub prompt: Option<Prompt>,
    /// Who is connected, in the order of joining.
    pub participants: Vec<ParticipantView>,
    /// Who gets what, and what limits it.
    pub subscriptions: Vec<SubscriptionView>,
    /// What is recorded, one for each purpose of the policy; none where it records nothing.
    pub recordings: Vec<RecordingView>,
}

/// How the recording for a purpose stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordingView {
    /// The recording.
    pub id: RecordingId,
    /// It shall run.
    pub requested: bool,
    /// Someone is recorded now.
    pub active: bool,
    /// Why it cannot go on.
    pub failed: Option<String>,
    /// Everyone connected, in the order of joining.
    pub people: Vec<RecordedView>,
}

/// How a participant stands to a recording.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordedView {
    /// Who.
    pub identity: Identity,
    /// What they said; none: they have not answered.
    pub consent: Option<ConsentState>,
    /// Never recorded.
    pub minor: bool,
    /// All that they publish is encrypted end to end, which cannot be recorded.
    pub encrypted: bool,
    /// Recorded now.
    pub recorded: bool,
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
    pub floor: [FloorReport; 2],
}

/// What a subscriber gets of a track.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SubscriptionView {
    /// Who gets it.
    pub subscriber: Identity,
    /// Who publishes it.
    pub publisher: Identity,
    /// The track.
    pub track: TrackSid,
    /// What it shows.
    pub source: TrackSource,
    /// The spatial layer: 0 low, 1 medium, 2 high; none where nothing flows.
    pub layer: Option<u8>,
    /// The temporal layer, where the codec tells.
    pub temporal: Option<u8>,
    /// What keeps it from more.
    pub limited_by: LimitedBy,
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
        let now = context.now;
        match command {
            SessionCommand::Inspect => {}
            SessionCommand::Consent(answer) => self.on_consent(answer, context)?,
            SessionCommand::Record { purpose, on, actor } => {
                self.on_record(purpose, on, actor, context)?;
            }
            SessionCommand::End(reason) => self.on_end_asked(reason, context),
            SessionCommand::Pause => {
                taken(
                    self.billing.handle_pause_request(now),
                    CommandRefusal::NotLive,
                )?;
            }
            SessionCommand::Resume => {
                taken(
                    self.billing.handle_resume_request(now),
                    CommandRefusal::NotLive,
                )?;
            }
            SessionCommand::Confirm(who) => {
                let confirmed = self.billing.handle_confirm(who.as_ref(), now);
                taken(confirmed, CommandRefusal::NoPrompt)?;
            }
            SessionCommand::Extend { quota_s, max_min } => {
                let extended = self.billing.handle_extend(quota_s, max_min, now);
                taken(extended, CommandRefusal::Gone)?;
                let duration = &mut self.policy.duration;
                duration.quota_s = quota_s.or(duration.quota_s);
                duration.max_min = max_min.unwrap_or(duration.max_min);
            }
        }
        self.billing.handle_timeout(now);
        self.drain_billing(context);
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
            floor: Direction::BOTH.map(|direction| {
                let view = member.floors.view(direction);
                FloorReport {
                    state: view.state,
                    floor_bps: view.floor.0,
                    measured_bps: view.measured.map(|measured| measured.0),
                    limited_by: view.limited_by,
                }
            }),
        });
        SessionView {
            session: self.session().clone(),
            room: self.name().clone(),
            policy: self.policy.clone(),
            clock: self.shown,
            prompt: self.billing.prompt(),
            participants: participants.collect(),
            subscriptions: self.subscriptions(),
            recordings: self.recording_views(),
        }
    }

    fn subscriptions(&self) -> Vec<SubscriptionView> {
        let views = self.room.views().into_iter();
        let told = |view: View| {
            let subscriber = self.members.get(view.subscriber.0)?;
            let publication = self.room.publication(view.track)?;
            let publisher = self.members.get(publication.publisher.0)?;
            let sid = publication.spec.sid.clone();
            let source = publisher.published.get(&sid).map(|track| track.source);
            Some(SubscriptionView {
                subscriber: subscriber.identity().clone(),
                publisher: publisher.identity().clone(),
                track: sid,
                source: source.unwrap_or(TrackSource::Unknown),
                layer: view.rung.map(|rung| rung.quality),
                temporal: view.rung.map(|rung| rung.temporal),
                limited_by: view.limited_by,
                paused: view.paused,
            })
        };
        views.filter_map(told).collect()
    }
}

fn taken(taken: bool, refusal: CommandRefusal) -> Result<(), CommandRefusal> {
    taken.then_some(()).ok_or(refusal)
}
