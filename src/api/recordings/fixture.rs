//! The port to the recordings, in memory, for tests.

use crate::api::ports::ledger::{Unreadable, Within};
use crate::api::ports::recordings::{
    DeleteRefusal, FinishedFile, MakingProgress, RecordingFilter, Recordings, StatedConsent,
};
use crate::base::{
    Actor, Consent, ConsentState, Identity, Millis, Purpose, RecordingId, RecordingResult, RoomKey,
    SessionId, Unix,
};
use crate::peer::signal::token::Part;
use crate::usage::ledger::{RecordingRecord, Stage};
use axum::body::Bytes;
use std::collections::BTreeMap;
use std::sync::atomic::AtomicUsize;
use std::sync::{Arc, Mutex};

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
        room: RoomKey::of_keys("lesson"),
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

/// Erika was an expert in `SE_abc`, and in no other session.
fn is_part(session: &SessionId, part: &Part) -> bool {
    match part {
        Part::Named(named) => named == session,
        Part::Taken(who) => who.as_str() == "erika" && session.as_str() == "SE_abc",
    }
}

/// What karl said.
fn said() -> StatedConsent {
    StatedConsent {
        at: NOW,
        consent: Consent {
            identity: Identity::from("karl"),
            purpose: Purpose::Shared,
            state: ConsentState::Given,
            actor: Actor::Participant,
            wording: "1".to_owned(),
        },
    }
}

/// Whether a row is of the page that is asked for.
fn fits(row: &RecordingRecord, page: &Within<(RecordingFilter, u64)>) -> bool {
    let (filter, _) = &page.asked;
    row.room.project == page.project
        && filter
            .room
            .as_ref()
            .is_none_or(|room| *room == row.room.name)
        && (filter.part.as_ref()).is_none_or(|part| is_part(row.session(), part))
        && filter.purpose.is_none_or(|p| p == row.id.purpose())
}

/// A port behind which there are these recordings and nothing else.
pub(super) fn recordings(rows: Vec<RecordingRecord>) -> Arc<Recordings> {
    let rows = rows.into_iter().map(|row| (row.id.clone(), row)).collect();
    let rows: Rows = Arc::new(Mutex::new(rows));
    let [listed, found, led_to, gone] = std::array::from_fn(|_| rows.clone());
    let file = FinishedFile {
        name: "session.webm".to_owned(),
        bytes: 600_000,
        sha256: "cd".repeat(32),
        identity: None,
    };
    Arc::new(Recordings {
        link_key: KEY,
        list: Box::new(move |page| {
            let rows = listed.lock().unwrap();
            Ok(rows
                .values()
                .filter(|row| fits(row, page))
                .cloned()
                .collect())
        }),
        row: Box::new(move |id| {
            let row = found.lock().unwrap().get(&id.asked).cloned();
            Ok(row.filter(|row| row.room.project == id.project))
        }),
        linked: Box::new(move |id| Ok(led_to.lock().unwrap().get(id).cloned())),
        is_part: Box::new(|(session, part)| Ok(is_part(session, part))),
        consents: Box::new(|_| Ok(vec![said()])),
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
                "SE_sick" => Err(DeleteRefusal::Unable("a sick disk".to_owned())),
                _ => Ok(()),
            };
            if let (Ok(()), Some(row)) = (&done, rows.get_mut(&id)) {
                row.stage = Stage::Deleted;
            }
            Box::pin(async move { done })
        }),
        progress: Box::new(|_| {
            Some(MakingProgress {
                done_bytes: 1,
                all_bytes: 2,
            })
        }),
        downloads: Arc::new(AtomicUsize::new(0)),
    })
}
