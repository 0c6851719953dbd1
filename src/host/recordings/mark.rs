//! Which directory of recordings belongs to which ledger: an id, in a file here and there. An empty
//! mount point must not be taken for a directory whose recordings are gone: the ledger would then say
//! of every one that it failed or was deleted.

use super::place::{SEGMENTS, STORE, there, write_whole};
use crate::base::crypto::entropy_seed;
use crate::host::store::error::OpenError;
use crate::host::store::read::LedgerReader;
use anyhow::{Context, bail};
use cap_std::ambient_authority;
use cap_std::fs::Dir;
use std::path::Path;

/// Name of the file, in the directory of the recordings and in that of the ledger.
const MARK: &str = "recordings.id";
/// What a directory has that was used before there were marks.
const USED: [&str; 2] = [SEGMENTS, STORE];

/// Refuses a directory that is not that of the ledger's recordings. Writes nothing.
///
/// # Errors
/// What is wrong with it, and what to do; or something cannot be read.
pub fn recognise(data: &Path, recordings: &Path) -> anyhow::Result<()> {
    let (at, of) = (recordings.display(), data.display());
    let (here, known) = (read(recordings)?, read(data)?);
    match (here, known) {
        (Some(here), Some(known)) if here == known => Ok(()),
        (Some(here), known) => bail!(
            "recordings.dir {at} belongs to another ledger: {MARK} is {here} there, and {} in {of}. \
             Name the right directory. If it is to belong to this ledger: cp {at}/{MARK} {of}/",
            known.as_deref().unwrap_or("missing")
        ),
        (None, known) => {
            let kept = kept(data)?;
            let used = USED.iter().all(|name| recordings.join(name).is_dir());
            if kept == 0 || (known.is_none() && used) {
                return Ok(());
            }
            let lost = match known {
                Some(_) => format!("cp {of}/{MARK} {at}/"),
                None => format!("mkdir {at}/{} {at}/{}", USED[0], USED[1]),
            };
            bail!(
                "recordings.dir {at} has no {MARK}, and the ledger in {of} has recordings ({kept}): \
                 perhaps it is not mounted. Mount it, or name the right directory. If it is the right \
                 one, or what was in it is lost for good: {lost}"
            )
        }
    }
}

/// Marks both directories, at the first start.
///
/// # Errors
/// One of them cannot be read or written to.
pub fn mark(data: &Path, recordings: &Dir) -> anyhow::Result<()> {
    let data = Dir::open_ambient_dir(data, ambient_authority())?;
    let id = match there(data.read_to_string(MARK))? {
        Some(id) => id,
        None => {
            let id = format!("{:016x}{:016x}\n", entropy_seed()?, entropy_seed()?);
            write_whole(&data, MARK, id.as_bytes())?;
            id
        }
    };
    if there(recordings.symlink_metadata(MARK))?.is_none() {
        write_whole(recordings, MARK, id.as_bytes())?;
    }
    Ok(())
}

fn read(dir: &Path) -> anyhow::Result<Option<String>> {
    let path = dir.join(MARK);
    let found = there(std::fs::read_to_string(&path));
    let found = found.with_context(|| format!("{} cannot be read", path.display()))?;
    Ok(found.map(|id| id.trim().to_owned()))
}

/// How many recordings the ledger has that are not deleted.
fn kept(data: &Path) -> anyhow::Result<u64> {
    match LedgerReader::open(data) {
        Err(OpenError::Missing { .. }) => Ok(0),
        ledger => {
            let counts = ledger?.recording_counts()?;
            Ok(counts.iter().map(|(_, count)| count).sum())
        }
    }
}

#[cfg(test)]
mod tests;
