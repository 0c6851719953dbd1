//! Takes finished recordings away, and what is left of their segments.

use super::object_store::RecordingStore;
use super::place::RecordingsDir;
use crate::base::{Actor, RecordingId, RecordingNote, RecordingStep};

/// Why the node deletes by itself, in the ledger's words.
const RETENTION: &str = "retention";

/// Why it was never finished, of one whose time has come before.
pub const UNFINISHED: &str = "its time came before it was finished";

/// Deletes all files of a recording. Cut off at any moment, another call does the rest.
///
/// # Errors
/// A disk or the store says no.
pub async fn delete(
    place: &RecordingsDir,
    store: &RecordingStore,
    id: &RecordingId,
) -> anyhow::Result<()> {
    place.clear(id)?;
    store.delete(id).await
}

/// What is written down after a recording was deleted, by whoever asked for that; by the node, because
/// its time has come.
pub fn deleted(id: &RecordingId, actor: Actor) -> RecordingNote {
    RecordingNote {
        id: id.clone(),
        step: RecordingStep::Deleted,
        actor,
        reason: (actor == Actor::Node).then(|| RETENTION.to_owned()),
        result: None,
    }
}
