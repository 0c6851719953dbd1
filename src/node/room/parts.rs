//! The parts of a room that a change of who is here, or of what they publish, concerns.

use super::membership::Membership;
use super::notices::Notices;
use super::subscriptions::Subscriptions;
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

impl Parts {
    /// Sets an attribute of the server's own on a member's card, and tells everyone if that is news.
    pub(in crate::node) fn set_attribute(&mut self, key: usize, name: &str, value: Option<&str>) {
        if let Some(member) = self.members.at_mut(key)
            && member.card.set_attribute(name, value)
        {
            self.notices.card(key, member);
        }
    }
}
