//! Whether a join is let in now: the session's window, and what the node has to give.

use crate::api::gate::Gate;
use crate::api::locks::lock;
use crate::api::lost_sessions::{LostSession, LostSessions};
use crate::base::{Now, RoomKey, Unix};
use crate::node::verdicts::refusal;
use crate::node::{Arrival, Continued, Control, JoinRequest, Place, Refusal as Full};
use crate::peer::signal::token::Join;
use crate::session::{Floor, Policy, Window};
use axum::http::StatusCode;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex};

/// A join that is refused: with this status, in these words.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::api) struct JoinRefusal {
    pub status: StatusCode,
    pub what: String,
    /// In how many seconds it may come again, where that is known exactly.
    pub after_s: Option<u32>,
}

impl JoinRefusal {
    pub fn new(status: StatusCode, what: impl Into<String>) -> JoinRefusal {
        JoinRefusal {
            status,
            what: what.into(),
            after_s: None,
        }
    }
}

/// Who may join which room, and where it goes.
pub(in crate::api) struct Admission {
    /// No new joins.
    pub draining: AtomicBool,
    control: Arc<Mutex<Control>>,
    gate: Arc<Gate>,
    lost: Arc<LostSessions>,
}

impl Admission {
    pub fn new(
        control: Arc<Mutex<Control>>,
        gate: Arc<Gate>,
        lost: Arc<LostSessions>,
    ) -> Admission {
        Admission {
            draining: AtomicBool::new(false),
            control,
            gate,
            lost,
        }
    }

    /// Whether there are rules for this join. Those of a session that it finds or continues stay, though the
    /// configuration names them no more.
    pub fn has_rules(&self, join: &Join, now: Now) -> bool {
        let lost = self.continues(&join.room, now);
        self.rules(join, lost.as_ref()).is_some()
    }

    /// The session that a join of the room goes on with.
    pub fn continues(&self, room: &RoomKey, now: Now) -> Option<Continued> {
        self.lost.of(room, now)
    }

    /// A room is over; one that was never opened leaves a lost session to be continued.
    pub fn handle_room_ended(&self, room: &RoomKey, lived: bool) {
        if lived {
            self.lost.remove(room);
        }
        lock(&self.control).handle_room_ended(room);
    }

    /// The session of a room that panicked is closed, and left to be continued.
    pub fn handle_closed(&self, room: &RoomKey, closed: Option<LostSession>) {
        let mut control = lock(&self.control);
        if let Some(closed) = closed {
            control.handle_begun(room, &closed.session.facts.session);
            self.lost.insert(room.clone(), closed);
        }
        control.handle_room_ended(room);
    }

    /// The worker that has the room, or would get it.
    pub fn near(&self, room: &RoomKey) -> usize {
        lock(&self.control).near(room)
    }

    /// The rules of the session that a join finds, continues or opens: the same for everyone in it.
    fn rules(&self, join: &Join, lost: Option<&Continued>) -> Option<Arc<Policy>> {
        let found = lock(&self.control).rules(&join.room);
        let inherited = || lost.and_then(Continued::policy).map(Arc::new);
        let template = || {
            let settings = self.gate.settings();
            let own = |name: &str| settings.policies.get(&join.room.project, name);
            let lost = lost.map(|lost| lost.facts.policy.as_str());
            let named = join.policy.as_deref().unwrap_or("default");
            let template = lost.and_then(own).or_else(|| own(named));
            template.cloned().map(Arc::new)
        };
        found.or_else(inherited).or_else(template)
    }

    /// The promise of the session that this join finds or opens.
    pub fn floor_for(&self, join: &Join, now: Now) -> Option<Floor> {
        let lost = self.continues(&join.room, now);
        let rules = self.rules(join, lost.as_ref());
        rules.map(|policy| policy.floor.clone())
    }

    /// Whether the session is to be found in the room for which the token is; any session will do for a
    /// token that names none.
    pub fn serves(&self, join: &Join, now: Now) -> bool {
        let Some(session) = &join.session else {
            return true;
        };
        let here = lock(&self.control).serves(&join.room, session);
        here.unwrap_or_else(|| {
            let lost = self.continues(&join.room, now);
            lost.is_some_and(|lost| lost.chain().contains(session))
        })
    }

    /// Whether the participant was in the session that this join's continues.
    fn was_cut_off(&self, control: &Control, request: &JoinRequest) -> bool {
        let (room, identity) = (&request.join.room, &request.join.identity);
        let was_in = self.lost.had(room, identity);
        // What is booked is a session of its own.
        request.continues.is_some() && control.booking(room).is_none() && was_in
    }

    /// Whether the join may come in; changes nothing.
    pub fn may_join(&self, request: &JoinRequest, now: Now) -> Result<(), JoinRefusal> {
        let Some(policy) = self.rules(&request.join, request.continues.as_ref()) else {
            return Ok(());
        };
        let (room, identity) = (&request.join.room, &request.join.identity);
        let mut control = lock(&self.control);
        let returns =
            self.was_cut_off(&control, request) || control.knows(room, identity, now.mono);
        if !returns && let Err(what) = open_at(policy.window, now.unix) {
            return Err(JoinRefusal::new(StatusCode::FORBIDDEN, what));
        }
        let below = refusal(&request.join, request.preflight.as_ref(), &policy.floor);
        if let Some(what) = below.filter(|_| !returns) {
            return Err(JoinRefusal::new(StatusCode::FORBIDDEN, what));
        }
        let arrival = Arrival {
            room,
            identity,
            policy: &policy,
        };
        control.may_place(arrival, now.mono).map_err(refused)
    }

    /// Reserves what the join needs, and says where it goes.
    pub fn place(&self, request: &JoinRequest, now: Now) -> Result<Place, JoinRefusal> {
        let Some(policy) = self.rules(&request.join, request.continues.as_ref()) else {
            let what = "the session's policy is not configured any more";
            return Err(JoinRefusal::new(StatusCode::FORBIDDEN, what));
        };
        let arrival = Arrival {
            room: &request.join.room,
            identity: &request.join.identity,
            policy: &policy,
        };
        lock(&self.control)
            .place(arrival, now.mono)
            .map_err(refused)
    }
}

fn refused(full: Full) -> JoinRefusal {
    let status = match full {
        // 4xx, so that no SDK tries again by itself.
        Full::RoomFull { .. } => StatusCode::FORBIDDEN,
        Full::Draining
        | Full::Full
        | Full::Ledger(_)
        | Full::Reserved { .. }
        | Full::Busy { .. } => StatusCode::SERVICE_UNAVAILABLE,
    };
    JoinRefusal::new(status, full.to_string())
}

/// Whether joins are let in at this time; if not, why.
fn open_at(window: Window, now: Unix) -> Result<(), String> {
    let moment = |secs: u64| Unix(secs.saturating_mul(1000)).rfc3339();
    let now = now.secs();
    if let Some(opens) = window.opens_at.filter(|opens| now < *opens) {
        let opens = moment(opens);
        return Err(format!("this session is not open yet: it opens at {opens}"));
    }
    if let Some(closes) = window.closes_at.filter(|closes| now >= *closes) {
        let closes = moment(closes);
        return Err(format!(
            "this session is closed: joins were let in until {closes}"
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_lets_in_from_its_opening_until_its_closing_and_says_when() {
        let window = Window {
            opens_at: Some(1_763_964_000),
            closes_at: Some(1_763_964_060),
        };
        let at = |secs: u64| open_at(window, Unix(secs * 1000));
        let early = "this session is not open yet: it opens at 2025-11-24T06:00:00.000Z";
        let late = "this session is closed: joins were let in until 2025-11-24T06:01:00.000Z";
        assert_eq!(at(1_763_963_999), Err(early.to_owned()));
        assert_eq!(at(1_763_964_000), Ok(()));
        assert_eq!(at(1_763_964_059), Ok(()));
        assert_eq!(at(1_763_964_060), Err(late.to_owned()));
        assert_eq!(open_at(Window::default(), Unix(0)), Ok(()));
    }
}
