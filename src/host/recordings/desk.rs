//! The recordings as the API asks for them: rows from the ledger, files from the store.

use crate::api::{self, File, Kept, Piece, Progress, Recordings, Said, Standing, Unreadable};
use crate::base::crypto::{entropy_seed, hex, sha256};
use crate::base::{Actor, Identity, RecordingId, RecordingNote, RecordingStep};
use crate::host::ledger::read;
use crate::host::store::{Desk, RecordingFilter, StoreHandle};
use anyhow::Context;
use bytes::Bytes;
use cap_std::fs::Dir;
use object_store::local::LocalFileSystem;
use object_store::path::Path as Key;
use object_store::{Error, ObjectStore, ObjectStoreExt};
use serde::Deserialize;
use std::fs::DirBuilder;
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;

/// Where finished files lie, below `recordings.dir`.
const STORE: &str = "store";

/// How far the making of a recording's files is, as whoever makes them says it.
pub type Progresses = Box<dyn Fn(&RecordingId) -> Option<Progress> + Send + Sync>;

/// What the API's way to the recordings is made of.
pub struct Shelves {
    /// The directory of the ledger.
    pub ledger: PathBuf,
    /// Where finished files lie, each at `ID/NAME`.
    pub store: Arc<LocalFileSystem>,
    /// `recordings.dir`, with the segments of what could not be finished.
    pub dir: Arc<Dir>,
    /// Where a deletion is noted.
    pub noted: (StoreHandle, Desk),
    /// Signs links.
    pub link_key: [u8; 32],
    /// Of whoever makes the files.
    pub progress: Progresses,
}

/// The shelves of a node that starts: `ledger` and `at` are the directories of the ledger and of the
/// recordings.
///
/// # Errors
/// The store's directory cannot be made or opened.
pub fn shelves(
    (ledger, at): (&Path, &Path),
    dir: &Dir,
    noted: (StoreHandle, Desk),
) -> anyhow::Result<Shelves> {
    let root = at.join(STORE);
    let unusable = || format!("the store of recordings {} cannot be used", root.display());
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(&root)
        .with_context(unusable)?;
    let store = LocalFileSystem::new_with_prefix(&root).with_context(unusable)?;
    let mut link_key = [0; 32];
    for part in link_key.chunks_mut(8) {
        part.copy_from_slice(&entropy_seed()?.to_le_bytes());
    }
    Ok(Shelves {
        ledger: ledger.to_path_buf(),
        store: Arc::new(store),
        dir: Arc::new(dir.try_clone()?),
        noted,
        link_key,
        progress: Box::new(|_| None),
    })
}

impl Shelves {
    /// The API's way to the recordings.
    pub fn open(self) -> Recordings {
        let [listed, one, said] = std::array::from_fn(|_| self.ledger.clone());
        let (files, pieces, gone) = (self.store.clone(), self.store.clone(), self.store);
        let (dir, noted) = (self.dir, self.noted);
        Recordings {
            link_key: self.link_key,
            list: Box::new(move |(filter, limit)| {
                read(&listed, |reader| reader.recordings(&wanted(filter), *limit))
            }),
            row: Box::new(move |id| read(&one, |reader| reader.recording(id))),
            consents: Box::new(move |id| {
                let all = read(&said, |reader| reader.consents(id.session()))?;
                let about = all.into_iter().filter(|(_, c)| c.purpose == id.purpose());
                Ok(about.map(|(at, consent)| Said { at, consent }).collect())
            }),
            files: Box::new(move |id| {
                let store = files.clone();
                Box::pin(async move { listing(&store, &id).await })
            }),
            read: Box::new(move |piece| {
                let store = pieces.clone();
                Box::pin(async move { chunk(&store, piece).await })
            }),
            delete: Box::new(move |(id, actor)| {
                let (store, dir, noted) = (gone.clone(), dir.clone(), noted.clone());
                Box::pin(async move {
                    remove(&store, &id).await.map_err(Kept::Unable)?;
                    without_segments(dir, &id).await?;
                    deleted(&noted, id, actor).await
                })
            }),
            progress: self.progress,
            downloads: Arc::new(AtomicUsize::new(0)),
        }
    }
}

fn wanted(filter: &api::RecordingFilter) -> RecordingFilter {
    RecordingFilter {
        after: filter.after,
        session: filter.session.clone(),
        room: filter.room.clone(),
        purpose: filter.purpose,
        state: filter.state.map(Standing::as_str).map(str::to_owned),
    }
}

/// Of the manifest: what the API tells of the files.
#[derive(Deserialize)]
struct Listing {
    files: Vec<Listed>,
    participants: Vec<Person>,
}

#[derive(Deserialize)]
struct Listed {
    name: String,
    bytes: u64,
    sha256: String,
}

#[derive(Deserialize)]
struct Person {
    identity: Identity,
    file: String,
}

fn key(id: &RecordingId, name: &str) -> Key {
    Key::from_iter([id.to_string().as_str(), name])
}

/// A whole small file; none if it is not there.
async fn small(
    store: &LocalFileSystem,
    id: &RecordingId,
    name: &str,
) -> Result<Option<Bytes>, Error> {
    match store.get(&key(id, name)).await {
        Ok(found) => found.bytes().await.map(Some),
        Err(Error::NotFound { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

/// The files that the manifest names, with the manifest itself and its signature.
async fn listing(store: &LocalFileSystem, id: &RecordingId) -> Result<Vec<File>, Unreadable> {
    let unreadable = |error: Error| Unreadable(error.to_string());
    let (name, signed) = ("manifest.json", "manifest.jws");
    let Some(manifest) = small(store, id, name).await.map_err(unreadable)? else {
        return Ok(Vec::new());
    };
    let listing: Listing = serde_json::from_slice(&manifest)
        .map_err(|error| Unreadable(format!("the manifest of {id}: {error}")))?;
    let people = &listing.participants;
    let whose = |file: &str| people.iter().find(|person| person.file == file);
    let listed = listing.files.into_iter().map(|file| File {
        identity: whose(&file.name).map(|person| person.identity.clone()),
        name: file.name,
        bytes: file.bytes,
        sha256: file.sha256,
    });
    let mut files: Vec<File> = listed.collect();
    files.push(whole(name, &manifest));
    let signature = small(store, id, signed).await.map_err(unreadable)?;
    files.extend(signature.map(|bytes| whole(signed, &bytes)));
    Ok(files)
}

fn whole(name: &str, bytes: &Bytes) -> File {
    File {
        name: name.to_owned(),
        bytes: u64::try_from(bytes.len()).unwrap_or(u64::MAX),
        sha256: hex(&sha256(bytes)),
        identity: None,
    }
}

async fn chunk(store: &LocalFileSystem, piece: Piece) -> Result<Option<Bytes>, Unreadable> {
    match store
        .get_range(&key(&piece.id, &piece.name), piece.range)
        .await
    {
        Ok(bytes) => Ok(Some(bytes)),
        Err(Error::NotFound { .. }) => Ok(None),
        Err(error) => Err(Unreadable(error.to_string())),
    }
}

/// Removes the finished files. What is gone already is no failure: a deletion that was cut off is
/// done again.
async fn remove(store: &LocalFileSystem, id: &RecordingId) -> Result<(), String> {
    let told = |error: Error| error.to_string();
    let prefix = Key::from(id.to_string());
    let found = store.list_with_delimiter(Some(&prefix)).await;
    for object in found.map_err(told)?.objects {
        match store.delete(&object.location).await {
            Ok(()) | Err(Error::NotFound { .. }) => {}
            Err(error) => return Err(told(error)),
        }
    }
    Ok(())
}

/// Removes the segments that a recording has which could not be finished.
async fn without_segments(dir: Arc<Dir>, id: &RecordingId) -> Result<(), Kept> {
    let path = PathBuf::from("segments").join(id.to_string());
    let removed = tokio::task::spawn_blocking(move || dir.remove_dir_all(path)).await;
    match removed {
        Ok(Ok(())) => Ok(()),
        Ok(Err(error)) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Ok(Err(error)) => Err(Kept::Unable(error.to_string())),
        Err(error) => Err(Kept::Unable(error.to_string())),
    }
}

/// Has the deletion in the ledger, on disk.
async fn deleted(
    (store, desk): &(StoreHandle, Desk),
    id: RecordingId,
    actor: Actor,
) -> Result<(), Kept> {
    let unable = |why: &str| Kept::Unable(why.to_owned());
    let note = RecordingNote {
        id,
        step: RecordingStep::Deleted,
        actor,
        reason: None,
        result: None,
    };
    let answered = desk.note(store, note);
    let answered = answered.ok_or_else(|| unable("the ledger has no place"))?;
    let noted = answered.await;
    noted
        .map_err(|_| unable("the ledger does not answer"))?
        .map_err(|refusal| Kept::Unable(refusal.to_string()))
}

#[cfg(test)]
mod tests;
