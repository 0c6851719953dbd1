//! The directory of recordings: all below one handle, by names that no client chose.

use crate::base::RecordingId;
use crate::record::SegmentId;
use cap_std::fs::{Dir, DirBuilder, DirBuilderExt, File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The directory below which each recording has its own.
pub(super) const SEGMENTS: &str = "segments";
/// Which recordings someone has asked to delete: an empty file for each, until the ledger is told.
const DELETING: &str = "deleting";
/// Where finished files lie until they are stored.
const FINISH: &str = "finish";
/// The root of the local store.
pub const STORE: &str = "store";
const SEGMENT_ENDING: &str = ".mkv";

/// The directory of recordings.
#[derive(Clone, Debug)]
pub struct RecordingsDir {
    dir: Arc<Dir>,
}

/// The directory in which the files of a recording are made.
#[derive(Debug)]
pub struct Bench {
    dir: Dir,
}

impl RecordingsDir {
    /// The directory behind this handle; makes what it lacks.
    ///
    /// # Errors
    /// It cannot be written to.
    pub fn new(dir: &Dir) -> io::Result<RecordingsDir> {
        for name in [SEGMENTS, STORE, DELETING] {
            ensure_dir(dir, Path::new(name))?;
        }
        let dir = Arc::new(dir.try_clone()?);
        Ok(RecordingsDir { dir })
    }

    /// The numbers of a recording's segments in their order, with their sizes.
    ///
    /// # Errors
    /// The directory cannot be read. One that is not there holds none.
    pub fn segments(&self, id: &RecordingId) -> io::Result<Vec<(u32, u64)>> {
        let Some(entries) = there(self.dir.read_dir(home(id)))? else {
            return Ok(Vec::new());
        };
        let mut found = Vec::new();
        for entry in entries {
            let entry = entry?;
            let name = entry.file_name();
            let number = name
                .to_str()
                .and_then(|name| name.strip_suffix(SEGMENT_ENDING));
            if let Some(number) = number.and_then(|number| number.parse().ok()) {
                found.push((number, entry.metadata()?.len()));
            }
        }
        found.sort_unstable();
        Ok(found)
    }

    /// Opens a segment.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn segment(&self, id: &RecordingId, number: u32) -> io::Result<File> {
        let segment = SegmentId {
            recording: id.clone(),
            number,
        };
        self.dir.open(Path::new(SEGMENTS).join(segment.to_string()))
    }

    /// The place in which files are made, as an earlier attempt left it; none if there was none.
    ///
    /// # Errors
    /// It cannot be opened.
    pub fn bench(&self, id: &RecordingId) -> io::Result<Option<Bench>> {
        let dir = there(self.dir.open_dir(home(id).join(FINISH)))?;
        Ok(dir.map(|dir| Bench { dir }))
    }

    /// An empty place in which files can be made.
    ///
    /// # Errors
    /// It cannot be emptied or made.
    pub fn empty_bench(&self, id: &RecordingId) -> io::Result<Bench> {
        self.clear_bench(id)?;
        let path = home(id).join(FINISH);
        ensure_dir(&self.dir, &path)?;
        let dir = self.dir.open_dir(path)?;
        Ok(Bench { dir })
    }

    /// Takes away what an attempt has made.
    ///
    /// # Errors
    /// It cannot be taken away.
    pub fn clear_bench(&self, id: &RecordingId) -> io::Result<()> {
        remove_all(&self.dir, &home(id).join(FINISH))
    }

    /// Takes away the segments of a recording, and all that was made of them here, for good. Syncs
    /// what was taken away before, too: a try that was cut off may have come so far.
    ///
    /// # Errors
    /// Something cannot be taken away; another try goes on with the rest.
    pub fn clear(&self, id: &RecordingId) -> io::Result<()> {
        remove_all(&self.dir, &home(id))?;
        self.dir.open_dir(SEGMENTS)?.open(".")?.sync_all()
    }

    /// Notes, on disk, that a recording is about to be deleted because someone asked for it: a kill
    /// amid that leaves files gone of which the ledger says that they are there.
    ///
    /// # Errors
    /// It cannot be noted.
    pub fn doom(&self, id: &RecordingId) -> io::Result<()> {
        let dir = self.dir.open_dir(DELETING)?;
        dir.create(id.to_string())?;
        dir.open(".")?.sync_all()
    }

    /// The recordings that someone asked to delete, and of which the ledger may not have heard.
    ///
    /// # Errors
    /// They cannot be read.
    pub fn doomed(&self) -> io::Result<Vec<RecordingId>> {
        let mut found = Vec::new();
        for entry in self.dir.read_dir(DELETING)? {
            let name = entry?.file_name();
            found.extend(name.to_str().and_then(RecordingId::parse));
        }
        Ok(found)
    }

    /// The ledger has heard of the deletion.
    ///
    /// # Errors
    /// The note of it cannot be removed.
    pub fn forget_doomed(&self, id: &RecordingId) -> io::Result<()> {
        there(
            self.dir
                .remove_file(Path::new(DELETING).join(id.to_string())),
        )
        .map(drop)
    }
}

impl Bench {
    /// A new file.
    ///
    /// # Errors
    /// It cannot be made.
    pub fn create(&self, name: &str) -> io::Result<File> {
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(true);
        self.dir.open_with(name, &options)
    }

    /// A file that was made.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn open(&self, name: &str) -> io::Result<File> {
        self.dir.open(name)
    }

    /// A small file as a whole, once it is on disk; it is there as a whole or not at all.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn write(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        write_whole(&self.dir, name, bytes)
    }

    /// A small file as a whole; none if it is not there.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn read(&self, name: &str) -> io::Result<Option<Vec<u8>>> {
        there(self.dir.read(name))
    }
}

fn home(id: &RecordingId) -> PathBuf {
    Path::new(SEGMENTS).join(id.to_string())
}

fn ensure_dir(dir: &Dir, path: &Path) -> io::Result<()> {
    let mut builder = DirBuilder::new();
    builder.mode(0o700);
    match dir.create_dir_with(path, &builder) {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(()),
        made => made,
    }
}

/// Writes a small file: it is there as a whole, on disk, or not at all.
pub(super) fn write_whole(dir: &Dir, name: &str, bytes: &[u8]) -> io::Result<()> {
    let new = format!("{name}.new");
    let mut file = dir.create(&new)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    dir.rename(&new, dir, name)?;
    dir.open(".")?.sync_all()
}

/// Takes a directory away with all that is in it, also while someone else does the same. That there
/// is none is no failure.
pub(super) fn remove_all(dir: &Dir, path: &Path) -> io::Result<()> {
    loop {
        match dir.remove_dir_all(path) {
            // Something in it was gone first, or all of it.
            Err(error) if error.kind() == ErrorKind::NotFound => {
                if there(dir.symlink_metadata(path))?.is_none() {
                    return Ok(());
                }
            }
            removed => return removed,
        }
    }
}

/// What is not there is an answer, no failure.
pub(super) fn there<A>(asked: io::Result<A>) -> io::Result<Option<A>> {
    match asked {
        Ok(found) => Ok(Some(found)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}
