//! A node's doors with a shelf of two recordings in memory, for tests.

use crate::api::ports::ledger::{Ledger, Unreadable};
use crate::api::ports::recordings::{File, Kept, Progress, Recordings, Said};
use crate::api::preflights::{PreflightLimits, Preflights};
use crate::api::state::{Counters, Doors, Limits};
use crate::api::{Addresses, Rate};
use crate::base::{
    Actor, Consent, ConsentState, Identity, Millis, Mono, NodeId, Now, Purpose, RecordingId,
    RecordingResult, Rng, RoomName, Unix,
};
use crate::node::{Capacity, Control};
use crate::peer::signal::token::Keys;
use crate::usage::ledger::{RecordingRecord, Stage};
use axum::body::Bytes;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// The time in all of these tests.
pub(super) const NOW: Unix = Unix(1_800_000_000_000);
/// What signs the links.
pub(super) const KEY: [u8; 32] = [7; 32];

/// The bytes of `session.webm`: more than two chunks.
pub(super) fn content() -> Vec<u8> {
    let mut content = (0..=u8::MAX).collect::<Vec<u8>>().repeat(2_344);
    content.truncate(600_000);
    content
}

pub(super) fn id(text: &str) -> RecordingId {
    RecordingId::parse(text).unwrap()
}

/// A ready recording of the room `lesson`.
pub(super) fn row(id: &RecordingId) -> RecordingRecord {
    RecordingRecord {
        seq: 1,
        id: id.clone(),
        room: RoomName::from("lesson"),
        external_ref: None,
        stage: Stage::Ready,
        started_unix_ms: Unix(NOW.0 - 60_000),
        stopped_unix_ms: Some(NOW),
        changed_unix_ms: NOW,
        ended_unix_ms: Some(NOW),
        expires_unix_ms: None,
        reason: None,
        result: Some(RecordingResult {
            duration_ms: Millis(60_000),
            bytes: 600_000,
            files: 1,
            manifest_sha256: "ab".repeat(32),
            expires_unix_ms: None,
        }),
    }
}

type Rows = Arc<Mutex<BTreeMap<RecordingId, RecordingRecord>>>;

fn shelf(rows: Vec<RecordingRecord>) -> Recordings {
    let rows = rows.into_iter().map(|row| (row.id.clone(), row)).collect();
    let rows: Rows = Arc::new(Mutex::new(rows));
    let (listed, found, gone) = (rows.clone(), rows.clone(), rows);
    let file = File {
        name: "session.webm".to_owned(),
        bytes: 600_000,
        sha256: "cd".repeat(32),
        identity: None,
    };
    let said = Said {
        at: NOW,
        consent: Consent {
            identity: Identity::from("karl"),
            purpose: Purpose::Shared,
            state: ConsentState::Given,
            actor: Actor::Participant,
            wording: "1".to_owned(),
        },
    };
    Recordings {
        link_key: KEY,
        list: Box::new(move |(filter, _)| {
            let rows = listed.lock().unwrap();
            let fits = |row: &&RecordingRecord| {
                filter.room.as_ref().is_none_or(|room| *room == row.room)
                    && filter.purpose.is_none_or(|p| p == row.id.purpose())
            };
            Ok(rows.values().filter(fits).cloned().collect())
        }),
        row: Box::new(move |id| Ok(found.lock().unwrap().get(id).cloned())),
        consents: Box::new(move |_| Ok(vec![said.clone()])),
        files: Box::new(move |id| {
            let unasked = id.session().as_str() == "SE_unasked";
            assert!(!unasked, "nobody may ask for the files of this one");
            let file = file.clone();
            Box::pin(async move { Ok(vec![file]) })
        }),
        read: Box::new(|piece| {
            Box::pin(async move {
                let range = usize::try_from(piece.range.start).unwrap()
                    ..usize::try_from(piece.range.end).unwrap();
                match piece.id.session().as_str() {
                    "SE_gone" => Ok(None),
                    "SE_sick" => Err(Unreadable("a sick disk".to_owned())),
                    _ => Ok(content().get(range).map(Bytes::copy_from_slice)),
                }
            })
        }),
        delete: Box::new(move |(id, _)| {
            let mut rows = gone.lock().unwrap();
            let done = match id.session().as_str() {
                "SE_sick" => Err(Kept::Unable("a sick disk".to_owned())),
                _ => Ok(()),
            };
            if let (Ok(()), Some(row)) = (&done, rows.get_mut(&id)) {
                row.stage = Stage::Deleted;
            }
            Box::pin(async move { done })
        }),
        progress: Box::new(|_| {
            Some(Progress {
                done_bytes: 1,
                all_bytes: 2,
            })
        }),
        downloads: Arc::new(AtomicUsize::new(0)),
    }
}

/// Doors behind which there are these recordings and nothing else.
pub(super) fn doors(rows: Vec<RecordingRecord>) -> Arc<Doors> {
    let rate = Rate {
        per_s: 1,
        burst: 1_000,
    };
    let capacity = Capacity {
        max_sessions: 1,
        egress_bps: 0,
        max_cpu: 100,
    };
    let limits = PreflightLimits {
        at_once: 1,
        per_address: 1,
    };
    Arc::new(Doors {
        keys: Arc::new(Keys::default()),
        clock: Arc::new(|| Now {
            mono: Mono::ZERO,
            unix: NOW,
        }),
        control: Arc::new(Mutex::new(Control::new(1, capacity))),
        workers: Vec::new(),
        limits: Limits {
            connections: 1,
            joins: rate,
            requests: rate,
            messages: rate,
            message_bytes: 1,
            queue_bytes: 1,
            handshake: Duration::ZERO,
        },
        is_trusted: Box::new(|_| false),
        web_dir: None,
        node: NodeId::from("node"),
        policies: BTreeMap::new(),
        ledger: Ledger {
            write: Box::new(|_| None),
            session: Box::new(|_| Ok(None)),
            sessions: Box::new(|_| Ok(Vec::new())),
            request: Box::new(|_| Ok(None)),
        },
        recordings: shelf(rows),
        asking: Mutex::default(),
        rng: Mutex::new(Rng::from_seed(1)),
        dev: None,
        tls: false,
        lost: Mutex::default(),
        draining: AtomicBool::new(false),
        counters: Arc::new(Counters::new(|_| {})),
        addresses: Mutex::new(Addresses::default()),
        callers: Mutex::new(Addresses::default()),
        preflights: Mutex::new(Preflights::new(limits, 1)),
        last_connection: AtomicU64::new(0),
    })
}
