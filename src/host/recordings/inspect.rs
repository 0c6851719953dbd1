//! `beistand recordings …`: what the ledger and the store say, as text or JSON. Only reads.

#[cfg(test)]
mod tests;

use super::check::{Checked, Expected, check, size};
use super::export::export;
use super::key::NodeKey;
use super::listing::{Listed, Shown};
use super::object_store::SIGNED;
use super::place::STORE;
use super::terminal;
use crate::base::{Consent, RecordingId, SessionId, Unix};
use crate::host::cli::args::Exit;
use crate::host::cli::args::{DataArgs, environment};
use crate::host::cli::bar::Bar;
use crate::host::cli::recordings::{
    ExportArgs, ListArgs, RecordingsCommand, ShowArgs, VerifyRecordingArgs,
};
use crate::host::store::read::LedgerReader;
use crate::host::store::recordings::RecordingQuery;
use crate::record::manifest::{ConsentAt, Manifest, verify};
use crate::usage::ledger::RecordingRecord;
use anyhow::{Context, bail};
use std::path::{Path, PathBuf};

/// Does what the command says: the text to print, and how the process ends.
///
/// # Errors
/// There is no ledger, no such recording, or something cannot be read.
pub fn inspect(command: &RecordingsCommand) -> anyhow::Result<(String, Exit)> {
    match command {
        RecordingsCommand::List(args) => list(args),
        RecordingsCommand::Show(args) => show(args),
        RecordingsCommand::Verify(args) => verify_one(args),
        RecordingsCommand::Export(args) => export_one(args),
    }
}

fn list(args: &ListArgs) -> anyhow::Result<(String, Exit)> {
    let (data, _) = args.place.dirs(environment())?;
    let filter = RecordingQuery {
        session: args.session.as_deref().map(SessionId::from),
        ..RecordingQuery::default()
    };
    let records = LedgerReader::open(&data)?.recordings(&filter, u64::MAX)?;
    let listed: Vec<Listed> = records.iter().map(Listed::from).collect();
    let text = if args.json {
        format!("{}\n", serde_json::to_string_pretty(&listed)?)
    } else {
        terminal::list(&listed, terminal::is_coloured())
    };
    Ok((text, Exit::Ok))
}

fn show(args: &ShowArgs) -> anyhow::Result<(String, Exit)> {
    let (data, recordings) = args.place.dirs(environment())?;
    let id = parse(&args.id)?;
    let reader = LedgerReader::open(&data)?;
    let record = known(&reader, &id, &data)?;
    let said = reader.consents(id.session())?.into_iter();
    let about = |(_, consent): &(Unix, Consent)| consent.purpose == id.purpose();
    let shown = Shown {
        listed: Listed::from(&record),
        consents: said
            .filter(about)
            .map(|(at_unix_ms, consent)| ConsentAt {
                at_unix_ms,
                consent,
            })
            .collect(),
        manifest: manifest(&home(&recordings, &id))?,
    };
    let text = if args.json {
        format!("{}\n", serde_json::to_string_pretty(&shown)?)
    } else {
        terminal::shown(&shown, terminal::is_coloured())
    };
    Ok((text, Exit::Ok))
}

fn verify_one(args: &VerifyRecordingArgs) -> anyhow::Result<(String, Exit)> {
    let mut given = Expected {
        public: args.public_key.as_deref().map(public).transpose()?,
        ..Expected::default()
    };
    let dir = match RecordingId::parse(&args.what) {
        Some(id) => ours(&args.place, id, &mut given)?,
        None => PathBuf::from(&args.what),
    };
    if !dir.is_dir() {
        bail!(
            "{} is no directory, and no id of a recording",
            dir.display()
        );
    }
    let mut bar = Bar::new("checking", size(&dir).unwrap_or(0));
    let checked = check(&dir, &given, &mut |bytes| bar.advance(bytes))?;
    drop(bar);
    outcome(&checked, args.json, None)
}

fn export_one(args: &ExportArgs) -> anyhow::Result<(String, Exit)> {
    let id = parse(&args.id)?;
    let to = args.to.join(id.to_string());
    let mut given = Expected::default();
    let from = ours(&args.place, id, &mut given)?;
    // Copied once, and what was copied is read once.
    let mut bar = Bar::new("exporting", 2 * size(&from).unwrap_or(0));
    let done = export(&from, &to, args.force, &given, &mut |bytes| {
        bar.advance(bytes)
    });
    drop(bar);
    outcome(&done?, args.json, Some(&to))
}

fn outcome(checked: &Checked, json: bool, to: Option<&Path>) -> anyhow::Result<(String, Exit)> {
    let exit = if checked.is_whole() {
        Exit::Ok
    } else {
        Exit::Failed
    };
    let text = if json {
        format!("{}\n", serde_json::to_string(checked)?)
    } else {
        terminal::checked(checked, to, terminal::is_coloured())
    };
    Ok((text, exit))
}

/// The directory of one of this node's own recordings, and what ledger and key say of it.
fn ours(place: &DataArgs, id: RecordingId, given: &mut Expected) -> anyhow::Result<PathBuf> {
    let (data, recordings) = place.dirs(environment())?;
    let record = known(&LedgerReader::open(&data)?, &id, &data)?;
    let dir = home(&recordings, &id);
    if record.result.is_none() || record.state() == "deleted" {
        let reason = record
            .reason
            .as_ref()
            .map_or(String::new(), |why| format!(": {why}"));
        bail!("{id} is {}{reason}: it has no files", record.state());
    }
    if given.public.is_none() {
        let key = NodeKey::read(&data)?;
        given.public = key.map(|key| key.signing.public().to_vec());
    }
    given.manifest_sha256 = record.result.map(|result| result.manifest_sha256);
    given.id = Some(id);
    Ok(dir)
}

fn known(reader: &LedgerReader, id: &RecordingId, data: &Path) -> anyhow::Result<RecordingRecord> {
    let found = reader.recording(id)?;
    found.with_context(|| format!("the ledger in {} has no recording {id}", data.display()))
}

fn home(recordings: &Path, id: &RecordingId) -> PathBuf {
    recordings.join(STORE).join(id.to_string())
}

fn manifest(dir: &Path) -> anyhow::Result<Option<Manifest>> {
    match std::fs::read_to_string(dir.join(SIGNED)) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error.into()),
        Ok(signed) => Ok(verify(&signed, None).ok().map(|verified| verified.manifest)),
    }
}

fn parse(text: &str) -> anyhow::Result<RecordingId> {
    RecordingId::parse(text).with_context(|| {
        format!("{text:?} is no id of a recording: one looks like RC_0123456789ab_shared")
    })
}

fn public(text: &str) -> anyhow::Result<Vec<u8>> {
    let digit = |at: usize| {
        text.get(at..at + 2)
            .and_then(|two| u8::from_str_radix(two, 16).ok())
    };
    let bytes: Option<Vec<u8>> = (0..text.len()).step_by(2).map(digit).collect();
    bytes
        .filter(|bytes| bytes.len() == 32)
        .context("--public-key: a public key has 64 hexadecimal digits")
}
