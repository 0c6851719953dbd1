//! A ledger in memory that keeps answers: prompt, late, silent, full.

use super::repeats::Repeats;
use crate::api::events::{ApiEvent, Counters};
use crate::api::gate::{Gate, Rules};
use crate::api::limits::{Limits, PreflightLimits, Rate};
use crate::api::ports::ledger::{KeptAnswer, KeyFound, Ledger, Work};
use crate::base::{Mono, Now, Unix};
use crate::node::{Settings, booked};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::oneshot;

/// As the host has it.
const PATIENCE: Duration = Duration::from_secs(5);

/// What the ledger does with what it is to write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::api) enum Disk {
    Prompt,
    /// It takes it, and answers when it is let.
    Late,
    /// Its writer has ended.
    Silent,
    /// Its queue has no place.
    Full,
}

/// A ledger in memory.
pub(in crate::api) struct Book {
    pub disk: Mutex<Disk>,
    pub kept: Mutex<BTreeMap<String, KeptAnswer>>,
    late: Mutex<Vec<(KeptAnswer, oneshot::Sender<()>)>>,
    /// A key that made a booking.
    pub booked: Mutex<BTreeSet<String>>,
    /// What everybody has already.
    pub others: Mutex<(u64, u64)>,
}

impl Book {
    pub fn new(disk: Disk) -> Arc<Book> {
        Arc::new(Book {
            disk: Mutex::new(disk),
            kept: Mutex::default(),
            late: Mutex::default(),
            booked: Mutex::default(),
            others: Mutex::default(),
        })
    }

    fn write(&self, work: Work) -> Option<oneshot::Receiver<()>> {
        let Work::Answer(kept) = work else {
            panic!("nothing else is written here: {work:?}")
        };
        let (answer, answered) = oneshot::channel();
        match *self.disk.lock().unwrap() {
            Disk::Full => return None,
            Disk::Silent => {}
            Disk::Late => self.late.lock().unwrap().push((*kept, answer)),
            Disk::Prompt => {
                self.keep(*kept);
                answer.send(()).unwrap();
            }
        }
        Some(answered)
    }

    fn keep(&self, kept: KeptAnswer) {
        let mut all = self.kept.lock().unwrap();
        all.insert(kept.request.key.clone(), kept);
    }

    /// What waits comes to the disk.
    pub fn catch_up(&self) {
        *self.disk.lock().unwrap() = Disk::Prompt;
        for (kept, answer) in std::mem::take(&mut *self.late.lock().unwrap()) {
            self.keep(kept);
            answer.send(()).unwrap_or_default();
        }
    }

    fn found(&self, key: &str) -> KeyFound {
        let kept = self.kept.lock().unwrap();
        let (keys, bytes) = *self.others.lock().unwrap();
        kept.get(key)
            .map_or(KeyFound::Free { keys, bytes }, |kept| {
                KeyFound::Answer(kept.request.digest.clone(), kept.answer.clone())
            })
    }
}

/// Events, as they are told.
pub(in crate::api) type Noted = Arc<Mutex<Vec<ApiEvent>>>;

/// The time in these tests.
pub(in crate::api) const NOW: Unix = Unix(1_800_000_000_000);

/// A gate for holders of these keys, with these policies.
pub(in crate::api) fn gate(settings: Settings) -> Arc<Gate> {
    let rate = Rate {
        per_s: 100,
        burst: 100,
    };
    let limits = Limits {
        connections: 1,
        connections_per_address: 1,
        joins: rate,
        requests: rate,
        messages: rate,
        message_bytes: 1,
        queue_bytes: 1,
        handshake: Duration::ZERO,
    };
    let now = Now {
        mono: Mono::ZERO,
        unix: NOW,
    };
    let rules = Rules {
        limits,
        preflights: PreflightLimits {
            at_once: 1,
            per_address: 1,
        },
        is_trusted: Box::new(|_| false),
        public_url: None,
        embed_origins: Vec::new(),
    };
    Arc::new(Gate::new(settings, rules, Arc::new(move || now)))
}

/// What tells repeats before this ledger, and what it notes.
pub(in crate::api) fn repeats(book: &Arc<Book>, gate: Arc<Gate>) -> (Arc<Repeats>, Noted) {
    let [written, requested, answered] = std::array::from_fn(|_| book.clone());
    let ledger = Ledger {
        write: Box::new(move |work| written.write(work)),
        session: Box::new(|_| Ok(None)),
        sessions: Box::new(|_| Ok(Vec::new())),
        request: Box::new(move |key| {
            let made = requested.booked.lock().unwrap().contains(&key.asked);
            Ok(made.then(|| ("digest".to_owned(), booked("lesson"))))
        }),
        answer: Box::new(move |key| Ok(answered.found(&key.asked.key))),
        patience: PATIENCE,
    };
    let noted = Noted::default();
    let notes = noted.clone();
    let repeats = Repeats {
        gate,
        ledger: Arc::new(ledger),
        counters: Arc::new(Counters::new(move |event| {
            notes.lock().unwrap().push(event)
        })),
        asking: Mutex::default(),
    };
    (Arc::new(repeats), noted)
}
