//! Which worker runs which room, what is booked, and whether a session may start at all.

use super::admission::{Capacity, Cpu, LedgerTrouble, Refusal, Reserved};
use super::booked::Booked;
use super::booking::Booking;
use crate::base::{Identity, Mono, Now, RoomKey, SessionId};
use crate::session::Policy;
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

/// Ended rooms whose worker is remembered. A join that is on its way while its room ends opens the
/// room again where it was; the next join must go there too.
const MAX_REMEMBERED: usize = 4_096;

/// A join, as admission sees it.
#[derive(Clone, Copy, Debug)]
pub struct Arrival<'a> {
    /// The room.
    pub room: &'a RoomKey,
    /// Who joins.
    pub identity: &'a Identity,
    /// The rules of the session that this join would open, if nothing is booked.
    pub policy: &'a Policy,
}

/// Where a join goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The worker.
    pub worker: usize,
    /// What is booked for the room.
    pub booking: Option<Arc<Booking>>,
}

/// What a worker tells of a room.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum News {
    /// The room is open.
    Opened {
        /// Which.
        room: RoomKey,
        /// Its session.
        session: SessionId,
        /// The sessions that this one continues.
        continues: Vec<SessionId>,
    },
    /// A participant is in.
    Joined(RoomKey, Identity),
    /// A participant is gone, or was not let in.
    Left(RoomKey, Identity),
}

/// Whose room it is that someone wants to book.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BookRefusal {
    /// A session is booked or runs there.
    #[error("the room has a session already")]
    Taken(Option<SessionId>),
    /// As many bookings as its project may have.
    #[error("this node keeps as many bookings of your keys as it may ({0}); try again later")]
    Many(usize),
    /// The node shuts down, or cannot write.
    #[error(transparent)]
    Refused(#[from] Refusal),
}

/// A room that is open, or about to be.
#[derive(Debug)]
struct Open {
    worker: usize,
    session: Option<SessionId>,
    /// The sessions that it continues.
    continues: Vec<SessionId>,
    /// Its rules, for everyone who joins.
    policy: Arc<Policy>,
    people: BTreeMap<Identity, Standing>,
}

/// How a participant stands. Whoever left keeps their place for the grace time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Standing {
    /// On the way, or in.
    Here,
    /// Gone since.
    Gone(Mono),
}

impl Open {
    fn reserved_bps(&self) -> u64 {
        self.reserved_for(self.people.len())
    }

    /// Two sides are certain; whoever comes beyond them needs as much again.
    fn reserved_for(&self, people: usize) -> u64 {
        let people = u64::try_from(people.max(2)).unwrap_or(u64::MAX);
        self.policy.floor.down_bps.saturating_mul(people)
    }

    fn here(&self) -> usize {
        let here = |standing: &&Standing| matches!(standing, Standing::Here);
        self.people.values().filter(here).count()
    }

    fn forget(&mut self, now: Mono) {
        let grace = self.policy.grace();
        self.people.retain(|_, standing| match standing {
            Standing::Here => true,
            Standing::Gone(since) => now.since(*since) < grace,
        });
    }
}

/// Placement, bookings and admission.
#[derive(Debug)]
pub struct Control {
    workers: usize,
    capacity: Capacity,
    rooms: BTreeMap<RoomKey, Open>,
    sessions: BTreeMap<SessionId, RoomKey>,
    bookings: Booked,
    ended: VecDeque<(RoomKey, usize)>,
    cpu: Cpu,
    draining: bool,
    ledger: Option<LedgerTrouble>,
}

impl Control {
    /// A node with `workers` workers and so much to give.
    pub fn new(workers: usize, capacity: Capacity) -> Control {
        assert!(workers > 0, "a node has a worker");
        Control {
            workers,
            capacity,
            rooms: BTreeMap::new(),
            sessions: BTreeMap::new(),
            bookings: Booked::default(),
            ended: VecDeque::new(),
            cpu: Cpu::default(),
            draining: false,
            ledger: None,
        }
    }

    /// From now on it has so much to give; what was placed stays.
    pub const fn set_capacity(&mut self, capacity: Capacity) {
        self.capacity = capacity;
    }

    /// Whether a join would be placed; changes nothing but what time has made old.
    ///
    /// # Errors
    /// It would not.
    pub fn may_place(&mut self, arrival: Arrival<'_>, now: Mono) -> Result<(), Refusal> {
        if self.draining {
            return Err(Refusal::Draining);
        }
        self.forget(now);
        match self.rooms.get(arrival.room) {
            Some(open) => self.may_enter(open, arrival.identity),
            None => self.may_open(self.floor_of(arrival)),
        }
    }

    /// The worker of a room; a new room goes to the one with the fewest. What the join needs is
    /// reserved from now on.
    ///
    /// # Errors
    /// A new session may not start now, or there is no room for one more in this one.
    pub fn place(&mut self, arrival: Arrival<'_>, now: Mono) -> Result<Place, Refusal> {
        self.may_place(arrival, now)?;
        let room = arrival.room;
        let booking = self.bookings.get(room).cloned();
        if !self.rooms.contains_key(room) {
            let policy = booking.as_ref().map_or(arrival.policy, |b| &b.policy);
            let open = Open {
                worker: self.idlest(),
                session: None,
                continues: Vec::new(),
                policy: Arc::new(policy.clone()),
                people: BTreeMap::new(),
            };
            let worker = self.remembered(room).unwrap_or(open.worker);
            self.rooms.insert(room.clone(), Open { worker, ..open });
        }
        let open = self.rooms.get_mut(room).ok_or(Refusal::Draining)?;
        let identity = arrival.identity.clone();
        open.people.insert(identity, Standing::Here);
        let worker = open.worker;
        Ok(Place { worker, booking })
    }

    fn may_enter(&self, open: &Open, identity: &Identity) -> Result<(), Refusal> {
        if open.people.contains_key(identity) {
            return Ok(());
        }
        let most = open.policy.capacity.max_participants;
        if open.here() >= most {
            return Err(Refusal::RoomFull { most });
        }
        let more = open.reserved_for(open.people.len() + 1) - open.reserved_bps();
        self.capacity.admits(more, self.reserved_bps())
    }

    fn may_open(&self, floor_bps: u64) -> Result<(), Refusal> {
        if let Some(trouble) = self.ledger {
            return Err(trouble.into());
        }
        if self.rooms.len() >= self.capacity.max_sessions {
            return Err(Refusal::Full);
        }
        self.capacity.stands(self.cpu)?;
        let need = floor_bps.saturating_mul(2);
        self.capacity.admits(need, self.reserved_bps())
    }

    fn floor_of(&self, arrival: Arrival<'_>) -> u64 {
        let booking = self.bookings.get(arrival.room);
        let policy = booking.map_or(arrival.policy, |booking| &booking.policy);
        policy.floor.down_bps
    }

    /// The rules of the session that runs in the room, or is booked for it: the same for whoever joins.
    pub fn rules(&self, room: &RoomKey) -> Option<Arc<Policy>> {
        if let Some(open) = self.rooms.get(room) {
            return Some(open.policy.clone());
        }
        let booking = self.bookings.get(room)?;
        Some(Arc::new(booking.policy.clone()))
    }

    /// Whether a token for this session may join the room, by what runs there or is booked; none if
    /// nothing is.
    pub fn serves(&self, room: &RoomKey, session: &SessionId) -> Option<bool> {
        let booked = self.bookings.get(room).map(|booking| &booking.session);
        let Some(open) = self.rooms.get(room) else {
            return booked.map(|booked| booked == session);
        };
        let running = open.session.as_ref().or(booked)?;
        Some(running == session || open.continues.contains(session))
    }

    /// Whether this identity is in the room, or left it less than the grace time ago: its rejoin
    /// is never refused by capacity, window or verdict.
    pub fn knows(&mut self, room: &RoomKey, identity: &Identity, now: Mono) -> bool {
        self.forget(now);
        let open = self.rooms.get(room);
        open.is_some_and(|open| open.people.contains_key(identity))
    }

    fn forget(&mut self, now: Mono) {
        self.rooms.values_mut().for_each(|open| open.forget(now));
    }

    /// What a worker tells of a room.
    pub fn handle_news(&mut self, news: &News, now: Mono) {
        let (News::Opened { room, .. } | News::Joined(room, _) | News::Left(room, _)) = news;
        let Some(open) = self.rooms.get_mut(room) else {
            return;
        };
        match news {
            News::Opened {
                session, continues, ..
            } => {
                open.session = Some(session.clone());
                open.continues.clone_from(continues);
                self.sessions.insert(session.clone(), room.clone());
                self.bookings.remove(room);
            }
            News::Joined(_, identity) => {
                open.people.insert(identity.clone(), Standing::Here);
            }
            News::Left(_, identity) => {
                if let Some(standing) = open.people.get_mut(identity) {
                    *standing = Standing::Gone(now);
                }
            }
        }
    }

    /// The session that was booked for the room has begun.
    pub fn handle_begun(&mut self, room: &RoomKey, session: &SessionId) {
        let booked = self.bookings.get(room);
        if booked.is_some_and(|booked| booked.session == *session) {
            self.bookings.remove(room);
        }
    }

    /// Where something for the room is done that needs no place: the worker that has it, or would
    /// get it.
    pub fn near(&self, room: &RoomKey) -> usize {
        let ended = || self.ended.iter().find(|(name, _)| name == room);
        let placed = self.rooms.get(room).map(|open| open.worker);
        placed
            .or_else(|| ended().map(|(_, worker)| *worker))
            .unwrap_or_else(|| self.idlest())
    }

    /// The room is over.
    pub fn handle_room_ended(&mut self, room: &RoomKey) {
        let Some(open) = self.rooms.remove(room) else {
            return;
        };
        if let Some(session) = &open.session {
            self.sessions.remove(session);
        }
        if self.ended.len() == MAX_REMEMBERED {
            self.ended.pop_front();
        }
        self.ended.push_back((room.clone(), open.worker));
    }

    /// Where a session runs.
    pub fn running(&self, session: &SessionId) -> Option<(usize, &RoomKey)> {
        let room = self.sessions.get(session)?;
        let open = self.rooms.get(room)?;
        Some((open.worker, room))
    }

    /// What is booked for a room.
    pub fn booking(&self, room: &RoomKey) -> Option<&Arc<Booking>> {
        self.bookings.get(room)
    }

    /// What is booked as this session.
    pub fn booked(&self, session: &SessionId) -> Option<Arc<Booking>> {
        let mut bookings = self.bookings.values();
        bookings.find(|b| b.session == *session).cloned()
    }

    /// Books a session.
    ///
    /// # Errors
    /// The room is taken, or there are too many.
    pub fn book(&mut self, booking: Booking) -> Result<Arc<Booking>, BookRefusal> {
        if self.draining {
            return Err(Refusal::Draining.into());
        }
        if let Some(trouble) = self.ledger {
            return Err(Refusal::Ledger(trouble).into());
        }
        if let Some(open) = self.rooms.get(&booking.room) {
            return Err(BookRefusal::Taken(open.session.clone()));
        }
        if let Some(other) = self.bookings.get(&booking.room) {
            return Err(BookRefusal::Taken(Some(other.session.clone())));
        }
        if let Some(most) = self.bookings.is_full(&booking.room.project) {
            return Err(BookRefusal::Many(most));
        }
        Ok(self.keep(booking))
    }

    /// Keeps a booking that a process before this one took.
    pub fn keep(&mut self, booking: Booking) -> Arc<Booking> {
        let booking = Arc::new(booking);
        self.bookings.insert(booking.clone());
        booking
    }

    /// Takes a booking away to which nobody has come yet.
    pub fn cancel(&mut self, session: &SessionId) -> Option<Arc<Booking>> {
        let booking = self.changeable(session)?;
        self.bookings.remove(&booking.room)
    }

    /// A booking whose room is not about to open.
    pub fn changeable(&self, session: &SessionId) -> Option<Arc<Booking>> {
        let booking = self.booked(session)?;
        (!self.rooms.contains_key(&booking.room)).then_some(booking)
    }

    /// Takes away the bookings whose time is over.
    pub fn expire(&mut self, now: Now) -> Vec<Arc<Booking>> {
        let due = |booking: &&Arc<Booking>| {
            booking.expires() <= now.unix && !self.rooms.contains_key(&booking.room)
        };
        let due: Vec<Arc<Booking>> = self.bookings.values().filter(due).cloned().collect();
        for booking in &due {
            self.bookings.remove(&booking.room);
        }
        due
    }

    fn remembered(&mut self, room: &RoomKey) -> Option<usize> {
        let index = self.ended.iter().position(|(name, _)| name == room)?;
        self.ended.remove(index).map(|(_, worker)| worker)
    }

    fn idlest(&self) -> usize {
        let load = |worker: &usize| {
            let rooms = self.rooms.values();
            rooms.filter(|open| open.worker == *worker).count()
        };
        (0..self.workers).min_by_key(load).unwrap_or(0)
    }

    fn reserved_bps(&self) -> u64 {
        self.rooms.values().map(Open::reserved_bps).sum()
    }

    /// What is reserved and free, and how busy the machine is, for metrics.
    pub fn reserved(&self) -> Reserved {
        Reserved {
            egress_bps: self.reserved_bps(),
            capacity_bps: self.capacity.egress_bps,
            cpu: self.cpu,
            bookings: u64::try_from(self.bookings.len()).unwrap_or(u64::MAX),
        }
    }

    /// How busy the node is.
    pub const fn set_cpu(&mut self, cpu: Cpu) {
        self.cpu = cpu;
    }

    /// No new sessions from now on.
    pub const fn drain(&mut self) {
        self.draining = true;
    }

    /// What is wrong with the ledger now, if something is.
    pub const fn set_ledger(&mut self, trouble: Option<LedgerTrouble>) {
        self.ledger = trouble;
    }
}
