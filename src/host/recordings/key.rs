//! The node's own key: what it signs manifests with, and what its links are made from.

use crate::base::crypto::{SigningKey, hmac_sha256};
use anyhow::{Context, bail};
use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Read, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;

/// Name of the key in the data directory.
const KEY_FILE: &str = "node.key";
/// Where it is written before it has its name.
const NEW_FILE: &str = "node.key.new";
/// A key has 48 to 83 bytes; a larger file is something else.
const MAX_BYTES: u64 = 1_024;

/// The node's key, ready for use.
#[derive(Debug)]
pub struct NodeKey {
    /// Signs manifests.
    pub signing: SigningKey,
    link_key: [u8; 32],
}

impl NodeKey {
    /// Reads the key in the data directory, or makes one at the first start.
    ///
    /// # Errors
    /// It cannot be read or made, others can read it, or it is no key.
    pub fn open(data: &Path) -> anyhow::Result<NodeKey> {
        if let Some(key) = NodeKey::read(data)? {
            return Ok(key);
        }
        make(data).with_context(|| format!("{} cannot be made", data.join(KEY_FILE).display()))?;
        NodeKey::read(data)?.context("the key that was made is not there")
    }

    /// Reads the key in the data directory; none before the first start.
    ///
    /// # Errors
    /// It cannot be read, others can read it, or it is no key.
    pub fn read(data: &Path) -> anyhow::Result<Option<NodeKey>> {
        let path = data.join(KEY_FILE);
        match read(&path) {
            Ok(found) => Ok(found),
            Err(error) => Err(error.context(format!(
                "{} cannot be used: restore it from a backup; without it, move it away and a new one is \
                 made at the next start, but what the old one signed cannot be checked against the node \
                 any more",
                path.display()
            ))),
        }
    }

    /// Signs links; nothing of the key itself can be learnt from it.
    pub const fn link_key(&self) -> [u8; 32] {
        self.link_key
    }
}

fn read(path: &Path) -> anyhow::Result<Option<NodeKey>> {
    let file = match File::open(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        opened => opened?,
    };
    let mode = file.metadata()?.permissions().mode() & 0o777;
    if mode & 0o077 != 0 {
        bail!("others may read it (mode {mode:o}): chmod 600");
    }
    let mut bytes = Vec::new();
    file.take(MAX_BYTES).read_to_end(&mut bytes)?;
    Ok(Some(NodeKey {
        signing: SigningKey::from_pkcs8(&bytes)?,
        link_key: hmac_sha256(&bytes, b"beistand links to files of recordings"),
    }))
}

fn make(data: &Path) -> anyhow::Result<()> {
    let key = SigningKey::generate()?;
    // What a crash left of an earlier attempt was never in use.
    let mut file = OpenOptions::new()
        .create(true)
        .truncate(true)
        .write(true)
        .mode(0o600)
        .open(data.join(NEW_FILE))?;
    file.set_permissions(PermissionsExt::from_mode(0o600))?;
    file.write_all(&key)?;
    file.sync_all()?;
    std::fs::rename(data.join(NEW_FILE), data.join(KEY_FILE))?;
    File::open(data)?.sync_all()?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::fixture::Scratch;
    use super::*;

    #[test]
    fn a_key_is_made_once_and_read_from_then_on() {
        let scratch = Scratch::new();
        assert!(NodeKey::read(scratch.path()).unwrap().is_none());
        let first = NodeKey::open(scratch.path()).unwrap();
        let again = NodeKey::open(scratch.path()).unwrap();
        assert_eq!(first.signing.public(), again.signing.public());
        assert_eq!(first.link_key(), again.link_key());
        let mode = std::fs::metadata(scratch.path().join(KEY_FILE)).unwrap();
        assert_eq!(mode.permissions().mode() & 0o777, 0o600);
        assert!(!scratch.path().join(NEW_FILE).exists());
    }

    #[test]
    fn a_key_that_others_can_read_and_one_that_is_none_are_refused_and_kept() {
        let scratch = Scratch::new();
        NodeKey::open(scratch.path()).unwrap();
        let path = scratch.path().join(KEY_FILE);
        let mode = |mode| std::fs::set_permissions(&path, PermissionsExt::from_mode(mode)).unwrap();
        mode(0o640);
        let refused = format!("{:#}", NodeKey::open(scratch.path()).unwrap_err());
        assert!(refused.contains("mode 640"), "{refused}");
        mode(0o600);
        std::fs::write(&path, b"no key").unwrap();
        let refused = format!("{:#}", NodeKey::open(scratch.path()).unwrap_err());
        assert!(refused.contains("no Ed25519 key"), "{refused}");
        assert_eq!(std::fs::read(&path).unwrap(), b"no key");
    }
}
