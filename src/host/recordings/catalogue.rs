//! What the ledger knows of recordings, as the keeper asks for it.

use super::make::Said;
use super::writer::Writing;
use crate::base::{Millis, RecordingId, RecordingNote, RecordingStep, Unix};
use crate::host::store::read::Reader;
use crate::host::store::{Desk, StoreHandle};
use crate::record::manifest::ConsentAt;
use crate::session::Policy;
use crate::usage::ledger::{NoteRefusal, SessionRecord, Stage};
use anyhow::Context;
use std::path::PathBuf;
use std::time::Duration;

/// The ledger writes a note within this; its disk may be full.
const NOTED_WITHIN: Duration = Duration::from_secs(10);

/// A question to the ledger.
pub type Ask<Q, A> = Box<dyn Fn(Q) -> anyhow::Result<A> + Send>;

/// What is known of a recording whose session is over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Facts {
    /// For its manifest.
    pub said: Said,
    /// When it is deleted; none: it is kept.
    pub expires: Option<Unix>,
}

/// The ways to the ledger.
pub struct Catalogue {
    /// What is left to finish, the oldest first.
    pub unfinished: Ask<(), Vec<RecordingId>>,
    /// What is known of one.
    pub facts: Ask<RecordingId, Facts>,
    /// What is to be deleted by now.
    pub due: Ask<Unix, Vec<RecordingId>>,
    /// Writes a step down; it is on disk when this answers.
    pub note: Ask<RecordingNote, ()>,
    /// Whether segments of it are still being written.
    pub is_written: Box<dyn Fn(&RecordingId) -> bool + Send>,
}

impl Catalogue {
    /// The ledger in `data`. Call it on the control plane's runtime.
    pub fn of(data: PathBuf, (store, desk): (StoreHandle, Desk), writing: Writing) -> Catalogue {
        let [asked, due] = [data.clone(), data.clone()];
        let runtime = tokio::runtime::Handle::current();
        Catalogue {
            unfinished: Box::new(move |()| {
                let found = Reader::open(&asked)?.unfinished()?;
                Ok(found.into_iter().map(|record| record.id).collect())
            }),
            facts: Box::new(move |id| facts(&Reader::open(&data)?, &id)),
            due: Box::new(move |now| {
                let found = Reader::open(&due)?.due(now)?;
                Ok(found.into_iter().map(|record| record.id).collect())
            }),
            note: Box::new(move |note| {
                let step = note.step;
                let answer = desk.note(&store, note).context("the ledger is busy")?;
                // The limit is made within the runtime: the keeper's thread has none.
                let noted = async { tokio::time::timeout(NOTED_WITHIN, answer).await };
                let noted = runtime.block_on(noted).context("the ledger is slow")?;
                accepted(step, noted.context("the ledger has stopped")?)
            }),
            is_written: Box::new(move |id| writing.is(id)),
        }
    }
}

/// A step that was written down by an attempt that did not hear of it is written down.
fn accepted(step: RecordingStep, answer: Result<(), NoteRefusal>) -> anyhow::Result<()> {
    match (step, answer) {
        (_, Ok(()))
        | (RecordingStep::Ready, Err(NoteRefusal::Order(Stage::Ready)))
        | (RecordingStep::Failed, Err(NoteRefusal::Order(Stage::Failed)))
        | (RecordingStep::Deleted, Err(NoteRefusal::Order(Stage::Deleted))) => Ok(()),
        (_, Err(refusal)) => Err(refusal.into()),
    }
}

fn facts(reader: &Reader, id: &RecordingId) -> anyhow::Result<Facts> {
    let record = reader.record_of(id.session())?;
    let record = record.context("the ledger does not know its session")?;
    let consents = reader.consents(id.session())?;
    let consents = consents
        .into_iter()
        .filter(|(_, said)| said.purpose == id.purpose());
    let said = Said {
        node: record.facts.node.clone(),
        consents: consents
            .map(|(at_unix_ms, consent)| ConsentAt {
                at_unix_ms,
                consent,
            })
            .collect(),
    };
    let kept = retention(&record, id);
    let expires = kept.map(|kept| Unix(record.at_unix_ms.0.saturating_add(kept.0)));
    Ok(Facts { said, expires })
}

/// How long it is kept after its session: as the session's own policy says, and where that cannot be
/// read, as the default does.
fn retention(record: &SessionRecord, id: &RecordingId) -> Option<Millis> {
    let policy = record.facts.carried.policy.clone();
    let policy: Policy = policy
        .and_then(|policy| serde_json::from_value(policy).ok())
        .unwrap_or_default();
    policy.recording.retention(id.purpose())
}
