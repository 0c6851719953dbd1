//! A panic, ours or a dependency's, ends one room and no other: all that a worker asks of a room goes
//! through here.

use std::panic::{AssertUnwindSafe, catch_unwind};

/// Does `step`; none if it panicked. Whatever it was changing may be half done: throw it away.
pub(in crate::node) fn fence<T>(step: impl FnOnce() -> T) -> Option<T> {
    catch_unwind(AssertUnwindSafe(step)).ok()
}
