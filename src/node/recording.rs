//! Introduces the recordings of a room to the rest of it: tells them who is here, and carries out what they want.

use super::live_room::{Context, LiveRoom};
use super::member::{Member, Published};
use super::room::recording::{Output, Person, RECORDED, Recordings, Source};
use super::shard;
use crate::base::{Now, SessionState, TrackSid};
use crate::media::Packet;
use crate::peer::signal::Response;
use crate::room::MemberKey;

/// The subscriber that stands for the recorders: no member has its number.
pub(super) const RECORDER: MemberKey = MemberKey(usize::MAX);

impl LiveRoom {
    /// Who is here, or what they publish, has changed.
    pub(super) fn review_recordings(&mut self, context: &mut Context<'_>) {
        let people = self.people();
        self.with_recordings(context, |recordings, now| recordings.review(people, now));
    }

    /// An input of the recordings, and all that follows from it.
    pub(super) fn with_recordings<T>(
        &mut self,
        context: &mut Context<'_>,
        act: impl FnOnce(&mut Recordings, Now) -> T,
    ) -> T {
        if matches!(self.state(), SessionState::Ended(_)) {
            self.recordings.handle_end(context.now);
        }
        let done = act(&mut self.recordings, context.now);
        self.carry_out_recordings(context);
        self.settle(context);
        done
    }

    /// A packet that goes to the recorders.
    pub(super) fn record(&mut self, from: usize, packet: &Packet, context: &mut Context<'_>) {
        let from = MemberKey(from);
        self.recordings.handle_packet(from, packet, context.now);
        self.carry_out_recordings(context);
    }

    pub(super) fn tend_recordings(&mut self, context: &mut Context<'_>) {
        let due = self.recordings.poll_timeout();
        if due.is_some_and(|due| due <= context.now.mono) {
            self.recordings.handle_timeout(context.now);
            self.carry_out_recordings(context);
        }
    }

    fn people(&self) -> Vec<Person> {
        let person = |(key, member): (usize, &Member)| Person {
            member: MemberKey(key),
            identity: member.identity().clone(),
            sid: member.sid.clone(),
            role: member.join.role,
            hidden: member.hidden(),
            sources: member.published.iter().map(source).collect(),
        };
        self.members.iter().map(person).collect()
    }

    pub(super) fn carry_out_recordings(&mut self, context: &mut Context<'_>) {
        while let Some(output) = self.recordings.poll_output() {
            match output {
                Output::Consent(consent) => {
                    self.billing.handle_consent(consent, context.now);
                    self.drain_billing(context);
                }
                Output::Note(note) => {
                    self.billing.handle_recording(note, context.now);
                    self.drain_billing(context);
                }
                Output::Recorded(output) => {
                    context.outputs.push_back(shard::Output::Recorded(output));
                }
                Output::Attribute(MemberKey(key), value) => {
                    let card = self.members.get_mut(key).map(|member| &mut member.card);
                    if card.is_some_and(|card| card.set_attribute(RECORDED, value.as_deref())) {
                        self.broadcast(key, context);
                    }
                }
                Output::RoomFlag(active) => {
                    self.facts.active_recording = active;
                    for key in self.keys() {
                        self.send(key, Response::Room(self.facts.clone()), context);
                    }
                }
                Output::TellAll(topic, json) => self.tell_all(topic, &json),
                Output::TellOne(member, topic, json) => self.tell_one(member.0, topic, &json),
                Output::Unsubscribe(track) => self.room.unsubscribe(RECORDER, track),
                Output::Subscribe(track, mid) => {
                    self.room.subscribe(RECORDER, track);
                    self.room.handle_section(RECORDER, track, mid);
                }
                Output::KeyframeWanted(mid) => {
                    self.room.handle_keyframe_request(RECORDER, mid);
                }
            }
        }
    }
}

fn source((sid, track): (&TrackSid, &Published)) -> Source {
    Source {
        track: track.key,
        sid: sid.clone(),
        mid: track.mid,
        source: track.source,
        encrypted: track.encrypted,
    }
}
