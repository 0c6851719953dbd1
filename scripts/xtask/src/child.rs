//! Runs one command of a step: streams what it says, reads the results out of it, and ends it,
//! with all that it has started, when its time is up.
//!
//! What it starts is known by a mark in the environment, which children inherit: a browser or a
//! node that went into a process group of its own is found as well, and nothing else ever is.

use crate::tally::Tally;
use std::io::{BufRead, BufReader, PipeReader, Write};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::time::{Duration, Instant};

const MARK: &str = "BEISTAND_XTASK_STEP";
/// Lines between the reading thread and the printing one; when full, the child waits.
const LINES: usize = 1024;
/// How often to look whether the child has ended while it says nothing.
const GLANCE: Duration = Duration::from_millis(100);
/// How long a process may outlive the command that started it, and its output be waited for.
const GRACE: Duration = Duration::from_secs(3);

/// How a command ended.
#[derive(Debug, PartialEq, Eq)]
pub enum End {
    Passed,
    Failed,
    OutOfTime,
    NotStarted(String),
}

#[expect(
    clippy::disallowed_methods,
    reason = "the runner measures its steps by the clock"
)]
pub fn now() -> Instant {
    Instant::now()
}

#[expect(
    clippy::disallowed_methods,
    reason = "the runner looks at processes that tell nobody"
)]
fn pause() {
    std::thread::sleep(GLANCE);
}

/// Where the lines of a command go: on to the reader, and into the count.
pub struct Sink<'a> {
    pub out: &'a mut dyn Write,
    pub tally: &'a mut Tally,
}

impl Sink<'_> {
    fn take(&mut self, line: &[u8]) {
        self.tally.read(&String::from_utf8_lossy(line));
        // If nobody reads any more, the result still counts.
        let _ = self.out.write_all(line).and_then(|()| self.out.flush());
    }

    fn say(&mut self, text: &str) {
        self.take(format!("{text}\n").as_bytes());
    }
}

/// Runs `command` until it ends or `deadline` has come.
pub fn run(mut command: Command, deadline: Instant, sink: &mut Sink) -> End {
    let mark = format!("{}-{:?}", std::process::id(), now());
    command.env(MARK, &mark).stdin(Stdio::null());
    let (child, lines) = match start(command) {
        Ok(started) => started,
        Err(e) => return End::NotStarted(e.to_string()),
    };
    let end = follow(child, &lines, deadline, sink);
    if end == End::OutOfTime {
        end_all(&mark, sink);
    } else {
        end_leftovers(&mark, sink);
    }
    while let Ok(line) = lines.recv_timeout(GLANCE) {
        sink.take(&line);
    }
    end
}

/// Both outputs go through one pipe, so that their lines keep their order.
fn start(mut command: Command) -> std::io::Result<(Child, Receiver<Vec<u8>>)> {
    let (reader, writer) = std::io::pipe()?;
    command.stdout(writer.try_clone()?).stderr(writer);
    let child = command.spawn()?;
    drop(command); // and with it our ends of the pipe
    let (sender, receiver) = sync_channel(LINES);
    std::thread::spawn(move || read_lines(reader, &sender));
    Ok((child, receiver))
}

fn read_lines(reader: PipeReader, sender: &SyncSender<Vec<u8>>) {
    let mut reader = BufReader::new(reader);
    let mut line = Vec::new();
    while reader
        .read_until(b'\n', &mut line)
        .is_ok_and(|read| read > 0)
    {
        if sender.send(std::mem::take(&mut line)).is_err() {
            return;
        }
    }
}

fn follow(mut child: Child, lines: &Receiver<Vec<u8>>, deadline: Instant, sink: &mut Sink) -> End {
    let mut silent = false; // the pipe is closed
    loop {
        if silent {
            pause();
        } else {
            match lines.recv_timeout(GLANCE) {
                Ok(line) => {
                    sink.take(&line);
                    if now() < deadline {
                        continue;
                    }
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => silent = true,
            }
        }
        match child.try_wait() {
            Ok(Some(status)) if status.success() => return End::Passed,
            Ok(Some(_)) => return End::Failed,
            Ok(None) if now() < deadline => {}
            Ok(None) => {
                // The parent first, that it starts nothing new; the rest by its mark.
                let _ = child.kill();
                let _ = child.wait();
                return End::OutOfTime;
            }
            Err(e) => return End::NotStarted(e.to_string()),
        }
    }
}

/// Processes of a command that has ended get a moment to end as well; then they are named and
/// ended.
fn end_leftovers(mark: &str, sink: &mut Sink) {
    let limit = now() + GRACE;
    while now() < limit {
        if marked(mark).is_empty() {
            return;
        }
        pause();
    }
    end_all(mark, sink);
}

fn end_all(mark: &str, sink: &mut Sink) {
    // Twice: one may have started another between the look and the end.
    for _ in 0..2 {
        for (id, name) in marked(mark) {
            sink.say(&format!("ending process {id}, left behind: {name}"));
            let killed = Command::new("sh")
                .args(["-c", &format!("kill -KILL {id}")])
                .status();
            if let Err(e) = killed {
                sink.say(&format!("process {id} cannot be ended: {e}"));
            }
        }
        pause();
    }
}

/// Living processes whose environment bears the mark: id and name.
fn marked(mark: &str) -> Vec<(u32, String)> {
    let wanted = format!("{MARK}={mark}");
    let Ok(processes) = std::fs::read_dir("/proc") else {
        return Vec::new();
    };
    processes
        .filter_map(|entry| {
            let folder = entry.ok()?.path();
            let id: u32 = folder.file_name()?.to_str()?.parse().ok()?;
            let environment = std::fs::read(folder.join("environ")).ok()?;
            environment
                .split(|byte| *byte == 0)
                .find(|entry| *entry == wanted.as_bytes())?;
            let name = std::fs::read_to_string(folder.join("comm")).unwrap_or_default();
            Some((id, name.trim().to_owned()))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str, limit: Duration) -> (End, Tally, Duration) {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        let (start, mut tally) = (now(), Tally::default());
        let end = run(
            command,
            start + limit,
            &mut Sink {
                out: &mut std::io::sink(),
                tally: &mut tally,
            },
        );
        (end, tally, now() - start)
    }

    const LONG: Duration = Duration::from_secs(60);

    #[test]
    fn results_are_read_from_both_outputs() {
        let (end, tally, _) = shell(
            "echo 'test result: ok. 2 passed; 0 failed; 0 ignored'; \
             echo 'test result: FAILED. 1 passed; 1 failed; 0 ignored' >&2; exit 1",
            LONG,
        );
        assert_eq!((end, tally.passed, tally.failed), (End::Failed, 3, 1));
    }

    #[test]
    fn a_command_that_passes_passes() {
        assert_eq!(shell("true", LONG).0, End::Passed);
    }

    #[test]
    fn what_takes_too_long_is_ended_with_all_that_it_started() {
        // The inner process is in a session of its own and holds the pipe open.
        let (end, _, took) = shell("setsid sleep 4123 & sleep 4123", Duration::from_millis(300));
        assert_eq!(end, End::OutOfTime);
        assert!(took < Duration::from_secs(20), "{took:?}");
    }

    #[test]
    fn what_a_command_leaves_behind_is_ended() {
        let (end, _, took) = shell("setsid sleep 4124 & true", LONG);
        assert_eq!(end, End::Passed);
        assert!(took < Duration::from_secs(20), "{took:?}");
    }

    #[test]
    fn a_program_that_does_not_exist_is_not_started() {
        let command = Command::new("/does/not/exist");
        let mut sink = Sink {
            out: &mut std::io::sink(),
            tally: &mut Tally::default(),
        };
        let end = run(command, now() + LONG, &mut sink);
        assert!(matches!(end, End::NotStarted(_)), "{end:?}");
    }
}
