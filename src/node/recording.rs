//! What is recorded of a room: who may be, which recorders run, and the way of a packet to them.
//!
//! The recorders take what the room forwards to a subscriber of their own, which has no connection and
//! a perfect link: layers are chosen, and keyframes asked for, as for anyone else.

#[cfg(test)]
pub(super) mod fixture;
mod tell;
mod view;

use super::command::RecordedView;
use super::live_room::{Context, LiveRoom};
use super::shard::Output;
use crate::base::{
    Actor, Identity, Mono, Now, Purpose, RecordingId, RecordingNote, RecordingStep, SessionState,
    TrackSid,
};
use crate::media::{Mid, Packet};
use crate::record::{self, Recorder, RecorderConfig, TrackFacts, TrackKey};
use crate::room::{self, MemberKey};
use crate::session::{ConsentAnswer, Consents, RecordingRefusal};
use std::collections::{BTreeMap, BTreeSet};

/// The subscriber that stands for the recorders: no member has its number.
pub(super) const RECORDER: MemberKey = MemberKey(usize::MAX);

/// Starts that experts may ask for in one session: each, and its stop, is an entry in the ledger.
const MAX_REQUESTS: u32 = 64;

/// The recordings of a room.
pub(super) struct Recordings {
    consents: Consents,
    /// By purpose, from the first start to the end of the session.
    running: BTreeMap<Purpose, Running>,
    /// Where the tracks that are recorded come from.
    routes: Vec<Route>,
    requests: u32,
    ended: bool,
    told: tell::Told,
}

/// One recording.
struct Running {
    recorder: Recorder,
    /// Started, and not stopped.
    active: bool,
    failed: Option<String>,
    /// Tracks that the recorder takes.
    open: BTreeSet<usize>,
    /// Tracks that it knows.
    known: BTreeMap<usize, TrackSid>,
}

/// A recorded track.
struct Route {
    member: usize,
    mid: Mid,
    track: room::TrackKey,
}

/// A published track that can be recorded.
struct Source {
    member: usize,
    mid: Mid,
    track: room::TrackKey,
    facts: TrackFacts,
}

impl Recordings {
    pub(super) fn new(rules: &crate::session::Recording, now: Mono) -> Recordings {
        Recordings {
            consents: Consents::new(rules),
            running: BTreeMap::new(),
            routes: Vec::new(),
            requests: 0,
            ended: false,
            told: tell::Told::new(now),
        }
    }

    /// Someone who may be asked has joined.
    pub(super) fn handle_joined(&mut self, who: &Identity, minor: bool) {
        self.consents.handle_joined(who, minor);
    }

    fn is_active(&self, purpose: Purpose) -> bool {
        let running = self.running.get(&purpose);
        running.is_some_and(|running| running.active)
    }

    /// True if it had failed, and may start again.
    fn try_again(&mut self, purpose: Purpose) -> bool {
        let running = self.running.get_mut(&purpose);
        let Some(running) = running.filter(|running| running.failed.is_some()) else {
            return false;
        };
        running.failed = None;
        running.recorder.handle_again();
        true
    }

    /// All that is open ends as it is: its room is gone.
    pub(super) fn abandon(&mut self) -> Vec<record::Output> {
        let mut closed = Vec::new();
        for running in self.running.values_mut() {
            running.recorder.handle_failed();
            closed.extend(std::iter::from_fn(|| running.recorder.poll_output()));
        }
        closed
    }

    /// For what someone is recorded now.
    fn recorded(&self, who: &Identity) -> impl Iterator<Item = Purpose> {
        let active = self.running.iter().filter(|(_, running)| running.active);
        active
            .map(|(purpose, _)| *purpose)
            .filter(|purpose| self.consents.allows(who, *purpose))
    }
}

impl LiveRoom {
    /// Someone may be recorded, or may not.
    pub(super) fn on_consent(
        &mut self,
        answer: ConsentAnswer,
        context: &mut Context<'_>,
    ) -> Result<(), RecordingRefusal> {
        let consent = self.recordings.consents.handle_answer(answer)?;
        // Nothing more of who withdrew, whatever follows.
        self.close_gates(context);
        if let Some(consent) = consent {
            self.billing.handle_consent(consent, context.now);
        }
        self.review_recordings(context);
        Ok(())
    }

    /// Whoever joins is marked as a minor: what they agreed to ends before anything else.
    pub(super) fn on_minor(&mut self, who: &Identity, context: &mut Context<'_>) {
        let lost = self.recordings.consents.handle_minor(who);
        if lost.is_empty() {
            return;
        }
        self.close_gates(context);
        for consent in lost {
            self.billing.handle_consent(consent, context.now);
        }
        self.review_recordings(context);
    }

    /// The recording for a purpose shall run, or no longer.
    pub(super) fn on_record(
        &mut self,
        purpose: Purpose,
        on: bool,
        actor: Actor,
        context: &mut Context<'_>,
    ) -> Result<(), RecordingRefusal> {
        let counts = on && actor == Actor::Participant;
        if counts && self.recordings.requests >= MAX_REQUESTS {
            return Err(RecordingRefusal::TooMany);
        }
        let news = self.recordings.consents.handle_request(purpose, on)?;
        // Whoever asks for it may know that there is space again; nothing tries that by itself.
        let again = on && self.recordings.try_again(purpose);
        if news || again {
            self.recordings.requests += u32::from(counts);
            self.recordings.told.by(purpose, actor);
        }
        self.review_recordings(context);
        Ok(())
    }

    /// The disk does not take a recording.
    pub(super) fn handle_recording_failed(
        &mut self,
        purpose: Purpose,
        reason: &str,
        context: &mut Context<'_>,
    ) {
        let Some(running) = self.recordings.running.get_mut(&purpose) else {
            return;
        };
        running.recorder.handle_failed();
        running.open.clear();
        if running.failed.is_some() {
            return self.drain_recorders(context);
        }
        running.failed = Some(reason.to_owned());
        running.active = false;
        self.note(
            (purpose, RecordingStep::Failed),
            (Actor::Node, Some(reason)),
            context,
        );
        self.drain_recorders(context);
        self.review_recordings(context);
    }

    /// Whatever may have changed: who is here, what they publish, what they said, what is asked for.
    pub(super) fn review_recordings(&mut self, context: &mut Context<'_>) {
        if self.recordings.ended || matches!(self.state(), SessionState::Ended(_)) {
            return;
        }
        for purpose in self.recordings.consents.rules().purposes.clone() {
            let wanted = self.recordings.consents.allows_anyone(purpose);
            if self.recordings.is_active(purpose) && !wanted {
                self.stop_recording(purpose, context);
            }
        }
        self.close_gates(context);
        for purpose in self.recordings.consents.rules().purposes.clone() {
            let wanted = !self.recordable(purpose).is_empty();
            if wanted && !self.recordings.is_active(purpose) {
                self.start_recording(purpose, context);
            }
        }
        // Everyone is told before the first byte is written.
        self.tell_recordings(context);
        self.open_gates(context.now);
        self.subscribe_recorder();
        self.settle(context);
    }

    /// The session is over: what consent holds for is written to its end.
    pub(super) fn end_recordings(&mut self, context: &mut Context<'_>) {
        for running in self.recordings.running.values_mut() {
            running.recorder.handle_stop(context.now);
        }
        self.drain_recorders(context);
        self.recordings.ended = true;
        self.recordings.running.clear();
        self.recordings.routes.clear();
    }

    pub(super) fn tend_recordings(&mut self, context: &mut Context<'_>) {
        for running in self.recordings.running.values_mut() {
            running.recorder.handle_timeout(context.now);
        }
        self.drain_recorders(context);
        self.repeat_recordings(context);
    }

    /// A packet that goes to the recorders.
    pub(super) fn record(&mut self, from: usize, packet: &Packet, context: &mut Context<'_>) {
        let mut routes = self.recordings.routes.iter();
        let route = routes.find(|r| r.member == from && r.mid == packet.stream.mid);
        let Some(track) = route.map(|route| TrackKey(route.track.0)) else {
            return;
        };
        for running in self.recordings.running.values_mut() {
            running.recorder.handle_packet(track, packet, context.now);
        }
        self.drain_recorders(context);
    }

    fn start_recording(&mut self, purpose: Purpose, context: &mut Context<'_>) {
        let config = RecorderConfig {
            id: RecordingId::new(self.session().clone(), purpose),
            origin: context.now,
        };
        let fresh = || Running {
            recorder: Recorder::new(config),
            active: false,
            failed: None,
            open: BTreeSet::new(),
            known: BTreeMap::new(),
        };
        let running = self.recordings.running.entry(purpose);
        let running = running.or_insert_with(fresh);
        if running.failed.is_some() {
            return;
        }
        running.active = true;
        let actor = self.recordings.told.actor(purpose);
        self.note((purpose, RecordingStep::Started), (actor, None), context);
    }

    fn stop_recording(&mut self, purpose: Purpose, context: &mut Context<'_>) {
        if let Some(running) = self.recordings.running.get_mut(&purpose) {
            running.active = false;
            running.recorder.handle_stop(context.now);
            running.open.clear();
        }
        self.drain_recorders(context);
        // Where it is still asked for, nobody stopped it: there is nobody left to record.
        let asked = self.recordings.consents.is_requested(purpose);
        let actor = if asked {
            Actor::Node
        } else {
            self.recordings.told.actor(purpose)
        };
        self.note((purpose, RecordingStep::Stopped), (actor, None), context);
    }

    fn note(
        &mut self,
        (purpose, step): (Purpose, RecordingStep),
        (actor, reason): (Actor, Option<&str>),
        context: &mut Context<'_>,
    ) {
        let note = RecordingNote {
            id: RecordingId::new(self.session().clone(), purpose),
            step,
            actor,
            reason: reason.map(str::to_owned),
            result: None,
        };
        self.billing.handle_recording(note, context.now);
        self.drain_billing(context);
    }

    /// Tracks that are published, can be read, and whose publisher may be recorded for the purpose.
    fn recordable(&self, purpose: Purpose) -> Vec<Source> {
        let mut sources = Vec::new();
        for (key, member) in &self.members {
            // Everyone must see who is recorded, so who is hidden is not.
            let allowed = self.recordings.consents.allows(member.identity(), purpose);
            if !allowed || member.hidden() {
                continue;
            }
            let readable = member
                .published
                .iter()
                .filter(|(_, track)| !track.encrypted);
            sources.extend(readable.map(|(sid, track)| Source {
                member: key,
                mid: track.mid,
                track: track.key,
                facts: TrackFacts {
                    identity: member.identity().clone(),
                    role: member.join.role,
                    participant: member.sid.clone(),
                    sid: sid.clone(),
                    source: track.source,
                },
            }));
        }
        sources
    }

    /// Closes the gate of each track that may not be recorded any more, or is gone.
    fn close_gates(&mut self, context: &mut Context<'_>) {
        let purposes: Vec<Purpose> = self.recordings.running.keys().copied().collect();
        for purpose in purposes {
            let sources = self.recordable(purpose);
            let Some(running) = self.recordings.running.get_mut(&purpose) else {
                continue;
            };
            let is_same = |key: usize, sid: &TrackSid| {
                let mut sources = sources.iter();
                sources.any(|source| source.track.0 == key && source.facts.sid == *sid)
            };
            let known = running.known.iter();
            let gone: Vec<usize> = known
                .filter(|(key, sid)| !is_same(**key, sid))
                .map(|(key, _)| *key)
                .collect();
            for key in gone {
                let published = self.room.publication(room::TrackKey(key));
                let known = running.known.remove(&key);
                running.open.remove(&key);
                // Unpublished, it is written to its end; else consent was withdrawn: nothing more.
                if published.is_some_and(|p| Some(&p.spec.sid) == known.as_ref()) {
                    let track = TrackKey(key);
                    running.recorder.handle_gate(track, false, context.now);
                }
                running
                    .recorder
                    .handle_track_ended(TrackKey(key), context.now);
            }
        }
        self.drain_recorders(context);
    }

    fn open_gates(&mut self, now: Now) {
        self.recordings.routes.clear();
        let purposes: Vec<Purpose> = self.recordings.running.keys().copied().collect();
        for purpose in purposes {
            let sources = self.recordable(purpose);
            let running = self.recordings.running.get_mut(&purpose);
            let Some(running) = running.filter(|running| running.active) else {
                continue;
            };
            for source in sources {
                let key = TrackKey(source.track.0);
                if running.open.insert(key.0) {
                    let sid = source.facts.sid.clone();
                    running.recorder.handle_track(key, source.facts);
                    running.recorder.handle_gate(key, true, now);
                    running.known.insert(key.0, sid);
                }
                let routes = &mut self.recordings.routes;
                if !routes.iter().any(|route| route.track == source.track) {
                    routes.push(Route {
                        member: source.member,
                        mid: source.mid,
                        track: source.track,
                    });
                }
            }
        }
    }

    /// The room forwards to the recorders what has a gate open, and nothing else.
    fn subscribe_recorder(&mut self) {
        let wanted: Vec<room::TrackKey> = self.recordings.routes.iter().map(|r| r.track).collect();
        for track in self.room.subscribed(RECORDER) {
            if !wanted.contains(&track) {
                self.room.unsubscribe(RECORDER, track);
            }
        }
        for track in wanted {
            if self.room.subscribe(RECORDER, track) {
                self.room.handle_section(RECORDER, track, section(track.0));
            }
        }
    }

    fn drain_recorders(&mut self, context: &mut Context<'_>) {
        let mut wanted = Vec::new();
        for running in self.recordings.running.values_mut() {
            while let Some(output) = running.recorder.poll_output() {
                match output {
                    record::Output::KeyframeWanted { track } => wanted.push(track),
                    output @ (record::Output::Open { .. }
                    | record::Output::Append { .. }
                    | record::Output::Close { .. }) => {
                        context.outputs.push_back(Output::Recorded(output));
                    }
                }
            }
        }
        for track in wanted {
            self.room
                .handle_keyframe_request(RECORDER, section(track.0));
        }
    }
}

/// The recorders have no media sections: a name for each track will do.
fn section(track: usize) -> Mid {
    Mid::from(format!("r{track}").as_str())
}
