//! Whose turn it is. A machine with two cores has two places. Most tests take one; a test that measures
//! rates of the wire, or fills both cores with browsers, takes both. Whoever came first is served first.
//!
//! This keeps the tests quick. It is no part of what they show: a core that somebody else holds must turn
//! none of them red.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

/// One for each core that the tests are made for.
const PLACES: usize = 2;

#[derive(Debug)]
struct Machine {
    free: usize,
    /// Numbers of those who wait, in the order in which they came.
    next: u64,
    served: u64,
}

static MACHINE: Mutex<Machine> = Mutex::new(Machine {
    free: PLACES,
    next: 0,
    served: 0,
});
static CHANGED: Condvar = Condvar::new();

/// Places that are held until this goes. A test that only waits any more, as for the end of a session that
/// all have left (20 s), drops it.
#[derive(Debug)]
pub struct Turn(usize);

/// Held by a test that can run beside another one.
pub fn shared() -> Turn {
    take(1)
}

/// Held by a test that is to have the machine for itself.
pub fn alone() -> Turn {
    take(PLACES)
}

fn take(places: usize) -> Turn {
    let mut machine = lock();
    let number = machine.next;
    machine.next += 1;
    while machine.served != number || machine.free < places {
        machine = CHANGED
            .wait(machine)
            .unwrap_or_else(PoisonError::into_inner);
    }
    machine.served += 1;
    machine.free -= places;
    CHANGED.notify_all();
    Turn(places)
}

impl Drop for Turn {
    fn drop(&mut self) {
        lock().free += self.0;
        CHANGED.notify_all();
    }
}

fn lock() -> MutexGuard<'static, Machine> {
    MACHINE.lock().unwrap_or_else(PoisonError::into_inner)
}
