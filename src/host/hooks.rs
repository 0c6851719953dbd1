//! The delivery of webhooks and its dead letters, as the API asks for them.

use super::deliver::Inlet;
use super::ledger::read;
use super::store::dead_letters::{dead_letters, tallies};
use crate::api::{Configured, Webhooks};
use std::path::{Path, PathBuf};

/// The ways to the delivery behind `inlet`, and to the ledger in `dir`.
pub(super) fn webhooks(dir: &Path, inlet: &Inlet) -> Webhooks {
    let [counted, listed]: [PathBuf; 2] = std::array::from_fn(|_| dir.to_path_buf());
    let [named, enabled] = std::array::from_fn(|_| inlet.clone());
    Webhooks {
        configured: Box::new(move |project| {
            let disabled = named.disabled();
            let own = named.names().into_iter().filter(|name| project.owns(name));
            let told = own.map(|full| Configured {
                is_disabled: disabled.contains(&full),
                name: full.rsplit('/').next().unwrap_or_default().to_owned(),
            });
            told.collect()
        }),
        tallies: Box::new(move |project| read(&counted, |reader| tallies(reader, project))),
        dead_letters: Box::new(move |of| read(&listed, |reader| dead_letters(reader, of))),
        enable: Box::new(move |of| enabled.handle_enable(&of.project.endpoint(&of.asked))),
    }
}
