//! Introduces the session (who is here, does the clock run) to the account (what is owed): the two
//! know nothing of each other. One per room.

use crate::base::{
    Consent, Direction, EndReason, FloorReport, GrantKey, GrantRefusal, Identity, Inherited,
    Millis, Mono, Now, ParticipantSid, RecordingNote, Role, SessionState, TrackSource, Verdict,
    Warning,
};
use crate::session::{Allowance, Output, Policy, Prompt, Reason, Session, Standing, Stats};
use crate::usage::{Account, Append, Carried, Checkpoint, Entry, SessionFacts, Stored};
use std::collections::VecDeque;

mod shown;

pub use shown::{Clock, ShownClock};

/// What a session starts with.
#[derive(Clone, Debug)]
pub struct Opening {
    /// Its facts, as the ledger keeps them; what the policy says of them is taken from there.
    pub facts: SessionFacts,
    /// Its rules, validated.
    pub policy: Policy,
    /// What it takes over from the sessions that it continues.
    pub inherited: Inherited,
}

/// A granted connection.
#[derive(Clone, Debug)]
pub struct Join {
    /// Who.
    pub identity: Identity,
    /// This join's id.
    pub sid: ParticipantSid,
    /// From the signed token.
    pub role: Option<Role>,
    /// A visible standard participant.
    pub counts: bool,
}

/// The money of one room. Within a batch feed the joins and packets first, which moves nothing, then
/// call [`Billing::handle_timeout`]. Before a leave or an end, feed the packets that came before it.
#[derive(Debug)]
pub struct Billing {
    session: Session,
    account: Account,
    /// Granted connections whose turn in event time has not come. At most one per join of the
    /// last few seconds: the watermark is never further behind.
    joins: VecDeque<Join>,
    /// Rows on their way to the ledger, each with what it says of the clock.
    appends: VecDeque<(Append, Clock)>,
    shown: ShownClock,
}

impl Billing {
    /// Opens the session; its `start` entry and `session.started` are the first output.
    pub fn new(opening: Opening, now: Now) -> Billing {
        let Opening {
            mut facts,
            policy,
            inherited,
        } = opening;
        facts.min_billable_ms = Millis(policy.billing.min_billable_ms);
        facts.external_ref.clone_from(&policy.external_ref);
        facts.metadata.clone_from(&policy.metadata);
        facts.carried = Carried {
            policy: rules(&policy),
            used_ms: inherited.used,
            lasted_ms: inherited.lasted,
            chain: std::mem::take(&mut facts.carried.chain),
            grants: inherited.grants.clone(),
        };
        let session = Session::continuing(policy, &inherited, now);
        Billing {
            account: Account::new(facts, session.terms().clone(), now),
            session,
            joins: VecDeque::new(),
            appends: VecDeque::new(),
            shown: ShownClock::new(now.mono),
        }
    }

    /// A connection was granted; present from the first authenticated packet on.
    pub fn handle_connected(&mut self, join: Join, now: Now) {
        let standing = Standing {
            role: join.role,
            counts: join.counts,
        };
        let identity = join.identity.clone();
        if !matches!(self.session.state(), SessionState::Ended(_)) {
            self.account
                .handle_expected(&join.identity, &join.sid, join.role);
            self.joins.push_back(join);
        }
        self.session.handle_connected(&identity, standing, now);
    }

    /// What a preflight measured of a participant who is connected.
    pub fn handle_preflight(&mut self, who: &Identity, verdict: Verdict) {
        self.account.handle_preflight(who, verdict);
    }

    /// An authenticated packet without media (STUN with integrity, SRTCP) arrived at `at`. Within
    /// one batch the newest packet of a participant is enough.
    pub fn handle_evidence(&mut self, who: &Identity, at: Mono, now: Now) {
        self.session.handle_evidence(who, at, now);
    }

    /// Authenticated SRTP arrived at `at`. Within one batch the newest packet is enough.
    pub fn handle_media(&mut self, who: &Identity, at: Mono, now: Now) {
        self.account.handle_media(who, at);
        self.session.handle_media(who, at, now);
    }

    /// An unmuted track of this source appeared at `at`, or one went (unpublished or muted; a
    /// leave ends them all).
    pub fn handle_published(&mut self, who: &Identity, source: TrackSource, at: Mono, on: bool) {
        self.account.handle_published(who, source, at, on);
    }

    /// The byte counters (in, out) of one join, from its start.
    pub fn handle_bytes(&mut self, who: &Identity, sid: &ParticipantSid, bytes: (u64, u64)) {
        self.account.handle_bytes(who, sid, bytes);
    }

    /// The connection is over: `explicit` when the participant said so (or was removed), else it
    /// broke.
    pub fn handle_left(&mut self, who: &Identity, explicit: bool, now: Now) {
        self.account.handle_left(who, now.mono);
        self.session.handle_left(who, explicit, now);
        self.drain();
    }

    /// The app wants the billing clock to stand. False: the session is not live or paused.
    pub fn handle_pause_request(&mut self, now: Now) -> bool {
        self.session.handle_pause_request(now)
    }

    /// The app wants it to go on. False: the session is not live or paused.
    pub fn handle_resume_request(&mut self, now: Now) -> bool {
        self.session.handle_resume_request(now)
    }

    /// A participant is still there; `None`: the app says so of all of them. False: no prompt is
    /// open, or theirs is in already.
    pub fn handle_confirm(&mut self, who: Option<&Identity>, now: Now) -> bool {
        self.session.handle_confirm(who, now)
    }

    /// New totals of `duration.quota_s` and `duration.max_min`, already validated; `None` leaves one
    /// as it is. False: the session is over.
    pub fn handle_extend(&mut self, quota_s: Option<u64>, max_min: Option<u64>, now: Now) -> bool {
        let extended = self.session.handle_extend(quota_s, max_min);
        self.handle_timeout(now);
        extended
    }

    /// Adds to the quota, once under this key. False: the session is over.
    ///
    /// # Errors
    /// There is no quota, or no such grant.
    pub fn handle_grant(
        &mut self,
        key: &GrantKey,
        seconds: u64,
        now: Now,
    ) -> Result<bool, GrantRefusal> {
        let granted = self.session.handle_grant(key, seconds)?;
        self.handle_timeout(now);
        Ok(granted)
    }

    /// What the session may use in all, as it was last changed.
    pub const fn allowance(&self) -> Allowance {
        self.session.allowance()
    }

    /// How someone's floor stands in a direction from now on. Call it at every change and at least once
    /// a second: reports that say nothing new cost nothing, and whoever was absent is reported anew.
    pub fn handle_floor(
        &mut self,
        who: &Identity,
        direction: Direction,
        report: FloorReport,
        now: Now,
    ) {
        self.session.handle_floor(who, direction, report, now);
    }

    /// A warning that the session does not know of itself, such as that of a preflight.
    pub fn handle_warning(&mut self, warning: Warning, now: Now) {
        self.session.handle_warning(warning, now);
    }

    /// Somebody said whether they may be recorded: a row of the ledger at once, since it is evidence.
    /// False: the session is over.
    pub fn handle_consent(&mut self, consent: Consent, now: Now) -> bool {
        self.account.handle_consent(consent, now)
    }

    /// A recording of this session made a step: a row of the ledger at once. False: the session is over,
    /// or that step may not come now.
    pub fn handle_recording(&mut self, note: RecordingNote, now: Now) -> bool {
        self.account.handle_recording(note, now)
    }

    /// Ends the session at the last moment that is certain.
    pub fn handle_end(&mut self, reason: EndReason, now: Now) {
        self.session.handle_end(reason, now);
        self.drain();
    }

    /// Time has passed, and everything that was heard until now is in.
    pub fn handle_timeout(&mut self, now: Now) {
        self.account.handle_clock(now);
        self.session.handle_timeout(now);
        self.drain();
    }

    /// When to call [`Billing::handle_timeout`] at the latest, and why. Nothing once it has ended.
    pub fn poll_timeout(&self) -> Option<(Mono, Reason)> {
        self.session.poll_timeout()
    }

    /// The next row for the ledger, with its events. Answered by [`Billing::handle_committed`].
    pub fn poll_output(&mut self) -> Option<Append> {
        self.collect();
        let (append, clock) = self.appends.pop_front()?;
        let written = Stored::entry(append.entry.entry_seq);
        self.shown.handle_written(written, clock);
        Some(append)
    }

    /// The running totals, if they changed. Ask at least every 500 ms, and write it after the outputs: none
    /// while there are any, since it counts on what stands in them. Answered by
    /// [`Billing::handle_committed`].
    pub fn checkpoint(&mut self, now: Now) -> Option<Checkpoint> {
        self.handle_timeout(now);
        if !self.appends.is_empty() {
            return None;
        }
        let checkpoint = self.account.checkpoint(now)?;
        let written = Stored::checkpoint(checkpoint.number);
        self.shown.handle_written(written, self.clock());
        Some(checkpoint)
    }

    /// So much of the session is on disk.
    pub fn handle_committed(&mut self, stored: Stored) {
        self.shown.handle_committed(stored);
    }

    /// The billed clock as it may be shown.
    pub const fn shown(&self) -> &ShownClock {
        &self.shown
    }

    /// The same, to tell it.
    pub const fn shown_mut(&mut self) -> &mut ShownClock {
        &mut self.shown
    }

    /// The billed clock, of which not all is on disk.
    pub fn clock(&self) -> Clock {
        Clock {
            state: self.session.state(),
            accrued_ms: self.account.accrued(),
            quota_left_ms: self.session.quota_left(),
            time_left_ms: self.session.time_left(),
            settled: self.session.settled(),
        }
    }

    /// The state at the last moment that is certain.
    pub const fn state(&self) -> SessionState {
        self.session.state()
    }

    /// The question "still there?", while it is open.
    pub fn prompt(&self) -> Option<Prompt> {
        self.session.prompt()
    }

    /// What the session is.
    pub const fn facts(&self) -> &SessionFacts {
        self.account.facts()
    }

    /// Counters.
    pub const fn stats(&self) -> Stats {
        self.session.stats()
    }

    /// Hands what the session announced to the account, in event-time order.
    fn drain(&mut self) {
        self.collect();
        while let Some(output) = self.session.poll_output() {
            self.witness(output.at());
            match output {
                Output::Joined { .. } => {
                    if let Some(join) = self.joins.pop_front() {
                        self.account
                            .handle_joined(&join.identity, join.sid, join.role);
                    }
                }
                Output::Presence { at, who, present } => {
                    self.account.handle_presence(at, &who, present);
                }
                Output::Gone { at, who } => self.account.handle_gone(at, &who),
                Output::Overlap { at, both } => self.account.handle_overlap(at, both),
                Output::State { at, state } => self.account.handle_state(at, state),
                Output::Interim { at } => self.account.handle_interim(at),
                Output::Terms { at, terms, change } => {
                    self.account.handle_terms(at, terms, change);
                }
                Output::Floor {
                    at,
                    who,
                    direction,
                    breached,
                    limited_by,
                } => {
                    let breach = breached.then_some(limited_by);
                    self.account.handle_floor(at, &who, direction, breach);
                }
                Output::Warning { at, warning } => self.account.handle_warning(at, warning),
            }
            self.collect();
        }
        self.witness(self.session.settled());
        self.account.settle(self.session.settled());
    }

    /// Takes the account's new rows while its clock stands at them: the session is ahead of it.
    fn collect(&mut self) {
        while let Some(append) = self.account.poll_output() {
            let clock = self.clock_of(&append.entry);
            self.appends.push_back((append, clock));
        }
    }

    /// What a row says of the clock, and no more: the session may have come further since.
    fn clock_of(&self, entry: &Entry) -> Clock {
        let (accrued, settled) = (entry.totals.accrued_ms, self.account.settled());
        let (used, terms) = (self.facts().carried.used_ms + accrued, self.account.terms());
        let quota = terms.quota_s.map(Millis::from_secs);
        Clock {
            state: entry.state,
            accrued_ms: accrued,
            quota_left_ms: quota.map(|quota| quota.saturating_sub(used)),
            time_left_ms: self.session.time_left_at(terms, settled),
            settled,
        }
    }

    /// Whoever is present is so up to their last packet, and at most up to `at`.
    fn witness(&mut self, at: Mono) {
        let here: Vec<(Identity, Mono)> = self
            .account
            .present()
            .filter_map(|who| {
                self.session
                    .known(who)
                    .map(|known| (who.clone(), known.min(at)))
            })
            .collect();
        for (who, seen) in here {
            self.account.handle_seen(&who, seen);
        }
    }
}

/// The policy as the start entry keeps it; reference and metadata stand beside it.
fn rules(policy: &Policy) -> Option<serde_json::Value> {
    let mut policy = policy.clone();
    policy.external_ref = None;
    policy.metadata = None;
    serde_json::to_value(policy).ok()
}

#[cfg(test)]
mod tests;
