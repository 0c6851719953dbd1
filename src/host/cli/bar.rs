//! A bar for whoever waits at a terminal: only if it is one, and only if it takes long.

use crate::base::Millis;
use crate::host::clock::Clock;
use std::io::{IsTerminal, Write};

/// Shorter waits show no bar.
const PATIENCE: Millis = Millis(1_000);
/// The bar is drawn anew this often.
const DRAW_EVERY: Millis = Millis(100);
/// Characters of a full bar.
const WIDTH: u64 = 30;

/// A bar on standard error. Goes away when it is dropped.
pub struct Bar {
    what: &'static str,
    clock: Clock,
    terminal: bool,
    all_bytes: u64,
    done_bytes: u64,
    next: Millis,
    drawn: bool,
}

impl Bar {
    /// So many bytes are to be done.
    pub fn new(what: &'static str, all_bytes: u64) -> Bar {
        Bar {
            what,
            clock: Clock::new(),
            terminal: std::io::stderr().is_terminal(),
            all_bytes,
            done_bytes: 0,
            next: PATIENCE,
            drawn: false,
        }
    }

    /// So many more are done.
    pub fn advance(&mut self, bytes: u64) {
        self.done_bytes += bytes;
        if !self.terminal {
            return;
        }
        let now = self.clock.now().mono.millis();
        if now >= self.next {
            self.next = now + DRAW_EVERY;
            self.drawn = true;
            write(&format!(
                "\r{}",
                line(self.what, self.done_bytes, self.all_bytes)
            ));
        }
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        if self.drawn {
            // To the beginning of the line, and everything behind that away.
            write("\r\x1b[K");
        }
    }
}

fn write(text: &str) {
    let mut out = std::io::stderr();
    // A closed terminal leaves nobody to tell.
    drop(out.write_all(text.as_bytes()).and_then(|()| out.flush()));
}

fn line(what: &str, done_bytes: u64, all_bytes: u64) -> String {
    let all = all_bytes.max(done_bytes).max(1);
    let share = |of: u64| u64::try_from(u128::from(done_bytes) * u128::from(of) / u128::from(all));
    let (full, percent) = (share(WIDTH).unwrap_or(0), share(100).unwrap_or(0));
    let (full, rest) = (full as usize, (WIDTH - full) as usize);
    let (full, rest) = ("#".repeat(full), "-".repeat(rest));
    let [done, all] = [done_bytes, all].map(|bytes| bytes / 1_000_000);
    format!("{what} [{full}{rest}] {percent:>3} %  {done} of {all} MB")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bar_says_how_much_is_done() {
        let says = line("checking", 15_000_000, 30_000_000);
        assert_eq!(
            says,
            "checking [###############---------------]  50 %  15 of 30 MB"
        );
        assert!(line("checking", 7, 0).contains("100 %"));
        assert!(line("checking", 0, 0).contains("  0 %"));
    }
}
