//! Space that is kept for the ledger: a file that is given up when the disk is full, so that running
//! sessions are still written while no new ones start.

use crate::base::{Millis, Mono};
use crate::host::space::{Disk, Look};
use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// Its name in the data directory.
const BALLAST_FILE: &str = "ballast";
/// It is only kept where so many times as much is free.
const TIMES_FREE: u64 = 4;
/// How often it is tried to take it again.
const AGAIN: Millis = Millis::from_secs(10);
/// Written at once.
const PIECE: usize = 1 << 20;

/// What is kept.
pub(super) struct Ballast {
    path: PathBuf,
    bytes: u64,
    look: Look,
    held: Held,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Held {
    /// It lies there.
    Yes,
    /// None is asked for, or the disk was too small for it.
    None,
    /// It was given up; when to try again.
    GivenUp(Mono),
}

impl Ballast {
    /// Keeps so many bytes in `dir`, if the disk has room for them.
    ///
    /// # Errors
    /// The directory cannot be looked at.
    pub fn new(dir: &Path, bytes: u64, look: Look) -> io::Result<Ballast> {
        let mut ballast = Ballast {
            path: dir.join(BALLAST_FILE),
            bytes,
            look,
            held: Held::None,
        };
        let lies = std::fs::metadata(&ballast.path).is_ok_and(|file| file.len() == bytes);
        if bytes == 0 {
            ballast.remove();
        } else if lies || ballast.fits()? {
            ballast.take();
        }
        if bytes > 0 && ballast.held == Held::None {
            tracing::warn!(
                bytes,
                "the disk has no room to spare for the ledger (data.ballast_mib): when it is full, entries are kept in memory alone"
            );
        }
        Ok(ballast)
    }

    /// Whether it was given up, and is not back.
    pub const fn is_given_up(&self) -> bool {
        matches!(self.held, Held::GivenUp(_))
    }

    /// The disk is full: makes room. False if there is nothing to give up.
    pub fn give_up(&mut self, now: Mono) -> bool {
        if self.held != Held::Yes {
            return false;
        }
        self.held = Held::GivenUp(now + AGAIN);
        self.remove()
    }

    /// Takes it again once the disk has room to spare.
    pub fn handle_timeout(&mut self, now: Mono) {
        let Held::GivenUp(at) = self.held else {
            return;
        };
        if at <= now {
            self.held = Held::GivenUp(now + AGAIN);
            if self.fits().unwrap_or(false) {
                self.take();
            }
        }
    }

    fn fits(&self) -> io::Result<bool> {
        let Disk { free_bytes, .. } = (self.look)()?;
        Ok(free_bytes / TIMES_FREE >= self.bytes)
    }

    fn take(&mut self) {
        match fill(&self.path, self.bytes) {
            Ok(()) => self.held = Held::Yes,
            Err(error) => {
                tracing::warn!(%error, "no space can be kept for the ledger now");
                self.remove();
            }
        }
    }

    fn remove(&self) -> bool {
        match std::fs::remove_file(&self.path) {
            Ok(()) => true,
            Err(error) => {
                if error.kind() != io::ErrorKind::NotFound {
                    tracing::error!(%error, "the space kept for the ledger cannot be given up");
                }
                false
            }
        }
    }
}

/// Every block is written: what a file system only promises is not there when it is full.
fn fill(path: &Path, bytes: u64) -> io::Result<()> {
    let mut file = File::options()
        .create(true)
        .truncate(true)
        .write(true)
        .open(path)?;
    let piece = vec![0x5a; PIECE];
    let mut left = bytes;
    while left > 0 {
        let next = usize::try_from(left).unwrap_or(PIECE).min(PIECE);
        file.write_all(piece.get(..next).unwrap_or(&piece))?;
        left -= u64::try_from(next).unwrap_or(left);
    }
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::store::fixture::Dir;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

    const BYTES: u64 = 3 * (PIECE as u64) + 7;

    #[test]
    fn it_is_given_up_once_and_taken_again_when_four_times_as_much_is_free() {
        let dir = Dir::new();
        std::fs::create_dir_all(&dir.0).unwrap();
        let free = Arc::new(AtomicU64::new(4 * BYTES));
        let seen = free.clone();
        let look: Look = Box::new(move || {
            let free_bytes = seen.load(Relaxed);
            let bytes = u64::MAX;
            Ok(Disk { free_bytes, bytes })
        });
        let lies = || std::fs::metadata(dir.0.join(BALLAST_FILE)).map_or(0, |file| file.len());
        let mut ballast = Ballast::new(&dir.0, BYTES, look).unwrap();
        assert_eq!((lies(), ballast.is_given_up()), (BYTES, false));
        let at = Mono::from_millis;
        assert!(ballast.give_up(at(0)));
        assert!(!ballast.give_up(at(1)), "nothing more");
        assert_eq!((lies(), ballast.is_given_up()), (0, true));
        free.store(4 * BYTES - 1, Relaxed);
        ballast.handle_timeout(at(10_000));
        assert_eq!((lies(), ballast.is_given_up()), (0, true));
        free.store(4 * BYTES, Relaxed);
        ballast.handle_timeout(at(19_999));
        assert!(ballast.is_given_up(), "not at once");
        ballast.handle_timeout(at(20_000));
        assert_eq!((lies(), ballast.is_given_up()), (BYTES, false));
    }

    #[test]
    fn there_is_none_on_a_small_disk_or_where_none_is_wanted() {
        let dir = Dir::new();
        std::fs::create_dir_all(&dir.0).unwrap();
        let look = |free_bytes| -> Look {
            Box::new(move || {
                Ok(Disk {
                    free_bytes,
                    bytes: 0,
                })
            })
        };
        for (bytes, free) in [(BYTES, 4 * BYTES - 1), (0, u64::MAX)] {
            let mut ballast = Ballast::new(&dir.0, bytes, look(free)).unwrap();
            assert!(!dir.0.join(BALLAST_FILE).exists());
            assert!(!ballast.give_up(Mono::ZERO) && !ballast.is_given_up());
        }
    }
}
