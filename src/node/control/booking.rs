//! A session that is booked and has not begun, and its end if it never does.

use crate::base::{
    Drawn, EndReason, Grant, GrantKey, GrantRefusal, Grants, Identity, Inherited, Millis, NodeId,
    Now, Rng, Role, RoomKey, RoomSid, SessionId, Unix,
};
use crate::node::billing::{Billing, Opening};
use crate::session::{Allowance, Changed, Extension, Policy};
use crate::usage::{Append, Carried, SessionFacts};
use serde::{Deserialize, Serialize};
use std::fmt;

/// A booking without a closing time is kept for so long.
pub const KEPT: Millis = Millis::from_secs(24 * 3600);

/// A session as the app booked it. Kept in the ledger's file, so it survives restarts.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Booking {
    /// The session that the first join of the room opens.
    pub session: SessionId,
    /// Its room.
    #[serde(flatten)]
    pub room: RoomKey,
    /// Name of the policy template.
    pub template: String,
    /// The template with what the app has changed; `external_ref` and `metadata` are in it.
    pub policy: Policy,
    /// For whom tokens were asked.
    pub participants: Vec<Guest>,
    /// Whose key signs those tokens.
    pub key: String,
    /// Base of the join links.
    pub base: String,
    /// Validity of the tokens, in seconds.
    pub token_ttl_s: u64,
    /// When it was booked.
    pub created_unix_ms: Unix,
    /// What was added to its prepaid time.
    #[serde(default, skip_serializing_if = "Grants::is_empty")]
    pub grants: Grants,
    /// What the session might use as it was booked, where that was changed since.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first: Option<Allowance>,
}

/// Someone for whom a token is made.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Guest {
    /// Who.
    pub identity: Identity,
    /// The name shown to others.
    #[serde(default)]
    pub name: String,
    /// What they are to the session.
    pub role: Role,
    /// Never recorded.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub minor: bool,
}

/// The session that a join opens: the one that is booked, or a new one.
pub(in crate::node) fn session_of(booking: Option<&Booking>, rng: &mut Rng) -> SessionId {
    booking.map_or_else(|| SessionId::random(rng), |booking| booking.session.clone())
}

impl fmt::Debug for Guest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Guest")
            .field("identity", &self.identity)
            .field("role", &self.role)
            .field("minor", &self.minor)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Booking {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Booking")
            .field("session", &self.session)
            .field("room", &self.room)
            .field("template", &self.template)
            .finish_non_exhaustive()
    }
}

impl Booking {
    /// New totals.
    ///
    /// # Errors
    /// They have changed meanwhile.
    pub fn extend(&mut self, extension: &Extension) -> Result<(), Changed> {
        let before = Allowance::of(&self.policy);
        let totals = extension.apply(before)?;
        self.first.get_or_insert(before);
        self.policy = totals.applied_to(&self.policy);
        Ok(())
    }

    /// The rules as they were booked: what a repeated request is answered by.
    pub fn first_policy(&self) -> Policy {
        let first = self.first.unwrap_or_else(|| Allowance::of(&self.policy));
        first.applied_to(&self.policy)
    }

    /// Adds to the prepaid time, once under this key. The grant, whether it was given now or before.
    ///
    /// # Errors
    /// There is no quota, or no such grant.
    pub fn grant(&mut self, key: &GrantKey, seconds: u64) -> Result<Grant, GrantRefusal> {
        let before = Allowance::of(&self.policy);
        match self.grants.draw(key, seconds, before.quota_s)? {
            Drawn::Before(grant) => Ok(grant),
            Drawn::Now(grant) => {
                self.first.get_or_insert(before);
                self.policy.duration.quota_s = Some(grant.quota_s);
                self.grants.insert(grant.clone());
                Ok(grant)
            }
        }
    }

    /// What its session takes over.
    pub(in crate::node) fn inherited(&self) -> Inherited {
        Inherited {
            grants: self.grants.clone(),
            ..Inherited::default()
        }
    }

    /// When it expires if nobody has come.
    pub fn expires(&self) -> Unix {
        let closes = self.policy.window.closes_at;
        closes.map_or(Unix(self.created_unix_ms.0 + KEPT.0), |at| {
            Unix(at.saturating_mul(1000))
        })
    }

    /// The whole life of a session to which nobody came: opened and ended in one step, so that
    /// ledger and billing know of it.
    pub fn close(
        &self,
        reason: EndReason,
        (node, rng): (&NodeId, &mut Rng),
        now: Now,
    ) -> Vec<Append> {
        let facts = SessionFacts {
            session: self.session.clone(),
            node: node.clone(),
            room: self.room.clone(),
            room_sid: RoomSid::random(rng),
            policy: self.template.clone(),
            min_billable_ms: Millis::ZERO,
            external_ref: None,
            metadata: None,
            continues: None,
            carried: Carried::default(),
        };
        let opening = Opening {
            facts,
            policy: self.policy.clone(),
            inherited: self.inherited(),
        };
        let mut billing = Billing::new(opening, now);
        billing.handle_end(reason, now);
        std::iter::from_fn(|| billing.poll_output()).collect()
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::base::{Mono, SessionState};

    /// A booking of this room.
    pub(crate) fn booked(room: &str) -> Booking {
        Booking {
            session: SessionId::from(format!("SE_{room}")),
            room: RoomKey::of_keys(room),
            template: "default".to_owned(),
            policy: Policy::default(),
            participants: Vec::new(),
            key: "key".to_owned(),
            base: "http://node".to_owned(),
            token_ttl_s: 60,
            created_unix_ms: Unix(1_000),
            grants: Grants::default(),
            first: None,
        }
    }

    #[test]
    fn a_booking_expires_when_its_window_closes_or_after_a_day() {
        let mut booking = booked("a");
        assert_eq!(booking.expires(), Unix(86_401_000));
        booking.policy.window.closes_at = Some(7);
        assert_eq!(booking.expires(), Unix(7_000));
    }

    #[test]
    fn what_was_booked_first_is_known_whatever_was_added_since() {
        let mut booking = booked("a");
        booking.policy.duration.quota_s = Some(100);
        let first = booking.policy.clone();
        assert_eq!(booking.first_policy(), first);
        let key = GrantKey::of("grant-1");
        assert!(booking.grant(&key, 7).is_ok() && booking.grant(&key, 7).is_ok());
        let extension = Extension {
            quota_s: Some(500),
            ..Extension::default()
        };
        booking.extend(&extension).unwrap();
        assert_eq!(booking.policy.duration.quota_s, Some(500));
        assert_eq!(booking.first_policy(), first);
        let kept = serde_json::to_string(&booking).unwrap();
        let read: Booking = serde_json::from_str(&kept).unwrap();
        assert_eq!(read.first_policy(), first, "over a restart");
    }

    #[test]
    fn a_booking_to_which_nobody_came_is_a_whole_session_in_the_ledger() {
        let now = Now {
            mono: Mono::ZERO,
            unix: Unix(5_000),
        };
        let node = NodeId::from("ND_1");
        let mut rng = Rng::from_seed(1);
        let life = booked("a").close(EndReason::NoShow, (&node, &mut rng), now);
        let kinds: Vec<_> = life
            .iter()
            .flat_map(|append| &append.events)
            .map(|event| event.kind.as_str())
            .collect();
        assert_eq!(kinds, ["session.started", "session.ended"]);
        let last = life.last().map(|append| append.entry.state);
        assert_eq!(last, Some(SessionState::Ended(EndReason::NoShow)));
        assert!(life.iter().all(|a| a.entry.session.as_str() == "SE_a"));
    }
}
