//! What clients are told: queued in the order in which it was said, and delivered at the end of the step.

use super::cards::Cards;
use super::membership::Membership;
use crate::node::context::Context;
use crate::node::member::Member;
use crate::peer::signal::{Response, RoomFacts};
use std::collections::VecDeque;

/// Something to be told.
#[derive(Clone, Debug)]
pub(in crate::node) enum Notice {
    /// A message to one member.
    To(usize, Box<Response>),
    /// A message to all.
    All(Box<Response>),
    /// How a member is then: to the others if it is visible, and to itself.
    Card(usize),
    /// A packet of the server's own, by data channel: to one member, or to all.
    Data {
        to: Option<usize>,
        topic: &'static str,
        json: String,
    },
}

/// The notices of a room, and the room as clients see it.
pub(in crate::node) struct Notices {
    queue: VecDeque<Notice>,
    cards: Cards,
    room: RoomFacts,
}

impl Notices {
    pub(in crate::node) const fn new(room: RoomFacts) -> Notices {
        Notices {
            queue: VecDeque::new(),
            cards: Cards::new(),
            room,
        }
    }

    pub(in crate::node) fn tell(&mut self, key: usize, response: Response) {
        self.queue.push_back(Notice::To(key, Box::new(response)));
    }

    pub(in crate::node) fn tell_all(&mut self, response: Response) {
        self.queue.push_back(Notice::All(Box::new(response)));
    }

    /// Tells the others (and itself) how a member is: at once, or soon if it was told a moment ago.
    pub(in crate::node) fn card(&mut self, of: usize) {
        self.queue.push_back(Notice::Card(of));
    }

    /// A member is gone: the last that is told of it.
    pub(in crate::node) fn gone(&mut self, key: usize, told: Option<Response>) {
        self.cards.forget(key);
        if let Some(told) = told {
            self.tell_all(told);
        }
    }

    /// A packet of the server's own to one member, if its channel is open.
    pub(in crate::node) fn data_to(&mut self, key: usize, topic: &'static str, json: String) {
        self.queue.push_back(Notice::Data {
            to: Some(key),
            topic,
            json,
        });
    }

    /// A packet of the server's own to everyone whose channel is open.
    pub(in crate::node) fn data(&mut self, topic: &'static str, json: String) {
        self.queue.push_back(Notice::Data {
            to: None,
            topic,
            json,
        });
    }

    /// The room with so many in it, as a newcomer learns it.
    pub(in crate::node) fn room_of(&mut self, participants: usize) -> RoomFacts {
        self.room.num_participants = u32::try_from(participants).unwrap_or(u32::MAX);
        self.room.clone()
    }

    /// Someone is recorded, or nobody any more.
    pub(in crate::node) fn set_recording(&mut self, active: bool) {
        if std::mem::replace(&mut self.room.active_recording, active) != active {
            self.tell_all(Response::Room(self.room.clone()));
        }
    }

    /// Delivers all of them, and what would have waited: someone goes, and hears the last of it.
    pub(in crate::node) fn flush(&mut self, members: &mut Membership, context: &mut Context<'_>) {
        self.deliver(members, context);
        for of in self.cards.all() {
            tell_card(of, members, context);
        }
    }

    /// Delivers all of them; cards that were told a moment ago wait.
    pub(in crate::node) fn deliver(&mut self, members: &mut Membership, context: &mut Context<'_>) {
        let now = context.now.mono;
        for of in self.cards.due(now) {
            tell_card(of, members, context);
        }
        while let Some(notice) = self.queue.pop_front() {
            match notice {
                Notice::To(key, response) => {
                    // Clients drop a track of which they have not heard when its section arrives.
                    if matches!(*response, Response::Offer(_)) {
                        for of in self.cards.all() {
                            tell_card(of, members, context);
                        }
                    }
                    if let Some(member) = members.at(key) {
                        send(member, *response, context);
                    }
                }
                Notice::All(response) => {
                    for (_, member) in members.iter() {
                        send(member, Response::clone(&response), context);
                    }
                }
                Notice::Card(of) => {
                    if self.cards.handle_changed(of, now) {
                        tell_card(of, members, context);
                    }
                }
                Notice::Data { to, topic, json } => {
                    let concerned = members.iter_mut();
                    for (_, member) in concerned.filter(|(key, _)| to.is_none_or(|to| to == *key)) {
                        member.tell(topic, &json, now);
                    }
                }
            }
        }
    }
}

/// Tells how a member is: the others if it is visible, and itself.
fn tell_card(of: usize, members: &Membership, context: &mut Context<'_>) {
    let Some(subject) = members.at(of) else {
        return;
    };
    let concerned = members.iter();
    for (_, member) in concerned.filter(|(key, _)| *key == of || !subject.hidden()) {
        let told = Response::Update(vec![subject.card.clone()]);
        send(member, told, context);
    }
}

fn send(member: &Member, response: Response, context: &mut Context<'_>) {
    if let Some(conn) = member.conn {
        context.signal(conn, member.text, response);
    }
}
