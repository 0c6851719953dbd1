//! Rooms that panicked: nobody opens them again before the ledger has the end of their sessions, so that
//! whoever comes back continues what was booked.

use super::io::Continued;
use crate::base::{Millis, Mono, RoomKey, SessionId};
use std::collections::BTreeMap;

/// Joins that were on their way while the session was closed do not know of it. So long after, they have
/// come.
const ON_THEIR_WAY: Millis = Millis::from_secs(2);

#[derive(Debug)]
struct Panicked {
    session: SessionId,
    closed: Option<Mono>,
}

/// Rooms that panicked, by name.
#[derive(Debug, Default)]
pub(in crate::node) struct Abandoned(BTreeMap<RoomKey, Panicked>);

impl Abandoned {
    /// A room panicked.
    pub(in crate::node) fn insert(&mut self, room: RoomKey, session: SessionId) {
        let closed = None;
        self.0.insert(room, Panicked { session, closed });
    }

    /// The ledger has the end of its session. True if the room was here.
    pub(in crate::node) fn handle_closed(
        &mut self,
        room: &RoomKey,
        session: &SessionId,
        now: Mono,
    ) -> bool {
        // Nobody may ever come back to the others.
        self.0.retain(|_, room| !room.is_past(now));
        let Some(here) = self.0.get_mut(room).filter(|at| at.session == *session) else {
            return false;
        };
        here.closed.get_or_insert(now);
        true
    }

    /// Whether a join of the room is to come again later.
    pub(in crate::node) fn holds(
        &mut self,
        room: &RoomKey,
        continues: Option<&Continued>,
        now: Mono,
    ) -> bool {
        let Some(here) = self.0.get(room) else {
            return false;
        };
        let continued = continues.is_some_and(|it| it.facts.session == here.session);
        let over = continued || here.is_past(now);
        if over {
            self.0.remove(room);
        }
        !over
    }
}

impl Panicked {
    fn is_past(&self, now: Mono) -> bool {
        self.closed.is_some_and(|at| now.since(at) >= ON_THEIR_WAY)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::Inherited;
    use crate::usage::ledger::fixture::facts;

    fn continued(session: &str) -> Continued {
        Continued {
            facts: facts(session),
            inherited: Inherited::default(),
        }
    }

    #[test]
    fn a_room_that_panicked_opens_again_for_a_join_that_continues_its_session_and_for_others_in_time()
     {
        let (room, session) = (RoomKey::of_keys("help"), SessionId::from("SE_1"));
        let at = Mono::from_millis;
        let mut abandoned = Abandoned::default();
        assert!(!abandoned.holds(&room, None, at(0)), "nothing happened");
        abandoned.insert(room.clone(), session.clone());
        assert!(
            abandoned.holds(&room, None, at(100_000)),
            "not before it is closed"
        );
        assert!(!abandoned.handle_closed(&room, &"SE_2".into(), at(100_000)));
        assert!(abandoned.handle_closed(&room, &session, at(100_000)));
        assert!(
            abandoned.holds(&room, None, at(101_999)),
            "it was on its way"
        );
        let other = continued("SE_0");
        assert!(abandoned.holds(&room, Some(&other), at(101_999)));
        let right = continued("SE_1");
        assert!(!abandoned.holds(&room, Some(&right), at(100_001)));
        assert!(!abandoned.holds(&room, None, at(100_002)), "once is enough");

        abandoned.insert(room.clone(), session.clone());
        assert!(abandoned.handle_closed(&room, &session, at(0)));
        assert!(
            !abandoned.holds(&room, None, at(2_000)),
            "nobody continued it"
        );
    }
}
