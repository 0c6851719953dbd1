//! A process of ours: its lines are read, its errors are kept in a file, and it does not outlive its
//! test.

use crate::wait;
use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// How much of its errors a failed test shows.
const LOG_TAIL_BYTES: usize = 6_000;

#[derive(Debug, Default)]
struct Lines {
    read: Vec<String>,
    ended: bool,
}

/// The process.
#[derive(Debug)]
pub struct Child {
    name: String,
    process: std::process::Child,
    lines: Arc<Mutex<Lines>>,
    taken: usize,
    log: PathBuf,
}

impl Child {
    /// Starts it; what it says to standard error is appended to `log`.
    pub fn start(name: &str, command: &mut Command, log: &Path) -> Child {
        let errors = File::options()
            .create(true)
            .append(true)
            .open(log)
            .expect("the log file opens");
        let mut process = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(errors)
            .spawn()
            .unwrap_or_else(|error| panic!("{name} cannot be started: {error}"));
        let lines = Arc::<Mutex<Lines>>::default();
        let output = process.stdout.take().expect("standard output is piped");
        let shared = lines.clone();
        std::thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                lock(&shared).read.push(line);
            }
            lock(&shared).ended = true;
        });
        Child {
            name: name.to_owned(),
            process,
            lines,
            taken: 0,
            log: log.to_owned(),
        }
    }

    /// Its number among the processes.
    pub fn id(&self) -> u32 {
        self.process.id()
    }

    /// Writes a line to its standard input.
    pub fn tell(&mut self, line: &str) {
        let input = self.process.stdin.as_mut().expect("standard input is open");
        writeln!(input, "{line}")
            .and_then(|()| input.flush())
            .unwrap_or_else(|error| panic!("{} does not listen any more: {error}", self.name));
    }

    /// The next line of its standard output.
    pub fn line(&mut self, what: &str, limit: Duration) -> String {
        let what = format!("{}: {what}", self.name);
        let line = wait::until(&what, limit, || {
            let lines = lock(&self.lines);
            match lines.read.get(self.taken) {
                Some(line) => Ok(Some(line.clone())),
                None if lines.ended => Ok(None),
                None => Err("no line".to_owned()),
            }
        });
        self.taken += 1;
        line.unwrap_or_else(|| panic!("{what}: it ended instead"))
    }

    /// All lines so far.
    pub fn lines(&self) -> Vec<String> {
        lock(&self.lines).read.clone()
    }

    /// Kills it (SIGKILL) and waits for its end.
    pub fn kill(&mut self) {
        drop(self.process.kill());
        drop(self.process.wait());
    }

    /// Ends its standard input, which a driver takes for its end, and gives it a moment to clean up.
    pub fn close(&mut self, limit: Duration) {
        drop(self.process.stdin.take());
        let process = &mut self.process;
        wait::met(limit, || !matches!(process.try_wait(), Ok(None)));
        self.kill();
    }

    /// Asks it to end (SIGTERM).
    pub fn terminate(&self) {
        self.signal("TERM");
    }

    /// Sends it this signal.
    pub fn signal(&self, name: &str) {
        let pid = self.process.id().to_string();
        let status = Command::new("sh")
            .args(["-c", "kill \"-$1\" \"$0\"", &pid, name])
            .status()
            .expect("sh runs");
        assert!(status.success(), "{} gets no SIG{name}", self.name);
    }

    /// Waits until it has ended by itself.
    pub fn end(&mut self, limit: Duration) -> ExitStatus {
        let what = format!("{} ends", self.name);
        let process = &mut self.process;
        wait::until(&what, limit, || match process.try_wait() {
            Ok(Some(status)) => Ok(status),
            Ok(None) => Err("it still runs".to_owned()),
            Err(error) => Err(error.to_string()),
        })
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        self.kill();
        if std::thread::panicking() {
            let log = std::fs::read(&self.log).unwrap_or_default();
            let tail = &log[log.len().saturating_sub(LOG_TAIL_BYTES)..];
            eprintln!(
                "--- the last errors of {}:\n{}",
                self.name,
                String::from_utf8_lossy(tail)
            );
        }
    }
}

fn lock(lines: &Mutex<Lines>) -> std::sync::MutexGuard<'_, Lines> {
    lines.lock().unwrap_or_else(PoisonError::into_inner)
}
