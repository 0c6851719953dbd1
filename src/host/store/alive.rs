//! Until when the process lived: a file that is written over some twenty times a second. It needs no new
//! space, so it tells the truth on a full disk; it is not synced, so a slow one does not hold it up. What
//! it says holds after the death of the process, and not after that of the machine.

use crate::api::ReadClock;
use crate::base::{Millis, Mono, Now, Unix};
use crate::usage::ledger::Death;
use serde::{Deserialize, Serialize};
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{RecvTimeoutError, SyncSender, sync_channel};
use std::thread::JoinHandle;

/// Its name in the data directory.
const ALIVE_FILE: &str = "alive";
/// Length of what it holds, filled up with blanks: one page of memory and less than one block.
const BYTES: usize = 256;
/// How often it is written.
const BEAT: Millis = Millis(50);
/// How late the next beat may be on a machine that is in time.
const LATE: Millis = Millis(100);
/// How fast a machine that was late is believed to be in time again: by a sixteenth a beat.
const FORGET: u64 = 16;
/// Names a run of the machine (proc(5)).
const BOOT_ID: &str = "/proc/sys/kernel/random/boot_id";

/// What stands in the file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Mark {
    machine: String,
    boot_epoch: u64,
    /// If the process lives then, there is another mark.
    until: Mono,
    /// The same by its wall clock.
    until_unix_ms: Unix,
    /// The wall clock was set since it started.
    set: bool,
}

/// Until when the process of the boot before this one may have lived; none if nobody knows.
pub(super) fn death(dir: &Path, boot_epoch: u64) -> Option<Death> {
    let text = std::fs::read_to_string(dir.join(ALIVE_FILE)).ok()?;
    let mark: Mark = serde_json::from_str(text.trim_end()).ok()?;
    let same = mark.boot_epoch == boot_epoch && Some(mark.machine) == machine();
    same.then_some(Death {
        mono: mark.until,
        unix: (!mark.set).then_some(mark.until_unix_ms),
    })
}

fn machine() -> Option<String> {
    let id = std::fs::read_to_string(BOOT_ID).ok()?;
    Some(id.trim().to_owned())
}

/// What the next mark says.
#[derive(Clone, Copy, Debug)]
struct Beat {
    before: Now,
    late: Millis,
    set: bool,
}

impl Beat {
    /// A mark is written now: until when it holds. A machine that was late lately may be so again.
    fn handle_beat(&mut self, now: Now) -> Millis {
        let waited = now.mono.since(self.before.mono);
        let late = waited.saturating_sub(BEAT);
        self.late = late.max(Millis(self.late.0 - self.late.0 / FORGET));
        self.set |= now.set_since(self.before).is_some();
        self.before = now;
        BEAT + LATE.max(self.late + self.late)
    }
}

/// Writes the file until it is dropped.
pub(super) struct Heart {
    stop: Option<SyncSender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Heart {
    /// Writes the first mark, and starts. Where the file cannot be written there is none, and nothing is
    /// claimed after a crash.
    ///
    /// # Errors
    /// The operating system gives no thread.
    pub fn start(dir: &Path, boot_epoch: u64, clock: ReadClock) -> io::Result<Heart> {
        let (stop, stopped) = sync_channel(0);
        let mut beating = Beating::new(dir, boot_epoch, clock);
        beating.beat();
        let thread = std::thread::Builder::new().name("alive".to_owned());
        let thread = thread.spawn(move || {
            while stopped.recv_timeout(BEAT.duration()) == Err(RecvTimeoutError::Timeout) {
                beating.beat();
            }
        })?;
        Ok(Heart {
            stop: Some(stop),
            thread: Some(thread),
        })
    }
}

impl Drop for Heart {
    fn drop(&mut self) {
        self.stop = None;
        if let Some(thread) = self.thread.take() {
            // It does nothing that panics.
            drop(thread.join());
        }
    }
}

struct Beating {
    path: PathBuf,
    file: Option<File>,
    machine: String,
    boot_epoch: u64,
    beats: Beat,
    clock: ReadClock,
}

impl Beating {
    fn new(dir: &Path, boot_epoch: u64, clock: ReadClock) -> Beating {
        let path = dir.join(ALIVE_FILE);
        let made = File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .open(&path);
        let before = clock();
        Beating {
            path,
            file: made.inspect_err(told).ok(),
            machine: machine().unwrap_or_default(),
            boot_epoch,
            beats: Beat {
                before,
                late: Millis::ZERO,
                set: false,
            },
            clock,
        }
    }

    fn beat(&mut self) {
        let now = (self.clock)();
        let holds = self.beats.handle_beat(now);
        let Some(file) = &self.file else {
            return;
        };
        let mark = Mark {
            machine: self.machine.clone(),
            boot_epoch: self.boot_epoch,
            until: now.mono + holds,
            until_unix_ms: Unix(now.unix.0 + holds.0),
            set: self.beats.set,
        };
        let text = serde_json::to_string(&mark).unwrap_or_default();
        let line = format!("{text:BYTES$}");
        if let Err(error) = file.write_all_at(line.as_bytes(), 0) {
            told(&error);
            // An old mark would claim too little: there is rather none.
            drop(std::fs::remove_file(&self.path));
            self.file = None;
        }
    }
}

fn told(error: &io::Error) {
    tracing::error!(%error,
        "it cannot be noted that this process lives: after a crash nobody can say how far an estimate is off");
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::store::fixture::{Dir, at, clock, soon};

    #[test]
    fn a_mark_holds_until_the_next_one_must_be_there_by_how_late_the_machine_was() {
        let mut beats = Beat {
            before: at(1_000),
            late: Millis::ZERO,
            set: false,
        };
        let mut now = at(1_000);
        for (waited, holds) in [(50, 150), (90, 150), (250, 450), (50, 426), (5_000, 9_950)] {
            now.mono = now.mono + Millis(waited);
            now.unix.0 += waited;
            assert_eq!(beats.handle_beat(now), Millis(holds), "after {waited} ms");
        }
        assert!(!beats.set);
        (now.mono, now.unix) = (now.mono + Millis(50), Unix(now.unix.0 + 3_600_000));
        beats.handle_beat(now);
        assert!(beats.set, "the wall clock");
    }

    #[test]
    fn what_was_written_last_is_read_by_the_next_boot_and_by_no_other() {
        let dir = Dir::new();
        std::fs::create_dir_all(&dir.0).unwrap();
        assert_eq!(death(&dir.0, 1), None, "there is none");
        let clock = clock();
        drop(Heart::start(&dir.0, 1, clock.clone()).unwrap());
        let read = death(&dir.0, 1).expect("it was written");
        assert!(read.mono + Millis(1) > clock().mono, "{read:?}");
        let label = read.unix.expect("no clock was set");
        assert!(label > soon().unix, "{read:?}");
        assert_eq!(death(&dir.0, 2), None, "of another process");
        std::fs::write(dir.0.join(ALIVE_FILE), "{\"machine\":\"torn").unwrap();
        assert_eq!(death(&dir.0, 1), None);
    }

    #[test]
    fn a_file_that_cannot_be_written_claims_nothing() {
        let dir = Dir::new();
        std::fs::create_dir_all(dir.0.join(ALIVE_FILE)).unwrap();
        drop(Heart::start(&dir.0, 1, clock()).unwrap());
        assert_eq!(death(&dir.0, 1), None);
    }
}
