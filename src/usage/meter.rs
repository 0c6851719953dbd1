//! The meters of one session: milliseconds of a monotonic clock, added up and never rounded.

use super::entry::{Interval, ParticipantTotals, Totals};
use crate::base::{
    Direction, Identity, LimitedBy, Millis, Mono, Now, ParticipantSid, PauseReason, Purpose, Role,
    SessionState, TrackSource, Verdict,
};
use std::collections::BTreeMap;

/// Media packets at most this far apart are one stretch of media (contract: "in the last 2 s").
pub const MEDIA: Millis = Millis::from_secs(2);

/// Adds up the time of one session. It runs in event time: whatever it is told is final, and
/// nothing is counted beyond the moment it is told of.
#[derive(Debug)]
pub struct Meter {
    /// Labels instants with wall-clock time; one pair for the whole session.
    anchor: Now,
    min_billable: Millis,
    state: SessionState,
    both: bool,
    /// First presence of anyone; no session time is counted before it.
    first: Option<Mono>,
    /// Everything up to here is counted.
    clock: Mono,
    accrued: Millis,
    waiting: Millis,
    overlap: Millis,
    paused: BTreeMap<PauseReason, Millis>,
    recorded: BTreeMap<Purpose, Spells>,
    stretches: Vec<Stretch>,
    participants: BTreeMap<Identity, Tally>,
}

/// A stretch of one state.
#[derive(Clone, Copy, Debug)]
struct Stretch {
    start: Mono,
    end: Mono,
    state: SessionState,
}

/// What is counted of one identity.
#[derive(Debug)]
struct Tally {
    sid: ParticipantSid,
    role: Option<Role>,
    preflight: Option<Verdict>,
    /// Between joined and left, as the world is told.
    announced: bool,
    /// Was present at least once.
    seen: bool,
    present: bool,
    /// Everything up to here is counted.
    clock: Mono,
    connected: Millis,
    gap: Millis,
    media: Millis,
    /// Stretches of media that are not fully counted yet: counted up to, and last packet.
    stretches: Vec<(Mono, Mono)>,
    /// The newest stretch may go on.
    flowing: bool,
    published: BTreeMap<TrackSource, Spells>,
    /// Breaches of the floor, by direction and what limits it.
    below: BTreeMap<(Direction, Option<LimitedBy>), Spells>,
    /// Bytes (in, out) of each join; the counters of a join start at zero.
    bytes: BTreeMap<ParticipantSid, (u64, u64)>,
}

/// Tracks of one source; a breach, or a recording, counts as one track.
#[derive(Debug, Default)]
struct Spells {
    counted: Millis,
    tracks: u32,
    /// Stretches with at least one track on that are not fully counted yet.
    open: Vec<(Mono, Option<Mono>)>,
}

impl Meter {
    /// A meter that has counted nothing. Sessions with less than `min_billable` report zero.
    pub fn new(min_billable: Millis, now: Now) -> Meter {
        Meter {
            anchor: now,
            min_billable,
            state: SessionState::Waiting,
            both: false,
            first: None,
            clock: now.mono,
            accrued: Millis::ZERO,
            waiting: Millis::ZERO,
            overlap: Millis::ZERO,
            paused: BTreeMap::new(),
            recorded: BTreeMap::new(),
            stretches: Vec::new(),
            participants: BTreeMap::new(),
        }
    }

    /// A connection was granted: what is heard of it from now on is kept, and counts once the
    /// participant is present.
    pub fn handle_expected(&mut self, who: &Identity, sid: &ParticipantSid, role: Option<Role>) {
        let clock = self.clock;
        let new = || Tally::new(sid.clone(), role, clock);
        self.participants.entry(who.clone()).or_insert_with(new);
    }

    /// What a preflight measured of a participant: the newest is kept.
    pub fn handle_preflight(&mut self, who: &Identity, verdict: Verdict) {
        if let Some(tally) = self.participants.get_mut(who) {
            tally.preflight = Some(verdict);
        }
    }

    /// A connection took its place: the newest one names the participant.
    pub fn handle_joined(&mut self, who: &Identity, sid: ParticipantSid, role: Option<Role>) {
        self.handle_expected(who, &sid, role);
        if let Some(tally) = self.participants.get_mut(who) {
            tally.sid = sid;
            tally.role = role;
        }
    }

    /// The state from `at` on.
    pub fn handle_state(&mut self, at: Mono, state: SessionState) {
        self.settle(at);
        self.state = state;
    }

    /// An expert and a customer are both present from `at` on, or no longer.
    pub fn handle_overlap(&mut self, at: Mono, both: bool) {
        self.settle(at);
        self.both = both;
    }

    /// A participant is present from `at` on, or was until `at`.
    pub fn handle_presence(&mut self, at: Mono, who: &Identity, present: bool) {
        if present && self.first.is_none() {
            self.first = Some(at);
            self.clock = at;
        }
        if let Some(tally) = self.participants.get_mut(who) {
            tally.on_presence(at, present);
        }
    }

    /// The world was told that a participant joined, or left.
    pub fn handle_announced(&mut self, who: &Identity, joined: bool) {
        if let Some(tally) = self.participants.get_mut(who) {
            tally.announced = joined;
        }
    }

    /// A present participant is known to be so up to `at`.
    pub fn handle_seen(&mut self, who: &Identity, at: Mono) {
        if let Some(tally) = self.participants.get_mut(who) {
            tally.advance(at);
        }
    }

    /// Authenticated media arrived. Counted as far as they are known to be present.
    pub fn handle_media(&mut self, who: &Identity, at: Mono) {
        if let Some(tally) = self.participants.get_mut(who) {
            match tally.stretches.last_mut() {
                Some((_, last)) if tally.flowing && at <= *last + MEDIA => *last = at.max(*last),
                Some(_) | None => tally.stretches.push((at, at)),
            }
            tally.flowing = true;
        }
    }

    /// An unmuted track of this source appeared, or one went.
    pub fn handle_published(&mut self, who: &Identity, source: TrackSource, at: Mono, on: bool) {
        if let Some(tally) = self.participants.get_mut(who) {
            tally.published.entry(source).or_default().switch(at, on);
        }
    }

    /// The floor of a participant is breached from `at` on, limited by something, or no longer.
    pub fn handle_floor(
        &mut self,
        at: Mono,
        who: &Identity,
        direction: Direction,
        breach: Option<Option<LimitedBy>>,
    ) {
        let Some(tally) = self.participants.get_mut(who) else {
            return;
        };
        for ((of, _), below) in &mut tally.below {
            if *of == direction {
                below.clear(at);
            }
        }
        if let Some(by) = breach {
            let below = tally.below.entry((direction, by)).or_default();
            below.switch(at, true);
        }
    }

    /// Somebody is recorded for this purpose from `at` on, or nobody any more. That moment may be ahead
    /// of what is counted: it counts when its turn has come.
    pub fn handle_recording(&mut self, purpose: Purpose, at: Mono, on: bool) {
        let recorded = self.recorded.entry(purpose).or_default();
        recorded.clear(at);
        if on {
            recorded.switch(at, true);
        }
    }

    /// The connection is over at `at`: media of the next one is a stretch of its own, and its
    /// tracks are gone.
    pub fn handle_left(&mut self, who: &Identity, at: Mono) {
        if let Some(tally) = self.participants.get_mut(who) {
            tally.flowing = false;
            tally
                .published
                .values_mut()
                .for_each(|published| published.clear(at));
        }
    }

    /// The byte counters of one join, from its start.
    pub fn handle_bytes(&mut self, who: &Identity, sid: &ParticipantSid, bytes: (u64, u64)) {
        if let Some(tally) = self.participants.get_mut(who) {
            tally.bytes.insert(sid.clone(), bytes);
        }
    }

    /// Counts everything up to `at`; nothing where that is in the past.
    ///
    /// # Panics
    /// The sums do not add up to the time since the first join: a defect of ours.
    pub fn settle(&mut self, at: Mono) {
        if self.first.is_none() || at <= self.clock || matches!(self.state, SessionState::Ended(_))
        {
            return;
        }
        let span = at.since(self.clock);
        match self.state {
            SessionState::Waiting => self.waiting += span,
            SessionState::Live => self.accrued += span,
            SessionState::Paused(reason) => *self.paused.entry(reason).or_default() += span,
            SessionState::Ended(_) => {}
        }
        if self.both {
            self.overlap += span;
        }
        for recorded in self.recorded.values_mut() {
            recorded.count(self.clock, at);
        }
        self.extend(at);
        self.clock = at;
        self.assert_conservation();
    }

    /// Everything counted so far.
    pub fn totals(&self) -> Totals {
        self.totals_from(0)
    }

    /// The same without so many of the first intervals.
    pub fn totals_from(&self, interval: usize) -> Totals {
        let billable = if self.accrued < self.min_billable {
            Millis::ZERO
        } else {
            self.accrued
        };
        Totals {
            accrued_ms: self.accrued,
            billable_ms: billable,
            overlap_ms: self.overlap,
            waiting_ms: self.waiting,
            paused_ms: self.paused.clone(),
            recording_ms: self
                .recorded
                .iter()
                .filter(|(_, recorded)| recorded.counted > Millis::ZERO)
                .map(|(purpose, recorded)| (*purpose, recorded.counted))
                .collect(),
            intervals: self
                .stretches
                .iter()
                .skip(interval)
                .map(|stretch| self.label(*stretch))
                .collect(),
            participants: self
                .participants
                .iter()
                .filter(|(_, tally)| tally.seen)
                .map(|(who, tally)| (who.clone(), tally.totals()))
                .collect(),
        }
    }

    /// The billing clock.
    pub const fn accrued(&self) -> Millis {
        self.accrued
    }

    /// Up to when a participant was present, as far as is counted.
    pub fn last_present(&self, who: &Identity) -> Option<Mono> {
        self.participants
            .get(who)
            .filter(|tally| tally.seen)
            .map(|tally| tally.clock)
    }

    /// Lengthens the newest stretch, or begins the next one.
    fn extend(&mut self, end: Mono) {
        let start = self.clock;
        if end.since(start) == Millis::ZERO {
            return;
        }
        match self.stretches.last_mut() {
            Some(last) if last.state == self.state => last.end = end,
            Some(_) | None => self.stretches.push(Stretch {
                start,
                end,
                state: self.state,
            }),
        }
    }

    fn label(&self, stretch: Stretch) -> Interval {
        Interval {
            start_unix_ms: self.anchor.unix_at(stretch.start),
            end_unix_ms: self.anchor.unix_at(stretch.end),
            state: stretch.state,
        }
    }

    fn assert_conservation(&self) {
        let Some(first) = self.first else { return };
        let paused: Millis = self.paused.values().copied().sum();
        let since_first = self.clock.since(first);
        assert!(
            self.accrued + paused + self.waiting == since_first,
            "time is lost: {} + {paused} + {} is not {since_first}",
            self.accrued,
            self.waiting,
        );
        let listed: Millis = self.stretches.iter().map(|s| s.end.since(s.start)).sum();
        assert!(
            listed == since_first,
            "intervals of {listed} in {since_first}"
        );
        assert!(
            self.overlap <= since_first,
            "overlap of {} in {since_first}",
            self.overlap
        );
        for (purpose, recorded) in &self.recorded {
            let counted = recorded.counted;
            assert!(
                counted <= since_first,
                "{counted} recorded for {purpose} in {since_first}"
            );
        }
    }
}

impl Tally {
    fn new(sid: ParticipantSid, role: Option<Role>, clock: Mono) -> Tally {
        Tally {
            sid,
            role,
            preflight: None,
            announced: false,
            seen: false,
            present: false,
            clock,
            connected: Millis::ZERO,
            gap: Millis::ZERO,
            media: Millis::ZERO,
            stretches: Vec::new(),
            flowing: false,
            published: BTreeMap::new(),
            below: BTreeMap::new(),
            bytes: BTreeMap::new(),
        }
    }

    fn on_presence(&mut self, at: Mono, present: bool) {
        self.advance(at);
        if present && !self.present {
            if self.seen {
                self.gap += at.since(self.clock);
            }
            self.seen = true;
            self.clock = at;
            for (counted, _) in &mut self.stretches {
                *counted = at.max(*counted);
            }
        }
        if !present {
            self.below.values_mut().for_each(|below| below.clear(at));
        }
        self.present = present;
    }

    /// Counts presence up to `at`.
    fn advance(&mut self, at: Mono) {
        if !self.present || at <= self.clock {
            return;
        }
        self.connected += at.since(self.clock);
        for spells in self.published.values_mut().chain(self.below.values_mut()) {
            spells.count(self.clock, at);
        }
        self.clock = at;
        self.count_media(at);
    }

    fn count_media(&mut self, to: Mono) {
        for (counted, last) in &mut self.stretches {
            let end = to.min(*last);
            self.media += end.since(*counted);
            *counted = end.max(*counted);
        }
        // The newest stretch may go on.
        let keep = self.stretches.len().saturating_sub(1);
        let mut index = 0;
        self.stretches.retain(|(_, last)| {
            index += 1;
            index > keep || *last > to
        });
    }

    fn totals(&self) -> ParticipantTotals {
        let published = self
            .published
            .iter()
            .filter(|(_, p)| p.counted > Millis::ZERO);
        ParticipantTotals {
            sid: self.sid.clone(),
            role: self.role,
            preflight: self.preflight,
            present: self.announced,
            connected_ms: self.connected,
            media_ms: self.media,
            reconnect_gap_ms: self.gap,
            published_ms: published.map(|(source, p)| (*source, p.counted)).collect(),
            below_floor_up_ms: self.below(Direction::Up),
            below_floor_down_ms: self.below(Direction::Down),
            limited_ms: self.limited(),
            in_bytes: self.bytes.values().map(|bytes| bytes.0).sum(),
            out_bytes: self.bytes.values().map(|bytes| bytes.1).sum(),
        }
    }
}

impl Tally {
    fn below(&self, direction: Direction) -> Millis {
        let of = self.below.iter().filter(|((of, _), _)| *of == direction);
        of.map(|(_, below)| below.counted).sum()
    }

    fn limited(&self) -> BTreeMap<Direction, BTreeMap<LimitedBy, Millis>> {
        let mut limited: BTreeMap<_, BTreeMap<_, _>> = BTreeMap::new();
        for ((direction, by), below) in &self.below {
            if let Some(by) = by
                && below.counted > Millis::ZERO
            {
                limited
                    .entry(*direction)
                    .or_default()
                    .insert(*by, below.counted);
            }
        }
        limited
    }
}

impl Spells {
    fn switch(&mut self, at: Mono, on: bool) {
        match (on, self.tracks) {
            (true, 0) => self.open.push((at, None)),
            (false, 1) => {
                if let Some(last) = self.open.last_mut() {
                    last.1 = Some(at);
                }
            }
            (true | false, _) => {}
        }
        self.tracks = if on {
            self.tracks + 1
        } else {
            self.tracks.saturating_sub(1)
        };
    }

    /// All tracks are gone.
    fn clear(&mut self, at: Mono) {
        if self.tracks > 0 {
            self.tracks = 1;
            self.switch(at, false);
        }
    }

    /// Counts what of the open stretches lies between `from` and `to`.
    fn count(&mut self, from: Mono, to: Mono) {
        for (on, off) in &self.open {
            let end = off.map_or(to, |off| off.min(to));
            self.counted += end.since(from.max(*on));
        }
        self.open.retain(|(_, off)| off.is_none_or(|off| off > to));
    }
}

#[cfg(test)]
mod tests;
