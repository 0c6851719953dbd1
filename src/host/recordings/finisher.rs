//! Finishes a recording, from its segments to its files in the store. Every step can be cut off at
//! any moment: the next attempt finds out how far the last one came by what it left behind.
//!
//! 1. Made in `segments/RC_…/finish`: whole once its signed manifest is there, else made anew.
//! 2. Put in the store: whole once the signed manifest is there, which is put last and after every
//!    file was read back and compared.
//! 3. The segments are removed, and what was made of them.
//! 4. The ledger is told. Until then the recording counts as unfinished, and is looked at again.

use super::catalogue::Facts;
use super::make::{Maker, Trouble};
use super::object_store::{MANIFEST, RecordingStore, SIGNED, StoredFile, listed};
use super::pace::{Bell, Pace, ProgressBook, ReadMono};
use super::place::{Bench, RecordingsDir};
use crate::base::RecordingResult;
use crate::base::crypto::{SigningKey, hex, sha256};
use crate::base::{Actor, RecordingId, RecordingNote, RecordingStep};
use crate::host::space::{Look, ask};
use crate::record::manifest::Verified;
use anyhow::Context;
use std::sync::Arc;
use tokio::runtime::Handle;

/// What finishing takes, in bytes for each byte of segments: each goes into a participant's file and
/// into the session's, and each file lies there twice until it is in the store as a whole.
const NEED: u64 = 4;

/// Finishes recordings, one at a time.
pub struct Finisher {
    /// Where the segments are.
    pub place: RecordingsDir,
    /// Where the files go.
    pub store: RecordingStore,
    /// Signs the manifests.
    pub key: Arc<SigningKey>,
    /// Runs what the store does.
    pub runtime: Handle,
    /// How far it is.
    pub progress: ProgressBook,
    /// Stops it.
    pub bell: Bell,
    /// How it rests; none: it does not.
    pub clock: Option<ReadMono>,
    /// The disk on which all of this happens, and that of the calls.
    pub disk: Look,
}

impl Finisher {
    /// Finishes a recording up to the note that is to be written down.
    ///
    /// # Errors
    /// It did not come to an end: interrupted, or to be tried again.
    pub fn finish(&self, id: &RecordingId, facts: &Facts) -> Result<RecordingNote, Trouble> {
        let mut pace = Pace::new(id, &self.progress, &self.bell, self.clock.clone());
        let done = match self.stored(id)? {
            Some(verified) => Ok(verified),
            None => self.make_and_store(id, facts, &mut pace),
        };
        match done {
            Ok(verified) => {
                self.place
                    .clear(id)
                    .context("its segments cannot be removed")?;
                Ok(ready(id, facts, &verified))
            }
            Err(Trouble::Hopeless(reason)) => Ok(given_up(id, reason)),
            Err(trouble) => {
                self.make_room(id, &trouble);
                Err(trouble)
            }
        }
    }

    /// What is in the store as a whole; what is not signed by anyone is made anew.
    fn stored(&self, id: &RecordingId) -> Result<Option<Verified>, Trouble> {
        let found = self.runtime.block_on(self.store.manifest(id));
        match found {
            Ok(found) => Ok(found),
            Err(error) if self.place.segments(id)?.is_empty() => Err(error.into()),
            Err(error) => {
                tracing::warn!(recording = %id, %error, "the files in the store are made anew");
                Ok(None)
            }
        }
    }

    fn make_and_store(
        &self,
        id: &RecordingId,
        facts: &Facts,
        pace: &mut Pace,
    ) -> Result<Verified, Trouble> {
        let verified = self.make(id, facts, pace)?;
        self.store_all(id, &verified, pace)?;
        Ok(verified)
    }

    /// Step 1.
    pub(super) fn make(
        &self,
        id: &RecordingId,
        facts: &Facts,
        pace: &mut Pace,
    ) -> Result<Verified, Trouble> {
        let place = &self.place;
        let mut maker = Maker { place, id, pace };
        if let Some(made) = maker.made(&self.key)? {
            return Ok(made);
        }
        let segments = place.segments(id)?;
        let bytes: u64 = segments.iter().map(|(_, bytes)| bytes).sum();
        ask(&self.disk, NEED.saturating_mul(bytes))?;
        maker.make(&facts.said, &self.key)
    }

    /// Step 2.
    pub(super) fn store_all(
        &self,
        id: &RecordingId,
        verified: &Verified,
        pace: &mut Pace,
    ) -> Result<(), Trouble> {
        let bench = self.place.bench(id)?;
        let bench = bench.context("what was made is gone")?;
        let signed = bench.read(SIGNED)?.context("the manifest is gone")?;
        let mut files = listed(&verified.manifest);
        files.push(StoredFile::of(MANIFEST, &verified.bytes));
        files.push(StoredFile::of(SIGNED, &signed));
        pace.set_rest(files.iter().map(|file| 2 * file.bytes).sum());
        self.runtime.block_on(self.store.sweep(id))?;
        for file in &files {
            self.put(id, &bench, file, pace)?;
        }
        Ok(())
    }

    fn put(
        &self,
        id: &RecordingId,
        bench: &Bench,
        file: &StoredFile,
        pace: &mut Pace,
    ) -> Result<(), Trouble> {
        let mut interrupted = None;
        let mut advance = |bytes| {
            let stopped = pace.advance(bytes).err();
            interrupted = interrupted.or(stopped);
            stopped.is_none()
        };
        let stored = self.runtime.block_on(async {
            // An earlier attempt may have come so far.
            if self.store.sum(id, &file.name, &mut advance).await? == Some(file.clone()) {
                return Ok(());
            }
            ask(&self.disk, file.bytes)?;
            let mut from = bench.open(&file.name)?;
            self.store.put(id, file, &mut from, &mut advance).await
        });
        match (interrupted, stored) {
            (Some(interrupted), _) => Err(interrupted.into()),
            (None, Err(error)) => Err(error.into()),
            (None, Ok(())) => Ok(()),
        }
    }

    /// A call that is being recorded needs the disk more than what can be made again.
    fn make_room(&self, id: &RecordingId, trouble: &Trouble) {
        if let Trouble::Later(_) = trouble
            && let Err(error) = self.place.clear_bench(id)
        {
            tracing::warn!(recording = %id, %error, "half-made files cannot be removed");
        }
    }
}

fn ready(id: &RecordingId, facts: &Facts, verified: &Verified) -> RecordingNote {
    let files = &verified.manifest.files;
    RecordingNote {
        id: id.clone(),
        step: RecordingStep::Ready,
        actor: Actor::Node,
        reason: verified.manifest.ended_early.clone(),
        result: Some(RecordingResult {
            duration_ms: verified.manifest.duration_ms,
            bytes: files.iter().map(|file| file.bytes).sum(),
            files: files.len() as u64,
            manifest_sha256: hex(&sha256(&verified.bytes)),
            expires_unix_ms: facts.expires,
        }),
    }
}

/// What is written down of one that cannot be finished.
pub fn given_up(id: &RecordingId, reason: &str) -> RecordingNote {
    RecordingNote {
        id: id.clone(),
        step: RecordingStep::Failed,
        actor: Actor::Node,
        reason: Some(reason.to_owned()),
        result: None,
    }
}
