//! The node, its store and its clock: runs a scenario through `node::billing`, crashes it, and keeps
//! what was on disk.

use crate::disk::{Disk, Store, Write};
use crate::grants::{Apps, Asked, key_of};
use crate::kinds;
use crate::scenario::{Act, Action, Ending, Life, MS, Micros, Policy, SEC, Scenario, Trouble};
use crate::shown::Shown;
use beistand::base::{
    EndReason, FloorReport, Identity, Inherited, LimitedBy, Millis, Mono, Now, Rng, RoomKey,
    SessionId, SessionState, Unix,
};
use beistand::node::billing::{Billing, Join, Opening};
use beistand::usage::ledger::{Death, Remains};
use beistand::usage::{Entry, Event, SessionFacts, ledger};
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// Wall-clock time at the start of the world.
pub const EPOCH: u64 = 1_800_000_000_000;
/// A rejoin within this time continues what a stop or a crash of the node cut off.
const CONTINUES_WITHIN: Micros = 600 * SEC;
/// Checkpoints are at most this far apart.
const CHECKPOINT: Micros = 500 * MS;
/// For how long a mark that the process lives holds, where the machine is in time.
const ALIVE: Millis = Millis(150);

/// How a session came to its end, as the world knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// By its own rules.
    Own,
    /// The API ended it.
    Api(Micros),
    /// The node crashed.
    Crash(Micros),
    /// The same while its disk was in trouble, or not long after.
    Lost(Micros),
}

/// One session: what it was fed and what is on disk of it at the end.
#[derive(Clone, Debug)]
pub struct Case {
    pub id: String,
    /// The first session of its chain.
    pub chain: String,
    pub policy: Policy,
    pub created: Micros,
    pub inputs: Vec<Action>,
    pub fate: Fate,
    /// The wall clock at the world's zero, as this session's first reading has it.
    pub label_zero: u64,
    pub continues: Option<String>,
    /// The session that it continues, as it stood on disk then.
    pub before: Option<Box<Case>>,
    pub entries: Vec<Entry>,
    /// The steps of its recordings after its stop entry.
    pub after: Vec<Entry>,
    /// Every event as often as it was delivered.
    pub deliveries: Vec<Event>,
    /// What the app was told of its grants: what they came to; nothing, where one was refused wrongly.
    pub answers: Vec<(u32, Option<u64>)>,
    /// What was shown and told of its clock, as it ran.
    pub shown: Shown,
    /// What happened to it, of what the generator has to make.
    pub kinds: BTreeSet<String>,
}

/// What the wall clock is set by.
const JUMP_MS: u64 = 3_600_000;

impl Case {
    /// The moment of an entry, in milliseconds of the world's clock, none of which is an hour long: the
    /// label is that of the wall clock, which may have been set since the session began.
    pub fn moment(&self, label: Unix) -> u64 {
        (label.0 + JUMP_MS).wrapping_sub(self.label_zero) % JUMP_MS
    }

    /// When it was cut off, if it was.
    fn ended(&self) -> Micros {
        match self.fate {
            Fate::Own => Micros::MAX,
            Fate::Api(at) | Fate::Crash(at) | Fate::Lost(at) => at,
        }
    }

    /// When the window closes, on the world's clock; not before the session was opened.
    pub fn closes(&self) -> Option<Micros> {
        let closes = (EPOCH / 1000 + self.policy.closes_s?) * 1000;
        let opened = self.label_zero + self.created / MS;
        Some(self.created + closes.saturating_sub(opened) * MS)
    }
}

pub struct World {
    scenario: Scenario,
    rng: Rng,
    /// When apps top up at the last moment. Drawn apart.
    late: Rng,
    apps: Apps,
    disk: Disk,
    sessions: BTreeMap<SessionId, Case>,
    count: u64,
}

/// A running process.
struct Process {
    boot: Micros,
    store: Store,
    room: Option<(SessionId, Billing)>,
    next_checkpoint: Micros,
    /// The session that a crash cut off; the next one continues it.
    lost: Option<SessionId>,
    joins: u64,
}

/// Runs the scenario of a seed; answers its sessions.
pub fn run(scenario: Scenario, seed: u64) -> Vec<Case> {
    let mut world = World {
        scenario,
        rng: Rng::from_seed(seed ^ 0x5eed),
        late: Rng::from_seed(seed ^ 0x1a7e),
        apps: Apps::new(Rng::from_seed(seed ^ 0x6a28)),
        disk: Disk::default(),
        sessions: BTreeMap::new(),
        count: 0,
    };
    let lives = world.scenario.lives.clone();
    let (mut lost, mut before) = (None, None);
    for life in &lives {
        world.fold_orphans(before);
        lost = world.live(life, lost);
        before = Some(life);
    }
    world.fold_orphans(before);
    world.collect()
}

impl World {
    fn live(&mut self, life: &Life, lost: Option<SessionId>) -> Option<SessionId> {
        let mut process = Process {
            boot: life.boot,
            store: Store::default(),
            room: None,
            next_checkpoint: life.boot + self.rng.below(CHECKPOINT),
            lost,
            joins: 0,
        };
        let mut actions: VecDeque<Action> = life.actions.iter().copied().collect();
        while let Some(now) = self.next_moment(&process, &actions, life) {
            self.feed(&mut process, &mut actions, (now, life));
            self.ask_again(&mut process, (now, life));
            if life.tops_up_late || life.grants_late {
                self.top_up_late(&mut process, (now, life));
            }
            self.tick(&mut process, (now, life));
        }
        self.finish(process, life)
    }

    /// When the worker runs next: a packet, a timer, the store; sometimes it was busy meanwhile.
    fn next_moment(
        &mut self,
        process: &Process,
        actions: &VecDeque<Action>,
        life: &Life,
    ) -> Option<Micros> {
        let ends = life.ending != Ending::Quiet;
        let action = actions.front().map(|action| action.at);
        let timer = process
            .room
            .as_ref()
            .and_then(|(_, billing)| billing.poll_timeout());
        let timer = timer.map(|(at, _)| process.boot + at.micros());
        let checkpoint = process.room.is_some().then_some(process.next_checkpoint);
        let busy = [action, timer, checkpoint, process.store.wake()];
        let mut now = busy.into_iter().flatten().min()?;
        if self.rng.below(10) == 0 {
            now += self.rng.below(50 * MS);
        }
        // Joins and leaves have the time of their receipt: the worker is never late for them.
        let door = actions
            .iter()
            .find(|a| !matches!(a.act, Act::Packet { .. }))
            .map(|a| a.at);
        now = now.min(door.unwrap_or(Micros::MAX));
        (!ends || now < life.end).then_some(now)
    }

    fn feed(
        &mut self,
        process: &mut Process,
        actions: &mut VecDeque<Action>,
        (now, life): (Micros, &Life),
    ) {
        while actions.front().is_some_and(|action| action.at <= now) {
            let Some(action) = actions.pop_front() else {
                return;
            };
            // No session starts while the disk is full.
            let full = life.trouble(now) == Some(Trouble::Full);
            if action.act == Act::Connect && process.room.is_none() && !full {
                self.open(process, now);
            }
            self.input(process, action, (now, life));
        }
    }

    fn input(&mut self, process: &mut Process, action: Action, (now, life): (Micros, &Life)) {
        let Some((session, billing)) = &mut process.room else {
            return;
        };
        let case = self.sessions.get_mut(session).unwrap();
        process.joins += 1;
        let clock = clock(process.boot, now);
        let before = billing.clock();
        let settled = process.boot + before.settled.micros();
        if let Act::Grant { number, seconds } = action.act {
            let entries = self.disk.entries.get(session);
            let entries = entries.map_or(&[][..], Vec::as_slice);
            let asked = Asked {
                entries,
                boot: process.boot,
                number,
                seconds,
            };
            if self.apps.answer_from_record(case, asked) {
                return;
            }
        }
        if put(billing, &action, (process.boot, process.joins), clock) {
            let kinds = kinds::of_input(case, &action, (before, clock, life.trouble(now)));
            case.kinds.extend(kinds);
            take(&mut case.inputs, action, settled);
        } else if let Act::Grant { number, .. } = action.act {
            self.apps.refused(case, billing, number);
        }
    }

    /// The app asks the session that goes on for what it had no answer to.
    fn ask_again(&mut self, process: &mut Process, (now, life): (Micros, &Life)) {
        let Some((session, _)) = &process.room else {
            return;
        };
        let case = &self.sessions[session];
        let Some(first) = case.inputs.first() else {
            return;
        };
        let who = first.who;
        if let Some(act) = self.apps.again(&case.chain, process.boot) {
            self.input(process, Action { at: now, who, act }, (now, life));
        }
    }

    /// The app tops up when next to nothing is left, or nothing, and that is not announced.
    fn top_up_late(&mut self, process: &mut Process, (now, life): (Micros, &Life)) {
        let Some((session, billing)) = &process.room else {
            return;
        };
        let clock = billing.clock();
        let open = self::clock(process.boot, now).mono.since(clock.settled);
        let left = clock.quota_left_ms.filter(|left| *left > Millis::ZERO);
        let live = clock.state == SessionState::Live;
        let Some(left) = left.filter(|left| live && *left <= kinds::NEARLY) else {
            return;
        };
        let who = self.sessions[session].inputs[0].who;
        if life.grants_late {
            if let Some(act) = self.apps.late(left <= open) {
                self.input(process, Action { at: now, who, act }, (now, life));
            }
            return;
        }
        // What is used up and not announced is the rarer moment.
        if self.late.below(if left <= open { 3 } else { 30 }) > 0 {
            return;
        }
        let used = (billing.facts().carried.used_ms + clock.accrued_ms).0;
        let quota_s = Some(used / 1000 + 6 + self.late.below(40));
        let act = Act::Extend {
            quota_s,
            max_min: None,
        };
        self.input(process, Action { at: now, who, act }, (now, life));
    }

    fn open(&mut self, process: &mut Process, now: Micros) {
        self.count += 1;
        let session = SessionId::from(format!("SE_sim{:09}", self.count));
        let lost = process.lost.take();
        let ended = |lost: &SessionId| self.sessions[lost].ended();
        let continues = lost.filter(|lost| now <= ended(lost).saturating_add(CONTINUES_WITHIN));
        let mut kinds = BTreeSet::new();
        let skipped = |lost: &SessionId| ended(lost) + kinds::LONGEST_DOWN < process.boot;
        if continues.as_ref().is_some_and(skipped) {
            kinds.insert("inherited over a life without anyone".to_owned());
        }
        let facts = SessionFacts {
            continues: continues.clone(),
            ..SessionFacts::new(
                session.clone(),
                "ND_sim000000001".into(),
                RoomKey::of_keys("room"),
                "RM_sim000000001".into(),
                "default".into(),
            )
        };
        let policy = serde_json::from_str(&self.scenario.policy.json()).unwrap();
        let before = continues.as_ref().map(|session| {
            let entries = self.disk.entries[session].clone();
            let case = self.sessions[session].clone();
            Box::new(Case { entries, ..case })
        });
        let record = before
            .as_ref()
            .map(|case| ledger::fold(&case.entries).unwrap());
        let opening = Opening {
            facts,
            policy,
            inherited: record.map_or_else(Inherited::default, |record| record.inherited()),
        };
        let clock = clock(process.boot, now);
        let billing = Billing::new(opening, clock);
        process.room = Some((session.clone(), billing));
        process.next_checkpoint = process.next_checkpoint.max(now);
        let chain = before.as_ref().map(|case| case.chain.clone());
        let case = Case {
            id: session.to_string(),
            chain: chain.unwrap_or_else(|| session.to_string()),
            policy: self.scenario.policy,
            created: now,
            inputs: Vec::new(),
            fate: Fate::Own,
            label_zero: clock.unix.0 - now / MS,
            continues: continues.map(|id| id.to_string()),
            before,
            entries: Vec::new(),
            after: Vec::new(),
            deliveries: Vec::new(),
            answers: Vec::new(),
            shown: Shown::default(),
            kinds,
        };
        self.sessions.insert(session, case);
    }

    /// The rest of a worker's round: timers, outputs, checkpoint, store.
    fn tick(&mut self, process: &mut Process, (now, life): (Micros, &Life)) {
        let mut news = process.store.take_news(now);
        if let Some((session, billing)) = &mut process.room {
            let clock = clock(process.boot, now);
            let case = self.sessions.get_mut(session).unwrap();
            let entries = self.disk.entries.get(session);
            let entries = entries.map_or(&[][..], Vec::as_slice);
            self.apps.hear(case, entries, process.boot);
            if let Some(stored) = news.remove(session) {
                billing.handle_committed(stored);
            }
            billing.handle_timeout(clock);
            while let Some(append) = billing.poll_output() {
                process
                    .store
                    .push(Write::Append(Box::new(append)), now, &mut self.rng);
            }
            if process.next_checkpoint <= now {
                if let Some(checkpoint) = billing.checkpoint(clock) {
                    process
                        .store
                        .push(Write::Checkpoint(Box::new(checkpoint)), now, &mut self.rng);
                }
                process.next_checkpoint += CHECKPOINT;
                process.next_checkpoint = process.next_checkpoint.max(now);
            }
            let claims = self.disk.claims.get(session).map_or(&[][..], Vec::as_slice);
            case.shown.look(billing, claims, (now, clock.mono));
            let trouble = life.trouble(now).map(kinds::of_trouble);
            case.kinds.extend(trouble.map(str::to_owned));
            if matches!(billing.clock().state, SessionState::Ended(_)) {
                process.room = None;
            }
        }
        let disk = (&mut self.disk, &mut self.rng);
        process.store.step(now, life.trouble(now), disk);
    }

    fn finish(&mut self, mut process: Process, life: &Life) -> Option<SessionId> {
        let session = process.room.as_ref().map(|(session, _)| session.clone());
        if let Some(case) = session.as_ref().and_then(|id| self.sessions.get_mut(id)) {
            case.kinds.extend(kinds::of_ending(life));
        }
        match (life.ending, process.room.take()) {
            (Ending::Crash, _) => {
                self.cut_off(process.store, life);
                let known = session.filter(|session| self.disk.entries.contains_key(session));
                // Nobody came in this life: what the one before left can still be continued.
                return known.or(process.lost);
            }
            (Ending::Api, Some((session, mut billing))) => {
                let case = self.sessions.get_mut(&session)?;
                case.fate = Fate::Api(life.end);
                let clock = clock(process.boot, life.end);
                billing.handle_end(EndReason::EndedByApi, clock);
                while let Some(append) = billing.poll_output() {
                    process
                        .store
                        .push(Write::Append(Box::new(append)), life.end, &mut self.rng);
                }
            }
            (Ending::Drain, Some((session, mut billing))) => {
                let case = self.sessions.get_mut(&session)?;
                case.fate = Fate::Api(life.end);
                let clock = clock(process.boot, life.end);
                billing.handle_end(EndReason::NodeDrained, clock);
                while let Some(append) = billing.poll_output() {
                    process
                        .store
                        .push(Write::Append(Box::new(append)), life.end, &mut self.rng);
                }
                if life.trouble(life.end) == Some(Trouble::Full) {
                    // It says that it lost something.
                    self.cut_off(process.store, life);
                    let on_disk = self.disk.entries.contains_key(&session);
                    return on_disk.then_some(session).or(process.lost);
                }
                process.store.flush(life.end, &mut self.disk);
                return Some(session);
            }
            (Ending::Api | Ending::Drain | Ending::Quiet, None) => {}
            (Ending::Quiet, Some(_)) => panic!("{session:?} does not end"),
        }
        process.store.flush(life.end, &mut self.disk);
        process.lost
    }

    /// The process is gone, and what it had not written.
    fn cut_off(&mut self, store: Store, life: &Life) {
        let trouble = life.trouble(life.end);
        store.crash((life.end, trouble), (&mut self.disk, &mut self.rng));
        for (session, case) in &mut self.sessions {
            let entries = self.disk.entries.get(session);
            let last = entries.and_then(|entries| entries.last());
            let open = last.is_none_or(|last| last.end_reason().is_none());
            if open && case.created >= life.boot {
                case.fate = if life.was_in_trouble(life.end) {
                    Fate::Lost(life.end)
                } else {
                    Fate::Crash(life.end)
                };
            }
        }
    }

    /// What a process does first: closes the sessions that the one before left open.
    fn fold_orphans(&mut self, before: Option<&Life>) {
        let death = before.map(|life| Death {
            mono: clock(life.boot, life.end).mono + ALIVE,
            unix: None,
        });
        let open: Vec<_> = self
            .disk
            .entries
            .iter()
            .filter_map(|(session, entries)| Some((session, entries.last()?)))
            .filter(|(_, last)| last.end_reason().is_none())
            .map(|(session, _)| session.clone())
            .collect();
        for session in &open {
            let entries = &self.disk.entries[session];
            let facts = self.disk.entries[session][0].facts.clone().unwrap();
            let seq = self.disk.events[session]
                .last()
                .map_or(0, |event| event.event_seq);
            let checkpoint = self.disk.checkpoints.get(session);
            let last = ledger::unfold(entries, checkpoint).expect("it has entries");
            let append = ledger::fold_orphan(Remains {
                last: &last,
                checkpoint,
                facts: &facts,
                event_seq: seq,
                death,
            });
            self.disk.apply(Write::Append(Box::new(append)), 0);
        }
    }

    /// Everything on disk, with the deliveries of an endpoint that answers late and twice.
    fn collect(mut self) -> Vec<Case> {
        let mut cases = Vec::new();
        for (session, mut case) in self.sessions {
            case.entries = self.disk.entries.remove(&session).unwrap_or_default();
            let mut events = self.disk.events.remove(&session).unwrap_or_default();
            let seq = events.last().map_or(0, |event| event.event_seq);
            for append in crate::consents::afterwards(&case.entries, seq, &mut self.rng) {
                case.after.push(append.entry);
                events.extend(append.events);
            }
            for event in events {
                for _ in 0..=self.rng.below(2) {
                    let index = self.rng.below(case.deliveries.len() as u64 + 1);
                    case.deliveries
                        .insert(usize::try_from(index).unwrap(), event.clone());
                }
            }
            cases.push(case);
        }
        cases
    }
}

/// Keeps an input at the moment at which it takes effect: more time does at the watermark.
fn take(inputs: &mut Vec<Action>, mut action: Action, settled: Micros) {
    if matches!(action.act, Act::Extend { .. } | Act::Grant { .. }) {
        action.at = settled;
    }
    let place = inputs.partition_point(|input| input.at <= action.at);
    inputs.insert(place, action);
}

/// One input of the machine. False: it was refused, and is as if it had not been.
fn put(billing: &mut Billing, action: &Action, (boot, number): (Micros, u64), now: Now) -> bool {
    let who = Identity::from(action.who.name);
    let at = Mono::from_micros(action.at - boot);
    match action.act {
        Act::Connect => {
            let join = Join {
                identity: who,
                sid: format!("PA_{number}").into(),
                role: action.who.role,
                counts: action.who.counts,
            };
            billing.handle_connected(join, now);
        }
        Act::Packet { media: true } => billing.handle_media(&who, at, now),
        Act::Packet { media: false } => billing.handle_evidence(&who, at, now),
        Act::Leave { explicit } => billing.handle_left(&who, explicit, now),
        Act::Pause => return billing.handle_pause_request(now),
        Act::Resume => return billing.handle_resume_request(now),
        Act::Confirm { app } => return billing.handle_confirm((!app).then_some(&who), now),
        Act::Extend { quota_s, max_min } => return billing.handle_extend(quota_s, max_min, now),
        Act::Grant { number, seconds } => {
            let granted = billing.handle_grant(&key_of(number), seconds, now);
            return granted == Ok(true);
        }
        Act::Floor { direction, state } => {
            let report = FloorReport {
                state,
                measured_bps: Some(600_000),
                floor_bps: 1_000_000,
                limited_by: Some(LimitedBy::Downlink),
            };
            billing.handle_floor(&who, direction, report, now);
        }
        Act::Consent { .. } | Act::Record { .. } => {
            return crate::consents::put(billing, action, now);
        }
    }
    true
}

/// Both clocks of a process. The wall clock is set forth and back by an hour every twenty seconds: no
/// duration may show it.
fn clock(boot: Micros, now: Micros) -> Now {
    let jump = if (now / (20 * SEC)).is_multiple_of(2) {
        0
    } else {
        JUMP_MS
    };
    Now {
        mono: Mono::from_micros(now - boot),
        unix: Unix(EPOCH + now / MS + jump),
    }
}
