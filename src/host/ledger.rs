//! The ledger as the Sessions API asks for it.

use super::store::error::OpenError;
use super::store::pending::Confirmed;
use super::store::read::LedgerReader;
use crate::api::{Ledger, Unreadable};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How long a request waits until what it wrote is on disk. A commit takes milliseconds.
const PATIENCE: Duration = Duration::from_secs(5);

/// The ways to the ledger in `dir`, whose writer is behind `writer`.
pub(super) fn ledger(dir: &Path, writer: Confirmed) -> Ledger {
    let dirs: [PathBuf; 4] = std::array::from_fn(|_| dir.to_path_buf());
    let [one, many, asked, answered] = dirs;
    Ledger {
        write: Box::new(move |work| writer.send(work)),
        session: Box::new(move |asked| read(&one, |reader| reader.session(asked))),
        sessions: Box::new(move |page| read(&many, |reader| reader.sessions(page))),
        request: Box::new(move |key| read(&asked, |reader| reader.request(key))),
        answer: Box::new(move |key| read(&answered, |reader| reader.answer(key))),
        patience: PATIENCE,
    }
}

/// Asks the ledger in `dir`, as it is on disk now.
pub(super) fn read<A>(
    dir: &Path,
    ask: impl FnOnce(&LedgerReader) -> Result<A, OpenError>,
) -> Result<A, Unreadable> {
    let reader = LedgerReader::open(dir);
    reader
        .and_then(|reader| ask(&reader))
        .map_err(|error| Unreadable(error.to_string()))
}
