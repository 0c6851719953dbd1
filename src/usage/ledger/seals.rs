//! What is sealed when a session ends.

use super::chain::Hash;
use crate::base::crypto::sha256;
use crate::usage::{Entry, Totals};

/// What may not change once a session is over: its state and its totals, and whether they are an
/// estimate. A later entry repeats all of it, or the meters without any list.
pub(super) struct Seals {
    whole: Hash,
    meters: Hash,
    intervals: usize,
}

impl Seals {
    pub fn new(stop: &Entry) -> Seals {
        Seals {
            whole: seal(stop, &stop.totals),
            meters: seal(stop, &stop.totals.meters()),
            intervals: stop.intervals_from.unwrap_or(0) + stop.totals.intervals.len(),
        }
    }

    /// Whether an entry after the stop entry repeats it.
    pub fn hold(&self, entry: &Entry) -> bool {
        let sealed = seal(entry, &entry.totals);
        match entry.intervals_from {
            None => sealed == self.whole,
            Some(from) => sealed == self.meters && from == self.intervals,
        }
    }
}

/// An entry of ours is always JSON.
fn seal(entry: &Entry, totals: &Totals) -> Hash {
    let sealed = (
        entry.state,
        totals,
        entry.estimated,
        entry.bound_ms,
        &entry.terms,
    );
    Hash(sha256(&serde_json::to_vec(&sealed).unwrap_or_default()))
}
