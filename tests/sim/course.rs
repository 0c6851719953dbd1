//! The true course of a session: a walk over what happened, with the whole truth known beforehand
//! (whoever is here, is here until their last packet). Shares no code with `src`.

use crate::oracle::{Spans, Track};
use crate::scenario::{Act, Micros, Person, Policy, SEC};
use crate::world::Case;
use beistand::base::{Direction, FloorState, Role};
use std::collections::{BTreeMap, BTreeSet};

const GRACE: Micros = 20 * SEC;
const MINUTE_MS: u64 = 60_000;

/// What a session begins with, or ends with where a crash cuts it off.
#[derive(Clone, Debug)]
pub struct Stand {
    used: u64,
    lasted: u64,
    quota: Option<u64>,
    max: u64,
    paused: bool,
    ask_at: Option<u64>,
    open: Option<Open>,
    /// The grants that have counted.
    given: BTreeSet<u32>,
    /// It continues nothing.
    fresh: bool,
}

/// A prompt that nobody, or not everybody, has answered.
#[derive(Clone, Debug)]
struct Open {
    left: u64,
    overdue: bool,
    by: BTreeSet<(&'static str, Option<Role>)>,
}

impl Stand {
    pub fn fresh(policy: &Policy) -> Stand {
        Stand {
            used: 0,
            lasted: 0,
            quota: policy.quota_s.map(|s| s * 1000),
            max: policy.max_min * MINUTE_MS,
            paused: false,
            ask_at: (policy.after_min > 0).then_some(policy.after_min * MINUTE_MS),
            open: None,
            given: BTreeSet::new(),
            fresh: true,
        }
    }
}

impl Stand {
    /// It is taken over by a session that continues.
    pub fn continued(&mut self) {
        self.fresh = false;
    }
}

/// How it went.
#[derive(Clone, Debug)]
pub struct Course {
    pub live: Spans,
    pub pauses: BTreeMap<&'static str, u64>,
    pub first_live: Option<Micros>,
    /// By a rule of its own, other than that nobody is here.
    pub end: Option<(Micros, &'static str)>,
    pub below: BTreeMap<(&'static str, Direction), Spans>,
    /// Warnings, each at its millisecond.
    pub told: Vec<(u64, &'static str)>,
    pub stand: Stand,
}

/// Something that happens at a moment. The order is that of one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Come,
    Media,
    Command(usize),
    Go,
    /// The grace time of someone who vanished is over, or they left.
    Forget,
}

struct Walk<'a> {
    case: &'a Case,
    tracks: &'a BTreeMap<&'static str, Track>,
    roles: bool,
    course: Course,
    now: Micros,
    state: &'static str,
    here: BTreeSet<&'static str>,
    came: BTreeSet<&'static str>,
    vanished: BTreeSet<&'static str>,
    media: bool,
    breached: BTreeMap<(&'static str, Direction), Micros>,
    below_since: Option<Micros>,
    quota_marks: Vec<u64>,
    max_marks: Vec<u64>,
    quota_told: bool,
    lasted_before: u64,
}

/// Walks up to `until`.
pub fn course(
    case: &Case,
    tracks: &BTreeMap<&'static str, Track>,
    stand: Stand,
    until: Micros,
) -> Course {
    let mut walk = Walk {
        case,
        tracks,
        roles: tracks.values().any(|t| t.role.is_some()),
        now: case.created,
        state: "waiting",
        here: BTreeSet::new(),
        came: BTreeSet::new(),
        vanished: BTreeSet::new(),
        media: case.policy.connected,
        breached: BTreeMap::new(),
        below_since: None,
        quota_marks: Vec::new(),
        max_marks: Vec::new(),
        lasted_before: stand.lasted,
        quota_told: stand.quota.is_some_and(|quota| stand.used >= quota),
        course: Course {
            live: Vec::new(),
            pauses: BTreeMap::new(),
            first_live: None,
            end: None,
            below: BTreeMap::new(),
            told: Vec::new(),
            stand,
        },
    };
    walk.arm_quota();
    let events = walk.events(until);
    for (at, kind, who) in events {
        walk.deadlines(at, false);
        if walk.course.end.is_some() {
            break;
        }
        walk.pass(at);
        walk.happen(kind, who);
        walk.look();
    }
    walk.deadlines(until, true);
    walk.pass(until);
    walk.finish()
}

impl Walk<'_> {
    fn events(&self, until: Micros) -> Vec<(Micros, Kind, &'static str)> {
        let mut events = Vec::new();
        for (who, track) in self.tracks {
            for (index, run) in track.runs.iter().enumerate() {
                events.push((run.0, Kind::Come, *who));
                events.push((run.1, Kind::Go, *who));
                let again = track.runs.get(index + 1).map_or(Micros::MAX, |next| next.0);
                let left = track.leaves.iter().copied();
                let left = left.filter(|at| *at >= run.1 && *at < again).min();
                let forgotten = left.unwrap_or(Micros::MAX).min(run.1.saturating_add(GRACE));
                if forgotten < again {
                    events.push((forgotten, Kind::Forget, *who));
                }
            }
            if let Some(at) = track.first_media {
                events.push((at, Kind::Media, *who));
            }
        }
        for (index, action) in self.case.inputs.iter().enumerate() {
            if !matches!(
                action.act,
                Act::Connect
                    | Act::Packet { .. }
                    | Act::Leave { .. }
                    | Act::Consent { .. }
                    | Act::Record { .. }
            ) {
                events.push((action.at, Kind::Command(index), action.who.name));
            }
        }
        events.retain(|(at, ..)| *at <= until);
        events.sort();
        events
    }

    /// Counts the time up to `to` in the state that it was spent in.
    fn pass(&mut self, to: Micros) {
        let span = to / 1000 - self.now / 1000;
        match self.state {
            "live" => {
                self.course.live.push((self.now, to));
                self.course.stand.used += span;
            }
            "waiting" => {}
            reason => *self.course.pauses.entry(reason).or_default() += span,
        }
        if self.state != "waiting" {
            self.course.stand.lasted += span;
        }
        if self.answering()
            && let Some(open) = &mut self.course.stand.open
        {
            open.left -= span.min(open.left);
        }
        self.now = to;
    }

    fn answering(&self) -> bool {
        self.state == "live" || self.state == "presence_unconfirmed"
    }

    fn after(&self, span: u64) -> Micros {
        ((self.now / 1000 + span) * 1000).max(self.now)
    }

    /// Everything that falls due before `to` (or at it).
    fn deadlines(&mut self, to: Micros, at_it: bool) {
        while self.course.end.is_none() {
            let Some((due, what)) = self.due() else {
                return;
            };
            if due > to || (due == to && !at_it) {
                return;
            }
            self.pass(due);
            self.fall_due(what);
        }
    }

    /// `duration.max_min` runs in microseconds from the first live moment.
    fn max_ends(&self, spare: u64) -> Option<Micros> {
        let live = self.course.first_live?;
        let ms = self.course.stand.max.saturating_sub(self.lasted_before);
        Some((live + ms * 1000).saturating_sub(spare * 1000))
    }

    fn due(&self) -> Option<(Micros, u8)> {
        let stand = &self.course.stand;
        let live = self.state == "live";
        let quota = stand.quota.filter(|_| live);
        let quota_left = quota.map(|quota| quota.saturating_sub(stand.used));
        let end_after = self.case.policy.end_after_ms;
        let window = self
            .case
            .closes()
            .filter(|_| self.state == "waiting" && stand.fresh);
        [
            self.max_ends(0),
            quota_left
                .filter(|_| !self.quota_told)
                .map(|left| self.after(left)),
            stand
                .open
                .as_ref()
                .filter(|_| self.answering())
                .map(|open| self.after(open.left)),
            self.below_since
                .zip(end_after)
                .map(|(since, ms)| since + ms * 1000),
            window,
            self.max_marks.first().and_then(|mark| self.max_ends(*mark)),
            quota_left
                .zip(self.quota_marks.first())
                .map(|(left, mark)| self.after(left.saturating_sub(*mark))),
            stand
                .ask_at
                .filter(|_| live && stand.open.is_none())
                .map(|ask| self.after(ask.saturating_sub(stand.used))),
        ]
        .into_iter()
        .zip(0..)
        .filter_map(|(at, what)| Some((at?.max(self.now), what)))
        .min()
    }

    fn fall_due(&mut self, what: u8) {
        let grace = self.case.policy.grace_min * MINUTE_MS;
        match what {
            0 => self.end("max_duration"),
            1 => self.look(),
            2 => {
                let open = self.course.stand.open.as_mut().unwrap();
                if open.overdue {
                    return self.end("presence_timeout");
                }
                (open.overdue, open.left) = (true, grace);
                self.look();
            }
            3 => self.end("floor_breached"),
            4 => self.end("no_show"),
            5 => {
                self.max_marks.remove(0);
                self.tell("warning_duration");
            }
            6 => {
                self.quota_marks.remove(0);
                self.tell("warning_quota");
            }
            _ => {
                self.course.stand.ask_at = None;
                self.course.stand.open = Some(Open {
                    left: grace,
                    overdue: false,
                    by: BTreeSet::new(),
                });
                self.tell("warning_presence");
            }
        }
    }

    fn end(&mut self, reason: &'static str) {
        self.course.end.get_or_insert((self.now, reason));
        self.state = "ended";
    }

    fn tell(&mut self, what: &'static str) {
        self.course.told.push((self.now / 1000, what));
    }

    fn happen(&mut self, kind: Kind, who: &'static str) {
        match kind {
            Kind::Come => {
                self.here.insert(who);
                self.came.insert(who);
                self.vanished.remove(who);
            }
            Kind::Go => {
                self.here.remove(who);
                self.vanished.insert(who);
                for direction in Direction::BOTH {
                    self.restore(who, direction);
                }
            }
            Kind::Forget => {
                if !self.here.contains(who) {
                    self.vanished.remove(who);
                }
            }
            Kind::Media => {
                let track = &self.tracks[who];
                self.media |= if self.roles {
                    track.role == Some(Role::Expert)
                } else {
                    track.counts
                };
            }
            Kind::Command(index) => self.command(index),
        }
    }

    fn restore(&mut self, who: &'static str, direction: Direction) -> bool {
        let Some(since) = self.breached.remove(&(who, direction)) else {
            return false;
        };
        let spans = self.course.below.entry((who, direction)).or_default();
        spans.push((since, self.now));
        true
    }

    fn command(&mut self, index: usize) {
        let action = self.case.inputs[index];
        let running = self.state != "waiting";
        match action.act {
            Act::Pause => self.course.stand.paused |= running,
            Act::Resume => self.course.stand.paused = false,
            Act::Confirm { app } => self.confirm((!app).then_some(action.who)),
            Act::Extend { quota_s, max_min } => {
                if let Some(quota) = quota_s {
                    self.course.stand.quota = Some(quota * 1000);
                    self.quota_told = false;
                    self.arm_quota();
                }
                if let Some(max) = max_min {
                    self.course.stand.max = max * MINUTE_MS;
                    self.arm_max();
                }
            }
            Act::Grant { number, seconds } => {
                if self.course.stand.given.insert(number) {
                    let quota = self.course.stand.quota.unwrap_or(0);
                    self.course.stand.quota = Some(quota + seconds * 1000);
                    self.quota_told = false;
                    self.arm_quota();
                }
            }
            Act::Floor { direction, state } => {
                let who = action.who.name;
                if !self.here.contains(who) {
                    return;
                }
                if state == FloorState::Breached {
                    let new = !self.breached.contains_key(&(who, direction));
                    self.breached.entry((who, direction)).or_insert(self.now);
                    if new && self.case.policy.notify {
                        self.tell("warning_floor");
                    }
                } else if self.restore(who, direction) && self.case.policy.notify {
                    self.tell("floor_restored");
                }
            }
            Act::Connect
            | Act::Packet { .. }
            | Act::Leave { .. }
            | Act::Consent { .. }
            | Act::Record { .. } => {}
        }
    }

    fn confirm(&mut self, who: Option<Person>) {
        let connected = self.case.policy.connected;
        let Some(open) = &mut self.course.stand.open else {
            return;
        };
        if let Some(who) = who {
            let side = matches!(who.role, Some(Role::Expert | Role::Customer));
            let counts = match (connected, self.roles) {
                (true, _) => attends(who.role, who.counts),
                (false, true) => side,
                (false, false) => who.counts,
            };
            if !counts || !self.came.contains(who.name) {
                return;
            }
            open.by.insert((who.name, who.role));
            let said = |role| open.by.iter().any(|(_, of)| *of == Some(role));
            let all = if !self.case.policy.each || connected {
                true
            } else if self.roles {
                said(Role::Expert) && said(Role::Customer)
            } else {
                open.by.len() > 1
            };
            if !all {
                return;
            }
        }
        let stand = &mut self.course.stand;
        stand.open = None;
        let repeat = self.case.policy.repeat_min * MINUTE_MS;
        stand.ask_at = (repeat > 0).then_some(stand.used + repeat);
    }

    fn arm_quota(&mut self) {
        let stand = &self.course.stand;
        let left = stand
            .quota
            .map_or(0, |quota| quota.saturating_sub(stand.used));
        self.quota_marks = [300_000, 60_000]
            .into_iter()
            .filter(|m| *m < left)
            .collect();
    }

    fn arm_max(&mut self) {
        let left = self
            .max_ends(0)
            .map_or(0, |ends| (ends / 1000).saturating_sub(self.now / 1000));
        let marks = [600_000, 300_000, 60_000];
        self.max_marks = marks.into_iter().filter(|mark| *mark < left).collect();
    }

    fn count(&self, of: impl Fn(&'static str, &Track) -> bool) -> usize {
        let here = self.here.iter();
        here.filter(|who| of(who, &self.tracks[*who])).count()
    }

    /// Expert, customer, and whether someone of a missing side may yet come back.
    fn sides(&self) -> (bool, bool, bool) {
        let missing =
            |of: &dyn Fn(&Track) -> bool| self.vanished.iter().any(|who| of(&self.tracks[who]));
        if self.case.policy.connected {
            let any = self.count(|_, t| attends(t.role, t.counts)) > 0;
            let back = !any && missing(&|t| attends(t.role, t.counts));
            return (any, any, back);
        }
        if self.roles {
            let side = |role| self.count(|_, t| t.role == Some(role)) > 0;
            let (expert, customer) = (side(Role::Expert), side(Role::Customer));
            let back = missing(&|t| {
                (t.role == Some(Role::Expert) && !expert)
                    || (t.role == Some(Role::Customer) && !customer)
            });
            return (expert, customer, back);
        }
        let counted = self.tracks.iter().filter(|(_, t)| t.counts);
        let first = counted
            .min_by_key(|(_, t)| t.connects[0])
            .map(|(who, _)| *who);
        let here = self.count(|_, t| t.counts);
        let first = first.is_some_and(|who| self.here.contains(who));
        let (expert, customer) = (here > 1 || first, here > 1 || (here == 1 && !first));
        (
            expert,
            customer,
            !(expert && customer) && missing(&|t| t.counts),
        )
    }

    fn is_below(&self) -> bool {
        let good = |who: &'static str| {
            Direction::BOTH
                .iter()
                .all(|direction| !self.breached.contains_key(&(who, *direction)))
        };
        if self.case.policy.connected {
            self.count(|who, t| attends(t.role, t.counts) && good(who)) == 0
        } else if self.roles {
            let side = |role| self.count(|who, t| t.role == Some(role) && good(who)) > 0;
            !(side(Role::Expert) && side(Role::Customer))
        } else {
            self.count(|who, t| t.counts && good(who)) < 2
        }
    }

    /// What state follows from all that.
    fn look(&mut self) {
        let (expert, customer, back) = self.sides();
        if self.state == "waiting" {
            if !(expert && customer && self.media) {
                return;
            }
            self.state = "live";
            if self.course.first_live.is_none() {
                self.course.first_live = Some(self.now);
                self.arm_max();
            }
        }
        let below = expert && customer && self.is_below();
        self.below_since = below.then(|| self.below_since.unwrap_or(self.now));
        let stand = &self.course.stand;
        let exhausted = stand.quota.is_some_and(|quota| stand.used >= quota);
        let overdue = stand.open.as_ref().is_some_and(|open| open.overdue);
        let paused = stand.paused;
        if exhausted && self.case.policy.on_exhausted == "continue" && !self.quota_told {
            self.quota_told = true;
            self.tell("warning_quota");
        }
        if exhausted && self.case.policy.on_exhausted == "end" {
            return self.end("quota_exhausted");
        }
        self.state = if paused {
            "by_request"
        } else if exhausted && self.case.policy.on_exhausted == "pause_billing" {
            "quota_exhausted"
        } else if overdue {
            "presence_unconfirmed"
        } else if back {
            "reconnecting"
        } else if !expert {
            "expert_away"
        } else if !customer {
            "customer_away"
        } else if below && self.case.policy.pause_below {
            "below_floor"
        } else {
            "live"
        };
    }

    fn finish(mut self) -> Course {
        for (who, direction) in self.breached.clone().into_keys() {
            self.restore(who, direction);
        }
        self.course
    }
}

/// Takes part, where the basis is `connected`.
fn attends(role: Option<Role>, counts: bool) -> bool {
    match role {
        Some(Role::Observer) => false,
        Some(Role::Expert | Role::Customer | Role::Guest) => true,
        None => counts,
    }
}
