//! Finished files, wherever they are kept. The local directory is one place; S3, GCS and Azure are
//! others of the same kind.

use super::place::{remove_all, there};
use crate::base::RecordingId;
use crate::base::crypto::{Sha256, hex};
use crate::record::manifest::{Manifest, Verified, verify};
use anyhow::Context;
use bytes::Bytes;
use cap_std::ambient_authority;
use cap_std::fs::Dir;
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::{MultipartUpload, ObjectStore, ObjectStoreExt};
use std::io::{self, Read};
use std::ops::Range;
use std::sync::Arc;

/// What is sent or fetched at once: S3 wants 5 MiB at least, and memory holds one.
const PART_BYTES: usize = 8 * 1024 * 1024;
/// A manifest has a few kilobytes; of a day of screen sharing, a megabyte.
const MAX_MANIFEST_BYTES: u64 = 64 * 1024 * 1024;

/// The manifest, in its canonical form.
pub const MANIFEST: &str = "manifest.json";
/// The manifest with its signature. The last file to be put: where it is, all are.
pub const SIGNED: &str = "manifest.jws";

/// Where finished recordings are kept.
#[derive(Clone, Debug)]
pub struct RecordingStore {
    store: Arc<dyn ObjectStore>,
    /// The directory of the local one: its store hides what a kill left half put.
    local: Option<Arc<Dir>>,
}

/// A file as it lies there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredFile {
    /// Its name within the recording.
    pub name: String,
    /// Its size.
    pub bytes: u64,
    /// SHA-256, in lower-case hexadecimal.
    pub sha256: String,
}

impl RecordingStore {
    /// The store in this directory, which exists. What was put is on disk.
    ///
    /// # Errors
    /// The directory cannot be used.
    pub fn local(dir: &std::path::Path) -> anyhow::Result<RecordingStore> {
        let store = LocalFileSystem::new_with_prefix(dir)
            .with_context(|| format!("{} cannot be used", dir.display()))?;
        let store = store.with_fsync(true).with_automatic_cleanup(true);
        let local = Dir::open_ambient_dir(dir, ambient_authority())?;
        Ok(RecordingStore {
            store: Arc::new(store),
            local: Some(Arc::new(local)),
        })
    }

    /// Puts a file, and reads it back.
    ///
    /// # Errors
    /// It cannot be read or stored, or something else is read back.
    pub async fn put(
        &self,
        id: &RecordingId,
        file: &StoredFile,
        from: &mut (dyn Read + Send),
        on_bytes: &mut (dyn FnMut(u64) -> bool + Send),
    ) -> anyhow::Result<()> {
        let place = place(id, &file.name);
        let mut upload = self.store.put_multipart(&place).await?;
        if let Err(error) = send(&mut *upload, from, on_bytes).await {
            // What is half there has no name yet; where even that fails, the next sweep clears it away.
            drop(upload.abort().await);
            return Err(error);
        }
        upload.complete().await?;
        let found = self.sum(id, &file.name, on_bytes).await?;
        anyhow::ensure!(
            found.as_ref() == Some(file),
            "{place} was stored, and something else is read back"
        );
        Ok(())
    }

    /// Size and sum of a file as it is read now; none if it is not there.
    ///
    /// # Errors
    /// It cannot be read, or `on_bytes` says stop.
    pub async fn sum(
        &self,
        id: &RecordingId,
        name: &str,
        on_bytes: &mut (dyn FnMut(u64) -> bool + Send),
    ) -> anyhow::Result<Option<StoredFile>> {
        let Some(size) = self.size(id, name).await? else {
            return Ok(None);
        };
        let mut sum = Sha256::default();
        let mut at = 0;
        while at < size {
            let end = size.min(at + PART_BYTES as u64);
            let Some(part) = self.read(id, name, at..end).await? else {
                return Ok(None);
            };
            anyhow::ensure!(!part.is_empty(), "{name} ends early");
            sum.update(&part);
            at += part.len() as u64;
            anyhow::ensure!(on_bytes(part.len() as u64), Interrupted);
        }
        Ok(Some(StoredFile {
            name: name.to_owned(),
            bytes: size,
            sha256: hex(&sum.finish()),
        }))
    }

    async fn size(&self, id: &RecordingId, name: &str) -> anyhow::Result<Option<u64>> {
        Ok(known(self.store.head(&place(id, name)).await)?.map(|meta| meta.size))
    }

    /// Bytes of a file; none if it is not there.
    ///
    /// # Errors
    /// They cannot be read: the range is not within the file, or the store does not answer.
    pub async fn read(
        &self,
        id: &RecordingId,
        name: &str,
        range: Range<u64>,
    ) -> anyhow::Result<Option<Bytes>> {
        Ok(known(self.store.get_range(&place(id, name), range).await)?)
    }

    /// A small file as a whole; none if it is not there.
    ///
    /// # Errors
    /// It cannot be read, or is large.
    pub async fn whole(&self, id: &RecordingId, name: &str) -> anyhow::Result<Option<Vec<u8>>> {
        let Some(size) = self.size(id, name).await? else {
            return Ok(None);
        };
        anyhow::ensure!(size <= MAX_MANIFEST_BYTES, "{name} has {size} bytes");
        if size == 0 {
            return Ok(Some(Vec::new()));
        }
        let bytes = self.read(id, name, 0..size).await?;
        Ok(bytes.map(|bytes| bytes.to_vec()))
    }

    /// The manifest of a finished recording, as it was signed; none unless all of its files are there.
    ///
    /// # Errors
    /// It cannot be read, or its signature does not fit.
    pub async fn manifest(&self, id: &RecordingId) -> anyhow::Result<Option<Verified>> {
        Ok(self.finished(id).await?.map(|(verified, _)| verified))
    }

    /// The manifest of a finished recording, and all of its files, manifest and signature last; none
    /// unless it is finished. Reads and checks the signature once.
    ///
    /// # Errors
    /// It cannot be read, or its signature does not fit.
    pub async fn finished(
        &self,
        id: &RecordingId,
    ) -> anyhow::Result<Option<(Verified, Vec<StoredFile>)>> {
        let Some(jws) = self.whole(id, SIGNED).await? else {
            return Ok(None);
        };
        // It may have megabytes, and there are few threads for what waits.
        let id = id.clone();
        let opened = tokio::task::spawn_blocking(move || opened(&id, &jws));
        opened.await?.map(Some)
    }

    /// Takes away what a kill left half put of a recording. Not while something is put.
    ///
    /// # Errors
    /// It cannot be taken away.
    pub async fn sweep(&self, id: &RecordingId) -> anyhow::Result<()> {
        match &self.local {
            Some(dir) => on_disk(dir, id, sweep).await,
            None => Ok(()),
        }
    }

    /// Deletes all files of a recording, those that nobody knows of among them. On the local disk they
    /// are gone for good when this answers.
    ///
    /// # Errors
    /// The store does not answer: some may be left, and another try deletes the rest.
    pub async fn delete(&self, id: &RecordingId) -> anyhow::Result<()> {
        // The signature first: what is half deleted is not finished.
        known(self.store.delete(&place(id, SIGNED)).await)?;
        if let Some(dir) = &self.local {
            return on_disk(dir, id, remove).await;
        }
        let prefix = Path::from(id.to_string());
        let found = self.store.list_with_delimiter(Some(&prefix)).await?;
        for object in found.objects {
            known(self.store.delete(&object.location).await)?;
        }
        Ok(())
    }
}

impl StoredFile {
    /// A file with these bytes.
    pub fn of(name: &str, bytes: &[u8]) -> StoredFile {
        StoredFile {
            name: name.to_owned(),
            bytes: bytes.len() as u64,
            sha256: hex(&crate::base::crypto::sha256(bytes)),
        }
    }
}

/// The files that a manifest names.
pub fn listed(manifest: &Manifest) -> Vec<StoredFile> {
    let stored = |file: &crate::record::manifest::File| StoredFile {
        name: file.name.clone(),
        bytes: file.bytes,
        sha256: file.sha256.clone(),
    };
    manifest.files.iter().map(stored).collect()
}

/// What a signature says of a recording.
fn opened(id: &RecordingId, jws: &[u8]) -> anyhow::Result<(Verified, Vec<StoredFile>)> {
    let verified = verify(&String::from_utf8_lossy(jws), None)
        .with_context(|| format!("the manifest of {id}"))?;
    anyhow::ensure!(
        verified.manifest.recording == *id,
        "the manifest of {id} is that of another recording"
    );
    let mut files = listed(&verified.manifest);
    files.push(StoredFile::of(MANIFEST, &verified.bytes));
    files.push(StoredFile::of(SIGNED, jws));
    Ok((verified, files))
}

/// Told to stop.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("interrupted")]
pub struct Interrupted;

async fn send(
    upload: &mut dyn MultipartUpload,
    from: &mut (dyn Read + Send),
    on_bytes: &mut (dyn FnMut(u64) -> bool + Send),
) -> anyhow::Result<()> {
    loop {
        let mut part = Vec::new();
        let read = from.take(PART_BYTES as u64).read_to_end(&mut part)?;
        if read == 0 {
            return Ok(());
        }
        upload.put_part(part.into()).await?;
        anyhow::ensure!(on_bytes(read as u64), Interrupted);
    }
}

/// Has a directory's disk do something about a recording, on a thread that may wait for it.
async fn on_disk(
    dir: &Arc<Dir>,
    id: &RecordingId,
    work: fn(&Dir, &str) -> io::Result<()>,
) -> anyhow::Result<()> {
    let (dir, id) = (dir.clone(), id.to_string());
    Ok(tokio::task::spawn_blocking(move || work(&dir, &id)).await??)
}

/// Syncs what was removed before, too: a try that was cut off may have come so far.
fn remove(dir: &Dir, id: &str) -> io::Result<()> {
    remove_all(dir, std::path::Path::new(id))?;
    dir.open(".")?.sync_all()
}

/// The local store writes `session.webm` as `session.webm#1`, and renames that when it is whole.
fn sweep(dir: &Dir, id: &str) -> io::Result<()> {
    let Some(entries) = there(dir.read_dir(id))? else {
        return Ok(());
    };
    for entry in entries {
        let entry = entry?;
        let name = entry.file_name();
        let number = name.to_str().and_then(|name| name.rsplit_once('#'));
        if number.is_some_and(|(_, number)| number.parse::<u64>().is_ok()) {
            entry.remove_file()?;
        }
    }
    Ok(())
}

fn place(id: &RecordingId, name: &str) -> Path {
    Path::from_iter([id.to_string().as_str(), name])
}

/// What is not there is an answer, no failure.
fn known<A>(asked: object_store::Result<A>) -> object_store::Result<Option<A>> {
    match asked {
        Ok(found) => Ok(Some(found)),
        Err(object_store::Error::NotFound { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}
