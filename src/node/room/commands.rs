//! What the Sessions API asks of a running session, and how the session stands.

use super::membership::Membership;
use super::parts::Parts;
use super::recording::Recordings;
use crate::base::{Direction, Now, TrackSource};
use crate::node::io::{CommandRefusal, ParticipantView, SessionCommand, SubscriptionView};
use crate::room::{Room, View};

/// Carries out all but the end, which is the room's.
///
/// # Errors
/// The session cannot do that now.
pub(in crate::node) fn handle(
    command: SessionCommand,
    parts: &mut Parts,
    recordings: &mut Recordings,
    now: Now,
) -> Result<(), CommandRefusal> {
    let billing = &mut parts.billing;
    match command {
        SessionCommand::Inspect | SessionCommand::End(_) => Ok(()),
        SessionCommand::Consent(answer) => Ok(recordings.handle_consent(answer, now)?),
        SessionCommand::Record { purpose, on, actor } => {
            Ok(recordings.handle_request(purpose, on, actor, now)?)
        }
        SessionCommand::Pause => taken(billing.handle_pause_request(now), CommandRefusal::NotLive),
        SessionCommand::Resume => {
            taken(billing.handle_resume_request(now), CommandRefusal::NotLive)
        }
        SessionCommand::Confirm(who) => {
            let confirmed = billing.handle_confirm(who.as_ref(), now);
            taken(confirmed, CommandRefusal::NoPrompt)
        }
        SessionCommand::Extend(extension) => {
            extension.check(billing.allowance())?;
            let extended = billing.handle_extend(extension.quota_s, extension.max_min, now);
            taken(extended, CommandRefusal::Gone)
        }
        SessionCommand::Grant { key, seconds } => {
            let granted = billing.handle_grant(&key, seconds, now)?;
            taken(granted, CommandRefusal::Gone)
        }
    }
}

fn taken(taken: bool, refusal: CommandRefusal) -> Result<(), CommandRefusal> {
    taken.then_some(()).ok_or(refusal)
}

/// Who is connected, in the order of their keys.
pub(in crate::node) fn participants(members: &Membership) -> Vec<ParticipantView> {
    let views = members.iter().map(|(_, member)| ParticipantView {
        identity: member.identity().clone(),
        sid: member.sid.clone(),
        role: member.join.role,
        floor: Direction::BOTH.map(|direction| member.links.report(direction)),
    });
    views.collect()
}

/// Who gets what, and what limits it.
pub(in crate::node) fn subscriptions(room: &Room, members: &Membership) -> Vec<SubscriptionView> {
    let shown = |view: View| {
        let subscriber = members.at(view.subscriber.0)?;
        let publication = room.publication(view.track)?;
        let publisher = members.at(publication.publisher.0)?;
        let sid = publication.spec.sid.clone();
        let source = publisher.tracks.get(&sid).map(|track| track.source);
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
    room.views().into_iter().filter_map(shown).collect()
}
