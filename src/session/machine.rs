//! The session: facts from the wire, applied in event time up to the watermark.
//!
//! The watermark is the moment until which nothing that is still to come can change the state. A
//! member's presence is known up to their last packet (the next one decides whether they stayed);
//! a side is known to be here as long as one of its members is. What was claimed is never taken
//! back, and what a crash cuts off is always in the customer's favour.

use super::presence::PresenceTracker;
use super::stage::{Command, Group, Output, Prompt, Reason, Stage};
use super::{Allowance, Policy, Standing};
use crate::base::{
    Direction, Drawn, EndReason, FloorReport, GrantKey, GrantRefusal, Grants, Identity, Inherited,
    Millis, Mono, Now, SessionState, Terms, TermsChange, Warning,
};
use std::collections::VecDeque;

/// Commands that wait for their turn in event time: those of at most the last seconds, from the app,
/// from answers to an open prompt and from reports of the floor.
const MAX_COMMANDS: usize = 4_096;

/// One session. Feed a batch's joins and packets first, which moves nothing, then call
/// [`Session::handle_timeout`]: a packet that comes after the timer that missed it cuts the presence
/// (in the customer's favour). The same holds for a leave, which moves at once.
#[derive(Debug)]
pub struct Session {
    presence: PresenceTracker,
    /// In the order of time.
    commands: VecDeque<(Mono, Command)>,
    stage: Stage,
    settled: Mono,
    /// What was added to the prepaid time.
    grants: Grants,
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
        Session::continuing(policy, &Inherited::default(), now)
    }

    /// A session that goes on with those that crashes cut off, and inherits their clocks.
    pub fn continuing(policy: Policy, inherited: &Inherited, now: Now) -> Session {
        Session {
            presence: PresenceTracker::default(),
            commands: VecDeque::new(),
            stage: Stage::new(policy, inherited, now),
            settled: now.mono,
            grants: inherited.grants.clone(),
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

    /// The app wants the billing clock to stand. False: there is nothing to pause.
    pub fn handle_pause_request(&mut self, now: Now) -> bool {
        self.is_running() && self.command(Command::Pause, now)
    }

    /// The app wants it to go on. False: there is nothing to resume.
    pub fn handle_resume_request(&mut self, now: Now) -> bool {
        (self.is_running() || self.stage.terms().paused) && self.command(Command::Resume, now)
    }

    /// A participant is still there; `None`: the app says so of all. False: nobody asked, or theirs
    /// is in already.
    pub fn handle_confirm(&mut self, who: Option<&Identity>, now: Now) -> bool {
        let command = Command::Confirm(who.cloned());
        let open = self.stage.terms().prompt.as_ref();
        let asked = open.is_some_and(|prompt| {
            who.is_none_or(|who| !prompt.confirmed.contains_key(who))
                && self.commands.iter().all(|(_, waits)| *waits != command)
        });
        asked && self.command(command, now)
    }

    /// New totals of quota and duration; `None` leaves one as it is. They hold from the watermark on, the
    /// earliest moment on which nothing depends that was announced: time that was bought is given,
    /// though the time before it had run out unnoticed. False: it is over.
    pub fn handle_extend(&mut self, quota_s: Option<u64>, max_min: Option<u64>) -> bool {
        if self.stage.ended() {
            self.stats.ignored += 1;
            return false;
        }
        let extend = Command::Extend((quota_s, max_min), TermsChange::Extended);
        self.stage.handle_command(self.settled, extend);
        true
    }

    /// What the session may use in all, as it was last changed.
    pub const fn allowance(&self) -> Allowance {
        let terms = self.stage.terms();
        Allowance {
            quota_s: terms.quota_s,
            max_min: terms.max_min,
        }
    }

    /// Adds to the quota, from the watermark on as [`Session::handle_extend`] does; each grant once. False:
    /// it is over.
    ///
    /// # Errors
    /// There is no quota, or no such grant.
    pub fn handle_grant(&mut self, key: &GrantKey, seconds: u64) -> Result<bool, GrantRefusal> {
        if self.stage.ended() {
            self.stats.ignored += 1;
            return Ok(false);
        }
        let quota_s = self.stage.terms().quota_s;
        if let Drawn::Now(grant) = self.grants.draw(key, seconds, quota_s)? {
            self.grants.insert(grant.clone());
            let totals = (Some(grant.quota_s), None);
            let extend = Command::Extend(totals, TermsChange::Granted(grant));
            self.stage.handle_command(self.settled, extend);
        }
        Ok(true)
    }

    /// How someone's floor stands from now on. Reports that say nothing new cost nothing, and those of
    /// whoever came again are needed anew: report at least at every change and every second.
    pub fn handle_floor(
        &mut self,
        who: &Identity,
        direction: Direction,
        report: FloorReport,
        now: Now,
    ) {
        let news = self.stage.floor(who, direction).is_none_or(|known| {
            (known.state, known.limited_by) != (report.state, report.limited_by)
        });
        if news || !self.commands.is_empty() {
            self.command(Command::Floor(who.clone(), direction, report), now);
        }
    }

    /// Something that others have to warn of.
    pub fn handle_warning(&mut self, warning: Warning, now: Now) {
        self.command(Command::Warn(Box::new(warning)), now);
    }

    /// Live or paused.
    fn is_running(&self) -> bool {
        matches!(
            self.stage.state(),
            SessionState::Live | SessionState::Paused(_)
        )
    }

    fn command(&mut self, command: Command, now: Now) -> bool {
        let takes = !self.stage.ended() && self.commands.len() < MAX_COMMANDS;
        if takes {
            self.commands.push_back((now.mono, command));
        } else {
            self.stats.ignored += 1;
        }
        takes
    }

    /// Ends the session at the last moment that is certain.
    pub fn handle_end(&mut self, reason: EndReason, now: Now) {
        self.handle_timeout(now);
        self.stage.end(self.settled, reason);
        self.commands.clear();
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

    /// What is left of the quota at [`Session::settled`]; none where there is no quota.
    pub fn quota_left(&self) -> Option<Millis> {
        self.stage.quota_left(self.settled)
    }

    /// What is left of `duration.max_min` at [`Session::settled`]; none before it was live.
    pub fn time_left(&self) -> Option<Millis> {
        self.time_left_at(self.terms(), self.settled)
    }

    /// The same at an earlier moment, by the terms that held then.
    pub fn time_left_at(&self, terms: &Terms, at: Mono) -> Option<Millis> {
        self.stage.time_left(terms, at)
    }

    /// The prompt that is open at [`Session::settled`].
    pub fn prompt(&self) -> Option<Prompt> {
        self.stage.prompt(self.settled)
    }

    /// The terms as they stand.
    pub const fn terms(&self) -> &Terms {
        self.stage.terms()
    }

    /// Up to when everything about a participant is known: their last authenticated packet, or
    /// their leave. `None` for whoever was never heard.
    pub fn known(&self, who: &Identity) -> Option<Mono> {
        self.presence.known(who)
    }

    /// Counters.
    pub const fn stats(&self) -> Stats {
        Stats {
            ignored: self.presence.ignored + self.stats.ignored,
            ..self.stats
        }
    }

    /// Applies facts, commands and deadlines in order, as far as is certain: at one moment in that
    /// order.
    fn advance(&mut self, now: Mono) {
        while !self.stage.ended() {
            let limit = self.certain().unwrap_or(now).min(now).max(self.settled);
            let fact = self.presence.next_at();
            let command = self.commands.front().map(|(at, _)| *at);
            let deadline = self.stage.next_deadline();
            let due = deadline.map_or(Mono::MAX, |(due, _)| due);
            let input = fact.into_iter().chain(command).min();
            match (input, deadline) {
                (Some(at), _) if at <= due && at <= limit => {
                    if fact == Some(at) {
                        self.on_fact();
                    } else {
                        self.on_command();
                    }
                }
                (_, Some((due, reason))) if due <= limit => self.on_deadline(due, reason),
                (_, _) => {
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

    fn on_command(&mut self) {
        if let Some((at, command)) = self.commands.pop_front() {
            self.settled = self.settled.max(at);
            self.stage.handle_command(self.settled, command);
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
