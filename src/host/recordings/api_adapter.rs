//! The recordings as the API asks for them: rows from the ledger, files from the store.

use super::object_store::RecordingStore;
use super::place::RecordingsDir;
use super::retention::deleted;
use crate::api::{
    DeleteRefusal, FinishedFile, Piece, ReadProgress, RecordingFilter, Recordings, Standing,
    StatedConsent, Unreadable, Within,
};
use crate::base::{ProjectId, RecordingId, RecordingNote, Role, SessionId};
use crate::host::ledger::read;
use crate::host::store::error::OpenError;
use crate::host::store::pending::Confirmed;
use crate::host::store::read::LedgerReader;
use crate::host::store::recordings::RecordingQuery;
use crate::peer::signal::token::Part;
use crate::record::manifest::Participant;
use crate::usage::ledger::{NoteRefusal, RecordingRecord, Stage};
use bytes::Bytes;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use tokio::task::{JoinError, JoinHandle};

/// What the API's way to the recordings is made of.
pub struct ApiAdapter {
    /// The directory of the ledger.
    pub ledger: PathBuf,
    /// Where the files lie.
    pub files: RecordingFiles,
    /// Where a deletion is noted.
    pub noted: Confirmed,
    /// Signs links.
    pub link_key: [u8; 32],
    /// Of whoever makes the files.
    pub progress: ReadProgress,
}

/// Where the files of recordings lie.
#[derive(Clone, Debug)]
pub struct RecordingFiles {
    /// Finished files.
    pub store: RecordingStore,
    /// The segments of what could not be finished.
    pub place: RecordingsDir,
}

impl ApiAdapter {
    /// The API's way to the recordings.
    pub fn open(self) -> Recordings {
        let [listed, one, led_to, asked, said] = std::array::from_fn(|_| self.ledger.clone());
        let [listing, pieces, gone] = std::array::from_fn(|_| self.files.clone());
        let noted = self.noted;
        Recordings {
            link_key: self.link_key,
            list: Box::new(move |page| read(&listed, |reader| list(reader, page))),
            row: Box::new(move |asked| {
                let found = read(&one, |reader| reader.recording(&asked.asked))?;
                Ok(found.filter(|row| row.room.project == asked.project))
            }),
            linked: Box::new(move |id| read(&led_to, |reader| reader.recording(id))),
            is_part: Box::new(move |(session, part)| {
                read(&asked, |reader| is_part(reader, session, part))
            }),
            consents: Box::new(move |id| {
                let all = read(&said, |reader| reader.consents(id.session()))?;
                let about = all.into_iter().filter(|(_, c)| c.purpose == id.purpose());
                let stated = about.map(|(at, consent)| StatedConsent { at, consent });
                Ok(stated.collect())
            }),
            files: Box::new(move |id| {
                let files = listing.clone();
                Box::pin(async move { files.listing(&id).await })
            }),
            read: Box::new(move |piece| {
                let files = pieces.clone();
                Box::pin(async move { files.chunk(piece).await })
            }),
            delete: Box::new(move |(id, actor)| {
                let (noted, note) = (noted.clone(), deleted(&id, actor));
                let told = async move { tell(&noted, note).await };
                let deleting = gone.clone().delete(id, told);
                Box::pin(async move {
                    let failed = |error: JoinError| Err(DeleteRefusal::Unable(error.to_string()));
                    deleting.await.unwrap_or_else(failed)
                })
            }),
            progress: self.progress,
            downloads: Arc::new(AtomicUsize::new(0)),
        }
    }
}

/// A page of a project's recordings. Which of them are of a part is known by their sessions alone, so
/// those are looked through until the page is full.
fn list(
    reader: &LedgerReader,
    page: &Within<(RecordingFilter, u64)>,
) -> Result<Vec<RecordingRecord>, OpenError> {
    let (filter, limit) = &page.asked;
    let mut query = wanted(&page.project, filter);
    let Some(part) = &filter.part else {
        return reader.recordings(&query, *limit);
    };
    let (mut kept, most) = (Vec::new(), usize::try_from(*limit).unwrap_or(usize::MAX));
    loop {
        let found = reader.recordings(&query, *limit)?;
        let Some(last) = found.last() else {
            return Ok(kept);
        };
        query.after = last.seq;
        for row in found {
            if is_part(reader, row.session(), part)? {
                kept.push(row);
            }
            if kept.len() == most {
                return Ok(kept);
            }
        }
    }
}

/// Whether a session is of this part.
fn is_part(reader: &LedgerReader, session: &SessionId, part: &Part) -> Result<bool, OpenError> {
    let record = reader.record_of(session)?;
    Ok(record.is_some_and(|record| match part {
        Part::Named(named) => record.facts.serves(Some(named)),
        Part::Taken(identity) => {
            let taken = record.totals.participants.get(identity);
            taken.is_some_and(|taken| taken.role == Some(Role::Expert))
        }
    }))
}

fn wanted(project: &ProjectId, filter: &RecordingFilter) -> RecordingQuery {
    RecordingQuery {
        project: Some(project.clone()),
        after: filter.after,
        session: filter.session.clone(),
        room: filter.room.clone(),
        purpose: filter.purpose,
        state: filter.state.map(Standing::as_str).map(str::to_owned),
    }
}

impl RecordingFiles {
    /// The files of a finished recording, the manifest and its signature among them.
    async fn listing(&self, id: &RecordingId) -> Result<Vec<FinishedFile>, Unreadable> {
        let unreadable = |error: anyhow::Error| Unreadable(format!("{error:#}"));
        let finished = self.store.finished(id).await.map_err(unreadable)?;
        let Some((verified, files)) = finished else {
            return Ok(Vec::new());
        };
        let people = &verified.manifest.participants;
        let whose = |file: &str| people.iter().find(|person| person.file == file);
        let told = files.into_iter().map(|file| FinishedFile {
            identity: whose(&file.name).map(|person: &Participant| person.identity.clone()),
            name: file.name,
            bytes: file.bytes,
            sha256: file.sha256,
        });
        Ok(told.collect())
    }

    async fn chunk(&self, piece: Piece) -> Result<Option<Bytes>, Unreadable> {
        let read = self.store.read(&piece.id, &piece.name, piece.range).await;
        read.map_err(|error| Unreadable(format!("{error:#}")))
    }

    /// Deletes a recording, and has that told. On a task of its own: who asked may go, and it comes
    /// to its end all the same; what a kill cuts off, the janitor does.
    #[expect(
        clippy::disallowed_methods,
        reason = "who asked waits for it, and whoever starts next does what is left"
    )]
    fn delete(
        self,
        id: RecordingId,
        told: impl Future<Output = Result<(), DeleteRefusal>> + Send + 'static,
    ) -> JoinHandle<Result<(), DeleteRefusal>> {
        tokio::spawn(async move {
            self.doom(&id).await;
            self.remove(&id).await.map_err(DeleteRefusal::Unable)?;
            told.await?;
            if let Err(error) = self.place.forget_doomed(&id) {
                tracing::warn!(recording = %id, %error, "it is looked at again");
            }
            Ok(())
        })
    }

    /// A full disk keeps nothing that is to go.
    async fn doom(&self, id: &RecordingId) {
        let (place, doomed) = (self.place.clone(), id.clone());
        let noted = tokio::task::spawn_blocking(move || place.doom(&doomed)).await;
        if let Err(error) = noted.map_err(io::Error::from).flatten() {
            tracing::warn!(recording = %id, %error, "a kill amid its deletion would not be noticed");
        }
    }

    /// Removes the finished files, and the segments of what could not be finished. What is gone
    /// already is no failure: a deletion that was cut off is done again.
    async fn remove(&self, id: &RecordingId) -> Result<(), String> {
        let (place, cleared) = (self.place.clone(), id.clone());
        let cleared = tokio::task::spawn_blocking(move || place.clear(&cleared)).await;
        cleared
            .map_err(|error| error.to_string())?
            .map_err(|error| error.to_string())?;
        let deleted = self.store.delete(id).await;
        deleted.map_err(|error| format!("{error:#}"))
    }
}

/// Has the deletion in the ledger, on disk.
async fn tell(ledger: &Confirmed, note: RecordingNote) -> Result<(), DeleteRefusal> {
    let unable = |why: &str| DeleteRefusal::Unable(why.to_owned());
    let answered = ledger.note(note);
    let answered = answered.ok_or_else(|| unable("the ledger has no place"))?;
    let noted = answered.await;
    match noted.map_err(|_| unable("the ledger does not answer"))? {
        // Its time had come as well, and the node was first.
        Ok(()) | Err(NoteRefusal::Order(Stage::Deleted)) => Ok(()),
        Err(NoteRefusal::Running) => Err(DeleteRefusal::Running),
        Err(refusal @ (NoteRefusal::Unknown | NoteRefusal::Unreadable | NoteRefusal::Order(_))) => {
            Err(DeleteRefusal::Unable(refusal.to_string()))
        }
    }
}

#[cfg(test)]
mod tests;
