//! What the ledger knows of recordings, as the janitor asks for it.

use super::make::ManifestFacts;
use super::writer::{Lost, Writing};
use crate::base::{RecordingId, RecordingNote, RecordingStep, Unix};
use crate::host::store::pending::Confirmed;
use crate::host::store::read::LedgerReader;
use crate::host::store::recordings::expires;
use crate::record::manifest::ConsentAt;
use crate::usage::ledger::{NoteRefusal, RecordingRecord, Stage};
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
    pub said: ManifestFacts,
    /// When it is deleted; none: it is kept.
    pub expires: Option<Unix>,
}

/// A recording that is to be deleted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Due {
    /// Which.
    pub id: RecordingId,
    /// Whether its files were made, or given up.
    pub settled: bool,
    /// Whether the app has asked for it; else its time has come.
    pub asked: bool,
}

/// The ways to the ledger.
pub struct Catalogue {
    /// What is left to finish, the oldest first.
    pub unfinished: Ask<(), Vec<RecordingId>>,
    /// What is known of one.
    pub facts: Ask<RecordingId, Facts>,
    /// What is to be deleted by now.
    pub due: Ask<Unix, Vec<Due>>,
    /// Writes a step down; it is on disk when this answers.
    pub note: Ask<RecordingNote, ()>,
    /// Whether segments of it are still being written.
    pub is_written: Box<dyn Fn(&RecordingId) -> bool + Send>,
    /// Told that nobody asks for one of them any more.
    pub forget: Box<dyn Fn(&RecordingId) + Send>,
}

impl Catalogue {
    /// The ledger in `data`, what is being written, and what each worker has heard of the disk. Call
    /// it on the control plane's runtime.
    pub fn of(data: PathBuf, ledger: Confirmed, writing: Writing, lost: Vec<Lost>) -> Catalogue {
        let [asked, due] = [data.clone(), data.clone()];
        let forgotten = lost.clone();
        let runtime = tokio::runtime::Handle::current();
        Catalogue {
            unfinished: Box::new(move |()| {
                let found = LedgerReader::open(&asked)?.unfinished()?;
                Ok(found.into_iter().map(|record| record.id).collect())
            }),
            facts: Box::new(move |id| {
                let heard = lost.iter().find_map(|lost| lost.of(&id));
                facts(&LedgerReader::open(&data)?, &id, heard)
            }),
            due: Box::new(move |now| {
                let found = LedgerReader::open(&due)?.due(now)?;
                Ok(found.into_iter().map(Due::from).collect())
            }),
            note: Box::new(move |note| {
                let step = note.step;
                let answer = ledger.note(note).context("the ledger is busy")?;
                // The limit is made within the runtime: the janitor's thread has none.
                let noted = async { tokio::time::timeout(NOTED_WITHIN, answer).await };
                let noted = runtime.block_on(noted).context("the ledger is slow")?;
                accepted(step, noted.context("the ledger has stopped")?)
            }),
            is_written: Box::new(move |id| writing.is(id)),
            forget: Box::new(move |id| forgotten.iter().for_each(|lost| lost.forget(id))),
        }
    }
}

impl From<RecordingRecord> for Due {
    fn from(record: RecordingRecord) -> Due {
        let settled = match record.stage {
            Stage::Recording | Stage::Stopped | Stage::Broken => false,
            Stage::Ready | Stage::Failed | Stage::Deleted => true,
        };
        Due {
            id: record.id,
            settled,
            asked: false,
        }
    }
}

impl Due {
    /// One that the app has asked to delete, which it can once it is settled.
    pub const fn asked(id: RecordingId) -> Due {
        Due {
            id,
            settled: true,
            asked: true,
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

/// A disk that fails once the session is over is in no entry: `heard` is all that is known of it.
fn facts(reader: &LedgerReader, id: &RecordingId, heard: Option<String>) -> anyhow::Result<Facts> {
    let broken = reader.recording(id)?.and_then(|found| found.reason);
    let record = reader.record_of(id.session())?;
    let record = record.context("the ledger does not know its session")?;
    let consents = reader.consents(id.session())?;
    let consents = consents
        .into_iter()
        .filter(|(_, said)| said.purpose == id.purpose());
    let said = ManifestFacts {
        node: record.facts.node.clone(),
        ended_early: broken.or(heard),
        consents: consents
            .map(|(at_unix_ms, consent)| ConsentAt {
                at_unix_ms,
                consent,
            })
            .collect(),
    };
    let expires = expires(Some(&record.facts), record.at_unix_ms, id.purpose());
    Ok(Facts { said, expires })
}
