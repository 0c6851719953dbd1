//! How much room a disk has: that of the recordings, and that of the ledger. The one door to rustix.

use anyhow::Context;
use cap_std::fs::Dir;
use std::io;
use std::path::Path;

/// Files are made only while so much stays free. What is made is looked at once, and takes minutes at
/// half speed: meanwhile the calls that are recorded need a disk, and by default the ledger has the same
/// one. 1 GiB is a minute of 30 calls at 4 Mbit/s.
const RESERVE_BYTES: u64 = 1 << 30;
/// Of a disk that is small the reserve is no more than this part: a twentieth.
const RESERVE_PART: u64 = 20;

/// A disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Disk {
    /// What is free for us.
    pub free_bytes: u64,
    /// All it has.
    pub bytes: u64,
}

/// Looks at a disk.
pub type Look = Box<dyn Fn() -> io::Result<Disk> + Send + Sync>;

/// There is not enough room now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the disk has {free_bytes} bytes free; {need_bytes} are needed, and {reserve_bytes} are kept for calls"
)]
pub struct Short {
    need_bytes: u64,
    free_bytes: u64,
    reserve_bytes: u64,
}

impl Disk {
    /// Whether so much more may be written.
    ///
    /// # Errors
    /// It would touch the reserve.
    pub fn takes(self, need_bytes: u64) -> Result<(), Short> {
        let reserve_bytes = RESERVE_BYTES.min(self.bytes / RESERVE_PART);
        if self.free_bytes >= need_bytes.saturating_add(reserve_bytes) {
            return Ok(());
        }
        Err(Short {
            need_bytes,
            free_bytes: self.free_bytes,
            reserve_bytes,
        })
    }
}

/// Asks for room for so much.
///
/// # Errors
/// There is none, or the disk does not say.
pub fn ask(look: &Look, need_bytes: u64) -> anyhow::Result<()> {
    let disk = look().context("the disk does not say what is free")?;
    Ok(disk.takes(need_bytes)?)
}

/// The disk of a directory, by its path.
///
/// # Errors
/// There is no handle to be had.
pub fn at(dir: &Path) -> io::Result<Look> {
    of(&Dir::open_ambient_dir(dir, cap_std::ambient_authority())?)
}

/// The disk of a directory.
///
/// # Errors
/// There is no handle to be had.
pub fn of(dir: &Dir) -> io::Result<Look> {
    let dir = dir.try_clone()?;
    Ok(Box::new(move || {
        let found = rustix::fs::fstatvfs(&dir)?;
        Ok(Disk {
            free_bytes: found.f_bavail.saturating_mul(found.f_frsize),
            bytes: found.f_blocks.saturating_mul(found.f_frsize),
        })
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reserve_is_a_gigabyte_and_of_a_small_disk_a_twentieth() {
        const GIB: u64 = 1 << 30;
        for (bytes, free_bytes, need_bytes, fits) in [
            (100 * GIB, 3 * GIB, 2 * GIB, true),
            (100 * GIB, 3 * GIB - 1, 2 * GIB, false),
            (100 * GIB, 0, 0, false),
            (1_000, 150, 100, true),
            (1_000, 149, 100, false),
            (1_000, 1_000, u64::MAX, false),
        ] {
            let disk = Disk { free_bytes, bytes };
            assert_eq!(
                disk.takes(need_bytes).is_ok(),
                fits,
                "{disk:?} {need_bytes}"
            );
        }
    }

    #[test]
    fn a_directory_has_a_disk() {
        let dir = std::env::temp_dir();
        let dir = Dir::open_ambient_dir(dir, cap_std::ambient_authority()).unwrap();
        let disk = of(&dir).unwrap()().unwrap();
        assert!(disk.bytes > 0 && disk.free_bytes <= disk.bytes, "{disk:?}");
    }
}
