//! One session's account: turns what happens into ledger entries, events and checkpoints, with
//! gap-free numbers.

mod changes;

pub use changes::MAX_ENTRY_BYTES;

use super::entry::{Append, Checkpoint, Entry, EntryKind, EventKind, SessionFacts};
use super::event::event;
use super::ledger::Stages;
use super::meter::Meter;
use crate::base::{
    Consent, ConsentState, Direction, Grants, Identity, LimitedBy, Millis, Mono, Now,
    ParticipantSid, PauseReason, RecordingNote, RecordingStep, Role, SessionState, Terms,
    TermsChange, TrackSource, Verdict, Warning,
};
use changes::Changes;
use std::collections::{BTreeSet, VecDeque};

/// The account of one session. Its inputs come in event time and are final.
#[derive(Debug)]
pub struct Account {
    facts: SessionFacts,
    /// Labels entries with wall-clock time; follows the clock when that is set.
    anchor: Now,
    meter: Meter,
    terms: Terms,
    /// Since it began.
    grants: Grants,
    state: SessionState,
    /// Went live once.
    billed: bool,
    /// Up to here the totals are certain.
    settled: Mono,
    entry_seq: u64,
    event_seq: u64,
    /// Joined and not left, as the world was told.
    announced: BTreeSet<Identity>,
    recordings: Stages,
    told: Changes,
    appends: VecDeque<Append>,
    saved: Option<Checkpoint>,
}

impl Account {
    /// Opens the account: the `start` entry and `session.started` are its first output.
    pub fn new(facts: SessionFacts, terms: Terms, now: Now) -> Account {
        let mut account = Account {
            meter: Meter::new(least(&facts), now),
            facts,
            terms,
            grants: Grants::default(),
            anchor: now,
            state: SessionState::Waiting,
            billed: false,
            settled: now.mono,
            entry_seq: 0,
            event_seq: 0,
            announced: BTreeSet::new(),
            recordings: Stages::default(),
            told: Changes::default(),
            appends: VecDeque::new(),
            saved: None,
        };
        let mut entry = account.entry(EntryKind::Start, "created", now.mono);
        entry.facts = Some(account.facts.clone());
        account.append(entry, &[(EventKind::SessionStarted, None)]);
        account
    }

    /// Both clocks as they are: entries from now on are labelled by them, if the wall clock was set. The
    /// labels of intervals go on from the first reading, so that neighbours touch.
    pub fn handle_clock(&mut self, now: Now) {
        if now.set_since(self.anchor).is_some() {
            self.anchor = now;
        }
    }

    /// A connection was granted: what its media and tracks say from now on is kept, and counts once
    /// the participant is present.
    pub fn handle_expected(&mut self, who: &Identity, sid: &ParticipantSid, role: Option<Role>) {
        self.meter.handle_expected(who, sid, role);
    }

    /// What a preflight measured of a participant whose connection was granted.
    pub fn handle_preflight(&mut self, who: &Identity, verdict: Verdict) {
        self.meter.handle_preflight(who, verdict);
    }

    /// A connection took its place in event time: the newest one names the participant.
    pub fn handle_joined(&mut self, who: &Identity, sid: ParticipantSid, role: Option<Role>) {
        self.meter.handle_joined(who, sid, role);
    }

    /// A participant is present from `at` on, or was until `at`. Whoever comes back before they
    /// were [gone](Account::handle_gone) never left, as far as the world is told.
    pub fn handle_presence(&mut self, at: Mono, who: &Identity, present: bool) {
        self.settle(at);
        self.meter.handle_presence(at, who, present);
        if present && self.announced.insert(who.clone()) {
            self.announce(at, who, true);
        }
    }

    /// An absence that began at `at` is final.
    pub fn handle_gone(&mut self, at: Mono, who: &Identity) {
        self.settle(at);
        if self.announced.remove(who) {
            self.announce(at, who, false);
        }
    }

    /// An expert and a customer are both present from `at` on, or no longer.
    pub fn handle_overlap(&mut self, at: Mono, both: bool) {
        self.settle(at);
        self.meter.handle_overlap(at, both);
    }

    /// The session's state from `at` on.
    pub fn handle_state(&mut self, at: Mono, state: SessionState) {
        self.settle(at);
        if let SessionState::Ended(reason) = state {
            self.dismiss(at);
            self.turn(at, state);
            let mut entry = self.entry(EntryKind::Stop, reason.as_str(), at);
            entry.grants.clone_from(&self.grants);
            self.append(entry, &[(EventKind::SessionEnded, None)]);
            return;
        }
        self.turn(at, state);
        let (cause, kind) = match state {
            SessionState::Paused(reason) => (PauseReason::as_str(reason), EventKind::SessionPaused),
            SessionState::Live if self.billed => ("resumed", EventKind::SessionResumed),
            SessionState::Live => ("live", EventKind::SessionUsage),
            SessionState::Waiting | SessionState::Ended(_) => return,
        };
        self.billed |= state == SessionState::Live;
        let entry = self.entry(EntryKind::Transition, cause, at);
        self.append(entry, &[(kind, None)]);
    }

    /// The terms from now on. A change that is told gets an entry of its own.
    pub fn handle_terms(&mut self, at: Mono, terms: Terms, change: Option<TermsChange>) {
        self.settle(at);
        self.terms = terms;
        if let Some(change) = change {
            let mut entry = self.entry(EntryKind::Transition, change.cause(), at);
            match change {
                TermsChange::Extended => {}
                TermsChange::Granted(grant) => {
                    entry.grants.insert(grant.clone());
                    self.grants.insert(grant);
                }
                TermsChange::Confirmed(who) => entry.confirmed_by = who,
            }
            self.append(entry, &[]);
        }
    }

    /// A warning.
    pub fn handle_warning(&mut self, at: Mono, warning: Warning) {
        self.settle(at);
        let mut entry = self.entry(EntryKind::Transition, warning.cause(), at);
        entry.warning = Some(warning);
        self.append(entry, &[(EventKind::SessionWarning, None)]);
    }

    /// The floor of a participant is breached from `at` on, limited by something, or no longer.
    pub fn handle_floor(
        &mut self,
        at: Mono,
        who: &Identity,
        direction: Direction,
        breach: Option<Option<LimitedBy>>,
    ) {
        self.meter.handle_floor(at, who, direction, breach);
    }

    /// Somebody said whether they may be recorded. Evidence, so it does not wait for its turn in event
    /// time: the entry has the moment at which it was said, and the totals as far as they are certain.
    /// False: the session is over.
    pub fn handle_consent(&mut self, consent: Consent, now: Now) -> bool {
        if matches!(self.state, SessionState::Ended(_)) {
            return false;
        }
        let cause = match consent.state {
            ConsentState::Given => "consent_given",
            ConsentState::Refused => "consent_refused",
            ConsentState::Withdrawn => "consent_withdrawn",
        };
        let mut entry = self.entry(EntryKind::Consent, cause, now.mono);
        entry.consent = Some(consent);
        self.append(entry, &[(EventKind::ConsentChanged, None)]);
        true
    }

    /// A recording made a step; it does not wait either. False: the session is over, or that step may
    /// not come now.
    pub fn handle_recording(&mut self, note: RecordingNote, now: Now) -> bool {
        let over = matches!(self.state, SessionState::Ended(_));
        let mine = *note.id.session() == self.facts.session;
        if over || !mine || !self.recordings.handle_step(&note.id, note.step, false) {
            return false;
        }
        let on = note.step == RecordingStep::Started;
        self.meter.handle_recording(note.id.purpose(), now.mono, on);
        let event = EventKind::of_step(note.step).map(|kind| (kind, None));
        let mut entry = self.entry(EntryKind::Recording, note.step.cause(), now.mono);
        entry.recording = Some(note);
        self.append(entry, event.as_slice());
        true
    }

    /// Time for an interim report.
    pub fn handle_interim(&mut self, at: Mono) {
        self.settle(at);
        let entry = self.entry(EntryKind::Interim, "interim", at);
        self.append(entry, &[(EventKind::SessionUsage, None)]);
    }

    /// A present participant is known to be so up to `at`.
    pub fn handle_seen(&mut self, who: &Identity, at: Mono) {
        self.meter.handle_seen(who, at);
    }

    /// Authenticated media arrived.
    pub fn handle_media(&mut self, who: &Identity, at: Mono) {
        self.meter.handle_media(who, at);
    }

    /// An unmuted track of this source appeared, or one went.
    pub fn handle_published(&mut self, who: &Identity, source: TrackSource, at: Mono, on: bool) {
        self.meter.handle_published(who, source, at, on);
    }

    /// The connection is over at `at`: its media and its tracks end. When the participant left is
    /// another matter: see [`Account::handle_gone`].
    pub fn handle_left(&mut self, who: &Identity, at: Mono) {
        self.meter.handle_left(who, at);
    }

    /// The byte counters (in, out) of one join, from its start.
    pub fn handle_bytes(&mut self, who: &Identity, sid: &ParticipantSid, bytes: (u64, u64)) {
        self.meter.handle_bytes(who, sid, bytes);
    }

    /// Nothing up to `at` can change any more.
    pub fn settle(&mut self, at: Mono) {
        if !matches!(self.state, SessionState::Ended(_)) {
            self.meter.settle(at);
            self.settled = self.settled.max(at);
        }
    }

    /// The next row for the ledger, with its events.
    pub fn poll_output(&mut self) -> Option<Append> {
        self.appends.pop_front()
    }

    /// The running totals, if they differ from the last ones. To be written after every
    /// [`Append`] polled before it. None once the session has ended: its stop entry says it all.
    pub fn checkpoint(&mut self, now: Now) -> Option<Checkpoint> {
        if matches!(self.state, SessionState::Ended(_)) {
            return None;
        }
        let number = self.saved.as_ref().map_or(0, |saved| saved.number);
        let intervals_from = self.told.closed();
        let mut checkpoint = Checkpoint {
            number,
            facts: self.facts.clone(),
            entry_seq: self.entry_seq,
            event_seq: self.event_seq,
            settled_unix_ms: self.anchor.unix_at(self.settled),
            open_ms: now.mono.since(self.settled),
            taken: Some(now.mono),
            state: self.state,
            totals: self.meter.totals_from(intervals_from),
            intervals_from: Some(intervals_from),
            terms: Some(self.terms.clone()),
        };
        let as_before = |saved: &Checkpoint| Checkpoint {
            taken: saved.taken,
            ..checkpoint.clone()
        };
        if self
            .saved
            .as_ref()
            .is_some_and(|saved| *saved == as_before(saved))
        {
            return None;
        }
        checkpoint.number += 1;
        self.saved = Some(checkpoint.clone());
        Some(checkpoint)
    }

    /// The billing clock.
    pub const fn accrued(&self) -> Millis {
        self.meter.accrued()
    }

    /// The terms that hold there.
    pub const fn terms(&self) -> &Terms {
        &self.terms
    }

    /// Up to here the totals are certain.
    pub const fn settled(&self) -> Mono {
        self.settled
    }

    /// The session's facts.
    pub const fn facts(&self) -> &SessionFacts {
        &self.facts
    }

    /// Who joined and has not left, as the world was told.
    pub fn present(&self) -> impl Iterator<Item = &Identity> {
        self.announced.iter()
    }

    fn turn(&mut self, at: Mono, state: SessionState) {
        self.meter.handle_state(at, state);
        self.state = state;
    }

    /// The world learns that someone joined, or left.
    fn announce(&mut self, at: Mono, who: &Identity, joined: bool) {
        self.meter.handle_announced(who, joined);
        let (cause, kind) = if joined {
            ("participant_joined", EventKind::ParticipantJoined)
        } else {
            ("participant_left", EventKind::ParticipantLeft)
        };
        let entry = self.entry(EntryKind::Transition, cause, at);
        self.append(entry, &[(kind, Some(who))]);
    }

    /// Everyone who is still here leaves at the end.
    fn dismiss(&mut self, at: Mono) {
        for who in std::mem::take(&mut self.announced) {
            let last = self
                .meter
                .last_present(&who)
                .map_or(at, |last| last.min(at));
            self.announce(last, &who, false);
        }
    }

    fn entry(&mut self, kind: EntryKind, cause: &str, at: Mono) -> Entry {
        self.entry_seq += 1;
        // The first entry has nothing to leave out, the last one is whole.
        let apart = matches!(kind, EntryKind::Start | EntryKind::Stop);
        let intervals_from = (!apart).then_some(self.told.closed());
        Entry {
            session: self.facts.session.clone(),
            entry_seq: self.entry_seq,
            kind,
            cause: cause.to_owned(),
            at_unix_ms: self.anchor.unix_at(at),
            state: self.state,
            totals: self.meter.totals_from(intervals_from.unwrap_or(0)),
            intervals_from,
            facts: None,
            terms: Some(self.terms.clone()),
            warning: None,
            confirmed_by: None,
            grants: Grants::default(),
            consent: None,
            recording: None,
            estimated: false,
            bound_ms: None,
        }
    }

    fn append(&mut self, mut entry: Entry, kinds: &[(EventKind, Option<&Identity>)]) {
        let about = kinds.iter().find_map(|(_, who)| *who);
        self.told.narrow(&mut entry, about);
        let mut events = Vec::with_capacity(kinds.len());
        for (kind, who) in kinds {
            self.event_seq += 1;
            events.push(event(&self.facts, *kind, self.event_seq, &entry, *who));
        }
        self.appends.push_back(Append { entry, events });
    }
}

/// What is still missing of the least that is billed: the chain counts as one.
fn least(facts: &SessionFacts) -> Millis {
    facts.min_billable_ms.saturating_sub(facts.carried.used_ms)
}

#[cfg(test)]
mod tests;
