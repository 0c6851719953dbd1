//! Which worker runs which room, and whether a new session may start at all.

use crate::base::RoomName;
use std::collections::{BTreeMap, VecDeque};

/// Why a join cannot be placed: 503 with this text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The node is shutting down.
    #[error("this node is shutting down and takes no new sessions; try another node")]
    Draining,
    /// As many sessions as configured.
    #[error("this node runs as many sessions as it may (limits.max_sessions); try again later")]
    Full,
    /// The ledger cannot be written.
    #[error("the ledger's disk is full: no new sessions until there is room; running ones go on")]
    LedgerFull,
}

/// Ended rooms whose worker is remembered. A join that is on its way while its room ends opens the
/// room again where it was; the next join must go there too.
const MAX_REMEMBERED: usize = 4_096;

/// Placement and admission of rooms.
#[derive(Debug)]
pub struct Control {
    workers: usize,
    max_sessions: usize,
    rooms: BTreeMap<RoomName, usize>,
    ended: VecDeque<(RoomName, usize)>,
    draining: bool,
    ledger_full: bool,
}

impl Control {
    /// A node with `workers` workers that runs at most `max_sessions` sessions.
    pub fn new(workers: usize, max_sessions: usize) -> Control {
        assert!(workers > 0, "a node has a worker");
        let rooms = BTreeMap::new();
        Control {
            workers,
            max_sessions,
            rooms,
            ended: VecDeque::new(),
            draining: false,
            ledger_full: false,
        }
    }

    /// The worker of a room; a new room goes to the one with the fewest.
    ///
    /// # Errors
    /// A new session may not start now.
    pub fn place(&mut self, room: &RoomName) -> Result<usize, Refusal> {
        if self.draining {
            return Err(Refusal::Draining);
        }
        if let Some(worker) = self.rooms.get(room) {
            return Ok(*worker);
        }
        if self.ledger_full {
            return Err(Refusal::LedgerFull);
        }
        if self.rooms.len() >= self.max_sessions {
            return Err(Refusal::Full);
        }
        let worker = self.remembered(room).unwrap_or_else(|| self.idlest());
        self.rooms.insert(room.clone(), worker);
        Ok(worker)
    }

    /// Where something for the room is done that needs no place: the worker that has it, or would
    /// get it.
    pub fn near(&self, room: &RoomName) -> usize {
        let ended = || self.ended.iter().find(|(name, _)| name == room);
        let placed = self.rooms.get(room).copied();
        placed
            .or_else(|| ended().map(|(_, worker)| *worker))
            .unwrap_or_else(|| self.idlest())
    }

    /// The room is over.
    pub fn handle_room_ended(&mut self, room: &RoomName) {
        let Some(worker) = self.rooms.remove(room) else {
            return;
        };
        if self.ended.len() == MAX_REMEMBERED {
            self.ended.pop_front();
        }
        self.ended.push_back((room.clone(), worker));
    }

    fn remembered(&mut self, room: &RoomName) -> Option<usize> {
        let index = self.ended.iter().position(|(name, _)| name == room)?;
        self.ended.remove(index).map(|(_, worker)| worker)
    }

    fn idlest(&self) -> usize {
        let load = |worker: &usize| {
            self.rooms
                .values()
                .filter(|placed| *placed == worker)
                .count()
        };
        (0..self.workers).min_by_key(load).unwrap_or(0)
    }

    /// No new sessions from now on.
    pub const fn drain(&mut self) {
        self.draining = true;
    }

    /// The ledger's disk is full, or has room again.
    pub const fn set_ledger_full(&mut self, full: bool) {
        self.ledger_full = full;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_room_stays_on_its_worker_even_after_its_end_and_new_ones_go_where_there_are_fewest() {
        let mut control = Control::new(2, 3);
        let room = |name: &str| RoomName::from(name);
        assert_eq!(control.place(&room("a")), Ok(0));
        assert_eq!(control.place(&room("b")), Ok(1));
        assert_eq!(control.place(&room("a")), Ok(0));
        control.handle_room_ended(&room("a"));
        assert_eq!(control.near(&room("a")), 0);
        assert_eq!(control.near(&room("b")), 1);
        assert_eq!(control.near(&room("new")), 0);
        assert_eq!(control.place(&room("c")), Ok(0));
        assert_eq!(control.place(&room("d")), Ok(0));
        control.handle_room_ended(&room("b"));
        assert_eq!(control.place(&room("b")), Ok(1));
        assert_eq!(control.place(&room("e")), Err(Refusal::Full));
        control.set_ledger_full(true);
        control.handle_room_ended(&room("d"));
        assert_eq!(control.place(&room("e")), Err(Refusal::LedgerFull));
        assert_eq!(control.place(&room("c")), Ok(0));
        control.drain();
        assert_eq!(control.place(&room("c")), Err(Refusal::Draining));
    }
}
