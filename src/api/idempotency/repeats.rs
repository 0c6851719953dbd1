//! Which keys are under way, and where the answers of the others are kept.

use crate::api::events::{ApiEvent, Counters, Repeated};
use crate::api::gate::Gate;
use crate::api::locks::lock;
use crate::api::ports::ledger::{KeyLookup, Ledger, REMEMBERED};
use crate::api::problem::Problem;
use crate::base::Unix;
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

/// Tells a repeated request from a new one.
pub(in crate::api) struct Repeats {
    pub gate: Arc<Gate>,
    pub ledger: Arc<Ledger>,
    pub counters: Arc<Counters>,
    /// Keys of requests that are under way, until what they ask for and its answer are on disk.
    pub asking: Mutex<BTreeSet<String>>,
}

impl Repeats {
    /// The turn of this key, unless another request has it.
    pub fn turn(self: &Arc<Self>, key: &str) -> Result<Turn, Problem> {
        if !lock(&self.asking).insert(key.to_owned()) {
            self.note(Repeated::UnderWay);
            let what = "a request with this Idempotency-Key is under way: repeat it later";
            return Err(Problem::under_way(what));
        }
        Ok(Turn {
            repeats: self.clone(),
            key: key.to_owned(),
        })
    }

    /// What looks a key up, of the last day.
    pub fn lookup(&self, key: &str, payer: String) -> KeyLookup {
        let now = self.gate.now().unix.0;
        KeyLookup {
            key: key.to_owned(),
            payer,
            since: Unix(now.saturating_sub(REMEMBERED.0)),
        }
    }

    pub fn note(&self, repeated: Repeated) {
        self.counters.note(ApiEvent::Repeat(repeated));
    }
}

/// A key whose request is under way; given back when dropped.
pub(in crate::api) struct Turn {
    repeats: Arc<Repeats>,
    key: String,
}

impl Drop for Turn {
    fn drop(&mut self) {
        lock(&self.repeats.asking).remove(&self.key);
    }
}
