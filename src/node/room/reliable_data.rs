//! Reliable data from one client to others. Nothing of it is dropped, and a slow receiver holds nobody up
//! until as much waits for it as may: then whoever sends it more waits, and nobody else.

use super::membership::Membership;
use crate::base::{Mono, Now};
use crate::node::member::{MAX_WAITING, Member, RESUME_AT, Side, Unsent};

/// Waits for all clients of a room at most, in bytes.
const MAX_WAITING_IN_ROOM: usize = 64 * 1_024 * 1_024;

/// A client has sent a packet: true if it and what follows has to wait, from now on.
pub(super) fn send(from: usize, unsent: Unsent, members: &mut Membership, now: Now) -> bool {
    let waits = members.at(from).is_some_and(|by| !by.unsent.is_empty());
    let goes = !waits && pass_on(from, &unsent, MAX_WAITING, (members, now.mono));
    let Some(sender) = members.at_mut(from).filter(|_| !goes) else {
        return false;
    };
    sender.unsent.push_back(unsent);
    sender.connections.transport(Side::Publisher).hold_data();
    !waits
}

/// Lets those go on for whose packets there is place again. Their keys: they may have more to say.
pub(super) fn resume(members: &mut Membership, now: Now) -> Vec<usize> {
    let waiting = members.iter().filter(|(_, by)| !by.unsent.is_empty());
    let mut resumed: Vec<usize> = waiting.map(|(key, _)| key).collect();
    resumed.retain(|key| {
        while let Some(unsent) = members.at_mut(*key).and_then(|by| by.unsent.pop_front()) {
            if !pass_on(*key, &unsent, RESUME_AT, (members, now.mono)) {
                if let Some(sender) = members.at_mut(*key) {
                    sender.unsent.push_front(unsent);
                }
                return false;
            }
        }
        if let Some(sender) = members.at_mut(*key) {
            let transport = sender.connections.write(Side::Publisher);
            transport.release_data(now);
        }
        true
    });
    resumed
}

/// Sends a packet to all whom it is for, or, where less than it needs is left below `limit`, to nobody:
/// false.
fn pass_on(
    from: usize,
    unsent: &Unsent,
    limit: usize,
    (members, now): (&mut Membership, Mono),
) -> bool {
    let len = unsent.packet.len();
    let concerned = |key: usize, member: &Member| {
        key != from && unsent.to.includes(member.identity(), &member.sid)
    };
    let mut in_room = 0;
    for (key, member) in members.iter() {
        let waiting = member.outgoing.waiting();
        in_room += waiting;
        if concerned(key, member) {
            in_room += len;
            if waiting + len > limit {
                return false;
            }
        }
    }
    if in_room > MAX_WAITING_IN_ROOM {
        return false;
    }
    for (_, member) in members.iter_mut().filter(|(key, it)| concerned(*key, it)) {
        member.send_reliable(unsent.packet.clone(), now);
    }
    true
}
