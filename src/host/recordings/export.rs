//! Copies a finished recording out of the store.

use super::check::{Checked, Expected, OnBytes, check};
use super::object_store::{MANIFEST, SIGNED};
use crate::record::manifest::verify;
use anyhow::{Context, bail};
use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;

/// Read and written at once.
const BUFFER_BYTES: usize = 256 * 1024;

/// Copies the recording in `from` into the directory `to`, which is made, and checks what is there
/// then.
///
/// # Errors
/// It is not whole before, something is in the way, or a disk says no.
pub fn export(
    from: &Path,
    to: &Path,
    force: bool,
    known: &Expected,
    on_bytes: &mut OnBytes<'_>,
) -> anyhow::Result<Checked> {
    let signed = std::fs::read_to_string(from.join(SIGNED));
    let signed = signed.with_context(|| format!("{} is no finished recording", from.display()))?;
    let verified = verify(&signed, known.public.as_deref()).context("its manifest")?;
    let files = verified
        .manifest
        .files
        .iter()
        .map(|file| file.name.as_str());
    let names: Vec<&str> = files.chain([MANIFEST, SIGNED]).collect();
    if let Some(name) = names.iter().find(|name| name.contains('/')) {
        bail!("{name:?} is no name of a file");
    }
    if !force && let Some(there) = names.iter().find(|name| to.join(name).exists()) {
        bail!(
            "{} is there already: --force writes over it",
            to.join(there).display()
        );
    }
    let mut builder = DirBuilder::new();
    let made = builder.recursive(true).mode(0o700).create(to);
    made.with_context(|| format!("{} cannot be made", to.display()))?;
    for name in names {
        copy(&from.join(name), &to.join(name), on_bytes)
            .with_context(|| format!("{name} cannot be copied to {}", to.display()))?;
    }
    File::open(to)?.sync_all()?;
    check(to, known, on_bytes)
}

/// A copy has its name once it is whole and on disk.
fn copy(from: &Path, to: &Path, on_bytes: &mut OnBytes<'_>) -> anyhow::Result<()> {
    let mut part = to.as_os_str().to_owned();
    part.push(".part");
    let mut options = OpenOptions::new();
    let options = options.write(true).create(true).truncate(true).mode(0o600);
    let (mut input, mut output) = (File::open(from)?, options.open(&part)?);
    let mut buffer = vec![0; BUFFER_BYTES];
    loop {
        let read = input.read(&mut buffer)?;
        if read == 0 {
            break;
        }
        output.write_all(&buffer[..read])?;
        on_bytes(read as u64);
    }
    output.sync_all()?;
    std::fs::rename(&part, to)?;
    Ok(())
}
