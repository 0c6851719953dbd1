//! Sessions that a crash or a stop of the node cut off, and whose rooms are theirs for a while.

use super::locks::lock;
use crate::base::{Identity, Mono, Now, RoomKey};
use crate::node::Continued;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;

/// A session that a crash or a stop of the node ended: a rejoin of its room before `until` goes on with
/// it.
pub struct LostSession {
    /// The session.
    pub session: Continued,
    /// Who was in it.
    pub people: BTreeSet<Identity>,
    /// Until when.
    pub until: Mono,
}

/// Those of this node, by room.
#[derive(Default)]
pub(super) struct LostSessions(Mutex<BTreeMap<RoomKey, LostSession>>);

impl LostSessions {
    pub fn new(found: BTreeMap<RoomKey, LostSession>) -> LostSessions {
        LostSessions(Mutex::new(found))
    }

    /// The session that a join of the room goes on with.
    pub fn of(&self, room: &RoomKey, now: Now) -> Option<Continued> {
        let lost = lock(&self.0);
        let lost = lost.get(room)?;
        (now.mono < lost.until).then(|| lost.session.clone())
    }

    /// Whether this identity was in the session that was lost last in this room.
    pub fn had(&self, room: &RoomKey, identity: &Identity) -> bool {
        let lost = lock(&self.0);
        lost.get(room)
            .is_some_and(|lost| lost.people.contains(identity))
    }

    pub fn insert(&self, room: RoomKey, lost: LostSession) {
        lock(&self.0).insert(room, lost);
    }

    /// It was continued, or another session has lived in the room.
    pub fn remove(&self, room: &RoomKey) {
        lock(&self.0).remove(room);
    }
}
