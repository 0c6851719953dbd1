//! What can go wrong with the ledger's file, and what to do about it.

use crate::base::{NodeId, SessionId};
use std::path::{Path, PathBuf};

/// Name of the ledger in the data directory.
pub(super) const LEDGER_FILE: &str = "ledger.sqlite";

/// The ledger cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The directory or its lock file cannot be made.
    #[error(
        "the data directory {dir} cannot be used: {source}; it must exist or be creatable, and be writable by this user"
    )]
    Dir {
        /// The directory.
        dir: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A second process.
    #[error(
        "another beistand process runs on {dir}; stop it, or give this one a directory of its own with --data"
    )]
    Locked {
        /// The directory.
        dir: PathBuf,
    },
    /// Nothing to read.
    #[error("there is no ledger at {file}; name the data directory of a node with --data")]
    Missing {
        /// The file.
        file: PathBuf,
    },
    /// `SQLite` says no.
    #[error(
        "the ledger {file} cannot be used: {source}; check free space and permissions of the file and its directory"
    )]
    Sqlite {
        /// The file.
        file: PathBuf,
        /// Why.
        source: rusqlite::Error,
    },
    /// `quick_check` found something.
    #[error(
        "the ledger {file} is damaged ({finding}); stop here, copy the whole directory away, and restore the file from a backup or with the sqlite3 command .recover"
    )]
    Damaged {
        /// The file.
        file: PathBuf,
        /// What `SQLite` said first.
        finding: String,
    },
    /// Written by a later version.
    #[error(
        "the ledger {file} has schema {found}, this program knows {known}; use the version that wrote it, or a later one"
    )]
    Newer {
        /// The file.
        file: PathBuf,
        /// Its schema.
        found: i64,
        /// Ours.
        known: i64,
    },
    /// The config names another node than the ledger.
    #[error(
        "the ledger belongs to node {stored}, the config names {given}; remove the id from the config, or use another data directory"
    )]
    OtherNode {
        /// In the ledger.
        stored: NodeId,
        /// In the config.
        given: NodeId,
    },
    /// An open session that cannot be read.
    #[error(
        "session {session} was left open and cannot be closed: {why}; run `beistand ledger verify` and keep a copy of the file"
    )]
    Orphan {
        /// The session.
        session: SessionId,
        /// What is wrong with its rows.
        why: String,
    },
    /// No randomness for a node id.
    #[error(transparent)]
    Entropy(#[from] crate::base::crypto::EntropyError),
}

impl OpenError {
    pub(super) fn sqlite(dir: &Path) -> impl Fn(rusqlite::Error) -> OpenError {
        let file = dir.join(LEDGER_FILE);
        move |source| OpenError::Sqlite {
            file: file.clone(),
            source,
        }
    }
}

/// The writer gave up: the process must exit, non-zero, within a second.
#[derive(Debug, thiserror::Error)]
pub enum Fatal {
    /// A write or an fsync failed, and not for lack of space.
    #[error(
        "the ledger could not be written ({0}); the process exits and does not retry, since after a failed write or fsync nobody knows what is on the disk; check the disk, then start again: the sessions cut off are closed from their checkpoints"
    )]
    Write(#[source] rusqlite::Error),
    /// A defect of ours.
    #[error(
        "the ledger's writer thread panicked; the process exits, and the sessions cut off are closed from their checkpoints at the next start"
    )]
    Panicked,
}
