//! Start-up: who this node is, what the last process left open, and the first row of a new chain.

use super::alive;
use super::batch::{Batch, Chain, chain_head};
use super::bookings;
use super::columns::{entries, int};
use super::error::OpenError;
use super::orphan::Orphan;
use super::parts::{Boot, StoreConfig};
use crate::base::crypto::entropy_seed;
use crate::base::{Millis, NodeId, Now, Rng, RoomKey, SessionId, Unix};
use crate::usage::ledger::{BootEntry, ChainHead, SessionRecord, fold};
use crate::usage::{Entry, EntryKind};
use rusqlite::Connection;
use std::collections::BTreeMap;

/// A rejoin of the room within this time continues the session (docs/contract.md).
const CONTINUES_WITHIN: Millis = Millis::from_secs(600);

/// Sessions that ended with their node since, and that none continues.
pub(super) const CUT: &str =
    "SELECT id FROM session WHERE cut_unix_ms > ?1 ORDER BY cut_unix_ms, seq";

/// Writes the boot entry and the stop entries of orphans in one transaction.
pub(super) fn boot(
    conn: &mut Connection,
    config: &StoreConfig,
    now: Now,
) -> Result<(Boot, Chain), OpenError> {
    let sqlite = OpenError::sqlite(&config.dir);
    let previous = chain_head(conn).map_err(&sqlite)?;
    let node = node_id(previous.as_ref(), config.node.as_ref())?;
    let before = previous.as_ref().map_or(0, |head| head.place.boot_epoch);
    let epoch = before + 1;
    let death = alive::death(&config.dir, before);
    let orphans = orphans(conn, config)?;
    let sessions = orphans
        .iter()
        .map(|o| (o.facts.session.clone(), o.newest))
        .collect();
    let head = ChainHead::genesis(node.clone(), epoch);
    let mut chain = Chain {
        head,
        endpoints: config.endpoints.clone(),
        sessions,
    };
    let entry = BootEntry {
        kind: EntryKind::Boot,
        node: node.clone(),
        boot_epoch: epoch,
        at_unix_ms: now.unix,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        previous,
    };
    let mut outcome = (|| {
        let mut batch = Batch::begin(conn, &chain, now)?;
        batch.boot(&entry)?;
        for orphan in &orphans {
            batch.append(&orphan.stop(death))?;
        }
        batch.commit()
    })()
    .map_err(&sqlite)?;
    chain.commit(&mut outcome);
    let recent = recent(conn, now.unix).map_err(&sqlite)?;
    let bookings = bookings::scheduled(conn).map_err(sqlite)?;
    let closed = orphans.into_iter().map(|orphan| orphan.facts).collect();
    Ok((
        Boot {
            node,
            epoch,
            closed,
            recent,
            bookings,
        },
        chain,
    ))
}

/// The id in the ledger, else the one in the config, else a new one.
fn node_id(stored: Option<&ChainHead>, given: Option<&NodeId>) -> Result<NodeId, OpenError> {
    match (stored.map(|head| &head.place.node), given) {
        (Some(stored), Some(given)) if stored != given => Err(OpenError::OtherNode {
            stored: stored.clone(),
            given: given.clone(),
        }),
        (Some(id), _) | (None, Some(id)) => Ok(id.clone()),
        (None, None) => Ok(NodeId::random(&mut Rng::from_seed(entropy_seed()?))),
    }
}

fn orphans(conn: &Connection, config: &StoreConfig) -> Result<Vec<Orphan>, OpenError> {
    let sqlite = OpenError::sqlite(&config.dir);
    let open = || -> rusqlite::Result<Vec<String>> {
        conn.prepare("SELECT session FROM checkpoint ORDER BY session")?
            .query_map([], |row| row.get(0))?
            .collect()
    };
    open()
        .map_err(&sqlite)?
        .into_iter()
        .map(|session| {
            let session = SessionId::from(session);
            let orphan = Orphan::of(conn, &session).map_err(&sqlite)?;
            orphan.map_err(|why| OpenError::Orphan { session, why })
        })
        .collect()
}

/// Sessions that a crash or a stop of the node ended a short while ago and that no later one continues,
/// the newest of each room. A wall clock set back makes more of them recent, never fewer.
fn recent(conn: &Connection, now: Unix) -> rusqlite::Result<BTreeMap<RoomKey, SessionRecord>> {
    let since = Unix(now.0.saturating_sub(CONTINUES_WITHIN.0));
    let cut: Vec<String> = conn
        .prepare(CUT)?
        .query_map([int(since.0)], |row| row.get(0))?
        .collect::<rusqlite::Result<_>>()?;
    let mut recent = BTreeMap::new();
    for session in cut {
        let entries: Vec<Entry> = entries(conn, &session)?
            .into_iter()
            .filter_map(Result::ok)
            .collect();
        if let Ok(record) = fold(&entries) {
            recent.insert(record.facts.room.clone(), record);
        }
    }
    Ok(recent)
}
