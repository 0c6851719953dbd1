//! The chain of hashes that ties the rows of a node's ledger together.

use crate::base::crypto::{hex, sha256};
use crate::base::{NodeId, SessionId, Unix};
use crate::usage::{Entry, EntryKind};
use serde::{Deserialize, Serialize};
use std::fmt;

/// A SHA-256 of the chain; prints and serialises as lower-case hexadecimal.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Hash(pub [u8; 32]);

impl Hash {
    /// What the first row of a chain names as its predecessor.
    pub const GENESIS: Hash = Hash([0; 32]);

    /// The hash in `bytes`, if there are 32.
    pub fn from_slice(bytes: &[u8]) -> Option<Hash> {
        bytes.try_into().ok().map(Hash)
    }
}

impl fmt::Display for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex(&self.0))
    }
}

impl fmt::Debug for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for Hash {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Hash {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Hash, D::Error> {
        let text = String::deserialize(deserializer)?;
        unhex(&text).ok_or_else(|| serde::de::Error::custom("a hash is 64 hexadecimal digits"))
    }
}

fn unhex(text: &str) -> Option<Hash> {
    let digits: Option<Vec<u8>> = text
        .chars()
        .map(|c| c.to_digit(16).and_then(|d| u8::try_from(d).ok()))
        .collect();
    let bytes: Vec<u8> = digits?
        .chunks(2)
        .map(|pair| pair.iter().fold(0, |n, d| n * 16 + d))
        .collect();
    (text.len() == 64)
        .then(|| Hash::from_slice(&bytes))
        .flatten()
}

/// Where a row stands in its chain.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChainPosition {
    /// The node that wrote it.
    pub node: NodeId,
    /// Which start of that node, from 1.
    pub boot_epoch: u64,
    /// Gap-free within the epoch, from 1 (the boot entry).
    pub chain_seq: u64,
}

/// The newest row of a chain.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChainHead {
    /// Its place.
    #[serde(flatten)]
    pub place: ChainPosition,
    /// Its hash.
    pub hash: Hash,
}

impl ChainHead {
    /// The head after one more row with this `body`.
    #[must_use]
    pub fn next(&self, body: &[u8]) -> ChainHead {
        let place = ChainPosition {
            chain_seq: self.place.chain_seq + 1,
            ..self.place.clone()
        };
        let hash = chain_hash(&self.hash, &place, body);
        ChainHead { place, hash }
    }

    /// The head of an epoch that has no row yet.
    pub const fn genesis(node: NodeId, boot_epoch: u64) -> ChainHead {
        ChainHead {
            place: ChainPosition {
                node,
                boot_epoch,
                chain_seq: 0,
            },
            hash: Hash::GENESIS,
        }
    }
}

/// The hash of a row: SHA-256 over the previous hash (32 bytes), the node id (length as 4 bytes,
/// then its bytes), `boot_epoch` and `chain_seq` (8 bytes each, big endian), and the body as stored.
pub fn chain_hash(prev: &Hash, place: &ChainPosition, body: &[u8]) -> Hash {
    let node = place.node.as_str().as_bytes();
    let node_len = u32::try_from(node.len()).unwrap_or(u32::MAX);
    let mut bytes = Vec::with_capacity(32 + 4 + node.len() + 16 + body.len());
    bytes.extend_from_slice(&prev.0);
    bytes.extend_from_slice(&node_len.to_be_bytes());
    bytes.extend_from_slice(node);
    bytes.extend_from_slice(&place.boot_epoch.to_be_bytes());
    bytes.extend_from_slice(&place.chain_seq.to_be_bytes());
    bytes.extend_from_slice(body);
    Hash(sha256(&bytes))
}

/// First row of each chain. It names the head of the epoch before, which links the epochs: a row
/// cut off the end of an old epoch shows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BootEntry {
    /// Always `boot`.
    pub kind: EntryKind,
    /// The node.
    pub node: NodeId,
    /// Which start of that node, from 1.
    pub boot_epoch: u64,
    /// Wall-clock label of the start.
    pub at_unix_ms: Unix,
    /// Version of the program.
    pub version: String,
    /// The last row of the epoch before; none in the first.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub previous: Option<ChainHead>,
}

/// The wall clock was set while the node ran: labels before and after it do not follow each other.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClockEntry {
    /// Always `clock`.
    pub kind: EntryKind,
    /// The node.
    pub node: NodeId,
    /// The wall clock after it.
    pub at_unix_ms: Unix,
    /// By how much it was set, forward or (less than zero) back.
    pub step_ms: i64,
}

/// What every body says of itself, and the columns repeat: queries go by those.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub struct Labels {
    /// Its kind.
    pub kind: EntryKind,
    /// Its moment.
    pub at_unix_ms: Unix,
    /// The session's newest event by then; none in rows that were written before bodies said it.
    #[serde(default)]
    pub event_seq: Option<u64>,
}

impl Labels {
    /// Whether a row that is filed as this says the same of itself.
    pub fn fit(&self, body: &Labels) -> bool {
        let events = body.event_seq.is_none() || body.event_seq == self.event_seq;
        (self.kind, self.at_unix_ms) == (body.kind, body.at_unix_ms) && events
    }
}

/// An entry as its row says it: with the session's newest event, that the next one goes on from.
#[derive(Debug, Serialize)]
pub struct Filed<'a> {
    /// The entry.
    #[serde(flatten)]
    pub entry: &'a Entry,
    /// The newest event of its session.
    pub event_seq: u64,
}

/// A ledger row as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// Its place in its chain.
    pub place: ChainPosition,
    /// The session; none in a row of the node's own.
    pub session: Option<SessionId>,
    /// The session's sequence number; none in a row of the node's own.
    pub entry_seq: Option<u64>,
    /// What it is filed under; none if that is no kind of entry.
    pub labels: Option<Labels>,
    /// The stored hash of the row before.
    pub prev_hash: Hash,
    /// The stored hash of this row.
    pub hash: Hash,
    /// The JSON of an [`Entry`](crate::usage::Entry), a [`BootEntry`] or a [`ClockEntry`].
    pub body: String,
}
