//! The one way in which a lock is held here.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Nobody panics while holding one of these; and if, what it guards is whole.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
