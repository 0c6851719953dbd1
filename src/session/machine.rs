//! The session: facts from the wire, applied in event time up to the watermark.
//!
//! The watermark is the moment until which nothing that is still to come can change the state. A
//! member's presence is known up to their last packet (the next one decides whether they stayed);
//! a side is known to be here as long as one of its members is. What was claimed is never taken
//! back, and what a crash cuts off is always in the customer's favour.

use super::presence::Presence;
use super::stage::{Group, Output, Reason, Stage};
use super::{Policy, Standing};
use crate::base::{EndReason, Identity, Millis, Mono, Now, SessionState};

/// One session. Feed a batch's joins and packets first, which moves nothing, then call
/// [`Session::handle_timeout`]: a packet that comes after the timer that missed it cuts the presence
/// (in the customer's favour). The same holds for a leave, which moves at once.
#[derive(Debug)]
pub struct Session {
    presence: Presence,
    stage: Stage,
    settled: Mono,
    stats: Stats,
}

/// Counters of a session.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Facts applied.
    pub facts: u64,
    /// Of them, those whose own time had passed already.
    pub late: u64,
    /// Inputs about nobody who is connected, or out of date.
    pub ignored: u64,
}

impl Session {
    /// A session that waits for its participants.
    pub fn new(policy: Policy, now: Now) -> Session {
        Session::continuing(policy, Millis::ZERO, now)
    }

    /// A session that goes on with one that a crash cut off, which had used `duration_used` of
    /// `duration.max_min`.
    pub fn continuing(policy: Policy, duration_used: Millis, now: Now) -> Session {
        Session {
            presence: Presence::default(),
            stage: Stage::new(policy, duration_used, now.mono),
            settled: now.mono,
            stats: Stats::default(),
        }
    }

    /// A connection was granted. The participant is present from their first packet on. A second
    /// connection of the same identity without a leave replaces the first.
    pub fn handle_connected(&mut self, who: &Identity, standing: Standing, now: Now) {
        if !self.stage.ended() {
            self.presence.connect(who, standing, now.mono);
        }
    }

    /// An authenticated packet (SRTP, SRTCP or STUN with integrity) arrived at `at`.
    pub fn handle_evidence(&mut self, who: &Identity, at: Mono, now: Now) {
        if !self.stage.ended() {
            self.presence.evidence(who, at.min(now.mono));
        }
    }

    /// Authenticated SRTP arrived at `at`; counts as evidence too.
    pub fn handle_media(&mut self, who: &Identity, at: Mono, now: Now) {
        if !self.stage.ended() {
            self.presence.media(who, at.min(now.mono));
        }
    }

    /// The connection is over: `explicit` when they said so, else it broke.
    pub fn handle_left(&mut self, who: &Identity, explicit: bool, now: Now) {
        if !self.stage.ended() {
            self.presence.leave(who, explicit, now.mono);
            self.advance(now.mono);
        }
    }

    /// Ends the session at the last moment that is certain.
    pub fn handle_end(&mut self, reason: EndReason, now: Now) {
        self.handle_timeout(now);
        self.stage.end(self.settled, reason);
    }

    /// Time has passed, and everything that was heard until now is in.
    pub fn handle_timeout(&mut self, now: Now) {
        if !self.stage.ended() {
            self.presence.expire(now.mono);
            self.advance(now.mono);
        }
    }

    /// When to call [`Session::handle_timeout`] at the latest, and why.
    pub fn poll_timeout(&self) -> Option<(Mono, Reason)> {
        if self.stage.ended() {
            return None;
        }
        let expiry = self.presence.next_expiry().map(|at| (at, Reason::Vanished));
        // Deadlines are in event time: while someone's packets hold it back, these (or the lack of
        // them, which is the expiry above) wake us.
        let deadline = self
            .stage
            .next_deadline()
            .filter(|_| self.certain().is_none());
        expiry.into_iter().chain(deadline).min()
    }

    /// The next announcement, in event-time order.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.stage.poll_output()
    }

    /// The state at [`Session::settled`].
    pub const fn state(&self) -> SessionState {
        self.stage.state()
    }

    /// The watermark: nothing up to here can change any more. Never goes back; stands still once
    /// the session has ended.
    pub const fn settled(&self) -> Mono {
        self.settled
    }

    /// Up to when everything about a participant is known: their last authenticated packet, or
    /// their leave. `None` for whoever was never heard.
    pub fn known(&self, who: &Identity) -> Option<Mono> {
        self.presence.known(who)
    }

    /// Counters.
    pub const fn stats(&self) -> Stats {
        Stats {
            ignored: self.presence.ignored,
            ..self.stats
        }
    }

    /// Applies facts and deadlines in order, as far as is certain.
    fn advance(&mut self, now: Mono) {
        while !self.stage.ended() {
            let limit = self.certain().unwrap_or(now).min(now).max(self.settled);
            let fact = self.presence.next_at().filter(|at| *at <= limit);
            let deadline = self.stage.next_deadline().filter(|(at, _)| *at <= limit);
            match (fact, deadline) {
                (Some(at), Some((due, reason))) if due < at => self.on_deadline(due, reason),
                (Some(_), _) => self.on_fact(),
                (None, Some((due, reason))) => self.on_deadline(due, reason),
                (None, None) => {
                    self.settled = limit;
                    return;
                }
            }
        }
    }

    fn on_fact(&mut self) {
        if let Some((at, who, fact)) = self.presence.pop() {
            self.stats.facts += 1;
            self.stats.late += u64::from(at < self.settled);
            self.settled = self.settled.max(at);
            self.stage.handle_fact(at, self.settled, who, fact);
        }
    }

    fn on_deadline(&mut self, due: Mono, reason: Reason) {
        self.settled = self.settled.max(due);
        self.stage.handle_deadline(self.settled, reason);
    }

    /// Up to when the state is certain whatever packets come; `None`: nothing is open.
    fn certain(&self) -> Option<Mono> {
        let groups = self.stage.groups();
        let sides = groups
            .iter()
            .filter_map(|group| self.certain_of(group))
            .min();
        sides.or_else(|| self.certain_of(&self.stage.everyone()))
    }

    /// Everything about a group is known up to the earliest of its open members' last packets, and
    /// that enough of them are here up to the latest of which enough are known to be.
    fn certain_of(&self, group: &Group) -> Option<Mono> {
        let names = || group.members.iter().map(|(who, _)| who);
        let all_known = names().filter_map(|who| self.presence.open(who)).min()?;
        let here = group.members.iter().filter(|(_, here)| *here);
        let mut ends: Vec<Mono> = here
            .filter_map(|(who, _)| self.presence.run_end(who))
            .collect();
        ends.sort_unstable();
        let enough = ends.len().checked_sub(group.need).map(|index| ends[index]);
        Some(all_known.max(enough.unwrap_or(Mono::ZERO)))
    }
}
