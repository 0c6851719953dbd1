//! The machine: inputs of the room in, and out what is to be written, told and subscribed to.

use super::announcements::{self, Announcements};
use super::gates::{self, Action};
use super::io::{Output, Person};
use super::messages::{Message, RequestedAction, parse};
use super::recorders::{Recorders, section};
use super::views::views;
use crate::base::{
    Actor, Consent, Identity, Mono, Now, Purpose, RecordingNote, RecordingStep, Role, SessionId,
};
use crate::media::Packet;
use crate::node::RecordingView;
use crate::record;
use crate::room::MemberKey;
use crate::session::{self, ConsentAnswer, Consents, RecordingRefusal};
use std::collections::VecDeque;

/// The recordings of a room. Its outputs are to be carried out after each input, in their order.
pub(in crate::node) struct Recordings {
    session: SessionId,
    consents: Consents,
    pub(super) recorders: Recorders,
    announcements: Announcements,
    /// Who is connected, as of the last review.
    people: Vec<Person>,
    ended: bool,
    outputs: VecDeque<Output>,
}

impl Recordings {
    pub(in crate::node) fn new(
        rules: &session::Recording,
        session: SessionId,
        now: Mono,
    ) -> Recordings {
        Recordings {
            consents: Consents::new(rules),
            recorders: Recorders::new(session.clone()),
            session,
            announcements: Announcements::new(now),
            people: Vec::new(),
            ended: false,
            outputs: VecDeque::new(),
        }
    }

    /// Someone who may be asked has joined. Follow it with a review.
    pub(in crate::node) fn handle_joined(&mut self, who: &Identity, minor: bool, now: Now) {
        if minor {
            self.handle_minor(who, now);
        }
        self.consents.handle_joined(who, minor);
    }

    /// Whoever joins is marked as a minor: what they agreed to ends before anything else.
    pub(in crate::node) fn handle_minor(&mut self, who: &Identity, now: Now) {
        let lost = self.consents.handle_minor(who);
        if !lost.is_empty() {
            self.on_consents(lost, now);
        }
    }

    /// Someone may be recorded, or may not.
    ///
    /// # Errors
    /// The policy, or what is known of them, forbids it.
    pub(in crate::node) fn handle_consent(
        &mut self,
        answer: ConsentAnswer,
        now: Now,
    ) -> Result<(), RecordingRefusal> {
        let news = self.consents.handle_answer(answer)?;
        self.on_consents(news, now);
        Ok(())
    }

    /// The recording for a purpose is to run, or no longer.
    ///
    /// # Errors
    /// The policy forbids it, or it was asked for too often.
    pub(in crate::node) fn handle_request(
        &mut self,
        purpose: Purpose,
        on: bool,
        actor: Actor,
        now: Now,
    ) -> Result<(), RecordingRefusal> {
        if on && actor == Actor::Participant && !self.recorders.takes_requests() {
            return Err(RecordingRefusal::TooMany);
        }
        let is_news = self.consents.handle_request(purpose, on)?;
        // Whoever asks for it may know that there is space again; nothing tries that by itself.
        let again = on && self.recorders.handle_again(purpose);
        if is_news || again {
            self.recorders.handle_request(purpose, on, actor);
        }
        self.on_change(now);
        Ok(())
    }

    /// A client's message. One that is refused is answered with the reason.
    pub(in crate::node) fn handle_message(
        &mut self,
        from: MemberKey,
        topic: &str,
        payload: &[u8],
        now: Now,
    ) {
        let Some((topic, message)) = parse(topic, payload) else {
            return;
        };
        let done = message.and_then(|message| self.on_message(from, message, now));
        if let Err(text) = done {
            let refused = announcements::refused(from, topic, &text);
            self.outputs.push_back(refused);
        }
    }

    /// A member's channel is open.
    pub(in crate::node) fn handle_channel_open(&mut self, member: MemberKey) {
        let views = self.views();
        let welcome = announcements::welcome(member, self.consents.rules(), &views);
        self.outputs.extend(welcome);
    }

    /// The disk does not take a recording.
    pub(in crate::node) fn handle_failed(&mut self, purpose: Purpose, reason: &str, now: Now) {
        if self.recorders.handle_failed(purpose, reason) {
            self.note(purpose, RecordingStep::Failed, Some(reason));
            self.on_change(now);
        }
        self.fetch();
    }

    /// Who is here and what they publish, after it has changed.
    pub(in crate::node) fn review(&mut self, people: Vec<Person>, now: Now) {
        self.people = people;
        self.on_change(now);
    }

    /// A packet of a member that the room forwards to the recorders.
    pub(in crate::node) fn handle_packet(&mut self, from: MemberKey, packet: &Packet, now: Now) {
        self.recorders.handle_packet(from, packet, now);
        self.fetch();
    }

    pub(in crate::node) fn handle_timeout(&mut self, now: Now) {
        self.recorders.handle_timeout(now);
        self.fetch();
        let repeated = self.announcements.handle_timeout(now.mono);
        self.outputs.extend(repeated);
    }

    pub(in crate::node) fn poll_timeout(&self) -> Option<Mono> {
        let recorders = self.recorders.poll_timeout().into_iter();
        recorders.chain(self.announcements.poll_timeout()).min()
    }

    /// The session is over: what consent holds for is written to its end.
    pub(in crate::node) fn handle_end(&mut self, now: Now) {
        if self.ended {
            return;
        }
        self.ended = true;
        self.recorders.stop(now);
        self.fetch();
        self.recorders.clear();
    }

    /// Its room is gone: the segments that end by that, as they are. Nothing else comes out any more.
    pub(in crate::node) fn abandon(&mut self) -> Vec<record::Output> {
        self.recorders.abandon();
        self.fetch();
        let outputs = std::mem::take(&mut self.outputs).into_iter();
        let closing = outputs.filter_map(|output| match output {
            Output::Recorded(output @ record::Output::Close { .. }) => Some(output),
            Output::Recorded(_)
            | Output::Consent(_)
            | Output::Note(_)
            | Output::Attribute(..)
            | Output::RoomFlag(_)
            | Output::TellAll(..)
            | Output::TellOne(..)
            | Output::Unsubscribe(_)
            | Output::Subscribe(..)
            | Output::KeyframeWanted(_) => None,
        });
        closing.collect()
    }

    pub(in crate::node) fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// What the recorders of all purposes have seen and done.
    pub(in crate::node) fn stats(&self) -> record::Stats {
        self.recorders.stats()
    }

    /// How the recordings stand: one for each purpose of the policy; none where it records nothing.
    pub(in crate::node) fn views(&self) -> Vec<RecordingView> {
        let standings = self.recorders.standings();
        views(&self.session, &self.consents, standings, &self.people)
    }

    /// Nothing more of who withdrew, whatever follows; then the evidence, then all that follows.
    fn on_consents(&mut self, news: impl IntoIterator<Item = Consent>, now: Now) {
        for action in gates::withdrawals(self.context()) {
            self.act(action, now);
        }
        self.fetch();
        self.outputs.extend(news.into_iter().map(Output::Consent));
        self.on_change(now);
    }

    fn on_message(&mut self, from: MemberKey, message: Message, now: Now) -> Result<(), String> {
        let mut people = self.people.iter();
        let Some(person) = people.find(|person| person.member == from) else {
            return Ok(());
        };
        let done = match message {
            Message::Consent(said) => {
                let answer = ConsentAnswer {
                    identity: person.identity.clone(),
                    purpose: said.purpose,
                    given: said.given,
                    actor: Actor::Participant,
                    wording: said.wording.unwrap_or_default(),
                };
                self.handle_consent(answer, now)
            }
            Message::Request(_) if person.role != Some(Role::Expert) => {
                return Err("only an expert starts and stops recordings".to_owned());
            }
            Message::Request(asked) => {
                let on = asked.action == RequestedAction::Start;
                self.handle_request(asked.purpose, on, Actor::Participant, now)
            }
        };
        done.map_err(|refusal| refusal.to_string())
    }

    /// Whatever may have changed: who is here, what they publish, what they said, what is asked for.
    fn on_change(&mut self, now: Now) {
        if self.ended {
            return;
        }
        for action in gates::review(self.context()) {
            self.act(action, now);
        }
        self.fetch();
    }

    fn context(&self) -> gates::Context<'_> {
        gates::Context {
            consents: &self.consents,
            people: &self.people,
            standings: self.recorders.standings(),
            routes: self.recorders.routes(),
        }
    }

    fn act(&mut self, action: Action, now: Now) {
        match action {
            Action::Withdraw(purpose, track) => self.recorders.withdraw(purpose, track, now),
            Action::Halt(purpose) => self.recorders.halt(purpose, now),
            Action::EndTrack(purpose, track) => self.recorders.end_track(purpose, track, now),
            Action::Stopped(purpose) => self.note(purpose, RecordingStep::Stopped, None),
            Action::Start(purpose) => {
                self.recorders.start(purpose, now);
                self.note(purpose, RecordingStep::Started, None);
            }
            Action::Tell => {
                self.fetch();
                let (rules, views) = (self.consents.rules(), self.views());
                let people = &self.people;
                let told = self.announcements.tell(people, rules, &views, now.mono);
                self.outputs.extend(told);
            }
            Action::Open(purpose, track, facts) => self.recorders.open(purpose, track, facts, now),
            Action::Unsubscribe(track) => {
                self.recorders.unsubscribe(track);
                self.outputs.push_back(Output::Unsubscribe(track));
            }
            Action::Subscribe(route) => {
                let subscribe = Output::Subscribe(route.track, section(route.track.0));
                self.recorders.subscribe(route);
                self.outputs.push_back(subscribe);
            }
        }
    }

    /// An entry of the ledger, behind all that was written until now.
    fn note(&mut self, purpose: Purpose, step: RecordingStep, reason: Option<&str>) {
        self.fetch();
        // Where it is still asked for, nobody stopped it: there is nobody left to record.
        let by_node = match step {
            RecordingStep::Stopped => self.consents.is_requested(purpose),
            RecordingStep::Failed => true,
            RecordingStep::Started | RecordingStep::Ready | RecordingStep::Deleted => false,
        };
        let actor = if by_node {
            Actor::Node
        } else {
            self.recorders.actor(purpose)
        };
        self.outputs.push_back(Output::Note(RecordingNote {
            id: self.recorders.id(purpose),
            step,
            actor,
            reason: reason.map(str::to_owned),
            result: None,
        }));
    }

    /// What the recorders have to say.
    fn fetch(&mut self) {
        while let Some(output) = self.recorders.poll_output() {
            self.outputs.push_back(match output {
                record::Output::KeyframeWanted { track } => {
                    Output::KeyframeWanted(section(track.0))
                }
                output @ (record::Output::Open { .. }
                | record::Output::Append { .. }
                | record::Output::Close { .. }) => Output::Recorded(output),
            });
        }
    }
}
