//! The parts of a room that a change of who is here, or of what they publish, concerns.

use super::membership::{Leave, Membership};
use super::notices::Notices;
use super::subscriptions::Subscriptions;
use crate::base::SessionState;
use crate::node::billing::Billing;
use crate::room::Room;

/// Who is here, who gets what, what is owed, and what is told of it.
pub(in crate::node) struct Parts {
    pub(in crate::node) members: Membership,
    /// The forwarding room.
    pub(in crate::node) room: Room,
    pub(in crate::node) subscriptions: Subscriptions,
    pub(in crate::node) billing: Billing,
    pub(in crate::node) notices: Notices,
}

/// The attribute that says why the session has ended (docs/contract.md).
const END: &str = "beistand.end";

impl Parts {
    /// Everyone goes. Whoever has to, because the session has ended, learns why before: a goodbye has no
    /// words of its own.
    pub(in crate::node) fn leave_all(&mut self, leave: Leave) {
        if let SessionState::Ended(reason) = self.billing.state()
            && !reason.is_of_node()
        {
            for key in self.members.keys() {
                self.set_attribute(key, END, Some(reason.as_str()));
            }
        }
        self.members.leave_all(leave);
    }

    /// Sets an attribute of the server's own on a member's card, and tells everyone if that is news.
    pub(in crate::node) fn set_attribute(&mut self, key: usize, name: &str, value: Option<&str>) {
        let member = self.members.at_mut(key);
        if member.is_some_and(|member| member.card.set_attribute(name, value)) {
            self.notices.card(key);
        }
    }
}
