//! Checks a finished recording in a directory: its signature, its files, and that they can be played.

use super::object_store::{MANIFEST, SIGNED};
use crate::base::RecordingId;
use crate::base::crypto::{Sha256, hex, sha256};
use crate::record::manifest::{File, FileKind, Manifest, Verified, verify};
use crate::record::read::{ReadError, Reader};
use serde::Serialize;
use std::io::{ErrorKind, Read};
use std::path::Path;

/// What is known beforehand, from elsewhere than the recording itself.
#[derive(Clone, Debug, Default)]
pub struct Expected {
    /// The node's public key.
    pub public: Option<Vec<u8>>,
    /// Which recording it is said to be.
    pub id: Option<RecordingId>,
    /// SHA-256 of the manifest, from the ledger.
    pub manifest_sha256: Option<String>,
}

/// What was found.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Checked {
    /// Which recording.
    pub recording: Option<String>,
    /// The name of the key that signed it.
    pub kid: Option<String>,
    /// The key itself.
    pub public_key: Option<String>,
    /// True if that key was known from elsewhere.
    pub key_known: bool,
    /// The files that are as they were signed.
    pub good: Vec<Good>,
    /// What differs.
    pub faults: Vec<Fault>,
}

/// A file that is as it was signed, and can be read to its end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Good {
    /// Its name.
    pub file: String,
    /// Its size.
    pub bytes: u64,
    /// Frames in it; none for a picture.
    pub frames: Option<u64>,
}

/// Something that differs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Fault {
    /// In which file.
    pub file: String,
    /// What.
    pub what: String,
}

/// Told of bytes that were read.
pub type OnBytes<'a> = dyn FnMut(u64) + 'a;

/// Bytes that [`check`] will read; none if the manifest cannot be read.
pub fn size(dir: &Path) -> Option<u64> {
    let manifest = std::fs::read(dir.join(MANIFEST)).ok()?;
    let manifest: Manifest = serde_json::from_slice(&manifest).ok()?;
    Some(manifest.files.iter().map(|file| file.bytes).sum())
}

/// Checks the recording in `dir`.
///
/// # Errors
/// Something cannot be read, which is not the same as that it differs.
pub fn check(dir: &Path, known: &Expected, on_bytes: &mut OnBytes<'_>) -> anyhow::Result<Checked> {
    let mut checked = Checked {
        key_known: known.public.is_some(),
        ..Checked::default()
    };
    let Some(signed) = there(std::fs::read(dir.join(SIGNED)))? else {
        checked.fault(
            SIGNED,
            "it is not there: the recording is not finished, or not whole",
        );
        return Ok(checked);
    };
    let verified = match verify(&String::from_utf8_lossy(&signed), known.public.as_deref()) {
        Ok(verified) => verified,
        Err(refused) => {
            checked.fault(SIGNED, &refused.to_string());
            return Ok(checked);
        }
    };
    checked.recording = Some(verified.manifest.recording.to_string());
    checked.kid = Some(verified.kid.clone());
    checked.public_key = Some(hex(&verified.public));
    checked.manifest(dir, known, &verified)?;
    for file in &verified.manifest.files {
        checked.file(dir, file, on_bytes)?;
    }
    Ok(checked)
}

impl Checked {
    /// True if nothing differs.
    pub const fn is_whole(&self) -> bool {
        self.faults.is_empty()
    }

    fn fault(&mut self, file: &str, what: &str) {
        let (file, what) = (file.to_owned(), what.to_owned());
        self.faults.push(Fault { file, what });
    }

    fn manifest(
        &mut self,
        dir: &Path,
        known: &Expected,
        verified: &Verified,
    ) -> anyhow::Result<()> {
        let plain = there(std::fs::read(dir.join(MANIFEST)))?;
        if plain.as_ref() != Some(&verified.bytes) {
            self.fault(MANIFEST, "it is not what was signed");
        }
        let id = &verified.manifest.recording;
        if known.id.as_ref().is_some_and(|known| known != id) {
            self.fault(SIGNED, &format!("it is that of {id}"));
        }
        let sum = hex(&sha256(&verified.bytes));
        if known
            .manifest_sha256
            .as_ref()
            .is_some_and(|known| *known != sum)
        {
            self.fault(SIGNED, "it is not the one that the ledger names");
        }
        Ok(())
    }

    fn file(&mut self, dir: &Path, file: &File, on_bytes: &mut OnBytes<'_>) -> anyhow::Result<()> {
        let name = &file.name;
        // A name is one of ours, or the manifest was not made by us.
        if name.contains(['/', '\\']) || name.starts_with('.') {
            self.fault(name, "that is no name of a file");
            return Ok(());
        }
        let Some(opened) = there(std::fs::File::open(dir.join(name)))? else {
            self.fault(name, "it is not there");
            return Ok(());
        };
        let mut from = Listening {
            inner: opened,
            sum: Sha256::default(),
            bytes: 0,
            on_bytes,
        };
        let played = match file.kind {
            FileKind::Participant | FileKind::Session => play(&mut from)?,
            FileKind::Poster => Ok(None),
        };
        // What a player does not need counts as well.
        std::io::copy(&mut from, &mut std::io::sink())?;
        let (bytes, sum) = (from.bytes, hex(&from.sum.finish()));
        match played {
            _ if bytes != file.bytes => {
                let what = format!("it has {} bytes, signed were {}", bytes, file.bytes);
                self.fault(name, &what);
            }
            _ if sum != file.sha256 => {
                let what = format!("its SHA-256 is {sum}, signed was {}", file.sha256);
                self.fault(name, &what);
            }
            Err(what) => self.fault(name, &what),
            Ok(frames) => self.good.push(Good {
                file: name.clone(),
                bytes,
                frames,
            }),
        }
        Ok(())
    }
}

/// Reads a file as a player does. The inner error says why it cannot be played.
fn play(from: impl Read) -> anyhow::Result<Result<Option<u64>, String>> {
    let mut reader = match Reader::new(from) {
        Ok(reader) => reader,
        Err(error @ ReadError::NoHeader) => return Ok(Err(error.to_string())),
        Err(ReadError::Io(error)) => return Err(error.into()),
    };
    let mut frames = 0;
    while reader.next_block()?.is_some() {
        frames += 1;
    }
    let damage = reader.damage();
    if !damage.is_none() || frames == 0 {
        let cut = if damage.cut {
            ", and it is cut off"
        } else {
            ""
        };
        let places = damage.places;
        return Ok(Err(format!(
            "it cannot be played as it is: {frames} frames, {places} broken places{cut}"
        )));
    }
    Ok(Ok(Some(frames)))
}

/// Sums up what goes by.
struct Listening<'a, 'b, R> {
    inner: R,
    sum: Sha256,
    bytes: u64,
    on_bytes: &'a mut OnBytes<'b>,
}

impl<R: Read> Read for Listening<'_, '_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.sum.update(&buffer[..read]);
        self.bytes += read as u64;
        (self.on_bytes)(read as u64);
        Ok(read)
    }
}

/// What is not there is an answer, no failure.
fn there<A>(asked: std::io::Result<A>) -> std::io::Result<Option<A>> {
    match asked {
        Ok(found) => Ok(Some(found)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}
